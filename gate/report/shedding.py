"""Shortens a page until it is as short as it must be: the least needed goes first, and the page says what is missing.

Of several rounds on one page the longest is shortened first, so that one with much to tell does not silence the others.
This module knows sizes and the steps of shortening; it knows no round and no layout.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gate.report import choice

_LEAST_ROWS = 20
_SUMMARY_TEXT_CHARACTERS = 2_000
_GAP = 2
"""Line feeds after a block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much a round may show; one step of shortening."""

    left_out: str | None
    """What a reader misses at this step, as the end of a sentence."""
    text_characters: int = 400
    """Of each prompt, reference and answer; 0: no texts."""
    cases: int = choice.SHOWN_CASES
    messages: bool = True
    rules: bool = True
    background: bool = True
    rows: int | None = None
    """Of each list that cannot be left out; None: all."""
    verdict_only: bool = False
    """Nothing but the headline."""


STEPS = (
    Room(left_out=None),
    Room(left_out="the texts of the cases are shortened", text_characters=100),
    Room(left_out="the texts of the cases are left out", text_characters=0),
    Room(left_out="the cases are left out", cases=0),
    Room(left_out="the cases and the rules' messages are left out", cases=0, messages=False),
    Room(left_out="the cases and the rules are left out", cases=0, rules=False),
    Room(left_out="the cases, the rules and the methods are left out", cases=0, rules=False, background=False),
    Room(
        left_out=f"all but the first {_LEAST_ROWS} suites, findings and warnings are left out, and all details",
        cases=0,
        rules=False,
        background=False,
        rows=_LEAST_ROWS,
    ),
    Room(left_out="everything but the verdict is left out", verdict_only=True),
)
"""From everything that a comment shows to the least."""
GENEROUS_STEPS = (
    replace(STEPS[0], cases=10**6, text_characters=_SUMMARY_TEXT_CHARACTERS),
    replace(STEPS[0], left_out=f"all but {choice.SHOWN_CASES} cases are left out, and long texts are cut"),
    *STEPS[1:],
)
"""The same for a page with more room, which begins with every case of the round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How long a text is, in both ways in which GitHub measures."""

    characters: int
    """UTF-16 units."""
    utf8_bytes: int

    def __add__(self, other: "Size") -> "Size":
        return Size(characters=self.characters + other.characters, utf8_bytes=self.utf8_bytes + other.utf8_bytes)

    def __le__(self, limit: "Size") -> bool:
        return self.characters <= limit.characters and self.utf8_bytes <= limit.utf8_bytes


def size(blocks: Sequence[str]) -> Size:
    """Measure blocks as they will stand on a page, with the gaps behind them."""
    gaps = _GAP * len(blocks)
    return Size(
        characters=gaps + sum(len(block.encode("utf-16-le")) // 2 for block in blocks),
        utf8_bytes=gaps + sum(len(block.encode("utf-8")) for block in blocks),
    )


def shed(
    parts: Sequence[Callable[[Room], str]], *, frame: Sequence[str], steps: Sequence[Room], limit: Size
) -> list[str] | None:
    """Render every part in as much room as there is.

    Args:
        parts: Each renders one round.
        frame: The blocks around them, which stay.
        steps: The rooms to try, the largest first.
        limit: What frame and parts may take up together.

    Returns:
        The rendered parts in order; None if they do not fit even in the least room.
    """
    around = size(frame)
    if not sum((size([part(steps[-1])]) for part in parts), start=around) <= limit:
        return None
    levels = [0] * len(parts)
    texts = [part(steps[0]) for part in parts]
    sizes = [size([text]) for text in texts]
    while not sum(sizes, start=around) <= limit:
        # One can always be cut: with every part in the least room, all fit.
        open_to_cuts = (index for index, level in enumerate(levels) if level + 1 < len(steps))
        longest = max(open_to_cuts, key=lambda index: sizes[index].characters)
        levels[longest] += 1
        texts[longest] = parts[longest](steps[levels[longest]])
        sizes[longest] = size([texts[longest]])
    return texts
