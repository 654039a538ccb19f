"""Reads a finished round from its file. What it holds is the business of `gate.report`, which reads no files."""

from pathlib import Path

from gate import report
from gate.domain import Round
from gate.errors import RecordsError


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
