"""Markdown building blocks: tables, folded sections, links, and texts clipped and made inert for where they stand.

This module knows Markdown; it knows no round.
"""

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from gate.report import escape

_NAME_CHARACTERS = 80
_SENTENCE_CHARACTERS = 1_000
_URL_CHARACTERS = 2_000
_SAFE_IN_URLS = ":/?#@&=+,;%~"


def alert(kind: str, sentence: str) -> str:
    """Write a sentence, already escaped, as one of GitHub's alert blocks: `TIP`, `CAUTION`, `WARNING` and so on."""
    return f"> [!{kind}]\n> **{sentence}**"


def details(title: str, body: str) -> str:
    """Fold a section away. The title is HTML; the blank lines let Markdown be read inside."""
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, aligns: str) -> str:
    """Write a table of texts without padding: beside one long cell, padding would cost most of a comment's length.

    Args:
        header: Escaped headings.
        rows: Escaped cells.
        aligns: `l` or `r` for each column.
    """
    rule = ["--:" if align == "r" else "---" for align in aligns]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))


def steps(pieces: Sequence[str]) -> Iterable[str]:
    """Write what to do next, already escaped: one piece on one line, several as a numbered list, none not at all."""
    if len(pieces) == 1:
        yield f"**Next:** {pieces[0]}"
    elif pieces:
        yield "**Next:**\n\n" + "\n".join(f"{number}. {piece}" for number, piece in enumerate(pieces, 1))


def link(text: str, url: str | None) -> str:
    """Link a text, already escaped; only to `http` and `https`, whatever else the address holds is encoded."""
    if url is None or len(url) > _URL_CHARACTERS or not re.match(r"https?://[^/\s]", url):
        return text
    return f"[{text}]({quote(url, safe=_SAFE_IN_URLS, errors='replace')})"


def say(sentence: str) -> str:
    """Write a sentence that quotes names between backticks, clipped."""
    return escape.prose(clipped(sentence))


def clipped(text: str) -> str:
    """Cut what should be a sentence."""
    return escape.clip(text, _SENTENCE_CHARACTERS)


def name(text: str) -> str:
    """Cut what should be a name."""
    return escape.clip(text, _NAME_CHARACTERS)


def join(parts: Iterable[str]) -> str:
    """Put a blank line between blocks."""
    return "\n\n".join(parts)
