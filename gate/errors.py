"""Every way a run can end early, as one exception tree; each class carries its exit code.

    GateError
    ├── RequestError (3)      the request is wrong: nothing ran, the user can mend it
    │   ├── UsageError        the command line
    │   ├── ConfigError       gate.yaml or a file it names
    │   ├── CasesError        a case file
    │   ├── RecordsError      recorded answers or a stored round
    │   └── AdapterRefused    the candidate's files
    ├── BrokenRun (4)         the run started and could not go on: never a pass, never a fail
    └── Interrupted (130)     a person or the runner stopped it

A message is one or more plain sentences: what happened, where, and what to do about it.
Only `gate.cli` turns an exception into a printed line and an exit code.
"""

from typing import ClassVar

EXIT_OPEN = 0
"""The gate is open."""
EXIT_FAILED = 1
"""A blocking rule failed."""
EXIT_INCONCLUSIVE = 2
"""Nothing failed, not everything passed, and `fail_on: inconclusive` was asked for."""
EXIT_REQUEST = 3
"""The request is wrong."""
EXIT_BROKEN = 4
"""The run broke."""
EXIT_INTERRUPTED = 130
"""Stopped by a signal."""

EXIT_CODES = (EXIT_OPEN, EXIT_INCONCLUSIVE, EXIT_FAILED, EXIT_REQUEST, EXIT_BROKEN, EXIT_INTERRUPTED)
"""All of them, the worst last: an execution problem is never hidden by a verdict."""


def gravity(exit_code: int) -> int:
    """Place of an exit code among `EXIT_CODES`.

    Args:
        exit_code: Any; one that the gate does not have is as bad as a broken run.
    """
    return EXIT_CODES.index(exit_code if exit_code in EXIT_CODES else EXIT_BROKEN)


class GateError(Exception):
    """The root. `message` says what and where, `fix` what to do."""

    exit_code: ClassVar[int] = EXIT_BROKEN

    def __init__(self, message: str, *, fix: str | None = None) -> None:
        self.message = message
        self.fix = fix
        super().__init__(message if fix is None else f"{message}\n  {fix}")


class RequestError(GateError):
    """The request is wrong; nothing was run."""

    exit_code = EXIT_REQUEST


class UsageError(RequestError):
    """The command line asks for something impossible."""


class ConfigError(RequestError):
    """`gate.yaml`, or a file that it names, cannot be used as written."""


class CasesError(RequestError):
    """A case file has bad lines, or its cases do not fit the suite."""


class RecordsError(RequestError):
    """Recorded answers or a stored round cannot be read, or do not fit the suites."""


class AdapterRefused(RequestError):
    """The candidate is broken, unsafe, or made for another base."""


class BrokenRun(GateError):
    """Model, memory, disk or network gave out while the run was under way."""


class Interrupted(GateError):
    """The run was stopped from outside; finished answers are kept."""

    exit_code = EXIT_INTERRUPTED
