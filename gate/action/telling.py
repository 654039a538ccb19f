"""The step of the Action that tells the pull request what the first two left. Runs no model and decides nothing.

In a job of `workflow_run` the work folder comes from another run and may be anybody's, so everything in it is checked
again, and what is shown is rendered here.
"""

from collections.abc import Mapping

from gate.action.collecting import collect
from gate.action.inputs import Telling, folder_of
from gate.errors import EXIT_OPEN
from gate.printing import complain
from gate.publishing import Channels, Said, Wishes, publish
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
        RecordsError: What the first two steps left is not as gate writes it.
        BrokenRun: GitHub is out of order. What could be told has been told.
    """
    inputs, work = Telling.read(environ), WorkFolder(folder_of(environ, "GATE_WORK"))
    found = collect(work)
    wishes = Wishes(
        comment=inputs.comment,
        comment_id=inputs.comment_id,
        pull_request=inputs.pr_number,
        check_run=inputs.check_run,
        config=found.config,
        comment_file=work.path / COMMENT_FILE,
        outputs=work.result_paths(),
    )
    channels = Channels(out=_command, say=complain)
    said = Said(cautions=found.cautions, notes=found.notes)
    publish(found.judged, wishes, environ=environ, channels=channels, said=said)
    return EXIT_OPEN


def _command(line: str) -> None:
    print(line, flush=True)  # noqa: T201
