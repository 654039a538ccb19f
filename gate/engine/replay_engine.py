"""The replay backend: answers that were recorded before stand in for a model, so the same command runs without one.

It is handed what was recorded and must not know where that came from; finding and reading files is not its business.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal, Self

from pydantic import Field, TypeAdapter

from gate import wording
from gate.domain import Arm, ArmName, Check, Response
from gate.engine.base_model import BaseFolder
from gate.engine.session import NO_DRAFTS, Drafts, Engine, Prompt, Recording, Request, Session, plan_batches

_BATCH_TOKENS = 262_144
"""Replaying needs no batches; this many tokens of answers at a time keep a progress bar moving."""
_RECORDED = TypeAdapter(Sequence[Response])
_SHORT_DIGEST_CHARACTERS = 16


class ReplayEngine(Engine):
    """Takes answers from files in place of a model. A case without a recorded answer counts as missing."""

    kind: Literal["replay"]
    responses: str | dict[ArmName, str] = Field(min_length=1)
    """A file with the answers of all arms, or one for each arm: what `gate compare --responses` reads."""
    reads_model: ClassVar[bool] = False

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that is named."""
        return (self.responses,) if isinstance(self.responses, str) else tuple(self.responses.values())

    def open(self, base: BaseFolder | None, request: Request) -> Session:
        """Line up what was recorded; see `Engine.open`."""
        assert request.recorded is not None  # noqa: S101  # whoever makes the request reads the files
        return _ReplaySession(request, request.recorded)


class _ReplaySession:
    """Recorded arms. See `Session`."""

    def __init__(self, request: Request, recorded: Recording) -> None:
        self.settings = request.settings
        self.arms: Mapping[ArmName, Arm] = recorded.arms
        self.checks: tuple[Check, ...] = ()
        self._answers = {(one.suite, one.case, one.arm, one.repeat): one for one in recorded.answers}
        prompts = [
            Prompt(suite=one.suite, case=one.case, token_ids=(), max_new_tokens=one.max_new_tokens, stage=one.stage)
            for one in request.questions
        ]
        batches = plan_batches(prompts, _BATCH_TOKENS)
        self.batches: Mapping[ArmName, tuple[tuple[Prompt, ...], ...]] = dict.fromkeys(recorded.arms, batches)
        # What was recorded is part of how the answers were made: a run that was interrupted goes on from its answers
        # only while the files are the same.
        content = hashlib.sha256(_RECORDED.dump_json(recorded.answers)).hexdigest()
        replay = {"engine": "replay", "recorded": content[:_SHORT_DIGEST_CHARACTERS]}
        self.environment = {**recorded.environment, **replay}
        self.warnings = [*recorded.warnings, *self._missing(prompts)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._answers.clear()

    def answer(
        self, arm: ArmName, batch: Sequence[Prompt], *, repeat: int, drafts: Drafts = NO_DRAFTS
    ) -> tuple[Response, ...]:
        return tuple(
            self._answers.get((prompt.suite, prompt.case, arm, repeat)) or _no_answer(prompt, arm, repeat)
            for prompt in batch
        )

    def answer_many(
        self, arm: ArmName, batches: Sequence[Sequence[Prompt]], *, repeat: int, drafts: Drafts = NO_DRAFTS
    ) -> Iterator[tuple[Response, ...]]:
        for batch in batches:
            yield self.answer(arm, batch, repeat=repeat)

    def _missing(self, prompts: Sequence[Prompt]) -> list[str]:
        """What a reader must know of cases that nobody answered."""
        missing = {
            arm: sum(
                any((one.suite, one.case, arm, repeat) not in self._answers for repeat in range(self.settings.repeats))
                for one in prompts
            )
            for arm in self.arms
        }
        return [
            f"{wording.count(cases, 'case')} of {len(prompts):,} have no recorded answer of the arm {arm}."
            for arm, cases in missing.items()
            if cases
        ]


def _no_answer(prompt: Prompt, arm: ArmName, repeat: int) -> Response:
    return Response(
        suite=prompt.suite,
        case=prompt.case,
        arm=arm,
        repeat=repeat,
        text="",
        finish="error",
        tokens=None,
        error="no answer is recorded",
    )
