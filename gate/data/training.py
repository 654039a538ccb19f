"""Training files: reads the rows that a candidate was trained on, in the forms that trainers accept.

Formats: `.jsonl` (one object a line), `.json` (one list of objects) and `.csv` (the first row names the columns).
Training data comes from everywhere, so keys that are not known are left aside; a row that cannot be understood is
still a bad line, because an overlap with a suite could hide in it. This module must not know what the rows are for.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from gate.data.lines import (
    BadLine,
    NumberedRow,
    Row,
    complain,
    decode,
    json_object,
    json_rows,
    json_value,
    read_bytes,
    sentences,
    shown,
)
from gate.data.table import csv_rows
from gate.domain import Message
from gate.errors import CasesError

LARGEST_FILE_MIB = 1024

_FORMS = "'messages', 'prompt', 'instruction' or 'text'"
_NO_FORM_COLUMN = f"there is no column {_FORMS}; the first row must name the columns"
_ARRAY_COLUMNS = frozenset({"messages", "references"})


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


Filled = Annotated[str, AfterValidator(_not_blank)]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRow:
    """One example that the candidate may have learned from."""

    line: int
    """Where it begins in its file; counts from 1."""
    messages: tuple[Message, ...]
    """The conversation before the answer; empty for plain text."""
    answer: str | None
    """What the model was to learn to say; None for plain text. It may be empty."""
    text: str
    """Everything the row says, one turn after the other; never blank."""


class _Form(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Turn(_Form):
    role: Filled
    content: str | None = None
    """None beside a tool call."""


class _Answered(_Form):
    """An answer under the names that case files and trainers use."""

    reference: str | None = None
    completion: str | None = None
    references: Annotated[list[str], Field(min_length=1)] | None = None

    def answer(self) -> str | None:
        """Return the first that is there."""
        first = self.references[0] if self.references else None
        return next((text for text in (self.completion, self.reference, first) if text is not None), None)


class _Conversation(_Answered):
    messages: Annotated[list[_Turn], Field(min_length=1)]


class _Question(_Answered):
    prompt: Filled


class _Instruction(_Form):
    instruction: Filled
    input: str | None = None
    output: str


class _Text(_Form):
    text: Filled


_AnyForm = _Conversation | _Question | _Instruction | _Text
_ADAPTERS: dict[str, TypeAdapter[_AnyForm]] = {
    "messages": TypeAdapter(_Conversation),
    "prompt": TypeAdapter(_Question),
    "instruction": TypeAdapter(_Instruction),
    "text": TypeAdapter(_Text),
}
"""The key that names a form -> the form. The first that a row has decides: trainers add a rendered `text`, and data
sets repeat the first turn of `messages` as `prompt`."""


def load_training(path: Path, *, label: str) -> tuple[TrainingRow, ...]:
    """Read a training file.

    Forms of a row: `messages` (the last assistant turn is the answer; or, when the user has the last word, `reference`
    or `completion`), `prompt` with `reference` or `completion`, `instruction` with `output` and perhaps `input`,
    or `text`.

    Args:
        path: A `.jsonl`, `.json` or `.csv` file of at most 1 GiB.
        label: What messages call the file, usually its path as configured.

    Returns:
        The rows in the order of the file; at least one.

    Raises:
        CasesError: The file cannot be read, holds no row, or has bad lines; all bad lines are listed.
    """
    match path.suffix.lower():
        case ".jsonl":
            reader: Callable[[str], Iterable[NumberedRow | BadLine]] = json_rows
        case ".json":
            reader = _listed_rows
        case ".csv":
            reader = _table_rows
        case other:
            raise CasesError(f"{label}: training rows must be in a .jsonl, .json or .csv file, not {shown(other)}.")
    data = read_bytes(path, label=label, largest_mib=LARGEST_FILE_MIB, error=CasesError)
    rows: list[TrainingRow] = []
    bad: list[BadLine] = []
    for read in reader(decode(data, label=label, error=CasesError)):
        match read if isinstance(read, BadLine) else _row(read):
            case BadLine() as line:
                bad.append(line)
            case row:
                rows.append(row)
    if bad:
        complain(bad, label=label, error=CasesError)
    if not rows:
        raise CasesError(f"{label} holds no training row.", fix='Write one object a line: {"prompt": "...", ...}.')
    return tuple(rows)


def _row(read: NumberedRow) -> TrainingRow | BadLine:
    values = {name: value for name, value in read.values.items() if value is not None}
    adapter = next((adapter for name, adapter in _ADAPTERS.items() if name in values), None)
    if adapter is None:
        return BadLine(line=read.line, reason=f"has none of {_FORMS}")
    try:
        messages, answer, parts = _understood(adapter.validate_python(values))
    except ValidationError as refused:
        return BadLine(line=read.line, reason=sentences(refused))
    except ValueError as refused:
        return BadLine(line=read.line, reason=str(refused))
    return TrainingRow(line=read.line, messages=messages, answer=answer, text="\n".join(parts))


def _understood(form: _AnyForm) -> tuple[tuple[Message, ...], str | None, list[str]]:
    """Split a row into the conversation, the answer, and all of its texts.

    Raises:
        ValueError: There is no answer, or nothing is said.
    """
    match form:
        case _Conversation():
            return _conversation(form)
        case _Question():
            answer = form.answer()
            if answer is None:
                raise ValueError("has a 'prompt' but neither 'reference' nor 'completion'")
            return (Message(role="user", content=form.prompt),), answer, [form.prompt, answer]
        case _Instruction():
            given = [form.input] if form.input and form.input.strip() else []
            question = "\n\n".join([form.instruction, *given])
            return (Message(role="user", content=question),), form.output, [question, form.output]
        case _Text():
            return (), None, [form.text]


def _conversation(form: _Conversation) -> tuple[tuple[Message, ...], str, list[str]]:
    turns = tuple(Message(role=turn.role, content=turn.content or "") for turn in form.messages)
    if not any(turn.content.strip() for turn in turns):
        raise ValueError("'messages' says nothing")
    said = [turn.content for turn in turns]
    beside = form.answer()
    if beside is not None and turns[-1].role != "assistant":
        return turns, beside, [*said, beside]
    last = max((place for place, turn in enumerate(turns) if turn.role == "assistant"), default=None)
    if last is None:
        raise ValueError("'messages' has no turn of the assistant, and there is no 'reference' or 'completion'")
    return turns[:last], turns[last].content, said


_SPANS = json.JSONDecoder(parse_int=str, parse_float=str)
"""Finds where a value ends; numbers are not converted, so none can be too large."""
_GAP = re.compile(r"[ \t\n\r,]*")


def _listed_rows(text: str) -> Iterator[NumberedRow | BadLine]:
    """Yield the objects of a JSON list and the line on which each begins; of a broken list, where it breaks."""
    try:
        whole = _SPANS.decode(text)
    except json.JSONDecodeError as broken:
        yield BadLine(line=broken.lineno, reason=f"not JSON: {broken.msg} (column {broken.colno})")
        return
    except RecursionError:
        yield BadLine(line=1, reason="not JSON: nested too deeply")
        return
    if not isinstance(whole, list):
        yield BadLine(line=1, reason="not a list of rows such as [{...}, {...}]")
        return
    count = len(whole)
    del whole  # it is as large as the rows that are about to be made
    line, counted, place = 1, 0, text.index("[") + 1
    for _ in range(count):
        place = _gap_end(text, place)
        line, counted = line + text.count("\n", counted, place), place
        end = _SPANS.raw_decode(text, place)[1]
        try:
            yield NumberedRow(line=line, values=json_object(text[place:end]))
        except ValueError as broken:
            yield BadLine(line=line, reason=str(broken))
        place = end


def _gap_end(text: str, place: int) -> int:
    gap = _GAP.match(text, place)
    return place if gap is None else gap.end()


def _table_rows(text: str) -> Iterator[NumberedRow | BadLine]:
    """Yield the rows of a CSV text; every cell is text, `messages` and `references` are JSON arrays.

    An empty cell is an empty text, so that a row without an answer differs from a table without the column; but where
    a key says what form the row has, it is an absent one.
    """
    return csv_rows(text, header_problem=_header_problem, values=_cell_values)


def _header_problem(header: list[str]) -> str | None:
    if twice := [name for name, times in Counter(header).items() if times > 1]:
        return f"the column {shown(twice[0])} occurs twice"
    return None if _ADAPTERS.keys() & set(header) else _NO_FORM_COLUMN


def _cell_values(cells: Iterable[tuple[str, str]]) -> Row:
    values: Row = {}
    for name, cell in cells:
        absent = not cell.strip() and (name in _ADAPTERS or name in _ARRAY_COLUMNS)
        try:
            if not absent:
                values[name] = json_value(cell) if name in _ARRAY_COLUMNS else cell
        except ValueError as broken:
            raise ValueError(f"'{name}' is no JSON array: {broken}") from None
    return values
