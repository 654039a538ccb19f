import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import ks_2samp
from statsmodels.stats.contingency_tables import SquareTable

from gate.stats.marginals import category_shift, stuart_maxwell, swap_ks
from gate.stats.shift import BinaryShift, share_shift


def labelled(seed: int, n: int = 120) -> tuple[list[str], list[str]]:
    rng = np.random.default_rng(seed)
    reference = rng.choice(["en", "de", "fr"], n, p=[0.7, 0.2, 0.1])
    moved = np.where(rng.random(n) < 0.25, "de", reference)
    return [str(kind) for kind in moved], [str(kind) for kind in reference]


def test_stuart_maxwell__published_value() -> None:
    statistic, freedom, p = stuart_maxwell(np.array([[20, 10, 5], [3, 30, 15], [0, 5, 40]]))
    assert statistic == pytest.approx(13.7647058823529, abs=1e-10)
    assert freedom == 2
    assert p == pytest.approx(math.exp(-statistic / 2))


@pytest.mark.parametrize("seed", range(6))
def test_stuart_maxwell__equals_statsmodels(seed: int) -> None:
    kinds = 2 + seed
    table = np.random.default_rng(seed).integers(1, 30, (kinds, kinds))
    expected = SquareTable(table, shift_zeros=False).homogeneity("stuart_maxwell")
    assert stuart_maxwell(table) == pytest.approx((expected.statistic, expected.df, expected.pvalue))
    assert stuart_maxwell(table.T) == pytest.approx(stuart_maxwell(table))


def test_stuart_maxwell__a_category_never_seen_changes_nothing() -> None:
    table = np.array([[20, 10, 5], [3, 30, 15], [0, 5, 40]])
    wider = np.insert(np.insert(table, 1, 0, axis=0), 1, 0, axis=1)
    assert stuart_maxwell(wider) == pytest.approx(stuart_maxwell(table))


def test_stuart_maxwell__categories_without_exchange_are_separate_tests() -> None:
    # The covariance without the last category is singular here; each block is a McNemar test of its own.
    table = np.zeros((4, 4), dtype=np.int64)
    table[0, 1], table[1, 0], table[2, 3], table[3, 2] = 9, 2, 4, 7
    statistic, freedom, _ = stuart_maxwell(table)
    assert statistic == pytest.approx((9 - 2) ** 2 / 11 + (4 - 7) ** 2 / 11)
    assert freedom == 2
    unmoved = np.diag([5, 0, 0, 8]).astype(np.int64)
    unmoved[0, 1], unmoved[1, 0] = 9, 2
    assert stuart_maxwell(unmoved)[:2] == (pytest.approx(49 / 11), 1)


@pytest.mark.parametrize("table", [np.zeros((0, 0)), np.zeros((3, 3)), np.diag([4, 0, 9]), np.array([[7]])])
def test_stuart_maxwell__nothing_moved(table: NDArray[np.float64]) -> None:
    assert stuart_maxwell(table.astype(np.int64)) == (0.0, 0, 1.0)


@pytest.mark.parametrize("table", [[[1, 2]], [[1, -1], [0, 2]], [1, 2]])
def test_stuart_maxwell__refuses_what_is_no_square_of_counts(table: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="square table"):
        stuart_maxwell(np.array(table))


def test_category_shift__largest_change_of_a_share_with_its_sign() -> None:
    shift = category_shift(["en", "de", "en", "en"], ["en", "en", "fr", "fr"], None, seed=0)
    assert (shift.category, shift.shift) == ("fr", -0.5)
    assert dict(shift.shares)["de"] == BinaryShift(gains=1, losses=0, n=4)
    assert shift.table.tolist() == [[0, 1, 0], [0, 1, 2], [0, 0, 0]]


def test_category_shift__fails_by_any_kind_and_passes_by_all() -> None:
    ours, theirs = labelled(0)
    shift = category_shift(ours, theirs, None, seed=0)
    kinds = [share for _, share in shift.shares]
    assert len(kinds) == 3
    assert shift.p_regression(0.02) == pytest.approx(3 * min(kind.p_regression(0.02) for kind in kinds))
    assert shift.p_noninferior(0.3) == max(kind.p_noninferior(0.3) for kind in kinds)
    moved = dict(shift.shares)[shift.category]
    assert shift.interval(0.05) == moved.interval(0.05 / 3)
    assert shift.p_no_change() == stuart_maxwell(shift.table)[2]
    detectable = [kind.detectable_drop(0.02, 0.05 / 3) for kind in kinds]
    assert shift.detectable_drop(0.02, 0.05) == max(drop for drop in detectable if drop is not None)


def test_category_shift__two_kinds_are_one_share() -> None:
    ours, theirs = (["yes"] * 18 + ["no"] * 22, ["yes"] * 5 + ["no"] * 35)
    shift = category_shift(ours, theirs, None, seed=0)
    share = BinaryShift(gains=13, losses=0, n=40)
    assert shift.p_regression(0.05) == share.p_regression(0.05)
    assert shift.p_noninferior(0.5) == share.p_noninferior(0.5)
    assert shift.category == "no"
    assert shift.interval(0.05) == BinaryShift(gains=0, losses=13, n=40).interval(0.05)


@pytest.mark.parametrize("codes", [None, np.repeat(np.arange(20), 3)])
def test_category_shift__identical_arms_never_fail(codes: NDArray[np.int64] | None) -> None:
    for kinds in (["en"] * 60, ["en", "de", "fr"] * 20):
        shift = category_shift(kinds, kinds, codes, seed=0)
        assert shift.shift == 0
        assert shift.p_regression(0.0) == shift.p_regression(0.02) == 1.0
        assert shift.p_no_change() == 1.0
        assert 0 < shift.p_noninferior(0.02) < 1
        assert shift.clusters == (None if codes is None else 20)


@pytest.mark.parametrize("codes", [None, np.repeat(np.arange(24), 5)])
def test_category_shift__swapping_the_arms_negates_the_shift_only(codes: NDArray[np.int64] | None) -> None:
    ours, theirs = labelled(1)
    shift, swapped = category_shift(ours, theirs, codes, seed=2), category_shift(theirs, ours, codes, seed=2)
    assert (swapped.category, swapped.shift) == (shift.category, -shift.shift)
    assert swapped.p_regression(0.05) == shift.p_regression(0.05)
    assert swapped.p_noninferior(0.3) == shift.p_noninferior(0.3)
    assert swapped.p_no_change() == pytest.approx(shift.p_no_change())


def test_category_shift__clusters_are_tested_as_clusters() -> None:
    ours, theirs = labelled(3)
    codes = np.repeat(np.arange(24), 5)
    shift = category_shift(ours, theirs, codes, seed=0)
    german = [np.array([kind == "de" for kind in arm], dtype=np.float64) for arm in (ours, theirs)]
    alone = share_shift(german[0], german[1], codes, seed=0)
    assert shift.category == "de"
    assert "CR2" in shift.method
    assert shift.p_regression(0.02) == pytest.approx(3 * alone.p_regression(0.02))
    flips = [share.p_no_change() for _, share in shift.shares]
    assert shift.p_no_change() == pytest.approx(min(1.0, 3 * min(p for p in flips if p is not None)))


def test_category_shift__false_failures_stay_at_alpha() -> None:
    rng, failures, repeats = np.random.default_rng(5), 0, 100
    for _ in range(repeats):
        # Half of the inputs change their kind at random, so that every share stays the same in expectation.
        kinds = rng.choice(["a", "b", "c", "d"], (2, 40), p=[0.4, 0.3, 0.2, 0.1])
        kinds[1] = np.where(rng.random(40) < 0.5, kinds[0], kinds[1])
        failures += category_shift(kinds[0].tolist(), kinds[1].tolist(), None, seed=0).p_regression(0.0) <= 0.05
    assert failures / repeats < 0.05 + 2.5 * math.sqrt(0.05 * 0.95 / repeats)


@pytest.mark.parametrize(("ours", "theirs"), [(["a"], ["a", "b"]), ([], [])])
def test_category_shift__refuses_kinds_that_do_not_pair_up(ours: list[str], theirs: list[str]) -> None:
    with pytest.raises(ValueError, match="paired"):
        category_shift(ours, theirs, None, seed=0)


def correlated(seed: int, n: int, spread: float = 1.0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    first, noise = rng.normal(0, 1, n), rng.normal(0, 1, n)
    return spread * (0.8 * first + 0.6 * noise), first


@pytest.mark.parametrize("decimals", [0, 1, 6])
def test_swap_ks__statistic_is_that_of_scipy(decimals: int) -> None:
    for seed in range(5):
        ours, theirs = (np.round(arm, decimals) for arm in correlated(seed, 70, spread=1.3))
        assert swap_ks(ours, theirs, seed=0, draws=10)[0] == pytest.approx(ks_2samp(ours, theirs).statistic)


def test_swap_ks__p_is_the_share_of_all_swaps() -> None:
    ours, theirs = np.array([3.0, 4, 5, 6, 7, 8, 2, 2, 1]), np.array([1.0, 2, 2, 5, 9, 4, 2, 1, 0])
    pairs = np.stack([ours, theirs])
    statistic = ks_2samp(ours, theirs).statistic
    reached = []
    for pattern in range(2**9):
        swap = np.array([pattern >> bit & 1 for bit in range(9)])
        arms = np.where(swap == 1, pairs[::-1], pairs)
        reached.append(ks_2samp(arms[0], arms[1]).statistic >= statistic - 1e-12)
    exact = float(np.mean(reached))
    assert swap_ks(ours, theirs, seed=0, draws=20_000)[1] == pytest.approx(exact, abs=0.012)


def test_swap_ks__finds_a_change_of_spread_that_the_unpaired_test_misses() -> None:
    found = [swap_ks(*correlated(seed, 250, spread=1.4), seed=seed, draws=999)[1] <= 0.05 for seed in range(20)]
    unpaired = [ks_2samp(*correlated(seed, 250, spread=1.4)).pvalue <= 0.05 for seed in range(20)]
    assert sum(found) > sum(unpaired) + 5


def test_swap_ks__false_alarms_stay_at_alpha() -> None:
    alarms = [swap_ks(*correlated(seed, 40), seed=seed, draws=399)[1] <= 0.05 for seed in range(1000)]
    assert 0.02 < np.mean(alarms) < 0.068


def test_swap_ks__neither_order_nor_names_of_the_arms_matter() -> None:
    ours, theirs = (np.round(arm, 1) for arm in correlated(3, 80, spread=1.3))
    order = np.random.default_rng(0).permutation(80)
    expected = swap_ks(ours, theirs, seed=4, draws=500)
    assert swap_ks(theirs, ours, seed=4, draws=500) == expected
    assert swap_ks(ours[order], theirs[order], seed=4, draws=500) == expected


def test_swap_ks__more_draws_than_fit_into_one_chunk() -> None:
    ours, theirs = correlated(0, 3000, spread=1.2)
    statistic, p = swap_ks(ours, theirs, seed=0, draws=1500)
    assert statistic == pytest.approx(ks_2samp(ours, theirs).statistic)
    assert p == 1 / 1501


def test_swap_ks__identical_arms() -> None:
    values = np.array([1.0, 2.0, 2.0])
    assert swap_ks(values, values, seed=0) == (0.0, 1.0)
    assert swap_ks(np.array([1.0]), np.array([2.0]), seed=0, draws=9) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("ours", "theirs", "message"), [([1.0], [1.0, 2.0], "paired"), ([], [], "paired"), ([math.nan], [1.0], "finite")]
)
def test_swap_ks__refuses_bad_values(ours: list[float], theirs: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        swap_ks(np.array(ours), np.array(theirs), seed=0)
