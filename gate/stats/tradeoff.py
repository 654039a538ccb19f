"""A gain on one suite against a relative loss on another: tests about delta(task) + delta(suite) / scale.

Each one-sided test combines two component tests: a split t says how much of the sum each suite must answer for, and
if the sum is beyond the limit, one of the two component hypotheses holds at that t. Each gets half the error rate.
The scale is taken as known although it is an estimate; where the reference arm is weak or cases are few, and the
relative change is large, that makes the tests a little too sure.
This module knows two procedures and nothing about cases or rules.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gate.stats.procedures import Procedure

_SPLITS = 14
"""Bisection steps for the best split; 2 / 2**14 is about 0.0001. A split that is not the best only costs power."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tradeoff:
    """The sum of a task suite's delta and a regression suite's relative change."""

    task: Procedure
    suite: Procedure
    scale: float
    """What the suite's delta is divided by: the reference arm's mean, or 1 where that is 0."""

    @property
    def method(self) -> str:
        """Names of the component tests, for people."""
        return f"two component bounds at half the error rate; task: {self.task.method}; suite: {self.suite.method}"

    @property
    def clusters(self) -> int | None:
        """The smaller number of clusters of the two; None when neither is clustered."""
        counts = [count for count in (self.task.clusters, self.suite.clusters) if count is not None]
        return min(counts, default=None)

    def p_regression(self, margin: float) -> float:
        """P-value of H0: delta(task) + delta(suite) / scale >= -margin."""

        def task(split: float) -> float:
            return self.task.p_regression(-split)

        def suite(split: float) -> float:
            return self.suite.p_regression((margin + split) * self.scale)

        return _combined(task, suite)

    def p_noninferior(self, margin: float) -> float:
        """P-value of H0: delta(task) + delta(suite) / scale <= -margin."""

        def task(split: float) -> float:
            return self.task.p_noninferior(-split)

        def suite(split: float) -> float:
            return self.suite.p_noninferior((margin + split) * self.scale)

        return _combined(suite, task)

    def p_no_change(self) -> None:
        """There is no second opinion."""

    def interval(self, alpha: float) -> tuple[float, float]:
        """Sum of the component bounds, each at alpha / 2."""
        task_low, task_high = self.task.interval(alpha / 2)
        suite_low, suite_high = self.suite.interval(alpha / 2)
        return task_low + suite_low / self.scale, task_high + suite_high / self.scale

    def detectable_drop(self, margin: float, alpha: float) -> float | None:
        """Two standard deviations enter; the sum of the two drops is an upper bound, so nothing is said."""


def _combined(falling: Callable[[float], float], rising: Callable[[float], float]) -> float:
    """Twice the smallest, over splits, of the larger component p-value.

    The larger of a falling and a rising function is smallest where they cross. Exact p-values are only nearly
    monotone in the split, and picking one of their dips would be cheating: each is replaced by its envelope over
    the splits that were looked at.
    """
    left, right = -1.0, 1.0
    seen: list[tuple[float, float, float]] = []
    for _ in range(_SPLITS):
        middle = (left + right) / 2
        down, up = falling(middle), rising(middle)
        seen.append((middle, down, up))
        left, right = (middle, right) if down > up else (left, middle)
    _, downs, ups = np.array(sorted(seen)).T
    envelope = np.maximum(np.maximum.accumulate(downs[::-1])[::-1], np.maximum.accumulate(ups))
    return min(1.0, 2 * float(envelope.min()))
