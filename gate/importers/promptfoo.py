"""What promptfoo writes with `promptfoo eval -o FILE.json` (or .jsonl): one row per test, prompt and provider.

The rows lie in results.results; in a JSON Lines file each is a line. Only one column, that is one provider with one
prompt, is an arm. Where a file has several, the path says which: `FILE#PROVIDER` (its id or label) or `FILE#NUMBER`
(the promptIdx). Runs with `--repeat` number every repetition as a test of its own; here, rows that ask and demand the
same are repeats of one case.

References:
    src/types/index.ts (EvaluateResult, OutputFile) of github.com/promptfoo/promptfoo at 0011eb02d.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from gate.data.lines import BadLine, Row, shown
from gate.domain import ArmName, Case, Finish
from gate.errors import RecordsError
from gate.importers.base import Answer, Collected, ImportedSuite, conversation, suite_name
from gate.importers.tolerant_json import (
    compact,
    complain_entries,
    digest,
    items,
    member,
    members,
    mended,
    number_of,
    read_document,
    read_lines,
    text_of,
)

_ERROR = 2
"""`failureReason` of a row without an answer; 1 is an answer that an assertion rejected."""
_CUT = frozenset({"length", "max_tokens"})
_SAMPLING = frozenset(
    {
        *("temperature", "max_tokens", "max_completion_tokens", "max_new_tokens", "top_p", "top_k", "seed", "stop"),
        *("frequency_penalty", "presence_penalty", "repetition_penalty"),
    }
)
_LISTED_AT_MOST = 10
_OWN_SCORES = ("success", "score")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """One provider with one prompt."""

    number: int
    provider: str
    label: str | None
    prompt: str

    @property
    def named(self) -> str:
        return f"{self.number}: {self.label or self.provider} / {shown(self.prompt)}"


def read_promptfoo(path: Path, *, arm: ArmName) -> tuple[ImportedSuite, ...]:
    """Read one column of one file.

    Args:
        path: The file; behind it, `#` and a provider or the number of a column.
        arm: Whose answers they are.

    Raises:
        RecordsError: The file is broken or has bad rows, or several columns of which none is named.
    """
    file, wanted = _file_and_column(path)
    document = {} if file.suffix == ".jsonl" else read_document(file)
    rows = list(_lines(file) if file.suffix == ".jsonl" else _results(file, document))
    column = _chosen(file, rows, wanted)
    collected = Collected()
    bad: list[str] = []
    tests: dict[str, list[int]] = {}
    # Rows lie in the order in which answers came; a case is named after its first test, so that order must not count.
    for place, row in sorted(rows, key=lambda one: _index(one[1], "testIdx") or 0):
        if _index(row, "promptIdx") != column.number:
            continue
        try:
            _collect(collected, row, tests, place=place)
        except ValueError as refused:
            bad.append(f"{place}: {refused}")
    if bad:
        complain_entries(bad, label=str(file), noun="result")
    description = text_of(member(document, "config", "description"))
    name = "" if description is None else suite_name(description)
    version = text_of(member(document, "metadata", "promptfooVersion"))
    return (
        ImportedSuite(
            name=name,
            source=str(path),
            kind="promptfoo",
            tool=None if version is None else f"promptfoo {version}",
            setup=_setup(document, column),
            model=column.label or column.provider,
            cases=collected.cases,
            responses=collected.responses(suite=name, arm=arm),
            definitions=collected.definitions,
        ),
    )


def _file_and_column(path: Path) -> tuple[Path, str | None]:
    whole = str(path)
    before, _, after = whole.partition("#")
    try:
        exists = path.exists()
    except (OSError, ValueError):  # a name that is too long, or holds NUL
        exists = False
    return (path, None) if exists or not after else (Path(before), after)


def _results(file: Path, document: Row) -> Iterator[tuple[str, Row]]:
    rows = member(document, "results", "results")
    if not isinstance(rows, list) or not rows:
        raise RecordsError(f"{file} holds no results: 'results.results' must be a list with the rows of promptfoo.")
    yield from _checked(file, ((f"result {number}", row) for number, row in enumerate(rows, start=1)))


def _lines(file: Path) -> Iterator[tuple[str, Row]]:
    lines = list(read_lines(file))
    bad = [f"line {line.line}: {line.reason}" for line in lines if isinstance(line, BadLine)]
    if bad:
        complain_entries(bad, label=str(file), noun="line")
    if not lines:
        raise RecordsError(f"{file} holds no results.")
    yield from _checked(file, ((f"line {line.line}", line.values) for line in lines if not isinstance(line, BadLine)))


def _checked(file: Path, rows: Iterable[tuple[str, JsonValue]]) -> Iterator[tuple[str, Row]]:
    bad: list[str] = []
    for place, row in rows:
        if not isinstance(row, dict) or _index(row, "testIdx") is None or _index(row, "promptIdx") is None:
            bad.append(f"{place}: 'testIdx' and 'promptIdx' must be whole numbers from 0 on")
        else:
            yield place, row
    if bad:
        complain_entries(bad, label=str(file), noun="result")


def _index(row: Row, key: str) -> int | None:
    value = row.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _chosen(file: Path, rows: list[tuple[str, Row]], wanted: str | None) -> _Column:
    columns: dict[int, _Column] = {}
    for _, row in rows:
        number = _index(row, "promptIdx")
        if number is not None and number not in columns:
            columns[number] = _column(row, number)
    # A path drops doubled slashes, which a provider that is a web address has.
    found = [
        column
        for column in columns.values()
        if wanted is None or wanted in {str(column.number), column.provider, column.label, str(Path(column.provider))}
    ]
    if len(found) == 1:
        return found[0]
    listed = "; ".join(
        column.named for column in sorted(columns.values(), key=lambda one: one.number)[:_LISTED_AT_MOST]
    )
    what = (
        f"{file} holds {len(found)} columns named {shown(wanted)}" if wanted else f"{file} holds {len(found)} columns"
    )
    raise RecordsError(
        f"{what}; an arm is one provider with one prompt. Columns: {listed}.",
        fix=f"Name one: {file}#NUMBER or {file}#PROVIDER.",
    )


def _column(row: Row, number: int) -> _Column:
    provider = row.get("provider")
    name = provider if isinstance(provider, str) else member(provider, "id")
    prompt = member(row, "prompt", "label")
    return _Column(
        number=number,
        provider=text_of(name) or "unknown",
        label=text_of(member(provider, "label")),
        prompt=text_of(prompt) or "",
    )


def _collect(collected: Collected, row: Row, tests: dict[str, list[int]], *, place: str) -> None:
    test = members(row.get("testCase"))
    variables = {**members(row.get("vars")), **members(test.get("vars"))}
    variables.pop("sessionId", None)  # new in every run
    asserted = items(test.get("assert"))
    demands: list[JsonValue] = [variables, [*asserted], test.get("threshold"), test.get("options")]
    definition = digest(demands)
    prompt = _prompt(row)
    index = _index(row, "testIdx") or 0
    same = tests.setdefault(digest([definition, prompt]), [])
    if index in same:
        raise ValueError(f"answers test {index} a second time")
    same.append(index)
    case = Case(
        id=str(same[0]),
        messages=conversation(prompt),
        references=tuple(
            mended(value)
            for one in asserted
            if member(one, "type") == "equals" and isinstance(value := member(one, "value"), str)
        ),
    )
    collected.add(case, _answer(row, repeat=len(same) - 1), place=place, definition=definition)


def _prompt(row: Row) -> str:
    raw = row["prompt"] if isinstance(row.get("prompt"), str) else member(row, "prompt", "raw")
    return raw if isinstance(raw, str) else "" if raw is None else compact(raw)


def _answer(row: Row, *, repeat: int) -> Answer:
    output = member(row, "response", "output")
    error = text_of(row.get("error")) or text_of(member(row, "response", "error"))
    # An error's text alone says nothing: an answer that an assertion rejected has the rejection as its error.
    if row.get("failureReason") == _ERROR or ("failureReason" not in row and output is None and error is not None):
        return Answer(text="", repeat=repeat, finish="error", error=error or "promptfoo recorded an error", scores={})
    text = output if isinstance(output, str) else "" if output is None else compact(output)
    finish: Finish = "length" if text_of(member(row, "response", "finishReason")) in _CUT else "stop"
    return Answer(text=text, repeat=repeat, finish=finish, scores=_scores(row))


def _scores(row: Row) -> dict[str, float]:
    """`success` as 1 and 0, `score`, and every named score; one that is named like these two gets a longer name."""
    values = {name: number_of(row.get(name)) for name in _OWN_SCORES}
    for name, value in members(row.get("namedScores")).items():
        values[f"namedScores.{name}" if name in _OWN_SCORES else name] = number_of(value)
    return {name: value for name, value in values.items() if value is not None}


def _setup(document: Row, column: _Column) -> dict[str, str]:
    """The sampling settings of the provider, where the file's configuration spells them out."""
    for provider in items(member(document, "config", "providers")):
        label = text_of(member(provider, "label"))
        # One provider may occur several times with different settings; then its labels tell.
        same = label == column.label if label or column.label else member(provider, "id") == column.provider
        config = members(member(provider, "config"))
        if same and config:
            return {"generation settings": compact({key: config[key] for key in config if key in _SAMPLING})}
    return {}
