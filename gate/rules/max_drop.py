"""`max_drop`: the candidate may lose this much on a suite, and no more."""

from collections.abc import Sequence
from typing import Literal

from gate import wording
from gate.domain import Comparison, Hypothesis, Reason
from gate.rules.amount import Amount, AmountField
from gate.rules.base import Judgement, Rule, Scope, failure_proven, pass_proven, unscored
from gate.stats.compare import MIN_CLUSTERS
from gate.stats.planning import cases_for_power

REMEDIES = (
    "Read what broke below: a changed format, a cut answer and a lost skill need different cures.",
    "Mix examples of the lost skills into the training data (replay); a small share is often enough.",
    "Train for fewer epochs or with a lower learning rate; did the validation loss rise towards the end?",
)
"""What helps against forgetting, the first step first."""

FailNull = Literal["margin", "zero", "any"]


class MaxDrop(Rule):
    """Fails when the drop is proven, passes when a larger drop than `drop` is ruled out, else is inconclusive.

    What "proven" is held against is `fail_null`: `margin`, the drop is larger than `drop`; `zero`, it is larger
    than `drop` as observed and larger than 0 proven; `any`, it is larger than 0.
    """

    kind: Literal["max_drop"] = "max_drop"
    drop: AmountField = Amount(0.05, "pp")
    """The tolerated drop: `2pp` in points of the score, `5%` relative to the base."""
    fail_null: FailNull = "margin"

    def declare(self, scope: Scope) -> tuple[Hypothesis, ...]:
        """One hypothesis: the drop against the margin."""
        if scope.suite is None:
            return ()
        return (
            Hypothesis(
                rule=self.kind,
                suite=scope.suite.name,
                slice=self.slice,
                metric=scope.suite.metric,
                arm="candidate",
                against=self.against,
                measure="delta",
                margin=self.drop.value,
                fail_margin=self.drop.value if self.fail_null == "margin" else 0.0,
                relative=self.drop.relative,
                alpha=self.level(scope),
                blocking=self.blocking,
            ),
        )

    @property
    def limit(self) -> tuple[float, str]:
        """The tolerated drop."""
        notes = {"margin": "", "zero": ", any proven", "any": ", none proven"}
        return self.drop.value, f"drop at most {self.drop}{notes[self.fail_null]}"

    def judge(self, scope: Scope, tested: Sequence[Comparison]) -> Judgement:
        """Fail, pass or say what it would take."""
        (comparison,) = tested
        delta, p_value = comparison.delta, comparison.p_regression_adjusted
        if delta is None:
            return unscored(comparison)
        alpha, seen = self.level(scope), relative_change(comparison) if self.drop.relative else delta
        beyond = self.fail_null != "zero" or seen < -self.drop.value
        if failure_proven(comparison, alpha) and beyond:
            proven = f"a drop over {self.drop}" if self.fail_null == "margin" else "a drop"
            message = f"Lost {loss(comparison)}: {proven} is proven{_below_limit(self, seen)}."
            return Judgement(outcome="fail", message=message, observed=delta, p_value=p_value, advice=REMEDIES)
        if pass_proven(comparison, alpha):
            message = (
                f"A drop over {self.drop} is ruled out{', and none is proven' if self.fail_null == 'any' else ''}."
            )
            return Judgement(outcome="pass", message=message, observed=delta, p_value=p_value)
        reason = why_undecided(comparison, alpha)
        message = f"A drop over {self.drop} is neither proven nor ruled out. {self._remedy(comparison, reason, alpha)}"
        return Judgement(outcome="inconclusive", reason=reason, message=message, observed=delta, p_value=p_value)

    def _remedy(self, comparison: Comparison, reason: Reason, alpha: float) -> str:
        seen = f"Seen: {loss(comparison)} on {wording.count(comparison.n, 'case')}"
        if reason == "too_few_clusters":
            return f"{seen} in {comparison.clusters} clusters; fewer than {MIN_CLUSTERS} prove nothing."
        if reason == "missing_cases":
            return f"{seen}; the {wording.count(comparison.dropped, 'case')} without a score could turn the verdict."
        if reason == "drop_significant_size_unproven":
            return f"{seen}: that there is a drop is proven, that it is over the limit is not."
        needed = cases_needed(comparison, self.drop.value, alpha)
        enough = f"; with as many flips, about {needed:,} cases would decide for an unchanged model" if needed else ""
        return f"{seen}{enough}."


def _below_limit(rule: MaxDrop, seen: float) -> str:
    return f" (below the limit of {rule.drop}, but the rule fails on any)" if seen >= -rule.drop.value else ""


def relative_change(comparison: Comparison) -> float:
    """The delta relative to the reference arm's mean; the plain delta where that mean is 0 or unknown."""
    delta, reference = comparison.delta or 0.0, comparison.against_estimate
    return delta / reference if reference else delta


def loss(comparison: Comparison) -> str:
    """The change seen and the flips behind it, in words."""
    delta = wording.points(comparison.delta or 0.0)
    if comparison.regressed is None or comparison.fixed is None:
        return delta
    return f"{delta} ({comparison.regressed} broke, {comparison.fixed} fixed)"


def why_undecided(comparison: Comparison, alpha: float) -> Reason:
    """Name the reason why a comparison proves neither side, the most useful one first."""
    if comparison.clusters is not None and comparison.clusters < MIN_CLUSTERS:
        return "too_few_clusters"
    if comparison.decided_by_missing or comparison.dropped > comparison.n:
        return "missing_cases"
    if comparison.p_no_change is not None and comparison.p_no_change <= alpha:
        return "drop_significant_size_unproven"
    needed = cases_needed(comparison, comparison.margin, alpha)
    return "underpowered" if needed is not None and comparison.n < needed else "straddles_margin"


def cases_needed(comparison: Comparison, margin: float, alpha: float) -> int | None:
    """Cases at which an unchanged model with the same share of flips would pass with 80 % chance.

    None where no number of cases would do (a margin of zero) or flips are not what is counted.
    """
    if margin <= 0 or comparison.regressed is None or comparison.fixed is None or comparison.n == 0:
        return None
    churn = (comparison.regressed + comparison.fixed) / comparison.n
    return cases_for_power(churn=churn, margin=margin, alpha=alpha)
