"""Which procedure fits the scores: clusters first, then whether the scorer is binary, else bounds alone.

Whether scores are binary is declared by the scorer and never inferred; declared binary scores that are neither 0 nor
1, because repeats were averaged, are treated as bounded. This module knows nothing about rules or missing pairs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gate.stats.bounded import DRAWS, gaffke
from gate.stats.clustered import Clustered
from gate.stats.procedures import BinaryPairs, BoundedValues, ClusteredValues, Procedure, RequiredShare


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """The scores of one comparison; row i of each vector is the same case."""

    candidate: NDArray[np.float64]
    reference: NDArray[np.float64]
    """The reference arm's scores, or the required score in every place."""
    codes: NDArray[np.int64] | None
    """Cluster of each case; None when all cases are independent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelativeLimit:
    """Margins that are fractions of the reference arm's mean; the interval stays in points of the score."""

    scores: Scores
    points: Procedure
    """The comparison in points, for the interval and the second opinion."""
    seed: int

    @property
    def method(self) -> str:
        """Names of the test and of the interval, for people."""
        return f"{_bounded_name(self.scores)} on candidate - (1 - limit) x reference; in points: {self.points.method}"

    @property
    def clusters(self) -> int | None:
        """Number of clusters; None when the cases are independent."""
        return self.points.clusters

    def p_regression(self, margin: float) -> float:
        """P-value of H0: E[candidate] >= (1 - margin) * E[reference]."""
        return self._weighted(margin).p_regression(0.0)

    def p_noninferior(self, margin: float) -> float:
        """P-value of H0: E[candidate] <= (1 - margin) * E[reference]."""
        return self._weighted(margin).p_noninferior(0.0)

    def p_no_change(self) -> float | None:
        """That of the comparison in points."""
        return self.points.p_no_change()

    def interval(self, alpha: float) -> tuple[float, float]:
        """That of the comparison in points."""
        return self.points.interval(alpha)

    def detectable_drop(self, margin: float, alpha: float) -> float | None:
        """In points, with the margin turned into points by the observed reference mean."""
        return self.points.detectable_drop(margin * float(self.scores.reference.mean()), alpha)

    def _weighted(self, margin: float) -> Procedure:
        weight = 1 - margin
        bounds = (-max(weight, 0.0), 1 - min(weight, 0.0))
        values = self.scores.candidate - weight * self.scores.reference
        return _bounded_procedure(values, self.scores.codes, bounds=bounds, paired=True, seed=self.seed)


def difference_procedure(scores: Scores, *, is_binary: bool, relative: bool, seed: int) -> Procedure:
    """Choose how to test candidate - reference.

    Args:
        scores: Complete pairs, at least one.
        is_binary: Whether the scorer gives 0 or 1; averaged repeats may still lie between.
        relative: Whether margins are fractions of the reference mean rather than points.
        seed: Seed of the random draws.

    Returns:
        The procedure.
    """
    values = scores.candidate - scores.reference
    points: Procedure
    if scores.codes is None and is_binary and _all_right_or_wrong(scores.candidate, scores.reference):
        points = BinaryPairs(gains=int((values > 0).sum()), losses=int((values < 0).sum()), n=int(values.size))
    else:
        points = _bounded_procedure(values, scores.codes, bounds=(-1.0, 1.0), paired=True, seed=seed)
    return RelativeLimit(scores=scores, points=points, seed=seed) if relative else points


def score_procedure(scores: Scores, *, is_binary: bool, required: float, seed: int) -> Procedure:
    """Choose how to test the candidate's own score against a required one.

    Args:
        scores: Complete cases, at least one; the reference is not looked at.
        is_binary: Whether the scorer gives 0 or 1; averaged repeats may still lie between.
        required: The required score in [0, 1].
        seed: Seed of the random draws.

    Returns:
        The procedure.
    """
    right = scores.candidate
    if scores.codes is None and is_binary and _all_right_or_wrong(right):
        return RequiredShare(successes=int(right.sum()), n=int(right.size), required=required)
    bounds = (-required, 1 - required)
    return _bounded_procedure(right - required, scores.codes, bounds=bounds, paired=False, seed=seed)


def _bounded_procedure(
    values: NDArray[np.float64],
    codes: NDArray[np.int64] | None,
    *,
    bounds: tuple[float, float],
    paired: bool,
    seed: int,
) -> BoundedValues | ClusteredValues:
    if codes is not None:
        return ClusteredValues(tests=Clustered.of(values, codes, bounds=bounds, seed=seed), paired=paired, seed=seed)
    draws = gaffke(values, low=bounds[0], high=bounds[1], seed=seed)
    return BoundedValues(values=values, draws=draws, paired=paired, seed=seed)


def _bounded_name(scores: Scores) -> str:
    return f"Gaffke, {DRAWS} draws," if scores.codes is None else "clustered tests"


def _all_right_or_wrong(*arms: NDArray[np.float64]) -> bool:
    return all(bool(np.all((scores == 0) | (scores == 1))) for scores in arms)
