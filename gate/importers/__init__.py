"""Recorded answers of other evaluation tools, read into the project's own values.

Each module knows one format and nothing of the others; a file is judged by what it holds, and whatever is wrong with it
is one `RecordsError`. This room knows no configuration: which suite a file belongs to is for the caller to say.
"""

from pathlib import Path

from gate.domain import ArmName
from gate.errors import RecordsError
from gate.importers.base import Foreign, Format, ImportedSuite, differences
from gate.importers.detection import detect
from gate.importers.inspect_log import read_inspect
from gate.importers.lm_eval import read_lm_eval
from gate.importers.plain import read_plain
from gate.importers.promptfoo import read_promptfoo

__all__ = ["Foreign", "Format", "ImportedSuite", "detect", "differences", "import_answers"]


def import_answers(path: Path, *, kind: Foreign, arm: ArmName) -> tuple[ImportedSuite, ...]:
    """Read one arm's answers from a file of another tool.

    Args:
        path: A file. For `lm-eval` and `inspect` also a folder of them; for `promptfoo` also `FILE#PROVIDER` or
            `FILE#NUMBER`, where a file has several columns.
        kind: The format; see `detect`.
        arm: Whose answers they are: the file does not know.

    Returns:
        One or more suites with distinct names.

    Raises:
        RecordsError: The file is missing, too large, broken, has bad rows or answers one case twice.
    """
    try:
        suites = _read(path, kind=kind, arm=arm)
    except ValueError as broken:  # JSON that is nested too deeply to be written down again
        raise RecordsError(f"{path} cannot be read: {broken}.") from None
    first: dict[str, ImportedSuite] = {}
    for suite in suites:
        if suite.name in first:
            raise RecordsError(
                f"{first[suite.name].source} and {suite.source} both answer the suite {suite.name!r}.",
                fix="Name one of the files, or move the other away.",
            )
        first[suite.name] = suite
    return suites


def _read(path: Path, *, kind: Foreign, arm: ArmName) -> tuple[ImportedSuite, ...]:
    match kind:
        case "lm-eval":
            return read_lm_eval(path, arm=arm)
        case "inspect":
            return read_inspect(path, arm=arm)
        case "promptfoo":
            return read_promptfoo(path, arm=arm)
        case "jsonl":
            return read_plain(path, arm=arm)
