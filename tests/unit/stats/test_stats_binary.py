import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import gammaln, xlogy

from gate.stats import binary
from gate.stats.tango import tango_interval

ALPHA = 0.05


def tables(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    gains, losses = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    possible = gains + losses <= n
    return gains[possible], losses[possible]


def textbook_score(gains: NDArray[np.int64], losses: NDArray[np.int64], n: int, delta0: float) -> NDArray[np.float64]:
    b = -gains - losses + (2 * n - gains + losses) * delta0
    rate = (np.sqrt(np.maximum(b**2 + 8 * n * losses * delta0 * (1 - delta0), 0)) - b) / (4 * n)
    variance = n * (2 * rate + delta0 * (1 - delta0))
    return np.where(variance > 1e-14, (gains - losses - n * delta0) / np.sqrt(np.maximum(variance, 1e-14)), 0.0)


def enumerated_p(gains: int, losses: int, n: int, delta0: float) -> float:
    """P-value of H0: delta <= delta0 by summing the trinomial probability of every table in the region."""
    b, c = tables(n)
    scores = textbook_score(b, c, n, delta0)
    observed = scores[(b == gains) & (c == losses)][0]
    b, c = b[scores >= observed - 1e-9], c[scores >= observed - 1e-9]
    ways = gammaln(n + 1) - gammaln(b + 1) - gammaln(c + 1) - gammaln(n - b - c + 1)

    def probability(rates: NDArray[np.float64]) -> NDArray[np.float64]:
        q = rates[:, None]
        same = np.maximum(1 - 2 * q - delta0, 0)
        return np.exp(ways + xlogy(b, np.maximum(q + delta0, 0)) + xlogy(c, q) + xlogy(n - b - c, same)).sum(axis=1)

    low, high = max(0.0, -delta0), (1 - delta0) / 2
    grid = np.linspace(low, high, 801)
    values = np.concatenate([probability(part) for part in np.array_split(grid, 9)])
    best = float(values.max())
    for top in np.argsort(-values)[:3]:
        around = (grid[max(top - 1, 0)], grid[min(top + 1, 800)])
        found = minimize_scalar(
            lambda q: -float(probability(np.array([q]))[0]), bounds=around, method="bounded", options={"xatol": 1e-10}
        )
        best = max(best, -float(found.fun))
    return best


@pytest.mark.parametrize("margin", [-0.1, -0.03, 0.0, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5])
@pytest.mark.parametrize(
    ("gains", "losses", "n"),
    [(0, 0, 1), (0, 1, 1), (0, 0, 12), (1, 4, 12), (3, 3, 20), (0, 5, 30), (9, 2, 30), (5, 8, 40), (20, 20, 40)],
)
def test_exact_p__equals_full_enumeration(gains: int, losses: int, n: int, margin: float) -> None:
    assert binary.p_noninferior(gains, losses, n, margin=margin) == pytest.approx(
        enumerated_p(gains, losses, n, -margin), abs=1e-6
    )
    assert binary.p_regression(gains, losses, n, margin=margin) == pytest.approx(
        enumerated_p(losses, gains, n, margin), abs=1e-6
    )


@pytest.mark.parametrize("margin", [0.0, 0.05])
def test_exact_p__never_rejects_a_true_hypothesis_too_often(margin: float) -> None:
    n = 16
    gains, losses = tables(n)
    rejecting = np.array(
        [binary.p_noninferior(b, c, n, margin=margin) <= ALPHA for b, c in zip(gains, losses, strict=True)]
    )
    ways = gammaln(n + 1) - gammaln(gains + 1) - gammaln(losses + 1) - gammaln(n - gains - losses + 1)
    for rate in np.linspace(margin, (1 + margin) / 2, 200):
        same = max(0.0, 1 - 2 * rate + margin)
        mass = np.exp(ways + xlogy(gains, rate - margin) + xlogy(losses, rate) + xlogy(n - gains - losses, same))
        assert mass.sum() == pytest.approx(1)
        assert mass[rejecting].sum() <= ALPHA + 1e-9


@pytest.mark.parametrize(
    ("gains", "losses", "n", "margin", "expected"),
    [
        # Largest value on 10,000 nuisance points, dense at both ends; the maximum lies in a narrow peak.
        (407, 557, 20_000, 0.01, 0.054636566697621756),
        (74, 123, 2_000, 0.01, 0.981719023907939),
    ],
)
def test_exact_p__finds_a_narrow_peak(gains: int, losses: int, n: int, margin: float, expected: float) -> None:
    assert binary.p_noninferior(gains, losses, n, margin=margin) == pytest.approx(expected, abs=2e-5)
    assert binary.p_noninferior(gains, losses, n, margin=margin) >= expected - 1e-7


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.integers(1, 120), st.sampled_from([-0.05, 0.0, 0.02, 0.05]), st.data())
def test_exact_p__swap_and_monotonicity(n: int, margin: float, data: st.DataObject) -> None:
    gains = data.draw(st.integers(0, n - 1))
    losses = data.draw(st.integers(0, n - 1 - gains))
    p = binary.p_noninferior(gains, losses, n, margin=margin)
    assert 0 < p <= 1
    assert binary.p_regression(losses, gains, n, margin=-margin) == p
    assert binary.p_noninferior(gains + 1, losses, n, margin=margin) <= p + 1e-9
    assert binary.p_noninferior(gains, losses + 1, n, margin=margin) >= p - 1e-9


@pytest.mark.parametrize("n", [1, 7, 100, 2_500])
@pytest.mark.parametrize("margin", [0.0, 0.01, 0.05])
def test_p_regression__identical_arms_never_fail(n: int, margin: float) -> None:
    assert binary.p_regression(0, 0, n, margin=margin) == 1.0


def test_p_noninferior__no_flips_is_the_power_of_the_margin_and_falls_with_n() -> None:
    found = [binary.p_noninferior(0, 0, n, margin=0.02) for n in (1, 10, 50, 148, 149, 150)]
    assert found == pytest.approx([0.98**n for n in (1, 10, 50, 148, 149, 150)], abs=1e-9)
    assert found == sorted(found, reverse=True)


def test_p_regression__all_wrong_and_all_right() -> None:
    assert binary.p_regression(0, 40, 40, margin=0.05) < 1e-6
    assert binary.p_noninferior(0, 40, 40, margin=0.05) == 1.0
    assert binary.p_noninferior(40, 0, 40, margin=0.05) < 1e-6
    assert binary.p_regression(40, 0, 40, margin=0.05) == 1.0


@pytest.mark.parametrize(("losses", "n", "margin"), [(1, 50, 0.02), (3, 30, 0.1), (29, 100, 0.29), (7, 100, 0.07)])
def test_exact_p__a_drop_of_exactly_the_margin_proves_nothing(losses: int, n: int, margin: float) -> None:
    # losses / n and margin are the same number on paper, but not always in binary floating point.
    assert binary.p_regression(0, losses, n, margin=margin) > 0.4
    assert binary.p_noninferior(0, losses, n, margin=margin) > 0.4
    nudged = binary.p_regression(0, losses, n, margin=math.nextafter(margin, 1))
    assert nudged == pytest.approx(binary.p_regression(0, losses, n, margin=margin), abs=1e-9)


def test_exact_p__margins_at_the_end_of_the_scale() -> None:
    assert binary.p_noninferior(0, 4, 4, margin=1.0) == 1.0
    assert binary.p_noninferior(1, 3, 4, margin=1.0) == 0.0
    assert binary.p_regression(0, 4, 4, margin=1.0) == 1.0
    assert binary.p_regression(4, 0, 4, margin=-1.0) == 1.0
    assert binary.p_regression(3, 1, 4, margin=-1.0) == 0.0
    assert binary.p_noninferior(4, 0, 4, margin=-1.0) == 1.0


@pytest.mark.parametrize(("gains", "losses", "n"), [(0, 0, 0), (-1, 0, 5), (0, -1, 5), (3, 3, 5)])
def test_exact_p__counts_that_do_not_fit(gains: int, losses: int, n: int) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        binary.p_noninferior(gains, losses, n, margin=0.02)
    with pytest.raises(ValueError, match="do not fit"):
        binary.interval(gains, losses, n, alpha=ALPHA)


def test_exact_p__margin_must_be_a_number() -> None:
    with pytest.raises(ValueError, match="finite"):
        binary.p_regression(1, 2, 5, margin=math.nan)


@pytest.mark.parametrize(("gains", "losses", "n"), [(0, 0, 30), (5, 8, 200), (2, 20, 100), (30, 31, 120), (1, 0, 1)])
def test_interval__ends_are_where_the_test_changes_its_mind(gains: int, losses: int, n: int) -> None:
    low, high = binary.interval(gains, losses, n, alpha=ALPHA)
    assert -1 <= low <= (gains - losses) / n <= high <= 1
    if low > -1:
        assert binary.p_noninferior(gains, losses, n, margin=-(low - 1e-4)) <= ALPHA
        assert binary.p_noninferior(gains, losses, n, margin=-(low + 2e-6)) > ALPHA
    if high < 1:
        assert binary.p_regression(gains, losses, n, margin=-(high + 1e-4)) <= ALPHA
        assert binary.p_regression(gains, losses, n, margin=-(high - 2e-6)) > ALPHA


def test_interval__can_be_shorter_than_tangos() -> None:
    low, _ = binary.interval(7, 0, 12, alpha=0.01)
    assert low > tango_interval(7, 0, 12, alpha=0.01)[0]
    assert binary.p_noninferior(7, 0, 12, margin=-low) == pytest.approx(0.01, abs=1e-4)


def test_interval__mirrors_when_arms_swap() -> None:
    low, high = binary.interval(3, 9, 80, alpha=ALPHA)
    assert binary.interval(9, 3, 80, alpha=ALPHA) == (-high, -low)


def test_interval__all_pairs_lost() -> None:
    low, high = binary.interval(0, 10, 10, alpha=ALPHA)
    assert low == -1.0
    assert -1 < high < 0


def test_interval__many_cases_get_tango() -> None:
    n = binary.EXACT_INTERVAL_MAX_N + 1
    assert binary.interval(50, 60, n, alpha=ALPHA) == tango_interval(50, 60, n, alpha=ALPHA)


def test_mcnemar__no_flips_is_one_in_every_variant() -> None:
    for mid_p in (True, False):
        assert binary.mcnemar_drop(0, 0, mid_p=mid_p) == 1.0
        assert binary.mcnemar_two_sided(0, 0, mid_p=mid_p) == 1.0


def test_mcnemar__hand_computed() -> None:
    assert binary.mcnemar_drop(0, 3, mid_p=False) == pytest.approx(1 / 8)
    assert binary.mcnemar_drop(0, 3) == pytest.approx(1 / 16)
    assert binary.mcnemar_drop(3, 0) == pytest.approx(15 / 16)
    assert binary.mcnemar_two_sided(2, 2) == pytest.approx(1.0)
