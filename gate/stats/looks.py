"""Tests that allow for stopping early: a comparison's p-values replaced by those of a run that asked in stages.

Only paired differences of means of independent cases have such a test. Whatever else is compared is tested at the
end or not at all, because a p-value at a time that was chosen after seeing the data means nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gate.domain import CORPUS_METRICS, Case, Comparison, Hypothesis, Pair
from gate.stats.filling import Fill, checked, fill_scores, is_complete
from gate.stats.sequential import Look, hybrid_p, is_futile

STOPPED = "not tested: the run stopped before all cases were asked"
"""Method of a comparison that has no test for a run that stopped early."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """A run that asks in stages and may stop after any of them."""

    stage_of: Mapping[str, int]
    """Case -> the stage in which it was asked."""
    finished: bool
    """Whether all planned cases were asked."""


def allow_for_looks(
    comparison: Comparison, hypothesis: Hypothesis, pairs: Sequence[Pair], *, looks: Looks
) -> Comparison:
    """Replace the p-values of a comparison by those that hold whenever the run stopped.

    Args:
        comparison: The hypothesis as tested on the asked cases at once; may be untested if the run is not finished.
        hypothesis: What was tested.
        pairs: The pairs of the hypothesis's suite that were asked.
        looks: The order in which they were asked.

    Returns:
        The comparison with both p-values from betting e-values at every look and, in a finished run, from the test at
        the end (see `gate.stats.sequential`). Without such a test and unfinished, it has no p-values.
    """
    if comparison.delta is None:
        return comparison
    if not _has_e_values(hypothesis, pairs):
        if looks.finished:
            return comparison
        return replace(comparison, p_regression=None, p_noninferior=None, method=STOPPED, decided_by_missing=False)
    tag = hypothesis.slice
    chosen = checked([pair for pair in pairs if tag is None or tag in pair.tags])

    def p_values(fill: Fill, direction: Literal["regression", "noninferior"]) -> float:
        kept = [pair for pair in chosen if fill != "leave out" or is_complete(pair)]
        stages = np.array([looks.stage_of[pair.case] for pair in kept])
        seen = [_look(kept, stages <= stage, fill) for stage in sorted(set(looks.stage_of.values()))]
        if direction == "regression":
            wealth = [look.log_e_regression(hypothesis.fail_margin) for look in seen]
            return hybrid_p(wealth, p_final=comparison.p_regression if looks.finished else None)
        wealth = [look.log_e_noninferior(hypothesis.margin) for look in seen]
        return hybrid_p(wealth, p_final=comparison.p_noninferior if looks.finished else None)

    regression, noninferior = p_values("leave out", "regression"), p_values("leave out", "noninferior")
    cautious = max(regression, p_values("best", "regression")), max(noninferior, p_values("worst", "noninferior"))
    alpha = hypothesis.alpha
    return replace(
        comparison,
        p_no_change=comparison.p_no_change if looks.finished else None,
        p_regression=cautious[0],
        p_noninferior=cautious[1],
        method=f"betting e-values at every look{f'; at the end {comparison.method}' if looks.finished else ''}",
        decided_by_missing=comparison.decided_by_missing
        or regression <= alpha < cautious[0]
        or noninferior <= alpha < cautious[1],
    )


def is_hopeless(hypothesis: Hypothesis, pairs: Sequence[Pair], *, planned: Sequence[Case], rules: int) -> bool:
    """Whether a failure has become so unlikely that a run which only looks for failures may as well stop.

    Args:
        hypothesis: What is tested.
        pairs: The pairs of its suite that were asked so far.
        planned: All cases of its suite.
        rules: Rules that can fail the run; the first of Holm's thresholds is alpha over their number.

    Returns:
        True when it is (see `gate.stats.sequential.is_futile`); False where there is no such test.
    """
    if not _has_e_values(hypothesis, pairs):
        return False
    tag = hypothesis.slice
    kept = [pair for pair in checked(pairs) if is_complete(pair) and (tag is None or tag in pair.tags)]
    units = [case for case in planned if tag is None or tag in case.tags]
    look = _look(kept, np.ones(len(kept), dtype=np.bool_), "leave out")
    return is_futile(look, total=max(len(units), look.n), margin=hypothesis.fail_margin, alpha=hypothesis.alpha / rules)


def _has_e_values(hypothesis: Hypothesis, pairs: Sequence[Pair]) -> bool:
    if any(pair.cluster is not None for pair in pairs):
        return False
    in_points = hypothesis.measure == "delta" and not hypothesis.relative and hypothesis.metric not in CORPUS_METRICS
    return in_points and max(abs(hypothesis.margin), abs(hypothesis.fail_margin)) < 1


def _look(pairs: Sequence[Pair], seen: NDArray[np.bool_], fill: Fill) -> Look:
    scores = fill_scores([pair for pair, counts in zip(pairs, seen, strict=True) if counts], fill)
    differences = scores.candidate - scores.reference
    return Look.of_differences(np.clip(differences, -1.0, 1.0))
