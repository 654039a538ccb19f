"""Recorded answers in place of arms: the request that the `replay` backend gets.

The files are read by the reader of `gate compare` and refused for the same reasons; neither the base nor an adapter
is looked at.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from gate import wording
from gate.arms import Ready, questions, ready_arms, settings
from gate.config.load import LoadedConfig
from gate.domain import ArmName
from gate.engine import ReplayEngine
from gate.engine.session import Recording, Request
from gate.errors import ConfigError, UsageError
from gate.plan import Options, Plan, make_plan
from gate.recorded import read_recorded, refuse_changed
from gate.run_folder import RunFolder
from gate.stages import Schedule


@contextmanager
def ready_request(loaded: LoadedConfig, options: Options, plan: Plan, *, schedule: Schedule | None) -> Iterator[Ready]:
    """Find all that answers, arms or recorded answers; see `ready_arms` for what it takes and raises.

    Raises:
        UsageError: If the command line names an adapter, which nothing would load.
        ConfigError: If the recorded answers are not those of the configured arms.
        RecordsError: If they cannot be read, or were given to other questions.
    """
    if isinstance(loaded.config.engine, ReplayEngine):
        yield _ready_recording(loaded, loaded.config.engine, options, plan=plan, schedule=schedule)
        return
    with ready_arms(loaded, options, plan, schedule=schedule) as ready:
        yield ready


def _ready_recording(
    loaded: LoadedConfig, engine: ReplayEngine, options: Options, *, plan: Plan, schedule: Schedule | None
) -> Ready:
    if options.adapter is not None:
        raise UsageError("--adapter: the engine `replay` loads no adapter", fix="Use another engine, or leave it out.")
    files = _files(loaded, engine)
    recorded = read_recorded(
        RunFolder(options.output),
        {arm: (file,) for arm, file in files.items()},
        arms=plan.arms,
        suites=[one.suite.name for one in plan.suites],
        read_as="auto",
    )
    # A manifest speaks of the cases that were asked: all of a suite, or the first so many.
    refuse_changed(make_plan(loaded, replace(options, limit=recorded.limit)), recorded.asked)
    request = Request(
        adapters={},
        questions=questions(loaded, plan, schedule),
        prompted=None,
        prompted_digest=None,
        settings=settings(loaded, plan),
        recorded=Recording(
            arms=recorded.arms,
            answers=recorded.responses,
            environment=recorded.environment,
            warnings=recorded.warnings,
        ),
    )
    names = tuple(dict.fromkeys(map(str, files.values())))
    return Ready(base=None, request=request, names=names, warnings=(), checks=())


def _files(loaded: LoadedConfig, engine: ReplayEngine) -> dict[ArmName, Path]:
    arms, given = loaded.config.arms, engine.responses
    by_arm: dict[ArmName, str] = dict.fromkeys(arms, given) if isinstance(given, str) else given
    unlike = sorted(set(arms) ^ set(by_arm))
    if unlike:
        raise ConfigError(
            f"engine.responses: it names {wording.listing(list(by_arm))}, the arms are {wording.listing(list(arms))}",
            fix="Name a file for each arm that the configuration has, and for no other.",
        )
    return {arm: loaded.resolve(by_arm[arm]) for arm in arms}
