"""Text as scorers compare and quote it. Pure functions of strings; knows no case and no scorer."""

import unicodedata

QUOTE_CHARS = 60
"""Longest piece of an answer that a reason quotes."""

_OPENING = "<think>"
_CLOSING = "</think>"


def composed(text: str) -> str:
    """Bring canonically equal texts to one form (NFC), outer white space stripped."""
    return unicodedata.normalize("NFC", text).strip()


def quoted(text: str, *, limit_chars: int = QUOTE_CHARS) -> str:
    """Quote a text of any origin on one line: white space collapsed, unprintable characters replaced, cut to length."""
    line = " ".join(text[: 4 * limit_chars].split())
    line = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)
    if len(line) > limit_chars or len(text) > 4 * limit_chars:
        line = line[: limit_chars - 1] + "…"
    return f"'{line}'"


def quoted_list(texts: tuple[str, ...], *, shown: int = 3) -> str:
    """Quote the first few texts, and say how many more there are."""
    line = ", ".join(quoted(text) for text in texts[:shown])
    return line if len(texts) <= shown else f"{line} and {len(texts) - shown} more"


def strip_thinking(text: str, *, begun: bool = False) -> str:
    """Remove the thinking block with which a reasoning model begins.

    A text that holds only the closing tag is one whose opening tag the chat template had already written
    into the prompt, so everything up to the tag goes. A block that never ends is a model that never came to
    answer: nothing is left.

    Args:
        text: An answer as generated.
        begun: It is known to start inside the block, so that without a closing tag all of it is thinking.

    Returns:
        The answer proper; the text unchanged if there is no thinking in it.
    """
    body = text.lstrip()
    if begun or body.startswith(_OPENING):
        _, closing, answer = body.partition(_CLOSING)
        return answer.lstrip() if closing else ""
    thought, closing, answer = text.partition(_CLOSING)
    if closing and _OPENING not in thought:
        return answer.lstrip()
    return text
