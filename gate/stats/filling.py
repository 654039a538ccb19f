"""From pairs to vectors, with the missing ones left out or filled in by the best or the worst that could have been.

A known side always keeps its score. What labels cannot be filled in with, because no filling is the worst of all, is
bounded instead. This module must not know what is tested.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gate.domain import Pair
from gate.stats.choice import Scores
from gate.stats.corpus import Average, Labelled

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


def complete_labels(pairs: Sequence[Pair]) -> Labelled:
    """Codes of the complete pairs' labels, repeat by repeat; a label that is never right is as wrong as none."""
    kept = [pair for pair in pairs if is_complete(pair)]
    truths = [_truth(pair) for pair in kept]
    code_of = {label: code for code, label in enumerate(sorted(set(truths)))}

    def codes(rows: Sequence[tuple[str | None, ...]]) -> NDArray[np.int64]:
        found = [[NO_LABEL if label is None else code_of.get(label, NO_LABEL) for label in row] for row in rows]
        return np.array(found, dtype=np.int64).reshape(len(rows), -1)

    return Labelled(
        truth=np.array([code_of[truth] for truth in truths], dtype=np.int64),
        candidate=codes([pair.candidate_labels for pair in kept]),
        reference=codes([pair.reference_labels for pair in kept]),
        codes=cluster_codes(kept, like=pairs),
    )


def missing_labels_move(pairs: Sequence[Pair], *, average: Average) -> float:
    """How far the missing labels could move an F1, at most: the difference of two arms by twice as much.

    One answer enters the F1 of its true class c and of the class k that it names: 2 tp / (n_c + named_c) moves by
    2 / n_c at most, and by 2 / n_k. Macro-F1 averages over C classes; weighted F1 by n_c / n, which leaves 4 / n.
    """
    sizes = Counter(_truth(pair) for pair in pairs)
    missing = [_truth(pair) for pair in pairs if not is_complete(pair)]
    if average == "weighted":
        return 4 * len(missing) / len(pairs) if missing else 0.0
    smallest = min(sizes.values(), default=1)
    return sum(2 / sizes[truth] + 2 / smallest for truth in missing) / max(1, len(sizes))


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
