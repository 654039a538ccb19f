"""What any backend offers: arms that answer batches of prompts, and the plan of the batches.

Knows neither scores nor files. The plan depends on the prompts alone; a backend may compute parts of batches, or
several together, where that changes answers by no more than rounding does.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict

from gate.domain import Arm, ArmName, Check, Message, Response
from gate.engine.base_model import BaseFolder
from gate.engine.quantization import Quantization


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One case as an arm is asked it; the same tokens for every arm but the prompted one."""

    suite: str
    case: str
    token_ids: tuple[int, ...]
    max_new_tokens: int
    stage: int = 0
    """Prompts of a later stage are answered after all of an earlier one."""
    messages: tuple[Message, ...] = ()
    """What is sent to a backend that makes the tokens itself; then there are no `token_ids`."""

    @property
    def asked(self) -> Sequence[object]:
        """All that the arm is asked, as JSON can hold it."""
        return [self.token_ids, [[one.role, one.content] for one in self.messages]] if self.messages else self.token_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One case before it is turned into tokens."""

    suite: str
    case: str
    messages: tuple[Message, ...]
    max_new_tokens: int
    stage: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """One row that the candidate was trained on."""

    messages: tuple[Message, ...]
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterFiles:
    """What the engine must know of an adapter that was inspected."""

    path: Path
    name: str
    """As configured."""
    tensor_names: frozenset[str]
    description: str
    digest: str
    peft_type: str = "LORA"
    """As `adapter_config.json` names it."""
    task_type: Literal["CAUSAL_LM", "SEQ_CLS"] = "CAUSAL_LM"
    """`SEQ_CLS`: a classification head answers with its likeliest label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the base is loaded, prompts are made and answers are drawn; the same for every arm."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"]
    quantization: Quantization = "none"
    """To what the weights of every arm are quantised as they are loaded."""
    template: Literal["chat", "raw"]
    template_kwargs: Mapping[str, bool | int | str]
    temperature: float = 0.0
    """0: greedy."""
    repeats: int = 1
    """Answers to each case."""
    seed: int = 0
    """Seed of drawn answers; greedy ones need none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Answers that were given before, and what is known of how they were made."""

    arms: Mapping[ArmName, Arm]
    """Who answered, the reference arms first."""
    answers: Sequence[Response]
    environment: Mapping[str, str]
    """Empty where that is not known."""
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What an engine is asked to do."""

    adapters: Mapping[ArmName, AdapterFiles]
    """The arms that have an adapter."""
    models: Mapping[ArmName, BaseFolder] = field(default_factory=dict)
    """The arms that are models of their own: full fine-tunes. The candidate is here or among the adapters."""
    questions: Sequence[Question]
    """What every arm is asked."""
    prompted: Sequence[Question] | None
    """The same cases with a prompt around them, for the prompted arm; None: there is no such arm."""
    prompted_digest: str | None
    """SHA-256 over that prompt."""
    settings: Settings
    lessons: Sequence[Lesson] = ()
    """A sample of what the candidate was trained on, for the preflight; empty: not known."""
    allow: frozenset[str] = frozenset()
    """Preflight checks whose failure is to be passed over."""
    base_name: str = ""
    """The base model as configured, for backends that do not read its files."""
    base_revision: str | None = None
    """As configured."""
    recorded: Recording | None = None
    """Answers that stand in for those of a model; None: a model answers."""

    @property
    def arms(self) -> tuple[ArmName, ...]:
        """Who answers, the reference arms first."""
        extra = [name for name in (*self.adapters, *self.models) if name != "candidate"]
        return ("base", *extra, *(("prompted",) if self.prompted is not None else ()), "candidate")


Drafts = Mapping[tuple[str, str], Response]
"""Suite and case -> the answer of an arm that answered before."""

NO_DRAFTS: Drafts = MappingProxyType({})


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
    def checks(self) -> Sequence[Check]:
        """The preflight checks that were made on the loaded arms."""
        ...

    @property
    def batches(self) -> Mapping[ArmName, Sequence[tuple[Prompt, ...]]]:
        """All prompts of each arm, in the batches in which they are answered."""
        ...

    @property
    def settings(self) -> Settings:
        """How answers are made."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...

    def answer(
        self, arm: ArmName, batch: Sequence[Prompt], *, repeat: int, drafts: Drafts = NO_DRAFTS
    ) -> tuple[Response, ...]:
        """Answer one batch.

        Args:
            arm: Who answers.
            batch: One of `batches`, or some of its prompts.
            repeat: Counts from 0.
            drafts: What another arm answered, as a guess that may save time; it never changes an answer.

        Returns:
            The answers, in the order of the batch.
        """
        ...

    def answer_many(
        self, arm: ArmName, batches: Sequence[Sequence[Prompt]], *, repeat: int, drafts: Drafts = NO_DRAFTS
    ) -> Iterator[tuple[Response, ...]]:
        """Answer several batches, in whatever order and grouping is fastest.

        Args:
            arm: Who answers.
            batches: Some of `batches`, or parts of them.
            repeat: Counts from 0.
            drafts: As for `answer`.

        Yields:
            Answers as they are finished.
        """
        ...


class Engine(BaseModel):
    """Where the arms run: a section of the configuration that opens a session. Each backend is one subclass."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    reads_model: ClassVar[bool] = True
    """Whether the base's files must be on this machine."""
    computes: ClassVar[bool] = True
    """Whether asking again is computing again."""

    @property
    def needs_network(self) -> bool:
        """Whether the answers are made by somebody else."""
        return False

    def open(self, base: BaseFolder | None, request: Request) -> Session:
        """Load the arms and plan the batches.

        Args:
            base: The base model's files; None where `reads_model` is False.
            request: What is asked of whom.

        Raises:
            ConfigError: If the base cannot be loaded.
            AdapterRefused: If an adapter does not fit the base, or changes nothing.
            BrokenRun: If the device is not there, or a server, a worker or the memory gave out.
        """
        raise NotImplementedError


def plan_batches(prompts: Sequence[Prompt], batch_tokens: int) -> tuple[tuple[Prompt, ...], ...]:
    """Group prompts of similar length so that little of a batch is padding.

    Args:
        prompts: All prompts.
        batch_tokens: At most this many tokens a batch: rows times (longest prompt + its limit of new tokens).
            A single prompt that needs more gets a batch of its own.

    Returns:
        Batches, stage by stage, in each the longest first: if memory is too small, that shows at once. All prompts of
        a batch have the same stage and the same limit of new tokens.
    """
    longest_first = sorted(prompts, key=lambda p: (p.stage, -p.max_new_tokens, -len(p.token_ids), p.suite, p.case))
    return tuple(_cut(longest_first, batch_tokens))


def _cut(prompts: Sequence[Prompt], batch_tokens: int) -> Iterator[tuple[Prompt, ...]]:
    batch: list[Prompt] = []
    for prompt in prompts:
        if batch:
            row_tokens = len(batch[0].token_ids) + batch[0].max_new_tokens
            full = (len(batch) + 1) * row_tokens > batch_tokens
            alike = (prompt.stage, prompt.max_new_tokens) == (batch[0].stage, batch[0].max_new_tokens)
            if full or not alike:
                yield tuple(batch)
                batch = []
        batch.append(prompt)
    if batch:
        yield tuple(batch)
