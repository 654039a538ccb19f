"""The sections of a round in Markdown, each as large as the room that it is given.

Answers and case texts appear only inside code. This module knows Markdown and the rows of `gate.report.view`; it
computes nothing, and knows neither the page around a round nor how long it may be.
"""

from collections.abc import Iterable, Sequence

from gate import wording
from gate.domain import ArmAnswer, Check, Evidence, Outcome, Round, VerdictOutcome
from gate.report import background, choice, escape, markup, preflight, view
from gate.report.markup import clipped, details, name, say, table
from gate.report.shedding import Room

_WARNINGS_IN_FULL = 5

ALERTS: dict[VerdictOutcome, str] = {
    "pass": "TIP",
    "fail": "CAUTION",
    "inconclusive": "WARNING",
    "error": "IMPORTANT",
}
"""GitHub's alert block for each verdict."""
MARKS: dict[Outcome, str] = {"pass": "✅", "warn": "⚠️", "fail": "❌", "inconclusive": "❔", "error": "🛑"}
"""Sign of each outcome."""
_CHECK_MARKS: dict[str, str] = {"warn": "⚠️", "allowed": "⚠️ allowed", "fail": "❌"}


def headline(round_: Round) -> str:
    """The verdict in one sentence, as an alert."""
    sentence = escape.plain(clipped(round_.verdict.headline)) or round_.verdict.outcome
    return markup.alert(ALERTS[round_.verdict.outcome], sentence)


def body(round_: Round, room: Room, *, medium: str) -> list[str]:
    """Everything between headline and footer, the most needed first.

    Args:
        round_: A finished round.
        room: How much is shown.
        medium: What the text would be too long for: `a comment`.
    """
    missing = [] if room.left_out is None else [shortened(room.left_out, medium)]
    if room.verdict_only:
        return missing
    parts = [_suite_table(round_, room), *_remarks(round_, room), *_next_steps(round_, room), *missing]
    if room.rules and round_.findings:
        parts.append(_rules(round_, room))
    parts += [_cases(group, _text_characters(round_, room)) for group in choice.case_groups(round_, room.cases)]
    if room.background:
        parts.append(_background(round_))
    return parts


def footer(round_: Round, links: Sequence[str] = (), *, commit_url: str | None = None) -> str:
    """Links, already written, then where the round comes from and how long it took."""
    commit, *rest = background.provenance(round_)
    shown = "no commit" if round_.commit is None else f"commit {markup.link(escape.code_span(commit), commit_url)}"
    return f"<sub>{' · '.join([*links, shown, *(escape.plain(name(part)) for part in rest)])}</sub>"


def shortened(left_out: str, medium: str) -> str:
    """Say what is missing, and where it is."""
    return f"*This report would be too long for {medium}: {left_out}. Everything is in `round.json`.*"


def _suite_table(round_: Round, room: Room) -> str:
    arms = ("base", *view.other_arms(round_), "candidate")
    header = ("", "suite", "n", *arms, view.change_heading(round_), "broke / fixed", "limit")
    rows = [_suite_cells(row) for row in view.suite_rows(round_)[: room.rows]]
    return table(header, rows, aligns=f"ll{'r' * (len(header) - 3)}l")


def _suite_cells(row: view.SuiteRow) -> tuple[str, ...]:
    change = f"**{row.change}**" if row.notable else row.change
    mark = f"{MARKS[row.outcome]} " if row.outcome is not None else ""
    return (
        row.role,
        escape.plain(name(row.suite)),
        row.cases,
        row.base,
        *row.others,
        row.candidate,
        f"{change} {row.interval}".rstrip(),
        row.flips,
        f"{mark}{escape.prose_cell(clipped(row.limit))}",
    )


def _remarks(round_: Round, room: Room) -> Iterable[str]:
    """Say what the table cannot: findings about the whole run, odd answers, warnings."""
    wide = [row for row in view.rule_rows(round_) if row.run_wide and row.outcome != "pass"]
    lines = [
        f"- {MARKS[row.outcome]} **{escape.plain(name(row.rule))}**: {say(row.message)}" for row in wide[: room.rows]
    ]
    lines += [f"- {escape.plain(name(suite))}: {say(what)}" for suite, what in view.notes(round_)[: room.rows]]
    if warned := [check for check in round_.preflight if check.outcome == "warn"]:
        ids = wording.listing([escape.plain(name(check.id)) for check in warned[: room.rows]])
        lines.append(f"- ⚠️ Preflight warns ({ids}); see below.")
    warnings = [f"- ⚠️ {say(warning)}" for warning in round_.warnings[: room.rows]]
    lines += warnings[:_WARNINGS_IN_FULL]
    if lines:
        yield "\n".join(lines)
    if rest := warnings[_WARNINGS_IN_FULL:]:
        yield details(f"More warnings ({len(rest)})", "\n".join(rest))


def _next_steps(round_: Round, room: Room) -> Iterable[str]:
    steps = [say(piece) for piece in choice.advice(round_)]
    shown = sum(len(group.cases) for group in choice.case_groups(round_, room.cases))
    if shown and round_.verdict.outcome != "pass":
        read = "Read the case below" if shown == 1 else f"Read the {shown} cases below"
        # With the key's name, because whoever wonders where the texts are wants to know what hides them.
        where = "" if round_.texts else "; the texts are only in `responses.jsonl` (`publish: {texts: false}`)"
        steps.insert(0, f"{read}{where}.")
    return markup.steps(steps)


def _rules(round_: Round, room: Room) -> str:
    rows = view.rule_rows(round_)
    cells = [
        (
            MARKS[row.outcome] if row.blocking else f"{MARKS[row.outcome]} not blocking",
            escape.plain(name(row.rule)),
            escape.prose_cell(clipped(row.where)),
            escape.prose_cell(clipped(row.limit)),
            row.seen,
            row.p_value,
            *([escape.prose_cell(clipped(row.message))] if room.messages else []),
        )
        for row in rows
    ]
    header = ("", "rule", "where", "limit", "seen", "p", *(["what it says"] if room.messages else []))
    failed = sum(row.outcome == "fail" for row in rows)
    title = f"Rules and limits ({len(rows)}{f'; {failed} failed' if failed else ''})"
    return details(title, table(header, cells, aligns="llllrrl"[: len(header)]))


def _cases(group: choice.CaseGroup, text_characters: int) -> str:
    suite, shown = escape.html_code(name(group.suite)), f"{len(group.cases)} shown"
    title = f"What broke: {suite} ({group.broke}; {shown})" if group.broke else f"Cases to read: {suite} ({shown})"
    return details(title, "\n\n".join(_case(evidence, text_characters) for evidence in group.cases))


def _case(evidence: Evidence, characters: int) -> str:
    critical = " · critical" if evidence.critical else ""
    title = f"**{escape.code_span(name(evidence.case))}**{critical}"
    arms, answers = list(evidence.answers), list(evidence.answers.values())
    rows = [("score", *(_score(answer) for answer in answers))]
    if characters:
        expected = escape.clip(evidence.expected, characters)
        title += f" · expected {escape.code_span(expected)}" if expected else ""
        title += f"\n\n{escape.code_block(escape.clip(evidence.prompt, characters))}"
        rows.insert(0, ("answer", *(escape.code_cell(escape.clip(answer.text, characters)) for answer in answers)))
        rows.append(("why", *(escape.code_cell(escape.clip(answer.why, characters)) for answer in answers)))
    header = ("", *(escape.plain(name(arm)) for arm in arms))
    return f"{title}\n\n{table(header, rows, aligns='l' * len(header))}"


def _score(answer: ArmAnswer) -> str:
    ends = {"stop": "", "length": ", cut by the token limit", "error": ", no answer"}
    return f"{view.score(answer.score)}{ends[answer.finish]}"


def _background(round_: Round) -> str:
    lines = [f"- {say(sentence)}" for sentence in background.method_sentences(round_)]
    for arm_name, arm in round_.arms.items():
        digest = f", digest {escape.code_span(background.short_digest(arm.digest))}" if arm.digest else ""
        made_of, what = escape.code_span(clipped(background.made_of(arm))), escape.plain(clipped(arm.description))
        lines.append(f"- {escape.plain(arm_name).capitalize()}: {made_of}{f' ({what})' if what else ''}{digest}.")
    if round_.environment:
        facts = (
            f"{escape.plain(name(key))} {escape.code_span(clipped(value))}" for key, value in round_.environment.items()
        )
        lines.append(f"- Environment: {', '.join(facts)}.")
    lines.append(f"- Signature: {escape.code_span(clipped(round_.signature))}")
    return details("How this was decided", "\n".join([*lines, *_preflight(round_.preflight)]))


def _preflight(checks: Sequence[Check]) -> Iterable[str]:
    """How many checks were in order, a table of those that were not, and the rest in one line."""
    if (summary := preflight.summary(checks)) is None:
        return
    noise = preflight.noise(checks)
    yield f"- {summary}.{f' {say(noise)}.' if noise else ''}"
    if quiet := preflight.quiet(checks):
        yield f"- In order or not made: {' · '.join(say(preflight.in_short(check)) for check in quiet)}."
    if notable := preflight.notable(checks):
        rows = [
            (
                _CHECK_MARKS[check.outcome],
                escape.plain(name(check.id)),
                escape.prose_cell(clipped(check.title)),
                escape.prose_cell(clipped(check.message)),
            )
            for check in notable
        ]
        yield f"\n{table(('', 'check', 'what', 'seen'), rows, aligns='llll')}"


def _text_characters(round_: Round, room: Room) -> int:
    """A round that may show no texts should hold none; it may have been edited."""
    return room.text_characters if round_.texts else 0
