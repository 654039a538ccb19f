"""The answers that lm-evaluation-harness writes with `--log_samples`: `samples_TASK_DATE.jsonl`, one row a document.

A row has doc_id, doc, target, arguments, resps, filtered_resps, filter, metrics, doc_hash, prompt_hash, target_hash and
one key per metric; a task with several filters has one row a document and filter. `results_DATE.json` beside the file
says how the prompts were made. Rows of older releases, with lists for arguments and without filter, read as well.

References:
    lm_eval/result_schema.py, lm_eval/evaluator.py and lm_eval/loggers/evaluation_tracker.py of
    github.com/EleutherAI/lm-evaluation-harness at 4e7e0d47f.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from gate.data.lines import BadLine, Row, complain, shown
from gate.domain import ArmName, Case, Message
from gate.errors import RecordsError
from gate.importers.base import Answer, Collected, ImportedSuite, case_id, conversation, suite_name
from gate.importers.tolerant_json import (
    compact,
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

SAMPLES_PATTERN = "samples_*.jsonl"

_NAME = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}(?:\.\d+)?)\.jsonl")
_FIXED = frozenset(
    {
        *("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"),
        *("doc_hash", "prompt_hash", "target_hash"),
    }
)
_NO_FILTER = "none"
_NOT_THE_TASK = frozenset({"metadata", "num_fewshot", "generation_kwargs", "task_alias"})
"""Parts of a task's configuration that hold the model's arguments or are told apart in the setup."""
_TRUTH = {"True": 1.0, "False": 0.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    """One row: a document under one filter."""

    filter: str
    case: Case
    text: str
    scores: dict[str, float]
    definition: str
    settings: str | None
    """How the answer was generated, as compact JSON; None where none was generated."""


def read_lm_eval(path: Path, *, arm: ArmName) -> tuple[ImportedSuite, ...]:
    """Read one samples file, or all that lie in a folder.

    Raises:
        RecordsError: No file, several dates of one task, or bad lines.
    """
    files = _files_of(path) if path.is_dir() else (path,)
    return tuple(_suite(file, arm=arm) for file in files)


def _files_of(folder: Path) -> tuple[Path, ...]:
    files = sorted(folder.glob(SAMPLES_PATTERN))
    if not files:
        below = sorted({file.parent.name for file in folder.glob(f"*/{SAMPLES_PATTERN}")})
        raise RecordsError(
            f"{folder} holds no {SAMPLES_PATTERN}.",
            fix=f"Name one of the folders in it: {', '.join(below[:10])}."
            if below
            else "Run lm-eval with --log_samples and --output_path.",
        )
    newest: dict[str, Path] = {}
    for file in files:
        task = _task_and_date(file)[0]
        if task in newest:
            raise RecordsError(
                f"{folder} holds answers to {task} from several runs: {newest[task].name} and {file.name}.",
                fix="Name one of the files, or move the others away.",
            )
        newest[task] = file
    return tuple(files)


def _task_and_date(file: Path) -> tuple[str, str | None]:
    """What the file's name says; an empty task if it was renamed."""
    found = _NAME.fullmatch(file.name)
    if found:
        return found["task"], found["date"]
    before, _, task = file.stem.partition("samples_")
    return ("" if before else task), None


def _suite(file: Path, *, arm: ArmName) -> ImportedSuite:
    rows = _rows(file)
    collected = Collected()
    many = len({row.filter for _, row in rows}) > 1
    merged: dict[str, tuple[int, _Scored, dict[str, float]]] = {}
    for line, row in rows:
        _, _, scores = merged.setdefault(row.case.id, (line, row, {}))
        scores.update({f"{name},{row.filter}" if many else name: value for name, value in row.scores.items()})
    for line, row, scores in merged.values():
        collected.add(row.case, Answer(text=row.text, scores=scores), place=f"line {line}", definition=row.definition)
    task, date = _task_and_date(file)
    results = _results_beside(file, date)
    name = suite_name(task) if task else ""
    settings = tuple(dict.fromkeys(row.settings for _, row in rows if row.settings is not None))
    return ImportedSuite(
        name=name,
        source=str(file),
        kind="lm-eval",
        tool=_tool(results),
        setup={**_setup(results, task), **_generation(settings)},
        model=text_of(member(results, "model_name")),
        cases=collected.cases,
        responses=collected.responses(suite=name, arm=arm),
        definitions=collected.definitions,
    )


def _rows(file: Path) -> list[tuple[int, _Scored]]:
    rows: list[tuple[int, _Scored]] = []
    bad: list[BadLine] = []
    line_of: dict[tuple[str, str], int] = {}
    for line in read_lines(file):
        if isinstance(line, BadLine):
            bad.append(line)
            continue
        try:
            row = _row(line.values)
        except ValueError as refused:
            bad.append(BadLine(line=line.line, reason=str(refused)))
            continue
        key = (row.case.id, row.filter)
        if key in line_of:
            reason = f"answers the same as line {line_of[key]}: doc_id {row.case.id}, filter {shown(row.filter)}"
            bad.append(BadLine(line=line.line, reason=reason))
            continue
        line_of[key] = line.line
        rows.append((line.line, row))
    if bad:
        complain(bad, label=str(file), error=RecordsError)
    if not rows:
        raise RecordsError(f"{file} holds no answers.")
    return rows


def _row(row: Row) -> _Scored:
    if "doc_id" not in row or "resps" not in row:
        raise ValueError("'doc_id' or 'resps' is missing: not a row of lm-eval's --log_samples")
    try:
        case = case_id(row["doc_id"])
    except ValueError as refused:
        raise ValueError(f"'doc_id' {refused}") from None
    asked = _requests(row.get("arguments"))
    options = _options(asked)
    generation = asked[0][1] if asked and len(asked[0]) > 1 and isinstance(asked[0][1], dict) else None
    target = row.get("target")
    return _Scored(
        filter=text_of(row.get("filter")) or _NO_FILTER,
        case=Case(
            id=case,
            messages=_prompt(asked[0][0] if asked and asked[0] else None),
            references=() if target is None else (mended(target) if isinstance(target, str) else compact(target),),
            choices=options,
        ),
        text=_text(row["resps"], options),
        scores=_scores(row),
        definition=digest(
            [row.get("doc", row.get("doc_hash")), [request[1:] for request in asked if len(request) > 1]]
        ),
        settings=None if generation is None else compact(generation),
    )


def _requests(arguments: JsonValue) -> list[list[JsonValue]]:
    """What the model was asked for one document: context and continuation, or prompt and settings, of each request."""
    requests = list(arguments.values()) if isinstance(arguments, dict) else items(arguments)
    return [list(one.values()) if isinstance(one, dict) else items(one) for one in requests]


def _prompt(context: JsonValue) -> tuple[Message, ...]:
    match context:
        case None:
            return conversation("")
        case str() | [str()]:  # a chat API's prompt is a list of one text, the JSON of the turns
            return conversation(context if isinstance(context, str) else str(context[0]))
        case _:
            return (Message(role="user", content=compact(context)),)


def _options(asked: list[list[JsonValue]]) -> tuple[str, ...]:
    """The options of a multiple-choice question: several continuations of one and the same context."""
    pairs = [(request[0], request[1]) for request in asked if len(request) > 1]
    texts = [continuation for context, continuation in pairs if context == pairs[0][0]]
    options = tuple(mended(text).strip() for text in texts if isinstance(text, str))
    return options if len(options) == len(texts) > 1 and len(set(options)) > 1 else ()


def _text(resps: JsonValue, options: tuple[str, ...]) -> str:
    """The first raw answer; of log-likelihoods the likeliest option, or their JSON where the options are not known."""
    first = [repeats[0] for repeats in items(resps) if isinstance(repeats, list) and repeats]
    if not first or len(first) != len(items(resps)):
        raise ValueError("'resps' must hold a list of answers for each request")
    if isinstance(first[0], str):
        return mended(first[0])
    # Requests beyond the options ask for the same continuations without a context.
    likelihoods = [_number(answer[0]) for answer in first[: len(options)] if isinstance(answer, list) and answer]
    known = [value for value in likelihoods if value is not None]
    if not options or len(known) != len(options):
        return compact(resps)
    return options[known.index(max(known))]


def _scores(row: Row) -> dict[str, float]:
    named = row.get("metrics")
    names = [name for name in named if isinstance(name, str)] if isinstance(named, list) else row.keys() - _FIXED
    values = {name: _number(row.get(name)) for name in sorted(names)}
    return {name: value for name, value in values.items() if value is not None}


def _number(value: JsonValue) -> float | None:
    """A number; also one that the harness wrote as text, as it does with types that JSON does not know."""
    if not isinstance(value, str):
        return number_of(value)
    if value in _TRUTH:
        return _TRUTH[value]
    try:
        return number_of(float(value))
    except ValueError:
        return None


def _results_beside(file: Path, date: str | None) -> Row:
    if date is None:
        return {}
    beside = file.with_name(f"results_{date}.json")
    return read_document(beside) if beside.is_file() else {}


def _tool(results: Row) -> str | None:
    version = text_of(results.get("lm_eval_version"))
    return None if version is None else f"lm-eval {version}"


def _setup(results: Row, task: str) -> dict[str, str]:
    """What the results file says about how the prompts were made; nothing if there is none."""
    if not results:
        return {}
    config = {
        key: value for key, value in members(member(results, "configs", task)).items() if key not in _NOT_THE_TASK
    }
    values: dict[str, JsonValue] = {
        "task version": member(results, "versions", task),
        "number of shots": member(results, "n-shot", task),
        "task definition": digest(config) if config else None,
        "few-shot examples as turns": results.get("fewshot_as_multiturn"),
        "few-shot seed": member(results, "config", "fewshot_seed"),
        "number format": member(results, "config", "model_dtype"),
        "maximum length": results.get("max_length"),
    }
    for key, field in (("chat template", "chat_template_sha"), ("system instruction", "system_instruction_sha")):
        if field in results:
            values[key] = results[field] or "none"
    return {
        key: value if isinstance(value, str) else compact(value) for key, value in values.items() if value is not None
    }


def _generation(settings: tuple[str, ...]) -> dict[str, str]:
    match settings:
        case ():
            return {}
        case (only,):
            return {"generation settings": only}
        case _:
            several: list[JsonValue] = [*sorted(settings)]
            return {"generation settings": f"{len(settings)} different ones (digest {digest(several)})"}
