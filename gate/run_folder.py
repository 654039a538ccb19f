"""What a run leaves on disk: answers as they come, how they were made, and the finished round.

A finished folder is replaced; an interrupted one is continued if its answers were made in the very same way.
Only files that the gate itself writes are ever touched.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from gate.data.responses import read_responses, response_row
from gate.data.whole_file import write_whole
from gate.domain import Arm, ArmName, Check, Response, Score
from gate.errors import BrokenRun, RecordsError, UsageError
from gate.stages import Schedule

RESPONSES, MANIFEST, ROUND, REPORT = "responses.jsonl", "manifest.json", "round.json", "report.md"
_OWN_FILES = (ROUND, REPORT, RESPONSES, MANIFEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """How the answers beside it were made."""

    schema_version: Literal[1] = 1
    signature: str
    """SHA-256 over everything that the answers depend on."""
    arms: Mapping[ArmName, Arm]
    environment: Mapping[str, str]
    warnings: tuple[str, ...]
    timings: Mapping[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]]
    limit: Annotated[int, Field(ge=1)] | None
    """Only the first cases of each suite were answered; None: all."""
    asked: Mapping[str, str] = field(default_factory=dict)
    """Suite -> SHA-256 over what its cases ask, of whole suites."""
    generation: str | None = None
    """SHA-256 over how answers are made: limits, temperature, template."""
    schedule: Schedule | None = None
    """The stages of a run that may stop early, and how many were answered; None: all was asked at once."""
    commit: str | None = None
    """The commit that the candidate was read from, or that was checked out; None: not known."""
    preflight: tuple[Check, ...] = ()
    """The checks that were made before anything was asked."""
    noise_floor: Annotated[float, Field(ge=0, le=1)] | None = None
    """Share of the base's answers that changed when they were asked again; None: not measured."""
    reused: Annotated[int, Field(ge=0)] = 0
    """Answers of reference arms that were taken over from earlier runs."""


_MANIFEST = TypeAdapter(Manifest)


class RunFolder:
    """The folder given by `--output`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self) -> None:
        """Make the folder.

        Raises:
            UsageError: If the path is a file, or the folder cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise UsageError(f"--output {self.path}: cannot be used as a folder: {problem.strerror}") from None

    def drop_finished(self) -> None:
        """Remove the results of a finished run, so that a run that breaks leaves no old verdict behind."""
        if (self.path / ROUND).exists():
            with _disk(self.path):
                for name in _OWN_FILES:
                    (self.path / name).unlink(missing_ok=True)

    def earlier_answers(self, signature: str) -> tuple[Response, ...]:
        """The answers of an interrupted run that were made in the same way; none if there are no such."""
        manifest = self.read_manifest()
        if manifest is None or manifest.signature != signature:
            return ()
        try:
            return read_responses(self.path / RESPONSES, torn_tail=True)
        except RecordsError:
            return ()

    @contextmanager
    def recorder(self, answers: list[Response]) -> Iterator[Callable[[tuple[Response, ...]], None]]:
        """Append answers as they come, to the file and to `answers`; each batch is on disk before the next starts."""
        with _disk(self.path), (self.path / RESPONSES).open("a", encoding="utf-8", newline="\n") as file:

            def record(responses: tuple[Response, ...]) -> None:
                file.writelines(response_row(response, None) + "\n" for response in responses)
                file.flush()
                answers.extend(responses)

            yield record

    def read_manifest(self) -> Manifest | None:
        """How the answers in this folder were made; None when nothing, or nothing readable, says so."""
        try:
            return _MANIFEST.validate_json((self.path / MANIFEST).read_bytes())
        except (OSError, ValidationError):
            return None

    def write_manifest(self, manifest: Manifest) -> None:
        """Write how the answers were made."""
        self.write(MANIFEST, _MANIFEST.dump_json(manifest, indent=2).decode() + "\n")

    def write_responses(
        self, responses: Sequence[Response], scores: Mapping[tuple[str, str, ArmName, int], Score]
    ) -> None:
        """Write all answers in order, with their scores where there are any."""
        rows = [response_row(one, scores.get((one.suite, one.case, one.arm, one.repeat))) for one in responses]
        self.write(RESPONSES, "".join(f"{row}\n" for row in rows))

    def write(self, name: str, text: str) -> None:
        """Write a file so that it is there whole or not at all."""
        write_whole(self.path / name, text)


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise BrokenRun(
            f"{path}: cannot be written: {problem.strerror or problem}", fix="Is the disk full or the folder read-only?"
        ) from None
