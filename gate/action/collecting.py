"""What the first two steps left, in the form in which it is told to people. Every file is checked when it is read."""

from dataclasses import dataclass

from gate.domain import Round
from gate.errors import EXIT_BROKEN, RecordsError
from gate.report import Judged, Problem
from gate.run_folder import ROUND
from gate.stored_round import read_foreign_round
from gate.work_folder import JudgedAdapter, StepProblem, WorkFolder, unanswered


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What became of one commit."""

    judged: tuple[Judged, ...]
    """Each adapter; none: nothing was changed. A step that broke off before it knew the adapters is one entry without
    an adapter."""
    cautions: tuple[str, ...] = ()
    """What must be said whatever else is left out."""
    notes: tuple[str, ...] = ()
    commit: str | None = None
    """The commit that was judged; None: not known, or the candidate is not in the repository."""
    config: str | None = None
    """Path of the configuration; None: not known."""


def collect(work: WorkFolder) -> Collected:
    """Gather what became of each adapter, and what belongs to all.

    Raises:
        RecordsError: A file is not as gate writes it.
    """
    plan, whole = work.read_plan(), work.read_problem()
    if plan is None:
        if whole is None:
            raise RecordsError(f"{work.path}: no step has left anything", fix="Run the step `answer` first.")
        return Collected(judged=(Judged(adapter=whole.adapter, result=_told(whole)),))
    if whole is not None and not plan.judged:
        judged: tuple[Judged, ...] = (Judged(adapter=whole.adapter, result=_told(whole)),)
    else:
        judged = tuple(Judged(adapter=one.adapter, result=_result(work, one, whole)) for one in plan.judged)
    cautions = plan.cautions
    notes = tuple(note for note in plan.notes if note not in cautions)
    for one in judged:
        if isinstance(one.result, Round) and plan.candidate_commit not in (None, one.result.commit):
            raise RecordsError(f"{one.adapter}: the round is about another commit than plan.json")
    return Collected(judged=judged, cautions=cautions, notes=notes, commit=plan.candidate_commit, config=plan.config)


def _result(work: WorkFolder, one: JudgedAdapter, whole: StepProblem | None) -> Round | Problem:
    path = work.round_folder(one) / ROUND
    # A step that broke off as a whole answers for no round that lies there.
    problem = work.read_problem(one) or whole
    if problem is None and (path.exists() or path.is_symlink()):
        return read_foreign_round(path)
    return _told(problem or _missing(work, one))


def _missing(work: WorkFolder, one: JudgedAdapter) -> StepProblem:
    """What is said of an adapter of which nobody left word: the step that did not do its part was killed."""
    if not work.is_answered(one):
        return unanswered(one)
    return StepProblem(step="compare", exit_code=EXIT_BROKEN, message="It was not decided about.", adapter=one.adapter)


def _told(problem: StepProblem) -> Problem:
    return Problem(step=problem.step, exit_code=problem.exit_code, message=problem.message)
