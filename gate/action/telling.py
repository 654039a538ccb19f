"""The step of the Action that tells the pull request what the first two left. Runs no model and decides nothing.

In a job of `workflow_run` the work folder comes from another run and may be anybody's, so everything in it is checked
again, and what is shown is rendered here.
"""

from collections.abc import Mapping

from gate.action.collecting import Collected, collect
from gate.action.inputs import Telling, folder_of
from gate.errors import EXIT_OPEN, RecordsError, UsageError
from gate.github.event import read_event
from gate.github.workflow_commands import print_command
from gate.outputs import write_verdict
from gate.printing import complain
from gate.publishing import Channels, Said, Wishes, publish
from gate.report import Judged, Problem
from gate.work_folder import WorkFolder

COMMENT_FILE = "comment.md"


def tell(environ: Mapping[str, str]) -> int:
    """Post the result, and write summary and outputs.

    Args:
        environ: What the launcher hands over and what the runner says of the workflow run.

    Returns:
        0, also where there is no pull request or the token may not comment.

    Raises:
        UsageError: An input or the environment is wrong.
        RecordsError: What the first two steps left is not as gate writes it. The pull request has been told.
        BrokenRun: GitHub is out of order. What could be told has been told.
    """
    work = WorkFolder(folder_of(environ, "GATE_WORK"))
    found, unusable = _collected(work)
    paths = work.result_paths() if unusable is None else {}
    try:
        inputs, event = Telling.read(environ), read_event(environ)
    except UsageError:
        write_verdict(found.judged, more=paths, environ=environ)
        raise
    if event.name == "workflow_run" and found.commit not in (None, event.head_sha):
        unusable = RecordsError(
            f"plan.json is about the commit {found.commit}, and the run that has ended about {event.head_sha}."
        )
        found, paths = _unusable(unusable), {}
    wishes = Wishes(
        comment=inputs.comment,
        comment_id=inputs.comment_id,
        pull_request=inputs.pr_number,
        check_run=inputs.check_run,
        commit=found.commit,
        config=found.config,
        comment_file=work.path / COMMENT_FILE,
        outputs=paths,
    )
    channels = Channels(out=print_command, say=complain)
    said = Said(cautions=found.cautions, notes=found.notes)
    publish(found.judged, wishes, environ=environ, channels=channels, said=said)
    if unusable is not None:
        raise unusable
    return EXIT_OPEN


def _collected(work: WorkFolder) -> tuple[Collected, RecordsError | None]:
    """What is there, or what is wrong with it: that is told where an older verdict would otherwise go on standing."""
    try:
        return collect(work), None
    except RecordsError as problem:
        return _unusable(problem), problem


def _unusable(problem: RecordsError) -> Collected:
    told = Problem(step="publish", exit_code=problem.exit_code, message=str(problem))
    return Collected(judged=(Judged(adapter=None, result=told),))
