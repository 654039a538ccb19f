"""Preflight checks on their way to the reader: counted, the notable ones in full, nothing lost or obeyed."""

import pytest
from builders import HOSTILE_TEXTS, a_check, a_failing_round, a_round
from github_page import Page

from gate.report import dump, load, markdown, terminal
from gate.report.preflight import allowed_warnings, in_short, notable, quiet, sentence, summary

MIXED = (
    a_check(id="P10", title="number format", message="float32, as stored."),
    a_check(id="P18", outcome="warn", message="Differs."),
    a_check(id="P22", outcome="allowed", message="No stop."),
    a_check(id="P28", title="training rows", outcome="skipped", message="No data."),
)


def test_summary__counts_what_could_be_made() -> None:
    assert summary(()) is None
    assert summary((a_check(), a_check())) == "Preflight 2 of 2"
    assert summary(MIXED) == "Preflight 1 of 3, 1 warning, 1 passed over on purpose, 1 could not be made"
    assert summary((a_check(outcome="fail"),)) == "Preflight 0 of 1, 1 failed"


def test_notable__the_worst_first_and_the_rest_apart() -> None:
    assert [check.id for check in notable(MIXED)] == ["P22", "P18"]
    assert [check.id for check in quiet(MIXED)] == ["P10", "P28"]
    assert [in_short(check) for check in quiet(MIXED)] == [
        "P10 number format (float32, as stored)",
        "P28 training rows (not made: No data)",
    ]
    assert in_short(a_check(title="end of turn")) == "P22 end of turn"


def test_allowed_warnings__only_what_was_downgraded() -> None:
    assert allowed_warnings(MIXED) == ("P22 was passed over on purpose (`allow`): No stop.",)
    assert sentence(MIXED[1]) == "P18 end of turn: warning: Differs."


def test_markdown__a_warning_is_seen_without_a_click_and_told_behind_one() -> None:
    before, after = markdown(a_failing_round()).split("<details>", 1)
    assert "- ⚠️ Preflight warns (P18); see below." in before
    assert "| ⚠️ allowed | P22 | end of turn |" in after
    assert after.index("| ⚠️ allowed | P22") < after.index("| ⚠️ | P18")
    assert "Preflight 1 of 3" in after


def test_markdown__checks_in_order_need_no_table() -> None:
    report = markdown(a_round(preflight=(a_check(),)))
    assert "- Preflight 1 of 1.\n- In order or not made: P22 end of turn.\n" in report
    assert "Preflight warns" not in report
    assert "Preflight" not in markdown(a_round())


def test_terminal__one_line_for_all_and_one_for_each_that_matters() -> None:
    lines = terminal(a_round(preflight=MIXED)).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("Preflight"))
    assert lines[start : start + 3] == [
        "Preflight 1 of 3, 1 warning, 1 passed over on purpose, 1 could not be made.",
        "- P22 end of turn: passed over on purpose (`allow`): No stop.",
        "- P18 end of turn: warning: Differs.",
    ]
    assert "Preflight" not in terminal(a_round())


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
@pytest.mark.parametrize("outcome", ["ok", "warn", "fail", "allowed", "skipped"])
def test_markdown__a_hostile_message_stays_text(text: str, outcome: str) -> None:
    round_ = a_round(preflight=(a_check(title=text, message=text, outcome=outcome),))
    page = Page(markdown(round_))
    assert page.references() == []
    assert page.attributes <= {"align", "class"}
    assert page.tags.count("details") == page.tags.count("summary") == 2
    shown = terminal(round_)
    assert all(line.replace("\u3000", "").isprintable() for line in shown.split("\n"))
    assert not any(line.strip().startswith("::") or "##[" in line for line in shown.split("\n"))


def test_dump__checks_come_back_exactly() -> None:
    round_ = a_round(preflight=MIXED)
    assert load(dump(round_)) == round_
