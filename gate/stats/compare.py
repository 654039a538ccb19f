"""One hypothesis and its pairs in, one comparison out.

Picks the pairs, deals with the missing ones, has a procedure test the rest and writes the numbers down. What the
numbers mean for the run is decided elsewhere; Holm's adjustment comes later, over all hypotheses.

Missing pairs are first left out. Then they are filled in: with the best that could have been for the candidate when
a regression is to be proven, with the worst when a pass is; the larger p-value counts. A known side keeps its score.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from gate.domain import Comparison, Hypothesis, Pair
from gate.stats.choice import Scores, score_procedure
from gate.stats.filling import Fill, checked, fill_scores
from gate.stats.procedures import Procedure
from gate.stats.shifted import LENGTH, shifted
from gate.stats.side import Seen, Side
from gate.stats.tradeoff import Tradeoff

NO_PAIR = "none: no complete pair"
"""Method of a comparison without numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tests:
    """What was computed from the complete and from the filled-in pairs."""

    complete: Procedure
    p_regression: float
    p_noninferior: float
    decided_by_missing: bool


def compare(
    hypothesis: Hypothesis, pairs: Sequence[Pair], *, binary: bool, seed: int, task: Side | None = None
) -> Comparison:
    """Test one hypothesis.

    Args:
        hypothesis: What to test; its slice, if any, picks among `pairs`.
        pairs: The pairs of the hypothesis's suite. For a `score` hypothesis only the candidate side counts; for a
            `shift` they hold a property of the answers instead of scores.
        binary: Whether the suite's scorer gives 0 or 1.
        seed: Seed of every random draw; equal inputs give equal numbers.
        task: The task suite of a `tradeoff` hypothesis.

    Returns:
        The comparison, not yet adjusted for multiplicity. Without a complete pair all its numbers are None. For a
        trade-off `n` speaks of the regression suite, `dropped` of both, and `delta` is the task delta plus the
        suite's relative change; where a limit is relative, `delta` and its interval stay in points of the score.

    Raises:
        ValueError: If a score is NaN or outside [0, 1], a case occurs twice, a metric of labels is asked for pairs
            without any, or the hypothesis lacks its required score or its task suite.
    """
    tag = hypothesis.slice
    chosen = [pair for pair in pairs if tag is None or tag in pair.tags]
    if hypothesis.measure == "shift":
        return _compare_shift(hypothesis, checked(chosen, largest=None), seed=seed)
    side = Side(pairs=checked(chosen), metric=hypothesis.metric, binary=binary)
    match hypothesis.measure:
        case "delta":
            return _compare_delta(hypothesis, side, seed=seed)
        case "score":
            return _compare_score(hypothesis, side, seed=seed)
        case "flips":
            return _compare_flips(hypothesis, side, seed=seed)
        case "tradeoff":
            if task is None:
                raise ValueError("A trade-off needs the pairs of its task suite.")
            return _compare_tradeoff(hypothesis, replace(task, pairs=checked(task.pairs)), side, seed=seed)
        case _:
            assert_never(hypothesis.measure)


def untested(hypothesis: Hypothesis, pairs: Sequence[Pair], *, binary: bool) -> Comparison:
    """What was seen of the hypothesis's suite, without any test.

    Args:
        hypothesis: What is asked; its slice, if any, picks among `pairs`.
        pairs: The pairs of scores of its suite.
        binary: Whether the suite's scorer gives 0 or 1.
    """
    tag = hypothesis.slice
    chosen = checked([pair for pair in pairs if tag is None or tag in pair.tags])
    seen = Side(pairs=chosen, metric=hypothesis.metric, binary=binary).seen()
    return _comparison(hypothesis, seen, None)


def _compare_delta(hypothesis: Hypothesis, side: Side, *, seed: int) -> Comparison:
    def build(fill: Fill) -> Procedure:
        return side.difference(fill, relative=hypothesis.relative, seed=seed)

    seen = side.seen()
    if seen.against_estimate is None:
        return _comparison(hypothesis, seen, None)
    slack = 2 * side.unfilled
    if hypothesis.relative and slack:
        slack /= seen.against_estimate or slack
    return _comparison(hypothesis, seen, _test(build, hypothesis, seen=seen, slack=slack))


def _compare_score(hypothesis: Hypothesis, side: Side, *, seed: int) -> Comparison:
    required = hypothesis.score
    if required is None:
        raise ValueError("A score hypothesis needs the required score.")
    # The other arm has no say here: give it a score, so that only the candidate's can be missing.
    alone = replace(side, pairs=[replace(pair, reference=required, reference_labels=(None,)) for pair in side.pairs])
    seen = alone.seen()
    if seen.estimate is None:
        return _comparison(hypothesis, seen, None)
    delta = seen.estimate - required
    seen = replace(seen, against_estimate=None, delta=delta, regressed=None, fixed=None)
    tests = _test(lambda fill: alone.required(fill, required, seed=seed), hypothesis, seen=seen, slack=alone.unfilled)
    return _comparison(hypothesis, seen, tests)


def _compare_flips(hypothesis: Hypothesis, side: Side, *, seed: int) -> Comparison:
    """The share that did not get worse, against 1 - margin; `delta` is what is left of the margin."""

    def unbroken(fill: Fill) -> Scores:
        scores = fill_scores(side.pairs, fill)
        kept = 1 - (scores.reference - scores.candidate).clip(min=0)
        return Scores(candidate=kept, reference=kept, codes=scores.codes)

    def build(fill: Fill) -> Procedure:
        return score_procedure(unbroken(fill), is_binary=side.binary, required=1 - hypothesis.margin, seed=seed)

    seen = side.seen()
    if seen.n == 0:
        return _comparison(hypothesis, seen, None)
    rate = 1 - float(unbroken("leave out").candidate.mean())
    seen = replace(seen, estimate=rate, against_estimate=None, delta=hypothesis.margin - rate)
    at_the_rate = replace(hypothesis, margin=0.0, fail_margin=0.0)
    tests = _test(build, at_the_rate, seen=seen)
    return _comparison(hypothesis, seen, tests)


def _compare_tradeoff(hypothesis: Hypothesis, task: Side, suite: Side, *, seed: int) -> Comparison:
    gain, change = task.seen(), suite.seen()
    dropped = gain.dropped + change.dropped
    if gain.delta is None or change.delta is None:
        return _comparison(hypothesis, Seen(n=0, dropped=dropped), None)
    # An arm that scores 0 has nothing to lose in relative terms; then a loss counts in points.
    scale = change.against_estimate or 1.0

    def build(fill: Fill) -> Procedure:
        gaining, losing = (side.difference(fill, relative=False, seed=seed) for side in (task, suite))
        return Tradeoff(task=gaining, suite=losing, scale=scale)

    seen = Seen(n=change.n, dropped=dropped, delta=gain.delta + change.delta / scale)
    slack = 2 * (task.unfilled + suite.unfilled / scale)
    return _comparison(hypothesis, seen, _test(build, hypothesis, seen=seen, slack=slack))


def _compare_shift(hypothesis: Hypothesis, pairs: Sequence[Pair], *, seed: int) -> Comparison:
    result = shifted(hypothesis.metric, pairs, seed=seed)
    if result is None:
        return _comparison(hypothesis, Seen(n=0, dropped=len(pairs)), None)
    seen = Seen(
        n=result.n,
        dropped=len(pairs) - result.n,
        estimate=result.estimate,
        against_estimate=result.against_estimate,
        delta=result.shift,
    )
    # Each missing answer could move a share by one input, either way. How long they would have been nobody knows:
    # for lengths the rule asks how many there are.
    slack = 0.0 if hypothesis.metric == LENGTH else seen.dropped / len(pairs)
    return _comparison(hypothesis, seen, _test(lambda _: result.procedure, hypothesis, seen=seen, slack=slack))


def _test(build: Callable[[Fill], Procedure], hypothesis: Hypothesis, *, seen: Seen, slack: float = 0.0) -> _Tests:
    """Both p-values from the complete pairs, and the larger ones that the missing pairs allow.

    Missing scores are filled in; where that is no worst case, `slack` is how far they could move what is tested, and
    both margins move by it.
    """
    complete = build("leave out")
    regression = complete.p_regression(hypothesis.fail_margin)
    noninferior = complete.p_noninferior(hypothesis.margin)
    if not seen.dropped:
        return _Tests(complete=complete, p_regression=regression, p_noninferior=noninferior, decided_by_missing=False)
    best, worst = build("best"), build("worst")
    cautious_regression = max(regression, best.p_regression(hypothesis.fail_margin + slack))
    # A shift cannot be known to be smaller than what is not known of it.
    possible = hypothesis.measure != "shift" or hypothesis.margin > slack
    cautious_noninferior = max(noninferior, worst.p_noninferior(hypothesis.margin - slack)) if possible else 1.0
    alpha = hypothesis.alpha
    return _Tests(
        complete=complete,
        p_regression=cautious_regression,
        p_noninferior=cautious_noninferior,
        decided_by_missing=regression <= alpha < cautious_regression or noninferior <= alpha < cautious_noninferior,
    )


def _comparison(hypothesis: Hypothesis, seen: Seen, tests: _Tests | None) -> Comparison:
    procedure = None if tests is None else tests.complete
    low, high = (None, None) if procedure is None else procedure.interval(hypothesis.alpha)
    return Comparison(
        rule=hypothesis.rule,
        suite=hypothesis.suite,
        slice=hypothesis.slice,
        metric=hypothesis.metric,
        measure=hypothesis.measure,
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
