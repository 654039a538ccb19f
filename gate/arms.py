"""Who answers what: from the configuration to the request that an engine gets.

Adapters are found and inspected here, the incumbent's read from the commit that it is configured at. No model is
loaded.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from gate.adapters.commit import adapter_at
from gate.adapters.folder import AdapterFolder, name_warning, read_adapter
from gate.config.load import LoadedConfig
from gate.config.schema import Incumbent
from gate.data.training import load_training
from gate.domain import ArmName
from gate.engine.session import AdapterFiles, Lesson, Question, Request, Settings
from gate.errors import ConfigError
from gate.plan import Options, Plan
from gate.prompted import ready_prompt
from gate.stages import Schedule

_LESSONS = 32
"""Training rows that the preflight looks at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A request, and what a reader must know of what went into it."""

    request: Request
    warnings: tuple[str, ...]


@contextmanager
def ready_arms(
    loaded: LoadedConfig, options: Options, plan: Plan, *, schedule: Schedule | None = None
) -> Iterator[Ready]:
    """Find and inspect all that answers. Files read from a commit last as long as the context.

    Args:
        loaded: The configuration.
        options: What the command line changes.
        plan: What is asked.
        schedule: In which stages; None: all at once.

    Raises:
        AdapterRefused: If an adapter is missing, broken or unsafe.
        ConfigError: If a prompt cannot be read.
        CasesError: If the training data cannot be used.
    """
    config = loaded.config
    with TemporaryDirectory(prefix="gate-") as temporary:
        name = str(options.adapter or config.candidate.adapter)
        folders = {"candidate": (name, read_adapter(options.adapter or loaded.resolve(name)))}
        if config.incumbent is not None:
            folders["incumbent"] = _incumbent(loaded, config.incumbent, Path(temporary))
        prompt = ready_prompt(loaded, seed=plan.seed)
        questions = _questions(loaded, plan, schedule)
        generation = config.generation
        request = Request(
            adapters={arm: _files(*folders[arm]) for arm in _ADAPTER_ARMS if arm in folders},
            questions=questions,
            prompted=[replace(one, messages=prompt.around(one.messages)) for one in questions]
            if prompt is not None
            else None,
            prompted_digest=prompt.digest if prompt is not None else None,
            settings=Settings(
                dtype=config.base.dtype,
                template=generation.template,
                template_kwargs=generation.template_kwargs,
                temperature=generation.temperature,
                repeats=generation.repeats,
                seed=plan.seed,
            ),
            lessons=_lessons(loaded, seed=plan.seed),
            allow=frozenset(config.allow),
        )
        warnings = [name_warning(adapter.base_name, config.base.model) for _, adapter in folders.values()]
        digests = [adapter.digest for _, adapter in folders.values()]
        if len(set(digests)) < len(digests):
            warnings.append("The candidate is the incumbent: both have the same weights.")
        if prompt is not None:
            warnings.append(prompt.note)
        yield Ready(request=request, warnings=tuple(dict.fromkeys(text for text in warnings if text is not None)))


_ADAPTER_ARMS: tuple[ArmName, ...] = ("incumbent", "candidate")


def _incumbent(loaded: LoadedConfig, incumbent: Incumbent, temporary: Path) -> tuple[str, AdapterFolder]:
    if incumbent.ref is None:
        return incumbent.adapter, read_adapter(loaded.resolve(incumbent.adapter))
    folder = adapter_at(loaded.folder, incumbent.adapter, incumbent.ref, into=temporary)
    return f"{incumbent.adapter}@{incumbent.ref}", read_adapter(folder)


def _files(name: str, adapter: AdapterFolder) -> AdapterFiles:
    return AdapterFiles(
        path=adapter.path,
        name=name,
        tensor_names=adapter.tensor_names,
        description=adapter.description,
        digest=adapter.digest,
    )


def _lessons(loaded: LoadedConfig, *, seed: int) -> tuple[Lesson, ...]:
    """Draw rows of the training data that ask something and have an answer."""
    file = loaded.config.training.data
    if file is None:
        return ()
    rows = load_training(loaded.resolve(file), label=f"training.data: {file}")
    usable = [row for row in rows if row.messages and row.answer and row.answer.strip()]
    drawn = random.Random(seed).sample(usable, min(_LESSONS, len(usable)))  # noqa: S311 - a repeatable draw, not a secret
    return tuple(Lesson(messages=row.messages, answer=row.answer or "") for row in drawn)


def _questions(loaded: LoadedConfig, plan: Plan, schedule: Schedule | None) -> list[Question]:
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
    """Refuse a suite whose answers only another tool can score.

    Raises:
        ConfigError: If there is one among those to be answered.
    """
    for name, suite in loaded.config.suites.items():
        if suite.scorer is not None and suite.scorer.kind == "recorded" and name in (options.suites or (name,)):
            raise ConfigError(
                f"suites.{name}: it is scored by another tool (`recorded`), so nothing here can answer and score it",
                fix="Use gate compare with that tool's files, or leave the suite out with --suite.",
            )
