"""The files through which a step hands values and a summary to the runner.

Text that somebody else chose must not become a value of its own, so only plain words, numbers and paths are written,
each so that the runner reads it as one value.
"""

import re
import uuid
from collections.abc import Mapping
from pathlib import Path

from gate.errors import BrokenRun

SUMMARY_BYTES = 1024 * 1024
"""The runner drops the summary of a step as a whole if it is longer."""

_NAME = re.compile("[a-z][a-z-]*")


def write_outputs(path: Path, outputs: Mapping[str, str]) -> None:
    """Add outputs of this step.

    Args:
        path: What `GITHUB_OUTPUT` names.
        outputs: Name -> value; a value of several lines is allowed, as paths can be.

    Raises:
        BrokenRun: The file cannot be written to.
        ValueError: A name is no name of an output.
    """
    _append(path, "".join(_output(name, value) for name, value in outputs.items()))


def summary_room(path: Path) -> int:
    """How many bytes the summary of this step may still take; other programs of the step may have written some.

    Args:
        path: What `GITHUB_STEP_SUMMARY` names.
    """
    try:
        return max(0, SUMMARY_BYTES - 1 - path.stat().st_size)
    except OSError:
        return SUMMARY_BYTES - 1


def add_summary(path: Path, text: str) -> None:
    """Add Markdown to the summary of this step.

    Args:
        path: What `GITHUB_STEP_SUMMARY` names.
        text: At most `summary_room` bytes.

    Raises:
        BrokenRun: The file cannot be written to.
        ValueError: The text is longer.
    """
    if len(text.encode("utf-8", "replace")) > summary_room(path):
        raise ValueError("the summary would be dropped as a whole")
    _append(path, text)


def _output(name: str, value: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of an output")
    if value.isprintable():  # which no line break of any kind is
        return f"{name}={value}\n"
    delimiter = f"ghadelimiter_{uuid.uuid4()}"
    if delimiter in value:
        raise ValueError(f"{name}: the value holds the delimiter that was just drawn")
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8", errors="replace", newline="\n") as file:
            file.write(text)
    except OSError as problem:
        raise BrokenRun(f"{path} cannot be written: {problem.strerror or problem}.") from None
