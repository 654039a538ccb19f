"""One share against a required one: Clopper-Pearson, exact for every n.

This module knows counts and nothing about cases or rules.

References:
    Clopper, C. J., Pearson, E. S. (1934). The use of confidence or fiducial limits illustrated in the case of
    the binomial. Biometrika 26, 404-413.
"""

from scipy.special import bdtr, bdtrc, betainccinv, betaincinv


def p_above(successes: int, n: int, *, threshold: float) -> float:
    """P-value of H0: share <= threshold; small when the share is provably above.

    Args:
        successes: Number of successes.
        n: Number of independent trials.
        threshold: Fraction; values outside [0, 1] count as the nearer end.

    Returns:
        The exact one-sided p-value.

    Raises:
        ValueError: If the counts do not fit each other.
    """
    _check(successes, n)
    return float(bdtrc(successes - 1, n, min(1.0, max(0.0, threshold)))) if successes else 1.0


def p_below(successes: int, n: int, *, threshold: float) -> float:
    """P-value of H0: share >= threshold; small when the share is provably below.

    Args:
        successes: Number of successes.
        n: Number of independent trials.
        threshold: Fraction; values outside [0, 1] count as the nearer end.

    Returns:
        The exact one-sided p-value.

    Raises:
        ValueError: If the counts do not fit each other.
    """
    _check(successes, n)
    return float(bdtr(successes, n, min(1.0, max(0.0, threshold))))


def interval(successes: int, n: int, *, alpha: float) -> tuple[float, float]:
    """Clopper-Pearson interval.

    Args:
        successes: Number of successes.
        n: Number of independent trials.
        alpha: One-sided error rate of each end.

    Returns:
        Both ends, as fractions.

    Raises:
        ValueError: If the counts do not fit each other.
    """
    _check(successes, n)
    low = 0.0 if successes == 0 else float(betaincinv(successes, n - successes + 1, alpha))
    high = 1.0 if successes == n else float(betainccinv(successes + 1, n - successes, alpha))
    return low, high


def _check(successes: int, n: int) -> None:
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} successes do not fit {n} trials.")
