"""What a pull request shows: a comment about every adapter of a commit, and the summary of the job that judged them.

The order is what a reader with ten seconds needs: may this be merged, what broke, how sure are we, what now; the rest
waits behind a click. One adapter is a report of its round; several get one headline, an overview, and a section each,
the worst first. What is too long is shortened, section by section; the verdicts always stay.

This module lays out pages in Markdown. It reads nothing, knows no clock and posts nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from gate import wording
from gate.domain import Outcome, Round, VerdictOutcome
from gate.report import escape, markup, sections, unjudged, view
from gate.report.judged import Judged, Links, Problem
from gate.report.marker import is_marker
from gate.report.sections import ALERTS, MARKS
from gate.report.shedding import GENEROUS_STEPS, STEPS, Room, Size, shed, size

LIMIT_CHARACTERS = 60_000
"""Longest comment in UTF-16 units; GitHub refuses comments over 65,536 characters."""
LIMIT_BYTES = 262_144
"""Longest comment in bytes of UTF-8, where GitHub counts bytes."""
SUMMARY_LIMIT_BYTES = 1_000_000
"""Longest summary of a job; GitHub drops the whole summary of a step if it is over 1 MiB."""

_NAMED_AT_MOST = 4
_ROOM_FOR_THE_REST = 60
"""Characters kept for saying how many adapters are missing."""
_SHARE_FOR_NOTES = 0.25
"""Of a page on which only the verdicts fit."""
_MOST_NOTES = 10
_NOTE_CHARACTERS = 300
_NOTHING = "Nothing to gate: no adapter was changed."
_NO_LINKS = Links()

_STATES: dict[VerdictOutcome, str] = {
    "error": "not judged",
    "fail": "blocked",
    "inconclusive": "undecided",
    "pass": "open",
}
_LEADS: dict[VerdictOutcome, str] = {"error": "No", "fail": "No", "inconclusive": "Cannot tell", "pass": "Yes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """What stays the same however much is left out."""

    marker: str | None
    links: Links
    cautions: tuple[str, ...]
    notes: tuple[str, ...]
    steps: Sequence[Room]
    limit: Size
    medium: str


def comment(
    rounds: Sequence[Judged],
    *,
    marker: str,
    links: Links = _NO_LINKS,
    cautions: Sequence[str] = (),
    notes: Sequence[str] = (),
    limit: int = LIMIT_CHARACTERS,
) -> str:
    """Write the comment on a pull request.

    Args:
        rounds: The adapters of the commit and what became of them; none: nothing was changed.
        marker: The first line, by which a publisher finds its own comment; as `gate.report.marker` writes it.
        links: Where a reader finds more.
        cautions: What the publisher itself must say of how this came about, a sentence each; none is ever left out.
        notes: What else a reader must know of it, a sentence each; names between backticks become code. Only so many
            are shown, and only so much of each, that they cannot push out the rest.
        limit: UTF-16 units that the comment may have.

    Returns:
        The comment, at most `limit` units and `LIMIT_BYTES` bytes long if marker, headline, cautions and footer are,
        ending in a line feed.

    Raises:
        ValueError: If the marker is none.
    """
    if not is_marker(marker):
        raise ValueError(f"{marker!r:.80} is not what gate.report.marker writes")
    size_limit = Size(characters=limit, utf8_bytes=LIMIT_BYTES)
    page = _Page(
        marker=marker,
        links=links,
        cautions=tuple(cautions),
        notes=tuple(notes),
        steps=STEPS,
        limit=size_limit,
        medium="a comment",
    )
    return _write(rounds, page)


def summary(
    rounds: Sequence[Judged],
    *,
    links: Links = _NO_LINKS,
    cautions: Sequence[str] = (),
    notes: Sequence[str] = (),
    limit: int = SUMMARY_LIMIT_BYTES,
) -> str:
    """Write the summary of a job: the comment without a marker, with every case of the rounds if there is room.

    Args:
        rounds: The adapters of the commit and what became of them.
        links: Where a reader finds more.
        cautions: As for `comment`.
        notes: As for `comment`.
        limit: Bytes of UTF-8 that the summary may have.

    Returns:
        The summary, ending in a line feed.
    """
    size_limit = Size(characters=limit, utf8_bytes=limit)
    page = _Page(
        marker=None,
        links=links,
        cautions=tuple(cautions),
        notes=tuple(notes),
        steps=GENEROUS_STEPS,
        limit=size_limit,
        medium="a job summary",
    )
    return _write(rounds, page)


def _write(rounds: Sequence[Judged], page: _Page) -> str:
    ordered = sorted((_without_repeats(one, page) for one in rounds), key=lambda one: one.severity)
    cautions = list(_sentences(page.cautions, "⚠️"))
    match ordered:
        case []:
            nothing = markup.alert("NOTE", escape.plain(_NOTHING))
            head, parts = [nothing, *cautions, *_notes(page)], []
            foot, least = _footer(page), [nothing, *cautions]
        case [only]:
            headline = _single_headline(only)
            head, parts = [headline, *cautions, *_notes(page)], [partial(_single, only, page)]
            foot, least = _footer(page, only), [headline, *cautions, _left_out(page)]
        case _:
            head = [_overall(ordered), *cautions, *_notes(page), _overview(ordered)]
            parts = [partial(_section, one, page) for one in ordered]
            foot, least = _footer(page), list(_bare(ordered, page, cautions))
    marker = [page.marker] if page.marker else []
    frame = [*marker, *head, *foot]
    texts = shed(parts, frame=frame, steps=page.steps, limit=page.limit)
    if texts is None or not size(frame) <= page.limit:
        return markup.join([*marker, *least, *foot]) + "\n"
    return markup.join([*marker, *head, *texts, *foot]) + "\n"


def _without_repeats(one: Judged, page: _Page) -> Judged:
    """What the page says above all rounds, a round need not say again."""
    if not isinstance(one.result, Round):
        return one
    warnings = tuple(text for text in one.result.warnings if text not in (*page.cautions, *page.notes))
    return replace(one, result=replace(one.result, warnings=warnings))


def _notes(page: _Page) -> Iterator[str]:
    more = len(page.notes) - _MOST_NOTES
    rest = (f"And {wording.count(more, 'more note')}, in the log of the run.",) if more > 0 else ()
    shown = (escape.clip(note, _NOTE_CHARACTERS) for note in page.notes[:_MOST_NOTES])
    yield from _sentences((*shown, *rest), "📌")


def _sentences(sentences: Iterable[str], mark: str) -> Iterator[str]:
    if lines := [f"- {mark} {markup.say(one)}" for one in sentences]:
        yield "\n".join(lines)


def _left_out(page: _Page) -> str:
    return sections.shortened(page.steps[-1].left_out or "", page.medium)


def _single(one: Judged, page: _Page, room: Room) -> str:
    """The only adapter of a page; its headline and its footer are those of the page."""
    return markup.join(_body(one, page, room))


def _single_headline(one: Judged) -> str:
    match one.result:
        case Round() as round_:
            return sections.headline(round_)
        case Problem() as problem:
            adapter = "The candidate" if one.adapter is None else escape.code_span(markup.name(one.adapter))
            return unjudged.headline(problem, f"{adapter} could not be judged")


def _section(one: Judged, page: _Page, room: Room) -> str:
    """One adapter of several, with what is known of its round at the end."""
    heading = f"### {MARKS[one.outcome]} {_adapter(one)}"
    match one.result:
        case Round() as round_:
            parts = [sections.headline(round_), *_body(one, page, room), sections.footer(round_)]
        case Problem() as problem:
            parts = [unjudged.headline(problem, "Could not be judged"), *_body(one, page, room)]
    return markup.join([heading, *parts])


def _body(one: Judged, page: _Page, room: Room) -> list[str]:
    match one.result:
        case Round() as round_:
            return sections.body(round_, room, medium=page.medium)
        case Problem() as problem:
            return [_left_out(page)] if room.verdict_only else unjudged.body(problem)


def _overall(ordered: Sequence[Judged]) -> str:
    """The headline over several adapters: how many stand how, the worst first."""
    states = list(dict.fromkeys(one.outcome for one in ordered))
    worst = ordered[0].outcome
    counts = [f"{sum(one.outcome == state for one in ordered)} {_STATES[state]}" for state in states]
    found = f"of {len(ordered)} adapters, {wording.listing(counts)}"
    if len(states) == 1:
        found = f"all {len(ordered)} adapters are {_STATES[worst]}"
    return markup.alert(ALERTS[worst], f"{_LEADS[worst]}: {found}.")


def _overview(ordered: Sequence[Judged], *, why: bool = True) -> str:
    header = ("", "adapter", "verdict", *(["because of"] if why else []))
    rows = [
        (MARKS[one.outcome], _adapter_cell(one), _STATES[one.outcome], *([_because(one)] if why else []))
        for one in ordered
    ]
    return markup.table(header, rows, aligns="l" * len(header))


def _bare(ordered: Sequence[Judged], page: _Page, cautions: Sequence[str]) -> Iterator[str]:
    """The verdicts where nothing else fits: as many rows as there is room for, the worst first, and the rest counted.

    The notes stay as long as they leave most of the room to the verdicts.
    """
    notes = list(_notes(page))
    if size(notes).characters > page.limit.characters * _SHARE_FOR_NOTES:
        notes = []
    above = [_overall(ordered), *cautions, *notes, _left_out(page)]
    yield from above
    taken = size([page.marker or "", *above, *_footer(page), " " * _ROOM_FOR_THE_REST])
    count = 0
    for one in ordered:
        taken += size([_overview([one], why=False)])
        if not taken <= page.limit:
            break
        count += 1
    if count:
        yield _overview(ordered[:count], why=False)
    if rest := len(ordered) - count:
        yield f"And {wording.count(rest, 'adapter')} more, none of them worse."


def _because(one: Judged) -> str:
    """What did not pass, in a few words."""
    match one.result:
        case Problem() as problem:
            return f"{escape.plain(markup.name(problem.step))}, exit code {problem.exit_code}"
        case Round() as round_:
            wanted: Outcome = round_.verdict.outcome
            rows = [row for row in view.rule_rows(round_) if row.blocking and row.outcome == wanted != "pass"]
            names = [
                f"{escape.plain(markup.name(row.rule))}: {escape.prose_cell(markup.name(row.where))} ({row.seen})"
                for row in rows
            ]
            more = [f"{len(names) - _NAMED_AT_MOST} more"] if len(names) > _NAMED_AT_MOST else []
            return ", ".join(names[:_NAMED_AT_MOST] + more)


def _adapter(one: Judged) -> str:
    return "an adapter that is not known" if one.adapter is None else escape.code_span(markup.name(one.adapter))


def _adapter_cell(one: Judged) -> str:
    return "not known" if one.adapter is None else escape.code_cell(markup.name(one.adapter))


def _footer(page: _Page, only: Judged | None = None) -> list[str]:
    """Links, and of a single round where it comes from."""
    links = page.links
    written = [markup.link("run and artifacts", links.run)] if links.run is not None else []
    if only is not None and isinstance(only.result, Round):
        # A round says itself what it judged; the link must not lead to another commit.
        known = links.commit is not None and links.commit.rpartition("/")[2] == only.result.commit
        return [sections.footer(only.result, written, commit_url=links.commit if known else None)]
    written += [markup.link("commit", links.commit)] if links.commit is not None else []
    return [f"<sub>{' · '.join([*written, 'gate'])}</sub>"]
