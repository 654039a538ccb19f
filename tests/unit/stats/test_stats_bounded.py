import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from gate.stats.bounded import DRAWS, gaffke

SCORES = st.lists(st.sampled_from([-1.0, -0.5, -0.3, -0.1, 0.0, 0.1, 0.3, 0.5, 1.0]), min_size=1, max_size=40)


@pytest.mark.parametrize(("successes", "n"), [(18, 20), (0, 30), (30, 30), (7, 50)])
def test_gaffke__right_or_wrong_is_clopper_pearson(successes: int, n: int) -> None:
    values = np.array([1.0] * successes + [0.0] * (n - successes))
    low, high = gaffke(values, low=0, high=1, seed=0).interval(0.05)
    assert low == pytest.approx(0.0 if successes == 0 else beta.ppf(0.05, successes, n - successes + 1), abs=0.003)
    assert high == pytest.approx(1.0 if successes == n else beta.isf(0.05, successes + 1, n - successes), abs=0.003)


@pytest.mark.parametrize("margin", [0.0, 0.01, 0.3])
def test_gaffke__identical_arms_never_fail(margin: float) -> None:
    draws = gaffke(np.zeros(50), low=-1, high=1, seed=0)
    assert draws.p_regression(margin) == 1.0
    assert draws.p_noninferior(margin) == pytest.approx((1 - margin) ** 50, abs=0.01)


def test_gaffke__a_constant_drop_of_exactly_the_margin_proves_nothing() -> None:
    draws = gaffke(np.full(200, 0.7 - 0.8), low=-1, high=1, seed=0)
    assert draws.p_regression(0.1) == 1.0
    assert draws.p_noninferior(0.1) == 1.0


def test_gaffke__p_is_never_zero() -> None:
    draws = gaffke(np.full(500, -1.0), low=-1, high=1, seed=0)
    assert draws.p_regression(0.0) == 1 / (DRAWS + 1)


def test_gaffke__interval_and_p_values_agree() -> None:
    draws = gaffke(np.random.default_rng(1).uniform(-0.4, 0.3, 60), low=-1, high=1, seed=2)
    low, high = draws.interval(0.05)
    assert draws.p_noninferior(-(low - 1e-6)) <= 0.05 < draws.p_noninferior(-(low + 1e-6))
    assert draws.p_regression(-(high + 1e-6)) <= 0.05 < draws.p_regression(-(high - 1e-6))


def test_gaffke__level_beyond_the_number_of_draws_gives_the_bounds() -> None:
    assert gaffke(np.array([0.1, 0.2]), low=-1, high=1, seed=0).interval(1e-6) == (-1, 1)


def test_gaffke__chunks_cover_all_draws() -> None:
    # Large enough for several chunks of weights.
    values = np.random.default_rng(0).uniform(-1, 1, 900)
    draws = gaffke(values, low=-1, high=1, seed=0)
    assert draws.pessimistic.shape == (DRAWS,)
    low, high = draws.interval(0.05)
    error = float(values.std()) / math.sqrt(900)
    assert low == pytest.approx(values.mean() - 1.645 * error, abs=0.25 * error)
    assert high == pytest.approx(values.mean() + 1.645 * error, abs=0.25 * error)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(SCORES, st.sampled_from([0.0, 0.05, -0.05]))
def test_gaffke__swapping_the_arms_mirrors_exactly(values: list[float], margin: float) -> None:
    ours = gaffke(np.array(values), low=-1, high=1, seed=4)
    theirs = gaffke(-np.array(values[::-1]), low=-1, high=1, seed=4)
    assert ours.p_noninferior(margin) == theirs.p_regression(-margin)
    low, high = ours.interval(0.05)
    assert theirs.interval(0.05) == (-high, -low)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(SCORES)
def test_gaffke__monotone_in_the_margin(values: list[float]) -> None:
    draws = gaffke(np.array(values), low=-1, high=1, seed=4)
    margins = [-0.2, -0.05, 0.0, 0.02, 0.1, 0.5]
    noninferior = [draws.p_noninferior(margin) for margin in margins]
    regression = [draws.p_regression(margin) for margin in margins]
    assert noninferior == sorted(noninferior, reverse=True)
    assert regression == sorted(regression)


@pytest.mark.parametrize("values", [[], [math.nan], [1.5], [-2.0, 0.0]])
def test_gaffke__refuses_what_it_has_no_bound_for(values: list[float]) -> None:
    with pytest.raises(ValueError, match="at least one value"):
        gaffke(np.array(values), low=-1, high=1, seed=0)
