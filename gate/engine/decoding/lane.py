"""Rows that go forward in lockstep through one model. Knows tokens and memory, and not where tokens come from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from gate.engine.decoding.drafts import Follower
from gate.engine.decoding.memory import LaneCache, RowMemory
from gate.engine.session import Prompt


@dataclass(slots=True, kw_only=True)
class Row:
    """An answer in the making."""

    prompt: Prompt
    answer: list[int] = field(default_factory=list)
    """Tokens chosen so far; the last one has not been read by the model yet."""
    follower: Follower | None = None
    compared: int = 0
    """Tokens of the draft that the model was asked about, all of them from its beginning."""
    agreed: int = 0
    log_loss: float = 0.0
    """Sum of -ln p over the compared tokens, in nats."""

    left_at: int | None = None
    """Tokens of the answer before it left its draft for the first time; None: it never did."""
    is_given_up: bool = False
    """Its draft is not guessed again."""

    @property
    def again(self) -> bool:
        """Whether it has left its draft before."""
        return self.follower is not None and self.follower.has_left


class Lane:
    """A batch whose rows come and go."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._cache = LaneCache()
        self._pads: list[int] = []
        self.rows: list[Row] = []

    @property
    def columns(self) -> int:
        """Columns of memory that each row takes."""
        return self._cache.columns

    def begin(self, rows: Sequence[Row], guesses: Sequence[Sequence[int]]) -> torch.Tensor:
        """Read the prompts of the first rows, and guesses of what follows them.

        Returns:
            Logits behind each prompt and behind each guess, shape (rows, longest guess + 1, vocabulary).
        """
        longest = max(len(row.prompt.token_ids) for row in rows)
        width = max(len(guess) for guess in guesses)
        self.rows = list(rows)
        self._pads = [longest - len(row.prompt.token_ids) for row in rows]
        block = [
            [0] * pad + list(row.prompt.token_ids) + list(guess) + [0] * (width - len(guess))
            for pad, row, guess in zip(self._pads, rows, guesses, strict=True)
        ]
        return self._read(block, keep=width + 1)

    def go_on(self, guesses: Sequence[Sequence[int]]) -> torch.Tensor:
        """Read each row's last token, and guesses of what follows it.

        Returns:
            Logits behind the token and behind each guess, shape (rows, longest guess + 1, vocabulary).
        """
        width = max(len(guess) for guess in guesses)
        block = [
            [row.answer[-1], *guess, *[0] * (width - len(guess))] for row, guess in zip(self.rows, guesses, strict=True)
        ]
        return self._read(block, keep=width + 1)

    def _read(self, block: list[list[int]], *, keep: int) -> torch.Tensor:
        # A row's memory may only be wrong behind what was accepted; such a row has to leave before the next step.
        device = self._model.device
        ids = torch.tensor(block, device=device)
        pads = torch.tensor(self._pads, device=device).unsqueeze(1)
        before = self.columns
        column = torch.arange(before + ids.shape[1], device=device).unsqueeze(0)
        logits: torch.Tensor = self._model(
            input_ids=ids,
            attention_mask=(column >= pads).long(),
            position_ids=(column[:, before:] - pads).clamp(min=0),
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=keep,
        ).logits
        return logits

    def place(self, row: Row) -> int:
        """Where a row is; others that leave move it."""
        return next(place for place, one in enumerate(self.rows) if one is row)

    def leave(self, place: int, *, surplus: int) -> tuple[Row, RowMemory]:
        """Take a row out with its memory.

        Args:
            place: Which.
            surplus: Columns at its end that hold guesses which were not accepted.
        """
        pad = self._pads[place]
        memory = self._cache.take(place, skip=pad, keep=self.columns - pad - surplus)
        return self.drop(place), memory

    def drop(self, place: int) -> Row:
        """Take a finished row out."""
        self._cache.drop(place)
        row, self.rows[place], self._pads[place] = self.rows[place], self.rows[-1], self._pads[-1]
        self.rows.pop()
        self._pads.pop()
        if not self.rows:
            self._cache = LaneCache()
        return row

    def join(self, rows: Sequence[tuple[Row, RowMemory]], *, places: int) -> None:
        """Put rows in.

        Args:
            rows: Rows with their memory.
            places: Rows that there will be in all.
        """
        if self.rows and (unused := min(self._pads)):
            self._cache.trim(unused)
            self._pads = [pad - unused for pad in self._pads]
        added = self._cache.put([memory for _, memory in rows], places=places)
        self._pads = [pad + added for pad in self._pads]
        self._pads += [self.columns - memory[0][0].shape[1] for _, memory in rows]
        self.rows += [row for row, _ in rows]
