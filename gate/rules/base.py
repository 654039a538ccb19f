"""What every rule is: a frozen config class that declares hypotheses and judges what the tests say of them.

A rule never sees an answer, a file or a random number: only scores in pairs and the comparisons made from them.
Adding a kind is one class here beside the others and its name in the union in `gate.rules`.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from gate import wording
from gate.domain import ArmName, Case, Comparison, Finding, Hypothesis, Outcome, Pair, Reason, Role
from gate.stats.clustered import MIN_CLUSTERS

Alpha = Annotated[float, Field(gt=0, lt=0.5)]
Unit = Literal["points", "share", "ratio", "count"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteFacts:
    """What a rule may know of a suite."""

    name: str
    role: Role
    scorer: str | None
    """Kind of the scorer; None: unlabelled inputs."""
    binary: bool
    """Whether the scorer gives 0 or 1."""
    metric: str
    cases: tuple[Case, ...]
    pairs: Mapping[ArmName, tuple[Pair, ...]] = field(default_factory=dict)
    """Reference arm -> the candidate against it, every case of the suite; empty before anything was answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where a rule stands."""

    suite: SuiteFacts | None
    """The suite that the rule is written under; None: the whole run."""
    suites: Mapping[str, SuiteFacts]
    """Every suite of the run, in order."""
    arms: frozenset[ArmName]
    """Who answers in this run."""
    alpha: float
    """The run's alpha, for rules that name none."""
    default: bool = False
    """The rule was not written down by anybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a rule concludes, before it is dressed as a finding."""

    outcome: Outcome
    message: str
    reason: Reason | None = None
    observed: float | None = None
    p_value: float | None = None
    advice: tuple[str, ...] = ()
    final: bool = False
    """Proven, or not to be undone: no further case would change it, up to the error rate."""
    suite: str | None = None
    """Where it was seen, when the rule speaks of the whole run."""


class Rule(BaseModel):
    """The part that all rules share."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    guards: ClassVar[bool] = False
    """Whether the rule, over a whole suite, protects it against a loss."""
    observes: ClassVar[Unit] = "points"
    """Unit of what the rule looks at."""

    kind: str
    against: Literal["base", "incumbent", "prompted"] = "base"
    """The arm that the candidate is compared with."""
    slice: str | None = Field(default=None, min_length=1)
    """Only cases with this tag."""
    blocking: bool = True
    """Whether the verdict depends on this rule."""
    alpha: Alpha | None = None
    """One-sided error rate; default: the run's."""
    must_prove: bool = False
    """Whether an inconclusive outcome counts as a failure."""

    def problem(self, scope: Scope) -> str | None:
        """Say why the rule can never work in this place, or None."""
        if self.against not in scope.arms:
            return f"there is no arm to compare with: add `{self.against}:` to the configuration"
        if self.slice is not None and not any(self.slice in case.tags for _, case in cases_in(scope)):
            return f"no case has the tag {self.slice!r}"
        return None

    def declare(self, scope: Scope) -> tuple[Hypothesis, ...]:
        """List what the rule wants tested; nothing for a rule that judges what was observed."""
        return ()

    def about(self, suite: SuiteFacts, scope: Scope) -> Hypothesis:
        """The plainest hypothesis of this rule about a suite: no drop at all. Rules replace what they mean instead."""
        return Hypothesis(
            rule=self.kind,
            suite=suite.name,
            slice=self.slice,
            metric=suite.metric,
            arm="candidate",
            against=self.against,
            measure="delta",
            margin=0.0,
            fail_margin=0.0,
            relative=False,
            alpha=self.level(scope),
            blocking=self.blocking,
        )

    @property
    @abstractmethod
    def limit(self) -> tuple[float | None, str]:
        """The limit as a fraction (or count), and in words."""

    @abstractmethod
    def judge(self, scope: Scope, tested: Sequence[Comparison]) -> Judgement:
        """Conclude from the comparisons of the declared hypotheses, in the same order."""

    def finding(self, scope: Scope, tested: Sequence[Comparison]) -> Finding:
        """Judge, and dress the conclusion with where and how it applies."""
        judgement = self.judge(scope, tested)
        outcome, message = judgement.outcome, judgement.message
        if self.must_prove and outcome == "inconclusive":
            outcome, message = "fail", f"{message} The rule demands proof (must_prove)."
        limit, text = self.limit
        return Finding(
            rule=self.kind,
            suite=scope.suite.name if scope.suite is not None else judgement.suite,
            slice=self.slice,
            against=self.against,
            outcome=outcome,
            blocking=self.blocking,
            reason=judgement.reason,
            message=message,
            observed=judgement.observed,
            unit=self.unit,
            limit=limit,
            limit_text=f"{text} (default)" if scope.default else text,
            p_value=judgement.p_value,
            advice=judgement.advice,
            final=judgement.final,
            guards=self.guards and self.blocking and self.slice is None and scope.suite is not None,
        )

    @property
    def unit(self) -> Unit:
        """Unit of what this very rule looks at."""
        return self.observes

    def level(self, scope: Scope) -> float:
        """The alpha in force."""
        return scope.alpha if self.alpha is None else self.alpha


def cases_in(scope: Scope) -> Iterator[tuple[str, Case]]:
    """Every case that a rule in this place is about, with the name of its suite; over the whole run, scored ones."""
    scored = [facts for facts in scope.suites.values() if facts.scorer is not None]
    places = scored if scope.suite is None else [scope.suite]
    return ((facts.name, case) for facts in places for case in facts.cases)


def pairs_in(scope: Scope, against: ArmName) -> Iterator[tuple[str, Pair]]:
    """Every pair that a rule in this place is about, with the name of its suite."""
    places = scope.suites.values() if scope.suite is None else (scope.suite,)
    return ((facts.name, pair) for facts in places for pair in facts.pairs.get(against, ()))


def failure_proven(comparison: Comparison, alpha: float) -> bool:
    """Whether the drop beyond the failing margin is proven, after Holm."""
    adjusted = comparison.p_regression_adjusted
    return adjusted is not None and adjusted <= alpha


def pass_proven(comparison: Comparison, alpha: float) -> bool:
    """Whether a drop beyond the margin is ruled out. Too few clusters never prove it."""
    enough = comparison.clusters is None or comparison.clusters >= MIN_CLUSTERS
    return enough and comparison.p_noninferior is not None and comparison.p_noninferior <= alpha


def nothing_to_lose(comparison: Comparison) -> Judgement:
    """The conclusion when the reference arm got nothing right: a broken suite must not look like a kept promise."""
    return Judgement(
        outcome="inconclusive",
        reason="degenerate",
        message=f"Nothing can be lost: {comparison.against or 'the reference arm'} gets none of "
        f"{wording.count(comparison.n, 'case')} right. Are references and scorer what they should be?",
        observed=comparison.delta,
        p_value=comparison.p_regression_adjusted,
    )


def unscored(comparison: Comparison) -> Judgement:
    """The conclusion when not one pair could be scored: the rule itself broke."""
    return Judgement(
        outcome="error",
        reason="degenerate",
        message=f"No case could be compared: {wording.count(comparison.dropped, 'case')} lack a score.",
    )
