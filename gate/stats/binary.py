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

from scipy.special import bdtr

from gate.stats.rejection_region import UNSUMMED_MASS, Region, rate_grid, supremum
from gate.stats.tango import tango_interval

EXACT_INTERVAL_MAX_N = 2_000
"""Above this many pairs the interval is Tango's; the p-values stay exact."""

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
    _check(gains, losses, n, margin=margin)
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
    _check(gains, losses, n, margin=margin)
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
    _check(gains, losses, n, margin=0.0)
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


def _check(gains: int, losses: int, n: int, *, margin: float) -> None:
    if n < 1 or gains < 0 or losses < 0 or gains + losses > n:
        raise ValueError(f"{gains} gains and {losses} losses do not fit {n} pairs.")
    if not math.isfinite(margin):
        raise ValueError(f"The margin must be a finite number, not {margin}.")


def _exact_p(gains: int, losses: int, n: int, *, delta0: float) -> float:
    """P-value of H0: delta <= delta0."""
    if delta0 >= 1:
        return 1.0
    if delta0 <= -1:
        # Under H0 every pair is a loss, so any other table disproves it.
        return 1.0 if losses == n else 0.0
    region = Region.of(gains, losses, n, delta0=delta0)
    points = rate_grid(region)
    return min(1.0, supremum(region, points, region.probability(points)) + UNSUMMED_MASS)


def _is_kept(gains: int, losses: int, n: int, *, delta0: float, alpha: float) -> bool:
    """Whether p of H0: delta <= delta0 exceeds alpha; a coarse grid answers except near alpha."""
    if not -1 < delta0 < 1:
        return _exact_p(gains, losses, n, delta0=delta0) > alpha
    region = Region.of(gains, losses, n, delta0=delta0)
    points = rate_grid(region, coarse=True)
    values = region.probability(points)
    coarse = float(values.max())
    return coarse > alpha or (coarse > _NEAR * alpha and supremum(region, points, values) > alpha)


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
