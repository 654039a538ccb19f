"""The p-values of `compare` against an enumeration of every table, written here and nowhere else.

The enumeration follows the definition: order all tables of gains and losses by Tango's score against the margin, add
up the trinomial probabilities of those at least as extreme as the observed one, and take the largest sum over the
unknown rate of losses.
"""

from functools import cache
from math import comb

import numpy as np
import pytest
from builders import a_hypothesis, a_pair
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from gate.domain import Comparison, Pair
from gate.stats import binary
from gate.stats.compare import compare

SLACK = 1e-9
"""Scores that are equal up to rounding are equal."""


def answers(gains: int, losses: int, n: int) -> list[Pair]:
    """Generated answers: some right on one arm alone, the others right or wrong on both."""
    same = [(1.0, 1.0), (0.0, 0.0)]
    scores = [(1.0, 0.0)] * gains + [(0.0, 1.0)] * losses
    scores += [same[index % 2] for index in range(n - gains - losses)]
    return [a_pair(case=f"c{i}", candidate=ours, reference=theirs) for i, (ours, theirs) in enumerate(scores)]


def compared(gains: int, losses: int, n: int, margin: float) -> Comparison:
    hypothesis = a_hypothesis(margin=margin, fail_margin=margin)
    return compare(hypothesis, answers(gains, losses, n), binary=True, seed=0)


@cache
def all_tables(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    tables = [(b, c) for b in range(n + 1) for c in range(n + 1 - b)]
    ways = [float(comb(n, b) * comb(n - b, c)) for b, c in tables]
    gains, losses = np.array(tables).T
    return gains, losses, np.array(ways)


def score(gains: NDArray[np.int64], losses: NDArray[np.int64], n: int, delta0: float) -> NDArray[np.float64]:
    """(b - c - n * delta0) / sqrt(n * (2q + delta0 * (1 - delta0))) with the constrained estimate q of P(loss)."""
    a, product = 2 * n, -losses * delta0 * (1 - delta0)
    b = -gains - losses + (2 * n - gains + losses) * delta0
    q = (np.sqrt(np.maximum(b * b - 4 * a * product, 0)) - b) / (2 * a)
    variance = n * (2 * np.maximum(q, 0) + delta0 * (1 - delta0))
    distance = gains - losses - n * delta0
    safe = np.where(variance > 1e-13, variance, 1.0)
    # Without variance the table is as extreme as can be, unless it is exactly what the hypothesis says.
    extreme = np.where(np.abs(distance) < SLACK, 0.0, np.sign(distance) * 1e9)
    return np.where(variance > 1e-13, distance / np.sqrt(safe), extreme)


def enumerated(gains: int, losses: int, n: int, delta0: float) -> float:
    """P-value of H0: P(gain) - P(loss) <= delta0."""
    every_gains, every_losses, ways = all_tables(n)
    scores = score(every_gains, every_losses, n, delta0)
    observed = float(score(np.array([gains]), np.array([losses]), n, delta0)[0])
    inside = scores >= observed - SLACK
    b, c, weight = every_gains[inside], every_losses[inside], ways[inside]

    def probability(rate: float) -> float:
        gain, rest = rate + delta0, max(0.0, 1 - 2 * rate - delta0)
        return float((weight * gain**b * rate**c * rest ** (n - b - c)).sum())

    low, high = max(0.0, -delta0), (1 - delta0) / 2
    grid = np.linspace(low, high, 1_500)
    values = [probability(max(rate, low)) for rate in grid]
    best = max(values)
    for index in np.argsort(values)[-4:]:
        around = (grid[max(index - 1, 0)], grid[min(index + 1, grid.size - 1)])
        found = minimize_scalar(
            lambda rate: -probability(rate), bounds=around, method="bounded", options={"xatol": 1e-12}
        )
        best = max(best, -float(found.fun))
    return min(1.0, best)


def tables_of(n: int) -> list[tuple[int, int]]:
    """Tables of every character: none, few and many flips, lopsided either way."""
    wanted = {(0, 0), (0, 1), (1, 0), (1, 1), (0, n), (n, 0), (n // 8, n // 3), (n // 3, n // 8), (n // 4, n // 4)}
    return sorted((b, c) for b, c in wanted if b + c <= n)


@pytest.mark.parametrize("n", [1, 2, 5, 10, 17, 25, 40])
@pytest.mark.parametrize("margin", [-0.1, 0.0, 0.02, 0.05, 0.1, 1 / 3])
def test_compare__p_values_are_those_of_the_enumeration(n: int, margin: float) -> None:
    for gains, losses in tables_of(n):
        found = compared(gains, losses, n, margin)
        assert found.p_noninferior == pytest.approx(enumerated(gains, losses, n, -margin), abs=1e-6), (gains, losses)
        assert found.p_regression == pytest.approx(enumerated(losses, gains, n, margin), abs=1e-6), (gains, losses)


@pytest.mark.parametrize(("n", "losses"), [(20, 1), (20, 2), (40, 2), (30, 3), (10, 1), (40, 4)])
def test_compare__margins_that_tie_with_the_observed_drop(n: int, losses: int) -> None:
    # n * margin is a whole number that the binary fraction of the margin only nearly is.
    margin = losses / n
    for gains, more in ((0, losses), (1, losses + 1), (3, losses + 3)):
        found = compared(gains, more, n, margin)
        assert found.p_noninferior == pytest.approx(enumerated(gains, more, n, -margin), abs=1e-6)
        assert found.p_regression == pytest.approx(enumerated(more, gains, n, margin), abs=1e-6)


@pytest.mark.parametrize("n", [2_000, 20_000])
def test_compare__many_cases_are_monotone_symmetric_and_steady(n: int) -> None:
    flips = n // 25
    by_losses = [binary.p_regression(flips, losses, n, margin=0.01) for losses in range(flips, 2 * flips, flips // 8)]
    assert by_losses == sorted(by_losses, reverse=True)
    by_gains = [
        binary.p_noninferior(gains, flips, n, margin=0.01) for gains in range(flips // 2, 2 * flips, flips // 8)
    ]
    assert by_gains == sorted(by_gains, reverse=True)
    for margin in (-0.01, 0.0, 0.01):
        forth = binary.p_regression(flips, flips + 40, n, margin=margin)
        assert binary.p_noninferior(flips + 40, flips, n, margin=-margin) == pytest.approx(forth, abs=1e-12)
    margins = np.linspace(0.005, 0.0051, 21)
    losses = flips + n // 200
    steps = np.diff([binary.p_noninferior(flips, losses, n, margin=float(margin)) for margin in margins])
    # The exact p-value is a saw in the margin: tables with one difference of gains and losses tie at z = 0, and hold
    # about 0.4 / sqrt(gains + losses) of the probability.
    assert float(np.abs(steps).max()) < 1 / np.sqrt(flips + losses)


@pytest.mark.parametrize("cases", [100, 149])
def test_compare__a_hundred_unchanged_cases_do_not_rule_out_two_points(cases: int) -> None:
    found = compared(0, 0, cases, 0.02)
    assert found.p_regression == 1.0
    assert found.p_noninferior == pytest.approx(0.98**cases, abs=1e-9)
    assert (found.p_noninferior <= 0.05) is (cases == 149)
