"""Greedy decoding of many prompts: which rows are read when, and which guesses are worth checking.

Prompts are opened in small groups, each with the beginning of its draft; as long as a draft holds, it is read on in
blocks of twice the length. An answer that leaves its draft goes over to the lane, where all rows take one token at a
time, and where new ones take the places of those that end. One that follows its draft again is guessed again.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from gate.engine.decoding.drafts import DraftWatch, Follower
from gate.engine.decoding.lane import Lane, Row
from gate.engine.decoding.memory import ROOM_TOKENS, RowMemory
from gate.engine.session import Prompt

_FEWEST_GUESSED = 8
"""A draft of which less is left is not worth taking a row out of the lane."""
_FULL_ENOUGH = 0.75
"""Share of the lane's places below which new prompts are opened."""

Loose = list[tuple[Row, RowMemory]]
"""Rows between two lanes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much is read at a time."""

    cache_tokens: int
    """Tokens whose keys and values may be in memory."""
    forward_tokens: int
    """Tokens that one pass reads where there are many to read: enough to keep the device busy, few enough to stay in
    its caches."""
    first_guess: int
    """Tokens of a draft that are guessed first; then twice as many each time."""
    again_share: float
    """Share of the lane's rows that must follow their drafts again before they are guessed again."""


class GreedyDecoder:
    """One model in one state, and the account of the drafts it was given."""

    def __init__(self, model: Any, *, stop_ids: Sequence[int], pace: Pace, watch: DraftWatch) -> None:
        self._model, self._stop_ids, self._pace, self._watch = model, frozenset(stop_ids), pace, watch

    def answers(
        self, prompts: Sequence[Prompt], drafts: Mapping[tuple[str, str], Sequence[int]]
    ) -> Iterator[list[Row]]:
        """Answer prompts.

        Args:
            prompts: What to answer.
            drafts: Suite and case -> tokens that the answer may be, end-of-turn included.

        Yields:
            Rows whose answers are finished, as they come; the last token is the one that ended the answer, if any did.
        """
        fresh = deque(sorted(prompts, key=lambda one: (-_total(one), one.suite, one.case)))
        lane = Lane(self._model)
        while fresh or lane.rows:
            places = self._places([row.prompt for row in lane.rows], fresh)
            while fresh and len(lane.rows) < places:
                finished, loose = self._open(self._group(fresh, places - len(lane.rows)), drafts)
                if loose:  # at once, so that no row's memory is held twice for long
                    lane.join(loose, places=min(places, len(lane.rows) + len(loose) + len(fresh)))
                if finished:
                    yield finished
            while lane.rows and not (fresh and len(lane.rows) < _FULL_ENOUGH * places):
                if finished := self._step(lane) + self._guess_again(lane):
                    yield finished

    def _places(self, active: Sequence[Prompt], fresh: Sequence[Prompt]) -> int:
        """Rows that fit into memory, for the longest prompt among those that are or come next."""
        longest = max(map(_total, [*active, *([fresh[0]] if fresh else [])]), default=1)
        return max(1, self._pace.cache_tokens // (longest + ROOM_TOKENS))

    def _group(self, fresh: deque[Prompt], most: int) -> list[Prompt]:
        row_tokens = len(fresh[0].token_ids) + self._pace.first_guess
        count = max(1, min(most, self._pace.forward_tokens // row_tokens, len(fresh)))
        return [fresh.popleft() for _ in range(count)]

    def _open(
        self, prompts: Sequence[Prompt], drafts: Mapping[tuple[str, str], Sequence[int]]
    ) -> tuple[list[Row], Loose]:
        """Read prompts, those with a draft worth guessing apart from the others."""
        guessed: list[Row] = []
        plain: list[Row] = []
        for prompt in prompts:
            draft = drafts.get((prompt.suite, prompt.case))
            if draft and self._watch.pays(prompt.suite, again=False):
                guessed.append(Row(prompt=prompt, follower=Follower(draft)))
            else:
                plain.append(Row(prompt=prompt))
        finished: list[Row] = []
        loose = Loose()
        for rows, width in ((guessed, self._pace.first_guess), (plain, 0)):
            if rows:
                lane = Lane(self._model)
                guesses = [_guess(row, width) for row in rows]
                self._check(lane, lane.begin(rows, guesses), guesses, out=(finished, loose))
                self._read_on(lane, width, (finished, loose))
        return finished, loose

    def _read_on(self, lane: Lane, width: int, out: tuple[list[Row], Loose]) -> None:
        """Check longer and longer guesses until every row has ended or left its draft."""
        while lane.rows:
            width = max(1, min(2 * width, self._pace.forward_tokens // len(lane.rows) - 1))
            guesses = [_guess(row, width) for row in lane.rows]
            self._check(lane, lane.go_on(guesses), guesses, out=out)

    def _check(
        self, lane: Lane, logits: torch.Tensor, guesses: Sequence[Sequence[int]], *, out: tuple[list[Row], Loose]
    ) -> None:
        """Take over what the model chose; rows that have ended or left their drafts leave the lane."""
        finished, loose = out
        width = logits.shape[1] - 1
        chosen: list[list[int]] = logits.argmax(dim=-1).tolist()
        if width:
            self._compare(lane.rows, logits, guesses, chosen=chosen)
        for place in reversed(range(len(lane.rows))):  # the last row takes the place of one that leaves
            row, guess, own = lane.rows[place], guesses[place], chosen[place]
            again = row.again
            right = next((i for i, token in enumerate(guess) if token != own[i]), len(guess))
            if guess:
                self._watch.saw(row.prompt.suite, again=again, guessed=len(guess), accepted=right)
            if self._append(row, own[: right + 1]):
                finished.append(lane.drop(place))
            elif right < width or not width or row.follower is None or not row.follower.rest:
                loose.append(lane.leave(place, surplus=width - right))

    def _compare(
        self,
        rows: Sequence[Row],
        logits: torch.Tensor,
        guesses: Sequence[Sequence[int]],
        *,
        chosen: Sequence[Sequence[int]],
    ) -> None:
        """Measure how the model sees the tokens of the drafts, each after the draft's own beginning."""
        width = logits.shape[1]
        expected = [
            list(row.follower.rest[: len(guess) + 1]) if row.follower is not None and not row.again else []
            for row, guess in zip(rows, guesses, strict=True)
        ]
        padded = torch.tensor([[*tokens, *[0] * (width - len(tokens))] for tokens in expected], device=logits.device)
        scores = logits.float()
        losses = scores.logsumexp(dim=-1) - scores.gather(-1, padded.unsqueeze(-1)).squeeze(-1)
        for row, tokens, own, loss in zip(rows, expected, chosen, losses.tolist(), strict=True):
            row.compared += len(tokens)
            row.agreed += sum(token == choice for token, choice in zip(tokens, own, strict=False))
            row.log_loss += sum(loss[: len(tokens)])

    def _step(self, lane: Lane) -> list[Row]:
        """Let every row take one token."""
        chosen = lane.go_on([()] * len(lane.rows))[:, -1].argmax(dim=-1).tolist()
        return [
            lane.drop(place)
            for place in reversed(range(len(lane.rows)))
            if self._append(lane.rows[place], chosen[place : place + 1])
        ]

    def _append(self, row: Row, tokens: Sequence[int]) -> bool:
        """Put tokens behind an answer; say whether it has ended."""
        for token in tokens:
            row.answer.append(token)
            if row.follower is not None:
                row.follower.follow(row.answer)
                if row.left_at is None and row.again:
                    row.left_at = len(row.answer) - 1
            if token in self._stop_ids or len(row.answer) == row.prompt.max_new_tokens:
                return True
        return False

    def _guess_again(self, lane: Lane) -> list[Row]:
        """Guess the rest of those answers that follow their drafts again, once they are many."""
        places = [
            place
            for place, row in enumerate(lane.rows)
            if row.follower is not None and not row.is_given_up and len(row.follower.rest) >= _FEWEST_GUESSED
        ]
        if not places or len(places) < self._pace.again_share * len(lane.rows):
            return []
        again: list[Row] = []
        for place in places:
            row = lane.rows[place]
            row.is_given_up = not self._watch.pays(row.prompt.suite, again=True)
            if not row.is_given_up:
                again.append(row)
        finished: list[Row] = []
        group = max(1, self._pace.forward_tokens // self._pace.first_guess)
        for begin in range(0, len(again), group):  # group by group, so that little memory is held twice
            self._read_apart(lane, again[begin : begin + group], finished)
        return finished

    def _read_apart(self, lane: Lane, rows: Sequence[Row], finished: list[Row]) -> None:
        """Take rows out of the lane, read on in their drafts, and put those back that have not ended."""
        apart, loose = Lane(self._model), Loose()
        apart.join([lane.leave(lane.place(row), surplus=0) for row in rows], places=len(rows))
        self._read_on(apart, max(1, self._pace.first_guess // 2), (finished, loose))
        if loose:
            lane.join(loose, places=len(lane.rows) + len(loose))


def _guess(row: Row, width: int) -> Sequence[int]:
    """The next tokens of a row's draft, no more than may still be answered."""
    if row.follower is None:
        return ()
    return row.follower.rest[: min(width, row.prompt.max_new_tokens - len(row.answer))]


def _total(prompt: Prompt) -> int:
    return len(prompt.token_ids) + prompt.max_new_tokens
