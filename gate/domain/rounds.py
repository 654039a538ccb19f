"""From numbers to a decision: what the rules say, the verdict, and the round that holds all of a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gate.domain.answers import Arm, ArmName, Check, Finish, Role
from gate.domain.comparisons import Comparison, Distribution

Outcome = Literal["pass", "warn", "fail", "inconclusive", "error"]
VerdictOutcome = Literal["pass", "fail", "inconclusive", "error"]

Reason = Literal[
    "straddles_margin",
    "underpowered",
    "drop_significant_size_unproven",
    "too_few_clusters",
    "missing_cases",
    "degenerate",
    "marginal_gain",
    "no_gain_shown",
    "prompt_is_enough",
    "stopped_early",
]
"""Machine-readable cause of a finding that is not a plain pass or fail."""

REUSED = "answers from the cache"
"""Key in a round's environment: how many answers of the reference arms were taken over from earlier runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one rule says."""

    rule: str
    """The rule's kind."""
    suite: str | None
    """None: the rule speaks of the whole run."""
    slice: str | None
    against: ArmName | None
    outcome: Outcome
    blocking: bool
    """A finding that is not blocking never changes the verdict."""
    reason: Reason | None
    message: str
    """One or two sentences for people: what was tested, what was seen, what it would take to decide."""
    observed: float | None
    """What the rule looked at, in `unit`."""
    unit: Literal["points", "share", "ratio", "count"]
    """`points`: a difference of scores, as a fraction. `share`: a fraction of something. `ratio`: a relative change, as
    a fraction. `count`: a number of cases."""
    limit: float | None
    """What it was held against, as a fraction (a count for counting rules)."""
    limit_text: str
    """The limit with its unit, for example `drop at most 5 pp (default)`."""
    p_value: float | None
    """Holm-adjusted p of the failure; None for observed rules."""
    advice: tuple[str, ...] = ()
    """What a practitioner would check next, most likely cause first."""
    final: bool = False
    """No further case would change it, up to the error rate: it is proven, or cannot be undone."""
    guards: bool = False
    """The rule protects the whole suite against a loss."""
    line: int | None = None
    """Line of the configuration file on which the rule stands, from 1; for a default rule that of its suite. None:
    not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer to the question whether this may be merged."""

    outcome: VerdictOutcome
    exit_code: int
    headline: str
    """One sentence that answers yes, no or cannot tell, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteSummary:
    """A suite as the round remembers it."""

    role: Role
    n: int
    digest: str
    scorer: str | None
    """Kind of the scorer; None for unlabelled inputs."""
    invalid: Mapping[str, int] = field(default_factory=dict)
    """Arm -> answers that were none of the allowed ones."""
    truncated: Mapping[str, int] = field(default_factory=dict)
    """Arm -> answers cut by the token limit."""
    errors: Mapping[str, int] = field(default_factory=dict)
    """Arm -> answers that failed or could not be scored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmAnswer:
    """One arm's answer as shown to a person."""

    text: str
    score: float | None
    why: str
    finish: Finish


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A case worth reading: what both arms said."""

    suite: str
    case: str
    prompt: str
    """The last turn before the answer."""
    expected: str
    """References, or what was expected, in words."""
    critical: bool
    answers: Mapping[str, ArmAnswer]
    """Arm -> answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Everything one run knows. The reports are pure functions of it."""

    schema_version: Literal[1] = 1
    id: str
    created_at: str
    """ISO 8601, UTC."""
    gate_version: str
    commit: str | None
    """Git commit of the folder the configuration lies in; None outside a repository."""
    signature: str
    """Two rounds are comparable only if it is equal."""
    arms: Mapping[ArmName, Arm]
    suites: Mapping[str, SuiteSummary]
    comparisons: tuple[Comparison, ...]
    distributions: tuple[Distribution, ...]
    findings: tuple[Finding, ...]
    verdict: Verdict
    evidence: tuple[Evidence, ...]
    texts: bool = True
    """Whether texts of cases and answers may leave the run folder; False: the evidence holds ids and scores only."""
    warnings: tuple[str, ...]
    """What a reader must know to trust the numbers, one sentence each."""
    preflight: tuple[Check, ...] = ()
    """The checks that were made before anything was asked, in the order of their ids; empty where no model was run."""
    environment: Mapping[str, str]
    timings: Mapping[str, float]
    """Stage -> seconds."""
