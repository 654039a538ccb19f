"""`max_shift`: how far a property of the answers may move, in either direction; no right answers are needed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, Self

from pydantic import model_validator

from gate import wording
from gate.domain import Comparison, Hypothesis
from gate.rules.amount import AmountField
from gate.rules.base import Judgement, Rule, Scope, Unit, failure_proven, pass_proven, unscored
from gate.scorers.properties import Property

MAX_MISSING_SHARE = 0.05
"""With more inputs missing than this, what is left no longer speaks for all of them."""

ADVICE = (
    "Read ten answers of both arms side by side: is the change what the training was meant to teach?",
    "Do the training answers have the length and form that production needs?",
)
"""What to look at when answers changed their shape."""

_NAMES: dict[Property, str] = {
    "length": "length of the answers",
    "refusal": "share of refusals",
    "format": "share of a format",
    "repetition": "share of answers that run in circles",
    "truncation": "share of answers cut by the token limit",
}


class MaxShift(Rule):
    """Fails when a property of the answers is proven to have moved by more than `shift`; passes when that is ruled out.

    `length` moves relative to the reference arm, in the geometric mean over inputs; all others are shares of
    answers and move in points. For `format` (prose, list, table, code, JSON) every kind's share is looked at.
    """

    kind: Literal["max_shift"] = "max_shift"
    measure: Property
    """The property."""
    shift: AmountField
    """How far it may move: `25%` for `length`, points (`2pp`) for all others."""

    @model_validator(mode="after")
    def _unit_fits(self) -> Self:
        if self.shift.relative != (self.measure == "length"):
            fitting = "in per cent, for example '25%'" if self.measure == "length" else "in points, for example '2pp'"
            raise ValueError(f"a shift of {self.measure} is given {fitting}")
        return self

    def declare(self, scope: Scope) -> tuple[Hypothesis, ...]:
        """One hypothesis: the shift against the tolerated one."""
        if scope.suite is None:
            return ()
        margin, relative = self.shift.value, self.shift.relative
        plain = replace(self.about(scope.suite, scope), measure="shift", metric=self.measure)
        return (replace(plain, margin=margin, fail_margin=margin, relative=relative),)

    @property
    def limit(self) -> tuple[float, str]:
        """The tolerated shift."""
        return self.shift.value, f"{self.measure} may shift by {self.shift}"

    @property
    def unit(self) -> Unit:
        """Lengths move by a ratio, shares by points."""
        return "ratio" if self.shift.relative else "points"

    def judge(self, scope: Scope, tested: Sequence[Comparison]) -> Judgement:
        """Fail, pass, or say that the shift is too close to the limit."""
        (comparison,) = tested
        shift, p_value = comparison.delta, comparison.p_regression_adjusted
        if shift is None:
            return unscored(comparison)
        alpha = self.level(scope)
        moved = wording.relative(shift) if self.shift.relative else wording.points(shift)
        seen = f"The {_NAMES[self.measure]} moved by {moved} on {wording.count(comparison.n, 'input')}"
        total = comparison.n + comparison.dropped
        if comparison.decided_by_missing or comparison.dropped > MAX_MISSING_SHARE * total:
            missing = f"{comparison.dropped} of {wording.count(total, 'input')} have no answer to look at"
            return Judgement(
                outcome="inconclusive",
                reason="missing_cases",
                message=f"{seen}; {missing}.",
                observed=shift,
                p_value=p_value,
            )
        if failure_proven(comparison, alpha):
            message = f"{seen}: more than {self.shift} is proven."
            return Judgement(
                outcome="fail", message=message, observed=shift, p_value=p_value, advice=ADVICE, final=True
            )
        if pass_proven(comparison, alpha):
            message = f"{seen}: more than {self.shift} is ruled out."
            return Judgement(outcome="pass", message=message, observed=shift, p_value=p_value, final=True)
        message = f"{seen}: more than {self.shift} is neither proven nor ruled out."
        return Judgement(
            outcome="inconclusive", reason="straddles_margin", message=message, observed=shift, p_value=p_value
        )
