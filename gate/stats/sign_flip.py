"""Sign-flip test: how often random signs would make the sum of the differences as low as it is.

Valid for H0: delta = 0 when the differences are symmetric around 0. A second opinion at margin 0, and one half of
the clustered test. This module knows vectors of differences and nothing about cases or rules.
"""

import numpy as np
from numpy.typing import NDArray

EXACT_MAX_NONZERO = 18
"""Up to this many nonzero differences all 2**k sign patterns are counted."""
DRAWS = 20_000
"""Random sign patterns beyond that."""

_TIE_SLACK = 1e-9
_CHUNK_ELEMENTS = 4_000_000


def sign_flip_drop(differences: NDArray[np.float64], *, seed: int) -> float:
    """One-sided p-value of H0: delta >= 0.

    Args:
        differences: Candidate minus reference, one per independent unit.
        seed: Seed of the random signs; unused when the test is exact.

    Returns:
        Share of sign patterns whose sum is at most the observed one; 1 when all differences are 0. Beyond
        `EXACT_MAX_NONZERO` nonzero differences (k + 1) / (draws + 1), so never 0.
    """
    sizes = np.sort(np.abs(differences[np.abs(differences) > _TIE_SLACK]))
    if sizes.size == 0:
        return 1.0
    ceiling = float(differences.sum()) + _TIE_SLACK
    if sizes.size <= EXACT_MAX_NONZERO:
        sums = np.zeros(1)
        for size in sizes:
            sums = np.concatenate([sums - size, sums + size])
        return float(np.mean(sums <= ceiling))
    return _random_share(sizes, ceiling, np.random.default_rng(seed))


def _random_share(sizes: NDArray[np.float64], ceiling: float, rng: np.random.Generator) -> float:
    at_most, total, rows = 0, float(sizes.sum()), max(1, _CHUNK_ELEMENTS // sizes.size)
    for start in range(0, DRAWS, rows):
        count = min(rows, DRAWS - start)
        signs = np.unpackbits(rng.integers(0, 256, size=(count, -(-sizes.size // 8)), dtype=np.uint8), axis=1)
        sums = 2 * (signs[:, : sizes.size].astype(np.float64) @ sizes) - total
        at_most += int(np.count_nonzero(sums <= ceiling))
    return (at_most + 1) / (DRAWS + 1)
