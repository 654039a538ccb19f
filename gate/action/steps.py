"""The steps of the Action that judge: `answer`, which runs the model, after `fetch`; and `compare`, which decides.

The one that publishes is in `gate.action.telling`. Everything that is printed on the way is printed while the
runner reads no commands.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gate import pipeline
from gate.action.guards import refuse_missing_gpu, refuse_secrets
from gate.action.inputs import Inputs, Telling, folder_of
from gate.action.planning import plan_action, planned_config
from gate.action.stopping import stoppable
from gate.config.load import LoadedConfig
from gate.errors import EXIT_BROKEN, EXIT_OPEN, BrokenRun, GateError, RecordsError, gravity
from gate.github.event import read_event
from gate.github.workflow_commands import commands_stopped, print_command
from gate.origins import fetch_from_hub, wanted_candidate
from gate.plan import Options
from gate.printing import complain, print_inert, print_round
from gate.progress import ProgressDisplay
from gate.transport.answer_store import default_path
from gate.transport.git_paths import outermost_repository
from gate.work_folder import ActionPlan, JudgedAdapter, StepName, WorkFolder, problem_of, unanswered

_NOTHING = "Nothing to gate: neither an adapter nor its base was changed."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What the rounds of one run have in common."""

    inputs: Inputs
    work: WorkFolder
    plan: ActionPlan
    top: Path
    """Of the repository; adapters are relative to it."""
    loaded: LoadedConfig

    def options(self, one: JudgedAdapter) -> Options:
        """What is changed about the configured run for one adapter."""
        return Options(
            output=self.work.round_folder(one),
            fail_on=self.inputs.fail_on,
            adapter=Path(one.adapter) if self.plan.replaces else None,
            start=self.top,
            candidate_ref=self.plan.candidate_commit,
            cache=default_path(os.environ),
        )


def fetch(environ: Mapping[str, str]) -> int:
    """Bring what the hub has of the arms to this machine, so that `answer` needs neither a network nor a token.

    The launcher starts it as the first part of the step `answer`. Where the answers are made elsewhere all the same,
    it leaves a file under the name that GATE_NEEDS_NETWORK gives.

    Args:
        environ: As for `answer`.

    Returns:
        0.

    Raises:
        GateError: Something is not to be had. Why is in the work folder as well.
    """
    with _asking(environ) as run:
        if run.plan.judged:
            # Several adapters are all in the repository, so what the hub has is the same for each.
            options = run.options(run.plan.judged[0])
            candidate = wanted_candidate(
                run.loaded, adapter=options.adapter, ref=options.candidate_ref, start=options.start
            )
            fetch_from_hub(run.loaded, candidate, report=lambda name: print_inert(f"fetching {name}"))
        if run.loaded.config.engine.needs_network and (mark := environ.get("GATE_NEEDS_NETWORK")):
            Path(mark).touch()
    return EXIT_OPEN


def answer(environ: Mapping[str, str]) -> int:
    """Have every changed adapter answer all cases.

    Args:
        environ: What the launcher hands over and what the runner says of the workflow run.

    Returns:
        0, or the worst exit code of an adapter that could not be asked; the others were.

    Raises:
        GateError: Nothing could be asked. Why is in the work folder as well.
    """
    with _asking(environ) as run:
        for note in run.plan.notes:
            print_inert(note)
        if not run.plan.judged:
            print_inert(_NOTHING)
            return EXIT_OPEN
        refuse_missing_gpu(run.loaded.config, run.inputs.gpus)
        return _worst([_answer(run, one) for one in run.plan.judged])


@contextmanager
def _asking(environ: Mapping[str, str]) -> Iterator[_Run]:
    """What both parts of the step `answer` begin with: the plan, made and written down."""
    with _step("answer", environ) as work:
        work.clear()
        inputs, workspace = Inputs.read(environ), folder_of(environ, "GITHUB_WORKSPACE")
        Telling.read(environ)  # what the last step would refuse is refused before a model has run
        with stoppable(inputs.timeout_minutes, left_behind=_problem_writer(work, "answer")):
            top, _ = outermost_repository(Path(inputs.config), workspace)
            refuse_secrets(environ, top)
            plan = plan_action(inputs, read_event(environ), workspace)
            work.write_plan(plan)
            with planned_config(plan, workspace) as loaded:
                yield _Run(inputs=inputs, work=work, plan=plan, top=top, loaded=loaded)


def compare(environ: Mapping[str, str], *, now: datetime) -> int:
    """Decide about every adapter that was asked.

    Args:
        environ: As for `answer`.
        now: The time of the rounds.

    Returns:
        The worst exit code over all adapters, those that could not be asked included.

    Raises:
        GateError: Nothing could be decided. Why is in the work folder as well.
    """
    with _step("compare", environ) as work:
        work.drop_rounds()
        inputs, workspace = Inputs.read(environ), folder_of(environ, "GITHUB_WORKSPACE")
        with stoppable(inputs.timeout_minutes, left_behind=_problem_writer(work, "compare")):
            plan, earlier = work.read_plan(), work.read_problem()
            if plan is None and earlier is not None:
                complain(earlier.message)
                return earlier.exit_code
            plan = _confirmed(plan, plan_action(inputs, read_event(environ), workspace))
            if not plan.judged:
                print_inert(_NOTHING)
                return EXIT_OPEN
            top, _ = outermost_repository(Path(inputs.config), workspace)
            with planned_config(plan, workspace) as loaded:
                run = _Run(inputs=inputs, work=work, plan=plan, top=top, loaded=loaded)
                return _worst([_compare(run, one, now=now) for one in plan.judged])


def _confirmed(left: ActionPlan | None, own: ActionPlan) -> ActionPlan:
    """The plan that the first step left, if it is the one that this step comes to by itself."""
    if left is None:
        raise RecordsError("There is no plan.json: nothing has been answered.", fix="Run the step `answer` first.")
    if left != own:
        raise BrokenRun(
            "What was answered is not what this event asks for: plan.json names other commits or adapters.",
            fix="Run the job again.",
        )
    return own


@contextmanager
def _step(name: StepName, environ: Mapping[str, str]) -> Iterator[WorkFolder]:
    """Let the runner read no command meanwhile, and leave word of what goes wrong."""
    work = WorkFolder(folder_of(environ, "GATE_WORK"))
    with commands_stopped(print_command):
        try:
            yield work
        except Exception as problem:
            code = problem.exit_code if isinstance(problem, GateError) else EXIT_BROKEN
            with suppress(BrokenRun):  # where no word can be left, the problem itself is still what must be said
                work.write_problem(problem_of(problem, name, exit_code=code))
            raise


def _answer(run: _Run, one: JudgedAdapter) -> int:
    print_inert(f"answering for {one.adapter}")

    def ask() -> int:
        with ProgressDisplay(quiet=False) as display:
            pipeline.answer(run.loaded, run.options(one), display)
        return EXIT_OPEN

    return _separately(ask, "answer", one, work=run.work)


def _compare(run: _Run, one: JudgedAdapter, *, now: datetime) -> int:
    # A first step that broke off as a whole leaves no verdict, not even about what was answered before.
    known = run.work.read_problem(one) or run.work.read_problem()
    if known is None and not run.work.is_answered(one):  # it was killed before it could say why
        known = unanswered(one)
        run.work.write_problem(known, one)
    if known is not None:
        complain(f"{one.adapter}: {known.message}")
        return known.exit_code

    def decide() -> int:
        result = pipeline.compare(run.loaded, run.options(one), {}, now=now)
        print_round(result)
        return result.verdict.exit_code

    return _separately(decide, "compare", one, work=run.work)


def _separately(act: Callable[[], int], step: StepName, one: JudgedAdapter, *, work: WorkFolder) -> int:
    """What goes wrong with one adapter is told, and the others get their turn."""
    try:
        return act()
    except GateError as problem:
        error = problem
    except MemoryError:
        error = BrokenRun("Out of memory.", fix="Lower `engine: {batch_tokens: ...}` or use a larger machine.")
    except Exception as problem:  # noqa: BLE001 - whatever one adapter breaks must not cost the others their verdict
        text = str(problem).strip().splitlines()
        error = BrokenRun(
            f"Unexpected {type(problem).__name__}: {text[0] if text else 'no message'}", fix="This is a bug in gate."
        )
    work.write_problem(problem_of(error, step, exit_code=error.exit_code, adapter=one.adapter), one)
    complain(f"{one.adapter}: {error}")
    return error.exit_code


def _worst(codes: Sequence[int]) -> int:
    return max(codes, key=gravity)


def _problem_writer(work: WorkFolder, step: StepName) -> Callable[[GateError], None]:
    return lambda error: work.write_problem(problem_of(error, step, exit_code=error.exit_code))
