import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pytest
from builders import a_hypothesis, a_pair
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.domain import Comparison, Pair
from gate.stats import binary, bounded, planning, proportion
from gate.stats.clustered import MIN_CLUSTERS
from gate.stats.compare import NO_PAIR, compare
from gate.stats.side import Side

ALPHA = 0.05


def pair(case: int, candidate: float | None, reference: float | None, cluster: str | None = None) -> Pair:
    return a_pair(case=f"case-{case:05d}", cluster=cluster, candidate=candidate, reference=reference)


def flips(gains: int, losses: int, n: int) -> list[Pair]:
    scores = [(1.0, 0.0)] * gains + [(0.0, 1.0)] * losses + [(1.0, 1.0)] * (n - gains - losses)
    return [pair(i, candidate, reference) for i, (candidate, reference) in enumerate(scores)]


def swapped(pairs: Sequence[Pair]) -> list[Pair]:
    return [dataclasses.replace(p, candidate=p.reference, reference=p.candidate) for p in pairs]


def numbers(comparison: Comparison) -> list[float]:
    found = [value for value in dataclasses.astuple(comparison) if isinstance(value, float)]
    assert all(math.isfinite(value) for value in found)
    return found


def test_compare__binary_uses_the_exact_test() -> None:
    found = compare(a_hypothesis(), flips(5, 8, 500), binary=True, seed=0)
    assert found.p_regression == binary.p_regression(5, 8, 500, margin=0.02)
    assert found.p_noninferior == binary.p_noninferior(5, 8, 500, margin=0.02)
    assert (found.low, found.high) == binary.interval(5, 8, 500, alpha=ALPHA)
    assert found.p_no_change == binary.mcnemar_drop(5, 8)
    assert found.smallest_detectable_drop == planning.smallest_detectable_drop(500, 14 / 502, margin=0.02, alpha=ALPHA)
    assert (found.n, found.clusters, found.dropped, found.regressed, found.fixed) == (500, None, 0, 8, 5)
    assert found.estimate == pytest.approx(492 / 500)
    assert found.against_estimate == pytest.approx(495 / 500)
    assert found.delta == pytest.approx(-3 / 500)
    assert found.level == pytest.approx(0.9)
    assert found.method == "exact unconditional (Tango order); interval by inversion"
    assert found.p_regression_adjusted is None
    assert not found.decided_by_missing


def test_compare__fails_at_its_own_margin() -> None:
    found = compare(a_hypothesis(fail_margin=0.0), flips(10, 25, 500), binary=True, seed=0)
    assert found.p_regression == binary.p_regression(10, 25, 500, margin=0.0)
    assert found.p_noninferior == binary.p_noninferior(10, 25, 500, margin=0.02)


def test_compare__many_binary_cases_show_tango() -> None:
    found = compare(a_hypothesis(), flips(50, 60, 2_400), binary=True, seed=0)
    assert found.method == "exact unconditional (Tango order); Tango score interval"


@pytest.mark.parametrize("is_binary", [True, False])
def test_compare__averaged_repeats_use_bounds(is_binary: bool) -> None:
    rng = np.random.default_rng(0)
    pairs = [pair(i, a / 5, b / 5) for i, (a, b) in enumerate(rng.integers(0, 6, (80, 2)))]
    found = compare(a_hypothesis(), pairs, binary=is_binary, seed=3)
    values = np.array([(p.candidate or 0.0) - (p.reference or 0.0) for p in pairs])
    draws = bounded.gaffke(values, low=-1, high=1, seed=3)
    assert found.method == "Gaffke, 20000 draws"
    assert found.p_regression == draws.p_regression(0.02)
    assert found.p_noninferior == draws.p_noninferior(0.02)
    assert (found.low, found.high) == draws.interval(ALPHA)
    assert found.smallest_detectable_drop is not None
    assert found.p_no_change is not None


def test_compare__bounded_scores_are_not_taken_for_binary_by_their_values() -> None:
    assert compare(a_hypothesis(), flips(1, 1, 40), binary=False, seed=0).method.startswith("Gaffke")


def test_compare__any_cluster_makes_it_clustered() -> None:
    pairs = [dataclasses.replace(p, cluster=f"doc-{i % 12}" if i < 36 else None) for i, p in enumerate(flips(2, 5, 40))]
    found = compare(a_hypothesis(), pairs, binary=True, seed=0)
    assert found.clusters == 12 + 4
    assert found.n == 40
    assert found.method.startswith("fail: CR2")
    assert found.smallest_detectable_drop is not None
    numbers(found)


def test_compare__few_clusters_are_reported_as_such() -> None:
    pairs = [dataclasses.replace(p, cluster=f"doc-{i % 4}") for i, p in enumerate(flips(0, 0, 400))]
    found = compare(a_hypothesis(margin=0.9, fail_margin=0.9), pairs, binary=True, seed=0)
    assert found.clusters is not None
    assert found.clusters < MIN_CLUSTERS
    assert found.p_noninferior is not None
    assert found.p_noninferior <= ALPHA
    assert found.smallest_detectable_drop is None


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("is_binary", [False, True])
@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("n", [1, 60])
def test_compare__identical_arms_never_fail(clustered: bool, is_binary: bool, relative: bool, n: int) -> None:
    scores = np.random.default_rng(0).integers(0, 2, n).astype(float)
    pairs = [pair(i, s, s, cluster=f"c{i // 3}" if clustered else None) for i, s in enumerate(scores)]
    for margin in (0.0, 0.02):
        asked = a_hypothesis(relative=relative, margin=margin, fail_margin=margin)
        found = compare(asked, pairs, binary=is_binary, seed=0)
        assert found.p_regression == 1.0
        assert found.p_no_change == 1.0
        assert found.p_noninferior is not None
        assert found.p_noninferior > 0.0
        assert found.delta == 0.0
        assert found.low is not None
        assert found.high is not None
        assert found.low < 0 < found.high
        numbers(found)


@pytest.mark.parametrize(("candidate", "reference"), [(1.0, 1.0), (0.0, 0.0), (0.0, 1.0), (1.0, 0.0)])
@pytest.mark.parametrize("measure", ["delta", "score", "tradeoff"])
@pytest.mark.parametrize("n", [1, 25])
def test_compare__extreme_scores_give_numbers(candidate: float, reference: float, measure: str, n: int) -> None:
    pairs = [pair(i, candidate, reference) for i in range(n)]
    asked = a_hypothesis(measure=measure, score=0.8, task_suite="task")
    found = compare(asked, pairs, binary=True, seed=0, task=Side(pairs=flips(0, 0, 30), binary=True))
    numbers(found)
    for p in (found.p_regression, found.p_noninferior):
        assert p is not None
        assert 0 <= p <= 1
    assert found.low is not None
    assert found.high is not None
    assert found.delta is not None
    assert found.low <= found.delta <= found.high


SCORE = st.sampled_from([0.0, 0.25, 0.5, 1.0])


@settings(deadline=None, max_examples=15, derandomize=True)
@given(st.lists(st.tuples(SCORE, SCORE), min_size=1, max_size=25), st.sampled_from([0.0, 0.05]))
def test_compare__swap_and_order(scores: list[tuple[float, float]], margin: float) -> None:
    pairs = [pair(i, a, b) for i, (a, b) in enumerate(scores)]
    asked = a_hypothesis(margin=margin, fail_margin=margin)
    ours = compare(asked, pairs, binary=False, seed=0)
    assert compare(asked, pairs[::-1], binary=False, seed=0) == ours
    assert ours.delta is not None
    assert ours.low is not None
    assert ours.high is not None
    mirrored = a_hypothesis(margin=-margin, fail_margin=-margin)
    theirs = compare(mirrored, swapped(pairs), binary=False, seed=0)
    assert (theirs.p_noninferior, theirs.p_regression) == (ours.p_regression, ours.p_noninferior)
    assert (theirs.delta, theirs.low, theirs.high) == (-ours.delta, -ours.high, -ours.low)
    assert (theirs.regressed, theirs.fixed) == (ours.fixed, ours.regressed)


def test_compare__swapping_binary_arms() -> None:
    ours = compare(a_hypothesis(), flips(3, 9, 90), binary=True, seed=0)
    theirs = compare(a_hypothesis(margin=-0.02, fail_margin=-0.02), swapped(flips(3, 9, 90)), binary=True, seed=0)
    assert (theirs.p_noninferior, theirs.p_regression) == (ours.p_regression, ours.p_noninferior)


def test_compare__slice_picks_by_tag() -> None:
    pairs = [dataclasses.replace(p, tags=("long",) if i < 10 else ("short",)) for i, p in enumerate(flips(0, 10, 100))]
    found = compare(a_hypothesis(slice="long"), pairs, binary=True, seed=0)
    assert (found.n, found.regressed, found.slice) == (10, 10, "long")


@pytest.mark.parametrize("measure", ["delta", "score", "tradeoff"])
def test_compare__nothing_complete(measure: str) -> None:
    pairs = [pair(0, None, 1.0), pair(1, None, None)]
    asked = a_hypothesis(measure=measure, score=0.5, task_suite="task")
    found = compare(asked, pairs, binary=True, seed=0, task=Side(pairs=flips(0, 0, 5), binary=True))
    assert (found.n, found.dropped, found.method) == (0, 2, NO_PAIR)
    assert (found.p_regression, found.p_noninferior, found.p_no_change, found.delta) == (None, None, None, None)
    assert (found.low, found.high, found.estimate, found.smallest_detectable_drop) == (None, None, None, None)
    assert not found.decided_by_missing


def test_compare__missing_pairs_can_withhold_a_pass() -> None:
    pairs = [*flips(0, 0, 160), *[pair(900 + i, None, 1.0) for i in range(6)]]
    found = compare(a_hypothesis(), pairs, binary=True, seed=0)
    assert (found.n, found.dropped) == (160, 6)
    assert found.p_noninferior == binary.p_noninferior(0, 6, 166, margin=0.02)
    assert found.decided_by_missing


def test_compare__missing_pairs_can_withhold_a_fail() -> None:
    pairs = [*flips(0, 6, 60), *[pair(900 + i, None, None) for i in range(4)]]
    found = compare(a_hypothesis(), pairs, binary=True, seed=0)
    assert binary.p_regression(0, 6, 60, margin=0.02) <= ALPHA
    assert found.p_regression == binary.p_regression(4, 6, 64, margin=0.02)
    assert found.decided_by_missing


def test_compare__a_known_side_of_a_missing_pair_is_kept() -> None:
    # The reference was wrong: even the worst answer of the candidate is no loss.
    pairs = [*flips(0, 0, 160), pair(900, None, 0.0)]
    found = compare(a_hypothesis(), pairs, binary=True, seed=0)
    # The complete pairs are fewer and thus give the larger p-value.
    assert found.p_noninferior == binary.p_noninferior(0, 0, 160, margin=0.02)
    assert not found.decided_by_missing


def test_compare__missing_pairs_without_influence() -> None:
    pairs = [*flips(0, 0, 500), pair(900, 1.0, None)]
    found = compare(a_hypothesis(margin=0.05, fail_margin=0.05), pairs, binary=True, seed=0)
    assert found.dropped == 1
    assert not found.decided_by_missing


def test_compare__relative_limit_tests_the_weighted_difference() -> None:
    pairs = flips(2, 30, 200)
    found = compare(a_hypothesis(relative=True, margin=0.05, fail_margin=0.0), pairs, binary=True, seed=0)
    candidate, reference = (np.array([getattr(p, side) for p in pairs]) for side in ("candidate", "reference"))
    weighted = bounded.gaffke(candidate - 0.95 * reference, low=-0.95, high=1, seed=0)
    plain = bounded.gaffke(candidate - reference, low=-1, high=1, seed=0)
    assert found.p_noninferior == weighted.p_noninferior(0.0)
    assert found.p_regression == plain.p_regression(0.0)
    assert (found.low, found.high) == binary.interval(2, 30, 200, alpha=ALPHA)
    assert found.relative
    assert found.method.startswith("Gaffke, 20000 draws, on candidate - (1 - limit) x reference; in points: exact")


def test_compare__relative_limit_with_clusters() -> None:
    pairs = [dataclasses.replace(p, cluster=f"c{i % 20}") for i, p in enumerate(flips(0, 40, 100))]
    found = compare(a_hypothesis(relative=True, margin=0.05, fail_margin=0.05), pairs, binary=True, seed=0)
    assert found.clusters == 20
    assert found.p_regression is not None
    assert found.p_regression < ALPHA
    assert found.method.startswith("clustered tests on candidate")


def test_compare__relative_limit_beyond_the_whole_score() -> None:
    asked = a_hypothesis(relative=True, margin=1.5, fail_margin=1.5)
    found = compare(asked, flips(2, 5, 40), binary=True, seed=0)
    assert found.p_regression == 1.0
    assert found.p_noninferior is not None
    assert found.p_noninferior <= ALPHA


def test_compare__required_score_of_right_or_wrong_cases() -> None:
    pairs = [pair(i, float(i < 60), None) for i in range(100)]
    asked = a_hypothesis(measure="score", against=None, score=0.8, margin=0.0, fail_margin=0.0)
    found = compare(asked, pairs, binary=True, seed=0)
    low, high = proportion.interval(60, 100, alpha=ALPHA)
    assert found.p_regression == proportion.p_below(60, 100, threshold=0.8)
    assert found.p_noninferior == proportion.p_above(60, 100, threshold=0.8)
    assert (found.low, found.high) == pytest.approx((low - 0.8, high - 0.8))
    assert (found.estimate, found.delta) == pytest.approx((0.6, -0.2))
    assert (found.regressed, found.fixed, found.against_estimate, found.p_no_change) == (None, None, None, None)
    assert (found.n, found.dropped, found.method) == (100, 0, "Clopper-Pearson")


def test_compare__required_score_with_bounded_scores_and_missing_answers() -> None:
    rng = np.random.default_rng(0)
    pairs = [pair(i, float(s), None) for i, s in enumerate(np.round(rng.uniform(0.7, 1.0, 80), 2))]
    pairs += [pair(900 + i, None, 1.0) for i in range(20)]
    asked = a_hypothesis(measure="score", against=None, score=0.75, margin=0.0, fail_margin=0.0)
    found = compare(asked, pairs, binary=False, seed=0)
    assert (found.n, found.dropped) == (80, 20)
    assert found.p_no_change is None
    assert found.decided_by_missing
    clustered = [dataclasses.replace(p, cluster=f"c{i % 15}") for i, p in enumerate(pairs)]
    assert compare(asked, clustered, binary=False, seed=0).clusters == 15


def test_compare__equal_inputs_give_equal_numbers() -> None:
    rng = np.random.default_rng(0)
    pairs = [pair(i, float(a), float(b)) for i, (a, b) in enumerate(rng.uniform(0, 1, (50, 2)))]
    first, second, other = (compare(a_hypothesis(), pairs, binary=False, seed=seed) for seed in (1, 1, 2))
    assert first == second
    assert first.p_noninferior != other.p_noninferior


@pytest.mark.parametrize("score", [math.nan, -0.1, 1.01, math.inf])
def test_compare__refuses_impossible_scores(score: float) -> None:
    with pytest.raises(ValueError, match="case-00001"):
        compare(a_hypothesis(), [pair(0, 1.0, 1.0), pair(1, 1.0, score)], binary=True, seed=0)


def test_compare__refuses_a_case_that_occurs_twice() -> None:
    with pytest.raises(ValueError, match="twice"):
        compare(a_hypothesis(), [pair(0, 1.0, 1.0), pair(0, 1.0, 1.0)], binary=True, seed=0)


@pytest.mark.parametrize(("measure", "message"), [("score", "required score"), ("tradeoff", "task suite")])
def test_compare__refuses_an_incomplete_hypothesis(measure: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compare(a_hypothesis(measure=measure), flips(0, 0, 5), binary=True, seed=0)


def test_compare__tradeoff_gain_outweighs_a_small_loss() -> None:
    asked = a_hypothesis(measure="tradeoff", margin=0.0, fail_margin=0.0, task_suite="task")
    found = compare(asked, flips(1, 2, 300), binary=True, seed=0, task=Side(pairs=flips(60, 2, 200), binary=True))
    assert found.p_noninferior is not None
    assert found.p_noninferior < 1e-6
    assert found.p_regression == 1.0
    assert found.delta == pytest.approx(58 / 200 - (1 / 300) / (299 / 300))
    assert (found.estimate, found.against_estimate, found.p_no_change) == (None, None, None)
    assert (found.n, found.task_suite, found.smallest_detectable_drop) == (300, "task", None)


def test_compare__tradeoff_counts_the_missing_pairs_of_both_suites() -> None:
    asked = a_hypothesis(measure="tradeoff", margin=0.0, fail_margin=0.0, task_suite="task")
    suite = [*flips(1, 2, 300), pair(900, None, 1.0)]
    task = [*flips(20, 8, 200), *[pair(900 + i, None, 0.0) for i in range(3)]]
    found = compare(asked, suite, binary=True, seed=0, task=Side(pairs=task, binary=True))
    plain = compare(asked, suite[:-1], binary=True, seed=0, task=Side(pairs=task[:-3], binary=True))
    assert (found.n, found.dropped) == (300, 4)
    assert found.delta == plain.delta
    assert found.p_noninferior is not None
    assert plain.p_noninferior is not None
    assert found.p_noninferior > plain.p_noninferior


def test_compare__tradeoff_without_anything_to_lose_counts_points() -> None:
    asked = a_hypothesis(measure="tradeoff", margin=0.0, fail_margin=0.0, task_suite="task")
    suite = [pair(i, 0.0, 0.0) for i in range(50)]
    found = compare(asked, suite, binary=True, seed=0, task=Side(pairs=flips(5, 1, 50), binary=True))
    assert found.delta == pytest.approx(4 / 50)
    numbers(found)
