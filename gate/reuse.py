"""Reference answers that an earlier run has given: taken from the cache, a few asked again, the new ones kept.

A cache may cost time, never a verdict: it is opened if it can be, believed only after a few of its answers were
computed again, and thrown away where they differ.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gate.domain import ArmName, Response
from gate.engine.answer_cache import CachedAnswers, disagreements, is_pinned, is_stale
from gate.engine.answering import usable
from gate.engine.base_model import BaseFolder
from gate.engine.session import Session
from gate.transport.answer_store import AnswerStore

MOST_BYTES = 2 * 1024**3
"""Size to which the cache is trimmed."""


@contextmanager
def reference_cache(
    path: Path | None,
    session: Session,
    base: BaseFolder | None,
    *,
    folder: Path,
    today: int,
    report: Callable[[str], None],
) -> Iterator[CachedAnswers | None]:
    """Open the cache; None where there is none to be had.

    Args:
        path: Its file; None: no cache is wanted.
        session: The loaded arms.
        base: The base model; None where its weights are not on this machine, so that nobody knows what they are.
        folder: The folder of the configuration.
        today: Days since 1970, by which answers that nobody uses are dropped one day.
        report: Told why there is no cache.
    """
    store = None if path is None or base is None else AnswerStore.open(path, report=report)
    if store is None:
        yield None
        return
    with store:
        yield CachedAnswers(session, store, pinned=is_pinned(base, folder), used_at=today)
        store.trim(MOST_BYTES)


def reuse(
    session: Session, cache: CachedAnswers, have: Sequence[Response], *, seed: int
) -> tuple[list[Response], list[str]]:
    """Take over the answers of the reference arms, after asking a few of them again.

    Args:
        session: The loaded arms.
        cache: The answers that are known.
        have: Answers that this run has already.
        seed: Seed of the choice of what is asked again.

    Returns:
        Answers to add, and what a reader must know of answers that were thrown away.
    """
    there = {(one.suite, one.case, one.arm) for one in have}
    added: list[Response] = []
    warnings = []
    for arm in reference_arms(session):
        known = [one for one in cache.known(arm) if (one.suite, one.case, one.arm) not in there]
        fresh = [
            answer
            for batch in cache.to_recheck(known, seed=seed)
            for answer in session.answer(arm, batch, repeat=0)
            if answer.finish != "error"
        ]
        differing = disagreements(known, fresh)
        if is_stale(differing, checked=len(fresh)):
            cache.forget(arm)
            warnings.append(
                f"{differing} of {len(fresh)} cached answers of the arm {arm} were not given again; none was used."
            )
        else:
            added += known
    whole = usable(session, [*have, *added])
    return [one for one in whole if (one.suite, one.case, one.arm) not in there], warnings


def reference_arms(session: Session) -> list[ArmName]:
    """The arms whose answers outlast a run: all but the candidate."""
    return [arm for arm in session.arms if arm != "candidate"]
