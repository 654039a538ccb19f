"""What an answer will probably be, judged by what another arm answered; and whether guessing pays.

Knows tokens, and neither models nor tensors. All decisions are made from counts of tokens, never from a clock: the
same questions are computed in the same way every time.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

_CONTEXT = 4
"""After so many tokens in a row that stand in the draft too, an answer that had left it is taken to follow it again."""
_CREDIT_TOKENS = 64
"""Guesses that a suite may get wrong before anything is held against it."""
_PROBED_EVERY = 8
"""Where guessing does not pay, every so-manieth answer is guessed all the same: the next ones may be different."""


class Follower:
    """Follows an answer as it grows, and knows where in the draft it is."""

    def __init__(self, draft: Sequence[int]) -> None:
        self._draft = tuple(draft)
        self._next: int | None = 0
        self._left = False
        self._places: dict[tuple[int, ...], int] | None = None

    @property
    def rest(self) -> tuple[int, ...]:
        """What would come next; empty where the answer has left the draft, or the draft is at its end."""
        return () if self._next is None else self._draft[self._next :]

    @property
    def has_left(self) -> bool:
        """Whether the answer left the draft at any time."""
        return self._left

    def follow(self, answer: Sequence[int]) -> None:
        """Take note of the last token of an answer."""
        if self._next is not None:
            if self._next < len(self._draft) and self._draft[self._next] == answer[-1]:
                self._next += 1
                return
            self._next, self._left = None, True
        if len(answer) >= _CONTEXT:
            self._next = self._index().get(tuple(answer[-_CONTEXT:]))

    def _index(self) -> dict[tuple[int, ...], int]:
        """Every run of tokens in the draft -> the place behind it; of several the last, which wastes least."""
        if self._places is None:
            draft = self._draft
            self._places = {draft[end - _CONTEXT : end]: end for end in range(_CONTEXT, len(draft))}
        return self._places


@dataclass(slots=True)
class _Account:
    guessed: int = 0
    accepted: int = 0
    asked: int = 0


class DraftWatch:
    """Keeps account of each suite's guesses, and says whether to go on guessing.

    A guess that is accepted saves one step of decoding; a guess costs `price` of such a step, accepted or not. A suite
    is guessed as long as it has saved more than it has cost, with some credit at the beginning.
    """

    def __init__(self, price: float) -> None:
        """Open the accounts.

        Args:
            price: Cost of checking one guessed token, in decoding steps of one token, between 0 and 1.
        """
        self._price = price
        self._accounts: defaultdict[tuple[str, bool], _Account] = defaultdict(_Account)

    def pays(self, suite: str, *, again: bool) -> bool:
        """Whether an answer of this suite should be guessed.

        Args:
            suite: Whose answer.
            again: The answer has left its draft before and follows it again.
        """
        account = self._accounts[suite, again]
        account.asked += 1
        spent = self._price * account.guessed
        return spent <= account.accepted + _CREDIT_TOKENS * self._price or account.asked % _PROBED_EVERY == 0

    def saw(self, suite: str, *, again: bool, guessed: int, accepted: int) -> None:
        """Enter what became of some guessed tokens."""
        account = self._accounts[suite, again]
        account.guessed += guessed
        account.accepted += accepted

    @property
    def totals(self) -> tuple[int, int]:
        """Tokens guessed and accepted so far."""
        accounts = self._accounts.values()
        return sum(one.guessed for one in accounts), sum(one.accepted for one in accounts)
