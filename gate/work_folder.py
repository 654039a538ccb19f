"""What the steps of the Action leave for each other: what is judged, the rounds, and what went wrong.

Whatever one step wrote is checked when the next one reads it: a step that runs a model is not believed. Knows neither
git nor GitHub.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from gate.data.whole_file import write_whole
from gate.errors import EXIT_BROKEN, BrokenRun, RecordsError, UsageError
from gate.run_folder import REPORT, ROUND, RunFolder

PLAN, PROBLEM, ROUNDS = "plan.json", "problem.json", "rounds"
MOST_ADAPTERS = 50
"""Adapters that one commit may have judged."""

_MAX_BYTES = 1024 * 1024
_MESSAGE_CHARACTERS = 20_000

StepName = Literal["answer", "compare"]
Commit = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]
ShortText = Annotated[str, Field(max_length=4096)]
Kind = TypeVar("Kind")


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedAdapter:
    """One adapter that gets a round of its own."""

    slug: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$")]
    """Its folder below `rounds`; unique, and inert wherever it is written."""
    adapter: ShortText
    """As the configuration writes it; where it was named otherwise, its path from the top of the repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionPlan:
    """What one run of the Action judges, and by what."""

    schema_version: Literal[1] = 1
    config: ShortText
    """The configuration's path from the workspace."""
    config_commit: Commit
    """The commit that it, and every file that it names, is read from."""
    candidate_commit: Commit | None
    """The commit that is judged; None: the candidate is not in the repository."""
    judged: Annotated[tuple[JudgedAdapter, ...], Field(max_length=MOST_ADAPTERS)]
    """None: nothing was changed that could be judged."""
    replaces: bool
    """Whether each adapter is judged in place of `candidate.adapter`."""
    bootstrap: bool
    """Whether the candidate's own configuration is used, because the base branch has none."""
    notes: Annotated[tuple[ShortText, ...], Field(max_length=100)]
    """What a reader of the comment must know, one sentence each."""
    changed_base: ShortText | None = None
    """Path of the base model from the top of the repository, if the candidate brought one of its own."""

    @property
    def bootstrap_note(self) -> str:
        """What a reader must know if the candidate's own configuration is used."""
        return bootstrap_note(self.config)

    @property
    def cautions(self) -> tuple[str, ...]:
        """What must be said whatever else is left out: that the candidate brought a part of its own yardstick."""
        brought = (self.bootstrap_note,) if self.bootstrap else ()
        return brought if self.changed_base is None else (*brought, base_note(self.changed_base))


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProblem:
    """Word that a step leaves for the next ones when it broke off or refused to start, so that there is no round."""

    step: StepName
    exit_code: Annotated[int, Field(ge=1, le=255)]
    message: Annotated[str, Field(max_length=_MESSAGE_CHARACTERS)]
    """What happened and what to do; untrusted, and may have several lines."""
    adapter: ShortText | None
    """The adapter that it is about; None: all of them."""


_PLAN = TypeAdapter(ActionPlan)
_PROBLEM = TypeAdapter(StepProblem)


class WorkFolder:
    """The folder where the steps meet."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def clear(self) -> None:
        """Begin anew: what an earlier use in the same job left must not be taken for this one's results.

        Raises:
            BrokenRun: The folder cannot be written to.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for name in (PLAN, PROBLEM):
                (self.path / name).unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                shutil.rmtree(self.path / ROUNDS)
        except OSError as problem:
            raise BrokenRun(f"{self.path}: cannot be written to: {problem.strerror or problem}.") from None

    def drop_rounds(self) -> None:
        """Remove every verdict: beside a model, anybody may have written one.

        Raises:
            BrokenRun: The folder cannot be written to.
        """
        rounds = self.path / ROUNDS
        try:
            if rounds.is_symlink():
                rounds.unlink()
            for folder in rounds.iterdir() if rounds.is_dir() else ():
                if folder.is_symlink():
                    folder.unlink()
                elif folder.is_dir():
                    for name in (ROUND, REPORT):
                        (folder / name).unlink(missing_ok=True)
        except OSError as problem:
            raise BrokenRun(f"{self.path}: cannot be written to: {problem.strerror or problem}.") from None

    def round_folder(self, one: JudgedAdapter) -> Path:
        """Where an adapter's run leaves its files."""
        return self.path / ROUNDS / one.slug

    def result_paths(self) -> dict[str, str]:
        """`round-path` and `report-path`: of the only adapter its files, of several the folder that holds them all."""
        plan = self.read_plan()
        if plan is None or not plan.judged:
            return {}
        if len(plan.judged) > 1:
            return dict.fromkeys(("round-path", "report-path"), str(self.path / ROUNDS))
        folder = self.round_folder(plan.judged[0])
        files = {"round-path": folder / ROUND, "report-path": folder / REPORT}
        return {name: str(path) for name, path in files.items() if path.is_file()}

    def is_answered(self, one: JudgedAdapter) -> bool:
        """Whether all of an adapter's answers are there."""
        manifest = RunFolder(self.round_folder(one)).read_manifest()
        # The times are written last of all.
        return manifest is not None and bool(manifest.timings)

    def write_plan(self, plan: ActionPlan) -> None:
        """Leave word of what is judged.

        Raises:
            UsageError: The name of an adapter is no text.
            BrokenRun: The folder cannot be written to.
        """
        for one in plan.judged:
            if one.adapter != _text(one.adapter):
                raise UsageError(
                    f"The name of the folder {_text(one.adapter)} is not UTF-8, so no report can show it.",
                    fix="Rename the folder.",
                )
        plan = replace(plan, notes=tuple(_text(note) for note in plan.notes))
        write_whole(self.path / PLAN, _PLAN.dump_json(plan, indent=2).decode() + "\n")

    def read_plan(self) -> ActionPlan | None:
        """What is judged; None if the first step did not come that far.

        Raises:
            RecordsError: The file is no such plan.
        """
        content = _read(self.path / PLAN)
        return None if content is None else _validated(_PLAN, content, self.path / PLAN)

    def write_problem(self, problem: StepProblem, one: JudgedAdapter | None = None) -> None:
        """Leave word of what went wrong, with an adapter or with the whole step.

        Raises:
            BrokenRun: The folder cannot be written to.
        """
        folder = self.path if one is None else self.round_folder(one)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as broken:
            raise BrokenRun(f"{folder}: cannot be written to: {broken.strerror or broken}.") from None
        write_whole(folder / PROBLEM, _PROBLEM.dump_json(problem, indent=2).decode() + "\n")

    def read_problem(self, one: JudgedAdapter | None = None) -> StepProblem | None:
        """What went wrong with an adapter or with a whole step; None if nothing did.

        Raises:
            RecordsError: The file says nothing that can be understood.
        """
        path = (self.path if one is None else self.round_folder(one)) / PROBLEM
        content = _read(path)
        return None if content is None else _validated(_PROBLEM, content, path)


def bootstrap_note(config: str) -> str:
    """Say that the candidate brought its own judge.

    Args:
        config: The configuration's path.
    """
    return (
        f"The base branch has no {PurePosixPath(config).name}, so the candidate brought the configuration that judges "
        "it: read it as closely as the verdict."
    )


def base_note(base: str) -> str:
    """Say that the candidate brought its own base.

    Args:
        base: Path of the base model.
    """
    return (
        f"The base model {base or '.'} is changed as well, and the candidate is compared with the changed one, which "
        "may be worse than the one in use: read that change as closely as the verdict."
    )


def problem_of(error: BaseException, step: StepName, *, exit_code: int, adapter: str | None = None) -> StepProblem:
    """Put an error into the form in which steps leave it."""
    text = _text(str(error).strip()) or type(error).__name__
    return StepProblem(
        step=step, exit_code=exit_code, message=text[:_MESSAGE_CHARACTERS], adapter=adapter and _text(adapter)
    )


def unanswered(one: JudgedAdapter) -> StepProblem:
    """Say that the first step was over before it had answered for an adapter, and left no word of why."""
    error = BrokenRun(
        "The step `answer` ended without a word before it had answered every case: the process was killed, perhaps "
        "because memory ran out.",
        fix="Look at the end of its log; lower `engine: {batch_tokens: ...}` or use a larger machine.",
    )
    return problem_of(error, "answer", exit_code=EXIT_BROKEN, adapter=one.adapter)


def slugs(adapters: Sequence[str]) -> Iterator[str]:
    """Name a folder for each adapter: letters, digits, `-` and `_` only, and none twice."""
    taken: set[str] = set()
    for adapter in adapters:
        letters = "".join(char if char.isascii() and char.isalnum() else "-" for char in adapter)
        short = letters.strip("-")[-60:].strip("-") or "adapter"
        slug, number = short, 1
        while slug.lower() in taken:  # file systems that ignore case exist
            number += 1
            slug = f"{short}_{number}"
        taken.add(slug.lower())
        yield slug


def _text(name: str) -> str:
    """What can be stored: bytes of a file's name that are no UTF-8 are shown as their code points."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _read(path: Path) -> bytes | None:
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise RecordsError(f"{path}: no plain file")
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise RecordsError(f"{path}: cannot be read: {problem.strerror or problem}") from None
    if len(content) > _MAX_BYTES:
        raise RecordsError(f"{path}: larger than {_MAX_BYTES:,} bytes")
    return content


def _validated(adapter: TypeAdapter[Kind], content: bytes, path: Path) -> Kind:
    try:
        return adapter.validate_json(content, strict=False)
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise RecordsError(f"{path}: not as gate writes it: {place}: {first['msg']}") from None
