"""JSON as other tools write it: read with limits, walked without trusting any type.

Python tools write NaN and Infinity, which are not JSON; here they are unknown values, None. Repeated keys are refused,
for no tool means them. This module must not know what any format means.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from pydantic import JsonValue

from gate.data.lines import (
    COMPLAINTS_SHOWN,
    BadLine,
    NumberedRow,
    Row,
    decode,
    numbered_rows,
    read_bytes,
    shown,
    whole_number,
    without_duplicates,
)
from gate.errors import RecordsError

LARGEST_LINES_MIB = 1024
LARGEST_DOCUMENT_MIB = 512
LONGEST_LINE_CHARS = 64 * 1024 * 1024
"""A row repeats its prompt for every option of a question, so it can be far longer than a line of our own files."""

_DIGEST_CHARS = 12
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
"""Where an object lay in memory: part of the text that Python writes for what has no other, new in every run."""


def parse(text: str) -> JsonValue:
    """Parse one JSON value; NaN and the infinities become None.

    Raises:
        ValueError: A reason that reads well behind `line 3: `.
    """
    try:
        value: JsonValue = _DECODER.decode(text)
    except json.JSONDecodeError as broken:
        place = f"column {broken.colno}" if broken.lineno == 1 else f"line {broken.lineno}, column {broken.colno}"
        raise ValueError(f"not JSON: {broken.msg} ({place})") from None
    except RecursionError:
        raise ValueError("not JSON: nested too deeply") from None
    return value


def read_document(path: Path) -> Row:
    """Read a file that is one JSON object.

    Raises:
        RecordsError: It cannot be read, is too large, or is not a JSON object.
    """
    data = read_bytes(path, label=str(path), largest_mib=LARGEST_DOCUMENT_MIB, error=RecordsError)
    return parse_document(data, label=str(path))


def parse_document(data: bytes, *, label: str) -> Row:
    """Parse the bytes of a JSON object.

    Raises:
        RecordsError: They are not UTF-8, or not a JSON object.
    """
    try:
        value = parse(decode(data, label=label, error=RecordsError))
    except ValueError as broken:
        raise RecordsError(
            f"{label} cannot be read: {broken}.", fix="Write the file again; it may be cut off."
        ) from None
    if not isinstance(value, dict):
        raise RecordsError(f"{label} is not a JSON object but {shown(value)}.")
    return value


def read_lines(path: Path) -> Iterable[NumberedRow | BadLine]:
    """Yield the JSON object on each line that is not blank. Only a line feed ends a line.

    Raises:
        RecordsError: The file cannot be read, is too large, or is not UTF-8.
    """
    data = read_bytes(path, label=str(path), largest_mib=LARGEST_LINES_MIB, error=RecordsError)
    text = decode(data, label=str(path), error=RecordsError)
    yield from numbered_rows(text, _object, longest_chars=LONGEST_LINE_CHARS)


def complain_entries(bad: Sequence[str], *, label: str, noun: str) -> NoReturn:
    """Raise one error that lists the bad entries of a document, at most a hundred of them.

    Args:
        bad: Each with its place in front.
        label: The file.
        noun: What an entry is called, in the singular.
    """
    listed = [f"  {entry}" for entry in bad[:COMPLAINTS_SHOWN]]
    if len(bad) > len(listed):
        listed.append(f"  and {len(bad) - len(listed):,} more")
    count = f"1 bad {noun}" if len(bad) == 1 else f"{len(bad):,} bad {noun}s"
    raise RecordsError("\n".join([f"{label} has {count}:", *listed]), fix="Write the file again; nothing was run.")


def member(value: JsonValue, *names: str) -> JsonValue:
    """Go down through objects; None where one is missing or is not an object."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def members(value: JsonValue) -> Row:
    """An object as it is, anything else as an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: JsonValue) -> list[JsonValue]:
    """A list as it is, anything else as an empty one."""
    return value if isinstance(value, list) else []


def text_of(value: JsonValue) -> str | None:
    """A text that is not blank; None for all else."""
    return mended(value) if isinstance(value, str) and value.strip() else None


def mended(text: str) -> str:
    """Replace halves of surrogate pairs, which JSON's escapes can bring in and UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def compact(value: JsonValue) -> str:
    """Write JSON on one line, keys sorted, without the memory addresses that Python puts into texts.

    Raises:
        ValueError: It is nested too deeply.
    """
    try:
        text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return _ADDRESS.sub("", mended(text))


def digest(value: JsonValue) -> str:
    """The first 12 hexadecimal digits of the SHA-256 of a value's compact form.

    Raises:
        ValueError: It is nested too deeply.
    """
    return hashlib.sha256(compact(value).encode("utf-8")).hexdigest()[:_DIGEST_CHARS]


def number_of(value: JsonValue) -> float | None:
    """A finite number, or a truth value as 1 and 0; None for all else."""
    match value:
        case bool() | int() | float():
            try:
                number = float(value)
            except OverflowError:
                return None
            return number if math.isfinite(number) else None
        case _:
            return None


def _object(text: str) -> Row:
    value = parse(text)
    if not isinstance(value, dict):
        raise ValueError(f"not a JSON object but {shown(value)}")  # noqa: TRY004 - a fact about the file
    return value


def _unknown(_name: str) -> None:
    return None


_DECODER = json.JSONDecoder(object_pairs_hook=without_duplicates, parse_constant=_unknown, parse_int=whole_number)
