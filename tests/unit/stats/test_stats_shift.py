import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import multinomial, ttest_1samp
from scipy.stats import t as student

from gate.stats import binary
from gate.stats.bounded import gaffke
from gate.stats.clustered import Clustered, ClusterSums, cr2
from gate.stats.shift import BinaryShift, MeanShift, RatioShift, Shift, ratio_shift, share_shift
from gate.stats.tango import tango_score

Floats = NDArray[np.float64]


def every_table(n: int) -> list[tuple[int, int]]:
    return [(gains, losses) for gains in range(n + 1) for losses in range(n + 1 - gains)]


def drifting(seed: int, n: int = 40, spread: float = 0.3) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    reference = rng.uniform(20, 200, n)
    return reference * np.exp(rng.normal(0.1, spread, n)), reference


def shares_in_clusters(seed: int) -> tuple[Floats, Floats, NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(12), rng.integers(2, 8, 12))
    return rng.integers(0, 2, codes.size).astype(float), (rng.random(codes.size) < 0.2).astype(float), codes


@pytest.mark.parametrize(("n", "margin"), [(9, 0.0), (9, 0.1), (13, 0.02), (20, 0.0), (20, 0.05), (20, 0.3)])
def test_binary_shift__both_error_rates_hold_everywhere(n: int, margin: float) -> None:
    tables = every_table(n)
    shifts = [BinaryShift(gains=gains, losses=losses, n=n) for gains, losses in tables]
    fails = np.array([shift.p_regression(margin) for shift in shifts])
    passes = np.array([shift.p_noninferior(margin) for shift in shifts])
    counts = np.array([[gains, losses, n - gains - losses] for gains, losses in tables])
    for gain in np.linspace(0, 1, 21):
        for loss in np.unique(np.concatenate([np.linspace(0, 1, 21), [gain - margin, gain + margin]])):
            unchanged = 1 - gain - loss
            if loss < 0 or unchanged < -1e-9:
                continue
            chance = multinomial.pmf(counts, n, np.clip([gain, loss, unchanged], 0, 1))
            assert chance.sum() == pytest.approx(1)
            inside, outside = abs(gain - loss) <= margin + 1e-9, abs(gain - loss) >= margin - 1e-9
            for alpha in (0.01, 0.05, 0.1):
                assert not inside or chance[fails <= alpha].sum() <= alpha + 1e-9
                assert not outside or chance[passes <= alpha].sum() <= alpha + 1e-9


@pytest.mark.parametrize(("gains", "losses"), [(9, 2), (3, 4), (0, 6), (5, 5)])
def test_binary_shift__without_a_margin_is_two_sided(gains: int, losses: int) -> None:
    one_sided = binary.p_regression(min(gains, losses), max(gains, losses), 50, margin=0.0)
    found = BinaryShift(gains=gains, losses=losses, n=50).p_regression(0.0)
    assert found == pytest.approx(min(1.0, 2 * one_sided), abs=1e-8)


@pytest.mark.parametrize(("gains", "losses"), [(50, 10), (10, 50)])
def test_binary_shift__a_wide_band_is_one_sided(gains: int, losses: int) -> None:
    one_sided = binary.p_regression(min(gains, losses), max(gains, losses), 300, margin=0.1)
    assert BinaryShift(gains=gains, losses=losses, n=300).p_regression(0.1) == pytest.approx(one_sided, abs=2e-6)


def test_binary_shift__p_regression_is_the_enumerated_chance_of_both_tails() -> None:
    n, margin = 15, 0.05
    ends = {table: max(scores(table, n, margin), scores(table[::-1], n, margin)) for table in every_table(n)}
    observed = (7, 1)
    extreme = np.array([[*t, n - sum(t)] for t, score in ends.items() if score >= ends[observed] - 1e-9])
    rates = np.linspace(0, (1 - margin) / 2, 2001)
    highest = max(multinomial.pmf(extreme, n, [q + margin, q, 1 - 2 * q - margin]).sum() for q in rates)
    assert BinaryShift(gains=7, losses=1, n=n).p_regression(margin) == pytest.approx(highest, abs=1e-6)


def scores(table: tuple[int, ...], n: int, margin: float) -> float:
    return float(tango_score(table[0], table[1], n, delta0=margin))


def test_binary_shift__pass_needs_both_ends_ruled_out() -> None:
    shift = BinaryShift(gains=3, losses=1, n=200)
    drop, rise = binary.p_noninferior(3, 1, 200, margin=0.05), binary.p_regression(3, 1, 200, margin=-0.05)
    assert shift.p_noninferior(0.05) == max(drop, rise) == rise
    assert BinaryShift(gains=0, losses=0, n=58).p_noninferior(0.05) > 0.05
    assert BinaryShift(gains=0, losses=0, n=59).p_noninferior(0.05) <= 0.05


def test_binary_shift__never_fails_and_passes_at_once() -> None:
    for gains, losses in every_table(18):
        shift = BinaryShift(gains=gains, losses=losses, n=18)
        assert shift.p_regression(0.1) + shift.p_noninferior(0.1) > 0.2


def test_binary_shift__what_can_be_detected_shrinks_towards_one_side() -> None:
    shift = BinaryShift(gains=10, losses=10, n=400)
    at_zero, at_five = shift.detectable_drop(0.0, 0.05), shift.detectable_drop(0.05, 0.05)
    assert at_zero is not None
    assert at_five is not None
    # Two-sided without a margin: (1.96 + 0.84) standard errors.
    assert at_zero == pytest.approx(2.80 * math.sqrt((21 / 402 + at_zero) / 400), rel=0.05)
    assert 0.05 < at_five < 0.05 + at_zero + 0.02


def test_share_shift__identical_arms_prove_no_shift() -> None:
    same = np.array([0.0, 1.0] * 30)
    for candidate, codes in ((same, None), (same / 2, None), (same, np.repeat(np.arange(15), 4))):
        shift = share_shift(candidate, candidate, codes, seed=0)
        assert shift.shift == 0
        assert (shift.p_regression(0.0), shift.p_regression(0.02)) == (1.0, 1.0)
        assert shift.p_no_change() == 1.0
        assert 0 < shift.p_noninferior(0.02) < 1
        low, high = shift.interval(0.05)
        assert low < 0 < high


def test_share_shift__swapping_the_arms_negates_the_shift_only() -> None:
    clustered_ours, clustered_theirs, codes = shares_in_clusters(1)
    averaged = np.random.default_rng(2).integers(0, 4, (2, 60)) / 3
    for ours, theirs, groups in (
        (clustered_ours, clustered_theirs, codes),
        (clustered_ours, clustered_theirs, None),
        (averaged[0], averaged[1], None),
    ):
        shift, swapped = share_shift(ours, theirs, groups, seed=3), share_shift(theirs, ours, groups, seed=3)
        assert swapped.shift == -shift.shift
        assert swapped.interval(0.05) == pytest.approx([-end for end in shift.interval(0.05)[::-1]], abs=1e-6)
        for margin in (0.0, 0.1):
            assert swapped.p_regression(margin) == shift.p_regression(margin)
            assert swapped.p_noninferior(margin) == shift.p_noninferior(margin)
        assert swapped.p_no_change() == shift.p_no_change()


def test_share_shift__right_or_wrong_is_exact() -> None:
    shift = share_shift(np.array([1.0, 0, 1, 1]), np.array([0.0, 0, 1, 0]), None, seed=0)
    assert shift == BinaryShift(gains=2, losses=0, n=4)
    assert shift.clusters is None
    assert "inversion" in shift.method
    assert "Tango score interval" in BinaryShift(gains=1, losses=2, n=5000).method


def test_share_shift__averaged_repeats_use_gaffke_in_both_directions() -> None:
    rng = np.random.default_rng(4)
    ours, theirs = rng.integers(1, 4, 80) / 3, rng.integers(0, 3, 80) / 3
    shift, draws = share_shift(ours, theirs, None, seed=5), gaffke(ours - theirs, low=-1, high=1, seed=5)
    assert isinstance(shift, MeanShift)
    assert "Gaffke" in shift.method
    assert shift.shift == pytest.approx((ours - theirs).mean())
    # A rise: H0 delta <= 0.1 is what a pass with the margin -0.1 would test.
    assert shift.p_regression(0.1) == pytest.approx(2 * draws.p_noninferior(-0.1))
    assert shift.p_noninferior(0.6) == pytest.approx(max(draws.p_noninferior(0.6), draws.p_regression(-0.6)))
    assert shift.interval(0.05) == draws.interval(0.05)
    detectable = shift.detectable_drop(0.0, 0.05)
    assert detectable == pytest.approx(2.80 * (ours - theirs).std(ddof=1) / math.sqrt(80), rel=0.01)


def test_share_shift__clusters_use_the_clustered_tests_in_both_directions() -> None:
    ours, theirs, codes = shares_in_clusters(6)
    shift = share_shift(ours, theirs, codes, seed=7)
    fall = Clustered.of(theirs - ours, codes, bounds=(-1, 1), seed=7)
    assert shift.clusters == 12
    assert shift.shift > 0.1
    assert shift.p_regression(0.05) == pytest.approx(2 * fall.p_regression(0.05))
    assert shift.p_noninferior(0.6) == fall.p_noninferior(0.6)
    assert shift.detectable_drop(0.05, 0.05) is not None


def test_ratio_shift__is_the_paired_t_on_logs() -> None:
    ours, theirs = drifting(0)
    logs, shift = np.log(ours / theirs), ratio_shift(ours, theirs, None)
    low, high = ttest_1samp(logs, 0).confidence_interval(0.9)
    assert shift.clusters is None
    assert shift.shift == pytest.approx(math.expm1(logs.mean()))
    assert shift.interval(0.05) == pytest.approx((math.expm1(low), math.expm1(high)))
    assert shift.p_no_change() == pytest.approx(ttest_1samp(logs, 0).pvalue)
    assert shift.p_noninferior(0.25) == pytest.approx(
        max(
            ttest_1samp(logs, math.log(1.25), alternative="less").pvalue,
            ttest_1samp(logs, math.log(0.75), alternative="greater").pvalue,
        )
    )


def test_ratio_shift__failing_p_adds_the_other_end() -> None:
    ours, theirs = drifting(1)
    logs = np.log(ours / theirs)
    error = logs.std(ddof=1) / math.sqrt(logs.size)
    nearer = student.cdf((math.log(1.05) - logs.mean()) / error, 39)
    # As many standard errors below the lower end as the observed mean is above the upper one.
    other = student.cdf(student.ppf(nearer, 39) - (math.log(1.05) - math.log(0.95)) / error, 39)
    found = ratio_shift(ours, theirs, None).p_regression(0.05)
    assert found == pytest.approx(nearer + other)
    assert nearer < found < 2 * nearer


@pytest.mark.parametrize("margin", [0.02, 0.1])
def test_ratio_shift__false_failures_at_the_edge_of_the_band_stay_at_alpha(margin: float) -> None:
    rng = np.random.default_rng(2)
    reference, failures, repeats = np.full(15, 100.0), 0, 3000
    for _ in range(repeats):
        candidate = reference * (1 + margin) * np.exp(rng.normal(0, 0.1, 15))
        failures += ratio_shift(candidate, reference, None).p_regression(margin) <= 0.05
    assert 0.035 < failures / repeats < 0.062


def test_ratio_shift__a_shortening_fails_as_well() -> None:
    ours, theirs = drifting(3)
    shorter = ratio_shift(theirs / 2, ours, None)
    assert shorter.shift < -0.4
    assert shorter.p_regression(0.25) < 0.001
    assert shorter.p_noninferior(0.25) > 0.999


def test_ratio_shift__a_margin_of_everything_has_no_lower_limit() -> None:
    ours, theirs = drifting(4)
    tiny = ratio_shift(ours / 50, theirs, None)
    assert tiny.p_regression(0.99) > 0.5
    assert tiny.p_regression(1.0) > 0.999
    assert tiny.p_noninferior(1.0) < 0.001
    assert tiny.p_noninferior(0.9) > 0.999


def test_ratio_shift__clusters_of_cases_are_the_cr2_t() -> None:
    ours, theirs = drifting(5, n=48)
    codes = np.repeat(np.arange(12), [1, 7, 4, 4, 2, 6, 4, 4, 3, 5, 4, 4])
    shift, fit = ratio_shift(ours, theirs, codes), cr2(ClusterSums.of(np.log(ours / theirs), codes))
    assert fit is not None
    assert shift.clusters == 12
    assert "CR2" in shift.method
    mean = np.log(ours / theirs).mean()
    # With 12 clusters a pass has a limit, however little they vary.
    assert shift.p_noninferior(0.3) == pytest.approx(0.7**12)
    assert shift.p_noninferior(0.08) == pytest.approx(student.cdf((mean - math.log(1.08)) / fit[0], fit[1]))


@pytest.mark.parametrize("n", [1, 2, 3, 10])
def test_ratio_shift__identical_answers_never_fail_and_few_never_pass(n: int) -> None:
    lengths = np.linspace(10, 50, n)
    shift = ratio_shift(lengths, lengths, None)
    for margin in (0.0, 0.25, 0.9, 3.0):
        assert shift.p_regression(margin) == 1.0
    assert shift.p_noninferior(0.0) == 1.0
    assert shift.p_noninferior(0.25) == pytest.approx(0.75**n)
    assert shift.p_noninferior(3.0) == pytest.approx(0.5**n)
    assert shift.interval(0.05) == pytest.approx((0.05 ** (1 / n) - 1, 0.05 ** (-1 / n) - 1))
    assert shift.detectable_drop(0.25, 0.05) is None


def test_ratio_shift__all_twice_as_long_is_believed_once_there_are_enough() -> None:
    def doubled(n: int) -> Shift:
        return ratio_shift(np.full(n, 20.0), np.full(n, 10.0), None)

    assert doubled(1).p_regression(0.25) == 1.0
    assert doubled(3).p_regression(0.25) == pytest.approx(0.25)
    assert doubled(6).p_regression(0.25) == pytest.approx(2**-5)
    assert doubled(6).p_regression(1.0) == 1.0
    assert doubled(6).p_noninferior(0.25) == 1.0


def test_ratio_shift__one_cluster_proves_nothing() -> None:
    shift = ratio_shift(np.array([40.0, 50, 60, 45]), np.full(4, 10.0), np.zeros(4, dtype=np.int64))
    assert shift.p_regression(0.25) == 1.0
    assert shift.p_noninferior(9.0) == 0.5


def test_ratio_shift__what_can_be_detected() -> None:
    ours, theirs = drifting(7)
    logs = np.log(ours / theirs)
    error = logs.std(ddof=1) / math.sqrt(40)
    shift = ratio_shift(ours, theirs, None)
    two_sided = (student.ppf(0.975, 39) + student.ppf(0.8, 39)) * error
    one_sided = (student.ppf(0.95, 39) + student.ppf(0.8, 39)) * error
    assert shift.detectable_drop(0.0, 0.05) == pytest.approx(math.expm1(two_sided), rel=1e-6)
    assert shift.detectable_drop(1.0, 0.05) == pytest.approx(math.expm1(math.log(2) + one_sided), rel=1e-6)


def test_ratio_shift__numbers_beyond_all_bounds() -> None:
    wild = ratio_shift(np.array([1.0, 1e9]), np.array([1e9, 1.0]), None)
    low, high = wild.interval(1e-6)
    assert low == -1
    assert 1e300 < high < math.inf
    assert wild.detectable_drop(0.1, 1e-6) is None
    assert isinstance(wild, RatioShift)
    # An answer that is gone is shorter than one of a single token.
    assert ratio_shift(np.array([0.0, 0.0]), np.array([1.0, 1.0]), None).shift == pytest.approx(-0.5)


def test_shift__the_order_of_inputs_is_irrelevant() -> None:
    ours, theirs, codes = shares_in_clusters(8)
    order = np.random.default_rng(0).permutation(codes.size)
    for groups in (codes, None):
        shuffled = None if groups is None else groups[order]
        for make in (lambda a, b, g: share_shift(a / 2, b, g, seed=1), lambda a, b, g: ratio_shift(9 * a, 7 * b, g)):
            there, here = make(ours, theirs, groups), make(ours[order], theirs[order], shuffled)
            assert here.p_regression(0.05) == there.p_regression(0.05)
            assert here.p_noninferior(0.05) == there.p_noninferior(0.05)
            assert here.shift == there.shift


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        ([1.0], [1.0, 0.0], "paired"),
        ([], [], "at least one"),
        ([math.nan], [1.0], "finite"),
        ([-0.5], [1.0], "finite"),
        ([math.inf], [1.0], "finite"),
    ],
)
def test_shift__refuses_bad_values(ours: list[float], theirs: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        share_shift(np.array(ours), np.array(theirs), None, seed=0)
    with pytest.raises(ValueError, match=message):
        ratio_shift(np.array(ours), np.array(theirs), None)


def test_shift__refuses_a_share_above_1_and_a_negative_margin() -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        share_shift(np.array([1.5]), np.array([1.0]), None, seed=0)
    for shift in (BinaryShift(gains=1, losses=0, n=9), ratio_shift(np.array([1.0]), np.array([2.0]), None)):
        for margin in (-0.01, math.nan, math.inf):
            with pytest.raises(ValueError, match="not negative"):
                shift.p_regression(margin)
    assert BinaryShift(gains=9, losses=0, n=9).p_regression(1.0) == 1.0


def test_mean_shift__single_value_detects_nothing() -> None:
    assert share_shift(np.array([0.5]), np.array([0.25]), None, seed=0).detectable_drop(0.0, 0.05) is None
