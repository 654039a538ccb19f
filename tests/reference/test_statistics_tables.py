"""Sample sizes, detectable drops and known traps of paired comparisons, as planned for before the code was written."""

import math

import numpy as np
import pytest
from scipy.stats import bootstrap, multinomial, ttest_1samp
from statsmodels.stats.contingency_tables import mcnemar

from gate.stats import binary
from gate.stats.bounded import gaffke
from gate.stats.planning import cases_for_power, chance_to_decide, smallest_detectable_drop

ALPHA = 0.05

CASES_TO_PASS_UNCHANGED = {
    # churn: cases for 80 % chance to pass at margins of 1, 2, 3 and 5 pp
    0.01: (856, 298, 169, 86),
    0.02: (1397, 425, 225, 107),
    0.05: (3162, 837, 400, 167),
    0.10: (6215, 1578, 717, 274),
    0.20: (12378, 3104, 1386, 507),
}

CASES_TO_FAIL = {
    # margin: cases for 80 % chance to fail at churn 10 % and true drops of 5, 10 and 20 pp
    0.0: (369, 122, 45),
    0.02: (1007, 186, 54),
}

DETECTABLE_DROPS_PP = {
    # cases: drop in pp that is proven with 80 % probability at margin 0 and churn 2, 5, 10 and 20 %
    30: (21, 23, 27, 31),
    50: (14, 16, 18, 22),
    100: (7.6, 9.3, 11, 14),
    300: (3.3, 4.4, 5.7, 7.5),
    500: (2.3, 3.2, 4.2, 5.6),
    1000: (1.5, 2.1, 2.8, 3.8),
}


@pytest.mark.parametrize(
    ("churn", "margin", "expected"),
    [
        (churn, margin, cases)
        for churn, row in CASES_TO_PASS_UNCHANGED.items()
        for margin, cases in zip((0.01, 0.02, 0.03, 0.05), row, strict=True)
    ],
)
def test_cases_for_power__passing_unchanged(churn: float, margin: float, expected: int) -> None:
    assert cases_for_power(churn=churn, margin=margin, alpha=ALPHA) == pytest.approx(expected, abs=1)


@pytest.mark.parametrize(
    ("margin", "drop", "expected"),
    [
        (margin, drop, cases)
        for margin, row in CASES_TO_FAIL.items()
        for drop, cases in zip((0.05, 0.1, 0.2), row, strict=True)
    ],
)
def test_cases_for_power__failing(margin: float, drop: float, expected: int) -> None:
    assert cases_for_power(churn=0.1, margin=margin, alpha=ALPHA, drop=drop) == pytest.approx(expected, abs=1)


@pytest.mark.parametrize(
    ("n", "churn", "expected_pp"),
    [
        (n, churn, drop)
        for n, row in DETECTABLE_DROPS_PP.items()
        for churn, drop in zip((0.02, 0.05, 0.1, 0.2), row, strict=True)
    ],
)
def test_smallest_detectable_drop__table(n: int, churn: float, expected_pp: float) -> None:
    found = smallest_detectable_drop(n, churn, margin=0.0, alpha=ALPHA)
    assert found is not None
    assert 100 * found == pytest.approx(expected_pp, abs=0.55 if expected_pp >= 10 else 0.05)


@pytest.mark.parametrize(("margin", "drop", "expected"), [(0.02, 0.0, 0.40), (0.05, 0.0, 0.96), (0.05, 0.1, 0.82)])
def test_chance_to_decide__500_cases_with_ten_percent_churn(margin: float, drop: float, expected: float) -> None:
    assert chance_to_decide(500, churn=0.1, margin=margin, alpha=ALPHA, drop=drop) == pytest.approx(expected, abs=0.02)


def test_chance_to_decide__close_to_the_exact_power() -> None:
    # 100 cases, 10 % churn, margin 5 pp: the exact test passes an unchanged model 41 % of the time.
    n, passed = 100, 0.0
    for gains in range(25):
        for losses in range(25):
            mass = float(multinomial.pmf([gains, losses, n - gains - losses], n, [0.05, 0.05, 0.9]))
            if mass > 1e-5 and binary.p_noninferior(gains, losses, n, margin=0.05) <= ALPHA:
                passed += mass
    assert passed == pytest.approx(0.41, abs=0.01)
    assert chance_to_decide(n, churn=0.1, margin=0.05, alpha=ALPHA) == pytest.approx(passed, abs=0.05)


def test_trap__identical_arms_where_the_chi_square_gives_zero() -> None:
    with np.errstate(all="ignore"):
        assert mcnemar([[50, 0], [0, 5]], exact=False).pvalue == 0.0
    assert binary.p_regression(0, 0, 55, margin=0.0) == 1.0
    assert binary.mcnemar_two_sided(0, 0) == 1.0


@pytest.mark.filterwarnings("ignore")
def test_trap__no_flips_where_the_t_test_and_bootstrap_pass() -> None:
    unchanged = np.zeros(100)
    assert ttest_1samp(unchanged, -0.02, alternative="greater").pvalue == 0.0
    assert math.isnan(bootstrap((unchanged,), np.mean, method="BCa", n_resamples=99).confidence_interval.low)
    assert binary.p_noninferior(0, 0, 100, margin=0.02) == pytest.approx(0.1326, abs=5e-5)
    assert gaffke(unchanged, low=-1, high=1, seed=0).p_noninferior(0.02) == pytest.approx(0.1326, abs=0.01)


def test_trap__orientation_gains_are_good() -> None:
    low, high = binary.interval(28, 25, 618, alpha=ALPHA)
    assert low < 0 < high
    assert high > -low
    assert binary.p_noninferior(28, 25, 618, margin=0.02) < binary.p_noninferior(25, 28, 618, margin=0.02)


@pytest.mark.parametrize("n", [50, 150, 350, 1_100])
def test_trap__a_margin_that_is_no_binary_fraction(n: int) -> None:
    losses = round(0.02 * n)
    exact = binary.p_regression(0, losses, n, margin=losses / n)
    assert binary.p_regression(0, losses, n, margin=0.02) == pytest.approx(exact, abs=1e-9)


def test_trap__significant_drop_of_unproven_size() -> None:
    assert binary.p_regression(10, 25, 500, margin=0.0) == pytest.approx(0.0056, abs=5e-5)
    assert binary.p_regression(10, 25, 500, margin=0.02) == pytest.approx(0.21, abs=0.005)
