"""Tests of F1 over a whole suite: a jackknife t, and arm swaps beside it.

No permutation exists for a margin, and F1 is no mean that an exact test would fit. The t of the delete-one jackknife
is approximate, and near scores without any spread it claims too much; what bounds it from below there:

- No p-value is smaller than that of the most extreme outcome, every unit lost or every unit won.
- Where leaving out any unit changes nothing, the p-value is the probability that units of the worst kind, common
  enough to make the null hypothesis true, stayed unseen (Gaffke's bound for values that are all the same).
- A pass is never easier than for as many units that are simply right or wrong, with the same delta and no flips but
  those that make it up (or the same share right): an unchanged candidate needs as many cases here as it needs there.
  Where a unit can move F1 by more than 1 / n, because its class is rare or its cluster large, it needs so many times
  more: no loss seen on three cases of a class does not show that the class is safe.
- A drop beyond the margin is a drop, and a gain beyond the one demanded is a gain: arm swaps must say so as well.

This module knows class codes and nothing about cases or rules.

References:
    Efron, B., Stein, C. (1981). The jackknife estimate of variance. Annals of Statistics 9, 586-596.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from gate.stats import binary, proportion
from gate.stats.corpus import ArmSwaps, Average, Labelled, Tally, arm_swaps, tallies
from gate.stats.planning import DEFAULT_POWER
from gate.stats.procedures import Procedure

_ZERO = 1e-12
_TIE_SLACK = 1e-9
_SMALLEST_P = 1e-12
"""A tail of the t distribution beyond this says nothing about F1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jackknife:
    """An estimate of a quantity theta within known bounds, and its values without each unit."""

    estimate: float
    without: NDArray[np.float64]
    """Values without each unit; empty for a single one."""
    bounds: tuple[float, float]
    """Smallest and largest possible theta."""
    kinds: NDArray[np.int64] | None = None
    """True class of each unit; None where a unit holds several."""

    @property
    def freedom(self) -> float:
        """Degrees of freedom: units less one; by class, after Welch and Satterthwaite.

        In the macro average a few cases of a rare class can carry most of the variance. Then it is known as badly as
        those few tell, however many other cases there are.
        """
        n = self.without.size
        if self.kinds is None:
            return n - 1
        # Sorted, so that the order of the units cannot move the last digit.
        parts = (self.without - np.sort(self.without).mean()) ** 2
        order = np.lexsort((parts, self.kinds))
        sizes, sums = np.bincount(self.kinds), np.bincount(self.kinds[order], weights=parts[order])
        spread = float(np.sum(sums**2 / np.maximum(sizes - 1, 1)))
        return n - 1 if spread <= 0 else max(1.0, min(n - 1.0, float(sums.sum()) ** 2 / spread))

    @property
    def standard_error(self) -> float | None:
        """SE with SE**2 = (n - 1) / n * sum((theta_(i) - mean)**2); None for a single unit."""
        n = self.without.size
        if n < 2:
            return None
        # Sorted, so that the order of the units cannot move the last digit.
        values = np.sort(self.without)
        return math.sqrt((n - 1) / n * float(np.sum((values - values.mean()) ** 2)))

    def p_above(self) -> float:
        """P-value of H0: theta <= 0."""
        low, high = self.bounds
        return self._p_value(self.estimate, worst=-low, width=high - low)

    def p_below(self) -> float:
        """P-value of H0: theta >= 0."""
        low, high = self.bounds
        return self._p_value(-self.estimate, worst=high, width=high - low)

    def interval(self, alpha: float) -> tuple[float, float]:
        """Values of theta that neither test rejects at alpha, the bounds of p-values for extreme outcomes aside."""
        (low, high), error, n = self.bounds, self.standard_error, self.without.size
        if error is None:
            return self.bounds
        if error < _ZERO:
            unseen = alpha ** (1 / n)
            return low + (self.estimate - low) * unseen, high - (high - self.estimate) * unseen
        reach = -float(stdtrit(self.freedom, alpha)) * error
        return max(low, self.estimate - reach), min(high, self.estimate + reach)

    def reach(self, alpha: float) -> float | None:
        """Distance from 0 at which theta is proven to differ with 80 % probability; None where nothing varied."""
        error = self.standard_error
        if error is None or error < _ZERO:
            return None
        freedom = self.freedom
        return (float(stdtrit(freedom, DEFAULT_POWER)) - float(stdtrit(freedom, alpha))) * error

    def _p_value(self, excess: float, *, worst: float, width: float) -> float:
        """P-value of H0: the true excess is at most 0, when it is at least -worst and at most width - worst."""
        error, n = self.standard_error, self.without.size
        if error is None:
            return 1.0
        if error >= _ZERO:
            p_value = float(stdtr(self.freedom, -excess / error))
        else:
            p_value = _power(worst / (worst + excess), n) if excess > _TIE_SLACK else 1.0
        return max(p_value, _power(worst / width, n), _SMALLEST_P)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusDifference:
    """F1 of two arms on the same cases; delta is the candidate's less the reference's."""

    candidate: Tally
    reference: Tally
    average: Average
    relative: bool
    """Whether margins are fractions of the reference's F1 rather than points."""
    swaps: ArmSwaps
    clusters: int | None

    @property
    def method(self) -> str:
        """Names of the test and of the interval, for people."""
        unit = "case" if self.clusters is None else "cluster"
        return f"{self.average} F1: delete-one-{unit} jackknife t and arm swaps; jackknife t interval"

    def p_regression(self, margin: float) -> float:
        """P-value of H0: delta >= -margin."""
        p_value = self._excess(margin).p_below()
        return max(p_value, self.swaps.p_drop) if margin >= 0 else p_value

    def p_noninferior(self, margin: float) -> float:
        """P-value of H0: delta <= -margin."""
        excess = self._excess(margin)
        if margin == 0 and not self.relative:
            return max(excess.p_above(), self.swaps.p_gain)
        units, points = self.candidate.truth.shape[0], self._points(margin)
        leverage = self.candidate.leverage(self.average)
        net = math.floor(units * (excess.estimate - points) / leverage + _TIE_SLACK)
        clean = binary.p_noninferior(max(0, net), max(0, -net), units, margin=points / leverage)
        p_value = max(excess.p_above(), clean)
        return max(p_value, self.swaps.p_gain) if margin <= 0 else p_value

    def p_no_change(self) -> float:
        """Arm-swap p-value of H0: delta >= 0."""
        return self.swaps.p_drop

    def interval(self, alpha: float) -> tuple[float, float]:
        """Jackknife-t interval in points."""
        return self._in_points().interval(alpha)

    def detectable_drop(self, margin: float, alpha: float) -> float | None:
        """In points, from the jackknife's standard error."""
        reach = self._in_points().reach(alpha)
        drop = None if reach is None else self._points(margin) + reach
        return drop if drop is not None and drop <= 1 else None

    def _points(self, margin: float) -> float:
        return margin * self.reference.f1(self.average) if self.relative else margin

    def _in_points(self) -> Jackknife:
        return self._jackknife(weight=1.0, shift=0.0, points=0.0)

    def _excess(self, margin: float) -> Jackknife:
        """What is left of the margin: theta of the hypotheses at 0."""
        if self.relative:
            return self._jackknife(weight=1 - margin, shift=0.0, points=self._points(margin))
        return self._jackknife(weight=1.0, shift=margin, points=margin)

    def _jackknife(self, *, weight: float, shift: float, points: float) -> Jackknife:
        """Theta = candidate - weight * reference + shift, which is delta + points."""
        estimate = self.candidate.f1(self.average) - self.reference.f1(self.average) + points
        without = self.candidate.f1_without_each(self.average) - weight * self.reference.f1_without_each(self.average)
        bounds = (points - 1, points + 1)
        return Jackknife(estimate=estimate, without=without + shift, bounds=bounds, kinds=_kinds(self.candidate))


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusScore:
    """F1 of one arm against a required one; delta is the F1 less the required one."""

    candidate: Tally
    average: Average
    required: float
    clusters: int | None

    @property
    def method(self) -> str:
        """Names of the test and of the interval, for people."""
        unit = "case" if self.clusters is None else "cluster"
        return f"{self.average} F1: delete-one-{unit} jackknife t"

    def p_regression(self, margin: float) -> float:
        """P-value of H0: F1 >= required - margin."""
        return self._excess(margin).p_below()

    def p_noninferior(self, margin: float) -> float:
        """P-value of H0: F1 <= required - margin."""
        units, leverage = self.candidate.truth.shape[0], self.candidate.leverage(self.average)
        right = math.floor(units * (1 - (1 - self.candidate.f1(self.average)) / leverage) + _TIE_SLACK)
        threshold = 1 - (1 - self.required + margin) / leverage
        return max(self._excess(margin).p_above(), proportion.p_above(right, units, threshold=threshold))

    def p_no_change(self) -> None:
        """There is no second opinion."""

    def interval(self, alpha: float) -> tuple[float, float]:
        """Jackknife-t interval less the required F1."""
        return self._excess(0.0).interval(alpha)

    def detectable_drop(self, margin: float, alpha: float) -> float | None:
        """From the jackknife's standard error."""
        reach = self._excess(margin).reach(alpha)
        return margin + reach if reach is not None and margin + reach <= 1 else None

    def _excess(self, margin: float) -> Jackknife:
        threshold = self.required - margin
        return Jackknife(
            estimate=self.candidate.f1(self.average) - threshold,
            without=self.candidate.f1_without_each(self.average) - threshold,
            bounds=(-threshold, 1 - threshold),
            kinds=_kinds(self.candidate),
        )


def corpus_procedure(labels: Labelled, *, average: Average, relative: bool, seed: int) -> Procedure:
    """Prepare tests of F1(candidate) - F1(reference).

    Args:
        labels: The classes of complete cases, at least one. The arms may have different numbers of repeats.
        average: How classes are weighted.
        relative: Whether margins are fractions of the reference's F1 rather than points; the interval stays in
            points.
        seed: Seed of the random swaps; equal inputs give equal numbers.

    Returns:
        The procedure.

    Raises:
        ValueError: If there is no case or no answer, the shapes do not fit, or a code is impossible.
    """
    candidate, reference = tallies(labels)
    return CorpusDifference(
        candidate=candidate,
        reference=reference,
        average=average,
        relative=relative,
        swaps=arm_swaps(candidate, reference, average=average, seed=seed),
        clusters=_clusters(labels, candidate),
    )


def corpus_score_procedure(labels: Labelled, *, average: Average, required: float, seed: int) -> Procedure:
    """Prepare tests of the candidate's own F1 against a required one.

    Args:
        labels: The classes of complete cases, at least one; the reference is not looked at.
        average: How classes are weighted.
        required: The required F1 in [0, 1].
        seed: Not looked at: with one arm there is nothing to swap.

    Returns:
        The procedure.

    Raises:
        ValueError: If there is no case or no answer, the shapes do not fit, or a code is impossible.
    """
    candidate = Tally.of(labels.truth, labels.candidate, unit=labels.unit)
    return CorpusScore(candidate=candidate, average=average, required=required, clusters=_clusters(labels, candidate))


def _kinds(tally: Tally) -> NDArray[np.int64] | None:
    """The one true class of each unit; None if a unit has several."""
    if bool(np.any((tally.truth > 0).sum(axis=1) != 1)):
        return None
    return np.asarray(tally.truth.argmax(axis=1), dtype=np.int64)


def _clusters(labels: Labelled, tally: Tally) -> int | None:
    return None if labels.codes is None else tally.truth.shape[0]


def _power(share: float, n: int) -> float:
    return float(min(1.0, max(0.0, share)) ** n)
