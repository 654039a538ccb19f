"""Cases written as a CSV table: from cells to the rows that a `.jsonl` file would hold.

The first row names the columns. An empty cell is an absent key. Lists are JSON arrays (`["a", "b"]`) or parts
separated by `|`; `messages` is a JSON array of objects; `critical` is `true` or `false`. Knows no rules about cases.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator

from pydantic import JsonValue

from gate.data.lines import BadLine, NumberedRow, Row, json_value, shown

LIST_COLUMNS = frozenset({"references", "choices", "tags"})
SEPARATOR = "|"

_TRUTH: dict[str, bool] = {"true": True, "false": False}


def table_rows(text: str) -> Iterator[NumberedRow | BadLine]:
    """Yield each row of a CSV text of cases as a JSON-like mapping.

    Args:
        text: See `csv_rows`.
    """
    return csv_rows(text, header_problem=_header_problem, values=_values)


def csv_rows(
    text: str, *, header_problem: Callable[[list[str]], str | None], values: Callable[[Iterable[tuple[str, str]]], Row]
) -> Iterator[NumberedRow | BadLine]:
    """Yield each row of a CSV text.

    Args:
        text: Comma-separated, quoted with `"`, quotes doubled within quotes (RFC 4180). The first row names columns.
        header_problem: Says what is wrong with the names of the columns; None if nothing is.
        values: Makes a mapping of a row's (name, cell) pairs; raises ValueError if it cannot.

    Yields:
        Rows and bad lines; after a quoting error nothing more, because the rest cannot be told apart.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    line = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as broken:
            yield BadLine(line=line, reason=f"not CSV: {broken}")
            return
        if cells is None:
            return
        if header is None and cells:
            header = [cell.strip() for cell in cells]
            if reason := header_problem(header):
                yield BadLine(line=line, reason=reason)
                return
        elif header is not None and any(cell.strip() for cell in cells):
            yield _row(header, cells, line=line, values=values)
        line = reader.line_num + 1


def _row(
    header: list[str], cells: list[str], *, line: int, values: Callable[[Iterable[tuple[str, str]]], Row]
) -> NumberedRow | BadLine:
    if len(cells) != len(header):
        return BadLine(line=line, reason=f"has {len(cells)} cells where the header has {len(header)}")
    try:
        return NumberedRow(line=line, values=values(zip(header, cells, strict=True)))
    except ValueError as broken:
        return BadLine(line=line, reason=str(broken))


def _header_problem(header: list[str]) -> str | None:
    for name in header:
        if not name:
            return "a column has no name"
        if header.count(name) > 1:
            return f"the column {shown(name)} occurs twice"
    return None if "id" in header else "there is no column 'id'; the first row must name the columns"


def _values(cells: Iterable[tuple[str, str]]) -> Row:
    return {name: _value(name, cell) for name, cell in cells if cell.strip()}


def _value(name: str, cell: str) -> JsonValue:
    text = cell.strip()
    match name:
        case "messages":
            return _array(name, text)
        case _ if name in LIST_COLUMNS:
            if text.startswith("["):
                return _array(name, text)
            return [part.strip() for part in text.split(SEPARATOR)]
        case "critical":
            # What is neither stays text and is refused together with the row's other mistakes.
            return _TRUTH.get(text.lower(), text)
        case "max_new_tokens":
            return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text
        case _:
            return cell


def _array(name: str, text: str) -> JsonValue:
    try:
        return json_value(text)
    except ValueError as broken:
        raise ValueError(f"'{name}' is no JSON array: {broken}") from None
