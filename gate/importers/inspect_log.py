"""The logs of Inspect (inspect_ai): `.json`, one object, or `.eval`, a zip file of `header.json` and `samples/*.json`.

A log holds one task. That of a run which did not finish is refused, for its missing samples are not missing at random.

References:
    src/inspect_ai/log/_log.py (EvalLog) and log/_recorders/eval.py of
    github.com/UKGovernmentBEIS/inspect_ai at 499e6152e.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from pydantic import JsonValue

from gate.data.lines import Row, shown
from gate.domain import ArmName
from gate.errors import RecordsError
from gate.importers.archive import Archive
from gate.importers.base import Collected, ImportedSuite, suite_name
from gate.importers.inspect_sample import read_answer, read_case, read_definition
from gate.importers.tolerant_json import (
    compact,
    complain_entries,
    items,
    member,
    members,
    parse_document,
    read_document,
    text_of,
)

HEADER = "header.json"
START = "_journal/start.json"
"""What a zipped log holds from its beginning on; the header is written last."""
ZIP_MAGIC = b"PK\x03\x04"

_HEAD_BYTES = 64 * 1024
_SAMPLE = re.compile(r"samples/.*\.json", re.DOTALL)
"""`samples/ID_epoch_N.json`, where the id may hold anything, slashes too."""
_PART_OF_A_SAMPLE = re.compile(r"samples/.*_epoch_\d+/sample\.json", re.DOTALL)
_NOT_GENERATION = frozenset(
    {
        *("max_retries", "timeout", "attempt_timeout", "max_connections", "adaptive_connections"),
        *("cache", "cache_prompt", "batch", "extra_headers"),
    }
)
"""Settings of the connection, which do not change what is answered."""
_LIMITS = ("message_limit", "token_limit", "turn_limit", "time_limit", "working_limit", "cost_limit")


def read_inspect(path: Path, *, arm: ArmName) -> tuple[ImportedSuite, ...]:
    """Read one log, or all that lie in a folder.

    Raises:
        RecordsError: No log, a broken or unfinished one, or bad samples.
    """
    files = _files_of(path) if path.is_dir() else (path,)
    return tuple(_suite(file, arm=arm) for file in files)


def looks_like_a_log(head: str) -> bool:
    """Whether the beginning of a JSON file is that of a log."""
    return '"status"' in head and re.search(r'"eval"\s*:\s*\{', head) is not None and '"task"' in head


def _files_of(folder: Path) -> tuple[Path, ...]:
    files = sorted({*folder.glob("*.eval"), *filter(_is_log, folder.glob("*.json"))})
    if not files:
        raise RecordsError(f"{folder} holds no Inspect log (*.eval or *.json).", fix="Name the folder of the logs.")
    return tuple(files)


def _is_log(file: Path) -> bool:
    return looks_like_a_log(_head(file, _HEAD_BYTES).decode("utf-8", "replace"))


def _head(file: Path, size_bytes: int) -> bytes:
    """The beginning of a file; nothing where it cannot be read, which is said when it is read in earnest."""
    with suppress(OSError), file.open("rb") as opened:
        return opened.read(size_bytes)
    return b""


def _suite(file: Path, *, arm: ArmName) -> ImportedSuite:
    if _head(file, len(ZIP_MAGIC)) == ZIP_MAGIC:
        with Archive(file) as archive:
            return _from(file, _zipped_header(file, archive), _zipped_samples(file, archive), arm=arm)
    log = read_document(file)
    samples = log.get("samples")
    if not isinstance(samples, list):
        raise RecordsError(f"{file} holds no samples.", fix="Run Inspect with --log-samples.")
    return _from(file, log, ((f"sample {n}", sample) for n, sample in enumerate(samples, start=1)), arm=arm)


def _zipped_header(file: Path, archive: Archive) -> Row:
    if HEADER not in archive.names:
        if START in archive.names:
            raise _unfinished(file, "started")
        raise RecordsError(f"{file} is a zip file but no Inspect log: it has no {HEADER}.")
    return parse_document(archive.read(HEADER), label=f"{HEADER} in {file}")


def _zipped_samples(file: Path, archive: Archive) -> Iterator[tuple[str, JsonValue]]:
    for name in archive.names:
        if _PART_OF_A_SAMPLE.fullmatch(name):
            raise RecordsError(
                f"{file} holds its samples in pieces, which cannot be read here.",
                fix=f"Write it as JSON: inspect log convert --to json --output-dir DIR {file}",
            )
        if _SAMPLE.fullmatch(name):
            yield name, parse_document(archive.read(name), label=f"{name} in {file}")


def _unfinished(file: Path, status: object) -> RecordsError:
    return RecordsError(
        f"{file} is the log of a run that did not finish: its status is {shown(status)}, not 'success'.",
        fix="Finish it (inspect eval-retry) and use the new log.",
    )


def _from(file: Path, log: Row, samples: Iterable[tuple[str, JsonValue]], *, arm: ArmName) -> ImportedSuite:
    task = text_of(member(log, "eval", "task"))
    if task is None:
        raise RecordsError(f"{file} is no Inspect log: it names no task ('eval.task').")
    if log.get("status") != "success":
        raise _unfinished(file, log.get("status"))
    if log.get("invalidated") is True:
        raise RecordsError(f"{file} was marked as invalid in Inspect.", fix="Use the log of a valid run.")
    collected = Collected()
    bad: list[str] = []
    for place, sample in samples:
        try:
            values = members(sample)
            definition = read_definition(values)
            collected.add(read_case(values), read_answer(values), place=place, definition=definition)
        except ValueError as refused:
            bad.append(f"{place}: {refused}")
    if bad:
        complain_entries(bad, label=str(file), noun="sample")
    if not collected:
        raise RecordsError(f"{file} holds no samples.", fix="Run Inspect with --log-samples.")
    name = suite_name(task)
    version = text_of(member(log, "eval", "packages", "inspect_ai"))
    return ImportedSuite(
        name=name,
        source=str(file),
        kind="inspect",
        tool=None if version is None else f"inspect_ai {version}",
        setup=_setup(log),
        model=text_of(member(log, "eval", "model")),
        cases=collected.cases,
        responses=collected.responses(suite=name, arm=arm),
        definitions=collected.definitions,
    )


def _setup(log: Row) -> dict[str, str]:
    spec = members(log.get("eval"))
    generation = {**members(member(log, "plan", "config")), **members(spec.get("model_generate_config"))}
    limits = {key: member(spec, "config", key) for key in _LIMITS}
    scorers: list[JsonValue] = [
        [member(scorer, "name"), member(scorer, "options")] for scorer in items(spec.get("scorers"))
    ]
    solver: list[JsonValue] = [
        [member(step, "solver"), member(step, "params")] for step in items(member(log, "plan", "steps"))
    ]
    roles: Row = {role: member(model, "model") for role, model in members(spec.get("model_roles")).items()}
    values: Row = {
        "task version": spec.get("task_version"),
        "task arguments": _set(members(spec.get("task_args"))),
        "dataset": member(spec, "dataset", "name"),
        "solver": solver or spec.get("solver"),
        "scorers": scorers,
        "generation settings": _set({key: value for key, value in generation.items() if key not in _NOT_GENERATION}),
        "limits": _set(limits),
        "models in other roles": _set(roles),
    }
    return {
        key: value if isinstance(value, str) else compact(value) for key, value in values.items() if value is not None
    }


def _set(values: Row) -> Row:
    return {key: value for key, value in values.items() if value is not None}
