"""The loop over stages, repeats and arms: skip what is there, hand finished answers on at once."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Protocol

from gate.domain import ArmName, Response
from gate.engine.session import Prompt, Session

Key = tuple[str, str, ArmName, int]
"""Suite, case, arm, repeat."""


class Progress(Protocol):
    """Somebody who wants to know how far a run is."""

    def begin(self, total: int, done: int) -> None:
        """Answering starts; `done` of `total` answers were there already."""
        ...

    def advance(self, answers: int) -> None:
        """Some more answers are there."""
        ...


def signature(session: Session) -> str:
    """Everything that the answers depend on, as one SHA-256: arms, prompts, batches, versions, device, sampling.

    Answers with equal signatures are interchangeable, so an interrupted run may go on from them.
    """
    # The arms share their batches unless their prompts differ: what was seen once is named, not repeated.
    seen: dict[int, int] = {}
    plans = []
    for arm, batches in session.batches.items():
        if id(batches) not in seen:
            seen[id(batches)] = len(seen)
            plans.append([[[p.suite, p.case, p.asked, p.max_new_tokens, p.stage] for p in batch] for batch in batches])
        plans.append([[[arm, seen[id(batches)]]]])
    digests = {name: arm.digest for name, arm in session.arms.items()}
    settings = session.settings
    drawing = [settings.temperature, settings.repeats, settings.seed if settings.temperature else None]
    return hashlib.sha256(json.dumps([digests, dict(session.environment), plans, drawing]).encode()).hexdigest()


def usable(session: Session, earlier: Sequence[Response]) -> tuple[Response, ...]:
    """Keep those earlier answers that the session would give again.

    Drawn answers depend on their batch, so of those a batch is there whole or not at all.
    """
    by_key = {(one.suite, one.case, one.arm, one.repeat): one for one in earlier}
    keys = [_keys(arm, batch, repeat) for repeat, arm, batch in _work(session)]
    whole = session.settings.temperature != 0
    return tuple(
        by_key[key]
        for batch in keys
        if not whole or all(key in by_key for key in batch)
        for key in batch
        if key in by_key
    )


def answer_all(
    session: Session,
    *,
    done: Sequence[Response],
    record: Callable[[tuple[Response, ...]], None],
    progress: Progress,
    decided: Callable[[int], bool],
) -> None:
    """Let every arm answer everything. What the base answers is handed to the other arms as a draft.

    Args:
        session: The loaded arms.
        done: The `usable` answers of an earlier, interrupted run or of a cache.
        record: Called with finished answers, a few at a time.
        progress: Told of every finished answer.
        decided: Asked after each stage, by its number, whether no more answers are needed.
    """
    there = {(one.suite, one.case, one.arm, one.repeat) for one in done}
    drafts = {(one.suite, one.case): one for one in done if one.arm == "base" and one.repeat == 0}
    work = list(_work(session))
    progress.begin(sum(len(batch) for _, _, batch in work), len(there))
    for stage, of_stage in groupby(work, key=lambda item: item[2][0].stage):
        for (repeat, arm), of_arm in groupby(of_stage, key=lambda item: item[:2]):
            open_ = [
                left
                for _, _, batch in of_arm
                if (left := [one for one in batch if (one.suite, one.case, arm, repeat) not in there])
            ]
            for answers in session.answer_many(arm, open_, repeat=repeat, drafts={} if arm == "base" else drafts):
                record(answers)
                progress.advance(len(answers))
                if arm == "base" and repeat == 0:
                    drafts |= {(one.suite, one.case): one for one in answers}
        if decided(stage):
            return


def _work(session: Session) -> Iterator[tuple[int, ArmName, tuple[Prompt, ...]]]:
    """Stage by stage, and in each arm by arm, so that adapters are switched as rarely as possible."""
    stages = sorted({batch[0].stage for batches in session.batches.values() for batch in batches})
    for stage in stages:
        for repeat in range(session.settings.repeats):
            for arm, batches in session.batches.items():
                for batch in batches:
                    if batch[0].stage == stage:
                        yield repeat, arm, batch


def _keys(arm: ArmName, batch: Sequence[Prompt], repeat: int) -> list[Key]:
    return [(prompt.suite, prompt.case, arm, repeat) for prompt in batch]
