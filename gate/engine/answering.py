"""The loop over repeats, arms and batches: skip what is already answered, hand every finished batch on at once."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence, Set
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
            plans.append([[[p.suite, p.case, p.token_ids, p.max_new_tokens] for p in batch] for batch in batches])
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
    session: Session, *, done: Set[Key], record: Callable[[tuple[Response, ...]], None], progress: Progress
) -> None:
    """Let every arm answer every batch.

    Args:
        session: The loaded arms.
        done: Answers of an earlier, interrupted run. A batch is skipped only when all of it is there.
        record: Called with the answers of each finished batch.
        progress: Told of every finished batch.
    """
    everything = list(_work(session))
    left = [work for work in everything if not set(_keys(work[1], work[2], work[0])) <= done]
    total = sum(len(batch) for _, _, batch in everything)
    progress.begin(total, total - sum(len(batch) for _, _, batch in left))
    for repeat, arm, batch in left:
        record(session.answer(arm, batch, repeat=repeat))
        progress.advance(len(batch))


def _work(session: Session) -> Iterator[tuple[int, ArmName, tuple[Prompt, ...]]]:
    """Arm by arm, so that adapters are switched as rarely as possible."""
    for repeat in range(session.settings.repeats):
        for arm, batches in session.batches.items():
            for batch in batches:
                yield repeat, arm, batch


def _keys(arm: ArmName, batch: Sequence[Prompt], repeat: int) -> list[Key]:
    return [(prompt.suite, prompt.case, arm, repeat) for prompt in batch]
