"""Annotations: one line beside the rule in the configuration for each rule that did not pass.

Plain text in which nothing can be taken for a command of the runner. This module knows no protocol: how an annotation
reaches GitHub is the business of whoever sends it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Literal

from gate.domain import Finding, Round
from gate.report import escape
from gate.report.judged import Judged, Problem

MOST_OF_A_LEVEL = 10
"""Errors, and warnings, that GitHub shows of one step."""

_TITLE_CHARACTERS = 120
_MESSAGE_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """A remark on a line of the configuration. The texts are one line each."""

    level: Literal["error", "warning"]
    file: str | None
    """Path in the repository; None: the remark is about no file."""
    line: int | None
    """From 1; None: the file as a whole."""
    title: str
    message: str


def annotations(rounds: Sequence[Judged], *, config: str | None = "gate.yaml") -> tuple[Annotation, ...]:
    """Say at each rule that did not pass what it saw.

    Args:
        rounds: The adapters of the commit and what became of them.
        config: Path of the configuration in the repository; None: not known, so that only adapters that could not be
            judged are told.

    Returns:
        Errors first: blocking rules that failed or broke, and adapters that could not be judged. Then warnings: rules
        that are inconclusive, that warn, or that cannot block. At most `MOST_OF_A_LEVEL` of each, taken from the
        adapters in turn.
    """
    several = len(rounds) > 1
    by_adapter = [tuple(_of_one(one, config=config, named=several)) for one in rounds]
    turns = [one for one in chain.from_iterable(zip_longest(*by_adapter)) if one is not None]
    errors = [one for one in turns if one.level == "error"][:MOST_OF_A_LEVEL]
    return (*errors, *[one for one in turns if one.level == "warning"][:MOST_OF_A_LEVEL])


def _of_one(one: Judged, *, config: str | None, named: bool) -> Iterator[Annotation]:
    prefix = f"{one.adapter}: " if named and one.adapter is not None else ""
    match one.result:
        case Problem() as problem:
            title = f"{prefix}could not be judged ({problem.step}, exit code {problem.exit_code})"
            yield _annotation("error", title, problem.message)
        case Round() as round_ if config is not None:
            for finding in _worst_first(round_.findings):
                level: Literal["error", "warning"] = (
                    "error" if finding.blocking and finding.outcome in ("fail", "error") else "warning"
                )
                line = finding.line if finding.line is not None and finding.line > 0 else None
                yield _annotation(level, f"{prefix}{_title(finding)}", finding.message, file=config, line=line)


def _worst_first(findings: Iterable[Finding]) -> list[Finding]:
    order = ("error", "fail", "inconclusive", "warn")
    told = (finding for finding in findings if finding.outcome != "pass")
    return sorted(told, key=lambda finding: (not finding.blocking, order.index(finding.outcome)))


def _title(finding: Finding) -> str:
    words = {"error": "broke", "fail": "failed", "inconclusive": "could not be decided", "warn": "warns", "pass": ""}
    where = "" if finding.suite is None else f" on {finding.suite}"
    part = "" if finding.slice is None else f", slice {finding.slice}"
    free = "" if finding.blocking else " (not blocking)"
    return f"{finding.rule}{where}{part} {words[finding.outcome]}{free}"


def _annotation(
    level: Literal["error", "warning"], title: str, message: str, *, file: str | None = None, line: int | None = None
) -> Annotation:
    return Annotation(
        level=level,
        file=file,
        line=line,
        title=escape.clip(escape.terminal(title), _TITLE_CHARACTERS),
        message=escape.clip(escape.terminal(message.strip()), _MESSAGE_CHARACTERS),
    )
