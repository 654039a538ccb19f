import re

import pytest
from github_page import OUR_TAGS, ZERO_WIDTH_SPACE, Page
from hostile_texts import ANY_TEXT
from hypothesis import given
from hypothesis import strategies as st

from gate.report import escape


def shown_in_code(text: str) -> str:
    """What a reader should see of a text in one line of code."""
    line = escape.visible(text).replace("\n", "⏎").replace("##[", r"##\u005b").replace("<!--", r"<\u0021--")
    return line if line.strip(" ") else "␠" * len(line)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", r"a\u202eb"),
        ("\u2066x\u2069", r"\u2066x\u2069"),
        ("a\u200bb\u200d\ufeff", r"a\u200bb\u200d\ufeff"),
        ("\x1b[31m\x00\x07", r"\u001b[31m\u0000\u0007"),
        ("a\r\nb\rc\td", "a\nb\\u000dc\\u0009d"),
        ("\ud800", r"\ud800"),
        ("\U000e0041\U000e0100", r"\U000e0041\U000e0100"),
        ("\u2028\x85\xa0", r"\u2028\u0085\u00a0"),
        ("\u3164\u2800", r"\u3164\u2800"),
        ("Grüße, 東京\u3000🚀", "Grüße, 東京\u3000🚀"),
    ],
)
def test_visible__what_leaves_no_mark_is_named(text: str, shown: str) -> None:
    assert escape.visible(text) == shown


@pytest.mark.parametrize(
    ("text", "limit", "clipped"),
    [("abc", 3, "abc"), ("abcd", 3, "abc… (+1 characters)"), ("x" * 2500, 2, "xx… (+2,498 characters)"), ("", 0, "")],
)
def test_clip__says_how_much_is_missing(text: str, limit: int, clipped: str) -> None:
    assert escape.clip(text, limit) == clipped


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("plain", "`plain`"),
        ("a`b``c", "```a`b``c```"),
        ("`a`", "`` `a` ``"),
        (" a ", "`  a  `"),
        ("a\nb", "`a⏎b`"),
        ("", "(empty)"),
        ("  ", "`␠␠`"),
        ("##[error]x", r"`##\u005berror]x`"),
        ("<!-- gate -->", r"`<\u0021-- gate -->`"),
    ],
)
def test_code_span__literals(text: str, span: str) -> None:
    assert escape.code_span(text) == span


@given(ANY_TEXT)
def test_code_span__shows_the_text_and_nothing_else(text: str) -> None:
    page = Page(f"before {escape.code_span(text)} after")
    assert (page.code or [""]) == [shown_in_code(text)]
    assert set(page.tags) <= {"p", "code"}
    assert page.text.strip() == ("before  after" if page.code else "before (empty) after")


@given(ANY_TEXT)
def test_code_cell__keeps_to_its_cell(text: str) -> None:
    page = Page(f"| a | b |\n| --- | --- |\n| {escape.code_cell(text)} | end |\n")
    assert (page.code or [""]) == [shown_in_code(text)]
    assert page.tags.count("td") == 2
    assert page.text.split() == (["a", "b", "end"] if page.code else ["a", "b", "(empty)", "end"])


@given(ANY_TEXT)
def test_code_block__keeps_every_line_inside(text: str) -> None:
    page = Page(f"before\n\n{escape.code_block(text)}\n\nafter")
    assert len(page.code) == 1
    assert set(page.tags) == {"p", "pre", "code"}
    assert page.text.split() == ["before", "after"]
    assert page.code[0].count("\n") == escape.visible(text).count("\n") + 1


@given(ANY_TEXT)
def test_code_block__no_line_is_a_command_of_the_runner(text: str) -> None:
    block = escape.code_block(text)
    assert "##[" not in block
    assert not any(line.strip().startswith("::") for line in re.split(r"[\r\n]", block))


@given(ANY_TEXT)
def test_html_code__is_one_code_element(text: str) -> None:
    page = Page(f"<details><summary>{escape.html_code(text)}</summary>\n\nbody\n\n</details>")
    assert set(page.tags) <= {"details", "summary", "code", "p"}
    assert page.comments == []
    assert "".join(page.code).strip(" ") == ("" if not text.strip(" ") else shown_in_code(text).strip(" "))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("json_output", r"json\_output"),
        ("@org/team", "@&#8203;org/team"),
        ("fixes #12", "fixes #&#8203;12"),
        ("# heading", r"\# heading"),
        ("#12", r"\#&#8203;12"),
        ("http://a", "http:&#8203;//a"),
        ("www.a.b", "www&#8203;.a.b"),
        ("a | b", r"a \| b"),
        ("1. x", r"1\. x"),
        ("- x\n- y", r"\- x - y"),
        ("suite: fine", "suite: fine"),
        ("91ab33c0", "91ab33&#8203;c0"),
        ("::error::x", ":&#8203;:&#8203;error:&#8203;:&#8203;x"),
        ("-44.6 pp", r"\-44.6 pp"),
        ("lost -44.6 pp (2 of 3)", "lost -44.6 pp (2 of 3)"),
    ],
)
def test_plain__literals(text: str, written: str) -> None:
    assert escape.plain(text) == written


@given(
    ANY_TEXT.filter(lambda text: text.strip() != ""),
    st.sampled_from(["{}", "- {}", "1. {}", "> **{}**", "|  |\n| --- |\n| {} |"]),
)
def test_plain__reads_as_itself_and_does_nothing(text: str, frame: str) -> None:
    page = Page(frame.format(escape.plain(text)))
    assert page.references() == []
    assert page.comments == []
    assert page.tags == Page(frame.format("x")).tags
    assert page.text.replace(ZERO_WIDTH_SPACE, "").strip() == " ".join(escape.visible(text).split())


def test_plain__nothing_stays_nothing() -> None:
    assert escape.plain(" \n") == ""


@given(ANY_TEXT, ANY_TEXT)
def test_prose__a_quoted_name_cannot_break_out_into_markup(name: str, rest: str) -> None:
    for page in (
        Page(f"- {escape.prose(f'Broke: `{name}`, {rest}')}"),
        Page(f"| a |\n| --- |\n| {escape.prose_cell(f'Broke: `{name}`, {rest}')} |"),
    ):
        assert set(page.tags) <= OUR_TAGS
        assert page.references() == []


def test_prose__quoted_names_become_code() -> None:
    sentence = "2 of 12 broke: `facts/a_b|c`, `x`."
    assert escape.prose(sentence) == "2 of 12 broke: `facts/a_b|c`, `x`."
    assert escape.prose_cell(sentence) == r"2 of 12 broke: `facts/a_b\|c`, `x`."


def test_prose__a_number_within_a_sentence_is_no_list() -> None:
    assert escape.prose("`a` 4.1 pp, - `b` 1. x") == "`a` 4.1 pp, - `b` 1. x"


@given(ANY_TEXT)
def test_terminal__is_one_line_without_control_characters_or_commands(text: str) -> None:
    shown = escape.terminal(text)
    assert shown.replace("\u3000", "").isprintable()
    assert "##[" not in shown
    assert not shown.strip().startswith("::")


def test_log_lines__keeps_colours_and_breaks_commands() -> None:
    assert escape.log_lines("\x1b[1mok\x1b[0m\n  ::error::x\na ##[add-mask]b\nstd::vector\n") == (
        "\x1b[1mok\x1b[0m\n  : :error::x\na ## [add-mask]b\nstd::vector\n"
    )
