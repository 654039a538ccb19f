"""What may stand in `gate.yaml`. The unions of scorers and rules, which live in rooms below, meet here.

Only shapes and ranges are checked here; whether a file exists and whether cases fit their scorer is checked where
they are read.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from gate.domain import Role
from gate.engine.transformers_engine import TransformersEngine
from gate.rules import RunRule, SuiteRule
from gate.rules.base import Alpha
from gate.rules.verdict import FailOn
from gate.scorers import AnyScorer

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
"""A suite's name: it appears in files, tables and messages."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class Section(BaseModel):
    """A part of the file: unknown keys are errors, values do not change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class Base(Section):
    """The model that the adapter was trained on; the reference of every comparison."""

    model: Text
    """A folder with `config.json` and safetensors weights, or a hub id such as `Qwen/Qwen2.5-0.5B-Instruct`."""
    revision: Text | None = None
    """Commit, tag or branch of a hub model."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Number format of the weights in memory; `auto`: as stored."""


class Candidate(Section):
    """What is to be judged."""

    adapter: Text
    """Folder of a PEFT LoRA adapter: `adapter_config.json` and `adapter_model.safetensors`."""


class Generation(Section):
    """How answers are produced; the same for every arm. Greedy decoding: one answer per case, no chance in it."""

    max_new_tokens: int = Field(default=256, ge=1, le=32_768)
    """Limit of an answer in tokens, unless the case has its own."""
    temperature: Literal[0] = 0
    """Only 0: with greedy decoding a changed answer is a changed model."""
    repeats: Literal[1] = 1
    """Only 1: greedy decoding gives the same answer every time."""
    template: Literal["chat", "raw"] = "chat"
    """`chat`: the tokenizer's chat template. `raw`: the prompt as it stands, for base models."""
    template_kwargs: dict[str, bool | int | str] = {}
    """Passed to the chat template, for example `{enable_thinking: false}`."""
    strip_thinking: Literal["auto"] | bool = "auto"
    """Remove a leading `<think>...</think>` block before scoring; `auto`: when an answer starts with one."""


class Statistics(Section):
    """How sure a verdict must be."""

    alpha: Alpha = 0.05
    """One-sided error rate: of blocking an unchanged model, and of passing a drop at the limit."""
    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    """Seed of every random draw."""


class SuiteConfig(Section):
    """Cases that are scored in one way and reported as one row."""

    role: Role
    """`task`: what was taught. `regression`: what must not be un-learned. `distribution`: unlabelled real inputs."""
    cases: Text
    """A `.jsonl` or `.csv` file."""
    scorer: AnyScorer | None = None
    metric: Literal["mean", "accuracy"] = "mean"
    """Name of the aggregate; `accuracy` is the mean of a right-or-wrong scorer."""
    rules: tuple[SuiteRule, ...] | None = Field(default=None, strict=False)
    """Default: `max_drop: 5pp` for a regression suite, `min_gain: 0pp` for a task suite."""

    @model_validator(mode="after")
    def _fits_its_role(self) -> "SuiteConfig":
        if self.role == "distribution":
            if self.scorer is not None or self.rules is not None:
                raise ValueError("a distribution suite has no right answers: it takes no scorer and no rules")
        elif self.scorer is None:
            raise ValueError(f"a {self.role} suite needs a scorer")
        return self


class GateConfig(Section):
    """The whole file."""

    version: Literal[1]
    base: Base
    candidate: Candidate
    engine: TransformersEngine = TransformersEngine()
    generation: Generation = Generation()
    statistics: Statistics = Statistics()
    suites: dict[Name, SuiteConfig] = Field(min_length=1, max_length=200)
    rules: tuple[RunRule, ...] = Field(default=(), strict=False)
    fail_on: FailOn = "regression"
    """Which verdicts close the gate: a proven regression, an inconclusive one as well, or none."""
