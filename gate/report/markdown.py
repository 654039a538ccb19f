"""A round as the Markdown of `report.md`, which is also the pull-request comment.

The order is what a reader with ten seconds needs: may this be merged, what broke, how sure are we, what now; the rest
waits behind a click. Answers and case texts appear only inside code. The text stays under GitHub's limit: whole
sections are shortened, then left out, the least needed first, and the report says so.

This module knows Markdown and the rows of `gate.report.view`; it computes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gate import wording
from gate.domain import ArmAnswer, Check, Evidence, Outcome, Round, VerdictOutcome
from gate.report import background, escape, preflight, view

MARKER = "<!-- gate -->"
"""First line of every report; a publisher finds its own comment by it."""
LIMIT_CHARACTERS = 60_000
"""Longest report in UTF-16 units; GitHub refuses comments over 65,536 characters."""

_NAME_CHARACTERS = 80
_SENTENCE_CHARACTERS = 1_000
_WARNINGS_IN_FULL = 5
_LEAST_ROWS = 20

_ALERTS: dict[VerdictOutcome, str] = {
    "pass": "TIP",
    "fail": "CAUTION",
    "inconclusive": "WARNING",
    "error": "IMPORTANT",
}
_CHECK_MARKS: dict[str, str] = {"warn": "⚠️", "allowed": "⚠️ allowed", "fail": "❌"}
_MARKS: dict[Outcome, str] = {"pass": "✅", "warn": "⚠️", "fail": "❌", "inconclusive": "❔", "error": "🛑"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Room:
    """How much a report may show; one step of shortening."""

    left_out: str | None
    """What a reader misses at this step, as the end of a sentence."""
    text_characters: int = 400
    """Of each prompt, reference and answer; 0: no texts."""
    cases: int = view.SHOWN_CASES
    messages: bool = True
    rules: bool = True
    background: bool = True
    rows: int | None = None
    """Of each list that cannot be left out; None: all."""


_STEPS = (
    _Room(left_out=None),
    _Room(left_out="the texts of the cases are shortened", text_characters=100),
    _Room(left_out="the texts of the cases are left out", text_characters=0),
    _Room(left_out="the cases are left out", cases=0),
    _Room(left_out="the cases and the rules' messages are left out", cases=0, messages=False),
    _Room(left_out="the cases and the rules are left out", cases=0, rules=False),
    _Room(left_out="the cases, the rules and the methods are left out", cases=0, rules=False, background=False),
    _Room(
        left_out=f"all but the first {_LEAST_ROWS} suites, findings and warnings are left out, and all details",
        cases=0,
        rules=False,
        background=False,
        rows=_LEAST_ROWS,
    ),
)


def markdown(round_: Round) -> str:
    """Render a round as GitHub-flavoured Markdown.

    Args:
        round_: A finished round.

    Returns:
        The report, at most `LIMIT_CHARACTERS` long, ending in a line feed.
    """
    for room in _STEPS:
        text = _report(round_, room)
        if _length(text) <= LIMIT_CHARACTERS:
            return text
    return _join([MARKER, _alert(round_), _shortened("everything but the verdict is left out"), _footer(round_)])


def _report(round_: Round, room: _Room) -> str:
    parts = [MARKER, _alert(round_), _suite_table(round_, room), *_remarks(round_, room), *_next_steps(round_, room)]
    if room.left_out is not None:
        parts.append(_shortened(room.left_out))
    if room.rules and round_.findings:
        parts.append(_rules(round_, room))
    parts += [_cases(group, room) for group in view.case_groups(round_, room.cases)]
    if room.background:
        parts.append(_background(round_))
    return _join([*parts, _footer(round_)])


def _alert(round_: Round) -> str:
    headline = escape.plain(_sentence(round_.verdict.headline)) or round_.verdict.outcome
    return f"> [!{_ALERTS[round_.verdict.outcome]}]\n> **{headline}**"


def _suite_table(round_: Round, room: _Room) -> str:
    import tabulate

    arms = ("base", *view.other_arms(round_), "candidate")
    header = ("", "suite", "n", *arms, view.change_heading(round_), "broke / fixed", "limit")
    rows = [_suite_cells(row) for row in view.suite_rows(round_)[: room.rows]]
    # Otherwise the padding, and with it the bytes, would depend on whether the package wcwidth is installed.
    tabulate.WIDE_CHARS_MODE = False
    left, right = ("left",) * 2, ("right",) * (5 + len(view.other_arms(round_)))
    return tabulate.tabulate(
        [header, *rows], headers="firstrow", tablefmt="pipe", disable_numparse=True, colalign=(*left, *right, "left")
    )


def _suite_cells(row: view.SuiteRow) -> tuple[str, ...]:
    change = f"**{row.change}**" if row.notable else row.change
    mark = f"{_MARKS[row.outcome]} " if row.outcome is not None else ""
    return (
        row.role,
        escape.plain(_name(row.suite)),
        row.cases,
        row.base,
        *row.others,
        row.candidate,
        f"{change} {row.interval}".rstrip(),
        row.flips,
        f"{mark}{escape.prose_cell(_sentence(row.limit))}",
    )


def _remarks(round_: Round, room: _Room) -> Iterable[str]:
    """Say what the table cannot: findings about the whole run, odd answers, warnings."""
    wide = [row for row in view.rule_rows(round_) if row.run_wide and row.outcome != "pass"]
    lines = [
        f"- {_MARKS[row.outcome]} **{escape.plain(_name(row.rule))}**: {_say(row.message)}" for row in wide[: room.rows]
    ]
    lines += [f"- {escape.plain(_name(suite))}: {_say(what)}" for suite, what in view.notes(round_)[: room.rows]]
    if warned := [check for check in round_.preflight if check.outcome == "warn"]:
        ids = wording.listing([escape.plain(_name(check.id)) for check in warned[: room.rows]])
        lines.append(f"- ⚠️ Preflight warns ({ids}); see below.")
    warnings = [f"- ⚠️ {_say(warning)}" for warning in round_.warnings[: room.rows]]
    lines += warnings[:_WARNINGS_IN_FULL]
    if lines:
        yield "\n".join(lines)
    if rest := warnings[_WARNINGS_IN_FULL:]:
        yield _details(f"More warnings ({len(rest)})", "\n".join(rest))


def _next_steps(round_: Round, room: _Room) -> Iterable[str]:
    steps = [_say(piece) for piece in view.advice(round_)]
    shown = sum(len(group.cases) for group in view.case_groups(round_, room.cases))
    if shown and round_.verdict.outcome != "pass":
        steps.insert(0, "Read the case below." if shown == 1 else f"Read the {shown} cases below.")
    if len(steps) == 1:
        yield f"**Next:** {steps[0]}"
    elif steps:
        yield "**Next:**\n\n" + "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))


def _rules(round_: Round, room: _Room) -> str:
    rows = view.rule_rows(round_)
    cells = [
        (
            _MARKS[row.outcome] if row.blocking else f"{_MARKS[row.outcome]} not blocking",
            escape.plain(_name(row.rule)),
            escape.prose_cell(_sentence(row.where)),
            escape.prose_cell(_sentence(row.limit)),
            row.seen,
            row.p_value,
            *([escape.prose_cell(_sentence(row.message))] if room.messages else []),
        )
        for row in rows
    ]
    header = ("", "rule", "where", "limit", "seen", "p", *(["what it says"] if room.messages else []))
    failed = sum(row.outcome == "fail" for row in rows)
    title = f"Rules and limits ({len(rows)}{f'; {failed} failed' if failed else ''})"
    return _details(title, _table(header, cells, aligns="llllrrl"[: len(header)]))


def _cases(group: view.CaseGroup, room: _Room) -> str:
    name, shown = escape.html_code(_name(group.suite)), f"{len(group.cases)} shown"
    title = f"What broke: {name} ({group.broke}; {shown})" if group.broke else f"Cases to read: {name} ({shown})"
    return _details(title, "\n\n".join(_case(evidence, room.text_characters) for evidence in group.cases))


def _case(evidence: Evidence, characters: int) -> str:
    critical = " · critical" if evidence.critical else ""
    title = f"**{escape.code_span(_name(evidence.case))}**{critical}"
    arms, answers = list(evidence.answers), list(evidence.answers.values())
    rows = [("score", *(_score(answer) for answer in answers))]
    if characters:
        expected = escape.clip(evidence.expected, characters)
        title += f" · expected {escape.code_span(expected)}" if expected else ""
        title += f"\n\n{escape.code_block(escape.clip(evidence.prompt, characters))}"
        rows.insert(0, ("answer", *(escape.code_cell(escape.clip(answer.text, characters)) for answer in answers)))
        rows.append(("why", *(escape.code_cell(escape.clip(answer.why, characters)) for answer in answers)))
    header = ("", *(escape.plain(_name(arm)) for arm in arms))
    return f"{title}\n\n{_table(header, rows, aligns='l' * len(header))}"


def _score(answer: ArmAnswer) -> str:
    ends = {"stop": "", "length": ", cut by the token limit", "error": ", no answer"}
    return f"{view.score(answer.score)}{ends[answer.finish]}"


def _background(round_: Round) -> str:
    lines = [f"- {_say(sentence)}" for sentence in background.method_sentences(round_)]
    for name, arm in round_.arms.items():
        digest = f", digest {escape.code_span(background.short_digest(arm.digest))}" if arm.digest else ""
        made_of, what = escape.code_span(_sentence(background.made_of(arm))), escape.plain(_sentence(arm.description))
        lines.append(f"- {escape.plain(name).capitalize()}: {made_of}{f' ({what})' if what else ''}{digest}.")
    if round_.environment:
        facts = (
            f"{escape.plain(_name(key))} {escape.code_span(_sentence(value))}"
            for key, value in round_.environment.items()
        )
        lines.append(f"- Environment: {', '.join(facts)}.")
    lines.append(f"- Signature: {escape.code_span(_sentence(round_.signature))}")
    return _details("How this was decided", "\n".join([*lines, *_preflight(round_.preflight)]))


def _preflight(checks: Sequence[Check]) -> Iterable[str]:
    """How many checks were in order, a table of those that were not, and the rest in one line."""
    if (summary := preflight.summary(checks)) is None:
        return
    yield f"- {summary}."
    if quiet := preflight.quiet(checks):
        yield f"- In order or not made: {' · '.join(_say(preflight.in_short(check)) for check in quiet)}."
    if notable := preflight.notable(checks):
        rows = [
            (
                _CHECK_MARKS[check.outcome],
                escape.plain(_name(check.id)),
                escape.prose_cell(_sentence(check.title)),
                escape.prose_cell(_sentence(check.message)),
            )
            for check in notable
        ]
        yield f"\n{_table(('', 'check', 'what', 'seen'), rows, aligns='llll')}"


def _footer(round_: Round) -> str:
    commit, version, seconds = background.provenance(round_)
    shown = "no commit" if round_.commit is None else f"commit {escape.code_span(commit)}"
    return f"<sub>{shown} · {escape.plain(_name(version))} · {seconds}</sub>"


def _shortened(left_out: str) -> str:
    return f"*This report would be too long for a comment: {left_out}. Everything is in `round.json`.*"


def _details(title: str, body: str) -> str:
    """Fold a section away. The title is HTML; the blank lines let Markdown be read inside."""
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], *, aligns: str) -> str:
    """Write a table of texts without padding: beside one long cell, padding would cost most of a comment's length.

    Args:
        header: Escaped headings.
        rows: Escaped cells.
        aligns: `l` or `r` for each column.
    """
    rule = ["--:" if align == "r" else "---" for align in aligns]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))


def _say(sentence: str) -> str:
    return escape.prose(_sentence(sentence))


def _sentence(text: str) -> str:
    return escape.clip(text, _SENTENCE_CHARACTERS)


def _name(text: str) -> str:
    return escape.clip(text, _NAME_CHARACTERS)


def _join(parts: Iterable[str]) -> str:
    return "\n\n".join(parts) + "\n"


def _length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
