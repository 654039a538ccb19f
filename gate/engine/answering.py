"""The loop over stages, repeats, arms and batches: skip what is there, hand every finished batch on at once."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence, Set
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


def whole_batches(session: Session, earlier: Sequence[Response]) -> tuple[Response, ...]:
    """Keep those earlier answers whose whole batch is there; a batch is computed whole or not at all."""
    by_key = {(one.suite, one.case, one.arm, one.repeat): one for one in earlier}
    keys = [_keys(arm, batch, repeat) for repeat, arm, batch in _work(session)]
    return tuple(by_key[key] for batch in keys if all(key in by_key for key in batch) for key in batch)


def answer_all(
    session: Session,
    *,
    done: Set[Key],
    record: Callable[[tuple[Response, ...]], None],
    progress: Progress,
    decided: Callable[[int], bool],
) -> None:
    """Let every arm answer every batch.

    Args:
        session: The loaded arms.
        done: Answers of an earlier, interrupted run. A batch is skipped only when all of it is there.
        record: Called with the answers of each finished batch.
        progress: Told of every finished batch.
        decided: Asked after each stage, by its number, whether no more answers are needed.
    """
    everything = list(_work(session))
    total = sum(len(batch) for _, _, batch in everything)
    left = [not set(_keys(arm, batch, repeat)) <= done for repeat, arm, batch in everything]
    progress.begin(total, total - sum(len(work[2]) for work, open_ in zip(everything, left, strict=True) if open_))
    for stage, works in groupby(zip(everything, left, strict=True), key=lambda item: item[0][2][0].stage):
        for (repeat, arm, batch), open_ in works:
            if open_:
                record(session.answer(arm, batch, repeat=repeat))
                progress.advance(len(batch))
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
