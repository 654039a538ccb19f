"""`min_gain`: what the task must have gained to be worth a fine-tune."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from gate import wording
from gate.domain import Comparison, Hypothesis
from gate.rules.amount import Amount, PointsField
from gate.rules.base import Judgement, Rule, Scope, failure_proven, pass_proven, unscored
from gate.rules.outlook import cases_if_as_seen, loss, outlook

MARGINAL_GAIN = 0.03
"""A gain up to this fraction raises the question whether it is worth the upkeep."""

CHECKLIST = (
    "Labels: read 20 training rows; wrong or inconsistent references teach nothing.",
    "Template: training and inference must use the same chat template and end-of-turn token.",
    "Learning rate and length: too low or too short learns nothing, too high destroys; compare the loss curves.",
    "Base revision: the adapter must run on the very base it was trained on.",
    "Data: does the training set look like the cases that matter, and is there enough of it?",
    "Is a good prompt or retrieval enough? Try the base with a few examples in the prompt before training again.",
)
"""Causes of a missing gain, the most common first."""


class MinGain(Rule):
    """Fails when the gain is proven to be smaller than `gain`; passes when it is proven to be larger.

    A gain above 0 and up to 3 pp passes with a warning: is it worth the upkeep?
    """

    guards: ClassVar[bool] = True

    kind: Literal["min_gain"] = "min_gain"
    gain: PointsField = Amount(0.0, "pp")
    """The demanded gain in points of the score."""

    def declare(self, scope: Scope) -> tuple[Hypothesis, ...]:
        """One hypothesis: the gain against the demanded one."""
        if scope.suite is None:
            return ()
        demanded = -self.gain.value if self.gain.value else 0.0  # never -0.0, which a reader would see
        return (replace(self.about(scope.suite, scope), margin=demanded, fail_margin=demanded),)

    @property
    def limit(self) -> tuple[float, str]:
        """The demanded gain."""
        return self.gain.value, f"gain over {self.gain}"

    def judge(self, scope: Scope, tested: Sequence[Comparison]) -> Judgement:
        """Fail, pass (with the marginal-gain warning), or say that no gain is shown."""
        (comparison,) = tested
        delta, p_value = comparison.delta, comparison.p_regression_adjusted
        if delta is None:
            return unscored(comparison)
        alpha, seen = self.level(scope), loss(comparison)
        if failure_proven(comparison, alpha):
            what = "the task got worse" if self.gain.value == 0 else f"the gain is smaller than {self.gain}"
            message = f"{seen}: proven that {what}."
            return Judgement(
                outcome="fail", message=message, observed=delta, p_value=p_value, advice=CHECKLIST, final=True
            )
        if pass_proven(comparison, alpha):
            if 0 < delta <= MARGINAL_GAIN:
                message = f"Gain proven, but {seen} is marginal: is it worth the upkeep of a fine-tuned model?"
                return Judgement(
                    outcome="warn", reason="marginal_gain", message=message, observed=delta, p_value=p_value, final=True
                )
            return Judgement(
                outcome="pass", message=f"Gain proven: {seen}.", observed=delta, p_value=p_value, final=True
            )
        if comparison.decided_by_missing:
            message = (
                f"No gain shown: {seen}; {wording.count(comparison.dropped, 'unscored case')} could turn the verdict."
            )
            return Judgement(
                outcome="inconclusive", reason="missing_cases", message=message, observed=delta, p_value=p_value
            )
        over = "" if self.gain.value == 0 else f" over {self.gain}"
        needed = cases_if_as_seen(comparison, alpha) if delta > self.gain.value else None
        evidence = outlook(comparison, "no_gain_shown", needed, condition="if the gain is what was seen")
        return Judgement(
            outcome="inconclusive",
            reason="no_gain_shown",
            message=f"No gain{over} shown: {evidence}",
            observed=delta,
            p_value=p_value,
            advice=CHECKLIST,
        )
