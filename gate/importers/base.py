"""What every imported file becomes: cases with the answers to them, and what must be equal for two files to compare.

This module must not know any tool's format, nor what the project's own configuration says.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue, TypeAdapter, ValidationError

from gate import wording
from gate.data.cases import Key
from gate.data.lines import shown
from gate.domain import ArmName, Case, Finish, Message, Response
from gate.importers.tolerant_json import mended, parse

Foreign = Literal["lm-eval", "inspect", "promptfoo", "jsonl"]
"""Formats that are read here."""
Format = Literal["gate", "lm-eval", "inspect", "promptfoo", "jsonl"]
"""All formats of recorded answers; `gate` is the project's own `responses.jsonl`."""

LONGEST_NAME_CHARS = 64
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
_NAMED_AT_MOST = 10
_SHOWN_CHARS = 200
_ROLES = frozenset({"system", "user", "assistant"})
_KEY: TypeAdapter[str] = TypeAdapter(Key)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedSuite:
    """The answers of one arm to one suite, as another tool recorded them."""

    name: str
    """The task's name, made fit for a suite; empty where the file names none."""
    source: str
    """The file, as given, for messages."""
    kind: Foreign
    tool: str | None
    """What wrote the file, with its version. Not part of the setup: a newer version need not score differently."""
    setup: Mapping[str, str]
    """What must be equal for two files to be comparable, in people's words; only what the file knows."""
    model: str | None
    """What answered, as the file says."""
    cases: tuple[Case, ...]
    """Prompt, references and options as far as known; where no prompt is known, one empty user message."""
    responses: tuple[Response, ...]
    definitions: Mapping[str, str]
    """Case -> digest of all else that makes the question and its scoring; empty where nothing else is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a file says about one answer, before it belongs to a suite."""

    text: str
    repeat: int = 0
    finish: Finish = "stop"
    error: str | None = None
    scores: Mapping[str, float]
    """Any finite numbers; those of a metric that leaves [0, 1] anywhere in the file are left out later."""


class Collected:
    """The cases and answers of one suite while its file is being read."""

    def __init__(self) -> None:
        self._cases: dict[str, Case] = {}
        self._definitions: dict[str, str] = {}
        self._answers: dict[tuple[str, int], Answer] = {}
        self._places: dict[tuple[str, int], str] = {}

    def __len__(self) -> int:
        return len(self._answers)

    def add(self, case: Case, answer: Answer, *, place: str, definition: str | None = None) -> None:
        """Take one answer in.

        Args:
            case: What was asked.
            answer: What was answered.
            place: Where in the file, for example `line 3`.
            definition: Digest of what else makes the question; None if nothing else does.

        Raises:
            ValueError: The same case and repeat was there before, or the case was asked differently before.
        """
        key = (case.id, answer.repeat)
        if key in self._answers:
            raise ValueError(f"answers the same as {self._places[key]}: case {shown(case.id)}, repeat {answer.repeat}")
        before = self._cases.setdefault(case.id, case)
        if before != case or (definition or "") != self._definitions.setdefault(case.id, definition or ""):
            raise ValueError(f"asks something else than another answer to the case {shown(case.id)}")
        self._answers[key] = answer
        self._places[key] = place

    def responses(self, *, suite: str, arm: ArmName) -> tuple[Response, ...]:
        """The answers, with the scores of metrics that stay in [0, 1] throughout.

        A metric with a single value outside (a perplexity, a BLEU of 31) is no share of anything: its other values
        are not comparable with those of real shares, even where they happen to lie between 0 and 1.
        """
        outside = {
            name
            for answer in self._answers.values()
            for name, value in answer.scores.items()
            if not 0.0 <= value <= 1.0
        }
        return tuple(
            Response(
                suite=suite,
                case=case,
                arm=arm,
                repeat=repeat,
                text=mended(answer.text),
                finish=answer.finish,
                error=answer.error,
                scores={name: value for name, value in answer.scores.items() if name not in outside},
            )
            for (case, repeat), answer in self._answers.items()
        )

    @property
    def cases(self) -> tuple[Case, ...]:
        """Each case once, in the order of the file."""
        return tuple(self._cases.values())

    @property
    def definitions(self) -> dict[str, str]:
        """Case -> digest, where there is one."""
        return {case: text for case, text in self._definitions.items() if text}


def case_id(value: JsonValue) -> str:
    """Read the id of a case: a text or a whole number.

    Raises:
        ValueError: It is no id; the reason reads well behind `line 3: the id `.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"must be a text or a whole number, not {shown(value)}")  # noqa: TRY004 - a fact about the file
    try:
        return _KEY.validate_python(value)
    except ValidationError as refused:
        raise ValueError(refused.errors()[0]["msg"].removeprefix("Value error, ")) from None


def suite_name(text: str) -> str:
    """Make a task's name fit for a suite: letters, digits, `_`, `.` and `-`, at most 64, the first one no sign."""
    name = _NOT_IN_A_NAME.sub("_", text).lstrip("_.-")[:LONGEST_NAME_CHARS]
    return name or "suite"


def conversation(text: str) -> tuple[Message, ...]:
    """Read a prompt: the JSON of a list of turns, or one user message."""
    if text.lstrip().startswith("["):
        try:
            turns = turns_of(parse(text))
        except ValueError:
            turns = None
        if turns is not None:
            return turns
    return (Message(role="user", content=mended(text)),)


def turns_of(value: JsonValue) -> tuple[Message, ...] | None:
    """Read a list of turns with role and text content; None if it is anything else."""
    turns: list[Message] = []
    for turn in value if isinstance(value, list) else ():
        match turn:
            case {"role": str() as role, "content": str() as content} if role in _ROLES:
                turns.append(Message(role=role, content=mended(content)))
            case _:
                return None
    return tuple(turns) or None


def differences(one: ImportedSuite, other: ImportedSuite) -> tuple[str, ...]:
    """Say why two arms' answers to one suite must not be compared.

    Files of different tools are not comparable, except that plain JSON lines, which record no setup, go with anything:
    of them only what both sides know is held against each other. Between files of one tool, a part of the setup that
    only one side knows is a difference, for the other could have recorded it. Version and model are no differences.

    Returns:
        Sentences without a full stop; none if they are comparable.
    """
    plain = "jsonl" in (one.kind, other.kind)
    if one.kind != other.kind and not plain:
        return (f"written by different tools: {one.kind} against {other.kind}",)
    return (*_setup(one, other, plain=plain), *_only_one_side(one, other), *_asked(one, other, plain=plain))


def _setup(one: ImportedSuite, other: ImportedSuite, *, plain: bool) -> Iterator[str]:
    if one.name and other.name and one.name != other.name:
        yield f"task: {one.name} against {other.name}"
    for key in dict.fromkeys((*one.setup, *other.setup)):
        mine, its = one.setup.get(key), other.setup.get(key)
        if mine == its or (plain and None in (mine, its)):
            continue
        yield f"{key}: {_cut(mine)} against {_cut(its)}"


def _cut(text: str | None) -> str:
    if text is None:
        return "unknown"
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 1]}…"


def _only_one_side(one: ImportedSuite, other: ImportedSuite) -> Iterator[str]:
    for this, that in ((one, other), (other, one)):
        known = {case.id for case in that.cases}
        only = [case.id for case in this.cases if case.id not in known]
        if only:
            yield f"{wording.count(len(only), 'case')} only in {this.source}: {_listed(only)}"


def _asked(one: ImportedSuite, other: ImportedSuite, *, plain: bool) -> Iterator[str]:
    its = {case.id: case for case in other.cases}
    pairs = [(case, its[case.id]) for case in one.cases if case.id in its]
    prompts = [a.id for a, b in pairs if _differ(_prompt(a), _prompt(b), plain=plain)]
    references = [a.id for a, b in pairs if _differ(a.references, b.references, plain=plain)]
    seen = {*prompts, *references}
    rest = [
        a.id
        for a, b in pairs
        if a.id not in seen
        and (
            _differ(a.choices, b.choices, plain=plain)
            or _differ(one.definitions.get(a.id), other.definitions.get(a.id), plain=plain)
        )
    ]
    for ids, what in ((prompts, "prompt"), (references, "reference"), (rest, "question behind the same prompt")):
        if ids:
            yield f"another {what} in {wording.count(len(ids), 'case')}: {_listed(ids)}"


def _differ(mine: object, its: object, *, plain: bool) -> bool:
    return mine != its and not (plain and not (mine and its))


def _prompt(case: Case) -> tuple[Message, ...]:
    """The turns; none if nothing was known but that there was a prompt."""
    return tuple(turn for turn in case.messages if turn.content.strip())


def _listed(ids: list[str]) -> str:
    more = len(ids) - _NAMED_AT_MOST
    return ", ".join(ids[:_NAMED_AT_MOST]) + (f" and {more:,} more" if more > 0 else "")
