"""`min_score`: an absolute bar for the candidate, whatever the base can do."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from gate import wording
from gate.domain import Comparison, Hypothesis
from gate.rules.amount import ShareField
from gate.rules.base import Judgement, Rule, Scope, Unit, failure_proven, pass_proven, unscored
from gate.rules.outlook import cases_if_as_seen


class MinScore(Rule):
    """Fails when the candidate's score is proven to be below `score`; passes when it is proven to be above."""

    observes: ClassVar[Unit] = "share"

    kind: Literal["min_score"] = "min_score"
    score: ShareField
    """The required score, for example `80%`."""

    def declare(self, scope: Scope) -> tuple[Hypothesis, ...]:
        """One hypothesis: the candidate's own score against the bar."""
        if scope.suite is None:
            return ()
        return (replace(self.about(scope.suite, scope), measure="score", against=None, score=self.score),)

    @property
    def limit(self) -> tuple[float, str]:
        """The required score."""
        return self.score, f"score at least {wording.percent(self.score)}"

    def judge(self, scope: Scope, tested: Sequence[Comparison]) -> Judgement:
        """Fail, pass, or say that the score is too close to the bar for this many cases."""
        (comparison,) = tested
        score, p_value = comparison.estimate, comparison.p_regression_adjusted
        if score is None:
            return unscored(comparison)
        alpha, bar = self.level(scope), wording.percent(self.score)
        seen = f"{wording.percent(score)} on {wording.count(comparison.n, 'case')}"
        if failure_proven(comparison, alpha):
            return Judgement(
                outcome="fail",
                message=f"Proven to be below {bar}: {seen}.",
                observed=score,
                p_value=p_value,
                final=True,
            )
        if pass_proven(comparison, alpha):
            return Judgement(
                outcome="pass",
                message=f"Proven to be above {bar}: {seen}.",
                observed=score,
                p_value=p_value,
                final=True,
            )
        missing = comparison.decided_by_missing
        needed = None if missing else cases_if_as_seen(comparison, alpha)
        enough = f"; about {needed:,} cases would decide if the score is what was seen" if needed else ""
        return Judgement(
            outcome="inconclusive",
            reason="missing_cases" if missing else "straddles_margin",
            message=f"Neither above nor below {bar} is proven: {seen}{enough}.",
            observed=score,
            p_value=p_value,
        )
