"""Rules beyond the plain drop and gain, through `decide`: flips, retention, prompts, shifts, and other arms."""

import math
import re
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, Literal

import pytest
from builders import a_case, a_pair
from pydantic import ValidationError
from scipy.stats import binom

from gate.domain import ArmName, Comparison, Finding, Hypothesis, Pair, Role, Verdict
from gate.rules import (
    Amount,
    Critical,
    MaxDrop,
    MaxFlips,
    MaxShift,
    MinGain,
    MinScore,
    PromptIsEnough,
    Retention,
    Rule,
    Tradeoff,
)
from gate.rules.base import Scope, SuiteFacts
from gate.rules.decide import Declared, decide
from gate.rules.verdict import conclude
from gate.scorers.properties import Property
from gate.stats.compare import compare
from gate.stats.side import Side

ARMS = frozenset[ArmName]({"base", "incumbent", "prompted", "candidate"})
ALPHA = 0.05


def pp(points: float) -> Amount:
    return Amount(points / 100, "pp")


def scores(*groups: tuple[int, float | None, float | None], **fields: Any) -> tuple[Pair, ...]:
    """Pairs from groups of (how many, candidate, reference)."""
    values = [(candidate, reference) for count, candidate, reference in groups for _ in range(count)]
    return tuple(
        a_pair(case=f"c{index}", candidate=candidate, reference=reference, **fields)
        for index, (candidate, reference) in enumerate(values)
    )


def facts(
    name: str, role: Role, *, scorer: str = "exact_match", binary: bool = True, **pairs: Sequence[Pair]
) -> SuiteFacts:
    """A suite with the candidate's pairs against each named arm; its cases are those of the first arm."""
    first = next(iter(pairs.values()))
    cases = tuple(a_case(id=one.case, tags=one.tags, critical=one.critical, cluster=one.cluster) for one in first)
    known: dict[ArmName, tuple[Pair, ...]] = {
        arm: tuple(pairs[arm]) for arm in ("base", "incumbent", "prompted") if arm in pairs
    }
    return SuiteFacts(name=name, role=role, scorer=scorer, binary=binary, metric="mean", cases=cases, pairs=known)


def regression(*groups: tuple[int, float | None, float | None], arm: str = "base") -> SuiteFacts:
    return facts("json", "regression", **{arm: scores(*groups)})


def task(*groups: tuple[int, float | None, float | None], arm: str = "base", name: str = "routing") -> SuiteFacts:
    return facts(name, "task", **{arm: scores(*groups)})


def decided(
    rules: Sequence[Rule], suites: Sequence[SuiteFacts], *, whole: bool = False, properties: Sequence[Pair] = ()
) -> tuple[tuple[Comparison, ...], tuple[Finding, ...]]:
    """Let rules stand under the first suite, or over the whole run, and judge."""
    by_name = {suite.name: suite for suite in suites}
    scope = Scope(suite=None if whole else suites[0], suites=by_name, arms=ARMS, alpha=ALPHA)

    def test(hypothesis: Hypothesis) -> Comparison:
        against, gaining = hypothesis.against or "base", hypothesis.task_suite
        mine = properties if hypothesis.measure == "shift" else by_name[hypothesis.suite].pairs[against]
        task = Side(pairs=by_name[gaining].pairs[against], binary=True) if gaining else None
        return compare(hypothesis, mine, binary=by_name[hypothesis.suite].binary, seed=0, task=task)

    return decide([Declared(rule=rule, scope=scope) for rule in rules], test)


def judge(rule: Rule, *suites: SuiteFacts, whole: bool = False, properties: Sequence[Pair] = ()) -> Finding:
    _, (finding,) = decided([rule], suites, whole=whole, properties=properties)
    return finding


def problem(rule: Rule, *suites: SuiteFacts, whole: bool = False, arms: frozenset[ArmName] = ARMS) -> str | None:
    by_name = {suite.name: suite for suite in suites}
    return rule.problem(Scope(suite=None if whole else suites[0], suites=by_name, arms=arms, alpha=ALPHA))


def said_cases(finding: Finding) -> int:
    """The N of `about N cases`."""
    match = re.search(r"about ([0-9,]+) cases", finding.message)
    assert match is not None, finding.message
    return int(match[1].replace(",", ""))


def planned(variance: float, distance: float) -> float:
    """Cases for 80 % power of a one-sided z test at 5 %, from the variance of one case."""
    normal = NormalDist()
    return variance * ((normal.inv_cdf(1 - ALPHA) + normal.inv_cdf(0.8)) / distance) ** 2


# max_flips


def test_max_flips__fixes_do_not_pay_for_what_broke() -> None:
    finding = judge(MaxFlips(rate=pp(3)), regression((30, 0.0, 1.0), (100, 1.0, 0.0), (170, 1.0, 1.0)))
    assert (finding.outcome, finding.reason) == ("fail", None)
    assert finding.message == "30 of 300 cases broke (10.0 %): a rate over 3.0 % is proven."
    assert (finding.observed, finding.limit, finding.unit) == (pytest.approx(0.1), 0.03, "share")
    assert finding.limit_text == "at most 3 pp may break"


def test_max_flips__p_value_is_the_exact_binomial_tail() -> None:
    (comparison,), (finding,) = decided([MaxFlips(rate=pp(3))], [regression((16, 0.0, 1.0), (284, 1.0, 1.0))])
    assert comparison.p_regression == pytest.approx(float(binom.sf(15, 300, 0.03)), rel=0.05)
    assert finding.p_value == comparison.p_regression


def test_max_flips__passes_when_a_higher_rate_is_ruled_out() -> None:
    # The chance of no flip at all is 0.97 ** n, first below 5 % at n = 99.
    at_99 = judge(MaxFlips(rate=pp(3)), regression((99, 1.0, 1.0)))
    assert (at_99.outcome, at_99.message) == ("pass", "0 of 99 cases broke (0.0 %): a rate over 3.0 % is ruled out.")
    assert judge(MaxFlips(rate=pp(3)), regression((98, 1.0, 1.0))).outcome == "inconclusive"


def test_max_flips__says_how_many_cases_would_decide() -> None:
    finding = judge(MaxFlips(rate=pp(3)), regression((12, 0.0, 1.0), (288, 1.0, 1.0)))
    assert (finding.outcome, finding.reason) == ("inconclusive", "straddles_margin")
    cases = said_cases(finding)
    assert cases == pytest.approx(planned(0.04 * 0.96, 0.01), rel=0.25)
    # So many cases really decide: the exact test's power, from the binomial distribution alone.
    least = int(binom.isf(ALPHA, cases, 0.03)) + 1
    assert 0.75 < float(binom.sf(least - 1, cases, 0.04)) < 0.95


def test_max_flips__at_the_limit_no_number_of_cases_is_named() -> None:
    finding = judge(MaxFlips(rate=pp(5)), regression((15, 0.0, 1.0), (285, 1.0, 1.0)))
    assert finding.message == "15 of 300 cases broke (5.0 %): a rate over 5.0 % is neither proven nor ruled out."


def test_max_flips__missing_cases_may_have_broken() -> None:
    finding = judge(MaxFlips(rate=pp(3)), regression((150, 1.0, 1.0), (10, None, 1.0)))
    assert (finding.outcome, finding.reason) == ("inconclusive", "missing_cases")
    assert "about" not in finding.message


def test_max_flips__must_prove_and_unscored() -> None:
    finding = judge(MaxFlips(rate=pp(3), must_prove=True), regression((50, 1.0, 1.0)))
    assert finding.outcome == "fail"
    assert finding.message.endswith("The rule demands proof (must_prove).")
    assert judge(MaxFlips(rate=pp(3)), regression((9, None, 1.0))).outcome == "error"


def test_max_flips__is_a_problem_under_a_scorer_of_parts() -> None:
    suite = facts("json", "regression", scorer="json_schema", binary=False, base=scores((9, 0.5, 1.0)))
    assert problem(MaxFlips(rate=pp(3)), suite) == (
        "it counts answers that were right and became wrong; json_schema gives parts of a score"
    )
    assert problem(MaxFlips(rate=pp(3)), regression((9, 1.0, 1.0))) is None


def test_max_flips__a_rate_is_in_points() -> None:
    with pytest.raises(ValidationError, match="only percentage points make sense here: write '3pp'"):
        MaxFlips.model_validate({"rate": "3%"})


# retention


def test_retention__counts_only_what_worked() -> None:
    suite = regression((95, 1.0, 1.0), (5, 0.0, 1.0), (80, 0.0, 0.0), (20, 1.0, 0.0))
    finding = judge(Retention(), suite)
    assert (finding.outcome, finding.observed, finding.unit) == ("pass", 0.95, "share")
    assert finding.message == "95 of 100 cases that worked still do: lost `c95`, `c96`, `c97`, `c98`, `c99`."
    assert finding.p_value is None
    assert finding.limit_text == "keep at least 95.0 % of what worked"


def test_retention__one_case_too_many_fails_and_names_five() -> None:
    finding = judge(Retention(), regression((94, 1.0, 1.0), (6, 0.0, 1.0)))
    assert finding.outcome == "fail"
    assert finding.message == "94 of 100 cases that worked still do: lost `c94`, `c95`, `c96`, `c97`, `c98` and 1 more."


def test_retention__a_hundred_per_cent_is_exact() -> None:
    assert judge(Retention(share="100%"), regression((300, 1.0, 1.0))).outcome == "pass"
    assert judge(Retention(share="100%"), regression((2999, 1.0, 1.0), (1, 0.0, 1.0))).outcome == "fail"


def test_retention__partly_right_is_neither_good_before_nor_kept_now() -> None:
    finding = judge(Retention(), regression((9, 1.0, 1.0), (1, 0.9, 1.0), (50, 0.0, 0.9)))
    assert finding.message == "9 of 10 cases that worked still do: lost `c9`."
    assert finding.outcome == "fail"


@pytest.mark.parametrize(
    ("kept", "lost", "unanswered", "outcome"),
    [
        (100, 0, 5, "pass"),
        (94, 0, 6, "inconclusive"),
        (94, 1, 5, "inconclusive"),
        (94, 5, 10, "inconclusive"),
        (94, 6, 10, "fail"),
    ],
)
def test_retention__a_missing_answer_is_neither_kept_nor_lost(
    kept: int, lost: int, unanswered: int, outcome: str
) -> None:
    finding = judge(Retention(), regression((kept, 1.0, 1.0), (lost, 0.0, 1.0), (unanswered, None, 1.0)))
    assert finding.outcome == outcome
    assert finding.observed == pytest.approx(kept / (kept + lost))
    assert (finding.reason == "missing_cases") is (outcome == "inconclusive")


def test_retention__all_answers_missing_leaves_it_open() -> None:
    finding = judge(Retention(), regression((10, None, 1.0)))
    assert (finding.outcome, finding.observed) == ("inconclusive", None)
    assert finding.message == "0 of 10 cases that worked still do; 10 cases without a score could turn the verdict."


def test_retention__what_the_reference_arm_said_may_be_missing() -> None:
    finding = judge(Retention(), regression((95, 1.0, 1.0), (10, None, None)))
    assert (finding.outcome, finding.reason) == ("inconclusive", "missing_cases")
    assert judge(Retention(), regression((300, 1.0, 1.0), (10, None, None))).outcome == "pass"
    assert judge(Retention(), regression((50, 0.0, 1.0), (50, 1.0, 1.0), (10, None, None))).outcome == "fail"


@pytest.mark.parametrize(("candidate", "kept", "lost", "outcome"), [(1.0, 100, 0, "pass"), (0.0, 94, 6, "fail")])
def test_retention__a_known_candidate_narrows_what_could_have_been(
    candidate: float, kept: int, lost: int, outcome: str
) -> None:
    # Right now: whatever the base said, nothing was lost. Wrong now: whatever the base said, nothing was kept.
    suite = regression((kept, 1.0, 1.0), (lost, 0.0, 1.0), (40, candidate, None))
    assert judge(Retention(), suite).outcome == outcome


def test_retention__nothing_worked_before() -> None:
    finding = judge(Retention(), regression((20, 1.0, 0.0)))
    assert (finding.outcome, finding.reason) == ("inconclusive", "degenerate")
    assert finding.message == "None of 20 cases worked before: there is nothing to keep."
    assert judge(Retention(), regression((20, 1.0, None))).reason == "missing_cases"
    assert judge(Retention(must_prove=True), regression((20, 1.0, 0.0))).outcome == "fail"


def test_retention__a_slice_looks_at_its_cases_only() -> None:
    german = tuple(a_pair(case=f"d{index}", tags=("de",), candidate=0.0) for index in range(10))
    suite = facts("json", "regression", base=(*german, *scores((500, 1.0, 1.0))))
    assert judge(Retention(), suite).outcome == "pass"
    assert judge(Retention(slice="de"), suite).message.startswith("0 of 10 cases")
    assert problem(Retention(slice="fr"), suite) == "no case has the tag 'fr'"


# prompt_is_enough


def test_prompt_is_enough__a_proven_loss_against_the_prompt_fails() -> None:
    finding = judge(PromptIsEnough(), task((50, 0.0, 1.0), (150, 1.0, 1.0), arm="prompted"))
    assert (finding.outcome, finding.reason, finding.against, finding.suite) == (
        "fail",
        "prompt_is_enough",
        "prompted",
        "routing",
    )
    assert finding.message == (
        "On routing the prompted base scores 100.0 %, the candidate 75.0 %, that is -25.0 pp (50 broke, 0 fixed): "
        "the candidate is worse than a good prompt on the base, proven."
    )
    assert finding.observed == pytest.approx(4 / 3)
    assert finding.advice


@pytest.mark.parametrize(("prompt_right", "outcome"), [(180, "warn"), (179, "pass")])
def test_prompt_is_enough__warns_from_the_share_on(prompt_right: int, outcome: str) -> None:
    # The candidate is right 200 times of 300; the prompt 180 (90 %) or 179 times.
    suite = task((prompt_right, 1.0, 1.0), (200 - prompt_right, 1.0, 0.0), (100, 0.0, 0.0), arm="prompted")
    finding = judge(PromptIsEnough(), suite)
    assert (finding.outcome, finding.reason) == (outcome, "prompt_is_enough" if outcome == "warn" else None)
    assert finding.observed == pytest.approx(prompt_right / 200)
    assert bool(finding.advice) is (outcome == "warn")


def test_prompt_is_enough__must_prove_accepts_a_proven_win_above_the_share() -> None:
    better = task((180, 1.0, 1.0), (20, 1.0, 0.0), (100, 0.0, 0.0), arm="prompted")
    assert judge(PromptIsEnough(must_prove=True), better).outcome == "warn"
    assert judge(PromptIsEnough(must_prove=True, share="95%"), better).outcome == "pass"


def test_prompt_is_enough__must_prove_refuses_a_draw() -> None:
    draw = task((150, 1.0, 1.0), (3, 1.0, 0.0), (2, 0.0, 1.0), (45, 0.0, 0.0), arm="prompted")
    assert judge(PromptIsEnough(), draw).outcome == "warn"
    strict = judge(PromptIsEnough(must_prove=True), draw)
    assert (strict.outcome, strict.reason) == ("fail", "no_gain_shown")
    assert "which of the two is better is not proven" in strict.message
    assert strict.message.endswith("The rule demands proof (must_prove).")


def test_prompt_is_enough__below_the_share_but_unproven_is_open() -> None:
    finding = judge(
        PromptIsEnough(), task((20, 1.0, 1.0), (16, 1.0, 0.0), (8, 0.0, 1.0), (80, 0.0, 0.0), arm="prompted")
    )
    assert (finding.outcome, finding.reason) == ("inconclusive", "no_gain_shown")
    assert "which of the two is better is not proven" in finding.message
    assert said_cases(finding) == pytest.approx(planned(24 / 124 - (8 / 124) ** 2, 8 / 124), rel=0.25)


def test_prompt_is_enough__a_candidate_that_scores_nothing_counts_as_reached() -> None:
    finding = judge(PromptIsEnough(), task((20, 0.0, 0.0), arm="prompted"))
    assert (finding.outcome, finding.observed) == ("warn", 1.0)


def test_prompt_is_enough__the_task_on_which_the_prompt_does_best_speaks_for_all() -> None:
    clear = task((100, 1.0, 0.0), (100, 1.0, 1.0), arm="prompted")
    close = task((195, 1.0, 1.0), (5, 1.0, 0.0), arm="prompted", name="summary")
    lost = task((60, 0.0, 1.0), (140, 1.0, 1.0), arm="prompted", name="lists")
    assert judge(PromptIsEnough(), clear, whole=True).outcome == "pass"
    warned = judge(PromptIsEnough(), clear, close, whole=True)
    assert (warned.outcome, warned.suite) == ("warn", "summary")
    failed = judge(PromptIsEnough(), clear, close, lost, whole=True)
    assert (failed.outcome, failed.suite) == ("fail", "lists")


def test_prompt_is_enough__missing_scores_that_could_turn_it_leave_it_open() -> None:
    finding = judge(PromptIsEnough(), task((20, 1.0, 0.0), (100, 1.0, 1.0), (30, None, 1.0), arm="prompted"))
    assert (finding.outcome, finding.reason) == ("inconclusive", "missing_cases")
    assert judge(PromptIsEnough(), task((9, None, 1.0), arm="prompted")).outcome == "error"


def test_prompt_is_enough__problems() -> None:
    suite = regression((9, 1.0, 1.0), arm="prompted")
    without = frozenset[ArmName]({"base", "candidate"})
    assert problem(PromptIsEnough(), suite, whole=True) == (
        "there is no task suite on which prompt and fine-tune could be compared"
    )
    assert problem(PromptIsEnough(), task((9, 1.0, 1.0), arm="prompted"), arms=without) == (
        "there is no arm to compare with: add `prompted:` to the configuration"
    )
    assert problem(PromptIsEnough(), suite, task((9, 1.0, 1.0), arm="prompted"), whole=True) is None
    with pytest.raises(ValidationError):
        PromptIsEnough.model_validate({"against": "base"})


# max_shift


def unlabelled() -> SuiteFacts:
    return facts("production", "distribution", scorer="exact_match", base=scores((1, 1.0, 1.0)))


def lengths(factor: float, n: int = 200) -> tuple[Pair, ...]:
    """Lengths of 20 to 69 tokens on the reference arm; the candidate's are `factor` times as long, give or take."""
    return tuple(
        a_pair(case=f"p{i}", candidate=factor * (20 + i % 50) * (1.05 if i % 2 else 1 / 1.05), reference=20.0 + i % 50)
        for i in range(n)
    )


def kinds(*groups: tuple[int, str, str]) -> tuple[Pair, ...]:
    labels = [(mine, other) for count, mine, other in groups for _ in range(count)]
    return tuple(
        a_pair(case=f"p{i}", candidate=None, reference=None, candidate_labels=(mine,), reference_labels=(other,))
        for i, (mine, other) in enumerate(labels)
    )


@pytest.mark.parametrize(
    ("factor", "n", "outcome"),
    [(0.55, 200, "fail"), (1.9, 200, "fail"), (1.0, 200, "pass"), (0.8, 200, "pass"), (0.75, 200, "inconclusive")],
)
def test_max_shift__lengths_move_by_a_ratio_in_either_direction(factor: float, n: int, outcome: str) -> None:
    finding = judge(MaxShift(measure="length", shift=Amount(0.25, "%")), unlabelled(), properties=lengths(factor, n))
    assert (finding.outcome, finding.unit) == (outcome, "ratio")
    assert finding.observed == pytest.approx(factor - 1)
    assert finding.message.startswith(
        f"The length of the answers moved by {100 * (factor - 1):+.0f} %".replace("+0 %", "0 %")
    )
    assert bool(finding.advice) is (outcome == "fail")


@pytest.mark.parametrize(
    ("measure", "words"),
    [
        ("refusal", "share of refusals"),
        ("repetition", "share of answers that run in circles"),
        ("truncation", "share of answers cut by the token limit"),
    ],
)
def test_max_shift__shares_move_in_points_in_either_direction(measure: Property, words: str) -> None:
    rule = MaxShift(measure=measure, shift=pp(5))
    more = judge(rule, unlabelled(), properties=scores((60, 1.0, 0.0), (240, 0.0, 0.0)))
    assert (more.outcome, more.unit, more.observed) == ("fail", "points", pytest.approx(0.2))
    assert more.message == f"The {words} moved by +20.0 pp on 300 inputs: more than 5 pp is proven."
    fewer = judge(rule, unlabelled(), properties=scores((60, 0.0, 1.0), (240, 0.0, 0.0)))
    assert (fewer.outcome, fewer.observed) == ("fail", pytest.approx(-0.2))
    same = judge(rule, unlabelled(), properties=scores((30, 1.0, 1.0), (270, 0.0, 0.0)))
    assert same.message == f"The {words} moved by 0.0 pp on 300 inputs: more than 5 pp is ruled out."
    close = judge(rule, unlabelled(), properties=scores((15, 1.0, 0.0), (285, 0.0, 0.0)))
    assert (close.outcome, close.reason) == ("inconclusive", "straddles_margin")
    assert judge(MaxShift(measure=measure, shift=pp(5), must_prove=True), unlabelled(),
                 properties=scores((15, 1.0, 0.0), (285, 0.0, 0.0))).outcome == "fail"  # fmt: skip


def test_max_shift__formats_are_judged_by_the_one_that_moved_most() -> None:
    rule = MaxShift(measure="format", shift=pp(5))
    moved = judge(
        rule, unlabelled(), properties=kinds((60, "prose", "list"), (20, "prose", "json"), (220, "prose", "prose"))
    )
    assert (moved.outcome, moved.observed) == ("fail", pytest.approx(80 / 300))
    # Swapped formats are no shift of any format's share.
    swapped = judge(
        rule, unlabelled(), properties=kinds((5, "prose", "list"), (5, "list", "prose"), (290, "prose", "prose"))
    )
    assert (swapped.outcome, swapped.observed) == ("pass", 0.0)


def test_max_shift__more_than_a_twentieth_missing_is_left_open() -> None:
    rule = MaxShift(measure="refusal", shift=pp(15))
    assert judge(rule, unlabelled(), properties=scores((190, 0.0, 0.0), (10, None, 0.0))).outcome == "pass"
    more = judge(rule, unlabelled(), properties=scores((189, 0.0, 0.0), (6, None, 0.0), (5, 0.0, None)))
    assert (more.outcome, more.reason) == ("inconclusive", "missing_cases")
    assert more.message == (
        "The share of refusals moved by 0.0 pp on 189 inputs; 11 of 200 inputs have no answer to look at."
    )
    # Missing answers are no failure either, however far the rest moved.
    assert judge(rule, unlabelled(), properties=scores((150, 1.0, 0.0), (50, None, 0.0))).outcome == "inconclusive"
    assert judge(rule, unlabelled(), properties=scores((9, None, 0.0))).outcome == "error"


def test_max_shift__missing_lengths_are_only_counted() -> None:
    rule = MaxShift(measure="length", shift=Amount(0.25, "%"))
    known = lengths(1.0)
    lost = tuple(a_pair(case=f"m{index}", candidate=None, reference=30.0) for index in range(11))
    assert judge(rule, unlabelled(), properties=(*known, *lost[:10])).outcome == "pass"
    assert judge(rule, unlabelled(), properties=(*known, *lost)).reason == "missing_cases"


@pytest.mark.parametrize(
    ("measure", "shift"),
    [("length", "5pp"), ("refusal", "5%"), ("format", "5%"), ("truncation", "5%"), ("repetition", "5%")],
)
def test_max_shift__the_unit_must_fit_the_property(measure: str, shift: str) -> None:
    with pytest.raises(ValidationError, match=f"a shift of {measure} is given in p"):
        MaxShift.model_validate({"measure": measure, "shift": shift})


# against another arm


def test_against_incumbent__each_rule_looks_at_the_incumbents_pairs() -> None:
    better_than_base, worse_than_incumbent = (
        scores((60, 1.0, 0.0), (240, 1.0, 1.0)),
        scores((60, 0.0, 1.0), (240, 1.0, 1.0)),
    )
    suite = facts("json", "regression", base=better_than_base, incumbent=worse_than_incumbent)
    for rule in (MaxDrop(), Retention(), MaxFlips(rate=pp(3))):
        assert judge(rule, suite).outcome == "pass"
        finding = judge(rule.model_copy(update={"against": "incumbent"}), suite)
        assert (finding.outcome, finding.against) == ("fail", "incumbent")


def test_against_incumbent__critical_and_tradeoff() -> None:
    critical = {"critical": True}
    suite = facts("json", "regression", base=scores((200, 1.0, 1.0), **critical),
                  incumbent=scores((80, 0.0, 1.0), (120, 1.0, 1.0), **critical))  # fmt: skip
    gaining = facts("routing", "task", base=scores((120, 1.0, 0.0), (180, 1.0, 1.0)), incumbent=scores((300, 1.0, 1.0)))
    assert judge(Critical(), suite, whole=True).outcome == "pass"
    broken = judge(Critical(against="incumbent"), suite, whole=True)
    assert broken.message.startswith("80 of 200 critical cases broke: `json/c0`, ")
    assert broken.message.endswith("and 75 more.")
    assert judge(Tradeoff(), gaining, suite, whole=True).outcome == "pass"
    lost = judge(Tradeoff(against="incumbent"), gaining, suite, whole=True)
    assert (lost.outcome, lost.against, lost.observed) == ("fail", "incumbent", pytest.approx(-0.4))


@pytest.mark.parametrize("arm", ["incumbent", "prompted"])
def test_against__an_arm_that_does_not_answer_is_a_problem(arm: Literal["incumbent", "prompted"]) -> None:
    without = frozenset[ArmName]({"base", "candidate"})
    suite = facts("json", "regression", base=scores((9, 1.0, 1.0), critical=True))
    rules = (MaxDrop(against=arm), MinGain(against=arm), Retention(against=arm), Critical(against=arm),
             MaxFlips(rate=pp(3), against=arm), Tradeoff(against=arm))  # fmt: skip
    for rule in rules:
        said = problem(rule, suite, arms=without)
        assert said == f"there is no arm to compare with: add `{arm}:` to the configuration"


# must_prove


def test_must_prove__an_error_stays_an_error_and_a_pass_a_pass() -> None:
    assert judge(MaxDrop(must_prove=True), regression((9, None, 1.0))).outcome == "error"
    assert judge(MaxDrop(must_prove=True), regression((300, 1.0, 1.0))).outcome == "pass"
    assert judge(MinScore(score="90%", must_prove=True), regression((270, 1.0, 1.0), (30, 0.0, 1.0))).outcome == "fail"
    missing = facts("json", "regression", base=(a_pair(critical=True, candidate=None),))
    assert judge(Critical(must_prove=True), missing).outcome == "fail"


# how many cases would decide


def test_min_gain__cases_that_would_decide_are_those_of_the_paired_z_test() -> None:
    finding = judge(MinGain(gain=pp(1)), task((24, 1.0, 0.0), (12, 0.0, 1.0), (264, 1.0, 1.0)))
    assert finding.outcome == "inconclusive"
    assert said_cases(finding) == pytest.approx(planned(36 / 300 - 0.04**2, 0.03), rel=0.15)


def test_min_gain__below_the_demanded_gain_no_number_is_promised() -> None:
    finding = judge(MinGain(gain=pp(5)), task((24, 1.0, 0.0), (12, 0.0, 1.0), (264, 1.0, 1.0)))
    assert finding.message == "No gain over 5 pp shown: +4.0 pp (12 broke, 24 fixed) on 300 cases."


def test_min_gain__missing_cases_go_before_any_number() -> None:
    finding = judge(MinGain(), task((20, 1.0, 0.0), (100, 1.0, 1.0), (30, None, 1.0)))
    assert finding.reason == "missing_cases"
    assert finding.message.endswith("30 unscored cases could turn the verdict.")


def test_min_score__cases_that_would_decide_have_the_power_that_is_claimed() -> None:
    finding = judge(MinScore(score="80%"), regression((126, 1.0, 1.0), (24, 0.0, 1.0)))
    assert finding.outcome == "inconclusive"
    cases = said_cases(finding)
    assert cases == pytest.approx(planned(0.84 * 0.16, 0.04), rel=0.15)
    least = int(binom.isf(ALPHA, cases, 0.8)) + 1
    assert 0.75 < float(binom.sf(least - 1, cases, 0.84)) < 0.9


def test_tradeoff__cases_that_would_decide_sum_both_variances() -> None:
    gain, loss, n = task((30, 1.0, 0.0), (270, 1.0, 1.0)), regression((18, 0.0, 1.0), (282, 1.0, 1.0)), 300
    finding = judge(Tradeoff(), gain, loss, whole=True)
    assert finding.outcome == "inconclusive"
    assert finding.observed == pytest.approx(30 / n - 18 / n)
    # The interval is a sum of two bounds at half the error rate: standard errors add up, not variances.
    errors = math.sqrt(30 / n - (30 / n) ** 2) + math.sqrt(18 / n - (18 / n) ** 2)
    wider = NormalDist().inv_cdf(1 - ALPHA / 2) / NormalDist().inv_cdf(1 - ALPHA)
    assert said_cases(finding) == pytest.approx(planned((errors * wider) ** 2, 12 / n), rel=0.15)


def half_right(n: int) -> SuiteFacts:
    return regression((n // 2, 1.0, 1.0), (n - n // 2, 0.0, 0.0))


def test_max_drop__as_many_cases_as_a_relative_limit_says_do_decide() -> None:
    rule = MaxDrop(drop=Amount(0.10, "%"))
    finding = judge(rule, half_right(20))
    assert finding.outcome == "inconclusive"
    assert judge(rule, half_right(said_cases(finding))).outcome == "pass"


# the headline


def headline(rules: Sequence[Rule], suites: Sequence[SuiteFacts]) -> Verdict:
    comparisons, findings = decided(rules, suites)
    return conclude(findings, comparisons, roles={suite.name: suite.role for suite in suites}, fail_on="regression")


def test_conclude__names_the_loss_against_the_base() -> None:
    suite = regression((60, 0.0, 1.0), (240, 1.0, 1.0))
    assert "json -20.0 pp" in headline([MaxDrop()], [suite]).headline


def test_conclude__a_flip_rate_is_not_taken_for_the_change_of_the_score() -> None:
    suite = regression((60, 0.0, 1.0), (60, 1.0, 0.0), (180, 1.0, 1.0))
    said = headline([MaxFlips(rate=pp(3)), MaxDrop()], [suite]).headline
    assert "json 0.0 pp" in said, said
