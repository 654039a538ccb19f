"""Answers that need not be computed again: what they depend on, how they are kept, and when they are thrown away.

An answer is found by content alone: weights, prompt tokens, settings and versions, never by the name of a suite or a
case. This module must not know where the answers lie, what they are worth, or how they are computed.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gate import __version__
from gate.domain import ArmName, Response
from gate.engine.base_model import BaseFolder
from gate.engine.session import Prompt, Session, plan_batches
from gate.transport.answer_store import AnswerStore
from gate.transport.hub import is_hub_id

RECHECKED = 8
"""Cached answers that a run computes again."""

_MOST_TOKENS = 100_000_000
_LONGEST_TOKEN_CHARACTERS = 1024
"""Vocabularies have tokens of long runs of blanks or signs, but none nearly as long."""


def is_pinned(base: BaseFolder | None, relative_to: Path) -> bool:
    """Whether the configured base names the same weights tomorrow: a folder, or a hub id that led to a commit.

    Args:
        base: The base model that was found; None: only a server knows its weights.
        relative_to: The folder that a relative path starts from, as for `find_base`.
    """
    if base is None:
        return False
    is_folder = not is_hub_id(base.name) or (relative_to / Path(base.name).expanduser()).is_dir()
    return base.revision is not None or is_folder


def circumstances(session: Session, arm: ArmName, *, stop_ids: Sequence[int] | None = None) -> str | None:
    """Everything that an arm's answers depend on besides the prompt, as one SHA-256.

    An adapter's digest covers the adapter alone, so the base's is in it too; that one covers weights, configuration,
    generation configuration, tokenizer and chat template. The gate's own version is in it because the gate pads,
    stops and decodes. Which prompts share a batch is not in it, although that moves the rounding: answers would
    never be found again once a case is added, and `is_stale` bears with what rounding does.

    Args:
        session: The loaded arms. Whatever its backend varies besides weights and prompts is in its `environment`.
        arm: Whose answers.
        stop_ids: The tokens that end an answer; None where the backend does not say.

    Returns:
        None if answers of this arm must not be kept: they are drawn at random, or the weights are not known.
    """
    base, own = session.arms["base"].digest, session.arms[arm].digest
    if session.settings.temperature != 0 or base is None or own is None:
        return None
    stops = None if stop_ids is None else sorted(set(stop_ids))
    return _sha256([__version__, base, own, sorted(session.environment.items()), stops])


def answer_key(settled: str, prompt: Prompt) -> str:
    """The name of one answer: SHA-256 over its `circumstances`, what is asked and the limit of new tokens."""
    return _sha256([settled, prompt.asked, prompt.max_new_tokens])


class _Packed(BaseModel):
    """What is kept of an answer; the fields mean what they mean in `Response`."""

    model_config = ConfigDict(strict=True, extra="forbid")

    text: str
    finish: Literal["stop", "length"]
    tokens: Annotated[int, Field(ge=0, le=_MOST_TOKENS)] | None


def pack(response: Response) -> bytes:
    """What is kept of an answer, as JSON: nothing that says which case it was for.

    Raises:
        ValueError: There is no answer to keep (`finish` is `error`).
    """
    if response.finish == "error":
        raise ValueError("an error is no answer")
    return json.dumps({"text": response.text, "finish": response.finish, "tokens": response.tokens}).encode()


def unpack(packed: bytes, *, suite: str, case: str, arm: ArmName) -> Response | None:
    """Read what `pack` wrote, under the name of whatever case asks for it; None if it is anything else."""
    try:
        kept = _Packed.model_validate_json(packed)
    except ValidationError:
        return None
    return Response(suite=suite, case=case, arm=arm, repeat=0, text=kept.text, finish=kept.finish, tokens=kept.tokens)


class CachedAnswers:
    """The answers of a session that are in a store, or shall be.

    A run asks for what is `known`, lets the arm answer what `to_ask_again` chooses, counts `disagreements`, and if
    `is_stale` calls `forget` and goes on as if nothing had been known. `remember` keeps what was computed.
    """

    def __init__(
        self,
        session: Session,
        store: AnswerStore,
        *,
        pinned: bool,
        used_at: int,
        stop_ids: Sequence[int] | None = None,
    ) -> None:
        """Bring a session and a store together.

        Args:
            session: The loaded arms.
            store: Where answers are kept.
            pinned: What `is_pinned` says of the base; False: nothing is found and nothing is kept.
            used_at: The time of this run, in the unit that every user of the store uses.
            stop_ids: The tokens that end an answer; None where the backend does not say.
        """
        self._session, self._store, self._used_at = session, store, used_at
        self._keys: dict[ArmName, dict[tuple[str, str], str]] = {}
        for arm in session.arms if pinned else ():
            settled = circumstances(session, arm, stop_ids=stop_ids)
            if settled is not None:
                prompts = (prompt for batch in session.batches[arm] for prompt in batch)
                self._keys[arm] = {(prompt.suite, prompt.case): answer_key(settled, prompt) for prompt in prompts}

    def known(self, arm: ArmName) -> tuple[Response, ...]:
        """The answers of an arm that are in the store, in the order of its prompts.

        What is in the store but cannot be an answer to its prompt is thrown away.
        """
        keys = self._keys.get(arm, {})
        kept = self._store.read(list(dict.fromkeys(keys.values())), used_at=self._used_at)
        answers: list[Response] = []
        bad: set[str] = set()
        for prompt in self._prompts(arm):
            key = keys.get((prompt.suite, prompt.case))
            if key is None or key not in kept:
                continue
            answer = unpack(kept[key], suite=prompt.suite, case=prompt.case, arm=arm)
            if answer is None or not _is_possible(answer, prompt):
                bad.add(key)
            else:
                answers.append(answer)
        self._store.remove(sorted(bad))
        return tuple(answers)

    def remember(self, responses: Iterable[Response]) -> None:
        """Keep answers that the session has just given; errors, and arms that are not cached, are left out."""
        items: dict[str, bytes] = {}
        for one in responses:
            key = self._keys.get(one.arm, {}).get((one.suite, one.case))
            if key is not None and one.finish != "error":
                items.setdefault(key, pack(one))
        self._store.write(items, used_at=self._used_at)

    def forget(self, arm: ArmName) -> None:
        """Throw away what is kept for any prompt of this arm."""
        self._store.remove(list(dict.fromkeys(self._keys.get(arm, {}).values())))

    def _prompts(self, arm: ArmName) -> list[Prompt]:
        return [prompt for batch in self._session.batches[arm] for prompt in batch]


def to_ask_again(
    session: Session, known: Sequence[Response], *, seed: int, count: int = RECHECKED
) -> tuple[tuple[Prompt, ...], ...]:
    """Choose answers that are computed again.

    Args:
        session: The loaded arms.
        known: Answers of one arm.
        seed: Of the choice.
        count: How many; all if fewer are known.

    Returns:
        Prompts in batches that `Session.answer` takes, none larger than the session's own largest; spread over
        the suites as evenly as their sizes allow, and independent of the order of `known`.
    """
    if not known:
        return ()
    batches = session.batches[known[0].arm]
    prompts = {(prompt.suite, prompt.case): prompt for batch in batches for prompt in batch}
    chosen = islice(_spread([(one.suite, one.case) for one in known], seed=seed), count)
    largest_tokens = max(
        len(batch) * (max(len(prompt.token_ids) for prompt in batch) + batch[0].max_new_tokens) for batch in batches
    )
    return plan_batches([prompts[name] for name in chosen], largest_tokens)


def _is_possible(answer: Response, prompt: Prompt) -> bool:
    """Whether this can be an answer to this prompt: its text fits its tokens, and these fit the limit."""
    if answer.tokens is None:
        return len(answer.text) <= _LONGEST_TOKEN_CHARACTERS * prompt.max_new_tokens
    fits = len(answer.text) <= _LONGEST_TOKEN_CHARACTERS * answer.tokens
    cut = answer.finish == "length"
    return fits and answer.tokens <= prompt.max_new_tokens and (not cut or answer.tokens == prompt.max_new_tokens)


def disagreements(known: Iterable[Response], fresh: Iterable[Response]) -> int:
    """How many answers are not what they were: another text, another length, another end.

    Args:
        known: Cached answers.
        fresh: The same arm's answers to some of the same cases, just computed. One that is an error, or whose case is
            not among the cached, says nothing and does not count.
    """
    before = {(one.suite, one.case, one.arm): _said(one) for one in known}
    again = {(one.suite, one.case, one.arm): _said(one) for one in fresh if one.finish != "error"}
    return sum(before.get(name, said) != said for name, said in again.items())


def _said(answer: Response) -> tuple[str, str, int | None]:
    return answer.text, answer.finish, answer.tokens


def is_stale(disagreeing: int, *, checked: int) -> bool:
    """Whether an arm's cached answers must be thrown away and all of them computed anew.

    One in eight may disagree. A prompt that is computed in another batch is rounded differently; where the two best
    tokens tie to within that rounding, the answer takes another turn although nothing is wrong, and a cache that is
    thrown away for a single tie would be thrown away for nothing. Two in eight are another matter. A cache that
    is wrong as a whole (a digest that covers too little, a library that computes otherwise under the same version, a
    file that somebody replaced) changes most answers: if it changes half of them, eight checked items show at least
    two changes in 96 of 100 runs; if rounding changes 2 of 100 answers, in 1 run of 100. The check is a net under the
    key, not a proof: a cache in which few answers are wrong passes it.

    Of fewer than eight checked items none may disagree: so few answers cost little to compute again.

    Args:
        disagreeing: What `disagreements` counted.
        checked: Items that were computed again, errors left out.
    """
    return disagreeing > checked // RECHECKED


def _spread(names: Iterable[tuple[str, str]], *, seed: int) -> list[tuple[str, str]]:
    """All names in an order that a seed decides: one of each suite, then a second one of each that has more."""
    by_suite: dict[str, list[tuple[str, str]]] = {}
    for name in sorted(set(names), key=lambda name: _sha256([seed, *name])):
        by_suite.setdefault(name[0], []).append(name)
    rounds = zip_longest(*by_suite.values())
    return [name for one_of_each in rounds for name in one_of_each if name is not None]


def _sha256(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
