"""One class per way of testing a delta; all answer the same questions at any margin.

Which of them fits is decided in `gate.stats.choice`. None knows about rules, or which pairs were missing.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from gate.stats import binary, proportion
from gate.stats.bounded import DRAWS, Gaffke
from gate.stats.clustered import Clustered, cr2
from gate.stats.planning import DEFAULT_POWER, detectable_drop_from_error, smallest_detectable_drop
from gate.stats.sign_flip import sign_flip_drop


class Procedure(Protocol):
    """Two one-sided tests about delta, an interval for it, and names for both."""

    @property
    def method(self) -> str:
        """Names of the test and of the interval, for people."""

    @property
    def clusters(self) -> int | None:
        """Number of clusters; None when the cases are independent."""

    def p_regression(self, margin: float) -> float:
        """P-value of H0: delta >= -margin."""

    def p_noninferior(self, margin: float) -> float:
        """P-value of H0: delta <= -margin."""

    def p_no_change(self) -> float | None:
        """Second opinion on H0: delta >= 0; None where there is none."""

    def interval(self, alpha: float) -> tuple[float, float]:
        """Interval for delta with one-sided error alpha at each end."""

    def detectable_drop(self, margin: float, alpha: float) -> float | None:
        """Drop that would be proven to exceed `margin` with 80 % probability; None when it cannot be said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryPairs:
    """Right or wrong on both arms."""

    gains: int
    losses: int
    n: int
    clusters: None = None

    @property
    def method(self) -> str:
        """Names of the test and of the interval, for people."""
        shown = "interval by inversion" if self.n <= binary.EXACT_INTERVAL_MAX_N else "Tango score interval"
        return f"exact unconditional (Tango order); {shown}"

    def p_regression(self, margin: float) -> float:
        """P-value of H0: delta >= -margin."""
        return binary.p_regression(self.gains, self.losses, self.n, margin=margin)

    def p_noninferior(self, margin: float) -> float:
        """P-value of H0: delta <= -margin."""
        return binary.p_noninferior(self.gains, self.losses, self.n, margin=margin)

    def p_no_change(self) -> float:
        """One-sided McNemar mid-p."""
        return binary.mcnemar_drop(self.gains, self.losses)

    def interval(self, alpha: float) -> tuple[float, float]:
        """Exact interval, Tango's for many cases."""
        return binary.interval(self.gains, self.losses, self.n, alpha=alpha)

    def detectable_drop(self, margin: float, alpha: float) -> float | None:
        """From the observed share of flips, moved a little towards one half so that no flips are not taken for none."""
        psi = (self.gains + self.losses + 1) / (self.n + 2)
        return smallest_detectable_drop(self.n, psi, margin=margin, alpha=alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundedValues:
    """Independent differences (or scores less a required one) within known bounds."""

    values: NDArray[np.float64]
    draws: Gaffke
    paired: bool
    """Whether the values are differences of two arms, whose signs may be flipped."""
    seed: int
    clusters: None = None

    @property
    def method(self) -> str:
        """Names of the test and of the interval, for people."""
        return f"Gaffke, {DRAWS} draws"

    def p_regression(self, margin: float) -> float:
        """P-value of H0: delta >= -margin."""
        return self.draws.p_regression(margin)

    def p_noninferior(self, margin: float) -> float:
        """P-value of H0: delta <= -margin."""
        return self.draws.p_noninferior(margin)

    def p_no_change(self) -> float | None:
        """Sign-flip p-value."""
        return sign_flip_drop(self.values, seed=self.seed) if self.paired else None

    def interval(self, alpha: float) -> tuple[float, float]:
        """Gaffke's interval."""
        return self.draws.interval(alpha)

    def detectable_drop(self, margin: float, alpha: float) -> float | None:
        """From the observed standard deviation."""
        if self.values.size < 2:
            return None
        error = float(self.values.std(ddof=1)) / math.sqrt(self.values.size)
        return detectable_drop_from_error(error, margin=margin, alpha=alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusteredValues:
    """Differences (or scores less a required one) in clusters."""

    tests: Clustered
    paired: bool
    seed: int

    @property
    def method(self) -> str:
        """Names of the test and of the interval, for people."""
        return "fail: CR2 t and cluster sign-flip, pass: Gaffke on cluster means; CR2 t interval"

    @property
    def clusters(self) -> int:
        """Number of clusters."""
        return self.tests.sums.count

    def p_regression(self, margin: float) -> float:
        """P-value of H0: delta >= -margin."""
        return self.tests.p_regression(margin)

    def p_noninferior(self, margin: float) -> float:
        """P-value of H0: delta <= -margin, every cluster counting alike."""
        return self.tests.p_noninferior(margin)

    def p_no_change(self) -> float | None:
        """Sign-flip p-value over clusters."""
        return sign_flip_drop(self.tests.sums.totals, seed=self.seed) if self.paired else None

    def interval(self, alpha: float) -> tuple[float, float]:
        """CR2-t interval."""
        return self.tests.interval(alpha)

    def detectable_drop(self, margin: float, alpha: float) -> float | None:
        """From the CR2 standard error and its t distribution."""
        fit = cr2(self.tests.sums)
        if fit is None or fit[0] <= 0:
            return None
        standard_error, freedom = fit
        quantiles = float(stdtrit(freedom, DEFAULT_POWER)) - float(stdtrit(freedom, alpha))
        drop = margin + quantiles * standard_error
        return drop if drop <= 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredShare:
    """Right or wrong on one arm, against a required share; delta is the share less the required one."""

    successes: int
    n: int
    required: float
    clusters: None = None

    @property
    def method(self) -> str:
        """Names of the test and of the interval, for people."""
        return "Clopper-Pearson"

    def p_regression(self, margin: float) -> float:
        """P-value of H0: share >= required - margin."""
        return proportion.p_below(self.successes, self.n, threshold=self.required - margin)

    def p_noninferior(self, margin: float) -> float:
        """P-value of H0: share <= required - margin."""
        return proportion.p_above(self.successes, self.n, threshold=self.required - margin)

    def p_no_change(self) -> None:
        """There is no second opinion."""

    def interval(self, alpha: float) -> tuple[float, float]:
        """Clopper-Pearson interval less the required share."""
        low, high = proportion.interval(self.successes, self.n, alpha=alpha)
        return low - self.required, high - self.required

    def detectable_drop(self, margin: float, alpha: float) -> float | None:
        """From the observed share, moved a little towards one half."""
        share = (self.successes + 1) / (self.n + 2)
        error = math.sqrt(share * (1 - share) / self.n)
        return detectable_drop_from_error(error, margin=margin, alpha=alpha)
