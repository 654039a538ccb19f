"""What a page says of an adapter without a verdict: which step ended, why, and what to do.

This module knows Markdown; it knows no round and no page.
"""

from gate import errors
from gate.report import escape, markup
from gate.report.judged import Problem
from gate.report.sections import ALERTS

_PROBLEM_CHARACTERS = 4_000
_ENDED: dict[int, str] = {
    errors.EXIT_REQUEST: "the request is wrong",
    errors.EXIT_BROKEN: "the run broke",
    errors.EXIT_INTERRUPTED: "it was stopped",
}
_REMEDIES: dict[int, str] = {
    errors.EXIT_REQUEST: "Mend what is named above, then push again. Nothing is known about the candidate before that.",
    errors.EXIT_INTERRUPTED: "Run the job again: it was stopped before it came to a verdict.",
}
_BROKEN = "Run the job again; if it breaks in the same way, its log tells more. This is neither a pass nor a failure."


def headline(problem: Problem, what: str) -> str:
    """Say in an alert what could not be done, already escaped, and which step ended how."""
    why = _ENDED.get(problem.exit_code, "it did not end as it should")
    step = escape.plain(markup.name(problem.step))
    return markup.alert(ALERTS["error"], f"{what}: the step {step} ended with exit code {problem.exit_code}, {why}.")


def body(problem: Problem) -> list[str]:
    """What the step printed, as code, and what to do next."""
    message = escape.clip(problem.message.strip(), _PROBLEM_CHARACTERS)
    shown = [escape.code_block(message)] if message else []
    return [*shown, *markup.steps([escape.plain(_REMEDIES.get(problem.exit_code, _BROKEN))])]
