"""One error rate for a whole run: Holm's adjustment over the declared rules.

This module knows p-values and nothing about what was tested.

References:
    Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of
    Statistics 6, 65-70.
"""

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> tuple[float, ...]:
    """Adjust p-values so that the chance of any false rejection among them stays at the level.

    Args:
        p_values: One per declared rule; None for a rule that could not be tested, which counts as p = 1 and still
            counts as declared.

    Returns:
        Adjusted p-values in the given order, each to be compared with the unadjusted level.

    Raises:
        ValueError: If a p-value is not in [0, 1].
    """
    known = [1.0 if p is None else p for p in p_values]
    for p in known:
        if not 0 <= p <= 1:
            raise ValueError(f"A p-value must be in [0, 1], not {p}.")
    adjusted = [1.0] * len(known)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(known)), key=known.__getitem__)):
        highest = max(highest, min(1.0, (len(known) - rank) * known[index]))
        adjusted[index] = highest
    return tuple(adjusted)
