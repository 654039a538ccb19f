"""Bounded values: Gaffke's bound for a mean, which assumes nothing but the bounds.

The observed values and one pseudo-value at the worst bound get random weights (uniform on the simplex); the
quantiles of the weighted mean bound the true mean. For 0/1 values it is the Clopper-Pearson bound. No small or
degenerate set of values makes it overconfident, which resampling and the t-test cannot say.
This module knows vectors of values and nothing about cases or rules.

References:
    Gaffke, N. (2005). Three test statistics for a nonparametric one-sided hypothesis on the mean of a
    nonnegative variable. Mathematical Methods of Statistics 14, 451-467.
    Learned-Miller, E., Thomas, P. S. (2019). A new confidence interval for the mean of a bounded random
    variable. arXiv:1905.06208. (Coverage for every distribution is a conjecture there, supported by simulation.)
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 20_000
"""Random weightings behind a bound; the smallest possible p-value is 1 / (DRAWS + 1)."""

_TIE_SLACK = 1e-9
_DECIMALS = 12
_CHUNK_ELEMENTS = 4_000_000
"""Weights held in memory at a time: 32 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaffke:
    """Randomly weighted means of one vector of values, ready for tests at any margin."""

    low: float
    """Smallest possible value."""
    high: float
    """Largest possible value."""
    pessimistic: NDArray[np.float64]
    """Sorted weighted means with the pseudo-value at `low`."""
    optimistic: NDArray[np.float64]
    """Sorted weighted means with the pseudo-value at `high`."""

    def p_noninferior(self, margin: float) -> float:
        """P-value of H0: mean <= -margin."""
        at_most = int(np.searchsorted(self.pessimistic, -margin + _TIE_SLACK, side="right"))
        return (at_most + 1) / (self.pessimistic.size + 1)

    def p_regression(self, margin: float) -> float:
        """P-value of H0: mean >= -margin."""
        at_least = self.optimistic.size - int(np.searchsorted(self.optimistic, -margin - _TIE_SLACK, side="left"))
        return (at_least + 1) / (self.optimistic.size + 1)

    def interval(self, alpha: float) -> tuple[float, float]:
        """Values of the mean that neither one-sided test rejects at alpha."""
        rank = int(alpha * (self.pessimistic.size + 1) + _TIE_SLACK)
        if rank == 0:
            return self.low, self.high
        return float(self.pessimistic[rank - 1]), float(self.optimistic[-rank])


def gaffke(values: NDArray[np.float64], *, low: float, high: float, seed: int, draws: int = DRAWS) -> Gaffke:
    """Draw the weighted means behind Gaffke's bounds.

    The order of the values is irrelevant, and negating them (with their bounds) mirrors the draws exactly: swapping
    two arms swaps the p-values.

    Args:
        values: One value per independent unit, at least one.
        low: Smallest possible value.
        high: Largest possible value.
        seed: Seed of the weights.
        draws: Number of weightings.

    Returns:
        The draws; equal inputs give equal draws.

    Raises:
        ValueError: If there is no value, or one is not within the bounds.
    """
    # `not all(...)` rather than `any(outside)`: NaN compares as false and must not slip through.
    if values.size == 0 or not bool(np.all((values >= low - _TIE_SLACK) & (values <= high + _TIE_SLACK))):
        raise ValueError(f"Gaffke's bound needs at least one value, and all of them in [{low}, {high}].")
    ordered = np.sort(np.round(values, _DECIMALS)) + 0.0
    mirrored = -ordered[::-1] + 0.0
    rng = np.random.default_rng(seed)
    if _comes_after(ordered, mirrored):
        optimistic, pessimistic = _weighted_means(mirrored, bounds=(-high, -low), rng=rng, draws=draws)
        pessimistic, optimistic = -pessimistic[::-1], -optimistic[::-1]
    else:
        pessimistic, optimistic = _weighted_means(ordered, bounds=(low, high), rng=rng, draws=draws)
    if low == -high and np.array_equal(ordered, mirrored):
        # Both directions have the same distribution here; sharing the draws keeps them mirror images.
        optimistic = -pessimistic[::-1]
    return Gaffke(low=low, high=high, pessimistic=pessimistic, optimistic=optimistic)


def _comes_after(values: NDArray[np.float64], others: NDArray[np.float64]) -> bool:
    """Whether `values` follows `others` in lexicographic order."""
    differing = np.flatnonzero(values != others)
    return differing.size > 0 and bool(values[differing[0]] > others[differing[0]])


def _weighted_means(
    ordered: NDArray[np.float64], *, bounds: tuple[float, float], rng: np.random.Generator, draws: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sorted weighted means with the pseudo-value at either bound.

    Equal values share one Gamma(count) weight, which is the sum of their exponential ones: judge scores and
    counts of a few kinds cost a few draws instead of one per case.
    """
    distinct, counts = np.unique(ordered, return_counts=True)
    shapes = counts.astype(np.float64)
    lows, highs = np.empty(draws), np.empty(draws)
    rows = max(1, _CHUNK_ELEMENTS // distinct.size)
    for start in range(0, draws, rows):
        part = slice(start, min(start + rows, draws))
        size = part.stop - part.start
        pseudo = rng.standard_exponential(size)
        if distinct.size == ordered.size:
            weights = rng.standard_exponential((size, distinct.size))
        else:
            weights = rng.standard_gamma(shapes, size=(size, distinct.size))
        observed, total = weights @ distinct, weights.sum(axis=1) + pseudo
        lows[part] = (pseudo * bounds[0] + observed) / total
        highs[part] = (pseudo * bounds[1] + observed) / total
    return np.sort(lows), np.sort(highs)
