"""Writing a file so that it is there whole or not at all."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from gate.errors import BrokenRun, UsageError


def refuse_other_than_file(path: Path, *, option: str) -> None:
    """See that writing replaces a plain file or nothing: no folder, link, pipe or device.

    Args:
        path: Where somebody wants a file.
        option: The option that names it.

    Raises:
        UsageError: Something else is there.
    """
    try:
        mode = path.lstat().st_mode
    except OSError:  # nothing is there; if it is worse than that, writing will say so
        return
    if not stat.S_ISREG(mode):
        raise UsageError(f"{option}: {path} is there and is no plain file.", fix="Name a new file, or a plain one.")


def write_whole(path: Path, text: str, *, option: str = "--output") -> None:
    """Write into a file beside the target that then takes its place.

    Args:
        path: The target; replaced if it exists. Its folder must exist.
        text: The content; written as UTF-8 with its line feeds as they are.
        option: The option by which another place can be chosen.

    Raises:
        BrokenRun: The disk is full or the folder cannot be written to; the old file, if any, is untouched.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        # Beside a model that runs, a link or a pipe may lie at this name, which would lead the text elsewhere.
        partial.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with open(os.open(partial, flags, 0o666), "w", encoding="utf-8", newline="\n") as file:  # noqa: PTH123
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as broken:
        with suppress(OSError):
            partial.unlink()
        raise BrokenRun(
            f"{path} cannot be written: {broken.strerror}.", fix=f"Free disk space or choose another {option}."
        ) from None
