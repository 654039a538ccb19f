"""Tango's score statistic for the difference of two paired proportions, and the interval that inverts it.

The statistic orders the tables of the exact test in `gate.stats.binary`; on its own it is an approximation and
is used for display only, above the size at which the exact interval takes too long.
This module knows counts and nothing about cases or rules.

References:
    Tango, T. (1998). Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design. Statistics in Medicine 17, 891-908.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import ndtri

_EDGE = 1e-12
_ROOT_TOLERANCE = 1e-10


def loss_rate(gains: ArrayLike, losses: ArrayLike, n: int, *, delta0: float) -> NDArray[np.float64]:
    """Maximum-likelihood estimate of P(loss) under the constraint P(gain) - P(loss) = delta0.

    Args:
        gains: Counts of pairs that only the candidate gets right.
        losses: Counts of pairs that only the reference gets right.
        n: Number of pairs.
        delta0: The difference to be held, in (-1, 1).

    Returns:
        The estimate for each table, as a fraction.
    """
    b = np.asarray(gains, dtype=np.float64)
    c = np.asarray(losses, dtype=np.float64)
    linear = -b - c + (2 * n - b + c) * delta0
    constant = -c * delta0 * (1 - delta0)
    root = np.sqrt(np.maximum(linear**2 - 8 * n * constant, 0.0))
    # The textbook form subtracts nearly equal numbers when `linear` is positive; its conjugate does not.
    positive = linear > 0
    conjugate = -2 * constant / np.where(positive, linear + root, 1.0)
    return np.where(positive, conjugate, (root - linear) / (4 * n))


def tango_score(gains: ArrayLike, losses: ArrayLike, n: int, *, delta0: float) -> NDArray[np.float64]:
    """Standardised distance of the observed difference from delta0, with the variance estimated at delta0.

    It does not decrease in `gains` and does not increase in `losses`. At delta0 = 0 it is McNemar's
    (b - c) / sqrt(b + c).

    Args:
        gains: Counts of pairs that only the candidate gets right.
        losses: Counts of pairs that only the reference gets right.
        n: Number of pairs.
        delta0: The difference under test, in (-1, 1).

    Returns:
        The score for each table; 0 where both the distance and the variance vanish.
    """
    b = np.asarray(gains, dtype=np.float64)
    c = np.asarray(losses, dtype=np.float64)
    rate = loss_rate(b, c, n, delta0=delta0)
    variance = n * (2 * rate + delta0 * (1 - delta0))
    usable = variance > 0
    return np.where(usable, (b - c - n * delta0) / np.sqrt(np.where(usable, variance, 1.0)), 0.0)


def tango_interval(gains: int, losses: int, n: int, *, alpha: float) -> tuple[float, float]:
    """Score interval for P(gain) - P(loss).

    Args:
        gains: Pairs that only the candidate gets right.
        losses: Pairs that only the reference gets right.
        n: Number of pairs.
        alpha: One-sided error rate of each end; the interval has coverage 1 - 2 * alpha.

    Returns:
        Both ends, as fractions.
    """
    z = -float(ndtri(alpha))
    return _lower_end(gains, losses, n, z=z), -_lower_end(losses, gains, n, z=z)


def _lower_end(gains: int, losses: int, n: int, *, z: float) -> float:
    if losses == n:
        return -1.0

    def excess(delta0: float) -> float:
        return float(tango_score(gains, losses, n, delta0=delta0)) - z

    return float(brentq(excess, -1.0 + _EDGE, (gains - losses) / n, xtol=_ROOT_TOLERANCE))
