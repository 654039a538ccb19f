"""Makes untrusted text inert: case ids, suite names, answers, file names and messages that quote any of them.

Such text must not mention people, link, load images, close our fences and cells, forge a marker, reorder what is
read, move a cursor or give the runner a command. Nothing is dropped silently: what cannot be shown as itself is
shown as its code point. This module knows Markdown, terminals and runner logs; it knows no round and no layout.
"""

import html
import re
from collections.abc import Callable

NEWLINE_SIGN = "⏎"
SPACE_SIGN = "␠"
EMPTY = "(empty)"

_WIDE_SPACE = "\u3000"
"""Ordinary in Japanese text and plainly visible, so it may stay."""
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\ufe00-\ufe0e\U000e0100-\U000e01ef]"
)
"""Characters that leave no mark although Unicode calls them printable: fillers and variation selectors."""

_ZERO_WIDTH = "&#8203;"
"""A zero-width space, written so that a reader of the source sees it. GitHub looks for mentions and references in
the decoded text, so neither a backslash nor an entity for the `@` itself would stop it."""
_SHORTEST_COMMIT = 7
"""GitHub links hexadecimal words from this length on as commits."""

_SPECIAL = re.compile(
    rf"(?P<commit>\b[0-9a-f]{{{_SHORTEST_COMMIT},}}\b)"
    r"|(?P<before>www(?=\.)|GH-(?=\d))"
    r"|(?P<glue>[@#:](?!\s))"
    r"|(?P<syntax>[\\`*_\[\]<>|~$&]|!(?=--))",
    re.IGNORECASE,
)
_BLOCK_START = re.compile(r"^(?:[-+=#]|(?P<digits>\d{1,9})(?=[.)]))")
_HIDDEN = "<!--"
"""Begins a comment, such as the marker by which a publisher knows its own."""
_LINE_COMMAND = re.compile(r"^((?:\s|\x1b\[[0-9;]*m)*):(?=:)", re.MULTILINE)


def visible(text: str) -> str:
    r"""Show control characters, invisible characters and direction marks as `\u202e`; line feeds stay.

    Args:
        text: Anything, lone surrogates included.

    Returns:
        Text that any UTF-8 file can hold and whose characters all leave a mark in their place.
    """
    text = text.replace("\r\n", "\n")
    if not text.isprintable():
        text = "".join(
            char if char in {"\n", _WIDE_SPACE} or char.isprintable() else _code_point(char) for char in text
        )
    return _INVISIBLE.sub(lambda found: _code_point(found[0]), text)


def clip(text: str, limit: int) -> str:
    """Cut to `limit` characters and say how many were left out.

    Args:
        text: Anything.
        limit: Characters that are kept.
    """
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… (+{len(text) - limit:,} characters)"


def code_span(text: str) -> str:
    """Quote text as one line of Markdown code, outside tables.

    The fence is longer than any run of backticks inside; line feeds are shown as a sign.
    """
    shown = _log_safe(visible(text).replace("\n", NEWLINE_SIGN))
    if not shown:
        return EMPTY
    if not shown.strip(" "):
        shown = SPACE_SIGN * len(shown)
    fence = "`" * (_longest_run(shown) + 1)
    padded = shown[0] in "` " or shown[-1] in "` "
    return f"{fence} {shown} {fence}" if padded else f"{fence}{shown}{fence}"


def code_cell(text: str) -> str:
    """Quote text as Markdown code inside a table, where a pipe ends the cell even within code."""
    return code_span(text).replace("|", "\\|")


def code_block(text: str) -> str:
    """Quote text of several lines as a fenced block of Markdown.

    Returns:
        Lines without a final line feed; the block must start on a line of its own.
    """
    shown = _LINE_COMMAND.sub(r"\1\\u003a", _log_safe(visible(text)))
    fence = "`" * max(3, _longest_run(shown) + 1)
    return f"{fence}text\n{shown}\n{fence}"


def html_code(text: str) -> str:
    """Quote text as code where Markdown is not read, as in a `<summary>`."""
    shown = _log_safe(visible(text).replace("\n", NEWLINE_SIGN))
    return f"<code>{html.escape(shown)}</code>" if shown else EMPTY


def plain(text: str) -> str:
    """Write text on one line so that Markdown, GitHub's references and the runner see only letters.

    For what must stand outside code. Good inside and outside tables.
    """
    return _defuse_line(" ".join(visible(text).split()))


def prose(text: str) -> str:
    """Write a sentence that quotes names between backticks, outside tables: names become code, the rest plain.

    A quoted name may itself hold backticks and break the pairing; whatever falls outside is still inert.
    """
    return _quote_names(text, code_span)


def prose_cell(text: str) -> str:
    """Write a sentence that quotes names between backticks, inside a table."""
    return _quote_names(text, code_cell)


def terminal(text: str) -> str:
    """Write text on one line for a terminal and for a runner's log: no control characters, no commands.

    Console markup is left as it is: hand the text over as text, never as markup.
    """
    return log_lines(visible(text).replace("\n", NEWLINE_SIGN))


def log_lines(text: str) -> str:
    """Break what a GitHub runner would take for a command: `::` at the start of a line and `##[` anywhere.

    Args:
        text: Finished lines, colour sequences allowed.
    """
    return _LINE_COMMAND.sub(r"\1: ", text.replace("##[", "## ["))


def _code_point(char: str) -> str:
    number = ord(char)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def _log_safe(text: str) -> str:
    """Break what is dangerous even inside code: the runner's `##[` and hidden markers."""
    return text.replace("##[", r"##\u005b").replace(_HIDDEN, r"<\u0021--")


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def _defuse(found: re.Match[str]) -> str:
    match found.lastgroup:
        case "commit":
            word, step = found[0], _SHORTEST_COMMIT - 1
            return _ZERO_WIDTH.join(word[start : start + step] for start in range(0, len(word), step))
        case "before" | "glue":
            return f"{found[0]}{_ZERO_WIDTH}"
        case _:
            return f"\\{found[0]}"


def _quote_names(text: str, quote: Callable[[str], str]) -> str:
    first, *rest = re.split(r"`([^`]+)`", " ".join(visible(text).split()))
    quoted = (quote(part) if index % 2 == 0 else _SPECIAL.sub(_defuse, part) for index, part in enumerate(rest))
    return f"{_defuse_line(first)}{''.join(quoted)}"


def _defuse_line(shown: str) -> str:
    """Make one line inert that may stand at the start of a block, where more characters have a meaning."""
    start = _BLOCK_START.match(shown)
    if start is None:
        return _SPECIAL.sub(_defuse, shown)
    head = f"{start['digits']}\\" if start["digits"] else f"\\{start[0]}"
    # A `#` needs both: no heading as the first word, no reference to an issue when digits follow.
    joint = _ZERO_WIDTH if start[0] == "#" and not shown[1:2].isspace() else ""
    return f"{head}{joint}{_SPECIAL.sub(_defuse, shown[start.end() :])}"
