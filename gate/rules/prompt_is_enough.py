"""`prompt_is_enough`: the fine-tune must be worth more than a good prompt on the base."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from gate import wording
from gate.domain import Comparison, Hypothesis, Outcome, Reason
from gate.rules.amount import ShareField
from gate.rules.base import Judgement, Rule, Scope, SuiteFacts, Unit, failure_proven, pass_proven, unscored
from gate.rules.outlook import cases_if_as_seen, loss

ADVICE = (
    "A prompted base costs nothing to keep, and can un-learn nothing: weigh it before the fine-tune.",
    "Retrieval may be the better tool where facts are what the task lacks.",
)
"""What to consider when a prompt does the job."""


class PromptIsEnough(Rule):
    """Warns when the prompted base reaches `share` of the candidate's score on a task; fails when it is proven better.

    Every task suite is looked at. A warning that comes without proof that the candidate is better leaves the verdict
    inconclusive. With `must_prove` the rule fails unless the candidate is proven better on all.
    """

    observes: ClassVar[Unit] = "share"

    kind: Literal["prompt_is_enough"] = "prompt_is_enough"
    against: Literal["prompted"] = "prompted"
    """The base with a good prompt; it is configured under `prompted`."""
    share: ShareField = 0.9
    """Share of the candidate's score from which on a prompt is nearly as good."""

    def problem(self, scope: Scope) -> str | None:
        """It takes a task to compare on."""
        if (common := super().problem(scope)) is not None:
            return common
        return None if self._tasks(scope) else "there is no task suite on which prompt and fine-tune could be compared"

    def declare(self, scope: Scope) -> tuple[Hypothesis, ...]:
        """One hypothesis for each task suite: the candidate against the prompted base."""
        return tuple(self.about(suite, scope) for suite in self._tasks(scope))

    @property
    def limit(self) -> tuple[float, str]:
        """The share at which the warning starts."""
        proof = ", and the candidate proven better" if self.must_prove else ""
        return self.share, f"prompted base below {wording.percent(self.share)} of the candidate{proof}"

    def judge(self, scope: Scope, tested: Sequence[Comparison]) -> Judgement:
        """Fail on a proven loss against the prompt, warn at the share, pass on a proven win on every task."""
        alpha = self.level(scope)
        for comparison in tested:
            if comparison.delta is None:
                return unscored(comparison)
        # The task on which the prompt does best speaks for all.
        worst = max(tested, key=_share)
        failed = [comparison for comparison in tested if failure_proven(comparison, alpha)]
        if failed:
            worst = max(failed, key=_share)
            message = f"{_said(worst)}: the candidate is worse than a good prompt on the base, proven."
            return self._judgement("fail", worst, message, final=True)
        better = all(pass_proven(comparison, alpha) for comparison in tested)
        if any(comparison.decided_by_missing for comparison in tested):
            message = f"{_said(worst)}; cases without a score could turn the verdict."
            return replace(self._judgement("inconclusive", worst, message), reason="missing_cases")
        if _share(worst) >= self.share and (better or not self.must_prove):
            unproven = "" if better else " That it is any better is not proven."
            message = f"{_said(worst)}: is the fine-tune worth its upkeep?{unproven}"
            return self._judgement("warn", worst, message, final=better)
        if better:
            return self._judgement("pass", worst, f"{_said(worst)}; the candidate is better, proven.", final=True)
        needed = cases_if_as_seen(worst, alpha) if (worst.delta or 0.0) > 0 else None
        enough = f"; about {needed:,} cases would decide if the difference is what was seen" if needed else ""
        message = f"{_said(worst)}: which of the two is better is not proven{enough}."
        return self._judgement("inconclusive", worst, message)

    def _judgement(self, outcome: Outcome, worst: Comparison, message: str, *, final: bool = False) -> Judgement:
        reasons: dict[Outcome, Reason] = {
            "fail": "prompt_is_enough",
            "warn": "prompt_is_enough",
            "inconclusive": "no_gain_shown",
        }
        return Judgement(
            outcome=outcome,
            reason=reasons.get(outcome),
            message=message,
            observed=_share(worst),
            p_value=worst.p_regression_adjusted,
            advice=() if outcome == "pass" else ADVICE,
            final=final,
            suite=worst.suite,
        )

    def _tasks(self, scope: Scope) -> list[SuiteFacts]:
        places = scope.suites.values() if scope.suite is None else (scope.suite,)
        tagged = self.slice
        return [
            facts
            for facts in places
            if facts.role == "task" and (tagged is None or any(tagged in case.tags for case in facts.cases))
        ]


def _share(comparison: Comparison) -> float:
    """The prompted base's score as a share of the candidate's; 1 where the candidate scores 0."""
    return (comparison.against_estimate or 0.0) / comparison.estimate if comparison.estimate else 1.0


def _said(comparison: Comparison) -> str:
    prompted, candidate = comparison.against_estimate or 0.0, comparison.estimate or 0.0
    return (
        f"On {comparison.suite} the prompted base scores {wording.percent(prompted)}, the candidate "
        f"{wording.percent(candidate)}, that is {loss(comparison)}"
    )
