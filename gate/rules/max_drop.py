"""`max_drop`: the candidate may lose this much on a suite, and no more."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from gate.domain import Comparison, Hypothesis
from gate.rules.amount import Amount, AmountField
from gate.rules.base import Judgement, Rule, Scope, failure_proven, nothing_to_lose, pass_proven, unscored
from gate.rules.outlook import cases_if_unchanged, loss, outlook, relative_change, why_undecided

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

    guards: ClassVar[bool] = True

    kind: Literal["max_drop"] = "max_drop"
    drop: AmountField = Amount(0.05, "pp")
    """The tolerated drop: `2pp` in points of the score, `5%` relative to the base."""
    fail_null: FailNull = "margin"

    def declare(self, scope: Scope) -> tuple[Hypothesis, ...]:
        """One hypothesis: the drop against the margin."""
        if scope.suite is None:
            return ()
        fail_margin = self.drop.value if self.fail_null == "margin" else 0.0
        margin, relative = self.drop.value, self.drop.relative
        plain = self.about(scope.suite, scope)
        return (replace(plain, margin=margin, fail_margin=fail_margin, relative=relative),)

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
            return Judgement(
                outcome="fail", message=message, observed=delta, p_value=p_value, advice=REMEDIES, final=True
            )
        if comparison.against_estimate == 0:
            return nothing_to_lose(comparison)
        if pass_proven(comparison, alpha):
            message = (
                f"A drop over {self.drop} is ruled out{', and none is proven' if self.fail_null == 'any' else ''}."
            )
            # Where any drop fails the rule, ruling out a large one does not rule out that a small one is proven yet.
            final = self.fail_null == "margin"
            return Judgement(outcome="pass", message=message, observed=delta, p_value=p_value, final=final)
        reason = why_undecided(comparison, alpha)
        needed = cases_if_unchanged(comparison, alpha)
        evidence = outlook(comparison, reason, needed, condition="for an unchanged model with as many flips")
        message = f"A drop over {self.drop} is neither proven nor ruled out: {evidence}"
        return Judgement(outcome="inconclusive", reason=reason, message=message, observed=delta, p_value=p_value)


def _below_limit(rule: MaxDrop, seen: float) -> str:
    return f" (below the limit of {rule.drop}, but the rule fails on any)" if seen >= -rule.drop.value else ""
