"""Commands that the runner reads from a step's output, written so that no text can add one of its own.

The runner takes `::name ...::` at the start of a line for a command, and `##[name ...]` anywhere in one.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from gate.report import escape

Level = Literal["error", "warning", "notice"]


def annotation(level: Level, message: str, *, title: str = "", file: str = "", line: int | None = None) -> str:
    """A command that puts a message on the page of the run, and beside a line of a file in the pull request.

    Args:
        level: How it looks.
        message: Any text; control characters are shown as their code points.
        title: Any text; empty: none.
        file: Path from the root of the repository; empty: no file.
        line: From 1; ignored without a file.

    Returns:
        One line without a line feed.
    """
    places = {"file": file, "line": str(line) if file and line is not None else "", "title": title}
    properties = ",".join(f"{name}={_property(value)}" for name, value in places.items() if value)
    return f"::{level}{' ' if properties else ''}{properties}::{_data(message)}"


def print_command(line: str) -> None:
    """Print a command to where the runner reads them, at once."""
    print(line, flush=True)  # noqa: T201


@contextmanager
def commands_stopped(write: Callable[[str], object]) -> Iterator[None]:
    """While inside, the runner reads no commands, whatever is printed.

    Args:
        write: Prints a line to where the rest is printed, at once.
    """
    token = secrets.token_hex(16)
    write(f"::stop-commands::{token}")
    try:
        yield
    finally:
        write(f"::{token}::")


def _data(text: str) -> str:
    shown = escape.visible(text).replace("##[", "## [")
    return shown.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
