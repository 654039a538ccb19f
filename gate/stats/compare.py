"""One hypothesis and its pairs in, one comparison out.

Picks the pairs, deals with the missing ones, has a procedure test the rest and writes the numbers down. What the
numbers mean for the run is decided elsewhere; Holm's adjustment comes later, over all hypotheses.

Missing pairs are first left out. Then they are filled in: with the best that could have been for the candidate when
a regression is to be proven, with the worst when a pass is; the larger p-value counts. A known side keeps its score.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from gate.domain import Comparison, Hypothesis, Pair
from gate.stats.choice import Scores, difference_procedure, score_procedure
from gate.stats.clustered import MIN_CLUSTERS
from gate.stats.procedures import Procedure
from gate.stats.tradeoff import Tradeoff

__all__ = ["MIN_CLUSTERS", "NO_PAIR", "compare"]

NO_PAIR = "none: no complete pair"
"""Method of a comparison without numbers."""

_Fill = Literal["leave out", "best", "worst"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tests:
    """What was computed from the complete and from the filled-in pairs."""

    complete: Procedure
    p_regression: float
    p_noninferior: float
    decided_by_missing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What is known about the complete pairs before anything is tested."""

    n: int
    dropped: int
    estimate: float | None = None
    against_estimate: float | None = None
    delta: float | None = None
    regressed: int | None = None
    fixed: int | None = None


def compare(
    hypothesis: Hypothesis,
    pairs: Sequence[Pair],
    *,
    binary: bool,
    seed: int,
    task_pairs: Sequence[Pair] | None = None,
    task_binary: bool | None = None,
) -> Comparison:
    """Test one hypothesis.

    Args:
        hypothesis: What to test; its slice, if any, picks among `pairs`.
        pairs: The pairs of the hypothesis's suite. For a `score` hypothesis only the candidate side counts.
        binary: Whether the suite's scorer gives 0 or 1.
        seed: Seed of every random draw; equal inputs give equal numbers.
        task_pairs: The pairs of the task suite, for a `tradeoff` hypothesis.
        task_binary: Whether the task suite's scorer gives 0 or 1.

    Returns:
        The comparison, not yet adjusted for multiplicity. Without a complete pair all its numbers are None. For a
        trade-off `n` speaks of the regression suite, `dropped` of both, and `delta` is the task delta plus the
        suite's relative change; where a limit is relative, `delta` and its interval stay in points of the score.

    Raises:
        ValueError: If a score is NaN or outside [0, 1], a case occurs twice, or the hypothesis lacks its required
            score or its task pairs.
    """
    tag = hypothesis.slice
    selected = _checked([pair for pair in pairs if tag is None or tag in pair.tags])
    match hypothesis.measure:
        case "delta":
            return _compare_delta(hypothesis, selected, is_binary=binary, seed=seed)
        case "score":
            return _compare_score(hypothesis, selected, is_binary=binary, seed=seed)
        case "tradeoff":
            if task_pairs is None or task_binary is None:
                raise ValueError("A trade-off needs the pairs of its task suite.")
            task = _checked(task_pairs)
            return _compare_tradeoff(hypothesis, (task, selected), binary=(task_binary, binary), seed=seed)


def _compare_delta(hypothesis: Hypothesis, pairs: Sequence[Pair], *, is_binary: bool, seed: int) -> Comparison:
    def build(fill: _Fill) -> Procedure:
        scores = _scores(pairs, fill)
        return difference_procedure(scores, is_binary=is_binary, relative=hypothesis.relative, seed=seed)

    complete = _scores(pairs, "leave out")
    n = int(complete.candidate.size)
    if n == 0:
        return _comparison(hypothesis, _Seen(n=0, dropped=len(pairs)), None)
    estimate, against = float(complete.candidate.mean()), float(complete.reference.mean())
    seen = _Seen(
        n=n,
        dropped=len(pairs) - n,
        estimate=estimate,
        against_estimate=against,
        delta=estimate - against,
        regressed=int((complete.candidate < complete.reference).sum()),
        fixed=int((complete.candidate > complete.reference).sum()),
    )
    return _comparison(hypothesis, seen, _test(build, hypothesis, missing=seen.dropped > 0))


def _compare_score(hypothesis: Hypothesis, pairs: Sequence[Pair], *, is_binary: bool, seed: int) -> Comparison:
    required = hypothesis.score
    if required is None:
        raise ValueError("A score hypothesis needs the required score.")

    def build(fill: _Fill) -> Procedure:
        return score_procedure(_scores(alone, fill), is_binary=is_binary, required=required, seed=seed)

    # The other arm has no say here: give it a score, so that only the candidate's can be missing.
    alone = [replace(pair, reference=required) for pair in pairs]
    complete = _scores(alone, "leave out")
    n = int(complete.candidate.size)
    if n == 0:
        return _comparison(hypothesis, _Seen(n=0, dropped=len(pairs)), None)
    estimate = float(complete.candidate.mean())
    seen = _Seen(n=n, dropped=len(pairs) - n, estimate=estimate, delta=estimate - required)
    return _comparison(hypothesis, seen, _test(build, hypothesis, missing=seen.dropped > 0))


def _compare_tradeoff(
    hypothesis: Hypothesis, sides: tuple[Sequence[Pair], Sequence[Pair]], *, binary: tuple[bool, bool], seed: int
) -> Comparison:
    task, suite = (_scores(side, "leave out") for side in sides)
    n = int(suite.candidate.size)
    dropped = sum(len(side) for side in sides) - n - int(task.candidate.size)
    if n == 0 or task.candidate.size == 0:
        return _comparison(hypothesis, _Seen(n=0, dropped=dropped), None)
    # An arm that scores 0 has nothing to lose in relative terms; then a loss counts in points.
    scale = float(suite.reference.mean()) or 1.0

    def build(fill: _Fill) -> Procedure:
        components = [
            difference_procedure(_scores(side, fill), is_binary=is_binary, relative=False, seed=seed)
            for side, is_binary in zip(sides, binary, strict=True)
        ]
        return Tradeoff(task=components[0], suite=components[1], scale=scale)

    gain = float(task.candidate.mean() - task.reference.mean())
    change = float(suite.candidate.mean() - suite.reference.mean()) / scale
    seen = _Seen(n=n, dropped=dropped, delta=gain + change)
    return _comparison(hypothesis, seen, _test(build, hypothesis, missing=dropped > 0))


def _checked(pairs: Sequence[Pair]) -> Sequence[Pair]:
    """Refuse impossible pairs, and sort the rest, so that the order of cases cannot move the last digit."""
    ids: set[str] = set()
    for pair in pairs:
        if pair.case in ids:
            raise ValueError(f"Case {pair.case!r} occurs twice; every case counts once.")
        ids.add(pair.case)
        for score in (pair.candidate, pair.reference):
            # Written so that NaN, which compares as false, is refused as well.
            if score is not None and not 0 <= score <= 1:
                raise ValueError(f"Case {pair.case!r} has the score {score}, which is not in [0, 1].")
    return sorted(pairs, key=lambda pair: pair.case)


def _scores(pairs: Sequence[Pair], fill: _Fill) -> Scores:
    """Vectors of the pairs, the missing ones left out or filled in; clustered if any pair names a cluster."""
    best = fill == "best"
    rows: list[tuple[float, float, tuple[bool, str]]] = []
    for pair in pairs:
        candidate, reference = pair.candidate, pair.reference
        if fill == "leave out" and (candidate is None or reference is None):
            continue
        rows.append(
            (
                float(best) if candidate is None else candidate,
                float(not best) if reference is None else reference,
                (False, pair.case) if pair.cluster is None else (True, pair.cluster),
            )
        )
    codes = None
    if any(pair.cluster is not None for pair in pairs):
        numbers: dict[tuple[bool, str], int] = {}
        codes = np.array([numbers.setdefault(key, len(numbers)) for _, _, key in rows], dtype=np.int64)
    return Scores(
        candidate=np.array([candidate for candidate, _, _ in rows], dtype=np.float64),
        reference=np.array([reference for _, reference, _ in rows], dtype=np.float64),
        codes=codes,
    )


def _test(build: Callable[[_Fill], Procedure], hypothesis: Hypothesis, *, missing: bool) -> _Tests:
    """Both p-values from the complete pairs, and the larger ones once missing pairs are filled in."""
    complete = build("leave out")
    regression = complete.p_regression(hypothesis.fail_margin)
    noninferior = complete.p_noninferior(hypothesis.margin)
    if not missing:
        return _Tests(complete=complete, p_regression=regression, p_noninferior=noninferior, decided_by_missing=False)
    cautious_regression = max(regression, build("best").p_regression(hypothesis.fail_margin))
    cautious_noninferior = max(noninferior, build("worst").p_noninferior(hypothesis.margin))
    alpha = hypothesis.alpha
    return _Tests(
        complete=complete,
        p_regression=cautious_regression,
        p_noninferior=cautious_noninferior,
        decided_by_missing=regression <= alpha < cautious_regression or noninferior <= alpha < cautious_noninferior,
    )


def _comparison(hypothesis: Hypothesis, seen: _Seen, tests: _Tests | None) -> Comparison:
    procedure = None if tests is None else tests.complete
    low, high = (None, None) if procedure is None else procedure.interval(hypothesis.alpha)
    return Comparison(
        rule=hypothesis.rule,
        suite=hypothesis.suite,
        slice=hypothesis.slice,
        metric=hypothesis.metric,
        arm=hypothesis.arm,
        against=hypothesis.against,
        n=seen.n,
        clusters=None if procedure is None else procedure.clusters,
        dropped=seen.dropped,
        estimate=seen.estimate,
        against_estimate=seen.against_estimate,
        delta=seen.delta,
        low=low,
        high=high,
        level=1 - 2 * hypothesis.alpha,
        margin=hypothesis.margin,
        fail_margin=hypothesis.fail_margin,
        relative=hypothesis.relative,
        p_regression=None if tests is None else tests.p_regression,
        p_regression_adjusted=None,
        p_noninferior=None if tests is None else tests.p_noninferior,
        p_no_change=None if procedure is None else procedure.p_no_change(),
        regressed=seen.regressed,
        fixed=seen.fixed,
        method=NO_PAIR if procedure is None else procedure.method,
        smallest_detectable_drop=(
            None if procedure is None else procedure.detectable_drop(hypothesis.fail_margin, hypothesis.alpha)
        ),
        decided_by_missing=tests is not None and tests.decided_by_missing,
        task_suite=hypothesis.task_suite,
    )
