"""The parts of the terminal report, as objects that rich can print.

Untrusted text reaches rich as `Text`, never as markup. Only `gate.report.terminal` imports this module, and late:
rich is slow to load. It knows no colours beyond style names and computes no number.
"""

from collections.abc import Iterable, Iterator

from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from gate.domain import ArmAnswer, Evidence, Outcome, Round
from gate.report import background, choice, escape, preflight, view

_ENDLESS = 10_000
_SHOWN_CASES = 3
_SHORTEST_CUT = 10
"""Characters of a text that are shown even where there is hardly any room."""
_NAME_CHARACTERS = 30
_SENTENCE_CHARACTERS = 1_000
_INDENT = 6
"""Width of the column with the marks."""
_LABEL = 15
"""Width of the labels before a case's texts, indent included."""

_MARKS: dict[Outcome, str] = {"pass": "pass", "warn": "warn", "fail": "FAIL", "inconclusive": "?", "error": "ERR"}
_STYLES: dict[Outcome, str] = {
    "pass": "green",
    "warn": "yellow",
    "fail": "bold red",
    "inconclusive": "yellow",
    "error": "bold magenta",
}


def parts(round_: Round, console: Console) -> Iterator[RenderableType]:
    """List what is printed, from top to bottom."""
    outcome = round_.verdict.outcome
    yield _text(_sentence(round_.verdict.headline), style=f"bold {_STYLES[outcome].removeprefix('bold ')}")
    yield ""
    yield _suite_table(round_, console)
    yield from _section("Rules", _rules(round_))
    yield from _section("Answers", _lines(f"{_name(suite)}: {what}" for suite, what in view.notes(round_)))
    yield from _section("Worst cases", _cases(round_, console.width))
    yield from _section("Warnings", _lines(_sentence(warning) for warning in round_.warnings))
    yield from _section("Next", _lines(_sentence(piece) for piece in choice.advice(round_)))
    yield from _preflight(round_)
    yield ""
    for name, arm in round_.arms.items():
        yield _text(f"{_name(name)}: {background.made_of(arm)}, {arm.description}", style="dim")
    yield _text(" · ".join(background.provenance(round_)), style="dim")
    yield _text(f"signature {round_.signature}", style="dim")


def _section(title: str, parts: Iterator[RenderableType]) -> Iterator[RenderableType]:
    """Put a title before the parts, if there are any."""
    for number, part in enumerate(parts):
        if number == 0:
            yield ""
            yield _text(title, style="bold")
        yield part


def _suite_table(round_: Round, console: Console) -> Table:
    """One line for each suite; where that is too wide, role and interval go to a second line."""
    table = _suite_columns(round_, stacked=False)
    natural = Measurement.get(console, console.options.update(max_width=_ENDLESS), table).maximum
    return table if natural <= console.width else _suite_columns(round_, stacked=True)


def _suite_columns(round_: Round, *, stacked: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("", width=_INDENT - 2)
    arms = ["base", *view.other_arms(round_), "candidate"]
    headings = ["suite", *([] if stacked else ["role"]), "n", *arms, view.change_heading(round_)]
    for heading in [*headings, "broke / fixed"]:
        left = heading in {"suite", "role"} or heading.startswith("change")
        table.add_column(heading, justify="left" if left else "right", no_wrap=not stacked)
    joint = "\n" if stacked else " "
    for row in view.suite_rows(round_):
        style = _STYLES[row.outcome] if row.outcome is not None else "dim"
        suite, role = escape.terminal(_name(row.suite)), row.role
        names = [f"{suite}\n({role})"] if stacked else [suite, role]
        change = f"{row.change}{joint}{row.interval}" if row.interval else row.change
        cells = [*names, row.cases, row.base, *row.others, row.candidate, change, row.flips]
        mark = _MARKS[row.outcome] if row.outcome is not None else "-"
        table.add_row(_cell(mark, style=style), *(_cell(cell) for cell in cells))
    return table


def _rules(round_: Round) -> Iterator[RenderableType]:
    for row in view.rule_rows(round_):
        tested = f", {_p_value(row.p_value)}" if row.outcome != "pass" and row.p_value[-1].isdigit() else ""
        free = "" if row.blocking else ", not blocking"
        first = f"{row.rule} · {_sentence(row.where)} · {_sentence(row.limit)}{tested}{free}"
        yield _hanging(_MARKS[row.outcome], first, indent=_INDENT, style=_STYLES[row.outcome])
        yield _hanging("", _sentence(row.message), indent=_INDENT)


def _p_value(shown: str) -> str:
    return f"p {shown}" if shown.startswith("<") else f"p = {shown}"


def _cases(round_: Round, width: int) -> Iterator[RenderableType]:
    for group in choice.case_groups(round_, _SHOWN_CASES):
        for evidence in group.cases:
            yield from _case(evidence, width - _LABEL, texts=round_.texts)
    if (count := len(round_.evidence)) > _SHOWN_CASES:
        more = "" if count <= choice.SHOWN_CASES else f" (shows {choice.SHOWN_CASES}) and round.json (all)"
        yield _text(f"  {count - _SHOWN_CASES} more: see report.md{more}")


def _case(evidence: Evidence, room: int, *, texts: bool) -> Iterator[RenderableType]:
    critical = ", critical" if evidence.critical else ""
    yield _hanging("", f"{_name(evidence.suite)}/{_name(evidence.case)}{critical}", indent=2)
    if not texts:
        for arm, answer in evidence.answers.items():
            yield _hanging(f"    {_name(arm)}", _score(answer), indent=_LABEL)
        return
    shown = {"prompt": evidence.prompt, "expected": evidence.expected}
    shown |= {arm: answer.text or escape.EMPTY for arm, answer in evidence.answers.items()}
    for label, text in shown.items():
        yield _hanging(f"    {_name(label)}", _one_line(text, room), indent=_LABEL)
        if label in evidence.answers:
            answer = evidence.answers[label]
            yield _hanging("", _one_line(f"{_score(answer)}: {answer.why}", room), indent=_LABEL, style="dim")


def _score(answer: ArmAnswer) -> str:
    ends = {"stop": "", "length": ", cut by the token limit", "error": ", no answer"}
    return f"{view.score(answer.score)}{ends[answer.finish]}"


def _preflight(round_: Round) -> Iterator[RenderableType]:
    if (summary := preflight.summary(round_.preflight)) is not None:
        yield ""
        yield _text(f"{summary}.")
        yield from _lines(_sentence(preflight.sentence(check)) for check in preflight.notable(round_.preflight))


def _lines(sentences: Iterable[str]) -> Iterator[RenderableType]:
    for sentence in sentences:
        yield _hanging("-", sentence, indent=2)


def _hanging(label: str, text: str, *, indent: int, style: str = "") -> RenderableType:
    """Set a text beside a label so that its further lines keep the indent."""
    grid = Table.grid(padding=0)
    grid.add_column(width=indent, no_wrap=True)
    grid.add_column(overflow="fold")
    body = style if not label else ""
    grid.add_row(_cell(escape.terminal(label), style=style), _cell(escape.terminal(text), style=body))
    return grid


def _text(text: str, *, style: str = "") -> RenderableType:
    return Text(escape.terminal(text), style=style, overflow="fold")


def _cell(text: str, *, style: str = "") -> Text:
    """Make a cell of text that is already escaped."""
    return Text(text, style=style)


def _sentence(text: str) -> str:
    return escape.clip(text, _SENTENCE_CHARACTERS)


def _name(text: str) -> str:
    return escape.clip(text, _NAME_CHARACTERS)


def _one_line(text: str, room: int) -> str:
    """Cut to what fits a line, with what says how much is missing."""
    shown = escape.terminal(text)
    note = len(escape.clip(shown, 0))
    return shown if len(shown) <= room else escape.clip(shown, max(room - note, _SHORTEST_CUT))
