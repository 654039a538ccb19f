"""Which prompts of a batch may be computed together. Knows no model."""

from collections.abc import Sequence
from typing import Literal

from gate.engine.session import Prompt

Batching = Literal["any", "same_length", "alone"]
"""Prompts that may share a batch: any, padded; only equally long ones; none."""


def rows_together(batch: Sequence[Prompt], batching: Batching) -> tuple[tuple[int, ...], ...]:
    """Split a batch into groups that may be computed together.

    Args:
        batch: Prompts of any lengths.
        batching: What is safe.

    Returns:
        Positions in the batch, each group in the order of the batch and the groups in the order of their first
        member.
    """
    if batching == "any":
        return (tuple(range(len(batch))),)
    groups: dict[int, list[int]] = {}
    for row, prompt in enumerate(batch):
        groups.setdefault(row if batching == "alone" else len(prompt.token_ids), []).append(row)
    return tuple(tuple(rows) for rows in groups.values())


def strictest(several: Sequence[Batching]) -> Batching:
    """What is safe for all of them."""
    order: tuple[Batching, ...] = ("alone", "same_length", "any")
    return next(one for one in order if one in several)
