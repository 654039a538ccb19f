"""How others decide about right-or-wrong pairs: four usual procedures, each used as people use it.

All are one-sided at 5 % like the gate and decide whole arrays of tables at once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from outcomes import ALPHA, Decisions
from scipy.special import bdtr, stdtr

_TIE_SLACK = 1e-9
_CHUNK_TABLES = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """All tables of n pairs with gains along the rows and losses along the columns."""

    n: int
    gains: NDArray[np.int64]
    losses: NDArray[np.int64]

    @classmethod
    def up_to(cls, n: int, most: tuple[int, int]) -> "Tables":
        """Every combination of at most these numbers of gains and losses."""
        gains, losses = np.meshgrid(np.arange(most[0] + 1), np.arange(most[1] + 1), indexing="ij")
        return cls(n=n, gains=gains, losses=losses)

    @property
    def possible(self) -> NDArray[np.bool_]:
        """Whether gains and losses fit n pairs."""
        return np.asarray(self.gains + self.losses <= self.n)


def paired_t(tables: Tables, margin: float) -> Decisions:
    """The t-test of the differences against -margin, in both directions; without any spread the mean decides."""
    n, mean = tables.n, (tables.gains - tables.losses) / tables.n
    spread = np.maximum((tables.gains + tables.losses) / n - mean**2, 0.0) * n / (n - 1)
    return t_decisions(mean + margin, np.sqrt(spread / n), n)


def t_decisions(excess: NDArray[np.float64], error: NDArray[np.float64], n: int) -> Decisions:
    """Decide by t = excess / error with n - 1 degrees of freedom."""
    degenerate = error < _TIE_SLACK
    below = stdtr(n - 1, excess / np.where(degenerate, 1.0, error))
    low = np.where(degenerate, np.where(excess < -_TIE_SLACK, 0.0, 1.0), below)
    high = np.where(degenerate, np.where(excess > _TIE_SLACK, 0.0, 1.0), 1 - below)
    return Decisions(blocked=np.asarray(low <= ALPHA), passed=np.asarray(high <= ALPHA))


def mcnemar_p(tables: Tables) -> NDArray[np.float64]:
    """One-sided exact conditional p-value of a drop: P(Bin(gains + losses, 1/2) <= gains)."""
    return np.asarray(bdtr(tables.gains, tables.gains + tables.losses, 0.5), dtype=np.float64)


def mcnemar(tables: Tables, margin: float) -> Decisions:
    """Blocks when a drop is significant, passes when it is not; the margin is not looked at."""
    del margin
    blocked = np.asarray(mcnemar_p(tables) <= ALPHA)
    return Decisions(blocked=blocked, passed=~blocked)


def threshold(tables: Tables, margin: float) -> Decisions:
    """Blocks when the observed drop is larger than the margin, passes otherwise."""
    blocked = np.asarray((tables.gains - tables.losses) / tables.n < -margin - _TIE_SLACK)
    return Decisions(blocked=blocked, passed=~blocked)


def percentile(tables: Tables, margin: float) -> Decisions:
    """The 90 % percentile bootstrap interval lies wholly below (blocks) or above (passes) -margin.

    The distribution of the resampled difference is computed, not drawn, as if there were endlessly many resamples.
    """
    at_most, at_least = np.ones(tables.gains.shape), np.ones(tables.gains.shape)
    places = np.flatnonzero(tables.possible.ravel())
    for start in range(0, places.size, _CHUNK_TABLES):
        part = places[start : start + _CHUNK_TABLES]
        mass = resampled(tables.gains.ravel()[part], tables.losses.ravel()[part], tables.n)
        difference = np.arange(-tables.n, tables.n + 1) / tables.n
        at_most.ravel()[part] = mass[:, difference <= -margin + _TIE_SLACK].sum(axis=1)
        at_least.ravel()[part] = mass[:, difference >= -margin - _TIE_SLACK].sum(axis=1)
    return Decisions(blocked=at_least < ALPHA - _TIE_SLACK, passed=at_most < ALPHA - _TIE_SLACK)


def resampled(gains: NDArray[np.int64], losses: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """Distribution of gains - losses in a resample of n pairs, for each table.

    Returns:
        (tables, 2n + 1) probabilities of -n ... n: the n-fold convolution of the table, by Fourier transform.
    """
    size = 2 * n + 1
    angles = 2 * np.pi * np.arange(n + 1) / size
    one = (
        (n - gains - losses)[:, None] + gains[:, None] * np.exp(-1j * angles) + losses[:, None] * np.exp(1j * angles)
    ) / n
    mass = np.fft.irfft(one**n, n=size, axis=1)
    return np.maximum(np.roll(mass, n, axis=1), 0.0)


RIVALS = {
    "paired t": paired_t,
    "McNemar": mcnemar,
    "percentile bootstrap": percentile,
    "point threshold": threshold,
}
"""Name -> procedure."""
