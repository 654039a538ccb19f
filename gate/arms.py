"""Who answers what: from the configuration to the request that an engine gets.

Base, adapters and full fine-tunes are found and inspected, each where it is configured. No model is loaded.
"""

from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from gate.config.load import LoadedConfig
from gate.domain import ArmName, Check
from gate.engine.base_model import BaseFolder
from gate.engine.session import AdapterFiles, Question, Request, Settings
from gate.errors import ConfigError
from gate.origins import Tune, read_base, read_tune, wanted_candidate, wanted_incumbent
from gate.plan import Options, Plan
from gate.prompted import ready_prompt
from gate.stages import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A request, and what a reader must know of what went into it."""

    base: BaseFolder
    request: Request
    warnings: tuple[str, ...]
    checks: tuple[Check, ...]
    """What was looked at in the candidate's files, by id."""

    @property
    def names(self) -> tuple[str, ...]:
        """What is loaded, as configured."""
        adapters, models = self.request.adapters.values(), self.request.models.values()
        return (self.base.name, *(one.name for one in adapters), *(one.name for one in models))


@contextmanager
def ready_arms(
    loaded: LoadedConfig,
    options: Options,
    plan: Plan,
    *,
    schedule: Schedule | None = None,
    allow: Set[str] = frozenset(),
) -> Iterator[Ready]:
    """Find and inspect all that answers. Files read from a commit last as long as the context.

    Args:
        loaded: The configuration.
        options: What the command line changes.
        plan: What is asked.
        schedule: In which stages; None: all at once.
        allow: Ids of preflight checks whose failure is passed over.

    Raises:
        AdapterRefused: If an adapter or a full fine-tune is missing, broken or unsafe.
        ConfigError: If the base or a prompt cannot be read.
        CasesError: If the training data for the prompted arm cannot be used.
    """
    with TemporaryDirectory(prefix="gate-") as temporary:
        base, tunes = _tunes(loaded, options, Path(temporary), allow)
        prompt = ready_prompt(loaded, seed=plan.seed)
        questions = _questions(loaded, plan, schedule)
        generation = loaded.config.generation
        made_of = {arm: tune.made_of for arm, tune in tunes.items()}
        request = Request(
            adapters={arm: one for arm, one in made_of.items() if isinstance(one, AdapterFiles)},
            models={arm: one for arm, one in made_of.items() if isinstance(one, BaseFolder)},
            questions=questions,
            prompted=[replace(one, messages=prompt.around(one.messages)) for one in questions]
            if prompt is not None
            else None,
            prompted_digest=prompt.digest if prompt is not None else None,
            settings=Settings(
                dtype=loaded.config.base.dtype,
                template=generation.template,
                template_kwargs=generation.template_kwargs,
                temperature=generation.temperature,
                repeats=generation.repeats,
                seed=plan.seed,
            ),
            allow=frozenset(allow),
        )
        warnings = [text for tune in tunes.values() for text in tune.warnings]
        if len({one.digest for one in made_of.values()}) < len(made_of):
            warnings.append("The candidate is the incumbent: both have the same weights.")
        if prompt is not None and prompt.note is not None:
            warnings.append(prompt.note)
        yield Ready(
            base=base,
            request=request,
            warnings=tuple(dict.fromkeys(warnings)),
            checks=tunes["candidate"].checks,
        )


def _tunes(
    loaded: LoadedConfig, options: Options, temporary: Path, allow: Set[str]
) -> tuple[BaseFolder, dict[ArmName, Tune]]:
    """The base, and what was made of it, the reference arm first."""
    places = {name: temporary / name for name in ("base", "candidate", "incumbent")}
    for place in places.values():
        place.mkdir()
    base = read_base(loaded, options.candidate_ref, into=places["base"])
    candidate = wanted_candidate(loaded, adapter=options.adapter, ref=options.candidate_ref)
    judged = read_tune(candidate, base, into=places["candidate"], allow=allow)
    tunes: dict[ArmName, Tune] = {}
    if loaded.config.incumbent is not None:
        incumbent = wanted_incumbent(loaded, loaded.config.incumbent)
        tunes["incumbent"] = read_tune(incumbent, base, into=places["incumbent"], allow=allow)
    return base, tunes | {"candidate": judged}


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
