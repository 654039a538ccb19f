"""Which rows of a batch may be computed together where padding is not safe. Knows no model."""

from collections.abc import Sequence

from gate.engine.session import Prompt


def same_length_rows(batch: Sequence[Prompt]) -> tuple[tuple[int, ...], ...]:
    """Split a batch into groups that need no padding.

    Args:
        batch: Prompts of any lengths.

    Returns:
        Positions in the batch, those of equally long prompts together, each group in the order of the batch and the
        groups in the order of their first member.
    """
    groups: dict[int, list[int]] = {}
    for row, prompt in enumerate(batch):
        groups.setdefault(len(prompt.token_ids), []).append(row)
    return tuple(tuple(rows) for rows in groups.values())
