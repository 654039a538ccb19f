"""The values that flow through a run, in the order in which they come into being.

Every type is frozen; every collection in them is a tuple or is treated as read-only. Nothing unknown looks
like a number: a value that could not be had is None beside a reason, never NaN, -1 or 0.

This module knows no file format, no library and no other module of the project.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["task", "regression", "distribution"]
"""What a suite is for: what was taught, what must not be un-taught, or unlabelled real inputs."""

ArmName = Literal["base", "candidate", "incumbent", "prompted"]
"""The contestants: the pristine base, what is to be judged, what is in production now, and the base with a good prompt.

They differ in their weights and in nothing else; the prompted arm has the base's weights and differs in its prompts.
"""

Finish = Literal["stop", "length", "error"]
"""Why an answer ended: the model ended it, the token limit cut it, or no answer could be had."""

Measure = Literal["delta", "score", "flips", "tradeoff", "shift"]
"""What a hypothesis is about. `delta`: the paired difference of scores. `score`: the arm's own mean less a required
one. `flips`: how much was lost on the cases that got worse. `tradeoff`: the gain of a task suite plus the relative
change of another suite. `shift`: how far a property of the answers moved, in either direction."""

Metric = Literal["mean", "accuracy", "macro_f1", "weighted_f1"]
"""How the scores of a suite become one number."""

CORPUS_METRICS = frozenset({"macro_f1", "weighted_f1"})
"""Metrics that are no mean over cases."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation."""

    role: str
    """`system`, `user` or `assistant`."""
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question with what a right answer is."""

    id: str
    """Unique within its suite; the key on which arms are paired."""
    messages: tuple[Message, ...]
    """The conversation to be continued; never empty."""
    references: tuple[str, ...] = ()
    """Right answers, any of which will do."""
    choices: tuple[str, ...] = ()
    """The options of a multiple-choice question."""
    expected: Literal["answer", "refuse"] | None = None
    """Whether the right reaction is to answer or to refuse."""
    tags: tuple[str, ...] = ()
    """Slices that the case belongs to."""
    critical: bool = False
    """Whether a regression on this one case is a finding of its own."""
    cluster: str | None = None
    """Cases with the same cluster are not independent of each other."""
    max_new_tokens: int | None = None
    """Limit for this answer in tokens; None: the run's limit."""
    origin: Literal["real", "synthetic", "augmented"] | None = None
    generator: str | None = None
    """What produced a synthetic case."""
    verified_by: str | None = None
    """The person who checked the reference."""
    created_at: str | None = None
    """ISO 8601 date or date-time."""
    parent_id: str | None = None
    """The case that this one is a variation of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Cases that are scored in one way and reported as one row."""

    name: str
    role: Role
    cases: tuple[Case, ...]
    digest: str
    """SHA-256 over the cases' content, hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One contestant: what answered the cases."""

    name: ArmName
    model: str | None
    """Folder or hub id of the base model, as configured."""
    revision: str | None
    """Commit of a hub model; None for a folder."""
    adapter: str | None
    """Folder of the adapter, as configured; None for the bare base."""
    description: str
    """One line for people, for example `LoRA r=8, 1.2 MB`."""
    digest: str | None
    """SHA-256 over the weights and configuration that make this arm, hexadecimal; None when only answers are known."""


REUSED = "answers from the cache"
"""Key in a round's environment: how many answers of the reference arms were taken over from earlier runs."""

CHECK_IDS = tuple(f"P{number:02}" for number in range(1, 37))
"""Every preflight check that a configuration may name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One preflight check: whether the arms can be believed to be what they are called."""

    id: str
    """`P01` to `P36`; stable, so that `allow` can name it."""
    title: str
    """What is checked, in a few words."""
    outcome: Literal["ok", "warn", "fail", "allowed", "skipped"]
    """`allowed`: it failed, and the configuration says to go on. `skipped`: it could not be made here."""
    message: str
    """What was seen, in one sentence; empty when there is nothing to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """How far an arm's answer is from the base's, as seen while the base's answer was fed to it token by token."""

    compared: int
    """Tokens of the base's answer that the arm was asked about, end-of-turn included."""
    agreed: int
    """Of these, how many the arm would have chosen too, each after the base's own beginning."""
    first_divergence: int | None
    """Tokens before the arm's own answer leaves the base's; None: it never does."""
    mean_log_loss: float
    """Mean of -ln p(token) under the arm over the compared tokens, in nats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer of one arm to one case."""

    suite: str
    case: str
    arm: ArmName
    repeat: int
    """Counts from 0."""
    text: str
    finish: Finish
    tokens: int | None = None
    """Length of the answer in tokens, end-of-turn excluded; None when unknown."""
    error: str | None = None
    """Why there is no answer; None unless `finish` is `error`."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Metric -> value in [0, 1], for an answer that another tool has scored already."""
    probe: Probe | None = None
    """How far it is from the base's answer; None: that was not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What one answer is worth."""

    suite: str
    case: str
    arm: ArmName
    repeat: int
    value: float | None
    """In [0, 1]; None: unscored, for the reason in `why`."""
    why: str
    """One short sentence for a person reading the case."""
    invalid: bool = False
    """The answer was none that the scorer's question allows (an unknown label, an empty text)."""
    label: str | None = None
    """The label that was read; None where none was, or where the scorer knows no labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What two arms are worth on one case, repeats averaged: scores, or values of a property of their answers."""

    case: str
    cluster: str | None
    tags: tuple[str, ...]
    critical: bool
    candidate: float | None
    """Mean score of the arm under test in [0, 1], or its mean value of a property in its own unit; None: missing."""
    reference: float | None
    """The same of the arm it is compared with; None: missing."""
    truth: str | None = None
    """The right label, where labels are what is asked for."""
    candidate_labels: tuple[str | None, ...] = ()
    """Label read from each repeat's answer; None: not one of the labels. Empty where nothing is labelled."""
    reference_labels: tuple[str | None, ...] = ()
    """The same of the arm it is compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """What a rule wants tested, about delta = candidate - reference arm.

    Two one-sided tests: *failing* needs proof of delta < -fail_margin, *passing* needs proof of
    delta > -margin. A margin is negative where a gain is demanded.
    """

    rule: str | None
    """Kind of the declaring rule; None: shown, never judged."""
    suite: str
    slice: str | None
    """Only cases with this tag; None: the whole suite."""
    metric: str
    arm: ArmName
    against: ArmName | None
    """The reference arm; None: the score is compared with a constant (`score`)."""
    measure: Measure
    margin: float
    """Fraction of the score that may be lost; where `relative`, fraction of the reference arm's mean. For `flips` and
    `shift`, how much is tolerated."""
    fail_margin: float
    """The drop that a failure must provably exceed; equals `margin` or 0."""
    relative: bool
    alpha: float
    """One-sided error rate of each test."""
    blocking: bool
    score: float | None = None
    """Required score of a `score` hypothesis."""
    task_suite: str | None = None
    """The gaining side of a `tradeoff` hypothesis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One hypothesis, tested. All shares and differences are fractions of the score."""

    rule: str | None
    suite: str
    slice: str | None
    metric: str
    measure: Measure
    arm: ArmName
    against: ArmName | None
    n: int
    """Complete pairs used; where they form clusters, those are what is independent."""
    clusters: int | None
    """Number of clusters when cases are clustered, else None."""
    dropped: int
    """Cases left out because an arm has no score for them."""
    estimate: float | None
    against_estimate: float | None
    delta: float | None
    """`estimate - against_estimate`. For `score` the estimate less the required score; for `flips`, whose estimate is
    the negative flip rate, what is left of the tolerated rate; for a `shift` of lengths the relative change."""
    low: float | None
    high: float | None
    """Interval for delta at `level`."""
    level: float
    """Two-sided coverage, 0.9 at alpha = 0.05: its ends are the two one-sided bounds."""
    margin: float
    fail_margin: float
    relative: bool
    p_regression: float | None
    """One-sided, H0: delta >= -fail_margin. Missing cases are imputed in the candidate's favour."""
    p_regression_adjusted: float | None
    """After Holm over the declared rules; None until then, and where nothing is judged."""
    p_noninferior: float | None
    """One-sided, H0: delta <= -margin. Missing cases are imputed against the candidate."""
    p_no_change: float | None
    """One-sided second opinion on H0: delta >= 0: McNemar mid-p, or a sign-flip p. Shown, never judged."""
    regressed: int | None
    """Cases on which the arm scores lower than the reference arm."""
    fixed: int | None
    """Cases on which it scores higher."""
    method: str
    """Names of the test and of the interval."""
    smallest_detectable_drop: float | None
    """The drop that a test of this size would prove with 80 % probability; None when it cannot be said."""
    decided_by_missing: bool
    """True when the complete pairs alone would decide but the missing ones could overturn it."""
    task_suite: str | None = None
    """The gaining side of a trade-off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """How a property of the answers to unlabelled inputs moved. Shown, not judged."""

    suite: str
    measure: Literal["length"]
    unit: Literal["tokens", "characters"]
    """What a length is counted in; characters where the tokens of an answer are not known."""
    arm: ArmName
    against: ArmName
    n: int
    """Inputs for which both arms' property is known."""
    estimate: float | None
    """Mean of the arm under test, in the unit of the measure."""
    against_estimate: float | None
    change: float | None
    """Relative change of the geometric mean: -0.45 is 45 % shorter."""
    low: float | None
    high: float | None
    level: float
    p_shape: float | None = None
    """Two-sided p-value of equal distributions, from a KS statistic calibrated by swapping arms within inputs."""


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
