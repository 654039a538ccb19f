"""What is true in a simulated world, and how its scores come about. Knows nothing about any test.

`churn` is the share of cases that flip when nothing changed, half of them gains and half losses; a true drop adds
losses to them, a true gain adds gains. Churn 0 is the edge at which the base answers everything right.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy
from scipy.stats import binom

UNSUMMED = 1e-10
"""Probability beyond the largest counts that are looked at, per count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flips:
    """The rates at which cases are gained and lost."""

    gain: float
    loss: float

    @classmethod
    def of(cls, churn: float, delta: float) -> "Flips":
        """`churn` without a change, and a true difference on top."""
        return cls(gain=churn / 2 + max(delta, 0.0), loss=churn / 2 + max(-delta, 0.0))

    def mass(self, n: int, shape: tuple[int, int]) -> NDArray[np.float64]:
        """Probability of every table [gains, losses] of n pairs: the trinomial distribution."""
        gains, losses = np.arange(shape[0])[:, None], np.arange(shape[1])[None, :]
        rest = n - gains - losses
        fits = rest >= 0
        kept = np.maximum(rest, 0)
        choose = gammaln(n + 1) - gammaln(gains + 1) - gammaln(losses + 1) - gammaln(kept + 1)
        same = max(0.0, 1 - self.gain - self.loss)
        log_mass = choose + xlogy(gains, self.gain) + xlogy(losses, self.loss) + xlogy(kept, same)
        return np.where(fits, np.exp(log_mass), 0.0)

    def tables(self, n: int, rounds: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """(rounds, 2) gains and losses of random tables."""
        same = max(0.0, 1 - self.gain - self.loss)
        return rng.multinomial(n, [self.gain, self.loss, same], size=rounds)[:, :2]


def most_flips(truths: list[Flips], n: int) -> tuple[int, int]:
    """Numbers of gains and of losses that none of the truths exceeds with more than `UNSUMMED` probability."""
    gain, loss = max(one.gain for one in truths), max(one.loss for one in truths)
    return int(binom.isf(UNSUMMED, n, gain)), int(binom.isf(UNSUMMED, n, loss))


def share(decided: NDArray[np.bool_], truth: Flips, n: int) -> float:
    """Exact probability that a decision is reached."""
    return float(truth.mass(n, decided.shape)[decided].sum())


def f1_like(n: int, delta: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Differences of scores in tenths, symmetric around 0 but for a shift: half of the cases do not change."""
    sizes = rng.binomial(6, 0.35, size=n) + 1
    signs = rng.choice([-1, 0, 1], p=[0.25, 0.5, 0.25], size=n)
    moved = signs * sizes / 10
    # A shift by single cases: a share of them loses (or gains) another 0.3.
    return moved + np.sign(delta) * 0.3 * (rng.random(n) < abs(delta) / 0.3)


def repeats(n: int, delta: float, rng: np.random.Generator, *, k: int = 5) -> tuple[NDArray[np.float64], ...]:
    """Mean right answers of k repeats on both arms; a case's chance moves up or down, by `delta` in the mean."""
    chance = 0.35 + 0.3 * rng.beta(2, 2, size=n)
    moved = rng.choice([-0.15, 0.15], size=n) + delta
    return rng.binomial(k, chance + moved, size=n) / k, rng.binomial(k, chance, size=n) / k


def clusters(count: int, delta: float, rng: np.random.Generator, *, size: int = 10) -> NDArray[np.float64]:
    """(count, size) differences; cases of a cluster share how likely they are to get better or worse.

    Each cluster has its own mean of +-0.35 around delta; single differences are -1, 0 or 1, with an intraclass
    correlation of 0.27 at delta 0.
    """
    mean = delta + rng.choice([-0.35, 0.35], size=count)
    gain = 0.05 + np.maximum(mean, 0.0)
    loss = 0.05 + np.maximum(-mean, 0.0)
    uniform = rng.random((count, size))
    return (uniform < gain[:, None]).astype(np.float64) - (uniform > 1 - loss[:, None]).astype(np.float64)


def rare_bad_clusters(
    count: int, *, bad: float, loss: float, rng: np.random.Generator, size: int = 10
) -> NDArray[np.float64]:
    """(count, size) differences of a base that is always right: all losses are in few clusters."""
    is_bad = rng.random((count, 1)) < bad
    return -(is_bad & (rng.random((count, size)) < loss)).astype(np.float64)


CLASS_SHARES = (0.45, 0.25, 0.15, 0.10, 0.05)
"""Five imbalanced classes."""


def labels(n: int, hits: tuple[tuple[float, ...], ...], rng: np.random.Generator) -> tuple[NDArray[np.int64], ...]:
    """Right classes and both arms' answers; the arms' chances to be right are correlated within a case.

    Args:
        n: Cases.
        hits: For the candidate and for the reference, the chance of being right in each class. A wrong answer is
            the next class.
        rng: Source of randomness.
    """
    truth = rng.choice(len(CLASS_SHARES), size=n, p=CLASS_SHARES)
    common, mixed = rng.random(n), rng.random((2, n)) < 0.7
    arms = []
    for chances, is_common in zip(hits, mixed, strict=True):
        right = np.where(is_common, common, rng.random(n)) < np.array(chances)[truth]
        arms.append(np.where(right, truth, (truth + 1) % len(CLASS_SHARES)))
    return truth, arms[0], arms[1]


def macro_f1(chances: tuple[float, ...]) -> float:
    """Macro-F1 in the long run of an arm that `labels` simulates."""
    classes = len(chances)
    scores = []
    for one in range(classes):
        before = (one - 1) % classes
        hit = CLASS_SHARES[one] * chances[one]
        answered = hit + CLASS_SHARES[before] * (1 - chances[before])
        scores.append(2 * hit / (answered + CLASS_SHARES[one]))
    return sum(scores) / classes
