"""Sets of tables at least as extreme as an observed one, and their probability at its largest.

Tables of paired right-or-wrong scores are ordered by Tango's score against one difference, delta0; given that, only
the rate of losses is unknown. This module knows counts and nothing about which hypothesis is tested.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import betainc, gammaln

from gate.stats.tango import tango_score

UNSUMMED_MASS = 2e-13
"""Bound on all probability that is not summed; to be added back, so that a p-value is never too small."""

_TIE_SLACK = 1e-9
_LOG_CUT = math.log(2e13)
"""A binomial tail beyond exp(-_LOG_CUT) is not summed."""
_NO_MASS, _TINY = 1e-17, 1e-300
_LOW_POINTS, _HIGH_POINTS, _ZOOMED, _ZOOM, _PEAKS = 120, 80, 12, 10, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """The tables at least as extreme as the observed one, and how to weigh them."""

    n: int
    delta0: float
    boundary: NDArray[np.int64]
    """For each number of losses, the smallest number of gains inside; more than fit when there is none."""
    log_choose: NDArray[np.float64]
    """For each number of losses, the logarithm of n over it."""

    @classmethod
    def of(cls, gains: int, losses: int, n: int, *, delta0: float) -> Self:
        """Bisect for the boundary, which exists because Tango's score never decreases in the gains."""
        counts = np.arange(n + 1, dtype=np.int64)
        threshold = float(tango_score(gains, losses, n, delta0=delta0)) - _TIE_SLACK
        low, high = np.zeros(n + 1, dtype=np.int64), n - counts + 1
        while bool(np.any(low < high)):
            middle = (low + high) // 2
            fitting = np.minimum(middle, n - counts)
            inside = (middle > n - counts) | (tango_score(fitting, counts, n, delta0=delta0) >= threshold)
            high = np.where(inside, middle, high)
            low = np.where(inside, low, np.minimum(middle + 1, high))
        log_factorials = gammaln(counts + 1.0)
        log_choose = log_factorials[n] - log_factorials - log_factorials[::-1]
        return cls(n=n, delta0=delta0, boundary=low, log_choose=log_choose)

    @property
    def nuisance(self) -> tuple[float, float]:
        """Range of P(loss) that is possible under P(gain) - P(loss) = delta0."""
        return max(0.0, -self.delta0), (1 - self.delta0) / 2

    def probability(self, rates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability of the region at each P(loss) in `rates`, less at most `UNSUMMED_MASS`."""
        n = self.n
        reach = _reach(n * rates, 1 - rates)
        first = np.maximum(np.floor(n * rates - reach), 0).astype(np.int64)
        lengths = np.minimum(np.ceil(n * rates + reach), n).astype(np.int64) - first + 1
        starts = np.cumsum(lengths) - lengths
        losses = np.arange(lengths.sum()) - np.repeat(starts - first, lengths)
        log_rates, log_rests = np.log(np.maximum(rates, _TINY)), np.log1p(-rates)
        log_odds = np.repeat(log_rates - log_rests, lengths)
        mass = np.exp(self.log_choose[losses] + losses * log_odds + np.repeat(n * log_rests, lengths))
        gain_rate = np.repeat(np.clip((rates + self.delta0) / (1 - rates), 0.0, 1.0), lengths)
        # Where there is next to no mass, 1 is as good as the true share of it, and never too small.
        heavy = np.flatnonzero(mass > _NO_MASS)
        share = np.ones_like(mass)
        share[heavy] = _at_least(self.boundary[losses[heavy]], n - losses[heavy], gain_rate[heavy])
        return np.add.reduceat(mass * share, starts)


def _reach(mean: NDArray[np.float64], failure_rate: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance from a binomial mean beyond which Bernstein's inequality bounds each tail by exp(-_LOG_CUT)."""
    third = _LOG_CUT / 3
    return third + np.sqrt(third**2 + 2 * _LOG_CUT * mean * failure_rate)


def _at_least(k: NDArray[np.int64], n: NDArray[np.int64], rate: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(Bin(n, rate) >= k), elementwise; tails beyond the cut are set to 0 or 1."""
    mean = n * rate
    reach = _reach(mean, 1 - rate)
    result = (k <= np.maximum(mean - reach, 0.0)).astype(np.float64)
    open_cases = (result == 0) & (k <= np.minimum(n, mean + reach))
    k, n = k[open_cases], n[open_cases]
    result[open_cases] = betainc(k, n - k + 1, rate[open_cases])
    return result


def rate_grid(region: Region, *, coarse: bool = False) -> NDArray[np.float64]:
    """Rates of losses, dense at both ends of the range, where the discreteness of the counts shows most."""
    shrink = 2 if coarse else 1
    low_points, high_points = _LOW_POINTS // shrink, _HIGH_POINTS // shrink
    low, high = region.nuisance
    half = (high - low) / 2
    rising = low + half * np.linspace(0, 1, low_points) ** 3
    return np.concatenate([rising, (high - half * np.linspace(1, 0, high_points) ** 3)[1:]])


def supremum(region: Region, points: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Largest probability of the region, given its values on a grid.

    Zooms into the best intervals of the grid and then searches around the best peaks.
    """
    if values.max() >= 1 - UNSUMMED_MASS:
        return 1.0
    best = np.argsort(-np.maximum(values[1:], values[:-1]), kind="stable")[:_ZOOMED]
    inner = points[best, None] + (points[best + 1] - points[best])[:, None] * np.linspace(0, 1, _ZOOM + 1)[1:-1]
    points = np.concatenate([points, inner.ravel()])
    values = np.concatenate([values, region.probability(inner.ravel())])
    order = np.argsort(points, kind="stable")
    points, values = points[order], values[order]
    padded = np.concatenate([[-1.0], values, [-1.0]])
    peaks = np.flatnonzero((values >= padded[:-2]) & (values >= padded[2:]))
    highest = float(values.max())
    for peak in peaks[np.argsort(-values[peaks], kind="stable")][:_PEAKS]:
        left, right = points[max(peak - 1, 0)], points[min(peak + 1, len(points) - 1)]
        found = minimize_scalar(
            lambda rate: -float(region.probability(np.array([rate]))[0]),
            bounds=(left, right),
            method="bounded",
            options={"xatol": 1e-3 * (right - left)},
        )
        highest = max(highest, -float(found.fun))
    return highest
