"""Hostile text in every place of a comment where a file, an answer, a path or a message can put it."""

import re

import pytest
from builders import HOSTILE_TEXTS, a_hostile_round
from github_page import EXTENSIONS, OUR_TAGS, STRICTER_EXTENSIONS, ZERO_WIDTH_SPACE, Page
from hostile_texts import ANY_TEXT, MARKDOWN_THREATS, MARKER_THREATS
from hypothesis import given, settings

from gate.report import Judged, Links, Problem, annotations, comment, escape, summary

MARKER = "<!-- gate: support-bot -->"
LINKS = Links(
    run="https://github.example/o/r/actions/runs/1",
    commit="https://github.example/o/r/commit/d00dfeedd00dfeedd00dfeedd00dfeedd00dfeed",
)
NO_MARKER, SHORTENED = 5, 4
"""Places in what `pages` returns."""
EVERYTHING = (*HOSTILE_TEXTS, *MARKDOWN_THREATS, *MARKER_THREATS)


def rounds(text: str) -> list[Judged]:
    problem = Problem(step=text, exit_code=4, message=text)
    return [Judged(adapter=text, result=one) for one in (a_hostile_round(text), problem, a_hostile_round(text))]


def pages(text: str) -> list[str]:
    """Comments of several adapters, of one, and of none, and summaries, all of them made of the text."""
    several, notes = rounds(text), [text, f"This changes `{text}`, {text}"]
    return [
        comment(several, marker=MARKER, links=LINKS, notes=notes),
        *(comment([one], marker=MARKER, links=LINKS, notes=notes) for one in several[:2]),
        comment([], marker=MARKER, links=LINKS, notes=notes),
        comment(several, marker=MARKER, links=LINKS, limit=3_000),
        summary(several, links=LINKS, notes=notes),
    ]


def skeleton(page: Page) -> list[str]:
    """The tags but for code, which quoted names make of some texts and not of others."""
    return [tag for tag in page.tags if tag != "code"]


def assert_inert(text: str) -> None:
    for number, written in enumerate(pages(text)):
        for extensions in (EXTENSIONS, STRICTER_EXTENSIONS):
            page = Page(written, extensions)
            assert set(page.tags) <= OUR_TAGS | {"a", "h3"}
            assert page.references() == []
            assert set(page.addresses) <= {LINKS.run, LINKS.commit}
            assert page.attributes <= {"align", "class", "href"}
            assert page.comments == ([MARKER[4:-3]] if number != NO_MARKER else [])
        assert written.count("<!--") == written.count(MARKER) == (number != NO_MARKER)
        assert number == NO_MARKER or written.startswith(f"{MARKER}\n\n> [!")
        assert "##[" not in written
        assert not any(
            re.match(r"\s*::", line) for line in re.split(r"[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", written)
        )
        assert all(char.isprintable() or char in "\n\u3000" for char in written)
        written.encode("utf-8")


@pytest.mark.parametrize("text", EVERYTHING)
def test_comment__hostile_text_stays_text(text: str) -> None:
    assert_inert(text)


@pytest.mark.parametrize("text", [one for one in EVERYTHING if one.strip()])
def test_comment__hostile_text_changes_no_table_fence_or_section(text: str) -> None:
    for number, (written, plain) in enumerate(zip(pages(text), pages("x"), strict=True)):
        if number == SHORTENED:
            continue  # what is left out depends on how long the text is
        found, expected = Page(written), Page(plain)
        assert skeleton(found) == skeleton(expected)
        assert found.cells == expected.cells


@given(ANY_TEXT)
@settings(max_examples=60, deadline=None)
def test_comment__any_text_stays_text(text: str) -> None:
    assert_inert(text)


@given(ANY_TEXT.filter(lambda text: text.strip() and escape.visible(text).strip()))
@settings(max_examples=60, deadline=None)
def test_comment__any_text_changes_no_table_fence_or_section(text: str) -> None:
    found, expected = (Page(comment(rounds(one), marker=MARKER, notes=[one])) for one in (text, "x"))
    assert skeleton(found) == skeleton(expected)
    assert found.cells == expected.cells


def test_comment__what_is_inert_can_still_be_read() -> None:
    text = "@org/team broke <b> | fixes #12"
    page = Page(comment([Judged(adapter="a", result=Problem(step=text, exit_code=3, message=text))], marker=MARKER))
    assert text in page.text.replace(ZERO_WIDTH_SPACE, "")
    assert f"{text}\n" in page.code


@given(ANY_TEXT)
@settings(max_examples=60, deadline=None)
def test_annotations__are_single_lines_without_commands(text: str) -> None:
    for one in annotations(rounds(text)):
        for shown in (one.title, one.message):
            assert shown.replace("\u3000", "").isprintable()
            assert "##[" not in shown
            assert not re.match(r"\s*::", shown)
