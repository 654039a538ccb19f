"""Keys and values of rows that go forward in lockstep: in one block of memory, so that a step copies nothing.

transformers' own growing cache copies all it holds at every token. This one has room ahead; a row that is finished
gives its place to the last one, and a row can be taken out and put into another cache.
"""

from collections.abc import Sequence
from typing import TypeAlias

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

RowMemory: TypeAlias = list[tuple[torch.Tensor, torch.Tensor]]
"""One row's keys and values in each layer, each of shape (heads, tokens, size)."""

ROOM_TOKENS = 64
"""Columns that are taken ahead of need."""


class _Layer(CacheLayerMixin):  # type: ignore[misc]  # transformers publishes no types
    """Buffers of shape (places, heads, columns, size), of which `rows` places and columns `start` to `end` are used.

    What is unused is finite: attention gives it a weight of zero, and zero times NaN would be NaN.
    """

    is_sliding = False

    def __init__(self) -> None:
        super().__init__()
        self.rows = self.start = self.end = 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        self.dtype, self.device, self.is_initialized = key_states.dtype, key_states.device, True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append columns to all rows; return all that the rows hold."""
        rows, width = key_states.shape[0], key_states.shape[-2]
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.rows = rows
        self.reserve(rows, width, keys=key_states, values=value_states)
        self.keys[:rows, :, self.end : self.end + width] = key_states
        self.values[:rows, :, self.end : self.end + width] = value_states
        self.end += width
        return self.keys[:rows, :, self.start : self.end], self.values[:rows, :, self.start : self.end]

    def reserve(self, rows: int, columns: int, *, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Have room for so many rows and further columns.

        Args:
            rows: Places that are needed in all.
            columns: Columns behind the last one.
            keys: Something with the heads and the size of keys in its dimensions -3 and -1.
            values: The same of values.
        """
        if self.keys is not None and rows <= self.keys.shape[0] and self.end + columns <= self.keys.shape[2]:
            return
        held = self.end - self.start
        places = rows if self.keys is None else max(rows, self.keys.shape[0])
        for name, like in (("keys", keys), ("values", values)):
            old = getattr(self, name)
            new = like.new_zeros((places, like.shape[-3], held + columns + ROOM_TOKENS, like.shape[-1]))
            if old is not None and held:
                new[: self.rows, :, :held] = old[: self.rows, :, self.start : self.end]
            setattr(self, name, new)
        self.start, self.end = 0, held

    def widen(self, columns: int) -> None:
        """Put columns in front of what is held."""
        if self.start >= columns:
            self.start -= columns
            return
        held = self.end - self.start
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = old.new_zeros((old.shape[0], old.shape[1], columns + held + ROOM_TOKENS, old.shape[3]))
            new[: self.rows, :, columns : columns + held] = old[: self.rows, :, self.start : self.end]
            setattr(self, name, new)
        self.start, self.end = 0, columns + held

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.end - self.start + query_length, 0

    def get_seq_length(self) -> int:
        return self.end - self.start

    def get_max_length(self) -> int:
        return -1


class LaneCache(Cache):  # type: ignore[misc]
    """The keys and values of all layers. Every row holds the same number of columns, the last ones its own."""

    def __init__(self) -> None:
        super().__init__(layer_class_to_replicate=_Layer)

    @property
    def columns(self) -> int:
        """Columns that every row holds."""
        return self.layers[0].get_seq_length() if self.layers else 0

    def take(self, place: int, *, skip: int, keep: int) -> RowMemory:
        """Copy what one row holds.

        Args:
            place: The row.
            skip: Columns in front that are not its own.
            keep: Columns behind those that are copied.
        """
        return [
            (
                layer.keys[place, :, layer.start + skip : layer.start + skip + keep].clone(),
                layer.values[place, :, layer.start + skip : layer.start + skip + keep].clone(),
            )
            for layer in self.layers
        ]

    def drop(self, place: int) -> None:
        """Remove a row; the last one takes its place."""
        for layer in self.layers:
            last = layer.rows - 1
            if place != last:
                layer.keys[place] = layer.keys[last]
                layer.values[place] = layer.values[last]
            layer.rows = last

    def put(self, memories: Sequence[RowMemory], *, places: int) -> int:
        """Append rows, each with its last token in the last column.

        Args:
            memories: What the rows hold.
            places: Rows that there will be in all, for whom memory is taken at once.

        Returns:
            Columns that were put in front of the rows that were there.
        """
        longest = max(memory[0][0].shape[1] for memory in memories)
        added = max(0, longest - self.columns)
        while len(self.layers) < len(memories[0]):
            self.layers.append(self.layer_class_to_replicate())
        for number, layer in enumerate(self.layers):
            keys, values = memories[0][number]
            if not layer.is_initialized:
                layer.lazy_initialization(keys, values)
            layer.reserve(max(places, layer.rows + len(memories)), ROOM_TOKENS, keys=keys, values=values)
            if added:
                layer.widen(added)
            for memory in memories:
                keys, values = memory[number]
                layer.keys[layer.rows, :, layer.end - keys.shape[1] : layer.end] = keys
                layer.values[layer.rows, :, layer.end - values.shape[1] : layer.end] = values
                layer.rows += 1
        return added

    def trim(self, columns: int) -> None:
        """Give up columns in front that belong to no row any more."""
        for layer in self.layers:
            layer.start += columns
