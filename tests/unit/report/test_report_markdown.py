from dataclasses import replace

import pytest
from builders import (
    HOSTILE_TEXTS,
    a_failing_round,
    a_finding,
    a_hostile_round,
    a_round,
    a_suite_summary,
    a_verdict,
    an_answer,
    an_evidence,
)
from github_page import OUR_TAGS, Page

from gate.domain import Round, VerdictOutcome
from gate.report import LIMIT_CHARACTERS, MARKER, markdown


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_markdown__hostile_text_stays_text(text: str) -> None:
    report = markdown(a_hostile_round(text))
    page = Page(report)
    assert set(page.tags) <= OUR_TAGS
    assert page.attributes <= {"align", "class"}
    assert page.references() == []
    assert page.comments == [" gate "]
    assert report.startswith(MARKER + "\n")
    assert report.count(MARKER) == 1
    assert page.tags.count("details") == page.tags.count("summary") == 4
    assert not any(line.strip().startswith("::") or "##[" in line for line in report.splitlines())
    report.encode("utf-8")


def test_markdown__tables_keep_their_shape_whatever_the_names() -> None:
    for text in HOSTILE_TEXTS:
        tags = Page(markdown(a_hostile_round(text))).tags
        assert tags.count("table") == 4
        assert tags.count("td") == 2 * 8 + 2 * 7 + 3 * 3 + 3 * 4


def test_markdown__model_and_case_text_stands_in_code_only() -> None:
    answer = an_answer(text="ANSWER\ntext", why="WHY | text")
    case = an_evidence(case="CASE", prompt="PROMPT\ntext", expected="EXPECTED", answers={"base": answer})
    page = Page(markdown(a_round(evidence=(case,))))
    assert not [word for word in ("ANSWER", "WHY", "CASE", "PROMPT", "EXPECTED") if word in page.text]
    assert {"ANSWER⏎text", "WHY | text", "CASE", "PROMPT\ntext\n", "EXPECTED"} <= set(page.code)


@pytest.mark.parametrize(
    ("outcome", "alert"),
    [("pass", "TIP"), ("fail", "CAUTION"), ("inconclusive", "WARNING"), ("error", "IMPORTANT")],
)
def test_markdown__begins_with_the_answer(outcome: VerdictOutcome, alert: str) -> None:
    report = markdown(a_round(verdict=a_verdict(outcome=outcome, headline="The answer.")))
    assert report.startswith(f"{MARKER}\n\n> [!{alert}]\n> **The answer.**\n\n|")


def test_markdown__a_finding_without_a_row_is_seen_without_a_click() -> None:
    findings = (a_finding(rule="critical", suite=None, outcome="fail", message="2 broke: `a`."), a_finding())
    assert "- ❌ **critical**: 2 broke: `a`.\n" in markdown(a_round(findings=findings)).split("<details>")[0]


def test_markdown__one_step_stands_on_one_line() -> None:
    round_ = a_round(findings=(a_finding(outcome="warn", advice=("Read it.",)),))
    assert "**Next:** Read it.\n" in markdown(round_)
    undecided = a_round(verdict=a_verdict(outcome="inconclusive"), evidence=(an_evidence(),))
    assert "**Next:** Read the case below.\n" in markdown(undecided)
    assert "**Next:**" not in markdown(a_round())


def test_markdown__warnings_beyond_five_are_folded() -> None:
    report = markdown(a_round(warnings=tuple(f"Warning {number}." for number in range(7))))
    before, after = report.split("<details><summary>More warnings (2)</summary>")
    assert before.count("- ⚠️ ") == 5
    assert after.count("- ⚠️ ") == 2


def test_markdown__answers_without_text_or_score() -> None:
    answers = {
        "base": an_answer(text="", score=None, why="no answer", finish="error"),
        "candidate": an_answer(text="so", score=0.5, finish="length"),
    }
    report = markdown(a_round(evidence=(an_evidence(answers=answers, expected=""),)))
    assert "| answer | (empty) | `so` |\n| score | no score, no answer | 0.5, cut by the token limit |" in report
    assert "expected" not in report


def test_markdown__cases_that_did_not_break_are_not_called_broken() -> None:
    round_ = a_round(comparisons=(), evidence=(an_evidence(),))
    assert "<summary>Cases to read: <code>facts</code> (1 shown)</summary>" in markdown(round_)


def test_markdown__a_rule_that_cannot_block_says_so() -> None:
    assert "| ❌ not blocking | max\\_drop |" in markdown(
        a_round(findings=(a_finding(outcome="fail", blocking=False),))
    )


def test_markdown__without_rules_commit_or_environment() -> None:
    report = markdown(a_round(findings=(), commit=None, environment={}))
    assert "Rules and limits" not in report
    assert "Environment" not in report
    assert report.endswith("<sub>no commit · gate 0.1.0 · 48 s</sub>\n")


def long_round(*, text: int = 0, messages: int = 0, findings: int = 1, suites: int = 1, warnings: int = 0) -> Round:
    """A round that grows where it is asked to; the characters are those that escaping makes longest."""
    answer = an_answer(text="\u202e" * text, why="\u202e" * text)
    case = an_evidence(prompt="\u202e" * text, expected="\u202e" * text, answers={"base": answer, "candidate": answer})
    return a_round(
        suites={f"facts{'_' * (number and 60)}{number}": a_suite_summary() for number in range(suites)},
        findings=tuple(a_finding(rule=f"rule-{number}", message="\u202e" * messages) for number in range(findings)),
        evidence=tuple(replace(case, case="\u202e" * 70 + str(number)) for number in range(12)),
        warnings=("w" * 900,) * warnings,
    )


@pytest.mark.parametrize(
    ("round_", "says"),
    [
        (long_round(text=400), "the texts of the cases are shortened"),
        (long_round(text=90, messages=300, findings=12), "the texts of the cases are left out"),
        (long_round(messages=1000, findings=8), "the cases are left out"),
        (long_round(messages=1000, findings=40), "the cases and the rules' messages are left out"),
        (long_round(findings=900), "the cases and the rules are left out"),
        (long_round(suites=900), "all but the first 20 suites, findings and warnings are left out"),
        (long_round(warnings=90), "all but the first 20 suites, findings and warnings are left out"),
    ],
    ids=["texts", "more-texts", "messages", "many-messages", "rules", "suites", "warnings"],
)
def test_markdown__sheds_the_least_needed_first_and_says_so(round_: Round, says: str) -> None:
    report = markdown(round_)
    assert len(report) <= LIMIT_CHARACTERS
    assert f"*This report would be too long for a comment: {says}" in report
    assert f"> **{round_.verdict.headline}**" in report
    page = Page(report)
    assert set(page.tags) <= OUR_TAGS
    assert page.tags.count("details") == page.tags.count("summary")


def test_markdown__the_verdict_survives_everything() -> None:
    endless = "@\u202e" * 40_000
    round_ = replace(a_hostile_round(endless), warnings=(endless,) * 50)
    many = replace(round_, suites={f"{number}{endless}": a_suite_summary(invalid={"base": 1}) for number in range(30)})
    report = markdown(many)
    assert len(report) <= LIMIT_CHARACTERS
    assert "everything but the verdict is left out" in report
    assert "… (+79,000 characters)" in report


def test_markdown__characters_beyond_the_first_plane_count_twice() -> None:
    answer = an_answer(text="🚀" * 400, why="🚀" * 400)
    case = an_evidence(prompt="🚀" * 400, expected="🚀" * 400, answers={"base": answer, "candidate": answer})
    report = markdown(a_round(evidence=(case,) * 10, warnings=("🚀" * 800,) * 20))
    assert len(report.encode("utf-16-le")) // 2 <= LIMIT_CHARACTERS


def test_markdown__same_round_same_text() -> None:
    assert markdown(a_failing_round()) == markdown(a_failing_round())
