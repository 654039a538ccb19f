"""Which format a file of recorded answers is in, by what it holds rather than by its name."""

import io
import re
from pathlib import Path

from pydantic import JsonValue

from gate.errors import RecordsError
from gate.importers.archive import Archive
from gate.importers.base import Format
from gate.importers.inspect_log import HEADER, START, ZIP_MAGIC, looks_like_a_log
from gate.importers.lm_eval import SAMPLES_PATTERN
from gate.importers.plain import IDS, TEXTS
from gate.importers.tolerant_json import parse

_HEAD_BYTES = 256 * 1024


def detect(path: Path) -> Format | None:
    """Say in which format a file or folder is.

    Only its beginning is read, so what is said may still turn out to be broken.

    Args:
        path: A file; a folder of lm-eval samples or of Inspect logs; a promptfoo file with `#` and a column.

    Returns:
        The format; None if it cannot be read or is none of them.
    """
    try:
        if path.is_dir():
            return _of_folder(path)
        if not path.exists() and "#" in str(path):
            path = Path(str(path).partition("#")[0])
        if not path.is_file():  # opening a pipe would wait for its other end
            return None
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except (OSError, ValueError):
        return None
    if head.startswith(ZIP_MAGIC):
        return "inspect" if _is_zipped_log(path) else None
    return _of_text(head.decode("utf-8", "replace").removeprefix("\ufeff"))


def _of_folder(folder: Path) -> Format | None:
    if any(folder.glob(SAMPLES_PATTERN)):
        return "lm-eval"
    logs = (*folder.glob("*.eval"), *folder.glob("*.json"))
    return "inspect" if any(detect(file) == "inspect" for file in logs if file.is_file()) else None


def _is_zipped_log(path: Path) -> bool:
    try:
        with Archive(path) as archive:
            return not {HEADER, START}.isdisjoint(archive.names)
    except RecordsError:
        return False


def _of_text(head: str) -> Format | None:
    if not head.lstrip().startswith("{"):
        return None
    first = next((line for line in io.StringIO(head) if line.strip()), "")
    try:
        values = parse(first)
    except ValueError:
        values = None
    return _of_row(values) if isinstance(values, dict) and not _is_document(values) else _of_document(head)


def _is_document(values: dict[str, JsonValue]) -> bool:
    return isinstance(values.get("eval"), dict) or isinstance(values.get("results"), dict)


def _of_document(head: str) -> Format | None:
    """Tell a document, or a first line that is longer than what was read."""
    if re.match(r'\s*\{\s*"doc_id"\s*:', head):
        return "lm-eval"
    if looks_like_a_log(head):
        return "inspect"
    rows = '"testIdx"' in head and '"promptIdx"' in head
    return "promptfoo" if rows or re.search(r'"results"\s*:\s*\{', head) else None


def _of_row(values: dict[str, JsonValue]) -> Format | None:
    keys = values.keys()
    if {"doc_id", "resps"} <= keys:
        return "lm-eval"
    if {"testIdx", "promptIdx"} <= keys:
        return "promptfoo"
    if {"suite", "case", "arm"} <= keys:
        return "gate"
    return "jsonl" if any(key in keys for key in IDS) and any(key in keys for key in (*TEXTS, "error")) else None
