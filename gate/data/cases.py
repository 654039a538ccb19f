"""Case files: reads them, checks every line, and returns all cases or none.

Formats: `.jsonl` (one object a line) and `.csv` (the same names; see `gate.data.table`). Keys that are not known are
metadata and are left aside, except those that look like a slip in a known one. This module must not know how cases
are answered or scored.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from gate.data.lines import BadLine, NumberedRow, Row, complain, decode, json_rows, read_bytes, sentences, shown
from gate.data.table import table_rows
from gate.domain import Case, Message
from gate.errors import CasesError

LARGEST_FILE_MIB = 256
LONGEST_NAME_CHARS = 200
"""Longest id, tag or cluster."""


def _text_of_number(value: object) -> object:
    # bool is an int to Python but not to the person who wrote `true`.
    return str(value) if type(value) is int else value


def _checked_name(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    if len(text) > LONGEST_NAME_CHARS:
        raise ValueError(f"must have at most {LONGEST_NAME_CHARS} characters, not {len(text)}")
    if not text.isprintable():
        raise ValueError(f"must not hold control or invisible characters: {shown(text)}")
    if text != text.strip():
        raise ValueError(f"must not begin or end with white space: {shown(text)}")
    return text


def _checked_text(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


def _checked_time(text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"must be an ISO 8601 date or date-time such as 2026-11-20, not {shown(text)}") from None
    return text


Name = Annotated[str, AfterValidator(_checked_name)]
"""A short printable text; a word that appears in tables."""
Key = Annotated[str, BeforeValidator(_text_of_number), AfterValidator(_checked_name)]
"""A name that may also be written as a whole number; it is kept as text."""
Filled = Annotated[str, AfterValidator(_checked_text)]


class MessageRow(BaseModel):
    """One turn, as a file writes it."""

    model_config = ConfigDict(strict=True, extra="forbid")

    role: Literal["system", "user", "assistant"]
    content: str


class CaseRow(BaseModel):
    """One case, as a file writes it; the fields mean what they mean in `gate.domain.Case`."""

    model_config = ConfigDict(strict=True, extra="ignore")

    id: Key
    prompt: Filled | None = None
    messages: Annotated[list[MessageRow], Field(min_length=1)] | None = None
    reference: Filled | None = None
    references: Annotated[list[Filled], Field(min_length=1)] | None = None
    choices: Annotated[list[Filled], Field(min_length=2)] | None = None
    expected: Literal["answer", "refuse"] | None = None
    tags: list[Name] | None = None
    critical: bool | None = None
    cluster: Key | None = None
    max_new_tokens: Annotated[int, Field(ge=1)] | None = None
    origin: Literal["real", "synthetic", "augmented"] | None = None
    generator: Filled | None = None
    verified_by: Filled | None = None
    created_at: Annotated[str, AfterValidator(_checked_time)] | None = None
    parent_id: Key | None = None


_ROW = TypeAdapter(CaseRow)
_KNOWN_KEYS = frozenset(CaseRow.model_fields)


def load_cases(path: Path, *, label: str) -> tuple[Case, ...]:
    """Read a case file.

    Args:
        path: A `.jsonl` or `.csv` file of at most 256 MiB.
        label: What messages call the file, usually its path as configured.

    Returns:
        The cases in the order of the file; at least one.

    Raises:
        CasesError: The file cannot be read, holds no case, or has bad lines; all bad lines are listed.
    """
    match path.suffix.lower():
        case ".jsonl":
            reader: Callable[[str], Iterable[NumberedRow | BadLine]] = json_rows
        case ".csv":
            reader = table_rows
        case other:
            raise CasesError(f"{label}: cases must be in a .jsonl or .csv file, not {shown(other)}.")
    data = read_bytes(path, label=label, largest_mib=LARGEST_FILE_MIB, error=CasesError)
    cases, bad = _collect(reader(decode(data, label=label, error=CasesError)))
    if bad:
        complain(bad, label=label, error=CasesError)
    if not cases:
        raise CasesError(f"{label} holds no case.", fix='Write one object a line: {"id": "1", "prompt": "..."}.')
    return tuple(cases)


def _collect(rows: Iterable[NumberedRow | BadLine]) -> tuple[list[Case], list[BadLine]]:
    cases: list[Case] = []
    bad: list[BadLine] = []
    line_of: dict[str, int] = {}
    for row in rows:
        if isinstance(row, BadLine):
            bad.append(row)
            continue
        try:
            case = _case(row.values)
        except ValidationError as refused:
            bad.append(BadLine(line=row.line, reason="; ".join(filter(None, [_slips(row.values), sentences(refused)]))))
            continue
        except ValueError as refused:
            bad.append(BadLine(line=row.line, reason=str(refused)))
            continue
        if case.id in line_of:
            bad.append(
                BadLine(line=row.line, reason=f"the id {shown(case.id)} is already that of line {line_of[case.id]}")
            )
        else:
            line_of[case.id] = row.line
            cases.append(case)
    return cases, bad


def _case(values: Row) -> Case:
    """Turn one row into a case.

    Raises:
        ValueError: The row contradicts itself or has a misspelt key.
        ValidationError: A value has the wrong type; a kind of ValueError.
    """
    row = _ROW.validate_python(values)
    problems = [problem for problem in (_slips(values), _conflict(row)) if problem]
    if problems:
        raise ValueError("; ".join(problems))
    turns = row.messages or [MessageRow(role="user", content=row.prompt or "")]
    references = row.references or ([] if row.reference is None else [row.reference])
    return Case(
        id=row.id,
        messages=tuple(Message(role=turn.role, content=turn.content) for turn in turns),
        references=tuple(references),
        choices=tuple(row.choices or ()),
        expected=row.expected,
        tags=tuple(dict.fromkeys(row.tags or ())),
        critical=bool(row.critical),
        cluster=row.cluster,
        max_new_tokens=row.max_new_tokens,
        origin=row.origin,
        generator=row.generator,
        verified_by=row.verified_by,
        created_at=row.created_at,
        parent_id=row.parent_id,
    )


def _conflict(row: CaseRow) -> str | None:
    if row.reference is not None and row.references is not None:
        return "has both 'reference' and 'references'"
    match row.prompt, row.messages:
        case None, None:
            return "has neither 'prompt' nor 'messages'"
        case str(), list():
            return "has both 'prompt' and 'messages'"
        case None, [*_, last]:
            if last.role != "user":
                return f"the last message must be the user's, not the {last.role}'s"
            return None if last.content.strip() else "the last message is empty"
        case _:
            return None


def _slips(values: Row) -> str | None:
    unknown = values.keys() - _KNOWN_KEYS
    slips = [f"unknown key {shown(key)}, did you mean '{meant}'?" for key in sorted(unknown) if (meant := _meant(key))]
    return "; ".join(slips) or None


@cache
def _meant(key: str) -> str | None:
    """Return the known key that an unknown one is probably a misspelling of."""
    spelt = key.strip().casefold().replace("-", "_").replace(" ", "_")
    for known in sorted(_KNOWN_KEYS):
        allowed = min(2, len(known) // 3)  # a short word has too many neighbours that mean something else
        if abs(len(spelt) - len(known)) <= allowed and _distance(spelt, known) <= allowed:
            return known
    return None


def _distance(one: str, other: str) -> int:
    """Count the insertions, deletions and replacements between two words (Levenshtein)."""
    before = list(range(len(other) + 1))
    for row, char in enumerate(one, start=1):
        current = [row]
        for column, wanted in enumerate(other, start=1):
            current.append(min(before[column] + 1, current[-1] + 1, before[column - 1] + (char != wanted)))
        before = current
    return before[-1]
