"""Cases that come in clusters: the cluster, not the case, is what was sampled independently.

Standard errors are the bias-reduced CR2 with Bell-McCaffrey degrees of freedom; a failure must be shown by it and
by a sign-flip over clusters, a pass by Gaffke's bound on the cluster means, because losses concentrated in rare
clusters deceive the other two. The same holds of gains: where a few clusters hold all of them, a failure may be called
proven too often.
This module knows vectors of values with cluster codes and nothing about cases or rules.

References:
    Bell, R. M., McCaffrey, D. F. (2002). Bias reduction in standard errors for linear regression with
    multi-stage samples. Survey Methodology 28, 169-181.
    Pustejovsky, J. E., Tipton, E. (2018). Small-sample methods for cluster-robust variance estimation and
    hypothesis testing in fixed effects models. Journal of Business & Economic Statistics 36, 672-683.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from gate.stats.bounded import Gaffke, gaffke
from gate.stats.sign_flip import sign_flip_drop

MIN_CLUSTERS = 10
"""With fewer clusters nothing is ever proven harmless, whatever the p-value."""

_ZERO = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSums:
    """What the cases of each cluster add up to."""

    totals: NDArray[np.float64]
    """Sum of the values of each cluster."""
    sizes: NDArray[np.float64]
    """Cases in each cluster."""

    @classmethod
    def of(cls, values: NDArray[np.float64], codes: NDArray[np.int64]) -> Self:
        """Add up values by cluster; neither the order of cases nor the names of clusters leave a trace.

        Args:
            values: One value per case.
            codes: The cluster of each case, as any integer.

        Returns:
            The sums, ordered by size and then by total.

        Raises:
            ValueError: If there is no case or the lengths differ.
        """
        if values.size == 0 or values.size != codes.size:
            raise ValueError("Clustered values need at least one case and one cluster code per case.")
        order = np.argsort(values, kind="stable")
        _, dense = np.unique(codes[order], return_inverse=True)
        totals = np.asarray(np.bincount(dense, weights=values[order]), dtype=np.float64)
        sizes = np.bincount(dense).astype(np.float64)
        arranged = np.lexsort((totals, sizes))
        return cls(totals=totals[arranged], sizes=sizes[arranged])

    @property
    def count(self) -> int:
        """Number of clusters."""
        return self.totals.size

    @property
    def mean(self) -> float:
        """Mean over cases."""
        return float(self.totals.sum() / self.sizes.sum())

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean of each cluster."""
        return self.totals / self.sizes


def cr1_standard_error(sums: ClusterSums) -> float | None:
    """Cluster-robust standard error of the mean with the factor G / (G - 1); None for a single cluster."""
    if sums.count < 2:
        return None
    residuals = sums.totals - sums.sizes * sums.mean
    cases = float(sums.sizes.sum())
    return math.sqrt(sums.count / (sums.count - 1) * float(residuals @ residuals)) / cases


def cr2(sums: ClusterSums) -> tuple[float, float] | None:
    """Bias-reduced standard error of the mean and its Bell-McCaffrey degrees of freedom.

    Args:
        sums: The clusters.

    Returns:
        (standard error, degrees of freedom); None for a single cluster. With clusters of equal size the degrees
        of freedom are their number less one.
    """
    if sums.count < 2:
        return None
    cases = float(sums.sizes.sum())
    residuals = sums.totals - sums.sizes * sums.mean
    kept = 1 - sums.sizes / cases
    variance = float(np.sum(residuals**2 / kept)) / cases**2
    # M = diag(a) - u u' needs only sums over clusters, never a matrix of clusters by clusters.
    squared_weights = 1 / (kept * cases**2)
    a = squared_weights * sums.sizes
    u_squared = squared_weights * sums.sizes**2 / cases
    trace = float(a.sum() - u_squared.sum())
    trace_of_square = float(np.sum(a**2) - 2 * np.sum(a * u_squared) + u_squared.sum() ** 2)
    return math.sqrt(variance), trace**2 / trace_of_square


@dataclass(frozen=True, slots=True, kw_only=True)
class Clustered:
    """Values in clusters, ready for tests of their mean at any margin."""

    sums: ClusterSums
    bounds: tuple[float, float]
    """Smallest and largest possible value of one case."""
    cluster_means: Gaffke
    """Draws for the mean of the cluster means."""
    seed: int

    @classmethod
    def of(
        cls, values: NDArray[np.float64], codes: NDArray[np.int64], *, bounds: tuple[float, float], seed: int
    ) -> Self:
        """Add up the clusters and draw what Gaffke's bound needs.

        Args:
            values: One value per case.
            codes: The cluster of each case.
            bounds: Smallest and largest possible value.
            seed: Seed of the random draws.

        Returns:
            The prepared values.

        Raises:
            ValueError: If there is no case, or a value is outside the bounds.
        """
        sums = ClusterSums.of(values, codes)
        draws = gaffke(sums.means, low=bounds[0], high=bounds[1], seed=seed)
        return cls(sums=sums, bounds=bounds, cluster_means=draws, seed=seed)

    def p_regression(self, margin: float) -> float:
        """P-value of H0: mean >= -margin: the larger of CR2-t and cluster sign-flip."""
        return max(self._t_p(margin), sign_flip_drop(self.sums.totals + margin * self.sums.sizes, seed=self.seed))

    def p_noninferior(self, margin: float) -> float:
        """P-value of H0: mean <= -margin, by Gaffke's bound: the larger one of cluster means and of cases.

        The mean over cases is that of the cluster totals, each divided by the mean size of a cluster, and bounded by
        the largest one. With clusters of equal size both are the same.
        """
        means = self.cluster_means.p_noninferior(margin)
        shares = self.sums.sizes / self.sums.sizes.mean()
        largest = float(shares.max())
        if largest - 1 < _ZERO:
            return means
        low, high = self.bounds[0] * largest, self.bounds[1] * largest
        return max(means, gaffke(self.sums.means * shares, low=low, high=high, seed=self.seed).p_noninferior(margin))

    def interval(self, alpha: float) -> tuple[float, float]:
        """CR2-t interval; where all clusters have the same mean it has no width, and Gaffke's is given instead."""
        fit = cr2(self.sums)
        if fit is None:
            return self.bounds
        standard_error, freedom = fit
        if standard_error < _ZERO:
            return self.cluster_means.interval(alpha)
        reach = -float(stdtrit(freedom, alpha)) * standard_error
        return max(self.bounds[0], self.sums.mean - reach), min(self.bounds[1], self.sums.mean + reach)

    def _t_p(self, margin: float) -> float:
        fit = cr2(self.sums)
        if fit is None:
            return 1.0
        standard_error, freedom = fit
        distance = self.sums.mean + margin
        if standard_error < _ZERO:
            # Without spread the t-test knows nothing; the sign-flip p-value decides alone.
            return 0.0 if distance < -_ZERO else 1.0
        return float(stdtr(freedom, distance / standard_error))
