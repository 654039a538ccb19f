"""`max_flips`: how many answers that were right may become wrong, whatever is gained elsewhere."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from gate import wording
from gate.domain import Comparison, Hypothesis
from gate.rules.amount import PointsField
from gate.rules.base import Judgement, Rule, Scope, Unit, failure_proven, pass_proven, unscored
from gate.rules.outlook import cases_if_as_seen


class MaxFlips(Rule):
    """Fails when the negative flip rate (right before, wrong now) is proven to be above `rate`; passes when below.

    Fixes do not count: users notice the answers that broke. Where repeats were averaged, what counts is how much
    was lost on the cases that got worse.
    """

    guards: ClassVar[bool] = True
    observes: ClassVar[Unit] = "share"

    kind: Literal["max_flips"] = "max_flips"
    rate: PointsField
    """The tolerated share of all cases, for example `3pp`."""

    def problem(self, scope: Scope) -> str | None:
        """Only an answer that is right or wrong can flip."""
        if (common := super().problem(scope)) is not None:
            return common
        if scope.suite is not None and not scope.suite.binary:
            return f"it counts answers that were right and became wrong; {scope.suite.scorer} gives parts of a score"
        return None

    def declare(self, scope: Scope) -> tuple[Hypothesis, ...]:
        """One hypothesis: the negative flip rate against the tolerated one."""
        if scope.suite is None:
            return ()
        rate = self.rate.value
        return (replace(self.about(scope.suite, scope), measure="flips", margin=rate, fail_margin=rate),)

    @property
    def limit(self) -> tuple[float, str]:
        """The tolerated rate."""
        return self.rate.value, f"at most {self.rate} may break"

    def judge(self, scope: Scope, tested: Sequence[Comparison]) -> Judgement:
        """Fail, pass, or say that the rate is too close to the limit for this many cases."""
        (comparison,) = tested
        rate, p_value = comparison.estimate, comparison.p_regression_adjusted
        if rate is None:
            return unscored(comparison)
        alpha, limit = self.level(scope), wording.percent(self.rate.value)
        seen = f"{comparison.regressed} of {wording.count(comparison.n, 'case')} broke ({wording.percent(rate)})"
        if failure_proven(comparison, alpha):
            message = f"{seen}: a rate over {limit} is proven."
            return Judgement(outcome="fail", message=message, observed=rate, p_value=p_value, final=True)
        if pass_proven(comparison, alpha):
            message = f"{seen}: a rate over {limit} is ruled out."
            return Judgement(outcome="pass", message=message, observed=rate, p_value=p_value, final=True)
        missing = comparison.decided_by_missing
        needed = None if missing else cases_if_as_seen(comparison, alpha)
        enough = f"; about {needed:,} cases would decide if the rate is what was seen" if needed else ""
        return Judgement(
            outcome="inconclusive",
            reason="missing_cases" if missing else "straddles_margin",
            message=f"{seen}: a rate over {limit} is neither proven nor ruled out{enough}.",
            observed=rate,
            p_value=p_value,
        )
