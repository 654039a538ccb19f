import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from gate.stats import binary
from gate.stats.planning import (
    cases_for_power,
    cases_to_pass_unchanged,
    chance_to_decide,
    detectable_drop_from_error,
    level_of_each_end,
    smallest_detectable_drop,
)


@pytest.mark.parametrize("margin", [0.01, 0.02, 0.05, 0.1, 0.5])
@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1])
def test_cases_to_pass_unchanged__is_where_the_exact_test_starts_to_pass(margin: float, alpha: float) -> None:
    n = cases_to_pass_unchanged(margin, alpha)
    assert n is not None
    assert binary.p_noninferior(0, 0, n, margin=margin) <= alpha
    assert n == 1 or binary.p_noninferior(0, 0, n - 1, margin=margin) > alpha


@pytest.mark.parametrize(("margin", "expected"), [(0.0, None), (-0.02, None), (1.0, 1)])
def test_cases_to_pass_unchanged__margins_at_the_ends(margin: float, expected: int | None) -> None:
    assert cases_to_pass_unchanged(margin, 0.05) == expected


def test_cases_for_power__without_churn_is_the_smallest_passing_suite() -> None:
    assert cases_for_power(churn=0.0, margin=0.02, alpha=0.05) == 149


def test_cases_for_power__a_drop_of_the_margin_is_never_decided() -> None:
    assert cases_for_power(churn=0.1, margin=0.02, alpha=0.05, drop=0.02) is None
    assert chance_to_decide(500, churn=0.1, margin=0.02, alpha=0.05, drop=0.02) == 0.0


def test_cases_for_power__a_gain_needs_fewer_cases_than_no_change() -> None:
    unchanged = cases_for_power(churn=0.1, margin=0.02, alpha=0.05)
    better = cases_for_power(churn=0.1, margin=0.02, alpha=0.05, drop=-0.02)
    assert unchanged is not None
    assert better is not None
    assert better < unchanged


@pytest.mark.parametrize(("churn", "drop"), [(0.9, 0.2), (-0.1, 0.0)])
def test_cases_for_power__impossible_rates(churn: float, drop: float) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        cases_for_power(churn=churn, margin=0.02, alpha=0.05, drop=drop)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.floats(0.01, 0.4), st.sampled_from([0.01, 0.02, 0.05]), st.sampled_from([0.0, 0.1, 0.2]))
def test_chance_to_decide__inverts_cases_for_power(churn: float, margin: float, drop: float) -> None:
    n = cases_for_power(churn=churn, margin=margin, alpha=0.05, drop=drop)
    assert n is not None
    assert chance_to_decide(n, churn=churn, margin=margin, alpha=0.05, drop=drop) >= 0.8 - 1e-9
    floor = cases_to_pass_unchanged(margin, 0.05)
    if n > 2 and n != floor:
        assert chance_to_decide(n - 2, churn=churn, margin=margin, alpha=0.05, drop=drop) < 0.8


def test_chance_to_decide__without_churn_is_all_or_nothing() -> None:
    assert chance_to_decide(148, churn=0.0, margin=0.02, alpha=0.05) == 0.0
    assert chance_to_decide(149, churn=0.0, margin=0.02, alpha=0.05) == 1.0


def test_smallest_detectable_drop__is_found_with_the_wanted_power() -> None:
    drop = smallest_detectable_drop(400, 0.1, margin=0.02, alpha=0.05)
    assert drop is not None
    assert chance_to_decide(400, churn=0.1, margin=0.02, alpha=0.05, drop=drop) == pytest.approx(0.8)


@pytest.mark.parametrize(("n", "psi", "margin"), [(3, 0.1, 0.0), (4, 0.9, 0.0), (8, 0.95, 0.0), (50, 0.5, 0.6)])
def test_smallest_detectable_drop__too_small_a_suite_detects_nothing(n: int, psi: float, margin: float) -> None:
    assert smallest_detectable_drop(n, psi, margin=margin, alpha=0.05) is None


def test_smallest_detectable_drop__a_demanded_gain_can_fail_without_any_drop() -> None:
    assert smallest_detectable_drop(5_000, 0.05, margin=-0.1, alpha=0.05) == pytest.approx(-0.087, abs=0.003)
    assert smallest_detectable_drop(500, 0.99, margin=-0.05, alpha=0.05) is None


def test_detectable_drop_from_error__quantiles_times_error() -> None:
    expected = 0.02 + (norm.isf(0.05) + norm.ppf(0.8)) * 0.03
    assert detectable_drop_from_error(0.03, margin=0.02, alpha=0.05) == pytest.approx(expected)
    assert detectable_drop_from_error(0.0, margin=0.02, alpha=0.05) is None
    assert detectable_drop_from_error(0.6, margin=0.02, alpha=0.05) is None


@pytest.mark.parametrize(("width", "expected"), [(0.0, 0.025), (50.0, 0.05)])
def test_level_of_each_end__half_at_a_point_and_all_in_a_wide_band(width: float, expected: float) -> None:
    assert level_of_each_end(0.05, width) == pytest.approx(expected)


def test_level_of_each_end__both_ends_together_have_alpha() -> None:
    level = level_of_each_end(0.05, 0.7)
    assert level + norm.cdf(norm.ppf(level) - 0.7) == pytest.approx(0.05)


# n for an 80 % chance to fail at 10 % churn: a drop of 5 pp takes 369 cases at margin 0 and 1,007 at 2 pp.
@pytest.mark.parametrize(("n", "margin"), [(369, 0.0), (1_007, 0.02)])
def test_smallest_detectable_drop__inverts_the_table_of_sizes(n: int, margin: float) -> None:
    assert smallest_detectable_drop(n, 0.1, margin=margin, alpha=0.05) == pytest.approx(0.05, abs=2e-4)
