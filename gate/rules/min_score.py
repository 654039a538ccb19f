"""`min_score`: an absolute bar for the candidate, whatever the base can do."""

from collections.abc import Sequence
from typing import Literal

from gate import wording
from gate.domain import Comparison, Hypothesis
from gate.rules.amount import ShareField
from gate.rules.base import Judgement, Rule, Scope, failure_proven, pass_proven, unscored


class MinScore(Rule):
    """Fails when the candidate's score is proven to be below `score`; passes when it is proven to be above."""

    kind: Literal["min_score"] = "min_score"
    score: ShareField
    """The required score, for example `80%`."""

    def declare(self, scope: Scope) -> tuple[Hypothesis, ...]:
        """One hypothesis: the candidate's own score against the bar."""
        if scope.suite is None:
            return ()
        return (
            Hypothesis(
                rule=self.kind,
                suite=scope.suite.name,
                slice=self.slice,
                metric=scope.suite.metric,
                arm="candidate",
                against=None,
                measure="score",
                margin=0.0,
                fail_margin=0.0,
                relative=False,
                alpha=self.level(scope),
                blocking=self.blocking,
                score=self.score,
            ),
        )

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
                outcome="fail", message=f"Proven to be below {bar}: {seen}.", observed=score, p_value=p_value
            )
        if pass_proven(comparison, alpha):
            return Judgement(
                outcome="pass", message=f"Proven to be above {bar}: {seen}.", observed=score, p_value=p_value
            )
        return Judgement(
            outcome="inconclusive",
            reason="missing_cases" if comparison.decided_by_missing else "straddles_margin",
            message=f"Neither above nor below {bar} is proven: {seen}.",
            observed=score,
            p_value=p_value,
        )
