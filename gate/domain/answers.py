"""From what is asked to what an answer is worth: cases, arms, the checks made before, answers and their scores."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["task", "regression", "distribution"]
"""What a suite is for: what was taught, what must not be un-taught, or unlabelled real inputs."""

ArmName = Literal["base", "candidate", "incumbent", "prompted"]
"""The contestants: the pristine base, what is to be judged, what is in production now, and the base with a good prompt.

They differ in their weights and in nothing else; the prompted arm has the base's weights and differs in its prompts.
"""

Finish = Literal["stop", "length", "error"]
"""Why an answer ended: the model ended it, the token limit cut it, or no answer could be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation."""

    role: str
    """`system`, `user` or `assistant`."""
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question with what a right answer is."""

    id: str
    """Unique within its suite; the key on which arms are paired."""
    messages: tuple[Message, ...]
    """The conversation to be continued; never empty."""
    references: tuple[str, ...] = ()
    """Right answers, any of which will do."""
    choices: tuple[str, ...] = ()
    """The options of a multiple-choice question."""
    expected: Literal["answer", "refuse"] | None = None
    """Whether the right reaction is to answer or to refuse."""
    tags: tuple[str, ...] = ()
    """Slices that the case belongs to."""
    critical: bool = False
    """Whether a regression on this one case is a finding of its own."""
    cluster: str | None = None
    """Cases with the same cluster are not independent of each other."""
    max_new_tokens: int | None = None
    """Limit for this answer in tokens; None: the run's limit."""
    origin: Literal["real", "synthetic", "augmented"] | None = None
    generator: str | None = None
    """What produced a synthetic case."""
    verified_by: str | None = None
    """The person who checked the reference."""
    created_at: str | None = None
    """ISO 8601 date or date-time."""
    parent_id: str | None = None
    """The case that this one is a variation of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Cases that are scored in one way and reported as one row."""

    name: str
    role: Role
    cases: tuple[Case, ...]
    digest: str
    """SHA-256 over the cases' content, hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One contestant: what answered the cases."""

    name: ArmName
    model: str | None
    """Folder or hub id of the base model, as configured."""
    revision: str | None
    """Commit of a hub model; None for a folder."""
    adapter: str | None
    """Folder of the adapter, as configured; None for the bare base."""
    description: str
    """One line for people, for example `LoRA r=8, 1.2 MB`."""
    digest: str | None
    """SHA-256 over the weights and configuration that make this arm, hexadecimal; None when only answers are known."""


CHECK_IDS = tuple(f"P{number:02}" for number in range(1, 37))
"""Every preflight check that a configuration may name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One preflight check: whether the arms can be believed to be what they are called."""

    id: str
    """`P01` to `P36`; stable, so that `allow` can name it."""
    title: str
    """What is checked, in a few words."""
    outcome: Literal["ok", "warn", "fail", "allowed", "skipped"]
    """`allowed`: it failed, and the configuration says to go on. `skipped`: it could not be made here."""
    message: str
    """What was seen, in one sentence; empty when there is nothing to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """How far an arm's answer is from the base's, as seen while the base's answer was fed to it token by token."""

    compared: int
    """Tokens of the base's answer that the arm was asked about, end-of-turn included."""
    agreed: int
    """Of these, how many the arm would have chosen too, each after the base's own beginning."""
    first_divergence: int | None
    """Tokens before the arm's own answer leaves the base's; None: it never does."""
    mean_log_loss: float
    """Mean of -ln p(token) under the arm over the compared tokens, in nats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer of one arm to one case."""

    suite: str
    case: str
    arm: ArmName
    repeat: int
    """Counts from 0."""
    text: str
    finish: Finish
    tokens: int | None = None
    """Length of the answer in tokens, end-of-turn excluded; None when unknown."""
    error: str | None = None
    """Why there is no answer; None unless `finish` is `error`."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Metric -> value in [0, 1], for an answer that another tool has scored already."""
    probe: Probe | None = None
    """How far it is from the base's answer; None: that was not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What one answer is worth."""

    suite: str
    case: str
    arm: ArmName
    repeat: int
    value: float | None
    """In [0, 1]; None: unscored, for the reason in `why`."""
    why: str
    """One short sentence for a person reading the case."""
    invalid: bool = False
    """The answer was none that the scorer's question allows (an unknown label, an empty text)."""
    label: str | None = None
    """The label that was read; None where none was, or where the scorer knows no labels."""
