import re
import subprocess
import sys

import pytest
from builders import (
    HOSTILE_TEXTS,
    a_failing_round,
    a_finding,
    a_hostile_round,
    a_round,
    a_suite_summary,
    a_verdict,
    an_evidence,
)

from gate.report import terminal

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("width", [80, 100, 140])
def test_terminal__fits_its_width(width: int) -> None:
    assert max(len(line) for line in terminal(a_failing_round(), width=width).splitlines()) <= width


@pytest.mark.parametrize("width", [1, 40, 60])
def test_terminal__a_very_narrow_one_still_tells_the_verdict(width: int) -> None:
    text = terminal(a_round(), width=width)
    assert text.startswith("Yes, open")
    assert max(len(line) for line in text.splitlines()) <= 40 if width < 40 else width


@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_terminal__hostile_text_stays_text(text: str, color: bool) -> None:
    shown = COLOUR.sub("", terminal(a_hostile_round(text), color=color))
    for line in shown.split("\n"):
        assert line.replace("\u3000", "").isprintable()
        assert not line.strip().startswith("::")
        assert "##[" not in line
    shown.encode("utf-8")


def test_terminal__markup_is_shown_not_obeyed() -> None:
    shown = terminal(a_round(verdict=a_verdict(headline="[red]x[/red] :rocket: [link=https://a]b[/link]")))
    assert shown.startswith("[red]x[/red] :rocket: [link=https://a]b[/link]\n")


def test_terminal__colour_changes_nothing_but_colour() -> None:
    coloured = terminal(a_failing_round(), color=True)
    assert "\x1b[" in coloured
    plain = [line.rstrip() for line in COLOUR.sub("", coloured).splitlines()]
    assert plain == terminal(a_failing_round()).splitlines()


def test_terminal__the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = terminal(a_failing_round()), terminal(a_failing_round(), color=True)
    for name, value in {"NO_COLOR": "1", "FORCE_COLOR": "1", "COLUMNS": "20", "TERM": "dumb"}.items():
        monkeypatch.setenv(name, value)
    assert (terminal(a_failing_round()), terminal(a_failing_round(), color=True)) == expected


def test_terminal__ends_with_the_signature() -> None:
    assert terminal(a_round()).endswith("\nsignature v1|seed:0|facts:ab12\n")


def test_terminal__what_is_empty_has_no_title() -> None:
    text = terminal(a_round(findings=()))
    assert not [title for title in ("Rules", "Answers", "Worst cases", "Warnings", "Next") if title in text]


def test_terminal__role_and_interval_move_below_where_it_is_narrow() -> None:
    assert "facts        " not in terminal(a_round(), width=100)
    assert "(regression)" not in terminal(a_round(), width=100)
    assert "(regression)" in terminal(a_round(), width=70)


def test_terminal__a_rule_that_did_not_pass_shows_its_p() -> None:
    findings = (
        a_finding(outcome="inconclusive", p_value=0.1326),
        a_finding(rule="critical", suite=None, outcome="fail", p_value=None, limit_text="none may break"),
        a_finding(outcome="fail", p_value=1e-12, blocking=False),
        a_finding(rule="passed", p_value=0.7),
    )
    lines = terminal(a_round(findings=findings)).splitlines()
    assert "FAIL  critical · whole run · none may break" in lines
    assert "?     max_drop · facts · drop at most 5 pp (default), p = 0.13" in lines
    assert "FAIL  max_drop · facts · drop at most 5 pp (default), p < 1e-9, not blocking" in lines
    assert "pass  passed · facts · drop at most 5 pp (default)" in lines


def test_terminal__shows_three_cases_and_says_where_the_others_are() -> None:
    few, many = (a_round(evidence=(an_evidence(),) * count) for count in (4, 30))
    assert terminal(few).count("facts/facts-1") == 3
    assert "\n  1 more: see report.md\n" in terminal(few)
    assert "\n  27 more: see report.md (shows 10) and round.json (all)\n" in terminal(many)
    assert "more: see" not in terminal(a_round(evidence=(an_evidence(),) * 3))


def test_terminal__long_texts_are_cut_to_the_line() -> None:
    text = terminal(a_round(evidence=(an_evidence(prompt="why " * 100),)), width=80)
    (line,) = [line for line in text.splitlines() if line.startswith("    prompt")]
    assert line.endswith(" characters)")
    assert 70 <= len(line) <= 80


def test_terminal__many_suites_with_long_names_keep_to_the_width() -> None:
    suites = {f"{'x' * 200}{number}": a_suite_summary() for number in range(3)}
    assert max(len(line) for line in terminal(a_round(suites=suites), width=80).splitlines()) <= 80


def test_report__importing_it_loads_nothing_heavy() -> None:
    code = "import gate.report, sys; print(sorted({'rich', 'pydantic', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
