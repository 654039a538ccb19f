"""Stopping early without cheating: betting e-values that may be looked at as often as one likes.

Cases come in random order. A bettor starts with a wealth of 1 and stakes a share of it against the hypothesis on
every case; while the hypothesis holds, the expected wealth never grows, so that wealth of 1 / alpha is reached at
any time with probability alpha at most (Ville's inequality). The wealth is the mean over twelve sizes of the stake.
Differences of independent cases (or the mean differences of whole clusters) are all this module knows.

A fifth of the error rate is spent on looking early, the rest on the test at the end: a union bound, which holds for
every number of cases, every schedule of looks and every test at the end that is itself valid.

References:
    Waudby-Smith, I., Ramdas, A. (2024). Estimating means of bounded random variables by betting. Journal of the
    Royal Statistical Society Series B 86, 1-27.
    Ville, J. (1939). Etude critique de la notion de collectif. Gauthier-Villars.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

EARLY_SHARE = 0.2
"""Share of alpha that is spent on looks before the end: alpha_1 = 0.01 at alpha = 0.05."""
FUTILE_FROM_CASES = 50
"""Before this many cases no run is called futile."""
FUTILE_CHANCE = 0.1
"""A run is futile when the chance that a failure will still be proven is below this."""
FUTILE_EXCESS = 0.05
"""... if the true drop exceeds the margin by this fraction of the score."""

_STAKES = np.array([0.02, 0.04, 0.06, 0.09, 0.13, 0.18, 0.25, 0.34, 0.45, 0.58, 0.72, 0.86])
"""Shares of the wealth that are lost on the worst possible case."""
_TIE_SLACK = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The differences seen so far, in no order: how often each value occurred."""

    values: NDArray[np.float64]
    """Distinct differences, candidate - reference, in [-1, 1]; ascending."""
    counts: NDArray[np.int64]

    @classmethod
    def of_counts(cls, gains: int, losses: int, n: int) -> Self:
        """Right-or-wrong scores.

        Args:
            gains: Pairs that only the candidate gets right.
            losses: Pairs that only the reference gets right.
            n: Pairs so far; may be 0.

        Returns:
            The look, equal to that of the differences themselves.

        Raises:
            ValueError: If the counts do not fit each other.
        """
        if gains < 0 or losses < 0 or gains + losses > n:
            raise ValueError(f"{gains} gains and {losses} losses do not fit {n} pairs.")
        counts = np.array([losses, n - gains - losses, gains], dtype=np.int64)
        seen = counts > 0
        return cls(values=np.array([-1.0, 0.0, 1.0])[seen], counts=counts[seen])

    @classmethod
    def of_differences(cls, differences: NDArray[np.float64]) -> Self:
        """Bounded scores: one difference per independent unit, the mean difference of a cluster being one.

        Args:
            differences: Candidate - reference so far; may be empty.

        Returns:
            The look.

        Raises:
            ValueError: If a difference is not in [-1, 1].
        """
        if not bool(np.all(np.abs(differences) <= 1 + _TIE_SLACK)):
            raise ValueError("Differences of scores must be in [-1, 1].")
        values, counts = np.unique(np.clip(differences, -1.0, 1.0), return_counts=True)
        return cls(values=values, counts=counts.astype(np.int64))

    @property
    def n(self) -> int:
        """Units seen."""
        return int(self.counts.sum())

    def log_e_regression(self, margin: float) -> float:
        """Logarithm of the e-value of H0: delta >= -margin; large when the drop exceeds `margin`.

        Args:
            margin: Tolerated drop as a fraction, in (-1, 1); negative where a gain is demanded.

        Returns:
            log of mean over g of the product over cases of 1 - g / (1 + margin) * (difference + margin). Its
            exponential has an expectation of 1 at delta = -margin and of at most 1 throughout H0.

        Raises:
            ValueError: If the margin is not in (-1, 1).
        """
        _check(margin)
        return self._log_wealth(-_STAKES / (1 + margin), margin)

    def log_e_noninferior(self, margin: float) -> float:
        """Logarithm of the e-value of H0: delta <= -margin; large when a drop of `margin` is ruled out.

        Args:
            margin: Tolerated drop as a fraction, in (-1, 1); negative where a gain is demanded.

        Returns:
            log of mean over g of the product over cases of 1 + g / (1 - margin) * (difference + margin).

        Raises:
            ValueError: If the margin is not in (-1, 1).
        """
        _check(margin)
        return self._log_wealth(_STAKES / (1 - margin), margin)

    def _log_wealth(self, stakes: NDArray[np.float64], margin: float) -> float:
        """Every factor is at least 1 - g > 0, as the stakes are shares of the worst case."""
        products = np.log1p(np.outer(stakes, self.values + margin)) @ self.counts.astype(np.float64)
        return float(np.logaddexp.reduce(products)) - math.log(_STAKES.size)


def anytime_p(log_e: float) -> float:
    """P-value of an e-value seen at a look before the end, to be compared with the whole of alpha.

    Args:
        log_e: Logarithm of the e-value.

    Returns:
        1 / (EARLY_SHARE * e), at most 1: it is at most alpha exactly when e reaches 1 / (EARLY_SHARE * alpha).
    """
    exponent = -log_e - math.log(EARLY_SHARE)
    return 1.0 if exponent >= 0 else math.exp(exponent)


def hybrid_p(log_e_values: Sequence[float], *, p_final: float | None) -> float:
    """P-value of one direction of one rule, from the looks at the e-value and the test at the end.

    Under H0 it is at most u with probability at most u, for every u: reaching u needs an e-value of
    1 / (EARLY_SHARE * u) at some look, which has probability EARLY_SHARE * u, or a final p-value of
    (1 - EARLY_SHARE) * u. So it may be adjusted like any other p-value (Holm), and comparing it with alpha is the
    decision "stop at a look with e >= 1 / alpha_1, else test at the end at alpha - alpha_1".

    Args:
        log_e_values: Logarithm of the e-value at every look so far, for the same hypothesis as `p_final`.
        p_final: P-value of the test on all planned cases; None when the run stopped before, for whatever reason,
            since a p-value at a time that was chosen after seeing the data means nothing.

    Returns:
        The p-value; 1 when there was no look and no final test.
    """
    early = anytime_p(max(log_e_values, default=0.0))
    return early if p_final is None else min(1.0, early, p_final / (1 - EARLY_SHARE))


def is_futile(look: Look, *, total: int, margin: float, alpha: float) -> bool:
    """Whether a failure has become so unlikely that a run which only looks for failures may as well end.

    Conditional power: given what was seen, and a true drop of `margin` + `FUTILE_EXCESS` from here on, the normal
    approximation to the chance that the test at the end would prove a drop larger than `margin`. Ending then cannot
    make a false failure more likely, since it only takes chances away (non-binding); no pass may be claimed from it.

    Args:
        look: The differences so far.
        total: Planned number of units.
        margin: Drop that a failure must exceed.
        alpha: One-sided error rate.

    Returns:
        True when the chance is below `FUTILE_CHANCE`; never before `FUTILE_FROM_CASES` or at the end.

    Raises:
        ValueError: If more was seen than planned, or the margin is not in (-1, 1).
    """
    _check(margin)
    seen, left = look.n, total - look.n
    if left < 0:
        raise ValueError(f"{seen} cases were seen, but only {total} planned.")
    if seen < FUTILE_FROM_CASES or left == 0:
        return False
    # For right-or-wrong scores this is the share of discordant pairs, moved a little towards one half.
    variance = (float(look.counts @ look.values**2) + 1) / (seen + 2)
    excess = float(look.counts @ (look.values + margin))
    needed = float(ndtri(alpha)) * math.sqrt(total * variance)
    chance = float(ndtr((needed - excess + left * FUTILE_EXCESS) / math.sqrt(left * variance)))
    return chance < FUTILE_CHANCE


def _check(margin: float) -> None:
    if not -1 < margin < 1:
        raise ValueError(f"The margin must be in (-1, 1), not {margin}.")
