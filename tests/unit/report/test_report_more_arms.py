"""Reports of a run with an incumbent and a prompted arm: columns, headings, and where a rule was looked at."""

import json
from typing import Any

import pytest
from builders import (
    a_comparison,
    a_distribution,
    a_finding,
    a_round,
    a_suite_summary,
    an_answer,
    an_arm,
    an_evidence,
)

from gate.domain import ArmName, Round
from gate.report import round_json, view
from gate.report.markdown import markdown
from gate.report.terminal import terminal

INCUMBENT = an_arm(name="incumbent", adapter="adapters/live", description="LoRA r=8, live")
PROMPTED = an_arm(name="prompted", description="base with 4 examples")


def a_round_of_four(**fields: Any) -> Round:
    """`facts` and `routing` against three arms, and the lengths of `production`."""
    comparisons = (
        a_comparison(estimate=0.96, against_estimate=0.99, delta=-0.03, low=-0.05, high=-0.01),
        a_comparison(against="incumbent", estimate=0.96, against_estimate=0.985, delta=-0.025),
        a_comparison(rule=None, against="prompted", estimate=0.96, against_estimate=0.99, delta=-0.03),
        a_comparison(rule="min_gain", suite="routing", estimate=0.9, against_estimate=0.7, delta=0.2, low=0.1, high=0.3),
        a_comparison(rule=None, suite="routing", against="incumbent", estimate=0.9, against_estimate=0.88, delta=0.02),
        a_comparison(rule="prompt_is_enough", suite="routing", against="prompted", estimate=0.9, against_estimate=0.86,
                     delta=0.04, p_regression_adjusted=0.9),
    )  # fmt: skip
    findings = (
        a_finding(),
        a_finding(against="incumbent", outcome="inconclusive", reason="underpowered", limit_text="drop at most 2 pp"),
        a_finding(rule="min_gain", suite="routing", limit_text="gain over 0 pp", observed=0.2),
        a_finding(rule="prompt_is_enough", suite="routing", against="prompted", outcome="warn", reason="prompt_is_enough",
                  observed=0.86 / 0.9, unit="share", limit_text="prompted base below 90.0 % of the candidate", p_value=0.9),
        a_finding(rule="critical", suite=None, against="incumbent", unit="count", observed=0, p_value=None),
    )  # fmt: skip
    arms = a_round().arms
    told = a_round(
        arms={"base": arms["base"], "incumbent": INCUMBENT, "prompted": PROMPTED, "candidate": arms["candidate"]},
        suites={
            "facts": a_suite_summary(),
            "routing": a_suite_summary(role="task", scorer="classification"),
            "production": a_suite_summary(role="distribution", scorer=None),
        },
        comparisons=comparisons,
        distributions=(
            a_distribution(),
            a_distribution(against="incumbent", against_estimate=22.0, change=-0.036, low=-0.09, high=0.02),
        ),
        findings=findings,
        evidence=(
            an_evidence(
                answers={
                    "base": an_answer(),
                    "incumbent": an_answer(text="Oslo, of course"),
                    "prompted": an_answer(text="The answer is Oslo"),
                    "candidate": an_answer(text="account", score=0.0, why="differs"),
                }
            ),
        ),
    )
    return Round(**{name: getattr(told, name) for name in told.__slots__} | fields)


def test_other_arms__in_the_order_of_the_round() -> None:
    assert view.other_arms(a_round_of_four()) == ("incumbent", "prompted")
    assert view.other_arms(a_round()) == ()


def test_suite_rows__have_a_figure_for_every_arm() -> None:
    facts, routing, production = view.suite_rows(a_round_of_four())
    assert (facts.base, facts.others, facts.candidate) == ("99.0 %", ("98.5 %", "99.0 %"), "96.0 %")
    assert (routing.base, routing.others, routing.candidate) == ("70.0 %", ("88.0 %", "86.0 %"), "90.0 %")
    assert production.others == ("22 tokens", view.DASH)


def test_suite_rows__the_change_is_against_the_base() -> None:
    facts, routing, production = view.suite_rows(a_round_of_four())
    assert (facts.change, routing.change, production.change) == ("-3.0 pp", "+20.0 pp", "-45 %")
    swapped = a_round_of_four(comparisons=a_round_of_four().comparisons[::-1])
    assert [row.change for row in view.suite_rows(swapped)] == ["-3.0 pp", "+20.0 pp", "-45 %"]


def test_suite_rows__the_limit_says_which_arm_it_was_held_against() -> None:
    facts, routing, _ = view.suite_rows(a_round_of_four())
    assert (facts.outcome, facts.limit) == ("inconclusive", "drop at most 2 pp (against incumbent): too few cases")
    assert routing.limit == (
        "prompted base below 90.0 % of the candidate (against prompted): a prompt does nearly as well"
    )


def test_suite_rows__an_arm_that_was_not_compared_is_a_dash() -> None:
    only_base = tuple(one for one in a_round_of_four().comparisons if one.against == "base")
    facts, *_ = view.suite_rows(a_round_of_four(comparisons=only_base))
    assert (facts.base, facts.others) == ("99.0 %", (view.DASH, view.DASH))


def test_rule_rows__places_name_the_arm_unless_it_is_the_base() -> None:
    rows = {(row.rule, row.where) for row in view.rule_rows(a_round_of_four())}
    assert rows == {
        ("max_drop", "facts"),
        ("max_drop", "facts, against incumbent"),
        ("min_gain", "routing"),
        ("prompt_is_enough", "routing, against prompted"),
        ("critical", "whole run, against incumbent"),
    }


def test_rule_rows__slice_and_pair_of_a_trade_off_come_before_the_arm() -> None:
    comparisons = tuple(
        a_comparison(rule="tradeoff", measure="tradeoff", against=against, delta=delta, task_suite=task)
        for against, delta, task in (("base", -0.2, "routing"), ("incumbent", -0.2, "summary"))
    )
    findings = (
        a_finding(rule="tradeoff", observed=-0.2, against="incumbent"),
        a_finding(slice="de", against="incumbent", outcome="fail"),
    )
    rows = view.rule_rows(a_round(comparisons=comparisons, findings=findings))
    assert [row.where for row in rows] == ["facts, slice de, against incumbent", "summary vs facts, against incumbent"]


def test_rule_rows__a_prompts_share_reads_as_a_share() -> None:
    (row,) = [row for row in view.rule_rows(a_round_of_four()) if row.rule == "prompt_is_enough"]
    assert (row.seen, row.p_value, row.outcome) == ("95.6 %", "0.9", "warn")


def table(report: str, first: str) -> list[list[str]]:
    """Cells of the Markdown table whose heading holds a word."""
    lines = report.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("|") and first in line)
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def test_markdown__a_column_for_each_arm() -> None:
    heading, rule, facts, routing, production = table(markdown(a_round_of_four()), "suite")
    assert heading == [
        "",
        "suite",
        "n",
        "base",
        "incumbent",
        "prompted",
        "candidate",
        "change [90 %]",
        "broke / fixed",
        "limit",
    ]
    assert len({len(row) for row in (heading, rule, facts, routing, production)}) == 1
    assert facts[3:7] == ["99.0 %", "98.5 %", "99.0 %", "96.0 %"]
    assert production[3:7] == ["38 tokens", "22 tokens", view.DASH, "21 tokens"]


def test_markdown__without_further_arms_no_further_columns() -> None:
    heading, *_ = table(markdown(a_round()), "suite")
    assert heading[3:5] == ["base", "candidate"]


def test_markdown__rules_and_cases_name_the_arms() -> None:
    report = markdown(a_round_of_four())
    rows = table(report, "where")
    assert "routing, against prompted" in [row[2] for row in rows]
    assert all(text in report for text in ("Oslo, of course", "The answer is Oslo", "adapters/live"))


@pytest.mark.parametrize("width", [80, 140])
def test_terminal__shows_every_arm(width: int) -> None:
    report = terminal(a_round_of_four(), width=width)
    assert all(len(line) <= width for line in report.splitlines())
    for text in ("incumbent", "prompted", "98.5 %", "86.0 %"):
        assert text in report


def test_round_json__keeps_every_arm() -> None:
    told = a_round_of_four()
    written = round_json.dump(told)
    names: list[ArmName] = list(json.loads(written)["arms"])
    assert sorted(names) == ["base", "candidate", "incumbent", "prompted"]
    assert view.suite_rows(round_json.load(written)) == view.suite_rows(told)
    assert round_json.load(written) == told
