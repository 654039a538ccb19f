"""What any backend offers: arms that answer batches of prompts, and the plan of the batches.

Knows neither scores nor files. The plan depends on the prompts alone, so an interrupted run that continues
computes the very batches that it would have computed at once, and rounding in them is the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, Self

from gate.domain import Arm, ArmName, Message, Response


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One case as an arm is asked it; the same tokens for every arm."""

    suite: str
    case: str
    token_ids: tuple[int, ...]
    max_new_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One case before it is turned into tokens."""

    suite: str
    case: str
    messages: tuple[Message, ...]
    max_new_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateFiles:
    """What the engine must know of an adapter that was inspected."""

    path: Path
    name: str
    """As configured."""
    tensor_names: frozenset[str]
    description: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the base is loaded and prompts are made; the same for every arm."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"]
    template: Literal["chat", "raw"]
    template_kwargs: Mapping[str, bool | int | str]


class Session(Protocol):
    """Loaded arms, ready to answer. A context manager: leaving it frees the memory."""

    @property
    def arms(self) -> Mapping[ArmName, Arm]:
        """The contestants, the reference arm first."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """What the answers depend on besides weights and prompts: versions, device, number format."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """What a reader of the results must know, one sentence each."""
        ...

    @property
    def batches(self) -> Sequence[tuple[Prompt, ...]]:
        """All prompts, in the batches in which they are answered."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...

    def answer(self, arm: ArmName, batch: Sequence[Prompt]) -> tuple[Response, ...]:
        """Answer one batch, in order."""
        ...


def plan_batches(prompts: Sequence[Prompt], batch_tokens: int) -> tuple[tuple[Prompt, ...], ...]:
    """Group prompts of similar length so that little of a batch is padding.

    Args:
        prompts: All prompts.
        batch_tokens: At most this many tokens a batch: rows times (longest prompt + its limit of new tokens).
            A single prompt that needs more gets a batch of its own.

    Returns:
        Batches, the longest first: if memory is too small, that shows at once. All prompts of a batch have
        the same limit of new tokens.
    """
    longest_first = sorted(prompts, key=lambda p: (-p.max_new_tokens, -len(p.token_ids), p.suite, p.case))
    return tuple(_cut(longest_first, batch_tokens))


def _cut(prompts: Sequence[Prompt], batch_tokens: int) -> Iterator[tuple[Prompt, ...]]:
    batch: list[Prompt] = []
    for prompt in prompts:
        if batch:
            row_tokens = len(batch[0].token_ids) + batch[0].max_new_tokens
            full = (len(batch) + 1) * row_tokens > batch_tokens
            if full or prompt.max_new_tokens != batch[0].max_new_tokens:
                yield tuple(batch)
                batch = []
        batch.append(prompt)
    if batch:
        yield tuple(batch)
