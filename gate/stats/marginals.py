"""Whether two arms' answers to the same inputs are distributed alike, kind by kind or value by value.

`CategoryShift` is held against a margin; the two tests, which have none, are second opinions. They respect the
pairing: Stuart-Maxwell looks only at inputs whose category changed, and the Kolmogorov-Smirnov distance is compared
with what swapping the arms within pairs would make of it, since its textbook distribution is for unpaired samples and
almost never rejects here. The pairs of both must be independent of each other.
This module knows counts and vectors and nothing about inputs or rules.

References:
    Stuart, A. (1955). A test for homogeneity of the marginal distributions in a two-way classification.
    Biometrika 42, 412-416.
    Maxwell, A. E. (1970). Comparing the classification of subjects by two independent judges. British Journal of
    Psychiatry 116, 651-655.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from gate.stats.shift import Shift, share_shift

SWAP_DRAWS = 5_000
"""Random swaps behind a Kolmogorov-Smirnov p-value; the smallest possible one is 1 / (SWAP_DRAWS + 1)."""

_CHUNK_ELEMENTS = 4_000_000


def stuart_maxwell(table: NDArray[np.int64]) -> tuple[float, int, float]:
    """Test whether every category has the same share on both arms.

    Args:
        table: Square counts; entry [i, j] is the number of inputs with category i on one arm and j on the other.
            Which arm has the rows is irrelevant.

    Returns:
        (statistic, degrees of freedom, p-value). The degrees of freedom are the rank of the covariance: the
        categories less one, and one less again for every group of categories that nothing moved into or out of. No
        input with a changed category gives (0, 0, 1). The p-value is approximate, from the chi-square distribution.

    Raises:
        ValueError: If the table is not square or a count is negative.
    """
    if table.ndim != 2 or table.shape[0] != table.shape[1] or bool(np.any(table < 0)):
        raise ValueError("Marginal homogeneity needs a square table of counts, none of them negative.")
    counts = table.astype(np.float64)
    rows, columns = counts.sum(axis=1), counts.sum(axis=0)
    excess = rows - columns
    covariance = np.diag(rows + columns) - counts - counts.T
    freedom = int(np.linalg.matrix_rank(covariance, hermitian=True)) if table.size else 0
    if freedom == 0:
        return 0.0, 0, 1.0
    # The covariance is always singular, as the excesses add up to 0; they lie in its range, so that the generalised
    # inverse gives what leaving out one category of each connected group would.
    statistic = float(excess @ np.linalg.pinv(covariance, hermitian=True) @ excess)
    return statistic, freedom, float(chdtrc(freedom, max(0.0, statistic)))


def swap_ks(
    candidate: NDArray[np.float64], reference: NDArray[np.float64], *, seed: int, draws: int = SWAP_DRAWS
) -> tuple[float, float]:
    """Largest distance between the two arms' distribution functions, and how often random swaps reach it.

    Valid for H0: the two values of a pair are exchangeable. Neither the order of the pairs nor which arm is called
    the candidate has an influence.

    Args:
        candidate: One value per input.
        reference: The other arm's value for the same input.
        seed: Seed of the random swaps.
        draws: Number of random swaps of all pairs.

    Returns:
        (statistic in [0, 1], p-value (k + 1) / (draws + 1)); identical arms give (0, 1).

    Raises:
        ValueError: If the values do not pair up, there is none, or one is not finite.
    """
    if candidate.ndim != 1 or candidate.shape != reference.shape or candidate.size == 0:
        raise ValueError(
            f"{candidate.size} values cannot be paired with {reference.size}; at least one pair is needed."
        )
    if not bool(np.all(np.isfinite(candidate) & np.isfinite(reference))):
        raise ValueError("The values to be compared must be finite numbers.")
    differing = candidate != reference
    ours, theirs = candidate[differing], reference[differing]
    pairs = ours.size
    if pairs == 0:
        return 0.0, 1.0
    first_is_ours = ours < theirs
    lower, upper = np.minimum(ours, theirs), np.maximum(ours, theirs)
    arranged = np.lexsort((upper, lower))
    steps = _Steps.of(lower[arranged], upper[arranged])
    observed = int(steps.farthest(first_is_ours[arranged][None, :])[0])
    reached, rows, rng = 0, max(1, _CHUNK_ELEMENTS // (2 * pairs)), np.random.default_rng(seed)
    for start in range(0, draws, rows):
        shape = (min(rows, draws - start), -(-pairs // 8))
        swaps = np.unpackbits(rng.integers(0, 256, size=shape, dtype=np.uint8), axis=1)[:, :pairs] == 1
        reached += int(np.count_nonzero(steps.farthest(swaps) >= observed))
    return observed / candidate.size, (reached + 1) / (draws + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryShift:
    """Answers of several kinds (languages, formats): the shift is the largest change of any kind's share.

    A proven shift of any kind fails, at a share of the level (Bonferroni over the kinds); a pass needs all kinds, each
    at the whole level (intersection-union).
    """

    shares: tuple[tuple[str, Shift], ...]
    """Every kind seen on either arm, in the order of names, and how its share moved."""
    table: NDArray[np.int64]
    """Entry [i, j]: inputs on which the candidate's answer is of kind i and the reference arm's of kind j."""

    @property
    def category(self) -> str:
        """The kind whose share moved most; the first of several."""
        return self._most[0]

    @property
    def shift(self) -> float:
        """Change of that kind's share."""
        return self._most[1].shift

    @property
    def clusters(self) -> int | None:
        """Number of clusters; None when the inputs are independent."""
        return self._most[1].clusters

    @property
    def method(self) -> str:
        """Names of the test and of the interval, for people."""
        return f"share of each of {len(self.shares)} kinds: {self._most[1].method}"

    def p_regression(self, margin: float) -> float:
        """P-value of H0: no kind's share moved by more than the margin."""
        return min(1.0, self._tests * min(share.p_regression(margin) for _, share in self.shares))

    def p_noninferior(self, margin: float) -> float:
        """P-value of H0: some kind's share moved by the margin or more."""
        return max(share.p_noninferior(margin) for _, share in self.shares)

    def p_no_change(self) -> float | None:
        """Stuart-Maxwell; in clusters, the smallest sign-flip p-value times the number of kinds."""
        if self.clusters is None:
            return stuart_maxwell(self.table)[2]
        known = [p for _, share in self.shares if (p := share.p_no_change()) is not None]
        return min(1.0, self._tests * min(known)) if known else None

    def interval(self, alpha: float) -> tuple[float, float]:
        """Of the kind that moved most, wide enough to hold for all kinds at once."""
        return self._most[1].interval(alpha / self._tests)

    def detectable_drop(self, margin: float, alpha: float) -> float | None:
        """Shift that would be proven in whichever kind it occurs."""
        shifts = [share.detectable_drop(margin, alpha / self._tests) for _, share in self.shares]
        known = [shift for shift in shifts if shift is not None]
        return max(known) if len(known) == len(shifts) else None

    @property
    def _tests(self) -> int:
        """Two kinds are one test: what one gains the other loses."""
        return 1 if len(self.shares) == 2 else len(self.shares)

    @property
    def _most(self) -> tuple[str, Shift]:
        return max(self.shares, key=lambda share: abs(share[1].shift))


def category_shift(
    candidate: Sequence[str], reference: Sequence[str], codes: NDArray[np.int64] | None, *, seed: int
) -> CategoryShift:
    """Compare the kinds of two arms' answers to the same inputs.

    Args:
        candidate: Kind of the candidate's answer to each input.
        reference: The same of the other arm.
        codes: The cluster of each input; None when all inputs are independent.
        seed: Seed of the random draws, where there are any.

    Returns:
        One share per kind that either arm showed: the exact tests, or with codes the clustered ones.

    Raises:
        ValueError: If the kinds do not pair up or there is none.
    """
    if len(candidate) != len(reference) or not candidate:
        raise ValueError(f"{len(candidate)} kinds cannot be paired with {len(reference)}; at least one pair is needed.")
    kinds = sorted({*candidate, *reference})
    places = {kind: place for place, kind in enumerate(kinds)}
    ours, theirs = (np.array([places[kind] for kind in arm], dtype=np.int64) for arm in (candidate, reference))
    table = np.zeros((len(kinds), len(kinds)), dtype=np.int64)
    np.add.at(table, (ours, theirs), 1)
    shares = tuple(
        (kind, share_shift((ours == place).astype(np.float64), (theirs == place).astype(np.float64), codes, seed=seed))
        for kind, place in places.items()
    )
    return CategoryShift(shares=shares, table=table)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Steps:
    """The values of all pairs in ascending order: at each, one arm's distribution function rises by one pair."""

    owner: NDArray[np.int64]
    """The pair each value belongs to."""
    is_lower: NDArray[np.bool_]
    """Whether it is the lower value of its pair."""
    ends: NDArray[np.int64]
    """Positions of the last of each group of equal values: only there are the functions compared."""

    @classmethod
    def of(cls, lower: NDArray[np.float64], upper: NDArray[np.float64]) -> Self:
        """Sort both values of every pair into one sequence."""
        values = np.concatenate([lower, upper])
        order = np.argsort(values, kind="stable")
        rises = np.flatnonzero(np.diff(values[order]) > 0)
        return cls(owner=order % lower.size, is_lower=order < lower.size, ends=np.append(rises, values.size - 1))

    def farthest(self, first_is_ours: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Largest distance in pairs; a row says of every pair whether its lower value is the candidate's."""
        ours = first_is_ours[:, self.owner] == self.is_lower
        distances = np.cumsum(np.where(ours, 1, -1).astype(np.int32), axis=1, dtype=np.int32)
        farthest: NDArray[np.int32] = np.abs(distances[:, self.ends]).max(axis=1)
        return farthest
