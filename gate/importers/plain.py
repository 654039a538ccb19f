"""Plain JSON Lines: one answer an object, for tools that have no format of their own here.

Keys, the first that is there counts: the case in id, case, case_id, doc_id or sample_id; the answer in text, output,
response, answer, completion, prediction or generation. All else may be missing: suite, repeat (from 0), finish, error,
score (a number from 0 to 1, or true and false), scores (metric -> such a number), the prompt in prompt, input or
question, and the right answer, or a list of them, in reference, target or expected.
"""

from collections import defaultdict
from pathlib import Path

from pydantic import JsonValue

from gate.data.lines import BadLine, Row, complain, decode, json_rows, read_bytes, shown
from gate.domain import ArmName, Case, Finish
from gate.errors import RecordsError
from gate.importers.base import Answer, Collected, ImportedSuite, case_id, conversation, suite_name, turns_of
from gate.importers.tolerant_json import LARGEST_LINES_MIB, number_of, text_of

IDS = ("id", "case", "case_id", "doc_id", "sample_id")
TEXTS = ("text", "output", "response", "answer", "completion", "prediction", "generation")
_PROMPTS = ("prompt", "input", "question")
_REFERENCES = ("reference", "target", "expected")


def read_plain(path: Path, *, arm: ArmName) -> tuple[ImportedSuite, ...]:
    """Read a file of plain JSON Lines; one suite for each name in `suite`.

    Raises:
        RecordsError: It cannot be read or has bad lines; all bad lines are listed.
    """
    label = str(path)
    data = read_bytes(path, label=label, largest_mib=LARGEST_LINES_MIB, error=RecordsError)
    suites: defaultdict[str, Collected] = defaultdict(Collected)
    written: dict[str, JsonValue] = {}
    bad: list[BadLine] = []
    for row in json_rows(decode(data, label=label, error=RecordsError), allow_nul=True):
        if isinstance(row, BadLine):
            bad.append(row)
            continue
        try:
            name = _suite(row.values)
            if written.setdefault(name, row.values.get("suite")) != row.values.get("suite"):
                raise ValueError(f"'suite' {shown(row.values['suite'])} reads as {name!r}, like {shown(written[name])}")
            suites[name].add(_case(row.values), _answer(row.values), place=f"line {row.line}")
        except ValueError as refused:
            bad.append(BadLine(line=row.line, reason=str(refused)))
    if bad:
        complain(bad, label=label, error=RecordsError)
    if not suites:
        raise RecordsError(f"{label} holds no answers.")
    if "" in suites and len(suites) > 1:
        raise RecordsError(f"{label} names a suite in some lines and none in others.", fix="Name it in every line.")
    return tuple(
        ImportedSuite(
            name=name,
            source=label,
            kind="jsonl",
            tool=None,
            setup={},
            model=None,
            cases=collected.cases,
            responses=collected.responses(suite=name, arm=arm),
            definitions={},
        )
        for name, collected in suites.items()
    )


def _first(row: Row, names: tuple[str, ...]) -> tuple[str, JsonValue]:
    """The first of the keys that holds something, and what it holds; the first name and None if none does."""
    return next(((name, row[name]) for name in names if row.get(name) is not None), (names[0], None))


def _suite(row: Row) -> str:
    name = row.get("suite")
    if name is None:
        return ""
    if text_of(name) is None:
        raise ValueError(f"'suite' must be a name, not {shown(name)}")
    return suite_name(str(name))


def _case(row: Row) -> Case:
    key, value = _first(row, IDS)
    if value is None:
        raise ValueError(f"the case is missing: none of {', '.join(IDS)}")
    try:
        case = case_id(value)
    except ValueError as refused:
        raise ValueError(f"{key!r} {refused}") from None
    key, prompt = _first(row, _PROMPTS)
    messages = conversation(prompt or "") if prompt is None or isinstance(prompt, str) else turns_of(prompt)
    if messages is None:
        raise ValueError(f"{key!r} must be a text or a list of turns with role and content, not {shown(prompt)}")
    return Case(id=case, messages=messages, references=_references(row))


def _references(row: Row) -> tuple[str, ...]:
    key, value = _first(row, _REFERENCES)
    found: list[str] = []
    for one in value if isinstance(value, list) else [] if value is None else [value]:
        match one:
            case str():
                found.append(one)
            case int() | float() if not isinstance(one, bool):
                found.append(str(one))
            case _:
                raise ValueError(f"{key!r} must be a text, a number or a list of them, not {shown(value)}")
    return tuple(found)


def _answer(row: Row) -> Answer:
    key, text = _first(row, TEXTS)
    error = row.get("error")
    repeat = row.get("repeat", 0)
    if error is not None and not isinstance(error, str):
        raise ValueError(f"'error' must be a text, not {shown(error)}")
    if isinstance(repeat, bool) or not isinstance(repeat, int) or repeat < 0:
        raise ValueError(f"'repeat' must be a whole number from 0 on, not {shown(repeat)}")
    finish = _finish(row, error)
    if finish == "error":
        return Answer(text="", repeat=repeat, finish="error", error=error or "the file says so", scores={})
    if text is None:
        raise ValueError(f"the answer is missing: none of {', '.join(TEXTS)}")
    if not isinstance(text, str):
        raise ValueError(f"{key!r} must be a text, not {shown(text)}")  # noqa: TRY004 - a fact about the file
    return Answer(text=text, repeat=repeat, finish=finish, scores=_scores(row))


def _finish(row: Row, error: str | None) -> Finish:
    match row.get("finish"):
        case "error":
            return "error"
        case None:
            return "error" if error else "stop"
        case "stop" | "length" as finish if error:
            raise ValueError(f"has an 'error' although 'finish' is {finish!r}")
        case "stop":
            return "stop"
        case "length":
            return "length"
        case other:
            raise ValueError(f"'finish' must be stop, length or error, not {shown(other)}")


def _scores(row: Row) -> dict[str, float]:
    several = row.get("scores")
    if several is not None and not isinstance(several, dict):
        raise ValueError(f"'scores' must be an object of metric and number, not {shown(several)}")
    values = dict(several or {})
    score = row.get("score")
    if isinstance(score, dict):
        values.update(score)
    elif score is not None:
        values["score"] = score
    scores: dict[str, float] = {}
    for name, value in values.items():
        if value is None:  # unknown, and said so
            continue
        number = number_of(value)
        if number is None or not 0.0 <= number <= 1.0:
            raise ValueError(f"the score {shown(name)} must be a number from 0 to 1, not {shown(value)}")
        scores[name] = number
    return scores
