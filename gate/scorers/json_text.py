"""JSON out of a model's answer: as the whole of it, or somewhere in it.

Stricter than the standard library where that is lax (NaN, Infinity, repeated keys) and safe where it is not
(deep nesting, long numbers). Knows only text.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Literal

from pydantic import JsonValue

from gate.scorers.text import quoted

DEEPEST_LEVEL = 100
"""Arrays and objects nested deeper are not read, however much stack happens to be left."""
CANDIDATES = 20
"""Opening brackets from which a document is looked for in the middle of prose."""

Mode = Literal["strict", "lenient"]
"""`strict`: the whole answer is one document. `lenient`: it holds one, in a fence or in prose."""

_FENCE = re.compile(r"```[^\n`]*\n(.*?)```", re.DOTALL)
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]|"', re.DOTALL)
_CLOSES = {"]": "[", "}": "{"}


class NotJson(ValueError):
    """The text is no JSON document; the message says why, in a few words."""


def read_document(text: str, *, mode: Mode) -> JsonValue:
    """Read the JSON document that an answer is or holds.

    Raises:
        NotJson: There is none.
    """
    try:
        return _document(text.strip())
    except NotJson:
        if mode == "strict":
            raise
    fenced = _FENCE.findall(text)
    for candidate in fenced if len(fenced) == 1 else _balanced_pieces(text):
        try:
            return _document(candidate.strip())
        except NotJson:
            continue
    raise NotJson("there is no JSON document in the answer")


def _document(text: str) -> JsonValue:
    level = 0
    for token in _STRUCTURE.finditer(text):
        level += (token[0] in "[{") - (token[0] in "]}")
        if level > DEEPEST_LEVEL:
            raise NotJson(f"nested more than {DEEPEST_LEVEL} levels deep")
    try:
        document: JsonValue = _DECODER.decode(text)
    except json.JSONDecodeError as broken:
        raise NotJson(f"not JSON: {broken.msg} (line {broken.lineno}, column {broken.colno})") from None
    return document


def _balanced_pieces(text: str) -> Iterator[str]:
    """Yield the first objects and arrays whose brackets close, skipping what lies inside one already seen."""
    start = 0
    for _ in range(CANDIDATES):
        opening = re.compile(r"[\[{]").search(text, start)
        if opening is None:
            return
        end = _closing(text, opening.start())
        if end is not None:
            yield text[opening.start() : end]
        start = opening.end() if end is None else end


def _closing(text: str, start: int) -> int | None:
    """Return where the bracket at `start` has been closed; None if it never is, or not as it should be."""
    open_brackets: list[str] = []
    for token in _STRUCTURE.finditer(text, start):
        match token[0]:
            case "[" | "{" as bracket:
                open_brackets.append(bracket)
                if len(open_brackets) > DEEPEST_LEVEL:
                    return None
            case "]" | "}" as bracket:
                if open_brackets.pop() != _CLOSES[bracket]:
                    return None
                if not open_brackets:
                    return token.end()
            case '"':
                return None
    return None


def _without_duplicates(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        raise NotJson(f"the key {quoted(next(name for name in names if names.count(name) > 1))} occurs twice")
    return members


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise NotJson(f"the number {quoted(digits)} is out of range")
    return number


def _whole(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:  # Python refuses thousands of digits, whose conversion takes quadratic time
        raise NotJson(f"the number {quoted(digits)} is out of range") from None


def _no_constant(name: str) -> float:
    raise NotJson(f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_without_duplicates, parse_float=_finite, parse_int=_whole, parse_constant=_no_constant
)
