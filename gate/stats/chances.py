"""Exact chances that the exact tests decide: for plans with few cases, where the normal approximation is too kind.

`gate.stats.planning` answers the same questions for any number of cases, approximately.
This module knows counts and rates and nothing about cases or rules.
"""

import math
from bisect import bisect_left
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc, betaincinv, gammaln, ndtri, xlogy

from gate.stats.binary import p_noninferior
from gate.stats.planning import DEFAULT_POWER
from gate.stats.proportion import p_above, p_below
from gate.stats.tango import tango_score

EXACT_CHANCE_MAX_N = 500
"""Up to this many pairs an exact chance takes under 0.1 s; above, the approximation is off by about half a point."""

_UNDECIDED_MASS = 5e-4
"""The search for the last table that passes ends when the tables still in question have less probability together."""
_NO_MASS = 1e-10
_REACH_DEVIATIONS = 7.5
_HALVE_EVERY = 3
_MOST_CASES = 10_000_000


@lru_cache(maxsize=4096)
def chance_to_pass(n: int, *, churn: float, margin: float, alpha: float) -> float:
    """Probability that the exact paired test rules out a drop of `margin` when the arms are equally good.

    The test's p-value never decreases as Tango's score falls, so the tables that pass are those from some score on;
    the search for it asks the test itself about one table after the other.

    Args:
        n: Number of pairs; meant for up to `EXACT_CHANCE_MAX_N`, as time grows with it.
        churn: Share of pairs that differ, half of them gains and half losses.
        margin: Tolerated drop as a fraction; negative where a gain is demanded.
        alpha: One-sided error rate.

    Returns:
        The probability, too small by at most 0.0005.

    Raises:
        ValueError: If n is not positive or churn is not a share.
    """
    if n < 1 or not 0 <= churn <= 1:
        raise ValueError(f"{n} pairs of which a share of {churn} differs cannot be planned for.")
    if margin >= 1:
        # The test then passes every table but that of n losses.
        return 1 - (churn / 2) ** n
    if margin <= -1:
        return 0.0
    gains, losses, mass = _likely_tables(n, churn)
    scores = tango_score(gains, losses, n, delta0=-margin)
    order = np.argsort(-scores, kind="stable")
    gains, losses, falling = gains[order], losses[order], -scores[order]
    below = np.concatenate([[0.0], np.cumsum(mass[order])])
    passing, failing = 0, int(gains.size)  # tables before `passing` pass, those from `failing` on do not
    wanted = -float(ndtri(alpha))
    target, steps = wanted, 0
    while below[failing] - below[passing] > _UNDECIDED_MASS:
        steps += 1
        if steps % _HALVE_EVERY == 0:
            index = int(np.searchsorted(below, (below[passing] + below[failing]) / 2)) - 1
        else:
            index = int(np.searchsorted(falling, -target))
        index = min(max(index, passing), failing - 1)
        p_value = p_noninferior(int(gains[index]), int(losses[index]), n, margin=margin)
        passing, failing = (index + 1, failing) if p_value <= alpha else (passing, index)
        # The p-value is nearly the normal tail of the score: the next guess is as far off as the p-value was.
        target = -float(falling[index]) + wanted + float(ndtri(min(max(p_value, _NO_MASS), 1 - _NO_MASS)))
    return float(below[passing])


def _likely_tables(n: int, churn: float) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Gains, losses and probability of all tables that are likely enough to matter."""
    rate = churn / 2
    reach = _REACH_DEVIATIONS * (math.sqrt(n * rate * (1 - rate)) + 1)
    counts = np.arange(max(0, math.floor(n * rate - reach)), min(n, math.ceil(n * rate + reach)) + 1)
    gains, losses = (grid.ravel() for grid in np.meshgrid(counts, counts, indexing="ij"))
    fitting = gains + losses <= n
    gains, losses = gains[fitting], losses[fitting]
    rest = n - gains - losses
    ways = gammaln(n + 1.0) - gammaln(gains + 1.0) - gammaln(losses + 1.0) - gammaln(rest + 1.0)
    mass = np.exp(ways + xlogy(gains + losses, rate) + xlogy(rest, 1 - churn))
    kept = mass > _NO_MASS
    return gains[kept], losses[kept], mass[kept]


def chance_share_passes(n: int, *, share: float, threshold: float, alpha: float) -> float:
    """Probability that a share is proven to be above a required one (Clopper-Pearson).

    Args:
        n: Number of independent trials.
        share: The true share.
        threshold: The required share.
        alpha: One-sided error rate.
    """
    needed = _successes_to_pass(n, threshold, alpha)
    return 0.0 if needed is None else float(bdtrc(needed - 1, n, share)) if needed else 1.0


def share_that_passes(n: int, *, threshold: float, alpha: float, power: float = DEFAULT_POWER) -> float | None:
    """Smallest true share that is proven to be above `threshold` with the given probability.

    Args:
        n: Number of independent trials.
        threshold: The required share.
        alpha: One-sided error rate.
        power: Wanted probability.

    Returns:
        The share; None where not even n successes prove it.
    """
    needed = _successes_to_pass(n, threshold, alpha)
    return None if needed is None else float(betaincinv(needed, n - needed + 1, power)) if needed else 0.0


def share_that_fails(n: int, *, threshold: float, alpha: float, power: float = DEFAULT_POWER) -> float | None:
    """Largest true share that is proven to be below `threshold` with the given probability.

    Args:
        n: Number of independent trials.
        threshold: The required share.
        alpha: One-sided error rate.
        power: Wanted probability.

    Returns:
        The share; None where not even n failures prove it.
    """
    most = bisect_left(range(n + 1), 1, key=lambda k: int(p_below(k, n, threshold=threshold) > alpha)) - 1
    return None if most < 0 else float(betaincinv(most + 1, n - most, 1 - power))


def cases_for_share(*, share: float, threshold: float, alpha: float, power: float = DEFAULT_POWER) -> int | None:
    """Number of trials with which a share is proven to be above a required one with the given probability.

    Args:
        share: The true share.
        threshold: The required share.
        alpha: One-sided error rate.
        power: Wanted probability.

    Returns:
        A number that suffices while one less does not; the chance is a saw, so a smaller one may as well. None where
        no number below ten million does.
    """
    if share <= threshold:
        return None

    def suffices(n: int) -> bool:
        return chance_share_passes(n, share=share, threshold=threshold, alpha=alpha) >= power

    enough = 1
    while not suffices(enough):
        enough *= 2
        if enough > _MOST_CASES:
            return None
    few = enough // 2
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if suffices(middle) else (middle, enough)
    return enough


def _successes_to_pass(n: int, threshold: float, alpha: float) -> int | None:
    needed = bisect_left(range(n + 1), 1, key=lambda k: int(p_above(k, n, threshold=threshold) <= alpha))
    return needed if needed <= n else None
