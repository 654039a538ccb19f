"""How far a property of answers moved, in either direction: shares in points, lengths by a ratio.

Nothing is right or wrong here, so both directions count: a failure is a shift proven larger than the margin, a pass
a larger shift ruled out (two one-sided tests, the larger p-value). A failure may come from either side, so its
p-value adds to that of the nearer end of the band the chance of being as far beyond the other end; at margin 0 this
is the two-sided test, and in a wide band it adds nothing. This module knows vectors and nothing about inputs or rules.

References:
    Schuirmann, D. J. (1987). A comparison of the two one-sided tests procedure and the power approach for assessing
    the equivalence of average bioavailability. Journal of Pharmacokinetics and Biopharmaceutics 15, 657-680.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from gate.stats import binary
from gate.stats.bounded import gaffke
from gate.stats.clustered import Clustered, ClusterSums, cr2
from gate.stats.distribution import SHORTEST
from gate.stats.planning import DEFAULT_POWER, level_of_each_end, smallest_detectable_drop
from gate.stats.procedures import BoundedValues, ClusteredValues, Procedure
from gate.stats.rejection_region import UNSUMMED_MASS, Region, rate_grid, supremum

_LARGEST_LOG = 700.0
"""Beyond this the exponential is no floating-point number."""
_ZERO = 1e-12
_WIDEST_UNSEEN = 0.5
"""A wider band than this says nothing more about how many inputs behave otherwise."""


class Shift(Procedure, Protocol):
    """A procedure whose margins, never negative, reach to both sides of 0.

    `p_regression` tests H0: |shift| <= margin and `p_noninferior` H0: |shift| >= margin; `p_no_change` is two-sided.
    """

    @property
    def shift(self) -> float:
        """Observed shift, positive where the candidate has more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryShift:
    """A property that an answer has or has not; the shift is that of its share, in points.

    The failing p-value is exact. Tables are ordered by the larger of their Tango scores against the two ends of the
    band. Given the number of discordant pairs, the chance of two mirrored tails grows with the distance from even
    odds, so over all of H0 it is largest at an end of the band; there it is maximised over the unknown rate of losses.
    """

    gains: int
    """Inputs on which only the candidate's answer has the property."""
    losses: int
    n: int
    clusters: None = None

    @property
    def shift(self) -> float:
        """Change of the share."""
        return (self.gains - self.losses) / self.n

    @property
    def method(self) -> str:
        """Names of the test and of the interval, for people."""
        shown = "interval by inversion" if self.n <= binary.EXACT_INTERVAL_MAX_N else "Tango score interval"
        return f"exact unconditional (Tango order), both directions; {shown}"

    def p_regression(self, margin: float) -> float:
        """P-value of H0: |shift| <= margin."""
        if _checked(margin) >= 1:
            return 1.0
        more, fewer = max(self.gains, self.losses), min(self.gains, self.losses)
        tails = _BothTails.of(more, fewer, self.n, delta0=margin)
        points = rate_grid(tails)
        highest = supremum(tails, points, tails.probability(points))
        return min(1.0, highest + 2 * UNSUMMED_MASS)

    def p_noninferior(self, margin: float) -> float:
        """P-value of H0: |shift| >= margin."""
        fallen = binary.p_noninferior(self.gains, self.losses, self.n, margin=_checked(margin))
        return max(fallen, binary.p_regression(self.gains, self.losses, self.n, margin=-margin))

    def p_no_change(self) -> float:
        """Two-sided McNemar mid-p."""
        return binary.mcnemar_two_sided(self.gains, self.losses)

    def interval(self, alpha: float) -> tuple[float, float]:
        """Exact interval, Tango's for many inputs."""
        return binary.interval(self.gains, self.losses, self.n, alpha=alpha)

    def detectable_drop(self, margin: float, alpha: float) -> float | None:
        """Shift in either direction, from the observed share of changed inputs, moved a little towards one half."""
        psi = (self.gains + self.losses + 1) / (self.n + 2)
        level = level_of_each_end(alpha, 2 * _checked(margin) / math.sqrt(psi / self.n))
        return smallest_detectable_drop(self.n, psi, margin=margin, alpha=level)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanShift:
    """A share that was averaged over repeats, or is of inputs in clusters: the tests of a drop, in both directions."""

    shift: float
    rise: Procedure
    """The tests of candidate - reference; `fall` holds those of the negated difference."""
    fall: Procedure

    @property
    def method(self) -> str:
        """Names of the test and of the interval, for people."""
        return f"{self.rise.method}; both directions"

    @property
    def clusters(self) -> int | None:
        """Number of clusters; None when the inputs are independent."""
        return self.rise.clusters

    def p_regression(self, margin: float) -> float:
        """P-value of H0: |shift| <= margin: twice the smaller one-sided one."""
        return min(1.0, 2 * min(self.rise.p_regression(_checked(margin)), self.fall.p_regression(margin)))

    def p_noninferior(self, margin: float) -> float:
        """P-value of H0: |shift| >= margin."""
        return max(self.rise.p_noninferior(_checked(margin)), self.fall.p_noninferior(margin))

    def p_no_change(self) -> float | None:
        """Twice the smaller second opinion."""
        rise, fall = self.rise.p_no_change(), self.fall.p_no_change()
        return None if rise is None or fall is None else min(1.0, 2 * min(rise, fall))

    def interval(self, alpha: float) -> tuple[float, float]:
        """That of candidate - reference."""
        return self.rise.interval(alpha)

    def detectable_drop(self, margin: float, alpha: float) -> float | None:
        """Shift in either direction, from the observed spread."""
        return self.rise.detectable_drop(_checked(margin), alpha / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioShift:
    """Lengths: the relative change of their geometric mean; a margin s allows ratios within [1 - s, 1 + s].

    A t-test on the logarithms of the ratios. On its own it believes everything of answers that all changed alike, so
    no p-value is smaller than n inputs (or clusters) allow: to fail, 2 * 0.5**n, the chance that all fall on one side;
    to pass, (1 - s)**n, the chance that inputs which behave otherwise, a share s (at most one half), went unseen.
    """

    sums: ClusterSums
    """Logarithms of candidate / reference; independent inputs are clusters of one."""
    clusters: int | None

    @property
    def shift(self) -> float:
        """Relative change: -0.45 is 45 % shorter."""
        return math.expm1(self.sums.mean)

    @property
    def method(self) -> str:
        """Names of the test and of the interval, for people."""
        return f"{'paired' if self.clusters is None else 'CR2'} t on log ratios, both directions; t interval"

    def p_regression(self, margin: float) -> float:
        """P-value of H0: the ratio of the geometric means is within [1 - margin, 1 + margin]."""
        low, high = _log_band(margin)
        least = min(1.0, 2 * 0.5**self.sums.count)
        nearer = min(self._t_p(low, above=False), self._t_p(high, above=True))
        if (fit := self._fit) is None or not 0 < nearer < 1:
            return max(least, nearer)
        beyond_other = float(stdtr(fit[1], float(stdtrit(fit[1], nearer)) - (high - low) / fit[0]))
        return min(1.0, max(least, nearer + beyond_other))

    def p_noninferior(self, margin: float) -> float:
        """P-value of H0: the ratio of the geometric means is not strictly within [1 - margin, 1 + margin]."""
        low, high = _log_band(margin)
        least = (1 - min(margin, _WIDEST_UNSEEN)) ** self.sums.count
        return max(least, self._t_p(low, above=True), self._t_p(high, above=False))

    def p_no_change(self) -> float:
        """Two-sided t-test of H0: shift = 0."""
        return self.p_regression(0.0)

    def interval(self, alpha: float) -> tuple[float, float]:
        """Interval of t; where it has no width, a factor alpha**(1/n) to both sides."""
        fit = self._fit
        reach = -math.log(alpha) / self.sums.count if fit is None else -float(stdtrit(fit[1], alpha)) * fit[0]
        return math.expm1(self.sums.mean - reach), math.expm1(min(self.sums.mean + reach, _LARGEST_LOG))

    def detectable_drop(self, margin: float, alpha: float) -> float | None:
        """Lengthening that would be proven, from the standard error and its t distribution."""
        low, high = _log_band(margin)
        if (fit := self._fit) is None:
            return None
        level = level_of_each_end(alpha, (high - low) / fit[0])
        log_ratio = high + (float(stdtrit(fit[1], DEFAULT_POWER)) - float(stdtrit(fit[1], level))) * fit[0]
        return math.expm1(log_ratio) if log_ratio <= _LARGEST_LOG else None

    def _t_p(self, bound: float, *, above: bool) -> float:
        """One-sided p-value, small when the mean of the logarithms is above (or else below) the bound."""
        beyond = (self.sums.mean - bound) * (1 if above else -1)
        if (fit := self._fit) is None or math.isinf(beyond):
            return 0.0 if beyond > _ZERO else 1.0
        return float(stdtr(fit[1], -beyond / fit[0]))

    @property
    def _fit(self) -> tuple[float, float] | None:
        """Standard error and degrees of freedom; None where nothing varies."""
        fit = cr2(self.sums)
        return None if fit is None or fit[0] < _ZERO else fit


def share_shift(
    candidate: NDArray[np.float64], reference: NDArray[np.float64], codes: NDArray[np.int64] | None, *, seed: int
) -> Shift:
    """Compare how often two arms' answers to the same inputs have a property (refused, truncated, looping).

    Args:
        candidate: For each input the share of the candidate's repeats with the property; 0 or 1 without repeats.
        reference: The same of the other arm.
        codes: The cluster of each input; None when all inputs are independent.
        seed: Seed of the random draws, where there are any.

    Returns:
        The exact test for shares of 0 and 1, Gaffke's for averaged repeats, the clustered tests for clusters.

    Raises:
        ValueError: If the shares do not pair up, there is none, or one is not in [0, 1].
    """
    _check_pairs(candidate, reference, most=1.0)
    values = candidate - reference
    if codes is None and bool(np.all(np.isin(candidate, (0, 1)) & np.isin(reference, (0, 1)))):
        return BinaryShift(gains=int((values > 0).sum()), losses=int((values < 0).sum()), n=values.size)
    rise, fall = (_mean_tests(signed, codes, seed=seed) for signed in (values, 0.0 - values))
    return MeanShift(shift=math.fsum(values) / values.size, rise=rise, fall=fall)


def ratio_shift(
    candidate: NDArray[np.float64], reference: NDArray[np.float64], codes: NDArray[np.int64] | None
) -> Shift:
    """Compare the lengths of two arms' answers to the same inputs.

    Args:
        candidate: Length of the candidate's answer to each input; 0 counts as one half, as it has no logarithm.
        reference: The same of the other arm.
        codes: The cluster of each input; None when all inputs are independent.

    Returns:
        The t-test of the logarithm of the ratio, clustered where codes are given.

    Raises:
        ValueError: If the lengths do not pair up, there is none, or one is negative or not finite.
    """
    _check_pairs(candidate, reference, most=math.inf)
    logs = np.log(np.maximum(candidate, SHORTEST)) - np.log(np.maximum(reference, SHORTEST))
    sums = ClusterSums.of(logs, np.arange(logs.size) if codes is None else codes)
    return RatioShift(sums=sums, clusters=None if codes is None else sums.count)


def _mean_tests(values: NDArray[np.float64], codes: NDArray[np.int64] | None, *, seed: int) -> Procedure:
    if codes is not None:
        clustered = Clustered.of(values, codes, bounds=(-1.0, 1.0), seed=seed)
        return ClusteredValues(tests=clustered, paired=True, seed=seed)
    return BoundedValues(values=values, draws=gaffke(values, low=-1.0, high=1.0, seed=seed), paired=True, seed=seed)


class _BothTails(Region):
    """The tables at least as far beyond the upper end of the band as the observed one, and their mirror images."""

    __slots__ = ()

    def probability(self, rates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability of both tails at the upper end, where P(gain) = P(loss) + delta0; overlaps count twice."""
        mirrored = Region(n=self.n, delta0=-self.delta0, boundary=self.boundary, log_choose=self.log_choose)
        return super().probability(rates) + mirrored.probability(rates + self.delta0)


def _log_band(margin: float) -> tuple[float, float]:
    low = math.log1p(-margin) if _checked(margin) < 1 else -math.inf
    return low, math.log1p(margin)


def _checked(margin: float) -> float:
    if not 0 <= margin < math.inf:
        raise ValueError(f"A tolerated shift must be a finite number and not negative, not {margin}.")
    return margin


def _check_pairs(candidate: NDArray[np.float64], reference: NDArray[np.float64], *, most: float) -> None:
    if candidate.ndim != 1 or candidate.shape != reference.shape or candidate.size == 0:
        raise ValueError(
            f"{candidate.size} values cannot be paired with {reference.size}; at least one pair is needed."
        )
    values = np.concatenate([candidate, reference])
    if not bool(np.all((values >= 0) & (values <= most) & np.isfinite(values))):
        raise ValueError(f"Every value must be a finite number from 0 to {most}.")
