"""Right-or-wrong scores of two arms on the same cases: the exact unconditional test and its interval.

Only pairs on which the arms differ carry information: `gains` (reference wrong, candidate right) and `losses`
(the reverse) among `n` pairs. The p-values hold for every n: tables are ordered by Tango's score and the
probability of a table at least as extreme is maximised over the unknown rate of losses.
This module knows counts and nothing about cases or rules.

References:
    Hsueh, H., Liu, J., Chen, J. J. (2001). Unconditional exact tests for equivalence or noninferiority for
    paired binary endpoints. Biometrics 57, 478-483.
    Fagerland, M. W., Lydersen, S., Laake, P. (2013). The McNemar test for binary matched-pairs data: mid-p and
    asymptotic are better than exact conditional. BMC Medical Research Methodology 13:91.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import bdtr, betainc, gammaln

from gate.stats.tango import tango_interval, tango_score

EXACT_INTERVAL_MAX_N = 2_000
"""Above this many pairs the interval is Tango's; the p-values stay exact."""

_TIE_SLACK = 1e-9
_LOG_CUT = math.log(2e13)
"""A binomial tail beyond exp(-_LOG_CUT) is not summed."""
_UNSUMMED_MASS = 2e-13
"""Bound on everything that is not summed; added back, so that a p-value is never too small."""
_NO_MASS, _TINY = 1e-17, 1e-300
_LOW_POINTS, _HIGH_POINTS, _ZOOMED, _ZOOM, _PEAKS = 120, 80, 12, 10, 3
_INTERVAL_TOLERANCE, _NEAR = 1e-6, 0.95
_WALK_STEP_CASES = 0.15
_WALK_REACH_CASES, _WALK_REACH_WIDTHS = 1.0, 0.22
"""The search for an end goes on until nothing was kept over the longer of these: cases, and half-widths."""


def p_noninferior(gains: int, losses: int, n: int, *, margin: float) -> float:
    """P-value of H0: delta <= -margin, where delta = P(gain) - P(loss).

    Args:
        gains: Pairs that only the candidate gets right.
        losses: Pairs that only the reference gets right.
        n: Number of pairs.
        margin: Tolerated drop as a fraction; negative where a gain is demanded.

    Returns:
        The exact p-value; small when a drop of `margin` or more is ruled out.

    Raises:
        ValueError: If the counts do not fit each other or the margin is not finite.
    """
    _check(gains, losses, n, margin)
    return _exact_p(gains, losses, n, delta0=-margin)


def p_regression(gains: int, losses: int, n: int, *, margin: float) -> float:
    """P-value of H0: delta >= -margin; small when the drop provably exceeds `margin`.

    Args:
        gains: Pairs that only the candidate gets right.
        losses: Pairs that only the reference gets right.
        n: Number of pairs.
        margin: Tolerated drop as a fraction; negative where a gain is demanded.

    Returns:
        The exact p-value.

    Raises:
        ValueError: If the counts do not fit each other or the margin is not finite.
    """
    _check(gains, losses, n, margin)
    return _exact_p(losses, gains, n, delta0=margin)


def interval(gains: int, losses: int, n: int, *, alpha: float) -> tuple[float, float]:
    """Interval for delta: the outermost values that the exact test does not reject; Tango's for a large n.

    Args:
        gains: Pairs that only the candidate gets right.
        losses: Pairs that only the reference gets right.
        n: Number of pairs; above `EXACT_INTERVAL_MAX_N` Tango's interval is given.
        alpha: One-sided error rate of each end.

    Returns:
        Both ends as fractions; the exact ones to within 1e-6, rounded outwards.

    Raises:
        ValueError: If the counts do not fit each other.
    """
    _check(gains, losses, n, 0.0)
    if n > EXACT_INTERVAL_MAX_N:
        return tango_interval(gains, losses, n, alpha=alpha)
    return _lower_end(gains, losses, n, alpha=alpha), -_lower_end(losses, gains, n, alpha=alpha)


def mcnemar_drop(gains: int, losses: int, *, mid_p: bool = True) -> float:
    """One-sided McNemar p-value of H0: delta >= 0, given the number of differing pairs.

    Args:
        gains: Pairs that only the candidate gets right.
        losses: Pairs that only the reference gets right.
        mid_p: Count the observed table with half its probability.

    Returns:
        The p-value; 1 when no pair differs, since then nothing speaks for a drop.
    """
    if gains + losses == 0:
        return 1.0
    exact = float(bdtr(gains, gains + losses, 0.5))
    below = float(bdtr(gains - 1, gains + losses, 0.5)) if gains else 0.0
    return (exact + below) / 2 if mid_p else exact


def mcnemar_two_sided(gains: int, losses: int, *, mid_p: bool = True) -> float:
    """Two-sided McNemar p-value of H0: delta = 0, exact or mid-p.

    Args:
        gains: Pairs that only the candidate gets right.
        losses: Pairs that only the reference gets right.
        mid_p: Count the observed table with half its probability.

    Returns:
        Twice the smaller one-sided p-value, at most 1.
    """
    return min(1.0, 2 * mcnemar_drop(min(gains, losses), max(gains, losses), mid_p=mid_p))


def _check(gains: int, losses: int, n: int, margin: float) -> None:
    if n < 1 or gains < 0 or losses < 0 or gains + losses > n:
        raise ValueError(f"{gains} gains and {losses} losses do not fit {n} pairs.")
    if not math.isfinite(margin):
        raise ValueError(f"The margin must be a finite number, not {margin}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Region:
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
        """Probability of the region at each P(loss) in `rates`, less at most `_UNSUMMED_MASS`."""
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


def _exact_p(gains: int, losses: int, n: int, *, delta0: float) -> float:
    """P-value of H0: delta <= delta0."""
    if delta0 >= 1:
        return 1.0
    if delta0 <= -1:
        # Under H0 every pair is a loss, so any other table disproves it.
        return 1.0 if losses == n else 0.0
    region = _Region.of(gains, losses, n, delta0=delta0)
    points = _grid(region, low_points=_LOW_POINTS, high_points=_HIGH_POINTS)
    return min(1.0, _supremum(region, points, region.probability(points)) + _UNSUMMED_MASS)


def _grid(region: _Region, *, low_points: int, high_points: int) -> NDArray[np.float64]:
    """Rates that are dense at both ends of the range, where the discreteness of the counts shows most."""
    low, high = region.nuisance
    half = (high - low) / 2
    rising = low + half * np.linspace(0, 1, low_points) ** 3
    return np.concatenate([rising, (high - half * np.linspace(1, 0, high_points) ** 3)[1:]])


def _supremum(region: _Region, points: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Largest probability of the region, given its values on a grid.

    Zooms into the best intervals of the grid and then searches around the best peaks.
    """
    if values.max() >= 1 - _UNSUMMED_MASS:
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


def _is_kept(gains: int, losses: int, n: int, *, delta0: float, alpha: float) -> bool:
    """Whether p of H0: delta <= delta0 exceeds alpha; a coarse grid answers except near alpha."""
    if not -1 < delta0 < 1:
        return _exact_p(gains, losses, n, delta0=delta0) > alpha
    region = _Region.of(gains, losses, n, delta0=delta0)
    points = _grid(region, low_points=_LOW_POINTS // 2, high_points=_HIGH_POINTS // 2)
    values = region.probability(points)
    coarse = float(values.max())
    return coarse > alpha or (coarse > _NEAR * alpha and _supremum(region, points, values) > alpha)


def _lower_end(gains: int, losses: int, n: int, *, alpha: float) -> float:
    """Smallest delta0 that is kept.

    The p-value is not strictly monotone in delta0 but a saw whose teeth are fractions of a case wide, so one root
    is not enough: from Tango's bound the search walks outwards in small steps until all values over a long enough
    stretch are rejected, and bisects at the outermost one that is not.
    """
    if losses == n:
        return -1.0

    def kept(delta0: float) -> bool:
        return _is_kept(gains, losses, n, delta0=delta0, alpha=alpha)

    start = tango_interval(gains, losses, n, alpha=alpha)[0]
    step = _WALK_STEP_CASES / n
    reach = max(_WALK_REACH_CASES / n, _WALK_REACH_WIDTHS * ((gains - losses) / n - start))
    outermost = start if kept(start) else None
    at, last = start, start
    while at > -1 and last - at < reach:
        at = max(-1.0, at - step)
        if kept(at):
            outermost, last = at, at
    at = start
    while outermost is None:
        at = min(1.0, at + step)
        outermost = at if kept(at) else None
    outer, inner = max(-1.0, outermost - step), outermost
    while inner - outer > _INTERVAL_TOLERANCE:
        middle = (outer + inner) / 2
        outer, inner = (outer, middle) if kept(middle) else (middle, inner)
    return outer
