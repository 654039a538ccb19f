"""How answers to unlabelled inputs moved: the paired t interval for a ratio of lengths.

Nothing here is judged; the module knows two vectors of lengths and nothing about where they come from.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

SHORTEST = 0.5
"""What an empty answer counts as: it has no logarithm, and is still shorter than an answer of one token."""
_LARGEST_LOG = 700.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthChange:
    """Paired change of lengths."""

    n: int
    """Inputs with both lengths."""
    mean_candidate: float | None
    """Arithmetic mean, in the unit of the lengths."""
    mean_reference: float | None
    change: float | None
    """Relative change of the geometric mean: -0.45 is 45 % shorter."""
    low: float | None
    """Lower end of the interval for `change`; None for fewer than two pairs."""
    high: float | None
    """Upper end; None also where it is too large for a number."""


def length_change(
    candidate: Sequence[float] | NDArray[np.float64], reference: Sequence[float] | NDArray[np.float64], *, alpha: float
) -> LengthChange:
    """Compare the lengths of two arms' answers to the same inputs.

    Args:
        candidate: Length of each answer of the arm under test; 0 counts as one half, since an empty answer has no
            logarithm.
        reference: Length of the other arm's answer to the same input.
        alpha: One-sided error rate of each end of the interval.

    Returns:
        Means, the relative change and its interval from a paired t on the logarithm of the ratio.

    Raises:
        ValueError: If the lengths do not pair up, or one is negative or not finite.
    """
    ours, theirs = np.asarray(candidate, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if ours.shape != theirs.shape:
        raise ValueError(f"{ours.size} lengths cannot be paired with {theirs.size}.")
    if not bool(np.all(np.isfinite(ours) & np.isfinite(theirs) & (ours >= 0) & (theirs >= 0))):
        raise ValueError("Lengths must be finite numbers and not negative.")
    if ours.size == 0:
        return LengthChange(n=0, mean_candidate=None, mean_reference=None, change=None, low=None, high=None)
    logs = np.log(np.maximum(ours, SHORTEST)) - np.log(np.maximum(theirs, SHORTEST))
    centre = float(logs.mean())
    low, high = None, None
    if logs.size > 1:
        error = float(logs.std(ddof=1)) / math.sqrt(logs.size)
        reach = -float(stdtrit(logs.size - 1, alpha)) * error
        low, high = _change(centre - reach), _change(centre + reach)
    return LengthChange(
        n=int(logs.size),
        mean_candidate=float(ours.mean()),
        mean_reference=float(theirs.mean()),
        change=_change(centre),
        low=low,
        high=high,
    )


def _change(log_ratio: float) -> float | None:
    """Relative change for a log ratio; None beyond the range of floating-point numbers."""
    return math.expm1(log_ratio) if log_ratio <= _LARGEST_LOG else None
