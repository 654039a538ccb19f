"""What the first two steps left, in the form in which it is told to people. Every file is checked when it is read."""

from gate.domain import Round
from gate.errors import EXIT_BROKEN, RecordsError
from gate.report import Judged
from gate.report import Problem as Told
from gate.run_folder import ROUND
from gate.stored_round import read_foreign_round
from gate.work_folder import JudgedAdapter, Problem, WorkFolder


def collect(work: WorkFolder) -> tuple[tuple[Judged, ...], tuple[str, ...], str | None]:
    """Gather what became of each adapter, the notes that belong to all, and the path of the configuration.

    Returns:
        Nothing judged means that nothing was changed. A step that broke off before it knew the adapters is one entry
        without an adapter.

    Raises:
        RecordsError: A file is not as gate writes it.
    """
    plan, whole = work.read_plan(), work.read_problem()
    if plan is None and whole is None:
        raise RecordsError(f"{work.path}: no step has left anything", fix="Run the step `answer` first.")
    if whole is not None and (plan is None or not plan.judged):
        notes, config = ((), None) if plan is None else (plan.notes, plan.config)
        return (Judged(adapter=whole.adapter, result=_told(whole)),), notes, config
    assert plan is not None  # noqa: S101  # one of them is there
    judged = tuple(Judged(adapter=one.adapter, result=_result(work, one, whole)) for one in plan.judged)
    return judged, plan.notes, plan.config


def _result(work: WorkFolder, one: JudgedAdapter, whole: Problem | None) -> Round | Told:
    if whole is not None and whole.step == "compare":
        # The deciding step broke off: no round beside it is one that it answers for.
        return _told(whole)
    path = work.round_folder(one) / ROUND
    problem = work.read_problem(one)
    if problem is None and (path.exists() or path.is_symlink()):
        return read_foreign_round(path)
    missing = Problem(step="compare", exit_code=EXIT_BROKEN, message="It was not decided about.", adapter=one.adapter)
    return _told(problem or whole or missing)


def _told(problem: Problem) -> Told:
    return Told(step=problem.step, exit_code=problem.exit_code, message=problem.message)
