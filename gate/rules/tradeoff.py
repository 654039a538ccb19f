"""`tradeoff`: the task must have gained more than any protected capability lost."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from gate import wording
from gate.domain import Comparison, Hypothesis
from gate.rules.base import Judgement, Rule, Scope, SuiteFacts, failure_proven, pass_proven, unscored
from gate.rules.outlook import cases_if_as_seen


class Tradeoff(Rule):
    """Fails when the gain of a task suite is proven to be smaller than the relative loss of a regression suite.

    Every task suite is held against every regression suite. Proven on both bounds, never on observed values:
    those would block an unchanged model more often than not. A suite scored by `refusal` is never the gaining
    side: better refusals buy nothing back.
    """

    kind: Literal["tradeoff"] = "tradeoff"

    def problem(self, scope: Scope) -> str | None:
        """It takes a task suite to gain and a regression suite to lose."""
        if (common := super().problem(scope)) is not None:
            return common
        if not self._gaining(scope):
            return "there is no task suite (other than those scored by refusal) whose gain could be weighed"
        if not self._losing(scope):
            return "there is no regression suite whose loss could be weighed"
        return None

    def declare(self, scope: Scope) -> tuple[Hypothesis, ...]:
        """One hypothesis for each task suite and regression suite."""
        return tuple(
            replace(self.about(losing, scope), measure="tradeoff", relative=True, task_suite=gaining.name)
            for gaining in self._gaining(scope)
            for losing in self._losing(scope)
        )

    @property
    def limit(self) -> tuple[float, str]:
        """Gain and loss may cancel out, no worse."""
        return 0.0, "gain >= loss"

    def judge(self, scope: Scope, tested: Sequence[Comparison]) -> Judgement:
        """Fail on the worst proven pair; pass only when every pair is proven."""
        alpha = self.level(scope)
        for comparison in tested:
            if comparison.delta is None:
                return unscored(comparison)
        worst = min(tested, key=_net)
        net, where = _net(worst), f"{worst.task_suite} against {worst.suite}"
        failed = [comparison for comparison in tested if failure_proven(comparison, alpha)]
        if failed:
            worst = min(failed, key=_net)
            net, where = _net(worst), f"{worst.task_suite} against {worst.suite}"
            message = f"The loss is larger than the gain, proven: net {wording.points(net)} for {where}."
            return Judgement(
                outcome="fail",
                message=message,
                observed=net,
                p_value=worst.p_regression_adjusted,
                suite=worst.suite,
                final=True,
            )
        p_value = worst.p_regression_adjusted
        if all(pass_proven(comparison, alpha) for comparison in tested):
            message = f"The gain outweighs every loss, proven; closest: {where}, net {wording.points(net)}."
            return Judgement(
                outcome="pass", message=message, observed=net, p_value=p_value, suite=worst.suite, final=True
            )
        missing = any(comparison.decided_by_missing for comparison in tested)
        needed = None if missing else cases_if_as_seen(worst, alpha)
        enough = f"; about {needed:,} cases in each suite would decide if the net is what was seen" if needed else ""
        return Judgement(
            outcome="inconclusive",
            reason="missing_cases" if missing else "straddles_margin",
            message=f"That the gain outweighs the loss is not proven: net {wording.points(net)} for {where}{enough}.",
            observed=net,
            p_value=p_value,
            suite=worst.suite,
        )

    def _gaining(self, scope: Scope) -> list[SuiteFacts]:
        return [facts for facts in scope.suites.values() if facts.role == "task" and facts.scorer != "refusal"]

    def _losing(self, scope: Scope) -> list[SuiteFacts]:
        return [facts for facts in scope.suites.values() if facts.role == "regression"]


def _net(comparison: Comparison) -> float:
    return comparison.delta or 0.0
