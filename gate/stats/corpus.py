"""F1 over a whole suite: the metric, what it is without each case, and what swapping the arms makes of it.

Such a metric has no score per case, so a case enters as what it adds to the confusion counts. Counts are kept per
unit, which is a case or, where cases are not independent, a cluster; the tests built on them are in
`gate.stats.corpus_procedures`. This module knows class codes and nothing about labels, cases or rules.

Only classes that occur as truth are averaged over: for those, per class, F1 = 2 * right / (truth + predicted).

References:
    Yeh, A. (2000). More accurate tests for the statistical significance of result differences. COLING 2000,
    947-953. (Swapping the answers of the arms.)
"""

import math
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

Average = Literal["macro", "weighted"]
"""`macro`: every class counts alike. `weighted`: a class counts by its share of the truth."""

NO_CLASS = -1
"""Code of an answer that is none of the labels: a miss for the true class, a false alarm for none."""
EXACT_MAX_DIFFERING = 13
"""Up to this many units that differ between the arms all 2**k swaps are counted."""
SWAP_PAIRS = 5_000
"""Random swaps beyond that; each is counted together with its mirror image."""

_TIE_SLACK = 1e-9
_CHUNK_ELEMENTS = 4_000_000
"""Signs held in memory at a time: 32 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """The classes of one comparison; row i of everything is the same case."""

    truth: NDArray[np.int64]
    """(n,) The right class of each case, at least 0."""
    candidate: NDArray[np.int64]
    """(n, k1) The class in each repeat's answer; `NO_CLASS` where it is none of the labels."""
    reference: NDArray[np.int64]
    """(n, k2) The same of the arm it is compared with."""
    codes: NDArray[np.int64] | None
    """(n,) Cluster of each case; None when all cases are independent."""

    @property
    def unit(self) -> NDArray[np.int64]:
        """Number of the unit of each case, from 0 up."""
        if self.codes is None:
            return np.arange(self.truth.size, dtype=np.int64)
        if self.codes.shape != self.truth.shape:
            raise ValueError(f"{self.codes.size} cluster codes do not fit {self.truth.size} cases.")
        return np.unique(self.codes, return_inverse=True)[1].astype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Confusion counts of one arm, (units, classes), over the classes that occur as truth.

    They are whole numbers, multiplied by the number of repeats: sums of them are exact in any order.
    """

    truth: NDArray[np.float64]
    """How often each class is true."""
    right: NDArray[np.float64]
    """How often it is true and answered."""
    predicted: NDArray[np.float64]
    """How often it is answered."""

    @classmethod
    def of(
        cls, truth: NDArray[np.int64], predicted: NDArray[np.int64], *, unit: NDArray[np.int64], scale: int = 1
    ) -> Self:
        """Count the answers.

        Args:
            truth: (n,) The right class of each case, at least 0.
            predicted: (n, k) The class in each repeat's answer, or `NO_CLASS`.
            unit: (n,) Number of the unit of each case, from 0 up.
            scale: Counts are multiplied by k and by this.

        Returns:
            The counts.

        Raises:
            ValueError: If there is no case or no answer, the shapes do not fit, or a code is impossible.
        """
        if truth.ndim != 1 or predicted.ndim != 2 or predicted.size == 0 or predicted.shape[0] != truth.size:
            raise ValueError(f"F1 needs one truth and k >= 1 answers a case, not {truth.shape} and {predicted.shape}.")
        if bool(np.any(truth < 0)) or bool(np.any(predicted < NO_CLASS)):
            raise ValueError(f"Codes of classes start at 0, and only an answer may be {NO_CLASS}, which is no class.")
        classes, column = np.unique(truth, return_inverse=True)
        shape = (int(unit.max()) + 1, classes.size)
        cell = unit * classes.size + column
        place = np.minimum(np.searchsorted(classes, predicted), classes.size - 1)
        answered = (unit[:, None] * classes.size + place)[classes[place] == predicted]
        hits = (predicted == truth[:, None]).sum(axis=1).astype(np.float64)

        def by_unit(cells: NDArray[np.int64], weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
            return np.bincount(cells, weights=weights, minlength=math.prod(shape)).reshape(shape).astype(np.float64)

        return cls(
            truth=by_unit(cell) * predicted.shape[1] * scale,
            right=by_unit(cell, hits) * scale,
            predicted=by_unit(answered) * scale,
        )

    def f1(self, average: Average) -> float:
        """F1 over all units."""
        return float(_f1(self.truth.sum(axis=0), self.right.sum(axis=0), self.predicted.sum(axis=0), average=average))

    def f1_without_each(self, average: Average) -> NDArray[np.float64]:
        """F1 without each of the units, from what it leaves of the counts; empty for a single unit.

        A class whose only cases are left out is no longer averaged over.
        """
        if self.truth.shape[0] < 2:
            return np.empty(0)
        left = [counts.sum(axis=0) - counts for counts in (self.truth, self.right, self.predicted)]
        return _f1(left[0], left[1], left[2], average=average)

    def leverage(self, average: Average) -> float:
        """How much more than an average unit the heaviest unit could move F1; at least 1.

        Near F1 = 1, a case of class c that turns wrong costs that class 1 / (2 * cases of c), and as a false alarm
        the class j that it is taken for 1 / (2 * cases of j). In the macro average those are a C-th each, so a case
        of a rare class weighs more than 1 / n of the whole; in the weighted average it never does.
        """
        cases = self.truth.sum(axis=0)
        weights = np.ones_like(cases)
        if average == "macro":
            rarity = float(cases.sum()) / cases
            falls = np.sort(np.append(rarity, 0.0))
            alarms = np.where(np.arange(cases.size) == np.argmax(rarity), falls[-2], falls[-1])
            weights = (rarity + alarms) / (2 * cases.size)
        by_unit = (self.truth @ weights) * self.truth.shape[0] / float(cases.sum())
        return max(1.0, float(by_unit.max()))


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSwaps:
    """How often swapping the answers of the arms, unit by unit, makes a difference as large as the observed one."""

    p_drop: float
    """P-value of H0: delta >= 0."""
    p_gain: float
    """P-value of H0: delta <= 0."""


def f1(truth: NDArray[np.int64], predicted: NDArray[np.int64], *, average: Average) -> float:
    """F1 averaged over the classes that occur as truth.

    Args:
        truth: (n,) The right class of each case, at least 0.
        predicted: (n,) or (n, k) The class in each answer, or `NO_CLASS`; each of k repeats counts 1/k.
        average: How classes are weighted.

    Returns:
        A value in [0, 1]. A class that is answered but never true costs what its answers missed, and no more; this
        is scikit-learn's `f1_score` with `labels` set to the classes of the truth.

    Raises:
        ValueError: If there is no case or no answer, the shapes do not fit, or a code is impossible.
    """
    answers = predicted[:, None] if predicted.ndim == 1 else predicted
    return Tally.of(truth, answers, unit=np.zeros(truth.size, dtype=np.int64)).f1(average)


def tallies(labels: Labelled) -> tuple[Tally, Tally]:
    """Count both arms in the same measure, so that an answer of either arm weighs the same on both sides.

    Args:
        labels: The classes.

    Returns:
        Counts of the candidate and of the reference.

    Raises:
        ValueError: If there is no case or no answer, the shapes do not fit, or a code is impossible.
    """
    unit, repeats = labels.unit, (labels.candidate.shape[-1], labels.reference.shape[-1])
    return (
        Tally.of(labels.truth, labels.candidate, unit=unit, scale=repeats[1]),
        Tally.of(labels.truth, labels.reference, unit=unit, scale=repeats[0]),
    )


def arm_swaps(candidate: Tally, reference: Tally, *, average: Average, seed: int) -> ArmSwaps:
    """Test whether it matters which arm gave which answers.

    Args:
        candidate: Counts of the arm under test.
        reference: Counts of the other arm, in the same measure (see `tallies`).
        average: How classes are weighted.
        seed: Seed of the random swaps; unused when all are counted.

    Returns:
        Both one-sided p-values; 1 when no unit differs. They are exact up to `EXACT_MAX_DIFFERING` differing units,
        and else never 0. Exchanging the arms exchanges them.
    """
    differences = np.hstack([candidate.right - reference.right, candidate.predicted - reference.predicted])
    differences = differences[np.any(differences != 0, axis=1)]
    if differences.size == 0:
        return ArmSwaps(p_drop=1.0, p_gain=1.0)
    total = np.hstack([candidate.right + reference.right, candidate.predicted + reference.predicted]).sum(axis=0)
    truth = 2 * candidate.truth.sum(axis=0)

    def delta(difference: NDArray[np.float64]) -> NDArray[np.float64]:
        """F1 of the one side less that of the other, from twice their counts: total +- difference."""
        scores = [
            _f1(truth, counts[..., : truth.size], counts[..., truth.size :], average=average)
            for counts in (total + difference, total - difference)
        ]
        return scores[0] - scores[1]

    observed = float(delta(differences.sum(axis=0)))
    units = _canonical(differences)
    if units.shape[0] <= EXACT_MAX_DIFFERING:
        half = delta(_all_sums(units))
    else:
        parts = [delta(sums) for sums in _random_sums(units, np.random.default_rng(seed))]
        # The swaps that were in fact drawn, and their mirror image, belong to the draws.
        half = np.concatenate([*parts, [observed]])
    swapped = np.concatenate([half, -half])
    return ArmSwaps(
        p_drop=float(np.mean(swapped <= observed + _TIE_SLACK)),
        p_gain=float(np.mean(swapped >= observed - _TIE_SLACK)),
    )


def _f1(
    truth: NDArray[np.float64], right: NDArray[np.float64], predicted: NDArray[np.float64], *, average: Average
) -> NDArray[np.float64]:
    """F1 from counts whose last axis are the classes."""
    present = truth > 0
    by_class = np.divide(2 * right, truth + predicted, out=np.zeros_like(right), where=present)
    weights = present.astype(np.float64) if average == "macro" else truth
    return np.asarray((by_class * weights).sum(axis=-1) / weights.sum(axis=-1), dtype=np.float64)


def _canonical(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Differences without a trace of the order of the units or of which arm is which."""
    leading = np.take_along_axis(differences, np.argmax(differences != 0, axis=1)[:, None], axis=1)
    oriented = differences * np.sign(leading)
    return oriented[np.lexsort(oriented.T[::-1])]


def _all_sums(units: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums under all signs of all units but the first; the other half are their mirror images."""
    sums = units[:1]
    for unit in units[1:]:
        sums = np.concatenate([sums - unit, sums + unit])
    return sums


def _random_sums(units: NDArray[np.float64], rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Sums under random signs."""
    count, total, parts = units.shape[0], units.sum(axis=0), []
    rows = max(1, _CHUNK_ELEMENTS // count)
    for start in range(0, SWAP_PAIRS, rows):
        size = (min(rows, SWAP_PAIRS - start), -(-count // 8))
        kept = np.unpackbits(rng.integers(0, 256, size=size, dtype=np.uint8), axis=1, count=count)
        parts.append(2 * (kept.astype(np.float64) @ units) - total)
    return parts
