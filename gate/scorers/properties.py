"""Properties of an answer for which nobody has to know the right one: how long, what shape, whether it refuses.

Knows one answer and nothing of cases, arms or what a property's change would mean.
"""

import json
import re
from typing import Literal, get_args

from gate.domain import Response
from gate.scorers.refusal import reaction

Property = Literal["length", "refusal", "format", "repetition", "truncation"]
PROPERTIES: tuple[Property, ...] = get_args(Property)
Format = Literal["json", "code", "table", "list", "prose", "empty"]

_FENCE = re.compile(r"^\s{0,3}(?:```|~~~)", re.MULTILINE)
_TABLE_RULE = re.compile(r"^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)+\|?\s*$", re.MULTILINE)
_ITEM = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)])\s+\S")
_LIST_SHARE = 0.5
"""From this share of lines that are items on, an answer is a list."""

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese."""
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")
_LOOP_WORDS = 4
_LOOP_SHARE = 0.5
_SHORTEST_LOOP_WORDS = 20


def share_of(measure: Literal["refusal", "repetition", "truncation"], response: Response, text: str) -> float:
    """Whether an answer has a property, as 1 or 0.

    Args:
        measure: The property.
        response: The answer as recorded.
        text: Its text, without a thinking block.
    """
    match measure:
        case "refusal":
            return float(reaction(text) == "refuses")
        case "repetition":
            return float(runs_in_circles(text))
        case "truncation":
            return float(response.finish == "length")


def answer_format(text: str) -> Format:
    """Tell the shape of an answer by its most striking part: JSON, fenced code, a table, a list, or prose."""
    stripped = text.strip()
    if not stripped:
        return "empty"
    if stripped[0] in "{[" and _is_json(stripped):
        return "json"
    if _FENCE.search(stripped):
        return "code"
    if _TABLE_RULE.search(stripped):
        return "table"
    lines = [line for line in stripped.splitlines() if line.strip()]
    items = sum(_ITEM.match(line) is not None for line in lines)
    return "list" if items >= 2 and items >= _LIST_SHARE * len(lines) else "prose"


def runs_in_circles(text: str) -> bool:
    """Whether at least half of a text's runs of four words have occurred in it before; short texts never do.

    Where a script has no spaces, each character is a word. Marks alone, such as the bars of a table, are none.
    """
    words = _WORD.findall(text.casefold())
    if len(words) < _SHORTEST_LOOP_WORDS:
        return False
    runs = [tuple(words[start : start + _LOOP_WORDS]) for start in range(len(words) - _LOOP_WORDS + 1)]
    return 1 - len(set(runs)) / len(runs) >= _LOOP_SHARE


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
