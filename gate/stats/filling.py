"""From pairs to vectors, with the missing ones left out or filled in by the best or the worst that could have been.

A known side always keeps its score. This module must not know what is tested.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gate.domain import Pair
from gate.stats.choice import Scores
from gate.stats.corpus import Labelled

Fill = Literal["leave out", "best", "worst"]
"""What becomes of a missing score; best and worst are meant for the candidate."""

NO_LABEL = -1


def checked(pairs: Sequence[Pair], *, largest: float | None = 1.0) -> Sequence[Pair]:
    """Refuse impossible pairs, and sort the rest, so that the order of cases cannot move the last digit.

    Args:
        pairs: Any pairs.
        largest: Largest possible value; None where there is none.

    Raises:
        ValueError: If a value is NaN or out of range, or a case occurs twice.
    """
    ids: set[str] = set()
    for pair in pairs:
        if pair.case in ids:
            raise ValueError(f"Case {pair.case!r} occurs twice; every case counts once.")
        ids.add(pair.case)
        for score in (pair.candidate, pair.reference):
            # Written so that NaN, which compares as false, is refused as well.
            if score is not None and not 0 <= score <= (np.inf if largest is None else largest):
                raise ValueError(f"Case {pair.case!r} has the score {score}, which is not in [0, {largest or '...'}].")
    return sorted(pairs, key=lambda pair: pair.case)


def is_complete(pair: Pair) -> bool:
    """Whether both arms have a score."""
    return pair.candidate is not None and pair.reference is not None


def fill_scores(pairs: Sequence[Pair], fill: Fill) -> Scores:
    """Vectors of the pairs' scores; clustered if any pair names a cluster."""
    best = fill == "best"
    kept = [pair for pair in pairs if fill != "leave out" or is_complete(pair)]
    candidate = [float(best) if pair.candidate is None else pair.candidate for pair in kept]
    reference = [float(not best) if pair.reference is None else pair.reference for pair in kept]
    return Scores(
        candidate=np.array(candidate, dtype=np.float64),
        reference=np.array(reference, dtype=np.float64),
        codes=cluster_codes(kept, like=pairs),
    )


def fill_labels(pairs: Sequence[Pair], fill: Fill) -> Labelled:
    """Codes of the pairs' labels, repeat by repeat; a label that is never right is as wrong as none."""
    kept = [pair for pair in pairs if fill != "leave out" or is_complete(pair)]
    truths = [_truth(pair) for pair in kept]
    code_of = {label: code for code, label in enumerate(sorted(set(truths)))}

    def codes(labels: Sequence[tuple[str | None, ...]], known: Sequence[bool], *, right: bool) -> NDArray[np.int64]:
        repeats = max((len(row) for row, there in zip(labels, known, strict=True) if there), default=1)
        rows = []
        for row, there, truth in zip(labels, known, truths, strict=True):
            filled: tuple[str | None, ...] = row if there else ((truth if right else None),) * repeats
            rows.append([NO_LABEL if label is None else code_of.get(label, NO_LABEL) for label in filled])
        return np.array(rows, dtype=np.int64).reshape(len(kept), repeats)

    best = fill == "best"
    return Labelled(
        truth=np.array([code_of[truth] for truth in truths], dtype=np.int64),
        candidate=codes([p.candidate_labels for p in kept], [p.candidate is not None for p in kept], right=best),
        reference=codes([p.reference_labels for p in kept], [p.reference is not None for p in kept], right=not best),
        codes=cluster_codes(kept, like=pairs),
    )


def cluster_codes(pairs: Sequence[Pair], *, like: Sequence[Pair]) -> NDArray[np.int64] | None:
    """Cluster of each pair as a number; None when no pair of `like` names a cluster. A pair without one is its own."""
    if all(pair.cluster is None for pair in like):
        return None
    numbers: dict[tuple[bool, str], int] = {}
    keys = [(False, pair.case) if pair.cluster is None else (True, pair.cluster) for pair in pairs]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def _truth(pair: Pair) -> str:
    if pair.truth is None:
        raise ValueError(f"Case {pair.case!r} has no right label.")
    return pair.truth
