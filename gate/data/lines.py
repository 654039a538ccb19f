"""From a file of unknown origin to numbered lines and JSON objects, or to one clear sentence.

Nothing is guessed: another encoding, a folder or an enormous file is refused, and every bad line is found before
anything is said. This module must not know what the lines mean.
"""

import json
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

from pydantic import JsonValue, ValidationError
from pydantic_core import ErrorDetails

from gate.errors import RequestError

LONGEST_LINE_CHARS = 1024 * 1024
COMPLAINTS_SHOWN = 100
"""Bad lines that a message lists; the others are counted."""

_MIB = 1024 * 1024
_OTHER_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_SHOWN_CHARS = 40

Row = dict[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedRow:
    """What one line holds."""

    line: int
    """Counts from 1; of a row over several lines, the first."""
    values: Row


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """Why one line cannot be used."""

    line: int
    reason: str


def read_bytes(path: Path, *, label: str, largest_mib: int, error: type[RequestError]) -> bytes:
    """Read a regular file of bounded size.

    Raises:
        RequestError: Of the given class; the file is missing, a folder, unreadable or too large.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise error(f"{label} is a folder; a file is needed.")
        if not stat.S_ISREG(status.st_mode):
            raise error(f"{label} is not a regular file.")
        with path.open("rb") as file:
            data = file.read(largest_mib * _MIB + 1)
    except FileNotFoundError:
        raise error(f"{label} does not exist.", fix="Paths are relative to the file that names them.") from None
    except (OSError, ValueError) as broken:  # ValueError: a NUL byte in the path
        reason = broken.strerror if isinstance(broken, OSError) else str(broken)
        raise error(f"{label} cannot be read: {reason}.") from None
    if len(data) > largest_mib * _MIB:
        raise error(f"{label} is larger than {largest_mib} MiB.", fix="Split it into several files.")
    return data


def decode(data: bytes, *, label: str, error: type[RequestError]) -> str:
    """Decode UTF-8, with or without a byte order mark.

    Raises:
        RequestError: Of the given class; the message gives the byte offset and the line.
    """
    if data[:2] in _OTHER_MARKS:
        raise error(f"{label} is {_OTHER_MARKS[data[:2]]}, not UTF-8.", fix="Save it as UTF-8.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as broken:
        line = data.count(b"\n", 0, broken.start) + 1
        raise error(
            f"{label} is not UTF-8: byte 0x{data[broken.start]:02x} at offset {broken.start} (line {line}).",
            fix="Save it as UTF-8.",
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise error(f"{label} holds a NUL byte (line {line}): it is not a text file.", fix="Save it as UTF-8.")
    return text.removeprefix("\ufeff")


def json_rows(text: str, *, allow_nul: bool = False) -> Iterator[NumberedRow | BadLine]:
    """Yield the JSON object on each line; as `numbered_rows`.

    Args:
        text: The file.
        allow_nul: Whether strings may hold the escape of NUL, as what a model wrote may.
    """
    return numbered_rows(text, partial(json_object, allow_nul=allow_nul), longest_chars=LONGEST_LINE_CHARS)


def numbered_rows(text: str, parse: Callable[[str], Row], *, longest_chars: int) -> Iterator[NumberedRow | BadLine]:
    """Parse each line that is not blank. Only a line feed ends a line.

    Args:
        text: The file.
        parse: Makes a row of a line; its ValueErrors say what is bad about the line.
        longest_chars: A longer line is bad.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        if line.isspace() or not line:
            continue
        if len(line) > longest_chars:
            yield BadLine(line=number, reason=f"longer than {longest_chars:,} characters")
            continue
        try:
            values = parse(line)
        except ValueError as broken:
            yield BadLine(line=number, reason=str(broken))
            continue
        yield NumberedRow(line=number, values=values)


def json_object(text: str, *, allow_nul: bool = False) -> Row:
    """Parse one JSON object; as `json_value`.

    Raises:
        ValueError: A reason that reads well behind `line 3: `.
    """
    value = json_value(text, allow_nul=allow_nul)
    if not isinstance(value, dict):
        raise ValueError('not a JSON object such as {"id": "1", ...}')  # noqa: TRY004 - a fact about the file
    return value


def json_value(text: str, *, allow_nul: bool = False) -> JsonValue:
    """Parse JSON, refusing repeated keys and what JSON or UTF-8 could not write down again.

    Raises:
        ValueError: A reason that reads well behind `line 3: `.
    """
    try:
        value: JsonValue = _DECODER.decode(text)
    except json.JSONDecodeError as broken:
        raise ValueError(f"not JSON: {broken.msg} (column {broken.colno})") from None
    except RecursionError:
        raise ValueError("not JSON: nested too deeply") from None
    if "\\u" in text:
        _check_characters(value, allow_nul=allow_nul)
    return value


def sentences(refused: ValidationError) -> str:
    """Say in plain words what pydantic found wrong with one row."""
    return "; ".join(_sentence(details) for details in refused.errors(include_url=False))


def complain(bad: Sequence[BadLine], *, label: str, error: type[RequestError]) -> NoReturn:
    """Raise one error that lists the bad lines of a file, at most a hundred of them."""
    listed = sorted(bad, key=lambda line: line.line)[:COMPLAINTS_SHOWN]
    lines = [f"  line {entry.line}: {entry.reason}" for entry in listed]
    if len(bad) > len(listed):
        lines.append(f"  and {len(bad) - len(listed):,} more")
    count = "1 bad line" if len(bad) == 1 else f"{len(bad):,} bad lines"
    raise error("\n".join([f"{label} has {count}:", *lines]), fix="Correct the file; nothing was run.")


def shown(value: object) -> str:
    """Quote a value from a file on one line, cut to length."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 1]}…"


def without_duplicates(pairs: list[tuple[str, JsonValue]]) -> Row:
    """The members of a JSON object, for a decoder.

    Raises:
        ValueError: A key occurs twice.
    """
    members = dict(pairs)
    if len(members) < len(pairs):
        count = Counter(name for name, _ in pairs)
        raise ValueError(f"the key {shown(next(name for name, times in count.items() if times > 1))} occurs twice")
    return members


def whole_number(digits: str) -> int:
    """A whole number, for a decoder.

    Raises:
        ValueError: It is out of range: Python refuses thousands of digits.
    """
    try:
        return int(digits)
    except ValueError:
        raise ValueError(f"the number {shown(digits)} is out of range") from None


def _sentence(details: ErrorDetails) -> str:
    name = ".".join(str(part) for part in details["loc"])
    match details["type"]:
        case "missing":
            return f"'{name}' is missing"
        case "string_type":
            return f"'{name}' must be text, not {shown(details['input'])}"
        case "list_type":
            return f"'{name}' must be a list, not {shown(details['input'])}"
        case "extra_forbidden":
            return f"'{name}' is not known"
        case "value_error":
            return f"'{name}' {details['msg'].removeprefix('Value error, ')}"
        case _:
            message = details["msg"].removeprefix("Input ")
            return f"'{name}' {message}, not {shown(details['input'])}"


def _check_characters(value: JsonValue, *, allow_nul: bool) -> None:
    """Refuse what only an escape can bring into a JSON text: NUL, and halves of surrogate pairs."""
    pending: list[JsonValue] = [value]
    while pending:
        match pending.pop():
            case str() as text:
                if "\0" in text and not allow_nul:
                    raise ValueError(r"holds a NUL character (\u0000)")
                if any("\ud800" <= char <= "\udfff" for char in text):
                    raise ValueError(r"holds half of a surrogate pair (\ud800 to \udfff), which is not text")
            case dict() as members:
                pending.extend(members)
                pending.extend(members.values())
            case list() as several:
                pending.extend(several)
            case _:
                pass


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=without_duplicates, parse_constant=_no_constant, parse_int=whole_number)
