import pytest
from scipy.stats import binom, multinomial

from gate.stats import binary, proportion
from gate.stats.chances import (
    cases_for_share,
    chance_share_passes,
    chance_to_pass,
    share_that_fails,
    share_that_passes,
    smallest_proven_drop,
)
from gate.stats.planning import cases_for_power, chance_to_decide, smallest_detectable_drop
from gate.stats.shift import BinaryShift

PASSES_UNCHANGED_PERCENT = {
    # cases: chance at 10 % churn and margins of 2 and 5 pp, from enumerating the exact test
    30: (5.0, 12),
    50: (9.2, 20),
    100: (15, 41),
    300: (28, 83),
    500: (40, 96),
}


@pytest.mark.parametrize(
    ("n", "margin", "percent"),
    [(n, margin, row[at]) for n, row in PASSES_UNCHANGED_PERCENT.items() for at, margin in enumerate((0.02, 0.05))],
)
def test_chance_to_pass__reference_table(n: int, margin: float, percent: float) -> None:
    found = chance_to_pass(n, churn=0.1, margin=margin, alpha=0.05)
    assert 100 * found == pytest.approx(percent, abs=0.55 if percent > 10 else 0.05)


@pytest.mark.parametrize(
    ("n", "churn", "margin", "alpha"),
    [(12, 0.3, 0.2, 0.05), (25, 0.1, 0.05, 0.05), (25, 0.5, 0.1, 0.1), (20, 0.2, 0.0, 0.05), (20, 0.4, -0.05, 0.05)],
)
def test_chance_to_pass__is_the_sum_over_all_tables_that_pass(
    n: int, churn: float, margin: float, alpha: float
) -> None:
    one_way, both_ways = 0.0, 0.0
    for gains in range(n + 1):
        for losses in range(n + 1 - gains):
            mass = multinomial.pmf([gains, losses, n - gains - losses], n, [churn / 2, churn / 2, 1 - churn])
            if mass > 1e-6 and binary.p_noninferior(gains, losses, n, margin=margin) <= alpha:
                one_way += mass
                if margin >= 0 and BinaryShift(gains=gains, losses=losses, n=n).p_noninferior(margin) <= alpha:
                    both_ways += mass
    assert chance_to_pass(n, churn=churn, margin=margin, alpha=alpha) == pytest.approx(one_way, abs=6e-4)
    if margin >= 0:
        found = chance_to_pass(n, churn=churn, margin=margin, alpha=alpha, both_directions=True)
        assert found == pytest.approx(both_ways, abs=1.1e-3)


@pytest.mark.parametrize(("n", "expected"), [(148, 0.0), (149, 1.0)])
def test_chance_to_pass__without_churn_is_all_or_nothing(n: int, expected: float) -> None:
    assert chance_to_pass(n, churn=0.0, margin=0.02, alpha=0.05) == pytest.approx(expected)
    assert chance_to_pass(n, churn=0.0, margin=0.02, alpha=0.05, both_directions=True) == pytest.approx(expected)


def test_chance_to_pass__margins_at_the_ends() -> None:
    assert chance_to_pass(2, churn=1.0, margin=1.0, alpha=0.05) == pytest.approx(1 - 0.5**2)
    assert chance_to_pass(2, churn=1.0, margin=1.0, alpha=0.05, both_directions=True) == pytest.approx(0.5)
    assert chance_to_pass(50, churn=0.1, margin=-1.0, alpha=0.05) == 0.0


@pytest.mark.parametrize(("n", "churn"), [(0, 0.1), (10, -0.1), (10, 1.1)])
def test_chance_to_pass__impossible_plans(n: int, churn: float) -> None:
    with pytest.raises(ValueError, match="cannot be planned for"):
        chance_to_pass(n, churn=churn, margin=0.02, alpha=0.05)


@pytest.mark.parametrize("churn", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("margin", [0.02, 0.05])
def test_chance_to_pass__meets_the_approximation_where_it_hands_over(churn: float, margin: float) -> None:
    exact = chance_to_pass(500, churn=churn, margin=margin, alpha=0.05)
    assert chance_to_decide(500, churn=churn, margin=margin, alpha=0.05) == pytest.approx(exact, abs=0.006)


@pytest.mark.parametrize(("churn", "margin"), [(0.01, 0.02), (0.02, 0.03), (0.05, 0.05), (0.1, 0.05)])
def test_chance_to_pass__planned_cases_keep_the_promise(churn: float, margin: float) -> None:
    n = cases_for_power(churn=churn, margin=margin, alpha=0.05)
    assert n is not None
    assert 0.79 <= chance_to_pass(n, churn=churn, margin=margin, alpha=0.05) <= 0.9


@pytest.mark.parametrize(
    ("n", "share", "threshold"), [(20, 0.9, 0.6), (100, 0.85, 0.8), (13, 1.0, 0.8), (14, 1.0, 0.8)]
)
def test_chance_share_passes__is_the_sum_over_counts(n: int, share: float, threshold: float) -> None:
    expected = sum(
        binom.pmf(k, n, share) for k in range(n + 1) if proportion.p_above(k, n, threshold=threshold) <= 0.05
    )
    found = chance_share_passes(n, share=share, threshold=threshold, alpha=0.05)
    assert found == pytest.approx(expected, abs=1e-9)


def test_share_that_passes__is_found_with_the_wanted_power() -> None:
    share = share_that_passes(300, threshold=0.8, alpha=0.05)
    assert share is not None
    assert share == pytest.approx(0.855, abs=0.001)
    assert chance_share_passes(300, share=share, threshold=0.8, alpha=0.05) == pytest.approx(0.8)
    assert share_that_passes(13, threshold=0.8, alpha=0.05) is None
    assert share_that_passes(14, threshold=0.8, alpha=0.05) is not None


def test_share_that_fails__is_found_with_the_wanted_power() -> None:
    share = share_that_fails(300, threshold=0.8, alpha=0.01)
    assert share is not None
    failing = [k for k in range(301) if proportion.p_below(k, 300, threshold=0.8) <= 0.01]
    assert binom.cdf(max(failing), 300, share) == pytest.approx(0.8)
    # Two wrong answers prove at the level 0.04 that a share is below 0.8, one does not.
    assert share_that_fails(2, threshold=0.8, alpha=0.04) is not None
    assert share_that_fails(1, threshold=0.8, alpha=0.04) is None


def test_cases_for_share__one_case_less_does_not_do() -> None:
    n = cases_for_share(share=0.95, threshold=0.92, alpha=0.05)
    assert n is not None
    assert chance_share_passes(n, share=0.95, threshold=0.92, alpha=0.05) >= 0.8
    assert chance_share_passes(n - 1, share=0.95, threshold=0.92, alpha=0.05) < 0.8
    assert cases_for_share(share=1.0, threshold=0.98, alpha=0.05) == 149


@pytest.mark.parametrize(("share", "threshold"), [(0.8, 0.8), (0.7, 0.8), (0.8, 0.8 - 1e-5)])
def test_cases_for_share__no_number_suffices(share: float, threshold: float) -> None:
    assert cases_for_share(share=share, threshold=threshold, alpha=0.05) is None


@pytest.mark.parametrize(
    ("n", "churn", "margin", "alpha"),
    [(20, 0.1, 0.0, 0.05), (20, 0.2, 0.05, 0.05), (25, 0.1, 0.1, 0.01), (20, 0.0, 0.05, 0.05)],
)
def test_smallest_proven_drop__is_proven_with_the_wanted_power(
    n: int, churn: float, margin: float, alpha: float
) -> None:
    drop = smallest_proven_drop(n, churn=churn, margin=margin, alpha=alpha)
    assert drop is not None
    chance = 0.0
    for gains in range(n + 1):
        for losses in range(n + 1 - gains):
            rates = [churn / 2, churn / 2 + drop, 1 - churn - drop]
            mass = multinomial.pmf([gains, losses, n - gains - losses], n, rates)
            if mass > 1e-6 and binary.p_regression(gains, losses, n, margin=margin) <= alpha:
                chance += mass
    assert chance == pytest.approx(0.8, abs=1e-3)


@pytest.mark.parametrize(
    ("n", "margin", "drop", "percent"),
    [(500, 0.02, 0.05, 52), (500, 0.05, 0.1, 82), (300, 0.05, 0.1, 63), (100, 0.02, 0.1, 56), (50, 0.0, 0.2, 87)],
)
def test_smallest_proven_drop__reference_table_of_power(n: int, margin: float, drop: float, percent: float) -> None:
    found = smallest_proven_drop(n, churn=0.1, margin=margin, alpha=0.05, power=percent / 100)
    assert found == pytest.approx(drop, abs=0.0025)  # the table is rounded to whole per cents


@pytest.mark.parametrize(("alpha", "apart"), [(0.05, 0.0015), (0.0036, 0.007)])
def test_smallest_proven_drop__the_approximation_is_too_kind_in_the_tail(alpha: float, apart: float) -> None:
    exact = smallest_proven_drop(300, churn=0.1, margin=0.05, alpha=alpha)
    about = smallest_detectable_drop(300, 0.1, margin=0.05, alpha=alpha)
    assert exact is not None
    assert about is not None
    assert about < exact < about + apart


@pytest.mark.parametrize(("n", "churn", "margin"), [(3, 0.1, 0.0), (500, 1.0, 0.0), (50, 0.5, 0.6), (40, 0.95, 0.0)])
def test_smallest_proven_drop__nothing_can_be_proven(n: int, churn: float, margin: float) -> None:
    assert smallest_proven_drop(n, churn=churn, margin=margin, alpha=0.05) is None
