"""The outputs of the step that publishes: what became of a commit, in words and numbers that a workflow can read.

They are written whatever becomes of the comment. What a run of a fork says is passed on and opens nothing. This module
knows no page and asks nobody.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from gate import errors
from gate.domain import Round
from gate.errors import UsageError
from gate.github import files
from gate.github.event import read_event
from gate.report import Judged, Problem


def write_verdict(judged: Sequence[Judged], *, more: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Write the outputs of a verdict to where the runner reads them, if it does.

    After a run of a fork `passed` is `false` whatever that run says.

    Args:
        judged: What became of each adapter.
        more: Further outputs.
        environ: Environment variables; of those, `GITHUB_*`.

    Raises:
        BrokenRun: The file cannot be written to.
    """
    outputs = verdict_outputs(judged)
    if _is_word_of_fork(environ):
        outputs["passed"] = "false"
    _write({**outputs, **more}, environ)


def write_comment(*, url: str | None, left: bool, environ: Mapping[str, str]) -> None:
    """Write what became of the comment.

    Args:
        url: Its address; None: none was posted.
        left: Whether it was left in a file instead.
        environ: As for `write_verdict`.

    Raises:
        BrokenRun: The file cannot be written to.
    """
    _write({"comment-url": url or "", "comment-file-written": str(left).lower()}, environ)


def verdict_outputs(judged: Sequence[Judged]) -> dict[str, str]:
    """The outputs that say what became of a commit; of several adapters the worst, and the sums.

    Returns:
        `verdict` (`none`: nothing was judged), `passed`, `exit-code`, `regressions` and `inconclusive`: blocking rules
        that failed or could not be decided.
    """
    worst = min(judged, key=lambda one: one.severity, default=None)
    code = max((exit_code(one) for one in judged), key=errors.gravity, default=errors.EXIT_OPEN)
    rounds = [one.result for one in judged if isinstance(one.result, Round)]
    outcomes = [finding.outcome for round_ in rounds for finding in round_.findings if finding.blocking]
    return {
        "verdict": "none" if worst is None else worst.outcome,
        "passed": str(code == errors.EXIT_OPEN).lower(),
        "exit-code": str(code),
        "regressions": str(outcomes.count("fail")),
        "inconclusive": str(outcomes.count("inconclusive")),
    }


def exit_code(one: Judged) -> int:
    """With what the deciding step ended for this adapter."""
    code = one.result.exit_code if isinstance(one.result, Problem) else one.result.verdict.exit_code
    return code if code in errors.EXIT_CODES else errors.EXIT_BROKEN


def _is_word_of_fork(environ: Mapping[str, str]) -> bool:
    """Whether what is published was made by a run of a fork, or may have been."""
    if environ.get("GITHUB_EVENT_NAME") != "workflow_run":
        return False
    try:
        return read_event(environ).is_fork
    except UsageError:
        return True  # whoever calls will say what is wrong; until then nothing is open


def _write(outputs: Mapping[str, str], environ: Mapping[str, str]) -> None:
    if path := environ.get("GITHUB_OUTPUT"):
        files.write_outputs(Path(path), outputs)
