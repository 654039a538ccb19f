"""What may stand in `gate.yaml`. The unions of scorers and rules, which live in rooms below, meet here.

Only shapes and ranges are checked here; whether a file exists and whether cases fit their scorer is checked where
they are read.
"""

from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from gate.domain import CHECK_IDS, CORPUS_METRICS, ArmName, Metric, Role
from gate.engine import AnyEngine, TransformersEngine
from gate.engine.quantization import Quantization
from gate.rules import RunRule, SuiteRule
from gate.rules.base import Alpha
from gate.rules.verdict import FailOn
from gate.scorers import AnyScorer, Classification, Recorded

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
"""A suite's name: it appears in files, tables and messages."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=4096)]


def _known_check(written: str) -> str:
    if written in CHECK_IDS:
        return written
    # People write `p9` and `P9`: there the number says which is meant, better than the nearest letters do.
    number = written.strip().lower().removeprefix("p")
    padded = f"P{int(number):02}" if number.isascii() and number.isdigit() and len(number) < 4 else ""
    hint = f", did you mean {padded!r}?" if padded in CHECK_IDS else f"; they are {CHECK_IDS[0]} to {CHECK_IDS[-1]}"
    raise ValueError(f"no preflight check is called {written!r:.60}{hint}")


_NEVER_IN_A_REF = " ~^:?*[\\"


def _known_to_git(written: str) -> str:
    parts = written.split("/")
    if not written.isprintable() or set(written) & set(_NEVER_IN_A_REF):
        reason = f"it holds a space, a control character or one of {_NEVER_IN_A_REF.strip()}"
    elif written.startswith("-"):
        reason = "it begins with '-', as an option does"
    elif ".." in written or "@{" in written:
        reason = "'..' and '@{' are not accepted"
    elif any(not part or part.startswith(".") or part.endswith((".", ".lock")) for part in parts):
        reason = "a part between slashes is empty, begins or ends with '.', or ends with '.lock'"
    else:
        return written
    raise ValueError(f"{written!r:.80} is no revision: {reason}; name one commit, tag or branch")


Revision = Annotated[str, StringConstraints(min_length=1, max_length=250), AfterValidator(_known_to_git)]
"""Commit, tag or branch on the hub: part of an address and of the name of a file in its cache."""

CheckId = Annotated[str, AfterValidator(_known_check), WithJsonSchema({"type": "string", "enum": list(CHECK_IDS)})]
"""A preflight check as the reports name it."""


class Section(BaseModel):
    """A part of the file: unknown keys are errors, values do not change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class Base(Section):
    """The model that the adapter was trained on; the reference of every comparison."""

    model: Text
    """A folder with `config.json` and safetensors weights, or a hub id such as `Qwen/Qwen2.5-0.5B-Instruct`."""
    revision: Revision | None = None
    """Commit, tag or branch of a hub model."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Number format of the weights in memory; `auto`: as stored."""
    quantization: Quantization = "none"
    """`nf4`: the weights of every arm are quantised to 4 bits as they are loaded, as for QLoRA; needs the extra
    `quantization`. A model that is quantised already is loaded as it is and needs no `quantization`."""


class Tuned(Section):
    """What training made of the base: an adapter, or a model with weights of its own."""

    adapter: Text | None = None
    """Folder of a PEFT adapter (`adapter_config.json` and `adapter_model.safetensors`), or with a `revision` a hub id.
    A folder with one sub-folder or with checkpoints that hold an adapter will do."""
    model: Text | None = None
    """Instead of an adapter, a full fine-tune: a folder with `config.json` and safetensors weights, or a hub id."""
    revision: Revision | None = None
    """Commit, tag or branch of a hub id; a hub id of an adapter needs one."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.adapter is None) == (self.model is None):
            raise ValueError("it has either an `adapter` or, for a full fine-tune, a `model`")
        return self


class Candidate(Tuned):
    """What is to be judged."""


class Incumbent(Tuned):
    """What is in production now, for rules with `against: incumbent`."""

    ref: Text | None = None
    """Commit, tag or branch from which the folder is read, without a checkout; default: the folder as it lies there."""

    @model_validator(mode="after")
    def _comes_from_one_place(self) -> Self:
        if self.ref is not None and self.revision is not None:
            raise ValueError("`ref` is a commit of this repository and `revision` one on the hub: name one of them")
        return self


class Prompted(Section):
    """The base with a good prompt: a system prompt, worked examples, or both."""

    system: Text | None = None
    """A text file with the system prompt."""
    shots: Text | None = None
    """Training data (`.jsonl`, `.json` or `.csv`) from which the worked examples are drawn; never a suite."""
    num_shots: int = Field(default=4, ge=1, le=64)
    """Number of worked examples, if there are `shots`."""

    @model_validator(mode="after")
    def _has_a_prompt(self) -> "Prompted":
        if self.system is None and self.shots is None:
            raise ValueError("a prompted arm needs a `system` prompt, `shots`, or both")
        return self


class Generation(Section):
    """How answers are produced; the same for every arm. Greedy by default: no chance in it."""

    max_new_tokens: int = Field(default=256, ge=1, le=32_768)
    """Limit of an answer in tokens, unless the case has its own."""
    temperature: float = Field(default=0, ge=0, le=2, strict=False)
    """0: greedy decoding, where a changed answer is a changed model. Above 0 answers are drawn with the run's seed."""
    repeats: int = Field(default=1, ge=1, le=64)
    """Answers to each case, whose scores are averaged; more than one needs a temperature above 0."""
    template: Literal["chat", "raw"] = "chat"
    """`chat`: the tokenizer's chat template. `raw`: the prompt as it stands, for base models."""
    template_kwargs: dict[str, bool | int | str] = {}
    """Passed to the chat template, for example `{enable_thinking: false}`."""
    strip_thinking: Literal["auto"] | bool = "auto"
    """Remove a leading `<think>...</think>` block before scoring. `auto`: when an answer starts with one, or the chat
    template has begun it. `true`: every answer is reasoning up to `</think>`, and without that it is no answer."""

    @model_validator(mode="after")
    def _repeats_differ(self) -> "Generation":
        if self.repeats > 1 and self.temperature == 0:
            raise ValueError(
                "repeats of a greedy answer are all the same: set a `temperature` above 0, or `repeats: 1`"
            )
        return self


class Statistics(Section):
    """How sure a verdict must be."""

    alpha: Alpha = 0.05
    """One-sided error rate: of blocking an unchanged model, and of passing a drop at the limit."""
    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    """Seed of every random draw."""
    sequential: bool = False
    """Ask in stages, in shuffled order, and stop as soon as the verdict is decided. A fifth of alpha pays for that."""
    futility: bool = False
    """Stop a sequential run as well when a proven regression has become unlikely, which leaves it inconclusive. Only
    where an inconclusive verdict opens the gate, and every blocking rule can be looked at early."""

    @model_validator(mode="after")
    def _looks_early(self) -> "Statistics":
        if self.futility and not self.sequential:
            raise ValueError("`futility` is about runs that look early: set `sequential: true` as well")
        return self


class Training(Section):
    """What the candidate was trained on."""

    data: Text | None = None
    """The training rows (`.jsonl`, `.json` or `.csv`). The candidate must find a sample of them likelier than the base
    does, or template, base or adapter are not those of the training."""
    log: Text | None = None
    """`trainer_state.json` of the training run."""
    date: Text | None = None
    """The day of the training, ISO 8601."""
    source: Text | None = None
    """Where the data came from, in words."""


class SuiteConfig(Section):
    """Cases that are scored in one way and reported as one row."""

    role: Role
    """`task`: what was taught. `regression`: what must not be un-learned. `distribution`: unlabelled real inputs."""
    cases: Text | None = None
    """A `.jsonl` or `.csv` file; only a suite scored by `recorded` needs none, its cases come with the answers."""
    scorer: AnyScorer | None = None
    metric: Metric = "mean"
    """`accuracy` is the mean of a right-or-wrong scorer; `macro_f1` and `weighted_f1` average the F1 of the labels
    of a `classification` scorer, alike or by how often they are right."""
    rules: tuple[SuiteRule, ...] | None = Field(default=None, strict=False)
    """Default: `max_drop: 5pp` for a regression suite, `min_gain: 0pp` for a task suite."""

    @model_validator(mode="after")
    def _fits_its_role(self) -> "SuiteConfig":
        if self.role == "distribution":
            if self.scorer is not None or any(rule.kind != "max_shift" for rule in self.rules or ()):
                raise ValueError("a distribution suite has no right answers: no scorer, and no rules but max_shift")
        elif self.scorer is None:
            raise ValueError(f"a {self.role} suite needs a scorer")
        if self.cases is None and not isinstance(self.scorer, Recorded):
            raise ValueError("`cases` is required")
        if self.metric in CORPUS_METRICS and not isinstance(self.scorer, Classification):
            raise ValueError(f"{self.metric} needs a `classification` scorer, which knows labels")
        if self.metric == "accuracy" and self.scorer is not None and not self.scorer.binary:
            raise ValueError("accuracy is the mean of a right-or-wrong scorer; call it `mean`")
        return self


class Publish(Section):
    """What may leave the run folder."""

    texts: bool = True
    """`false`: no text of a case or of a model stands in `round.json`, in a report or in a comment, only ids and
    scores. The answers stay in `responses.jsonl`."""


class GateConfig(Section):
    """The whole file."""

    version: Literal[1]
    base: Base
    candidate: Candidate
    incumbent: Incumbent | None = None
    prompted: Prompted | None = None
    engine: AnyEngine = TransformersEngine()
    generation: Generation = Generation()
    statistics: Statistics = Statistics()
    training: Training = Training()
    suites: dict[Name, SuiteConfig] = Field(min_length=1, max_length=200)
    rules: tuple[RunRule, ...] = Field(default=(), strict=False)
    publish: Publish = Publish()
    allow: tuple[CheckId, ...] = Field(default=(), strict=False)
    """Preflight checks, such as `P22`, that may fail: the run goes on, and the report says so."""
    fail_on: FailOn = "regression"
    """Which verdicts close the gate: a proven regression, an inconclusive one as well, or none."""

    @field_validator("allow")
    @classmethod
    def _each_check_once(cls, allow: tuple[str, ...]) -> tuple[str, ...]:
        if twice := next((name for name in allow if allow.count(name) > 1), None):
            raise ValueError(f"{twice} is named twice")
        return allow

    @property
    def arms(self) -> tuple[ArmName, ...]:
        """Who answers, the reference arms first, in the order of the reports."""
        extra: dict[ArmName, Incumbent | Prompted | None] = {"incumbent": self.incumbent, "prompted": self.prompted}
        return ("base", *(name for name, section in extra.items() if section is not None), "candidate")
