"""Who answers what: from the configuration to the request that an engine gets.

Base, adapters and full fine-tunes are found and inspected, each where it is configured. No model is loaded.
"""

import random
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from gate.config.load import LoadedConfig
from gate.config.trusted import file_at
from gate.data.training import load_training
from gate.domain import ArmName, Check
from gate.engine import ReplayEngine
from gate.engine.base_model import BaseFolder
from gate.engine.session import AdapterFiles, Lesson, Question, Request, Settings
from gate.errors import ConfigError, UsageError
from gate.origins import Tune, read_base, read_tune, wanted_candidate, wanted_incumbent
from gate.plan import Options, Plan
from gate.prompted import ready_prompt
from gate.stages import Schedule

_LESSONS = 32
"""Training rows that the preflight looks at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A request, and what a reader must know of what went into it."""

    base: BaseFolder | None
    """None where its files are not looked for."""
    request: Request
    names: tuple[str, ...]
    """What is to be loaded, as configured."""
    warnings: tuple[str, ...]
    checks: tuple[Check, ...]
    """What was looked at in the candidate's files, by id."""
    noise_floor: float | None = None
    """As measured when recorded answers were given; None: it is yet to be measured, or not known."""


@contextmanager
def ready_arms(
    loaded: LoadedConfig,
    options: Options,
    plan: Plan,
    *,
    schedule: Schedule | None = None,
) -> Iterator[Ready]:
    """Find and inspect all that answers. Files read from a commit last as long as the context.

    Args:
        loaded: The configuration.
        options: What the command line changes.
        plan: What is asked.
        schedule: In which stages; None: all at once.

    Raises:
        AdapterRefused: If an adapter or a full fine-tune is missing, broken or unsafe.
        ConfigError: If the base or a prompt cannot be read.
        CasesError: If the training data cannot be used.
    """
    allow = frozenset(loaded.config.allow)
    with TemporaryDirectory(prefix="gate-") as temporary:
        base, tunes = _tunes(loaded, options, Path(temporary), allow=allow)
        prompt = ready_prompt(loaded, seed=plan.seed)
        asked = questions(loaded, plan, schedule)
        made_of = {arm: tune.made_of for arm, tune in tunes.items()}
        request = Request(
            adapters={arm: one for arm, one in made_of.items() if isinstance(one, AdapterFiles)},
            models={arm: one for arm, one in made_of.items() if isinstance(one, BaseFolder)},
            questions=asked,
            prompted=[replace(one, messages=prompt.around(one.messages)) for one in asked]
            if prompt is not None
            else None,
            prompted_digest=prompt.digest if prompt is not None else None,
            settings=settings(loaded, plan),
            base_name=loaded.config.base.model,
            base_revision=loaded.config.base.revision,
            lessons=_lessons(loaded, options, seed=plan.seed, into=Path(temporary) / "training"),
            allow=allow,
        )
        warnings = [text for tune in tunes.values() for text in tune.warnings]
        if len({one.digest for one in made_of.values()}) < len(made_of):
            warnings.append("The candidate is the incumbent: both have the same weights.")
        if prompt is not None and prompt.note is not None:
            warnings.append(prompt.note)
        arms = made_of.values()
        yield Ready(
            base=base,
            request=request,
            names=(loaded.config.base.model if base is None else base.name, *(one.name for one in arms)),
            warnings=tuple(dict.fromkeys(warnings)),
            checks=tunes["candidate"].checks,
        )


def _tunes(
    loaded: LoadedConfig, options: Options, temporary: Path, *, allow: Set[str]
) -> tuple[BaseFolder | None, dict[ArmName, Tune]]:
    """The base, where its files are needed, and what was made of it, the reference arm first."""
    places = {name: temporary / name for name in ("base", "candidate", "incumbent")}
    for place in places.values():
        place.mkdir()
    base = None
    if loaded.config.engine.reads_model:
        base = read_base(loaded, options.candidate_ref, into=places["base"])
    of = loaded.config.base.model
    candidate = wanted_candidate(loaded, adapter=options.adapter, ref=options.candidate_ref, start=options.start)
    judged = read_tune(candidate, base, of=of, into=places["candidate"], allow=allow)
    tunes: dict[ArmName, Tune] = {}
    if loaded.config.incumbent is not None:
        incumbent = wanted_incumbent(loaded, loaded.config.incumbent)
        tunes["incumbent"] = read_tune(incumbent, base, of=of, into=places["incumbent"], allow=allow)
    return base, tunes | {"candidate": judged}


def settings(loaded: LoadedConfig, plan: Plan) -> Settings:
    """How answers are made."""
    generation = loaded.config.generation
    return Settings(
        dtype=loaded.config.base.dtype,
        quantization=loaded.config.base.quantization,
        template=generation.template,
        template_kwargs=generation.template_kwargs,
        temperature=generation.temperature,
        repeats=generation.repeats,
        seed=plan.seed,
    )


def _lessons(loaded: LoadedConfig, options: Options, *, seed: int, into: Path) -> tuple[Lesson, ...]:
    """Draw rows of the training data that ask something and have an answer.

    Beside a configuration that is read from a commit, they come from the candidate's: a proposal changes adapter and
    training data together.
    """
    file = loaded.config.training.data
    if file is None:
        return ()
    if loaded.commit is None or options.candidate_ref is None:
        path = loaded.resolve(file)
    else:
        path = file_at(loaded, file, options.candidate_ref, start=options.start, into=into)
    rows = load_training(path, label=f"training.data: {file}")
    usable = [row for row in rows if row.messages and row.answer and row.answer.strip()]
    drawn = random.Random(seed).sample(usable, min(_LESSONS, len(usable)))  # noqa: S311 - a repeatable draw, not a secret
    return tuple(Lesson(messages=row.messages, answer=row.answer or "") for row in drawn)


def questions(loaded: LoadedConfig, plan: Plan, schedule: Schedule | None) -> list[Question]:
    """What every arm is asked, in the order of the plan."""
    stage_of = {one.suite.name: schedule.stages_of(one.suite) if schedule else {} for one in plan.suites}
    return [
        Question(
            suite=one.suite.name,
            case=case.id,
            messages=case.messages,
            max_new_tokens=case.max_new_tokens or loaded.config.generation.max_new_tokens,
            stage=stage_of[one.suite.name].get(case.id, 0),
        )
        for one in plan.suites
        for case in one.suite.cases
    ]


def refuse_unanswerable(loaded: LoadedConfig, options: Options) -> None:
    """Refuse a suite whose answers only another tool can score, and recorded answers that the run would replace.

    Raises:
        ConfigError: If there is such a suite among those to be answered.
        UsageError: If recorded answers lie where the run writes its own.
    """
    engine, output = loaded.config.engine, options.output.resolve()
    if isinstance(engine, ReplayEngine) and loaded.commit is not None:
        raise UsageError(
            "--config-ref: the engine `replay` takes recorded answers as they lie on the disk, not from a commit",
            fix="Use another engine, or judge recorded answers with gate compare --responses.",
        )
    if isinstance(engine, ReplayEngine) and any(loaded.resolve(one).resolve().parent == output for one in engine.files):
        raise UsageError(
            f"--output {options.output}: the recorded answers lie there, and a run replaces what is in its folder",
            fix="Name another folder with --output.",
        )
    for name, suite in loaded.config.suites.items():
        if suite.scorer is not None and suite.scorer.kind == "recorded" and name in (options.suites or (name,)):
            raise ConfigError(
                f"suites.{name}: it is scored by another tool (`recorded`), so nothing here can answer and score it",
                fix="Use gate compare with that tool's files, or leave the suite out with --suite.",
            )
