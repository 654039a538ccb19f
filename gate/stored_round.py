"""Reads finished rounds from their files. What they hold is the business of `gate.report`, which reads no files.

A round that another run left may say anything. Its verdict is derived again from its findings, so that it cannot show a
green headline above red rows; figures and sentences of the findings remain what that run says.
"""

import os
import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from gate import report
from gate.domain import Round
from gate.errors import RecordsError
from gate.report import Judged
from gate.rules.verdict import FailOn, conclude

_FAIL_ON: tuple[FailOn, ...] = get_args(FailOn)
MAX_FOREIGN_BYTES = 8 * 1024 * 1024
"""Longest file from another run; a round keeps few texts, so its own are a fraction of that."""


def read_round(path: Path) -> Round:
    """Read a `round.json`.

    Raises:
        RecordsError: If it cannot be read or is no round.
    """
    try:
        if path.exists() and not path.is_file():
            raise RecordsError(f"{path}: not a file")
        return report.load(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise RecordsError(f"{path}: cannot be read: {problem.strerror or problem}") from None
    except UnicodeDecodeError:
        raise RecordsError(f"{path}: not UTF-8 text") from None


def judged_rounds(paths: Sequence[Path]) -> tuple[Judged, ...]:
    """Read rounds that another run left, perhaps one of a fork: only plain files of moderate size.

    Raises:
        RecordsError: One of them cannot be read, is a link or a pipe, is too large or no round.
    """
    rounds = [read_foreign_round(path) for path in paths]
    return tuple(
        Judged(adapter=round_.arms["candidate"].adapter if "candidate" in round_.arms else None, result=round_)
        for round_ in rounds
    )


def read_foreign_round(path: Path) -> Round:
    """Read a round that another run left, perhaps one of a fork: only from a plain file of moderate size.

    Raises:
        RecordsError: It cannot be read, is a link or a pipe, is too large or no round, or its verdict is not that of
            its findings.
    """
    try:
        # Neither follows a link nor waits for whoever might write into a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a path cannot be opened this way
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise RecordsError(f"{path}: not a plain file")
            content = file.read(MAX_FOREIGN_BYTES + 1)
    except OSError as problem:
        why = "a link, which is not followed" if path.is_symlink() else problem.strerror or problem
        raise RecordsError(f"{path}: cannot be read: {why}") from None
    if len(content) > MAX_FOREIGN_BYTES:
        raise RecordsError(f"{path}: longer than {MAX_FOREIGN_BYTES // 1024**2} MiB, which no round is")
    try:
        return _concluded(report.load(content.decode("utf-8")))
    except UnicodeDecodeError:
        raise RecordsError(f"{path}: not UTF-8 text") from None
    except RecordsError as problem:
        raise RecordsError(f"{path}: {problem.message}", fix=problem.fix) from None


def _concluded(round_: Round) -> Round:
    """The round with the headline that its findings give; refused if they give another verdict."""
    roles = {name: suite.role for name, suite in round_.suites.items()}
    said, possible = round_.verdict, []
    for fail_on in _FAIL_ON:
        meant = conclude(round_.findings, round_.comparisons, roles=roles, fail_on=fail_on)
        if (meant.outcome, meant.exit_code) == (said.outcome, said.exit_code):
            return replace(round_, verdict=meant)
        possible.append(f"{meant.outcome} with exit code {meant.exit_code}")
    raise RecordsError(
        f"The verdict is {said.outcome} with exit code {said.exit_code}; the findings give "
        f"{' or '.join(dict.fromkeys(possible))}.",
        fix="Run the gate again: somebody has changed this file.",
    )
