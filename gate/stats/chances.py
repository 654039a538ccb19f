"""Exact chances that the exact tests decide: for plans with few cases, where the normal approximation is too kind.

`gate.stats.planning` answers the same questions for any number of cases, approximately.
This module knows counts and rates and nothing about cases or rules.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import bdtrc, betainc, betaincinv, gammaln, ndtri, xlog1py, xlogy

from gate.stats.planning import DEFAULT_POWER, smallest_detectable_drop
from gate.stats.proportion import p_above, p_below
from gate.stats.rejection_region import Region, rate_grid
from gate.stats.tango import tango_score

EXACT_CHANCE_MAX_N = 500
"""Up to this many pairs an exact chance takes about 0.02 s; above, the approximation is off by half a point."""

_UNDECIDED_MASS = 5e-4
"""The search for the last table that passes ends when the tables still in question have less probability together."""
_NO_MASS = 1e-10
_REACH_DEVIATIONS = 7.5
_HALVE_EVERY = 3
_MOST_CASES = 10_000_000


@lru_cache(maxsize=4096)
def chance_to_pass(n: int, *, churn: float, margin: float, alpha: float, both_directions: bool = False) -> float:
    """Probability that the exact paired test rules out a drop of `margin` when the arms are equally good.

    Args:
        n: Number of pairs; meant for up to `EXACT_CHANCE_MAX_N`, as time grows with it.
        churn: Share of pairs that differ, half of them gains and half losses.
        margin: Tolerated drop as a fraction; negative where a gain is demanded.
        alpha: One-sided error rate.
        both_directions: Whether a rise of `margin` must be ruled out as well.

    Returns:
        The probability, to within 0.001.

    Raises:
        ValueError: If n is not positive or churn is not a share.
    """
    if n < 1 or not 0 <= churn <= 1:
        raise ValueError(f"{n} pairs of which a share of {churn} differs cannot be planned for.")
    if margin >= 1:
        # The test then passes every table but that of n losses.
        return 1 - (2 if both_directions else 1) * (churn / 2) ** n
    if margin <= -1:
        return 0.0
    tables = _Tables.likely(n, gain_rate=churn / 2, loss_rate=churn / 2, margin=margin)
    passing = tables.count_passing(n, margin=margin, alpha=alpha)
    if not both_directions:
        return float(tables.mass[:passing].sum())
    passed = np.zeros((n + 1, n + 1), dtype=np.bool_)
    passed[tables.gains[:passing], tables.losses[:passing]] = True
    both = passed[tables.gains, tables.losses] & passed[tables.losses, tables.gains]
    return float(tables.mass[both].sum())


@lru_cache(maxsize=4096)
def smallest_proven_drop(
    n: int, *, churn: float, margin: float, alpha: float, power: float = DEFAULT_POWER
) -> float | None:
    """Smallest true drop that the exact paired test proves to exceed `margin` with the given probability.

    By symmetry it is the smallest gain that is proven to exceed a gain of `margin` as well.

    Args:
        n: Number of pairs; meant for up to `EXACT_CHANCE_MAX_N`.
        churn: Share of pairs that differ anyway, half of them gains and half losses; the drop adds losses on top.
        margin: Drop that must be exceeded, as a fraction, not negative.
        alpha: One-sided error rate.
        power: Wanted probability.

    Returns:
        The drop as a fraction; None where not even the largest possible one would be proven.
    """
    largest = 1 - churn
    if margin >= largest:
        return None
    start = smallest_detectable_drop(n, churn, margin=margin, alpha=alpha, power=power) or largest
    # The tables to look at are those of an arm that is better by so much, and the gain that must be ruled in is
    # `margin`: the same numbers with the arms swapped.
    tables = _Tables.likely(n, gain_rate=churn / 2 + start, loss_rate=churn / 2, margin=-margin)
    passing = tables.count_passing(n, margin=-margin, alpha=alpha)
    if passing == 0:
        return None
    last = passing - 1
    region = Region.of(int(tables.gains[last]), int(tables.losses[last]), n, delta0=margin)
    losses = np.arange(n + 1)
    fitting = region.boundary <= n - losses
    losses, needed = losses[fitting], region.boundary[fitting]
    weights = np.exp(region.log_choose[losses] + xlogy(losses, churn / 2) + xlog1py(n - losses, -churn / 2))

    def excess(drop: float) -> float:
        rate = min(1.0, (churn / 2 + drop) / (1 - churn / 2))
        proven = np.where(needed > 0, betainc(np.maximum(needed, 1), n - losses - needed + 1, rate), 1.0)
        return float(weights @ proven) - power

    return float(brentq(excess, margin, largest)) if excess(largest) >= 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tables:
    """Tables of gains and losses with their probabilities."""

    gains: NDArray[np.int64]
    losses: NDArray[np.int64]
    mass: NDArray[np.float64]
    scores: NDArray[np.float64]
    """Tango's scores, falling."""

    @classmethod
    def likely(cls, n: int, *, gain_rate: float, loss_rate: float, margin: float) -> Self:
        """All tables that are likely enough to matter, those first that speak most clearly against the margin."""
        ranges = []
        for rate in (gain_rate, loss_rate):
            reach = _REACH_DEVIATIONS * (math.sqrt(n * rate * (1 - rate)) + 1)
            ranges.append(np.arange(max(0, math.floor(n * rate - reach)), min(n, math.ceil(n * rate + reach)) + 1))
        gains, losses = (grid.ravel() for grid in np.meshgrid(*ranges, indexing="ij"))
        fitting = gains + losses <= n
        gains, losses = gains[fitting], losses[fitting]
        rest = n - gains - losses
        ways = gammaln(n + 1.0) - gammaln(gains + 1.0) - gammaln(losses + 1.0) - gammaln(rest + 1.0)
        known = xlogy(gains, gain_rate) + xlogy(losses, loss_rate)
        mass = np.exp(ways + known + xlogy(rest, max(0.0, 1 - gain_rate - loss_rate)))
        kept = mass > _NO_MASS
        gains, losses, mass = gains[kept], losses[kept], mass[kept]
        scores = tango_score(gains, losses, n, delta0=-margin)
        order = np.argsort(-scores, kind="stable")
        return cls(gains=gains[order], losses=losses[order], mass=mass[order], scores=scores[order])

    def count_passing(self, n: int, *, margin: float, alpha: float) -> int:
        """How many of the tables pass, from the first on, but for tables with next to no probability.

        The test's p-value never decreases as the score falls, so one table after the other is asked until too little
        is left between the last that passes and the first that does not.
        """
        falling = -self.scores
        below = np.concatenate([[0.0], np.cumsum(self.mass)])
        passing, failing = 0, int(falling.size)
        wanted = target = -float(ndtri(alpha))
        steps = 0
        while below[failing] - below[passing] > _UNDECIDED_MASS:
            steps += 1
            if steps % _HALVE_EVERY == 0:
                index = int(np.searchsorted(below, (below[passing] + below[failing]) / 2)) - 1
            else:
                index = int(np.searchsorted(falling, -target))
            index = min(max(index, passing), failing - 1)
            region = Region.of(int(self.gains[index]), int(self.losses[index]), n, delta0=-margin)
            # A coarse grid finds all but 0.3 % of the largest probability: too little to move a plan.
            p_value = float(region.probability(rate_grid(region, coarse=True)).max())
            passing, failing = (index + 1, failing) if p_value <= alpha else (passing, index)
            # The p-value is nearly the normal tail of the score: the next guess is as far off as the p-value was.
            target = -float(falling[index]) + wanted + float(ndtri(min(max(p_value, _NO_MASS), 1 - _NO_MASS)))
        return passing


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
