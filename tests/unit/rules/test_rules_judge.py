"""What each rule concludes from a tested comparison; the tests themselves are tested in `tests/unit/stats`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from builders import a_case

from gate.domain import ArmName, Comparison, Finding, Hypothesis, Pair, Role
from gate.rules import Amount, Critical, MaxDrop, MinGain, MinScore, Rule, Tradeoff, default_rules
from gate.rules.base import Scope, SuiteFacts
from gate.rules.decide import Declared, adjust, decide
from gate.rules.verdict import combine, conclude, exit_code
from gate.stats.compare import compare
from gate.stats.side import Side

ARMS = frozenset[ArmName]({"base", "candidate"})


def pairs(*, fixed: int = 0, regressed: int = 0, n: int, right: bool = True, **fields: Any) -> tuple[Pair, ...]:
    """n cases of which some broke and some were fixed; the others are right on both arms, or wrong on both."""
    same = (1.0, 1.0) if right else (0.0, 0.0)
    values = [(1.0, 0.0)] * fixed + [(0.0, 1.0)] * regressed + [same] * (n - fixed - regressed)
    given = {"cluster": None, "tags": (), "critical": False} | fields
    return tuple(
        Pair(case=f"c{index}", candidate=candidate, reference=reference, **given)
        for index, (candidate, reference) in enumerate(values)
    )


def facts(name: str, role: Role, of: Sequence[Pair], scorer: str = "exact_match") -> SuiteFacts:
    cases = tuple(a_case(id=one.case, tags=one.tags, critical=one.critical, cluster=one.cluster) for one in of)
    return SuiteFacts(
        name=name, role=role, scorer=scorer, binary=True, metric="mean", cases=cases, pairs={"base": tuple(of)}
    )


def judge(rule: Rule, *suites: SuiteFacts, whole: bool = False, default: bool = False) -> Finding:
    """Let one rule stand under the first suite (or over the whole run) and judge."""
    by_name = {suite.name: suite for suite in suites}
    scope = Scope(suite=None if whole else suites[0], suites=by_name, arms=ARMS, alpha=0.05, default=default)

    def test(hypothesis: Hypothesis) -> Comparison:
        task = hypothesis.task_suite
        return compare(
            hypothesis,
            by_name[hypothesis.suite].pairs["base"],
            binary=True,
            seed=0,
            task=Side(pairs=by_name[task].pairs["base"], binary=True) if task else None,
        )

    _, (finding,) = decide([Declared(rule=rule, scope=scope)], test)
    return finding


def regression(**how: Any) -> SuiteFacts:
    return facts("json", "regression", pairs(**how))


def task(**how: Any) -> SuiteFacts:
    return facts("routing", "task", pairs(**how))


def test_max_drop__no_flips_in_100_cases_cannot_rule_out_2pp() -> None:
    finding = judge(MaxDrop(drop=Amount(0.02, "pp")), regression(n=100))
    assert (finding.outcome, finding.reason) == ("inconclusive", "underpowered")
    assert "about 149 cases would decide" in finding.message


def test_max_drop__no_flips_in_149_cases_rule_out_2pp() -> None:
    assert judge(MaxDrop(drop=Amount(0.02, "pp")), regression(n=149)).outcome == "pass"


def test_max_drop__a_proven_drop_fails() -> None:
    finding = judge(MaxDrop(drop=Amount(0.05, "pp")), regression(regressed=60, n=300))
    assert finding.outcome == "fail"
    assert finding.message == "Lost -20.0 pp (60 broke, 0 fixed): a drop over 5 pp is proven."
    assert finding.observed == pytest.approx(-0.2)
    assert finding.limit_text == "drop at most 5 pp"


def test_max_drop__a_small_proven_drop_is_inconclusive_against_the_margin() -> None:
    how = {"fixed": 10, "regressed": 25, "n": 500}
    finding = judge(MaxDrop(drop=Amount(0.02, "pp")), regression(**how))
    assert (finding.outcome, finding.reason) == ("inconclusive", "drop_significant_size_unproven")
    assert judge(MaxDrop(drop=Amount(0.02, "pp"), fail_null="zero"), regression(**how)).outcome == "fail"
    assert judge(MaxDrop(drop=Amount(0.02, "pp"), fail_null="any"), regression(**how)).outcome == "fail"


def test_max_drop__zero_passes_what_is_within_the_limit_as_observed() -> None:
    how = {"fixed": 10, "regressed": 25, "n": 500}
    assert judge(MaxDrop(drop=Amount(0.07, "pp"), fail_null="zero"), regression(**how)).outcome == "pass"
    any_drop = judge(MaxDrop(drop=Amount(0.07, "pp"), fail_null="any"), regression(**how))
    assert any_drop.outcome == "fail"
    assert "below the limit of 7 pp, but the rule fails on any" in any_drop.message


def test_max_drop__a_relative_limit_is_a_share_of_the_base() -> None:
    # 40 of 1,000 lost is 4 pp, but 8 % of a base that gets only half right.
    half_right = (*pairs(regressed=40, n=500), *pairs(n=500, right=False))
    relative = tuple(Pair(case=str(i), cluster=None, tags=(), critical=False, candidate=p.candidate, reference=p.reference)
                     for i, p in enumerate(half_right))  # fmt: skip
    suite = facts("json", "regression", relative)
    assert judge(MaxDrop(drop=Amount(0.06, "pp")), suite).outcome == "pass"
    assert judge(MaxDrop(drop=Amount(0.05, "%")), suite).outcome != "pass"


def test_max_drop__missing_cases_that_could_turn_the_verdict_are_named() -> None:
    missing = tuple(
        Pair(case=f"m{i}", cluster=None, tags=(), critical=False, candidate=None, reference=1.0) for i in range(20)
    )
    finding = judge(MaxDrop(drop=Amount(0.05, "pp")), facts("json", "regression", (*pairs(n=150), *missing)))
    assert (finding.outcome, finding.reason) == ("inconclusive", "missing_cases")
    assert "20 cases without a score could turn the verdict" in finding.message


def test_max_drop__nine_clusters_never_pass() -> None:
    clustered = tuple(pair for cluster in "abcdefghi" for pair in pairs(n=100, cluster=cluster))
    named = tuple(Pair(case=str(i), cluster=p.cluster, tags=(), critical=False, candidate=1.0, reference=1.0)
                  for i, p in enumerate(clustered))  # fmt: skip
    finding = judge(MaxDrop(drop=Amount(0.5, "pp")), facts("json", "regression", named))
    assert (finding.outcome, finding.reason) == ("inconclusive", "too_few_clusters")


def test_max_drop__no_score_at_all_is_an_error_not_a_pass() -> None:
    none = tuple(
        Pair(case=str(i), cluster=None, tags=(), critical=False, candidate=None, reference=None) for i in range(9)
    )
    finding = judge(MaxDrop(), facts("json", "regression", none))
    assert finding.outcome == "error"
    assert finding.message == "No case could be compared: 9 cases lack a score."


def test_max_drop__must_prove_turns_inconclusive_into_fail() -> None:
    finding = judge(MaxDrop(drop=Amount(0.02, "pp"), must_prove=True), regression(n=100))
    assert finding.outcome == "fail"
    assert finding.message.endswith("The rule demands proof (must_prove).")


def test_max_drop__a_slice_looks_at_its_cases_only() -> None:
    suite = facts("json", "regression", (*pairs(regressed=60, n=60, tags=("de",)), *pairs(n=600, tags=("en",))))
    assert judge(MaxDrop(slice="de"), suite).outcome == "fail"
    assert judge(MaxDrop(slice="en"), suite).outcome == "pass"
    assert (
        MaxDrop(slice="fr").problem(Scope(suite=suite, suites={}, arms=ARMS, alpha=0.05)) == "no case has the tag 'fr'"
    )


def test_min_gain__proven_marginal_unproven_and_lost() -> None:
    assert judge(MinGain(), task(fixed=60, regressed=2, n=300)).outcome == "pass"
    marginal = judge(MinGain(), task(fixed=20, regressed=0, n=1000))
    assert (marginal.outcome, marginal.reason) == ("warn", "marginal_gain")
    unproven = judge(MinGain(), task(fixed=3, regressed=2, n=300))
    assert (unproven.outcome, unproven.reason) == ("inconclusive", "no_gain_shown")
    assert unproven.message == (
        "No gain shown: +0.3 pp (2 broke, 3 fixed) on 300 cases; about 14,590 cases would decide if the gain is what "
        "was seen."
    )
    assert len(unproven.advice) >= 5
    lost = judge(MinGain(), task(fixed=2, regressed=40, n=300))
    assert lost.outcome == "fail"
    assert "proven that the task got worse" in lost.message
    assert lost.advice == unproven.advice


def test_min_gain__a_demanded_gain_shifts_both_tests() -> None:
    gained_10_pp = task(fixed=30, regressed=0, n=300)
    assert judge(MinGain(gain=Amount(0.05, "pp")), gained_10_pp).outcome == "pass"
    assert judge(MinGain(gain=Amount(0.10, "pp")), gained_10_pp).outcome == "inconclusive"
    too_little = judge(MinGain(gain=Amount(0.20, "pp")), gained_10_pp)
    assert too_little.outcome == "fail"
    assert "proven that the gain is smaller than 20 pp" in too_little.message


def test_min_score__above_below_and_too_close() -> None:
    ninety = regression(regressed=30, n=300)
    assert judge(MinScore(score="80%"), ninety).outcome == "pass"
    assert judge(MinScore(score="90%"), ninety).outcome == "inconclusive"
    below = judge(MinScore(score="95%"), ninety)
    assert below.outcome == "fail"
    assert below.message == "Proven to be below 95.0 %: 90.0 % on 300 cases."


def test_critical__one_broken_case_fails_whatever_the_average() -> None:
    good = pairs(fixed=100, n=300)
    broken = Pair(case="stop-button", cluster=None, tags=("safety",), critical=True, candidate=0.0, reference=1.0)
    suite = facts("json", "regression", (*good, broken))
    finding = judge(Critical(), suite, whole=True)
    assert finding.outcome == "fail"
    assert finding.message == "1 of 1 critical case broke: `json/stop-button`."
    assert finding.p_value is None
    assert judge(Critical(tag="safety"), suite, whole=True).outcome == "fail"


def test_critical__passes_when_none_broke_and_is_inconclusive_when_one_is_missing() -> None:
    kept = Pair(case="a", cluster=None, tags=(), critical=True, candidate=1.0, reference=1.0)
    lost = Pair(case="b", cluster=None, tags=(), critical=True, candidate=None, reference=1.0)
    assert judge(Critical(), facts("json", "regression", (kept,)), whole=True).outcome == "pass"
    finding = judge(Critical(), facts("json", "regression", (kept, lost)), whole=True)
    assert (finding.outcome, finding.reason) == ("inconclusive", "missing_cases")


def test_critical__about_no_case_is_a_problem() -> None:
    suite = regression(n=10)
    scope = Scope(suite=None, suites={"json": suite}, arms=ARMS, alpha=0.05)
    assert Critical().problem(scope) == "no case is marked critical"
    assert Critical(tag="safty").problem(scope) == "no case has the tag 'safty'"
    assert Critical(slice="x").problem(scope) == "no case has the tag 'x'"


def test_tradeoff__fails_when_the_loss_provably_outweighs_the_gain() -> None:
    finding = judge(Tradeoff(), task(fixed=30, n=300), regression(regressed=150, n=300), whole=True)
    assert finding.outcome == "fail"
    assert finding.suite == "json"
    assert "net -40.0 pp for routing against json" in finding.message


def test_tradeoff__passes_when_the_gain_provably_outweighs_every_loss() -> None:
    assert judge(Tradeoff(), task(fixed=120, n=300), regression(regressed=3, n=300), whole=True).outcome == "pass"


def test_tradeoff__an_unchanged_model_is_inconclusive_never_blocked() -> None:
    for flips in (0, 5, 30):
        how = {"fixed": flips, "regressed": flips, "n": 300}
        assert judge(Tradeoff(), task(**how), regression(**how), whole=True).outcome == "inconclusive"


def test_tradeoff__fifteen_points_do_not_pay_for_a_fifth() -> None:
    # Losing "20 %" outweighs a gain of 15 points in either reading: 20 points, or 20 % of 80.
    gain = task(fixed=300, n=2000)
    for lost in (400, 320):
        base_right = pairs(regressed=lost, n=1600)
        base_wrong = pairs(n=400, right=False)
        both = tuple(Pair(case=str(i), cluster=None, tags=(), critical=False, candidate=p.candidate, reference=p.reference)
                     for i, p in enumerate((*base_right, *base_wrong)))  # fmt: skip
        assert judge(Tradeoff(), gain, facts("format", "regression", both), whole=True).outcome == "fail"


def test_tradeoff__needs_a_side_that_gains_and_one_that_loses() -> None:
    def problem(*suites: SuiteFacts) -> str | None:
        return Tradeoff().problem(
            Scope(suite=None, suites={suite.name: suite for suite in suites}, arms=ARMS, alpha=0.05)
        )

    refusing = facts("refusal", "task", pairs(n=9), scorer="refusal")
    assert "no task suite" in (problem(regression(n=9)) or "")
    assert "no task suite" in (problem(regression(n=9), refusing) or "")
    assert "no regression suite" in (problem(task(n=9)) or "")
    assert problem(task(n=9), regression(n=9)) is None


def test_default_rules__per_role_and_scorer() -> None:
    assert default_rules("regression", "exact_match") == (MaxDrop(),)
    assert default_rules("task", "classification") == (MinGain(),)
    assert default_rules("regression", "refusal") == (MaxDrop(fail_null="any"),)
    assert default_rules("task", "refusal") == (MinGain(), MaxDrop(fail_null="any"))


def test_finding__says_where_a_limit_comes_from() -> None:
    assert judge(MaxDrop(), regression(n=300), default=True).limit_text == "drop at most 5 pp (default)"


def hypothesis(*, blocking: bool) -> Hypothesis:
    return Hypothesis(
        rule="max_drop", suite="s", slice=None, metric="mean", arm="candidate", against="base", measure="delta",
        margin=0.05, fail_margin=0.05, relative=False, alpha=0.05, blocking=blocking,
    )  # fmt: skip


def test_adjust__advisory_rules_do_not_weaken_blocking_ones() -> None:
    blocking = compare(hypothesis(blocking=True), pairs(regressed=30, n=200), binary=True, seed=0)
    p = blocking.p_regression
    assert p is not None
    members = [(hypothesis(blocking=True), blocking)] * 2 + [(hypothesis(blocking=False), blocking)] * 9
    adjusted = [one.p_regression_adjusted for one in adjust(members)]
    assert adjusted[:2] == [pytest.approx(2 * p)] * 2
    assert adjusted[2:] == [pytest.approx(min(1, 9 * p))] * 9


def a_finding(outcome: Any, *, blocking: bool = True) -> Finding:
    return Finding(
        rule="max_drop", suite="json", slice=None, against="base", outcome=outcome, blocking=blocking, reason=None,
        message="m", observed=None, unit="points", limit=None, limit_text="l", p_value=None,
        final=outcome != "inconclusive", guards=blocking,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (["pass", "pass"], "pass"),
        (["pass", "warn"], "pass"),
        (["pass", "inconclusive"], "inconclusive"),
        (["inconclusive", "fail"], "fail"),
        (["fail", "error"], "error"),
        ([], "inconclusive"),
    ],
)
def test_combine__worst_outcome_decides(outcomes: list[str], expected: str) -> None:
    assert combine([a_finding(outcome) for outcome in outcomes], {"json": "regression"}) == expected


def test_combine__without_a_regression_suite_nothing_passes() -> None:
    assert combine([a_finding("pass")], {"routing": "task"}) == "inconclusive"
    verdict = conclude([a_finding("pass")], [], roles={"routing": "task"}, fail_on="regression")
    assert "nothing was checked for regressions" in verdict.headline


def test_combine__a_regression_suite_that_no_rule_guards_protects_nothing() -> None:
    unguarded = replace(a_finding("pass"), guards=False)
    assert combine([unguarded], {"json": "regression"}) == "inconclusive"
    verdict = conclude([unguarded], [], roles={"json": "regression"}, fail_on="regression")
    assert "nothing was checked for regressions" in verdict.headline
    other = replace(a_finding("pass"), suite="facts")
    assert combine([unguarded, other], {"json": "regression", "facts": "regression"}) == "pass"
    verdict = conclude([unguarded, other], [], roles={"json": "regression", "facts": "regression"}, fail_on="never")
    assert verdict.headline == "Yes, open: Drops beyond the limits are ruled out in the one protected suite."


def test_combine__a_warning_without_proof_is_no_pass() -> None:
    warned = replace(a_finding("warn"), final=False)
    assert combine([a_finding("pass"), warned], {"json": "regression"}) == "inconclusive"


def test_combine__a_rule_that_does_not_block_never_matters() -> None:
    findings = [a_finding("pass"), a_finding("fail", blocking=False), a_finding("error", blocking=False)]
    assert combine(findings, {"json": "regression"}) == "pass"


@pytest.mark.parametrize(
    ("outcome", "fail_on", "code"),
    [
        ("pass", "inconclusive", 0),
        ("fail", "regression", 1),
        ("fail", "inconclusive", 1),
        ("fail", "never", 0),
        ("inconclusive", "regression", 0),
        ("inconclusive", "inconclusive", 2),
        ("inconclusive", "never", 0),
        ("error", "never", 4),
        ("error", "regression", 4),
    ],
)
def test_exit_code__by_outcome_and_policy(outcome: Any, fail_on: Any, code: int) -> None:
    assert exit_code(outcome, fail_on) == code
