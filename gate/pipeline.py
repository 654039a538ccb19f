"""The stages of a run in order: plan, answer, score, compare, decide, record. One direction, nothing asked twice.

`run` is `answer` and then `compare`; the second half reads what the first one wrote and never needs a model.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from gate import __version__, wording
from gate.arms import Ready, refuse_unanswerable
from gate.assemble import Scored, strip_rule
from gate.config.load import LoadedConfig
from gate.data.digest import asked_digest
from gate.deciding import Decided, decide_run
from gate.domain import REUSED, Arm, ArmName, Check, Response, Round
from gate.engine.answering import Progress, answer_all, signature, usable
from gate.engine.session import Session
from gate.noise import measure_noise, noise_warnings
from gate.plan import ARM_ORDER, Options, Plan, make_plan
from gate.recorded import ReadAs, Recorded, read_recorded, refuse_changed
from gate.replaying import ready_request
from gate.report import dump, markdown, preflight
from gate.report.escape import terminal
from gate.reuse import reference_cache, reuse
from gate.round_parts import choose_evidence, endless_warning, length_shifts, summarise
from gate.rules.verdict import conclude
from gate.run_folder import REPORT, ROUND, Manifest, RunFolder
from gate.stages import Schedule, schedule, stopped_note
from gate.transport.git import head_commit, resolve_commit
from gate.transport.git_paths import nearest_folder
from gate.watching import Looking, Recorder, Stopwatch

_SIGNATURE_CHARACTERS = 12
_DAY_SECONDS = 86_400


class Display(Progress, Protocol):
    """Progress, and a line now and then."""

    def say(self, text: str) -> None:
        """Tell the person who waits what is happening."""
        ...


def run(loaded: LoadedConfig, options: Options, display: Display, *, now: datetime) -> Round:
    """Answer every case with every arm, then compare."""
    answer(loaded, options, display)
    return compare(loaded, options, {}, now=now)


def answer(loaded: LoadedConfig, options: Options, display: Display) -> None:
    """The first half: everything that needs the model. Leaves the answers and how they were made.

    Raises:
        GateError: Of the kind that says what went wrong. Finished answers are kept, the same call continues.
    """
    watch, folder, config = Stopwatch(), RunFolder(options.output), loaded.config
    with ExitStack() as stack:
        with watch.stage("prepare"):
            refuse_unanswerable(loaded, options)
            plan = make_plan(loaded, options)
            folder.create()
            folder.drop_finished()
            stages = schedule(plan) if config.statistics.sequential else None
            ready = stack.enter_context(ready_request(loaded, options, plan, schedule=stages))
        display.say(f"loading {wording.listing(list(ready.names))}")
        with watch.stage("load"):
            session = stack.enter_context(config.engine.open(ready.base, ready.request))
        manifest = _manifest(loaded, options, plan, ready=ready, session=session, stages=stages)
        for check in preflight.notable(manifest.preflight):
            display.say(terminal(preflight.sentence(check)))
        # What failed in a run that broke off is asked again.
        earlier = [one for one in folder.earlier_answers(manifest.signature) if one.finish != "error"]
        answers = list(usable(session, earlier))
        today = int(time.time() // _DAY_SECONDS)
        cache = stack.enter_context(
            reference_cache(options.cache, session, ready.base, folder=loaded.folder, today=today, report=display.say)
        )
        rechecked = (0, 0)
        if cache is not None:
            with watch.stage("recheck"):
                reused, stale, rechecked = reuse(session, cache, answers, seed=plan.seed + today)
            answers += reused
            manifest = replace(manifest, warnings=(*manifest.warnings, *stale), reused=len(reused))
            display.say(f"{len(reused):,} reference answers from the cache")
            if (drift := cache.base_drift(str(loaded.folder.resolve()))) is not None:
                display.say(terminal(preflight.sentence(drift)))
                manifest = replace(manifest, preflight=_by_id([*manifest.preflight, drift]))
        folder.write_responses(answers, {})
        folder.write_manifest(manifest)
        strip = strip_rule(config.generation.strip_thinking, session.environment)
        looking = Looking(plan, answers, stages, strip=strip, futility=config.statistics.futility)
        with folder.recorder(answers) as write:
            record = Recorder(write, cache, watch)
            answer_all(session, done=tuple(answers), record=record, progress=display, decided=looking)
        if config.engine.computes:
            with watch.stage("noise"):
                check, floor = measure_noise(session, answers, seed=plan.seed, before=rechecked)
            late = [one for one in session.checks if one not in manifest.preflight]
            manifest = replace(manifest, preflight=_by_id([*manifest.preflight, *late, check]), noise_floor=floor)
    asked = plan if looking.so_far is None else looking.so_far.asked_part(plan)
    folder.write_responses(_in_order(asked, answers), {})
    folder.write_manifest(replace(manifest, timings=watch.seconds, schedule=looking.so_far))


def _manifest(
    loaded: LoadedConfig, options: Options, plan: Plan, *, ready: Ready, session: Session, stages: Schedule | None
) -> Manifest:
    """How the answers are going to be made."""
    return Manifest(
        signature=signature(session),
        arms=session.arms,
        environment=session.environment,
        warnings=(*ready.warnings, *session.warnings, *preflight.allowed_warnings(session.checks)),
        timings={},
        limit=options.limit,
        asked={one.suite.name: asked_digest(one.suite.cases) for one in plan.suites},
        generation=_short_digest(loaded.config.generation.model_dump(mode="json")),
        schedule=stages,
        commit=_commit(loaded, options),
        preflight=_by_id([*ready.checks, *session.checks]),
        noise_floor=ready.noise_floor,
    )


def compare(
    loaded: LoadedConfig,
    options: Options,
    files: Mapping[ArmName, Sequence[Path]],
    *,
    now: datetime,
    read_as: ReadAs = "auto",
) -> Round:
    """The second half: score, compare pair by pair, decide, record. Needs no model and looks at none.

    Args:
        loaded: The configuration.
        options: What the command line changes.
        files: Arm -> files of recorded answers; an arm that is not named is taken from the output folder.
        now: The time of the round.
        read_as: The format of the files.

    Returns:
        The finished round; it, the report and the scored answers are in the output folder.

    Raises:
        RecordsError: If the answers cannot be read or are not those of the configured cases.
    """
    watch, folder, config = Stopwatch(), RunFolder(options.output), loaded.config
    with watch.stage("compare"):
        arms = tuple(arm for arm in ARM_ORDER if arm in config.arms or arm in files)
        recorded = read_recorded(
            folder, files, arms=arms, suites=options.suites or tuple(config.suites), read_as=read_as
        )
        options = replace(options, limit=options.limit or recorded.limit)
        whole = plan = make_plan(loaded, options, arms=arms, recorded=recorded.cases)
        refuse_changed(plan, recorded.asked)
        stages = recorded.schedule
        if stages is None and config.statistics.sequential:
            # Nothing says that nobody looked, so the looks are paid for.
            stages = schedule(plan).complete
        strip = strip_rule(config.generation.strip_thinking, recorded.environment)
        decided = decide_run(plan, recorded.responses, strip=strip, schedule=stages)
        plan, scored, findings = decided.plan, decided.scored, decided.findings
        roles = {one.suite.name: one.suite.role for one in plan.suites}
        verdict = conclude(findings, decided.comparisons, roles=roles, fail_on=plan.fail_on)
    against_base = {suite: mine for (suite, against), mine in decided.pairs.items() if against == "base"}
    result = Round(
        id=_round_id(now, recorded.arms, plan),
        created_at=now.astimezone(UTC).isoformat(timespec="seconds"),
        gate_version=__version__,
        commit=recorded.commit if options.candidate_ref is None and recorded.commit else _commit(loaded, options),
        signature=_round_signature(loaded, plan, recorded.arms, environment=recorded.environment),
        arms=recorded.arms,
        suites={one.suite.name: summarise(one, scored) for one in plan.suites},
        comparisons=decided.comparisons,
        distributions=tuple(length_shifts(plan.suites, scored, alpha=plan.alpha, seed=plan.seed)),
        findings=findings,
        verdict=verdict,
        evidence=choose_evidence(plan.suites, scored, against_base, texts=config.publish.texts),
        texts=config.publish.texts,
        preflight=recorded.preflight,
        warnings=(
            *loaded.warnings,
            *_warnings(recorded, decided, options),
            *_stopped(recorded.schedule, whole, plan),
            *plan.warnings,
        ),
        environment={**recorded.environment, **({REUSED: f"{recorded.reused:,}"} if recorded.reused else {})},
        timings={**recorded.timings, **watch.seconds},
    )
    _record(folder, plan, scored, result=result)
    return result


def _warnings(recorded: Recorded, decided: Decided, options: Options) -> tuple[str, ...]:
    """What a reader must know of the answers; what the plan has to say comes later."""
    endless = endless_warning(decided.scored)
    return (
        *recorded.warnings,
        *_partial_warnings(options),
        *noise_warnings(decided.comparisons, recorded.noise_floor),
        *((endless,) if endless is not None else ()),
    )


def _stopped(stages: Schedule | None, whole: Plan, asked: Plan) -> tuple[str, ...]:
    if stages is None or stages.finished:
        return ()
    return (stopped_note(*(sum(len(one.suite.cases) for one in plan.suites) for plan in (asked, whole))),)


def _commit(loaded: LoadedConfig, options: Options) -> str | None:
    """What is judged: the candidate's commit, if it was named, else what is checked out."""
    if options.candidate_ref is None:
        return head_commit(loaded.folder)
    return resolve_commit(nearest_folder(loaded.folder), options.candidate_ref)


def _by_id(checks: Sequence[Check]) -> tuple[Check, ...]:
    return tuple(sorted(checks, key=lambda check: check.id))


def _in_order(plan: Plan, answers: list[Response]) -> list[Response]:
    """The order of the configuration and the case files, which no batch plan changes."""
    place = {
        (one.suite.name, case.id): index
        for index, (one, case) in enumerate((one, case) for one in plan.suites for case in one.suite.cases)
    }
    known = [one for one in answers if (one.suite, one.case) in place]
    return sorted(known, key=lambda one: (place[one.suite, one.case], ARM_ORDER.index(one.arm), one.repeat))


def _record(folder: RunFolder, plan: Plan, scored: Scored, *, result: Round) -> None:
    folder.create()
    folder.write_responses(_in_order(plan, list(scored.answers.values())), scored.scores)
    folder.write(REPORT, markdown(result))
    folder.write(ROUND, dump(result))


def _partial_warnings(options: Options) -> tuple[str, ...]:
    parts = []
    if options.suites:
        parts.append(f"only the suites {wording.listing(list(options.suites))}")
    if options.limit is not None:
        parts.append(f"only the first {wording.count(options.limit, 'case')} of each suite")
    return (f"A partial run: {' and '.join(parts)}. Rules about what was left out were not applied.",) if parts else ()


def _round_signature(
    loaded: LoadedConfig, plan: Plan, arms: Mapping[ArmName, Arm], *, environment: Mapping[str, str]
) -> str:
    """What must be equal for two rounds to be comparable: all but the candidate."""
    config = loaded.config
    suites = [
        [one.suite.name, one.suite.digest, one.scorer and one.scorer.model_dump(mode="json")] for one in plan.suites
    ]
    parts = {
        "base": (arms["base"].digest or "unknown")[:_SIGNATURE_CHARACTERS],
        "suites": _short_digest(suites),
        "generation": _short_digest(config.generation.model_dump(mode="json")),
        "dtype": environment.get("dtype", "unknown"),
        "alpha": f"{plan.alpha:g}",
        "seed": str(plan.seed),
        **({"sequential": "yes"} if config.statistics.sequential else {}),
    }
    return "|".join(["v1", *(f"{key}:{value}" for key, value in parts.items())])


def _round_id(now: datetime, arms: Mapping[ArmName, Arm], plan: Plan) -> str:
    content = _short_digest([[arm.digest for arm in arms.values()], [one.suite.digest for one in plan.suites]])
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{content}"


def _short_digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:_SIGNATURE_CHARACTERS]
