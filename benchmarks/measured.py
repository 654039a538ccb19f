"""Run a command as a process of its own and say what it took. Knows nothing of what is run."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_KIB = 1024
_SHOWN_CHARACTERS = 3_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one process took."""

    wall_seconds: float
    """From before it was started until it was gone."""
    cpu_seconds: float
    """Of all its threads and of the processes that it waited for."""
    peak_bytes: int
    """Largest resident memory of the process, or of one that it started, whichever is larger."""


class RunFailed(Exception):
    """A command did not end well; the text ends with the last of what it said."""


def run(command: Sequence[str], *, log: Path, environment: Mapping[str, str], folder: Path) -> Measured:
    """Run a command to its end.

    The kernel counts the memory of a process that starts another towards the one that is started, so the caller must
    be small itself: it must not have imported torch.

    Args:
        command: Program and arguments.
        log: Takes what it writes to both streams.
        environment: Added to this process's.
        folder: Where it runs.

    Raises:
        RunFailed: If its exit code is not 0.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as stream:
        began = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - our own commands
            command, stdout=stream, stderr=subprocess.STDOUT, env=os.environ | dict(environment), cwd=folder
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)  # it was waited for behind the object's back
    if process.returncode != 0:
        said = log.read_text(encoding="utf-8", errors="replace")[-_SHOWN_CHARACTERS:]
        raise RunFailed(f"{' '.join(command)}\nended with exit code {process.returncode}. {log} ends:\n{said}")
    return Measured(
        wall_seconds=wall,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_bytes=usage.ru_maxrss * _KIB,
    )
