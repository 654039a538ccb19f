"""Reads finished rounds from their files. What they hold is the business of `gate.report`, which reads no files.

A round that another run left may say anything. Its verdict is derived again from its findings, so that it cannot show a
green headline above red rows, and figures that no run can have are refused; other figures, and the sentences of the
findings, remain what that run says.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from gate import report
from gate.domain import CORPUS_METRICS, Comparison, Round
from gate.errors import RecordsError
from gate.report import Judged
from gate.rules.verdict import FailOn, conclude

_FAIL_ON: tuple[FailOn, ...] = get_args(FailOn)
MAX_FOREIGN_BYTES = 8 * 1024 * 1024
"""Longest file from another run; a round keeps few texts, so its own are a fraction of that."""
_LARGEST = 1e9
"""No figure of a run comes near it, not even a change relative to next to nothing."""
_ROUNDING = 1e-9
_OF_WHOLE_CASES = "exact unconditional (Tango order);"
"""How the method begins that takes only scores of 0 and 1: each case that changed counts as a whole one."""
_CHANGED = "Run the gate again: somebody has changed this file."


def read_round(path: Path) -> Round:
    """Read a `round.json`.

    Raises:
        RecordsError: If it cannot be read or is no round.
    """
    try:
        if path.exists() and not path.is_file():
            raise RecordsError(f"{path}: not a file")
        return report.load(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise RecordsError(f"{path}: cannot be read: {problem.strerror or problem}") from None
    except UnicodeDecodeError:
        raise RecordsError(f"{path}: not UTF-8 text") from None


def judged_rounds(paths: Sequence[Path]) -> tuple[Judged, ...]:
    """Read rounds that another run left, perhaps one of a fork: only plain files of moderate size.

    Raises:
        RecordsError: One of them cannot be read, is a link or a pipe, is too large or no round.
    """
    rounds = [read_foreign_round(path) for path in paths]
    return tuple(
        Judged(adapter=round_.arms["candidate"].adapter if "candidate" in round_.arms else None, result=round_)
        for round_ in rounds
    )


def read_foreign_round(path: Path) -> Round:
    """Read a round that another run left, perhaps one of a fork: only from a plain file of moderate size.

    Raises:
        RecordsError: It cannot be read, is a link or a pipe, is too large or no round, its figures contradict each
            other, or its verdict is not that of its findings.
    """
    try:
        # Neither follows a link nor waits for whoever might write into a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a path cannot be opened this way
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise RecordsError(f"{path}: not a plain file")
            content = file.read(MAX_FOREIGN_BYTES + 1)
    except OSError as problem:
        why = "a link, which is not followed" if path.is_symlink() else problem.strerror or problem
        raise RecordsError(f"{path}: cannot be read: {why}") from None
    if len(content) > MAX_FOREIGN_BYTES:
        raise RecordsError(f"{path}: longer than {MAX_FOREIGN_BYTES // 1024**2} MiB, which no round is")
    try:
        round_ = report.load(content.decode("utf-8"))
        _refuse_impossible(round_)
        return _concluded(round_)
    except UnicodeDecodeError:
        raise RecordsError(f"{path}: not UTF-8 text") from None
    except RecordsError as problem:
        raise RecordsError(f"{path}: {problem.message}", fix=problem.fix) from None


def _concluded(round_: Round) -> Round:
    """The round with the headline that its findings give; refused if they give another verdict."""
    roles = {name: suite.role for name, suite in round_.suites.items()}
    said, possible = round_.verdict, []
    for fail_on in _FAIL_ON:
        meant = conclude(round_.findings, round_.comparisons, roles=roles, fail_on=fail_on)
        if (meant.outcome, meant.exit_code) == (said.outcome, said.exit_code):
            return replace(round_, verdict=meant)
        possible.append(f"{meant.outcome} with exit code {meant.exit_code}")
    raise RecordsError(
        f"The verdict is {said.outcome} with exit code {said.exit_code}; the findings give "
        f"{' or '.join(dict.fromkeys(possible))}.",
        fix=_CHANGED,
    )


def _refuse_impossible(round_: Round) -> None:
    """Refuse counts, shares and differences that no run can have written."""
    for index, comparison in enumerate(round_.comparisons):
        suite = round_.suites.get(comparison.suite)
        problem = next(_impossible_numbers(comparison, None if suite is None else suite.n), None)
        if problem is not None:
            raise RecordsError(f"The numbers contradict each other: comparisons.{index}: {problem}.", fix=_CHANGED)
    for index, finding in enumerate(round_.findings):
        if _is_too_large(finding.observed, finding.limit) or not _is_share(finding.p_value):
            raise RecordsError(f"No run gives such numbers: findings.{index} is out of range.", fix=_CHANGED)
    for index, one in enumerate(round_.distributions):
        if one.n < 0 or _is_too_large(one.n, one.estimate, one.against_estimate, one.change, one.low, one.high):
            raise RecordsError(f"No run gives such numbers: distributions.{index} is out of range.", fix=_CHANGED)


def _impossible_numbers(one: Comparison, cases: int | None) -> Iterator[str]:
    """What cannot be true of a comparison of a suite with so many cases."""
    yield from _impossible_counts(one, cases)
    margins = (one.margin, one.fail_margin, one.smallest_detectable_drop)
    if _is_too_large(one.estimate, one.against_estimate, one.delta, *margins):
        yield "a figure is out of range"
    if _is_too_large(one.low, one.high) or (one.low or 0) > (one.high or 0):
        yield f"low {one.low} and high {one.high} are no interval"
    shares = (one.level, one.p_regression, one.p_regression_adjusted, one.p_noninferior, one.p_no_change)
    if not all(_is_share(value) for value in shares):
        yield "a probability is not between 0 and 1"
    if one.measure not in ("delta", "score", "flips"):
        return  # a trade-off and a change of lengths are relative: any size, and no difference of the two estimates
    if not (_is_share(one.estimate) and _is_share(one.against_estimate)):
        yield "an estimate is not between 0 and 1"
    yield from _impossible_delta(one)


def _impossible_counts(one: Comparison, cases: int | None) -> Iterator[str]:
    counts = (one.n, one.dropped, one.clusters or 0, one.regressed or 0, one.fixed or 0)
    if any(not 0 <= value <= _LARGEST for value in counts):
        yield "a count is negative or out of range"
    elif one.measure != "tradeoff" and cases is not None and one.n + one.dropped > cases:  # that has two suites
        yield f"{one.n:,} cases and {one.dropped:,} left out of a suite of {cases:,}"
    elif one.delta is not None and (one.regressed or 0) + (one.fixed or 0) > one.n:
        yield f"{one.regressed or 0:,} regressed and {one.fixed or 0:,} fixed of {one.n:,} cases"


def _impossible_delta(one: Comparison) -> Iterator[str]:
    """What cannot be true of a difference in points of the score."""
    if one.delta is None:
        return
    if abs(one.delta) > 1 + _ROUNDING:
        yield f"a delta of {one.delta:g}, which no score can move"
    if one.measure != "delta" or one.estimate is None or one.against_estimate is None:
        return
    if abs(one.estimate - one.against_estimate - one.delta) > _ROUNDING:
        yield f"delta is {one.delta:g}, and the estimates {one.estimate:g} and {one.against_estimate:g}"
    # A mean over cases moves by at most one case for each that changed; an F1 may move by more.
    if one.metric not in CORPUS_METRICS and one.n and one.regressed is not None and one.fixed is not None:
        least, most = -one.regressed / one.n, one.fixed / one.n
        if one.method.startswith(_OF_WHOLE_CASES):
            least = most = least + most
        if not least - _ROUNDING <= one.delta <= most + _ROUNDING:
            yield f"delta is {one.delta:g} with {one.regressed:,} regressed and {one.fixed:,} fixed of {one.n:,}"


def _is_too_large(*values: float | None) -> bool:
    return any(abs(value or 0) > _LARGEST for value in values)


def _is_share(value: float | None) -> bool:
    return value is None or -_ROUNDING <= value <= 1 + _ROUNDING
