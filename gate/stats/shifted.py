"""How far a property of the answers moved: which vectors, which procedure, and what was seen.

Knows the names of the properties and pairs that hold them; what they mean is for others.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gate.domain import Pair
from gate.stats.distribution import SHORTEST
from gate.stats.filling import cluster_codes, is_complete
from gate.stats.marginals import category_shift
from gate.stats.procedures import Procedure
from gate.stats.shift import ratio_shift, share_shift

LENGTH = "length"
"""The property that is no share of the inputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shifted:
    """A property, seen and ready to be tested."""

    n: int
    estimate: float
    """The arm under test: a mean in the property's unit, or the share of the kind that moved most."""
    against_estimate: float
    shift: float
    """Signed; relative for lengths, else in points."""
    procedure: Procedure


def shifted(metric: str, pairs: Sequence[Pair], *, seed: int) -> Shifted | None:
    """Look at one property.

    Args:
        metric: `format` for labels, `length` for positive lengths, anything else for shares in [0, 1].
        pairs: The property of both arms' answers.
        seed: Seed of random draws.

    Returns:
        What was seen and the procedure; None if no input has the property on both arms.
    """
    if metric == "format":
        return _kinds(pairs, seed=seed)
    kept = [pair for pair in pairs if is_complete(pair)]
    if not kept:
        return None
    ours, theirs = (
        np.array([value for value in values if value is not None], dtype=np.float64)
        for values in ([pair.candidate for pair in kept], [pair.reference for pair in kept])
    )
    codes = cluster_codes(kept, like=pairs)
    if metric == LENGTH:
        procedure: Procedure = ratio_shift(ours, theirs, codes)
        logs = np.log(np.maximum(ours, SHORTEST)) - np.log(np.maximum(theirs, SHORTEST))
        change = float(np.expm1(logs.mean()))
    else:
        procedure = share_shift(ours, theirs, codes, seed=seed)
        change = float(ours.mean() - theirs.mean())
    return Shifted(
        n=len(kept),
        estimate=float(ours.mean()),
        against_estimate=float(theirs.mean()),
        shift=change,
        procedure=procedure,
    )


def _kinds(pairs: Sequence[Pair], *, seed: int) -> Shifted | None:
    kept = [pair for pair in pairs if pair.candidate_labels and pair.reference_labels]
    if not kept:
        return None
    ours = [str(pair.candidate_labels[0]) for pair in kept]
    theirs = [str(pair.reference_labels[0]) for pair in kept]
    counts, others, n = Counter(ours), Counter(theirs), len(kept)
    moved = max(sorted({*counts, *others}), key=lambda kind: abs(counts[kind] - others[kind]))
    return Shifted(
        n=n,
        estimate=counts[moved] / n,
        against_estimate=others[moved] / n,
        shift=(counts[moved] - others[moved]) / n,
        procedure=category_shift(ours, theirs, cluster_codes(kept, like=pairs), seed=seed),
    )
