import pytest
from builders import (
    a_comparison,
    a_distribution,
    a_failing_round,
    a_finding,
    a_round,
    a_suite_summary,
    an_arm,
)

from gate.domain import Reason, Round
from gate.report import background, view


def only_row(round_: Round) -> view.SuiteRow:
    (row,) = view.suite_rows(round_)
    return row


def test_suite_rows__follow_the_order_of_the_round() -> None:
    rows = view.suite_rows(a_failing_round())
    assert [row.suite for row in rows] == ["routing", "json_output", "facts", "refusal", "production"]
    assert [row.outcome for row in rows] == ["pass", "fail", "fail", "pass", None]


def test_suite_rows__figures_of_a_judged_suite() -> None:
    row = view.suite_rows(a_failing_round())[1]
    assert (row.cases, row.base, row.candidate, row.flips) == ("300", "100.0 %", "55.4 %", "134 / 0")
    assert (row.change, row.interval, row.notable) == ("-44.6 pp", "[-49.4, -39.9]", True)
    assert row.limit == "drop at most 2 pp"


def test_suite_rows__figures_of_a_distribution() -> None:
    row = view.suite_rows(a_failing_round())[-1]
    assert (row.cases, row.base, row.candidate, row.flips) == ("350", "38 tokens", "21 tokens", "")
    assert (row.change, row.interval, row.limit) == ("-45 %", "[-49, -40]", "shown, not judged")


def test_suite_rows__unknown_is_a_dash() -> None:
    unknown = a_comparison(estimate=None, against_estimate=None, delta=None, low=None, high=None)
    row = only_row(a_round(comparisons=(unknown,), findings=()))
    assert (row.cases, row.base, row.candidate, row.change, row.interval) == ("300", "—", "—", "—", "")
    moved = a_distribution(suite="facts", estimate=None, against_estimate=1.2, change=None, low=None, high=0.1)
    row = only_row(a_round(comparisons=(), findings=(), distributions=(moved,)))
    assert (row.base, row.candidate, row.change, row.interval) == ("1 token", "—", "—", "[—, +10]")
    row = only_row(a_round(comparisons=(a_comparison(delta=None, low=None, high=None),)))
    assert (row.base, row.change) == ("99.0 %", "—")


def test_suite_rows__zero_has_no_sign() -> None:
    row = only_row(a_round(comparisons=(a_comparison(delta=-0.0, low=-0.0001, high=0.0001),)))
    assert (row.change, row.interval, row.notable) == ("0.0 pp", "[0.0, 0.0]", False)


def test_suite_rows__take_the_comparison_of_the_whole_suite_with_the_base() -> None:
    others = (
        a_comparison(slice="de", delta=-0.5),
        a_comparison(against=None, delta=-0.4),
        a_comparison(measure="tradeoff", task_suite="routing", delta=-0.3),
        a_comparison(estimate=None, delta=-0.2),
    )
    assert only_row(a_round(comparisons=(*others, a_comparison(delta=-0.1)))).change == "-10.0 pp"


def test_suite_rows__name_their_worst_finding() -> None:
    findings = (
        a_finding(),
        a_finding(slice="de", outcome="inconclusive", reason="underpowered", limit_text="drop at most 2 pp"),
        a_finding(outcome="warn", reason="marginal_gain"),
        a_finding(suite=None, outcome="error"),
    )
    row = only_row(a_round(findings=findings))
    assert row.outcome == "inconclusive"
    assert row.limit == "drop at most 2 pp (slice de): too few cases"


def test_suite_rows__a_blocking_failure_goes_before_another() -> None:
    findings = (a_finding(outcome="fail", blocking=False), a_finding(outcome="fail", limit_text="drop at most 1 pp"))
    assert only_row(a_round(findings=findings)).limit == "drop at most 1 pp"
    assert only_row(a_round(findings=findings[:1])).limit == "drop at most 5 pp (default) (not blocking)"


@pytest.mark.parametrize(("reason", "words"), [("missing_cases", "missing cases"), ("no_gain_shown", "no gain shown")])
def test_suite_rows__say_why_nothing_was_decided(reason: Reason, words: str) -> None:
    assert words in only_row(a_round(findings=(a_finding(outcome="inconclusive", reason=reason),))).limit


def test_change_heading__names_the_level_that_all_share() -> None:
    assert view.change_heading(a_round()) == "change [90 %]"
    assert view.change_heading(a_round(comparisons=())) == "change"


def test_change_heading__levels_that_differ_stand_in_the_rows() -> None:
    round_ = a_round(
        suites={"facts": a_suite_summary(), "json": a_suite_summary()},
        comparisons=(a_comparison(), a_comparison(suite="json", level=0.975)),
    )
    assert view.change_heading(round_) == "change"
    assert [row.interval for row in view.suite_rows(round_)] == ["[-1.3, +1.3] at 90 %", "[-1.3, +1.3] at 97.5 %"]


def test_rule_rows__the_worst_come_first() -> None:
    rows = view.rule_rows(a_failing_round())
    assert [row.outcome for row in rows] == ["fail"] * 4 + ["pass"] * 2
    assert [row.rule for row in rows] == ["max_drop", "max_drop", "critical", "tradeoff", "min_gain", "max_drop"]


def test_rule_rows__places_and_figures() -> None:
    rows = {(row.rule, row.where): row for row in view.rule_rows(a_failing_round())}
    critical = rows["critical", "whole run"]
    assert (critical.seen, critical.p_value, critical.run_wide) == ("2", "observed", True)
    tradeoff = rows["tradeoff", "routing vs facts"]
    assert (tradeoff.seen, tradeoff.p_value, tradeoff.run_wide) == ("-67.1 pp", "< 1e-9", False)


def test_rule_rows__a_trade_off_names_the_pair_that_it_speaks_of() -> None:
    pairs = tuple(a_comparison(rule="tradeoff", delta=delta, task_suite=f"task{delta}") for delta in (0.1, -0.2))
    findings = (a_finding(rule="tradeoff", observed=-0.2, slice="de"), a_finding(rule="tradeoff", observed=-0.2))
    rows = view.rule_rows(a_round(comparisons=pairs, findings=findings))
    assert [row.where for row in rows] == ["facts, slice de", "task-0.2 vs facts"]


def test_rule_rows__what_is_unknown_is_a_dash() -> None:
    (row,) = view.rule_rows(a_round(findings=(a_finding(outcome="error", observed=None, p_value=None),)))
    assert (row.seen, row.p_value) == ("—", "—")


def test_rule_rows__a_score_is_a_share() -> None:
    (row,) = view.rule_rows(a_round(findings=(a_finding(rule="min_score", observed=0.805, unit="share"),)))
    assert row.seen == "80.5 %"


def test_notes__tell_of_odd_answers() -> None:
    summary = a_suite_summary(errors={"base": 2, "candidate": 1}, invalid={"base": 0}, truncated={"candidate": 1300})
    round_ = a_round(suites={"facts": summary}, comparisons=(a_comparison(dropped=3, clusters=25),))
    assert view.notes(round_) == (
        (
            "facts",
            (
                "no answer or no score: base 2, candidate 1; cut by the token limit: candidate 1,300; "
                "3 cases left out of the comparison; cases form 25 clusters"
            ),
        ),
    )
    assert view.notes(a_round()) == ()


@pytest.mark.parametrize(("value", "text"), [(1.0, "1"), (0.0, "0"), (1 / 3, "0.333"), (None, "no score")])
def test_score__literals(value: float | None, text: str) -> None:
    assert view.score(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "under 1 s"), (47.6, "48 s"), (59.7, "1 min 00 s"), (192, "3 min 12 s"), (3905, "1 h 05 min")],
)
def test_duration__literals(seconds: float, text: str) -> None:
    assert background.duration(seconds) == text


def test_made_of__says_what_is_known() -> None:
    assert background.made_of(an_arm(model=None)) == "recorded answers"
    arm = an_arm(model="Qwen/Qwen2.5-0.5B", revision="7ae557604adf67be", adapter="adapters/a")
    assert background.made_of(arm) == "Qwen/Qwen2.5-0.5B@7ae557604adf + adapters/a"


def test_short_digest__unknown_is_a_dash() -> None:
    assert (background.short_digest(None), background.short_digest("ab" * 32)) == ("—", "abababababab")


def test_provenance__outside_a_repository() -> None:
    assert background.provenance(a_round(commit=None, environment={})) == ("no commit", "gate 0.1.0", "48 s")


def test_provenance__device_and_cache_where_they_are_known() -> None:
    known = a_round(environment={"device": "cuda:0, NVIDIA A10", "answers from the cache": "1,200"})
    assert background.provenance(known)[2:] == ("48 s on cuda:0, NVIDIA A10", "1,200 answers from the cache")


def test_method_sentences__nothing_judged_nothing_claimed() -> None:
    assert background.method_sentences(a_round(comparisons=(a_comparison(rule=None),))) == ()


def test_method_sentences__methods_levels_and_power() -> None:
    comparisons = (
        a_comparison(),
        a_comparison(suite="json", level=0.98, method="Gaffke bound", smallest_detectable_drop=None),
    )
    tests, alpha, _, power = background.method_sentences(a_round(comparisons=comparisons))
    assert tests == "Tests: exact unconditional test, Tango interval; Gaffke bound."
    assert alpha.startswith("Alpha 0.05 and 0.01, one-sided; the ends of an interval at 90 % and 98 %")
    assert power == "Smallest drop that would be proven four times in five, by one rule alone: `facts` 6.2 pp."
