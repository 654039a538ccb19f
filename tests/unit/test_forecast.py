"""What a rule can decide: numbers against the planned tables, sentences as people read them."""

from typing import Any

import pytest
from builders import a_case, a_comparison, a_round
from scipy.stats import binom

from gate.domain import ArmName
from gate.forecast import Forecast, Measured, family_sizes, forecasts, hopeless, measured_in
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
from gate.rules.decide import Declared
from gate.stats import proportion
from gate.stats.chances import smallest_proven_drop

ARMS = frozenset[ArmName]({"base", "prompted", "candidate"})


def a_suite(
    name: str = "facts", *, n: int = 500, clusters: int | None = None, tagged: int = 0, **fields: Any
) -> SuiteFacts:
    cases = tuple(
        a_case(
            id=f"c{index}",
            cluster=None if clusters is None else f"k{index % clusters}",
            tags=("de",) if index < tagged else (),
        )
        for index in range(n)
    )
    given = {"role": "regression", "scorer": "exact_match", "binary": True, "metric": "mean"} | fields
    return SuiteFacts(name=name, cases=cases, **given)


def declare(rule: Rule, *suites: SuiteFacts, whole: bool = False) -> Declared:
    scope = Scope(suite=None if whole else suites[0], suites={one.name: one for one in suites}, arms=ARMS, alpha=0.05)
    return Declared(rule=rule, scope=scope)


def ask(rule: Rule, suite: SuiteFacts, **how: Any) -> Forecast:
    (forecast,) = forecasts([declare(rule, suite)], **how)
    return forecast


def drop(pp: float, **fields: Any) -> MaxDrop:
    return MaxDrop(drop=Amount(pp / 100, "pp"), **fields)


def test_forecasts__the_sentence_of_the_plan() -> None:
    found = ask(drop(2), a_suite(n=500))
    assert found.passes_unchanged == pytest.approx(0.398, abs=0.001)
    assert found.cases_needed == 1_578
    # The approximation says 6.4 pp; the exact test needs a little more.
    assert found.fails_at == pytest.approx(0.0655, abs=1e-4)
    assert found.sentence == (
        "with 500 cases and 10 % flips, max_drop of 2 pp passes an unchanged model 40 % of the time and proves a drop "
        "of 6.5 pp four times in five; about 1,578 cases would pass it 80 % of the time"
    )


@pytest.mark.parametrize(
    ("pp", "churn", "cases"),
    [(2, 0.05, 837), (2, 0.2, 3_104), (3, 0.1, 717), (5, 0.02, 107), (5, 0.1, 274), (5, 0.2, 507)],
)
def test_forecasts__cases_for_80_percent_to_pass_unchanged(pp: float, churn: float, cases: int) -> None:
    assert ask(drop(pp), a_suite(), churn=churn).cases_needed == pytest.approx(cases, abs=1)


def test_forecasts__enough_cases_need_no_advice() -> None:
    found = ask(drop(5), a_suite(n=500))
    assert found.passes_unchanged == pytest.approx(0.963, abs=0.001)
    assert found.sentence.endswith(
        "passes an unchanged model 96 % of the time and proves a drop of 9.9 pp four times in five"
    )


def test_forecasts__above_500_cases_the_chance_is_an_approximation_and_says_so() -> None:
    found = ask(drop(2), a_suite(n=1_578))
    assert found.passes_unchanged == pytest.approx(0.8, abs=0.001)
    assert "passes an unchanged model about 80 % of the time and proves a drop of about 4.3 pp" in found.sentence


def test_forecasts__a_failure_shares_alpha_with_the_other_hypotheses_that_can_block() -> None:
    suites = [a_suite("facts", n=300), a_suite("lists", n=300), a_suite("shown", n=300)]
    declared = [
        declare(drop(5), suites[0]), declare(drop(5), suites[1]), declare(drop(5, blocking=False), suites[2]),
        declare(Critical(), suites[0]),
    ]  # fmt: skip
    assert family_sizes(declared) == {True: 2, False: 1}
    found = forecasts(declared)
    shared = smallest_proven_drop(300, churn=0.1, margin=0.05, alpha=0.025)
    alone = smallest_proven_drop(300, churn=0.1, margin=0.05, alpha=0.05)
    assert [one.fails_at for one in found] == [shared, shared, alone, None]
    assert len({one.passes_unchanged for one in found[:3]}) == 1


def test_forecasts__what_a_failure_is_held_against() -> None:
    margin, zero, anything = (ask(drop(5, fail_null=null), a_suite(n=500)) for null in ("margin", "zero", "any"))
    assert margin.fails_at == pytest.approx(0.098, abs=0.001)
    # 4.2 pp against 0 (the table of detectable drops); with `zero` more than 5 pp must be observed as well.
    assert anything.fails_at == pytest.approx(0.042, abs=0.0005)
    assert zero.fails_at == pytest.approx(0.065, abs=0.001)
    assert zero.passes_unchanged == margin.passes_unchanged


def test_forecasts__any_drop_proven_by_mistake_fails_first() -> None:
    roomy = ask(drop(20, fail_null="any"), a_suite(n=400))
    assert roomy.passes_unchanged == pytest.approx(0.95, abs=0.01)
    assert ask(drop(20), a_suite(n=400)).passes_unchanged == pytest.approx(1.0)
    large = ask(drop(20, fail_null="any"), a_suite(n=600))
    assert large.passes_unchanged == pytest.approx(0.95)


def test_forecasts__a_limit_relative_to_the_base_needs_its_score() -> None:
    rule = MaxDrop(drop=Amount(0.05, "%"))
    best = ask(rule, a_suite())
    assert (best.base_score, best.passes_unchanged) == (1.0, ask(drop(5), a_suite()).passes_unchanged)
    assert "about 96 %" in best.sentence
    half = ask(rule, a_suite(), measured={("facts", "base"): Measured(churn=0.1, score=0.4)})
    assert half.passes_unchanged == pytest.approx(0.398, abs=0.001)
    assert half.cases_needed == 1_578


@pytest.mark.parametrize(
    ("rule", "needed_pp"),
    [(MinGain(), 4.2), (MinGain(gain=Amount(0.02, "pp")), 6.5), (drop(0), 4.2)],
)
def test_forecasts__a_demanded_gain_passes_an_unchanged_model_only_by_chance(rule: Rule, needed_pp: float) -> None:
    found = ask(rule, a_suite(n=500))
    assert (found.passes_unchanged, found.by_chance, found.cases_needed) == (0.05, True, None)
    assert found.passes_at is not None
    assert 100 * found.passes_at == pytest.approx(needed_pp, abs=0.05)
    assert (
        f"passes a gain of {needed_pp:.1f} pp four times in five; an unchanged model passes by chance only"
        in found.sentence
    )
    assert "at most 5 % of the time" in found.sentence


def test_forecasts__too_few_cases_for_any_gain() -> None:
    found = ask(MinGain(), a_suite(n=4))
    assert found.passes_at is None
    assert "min_gain of 0 pp passes no gain four times in five, however large" in found.sentence


def test_forecasts__a_required_score() -> None:
    found = ask(MinScore(score="80%"), a_suite(n=300))
    assert (found.churn, found.passes_unchanged) == (None, None)
    assert found.sentence == (
        "with 300 cases, min_score of 80 % passes a true score of 85.5 % four times in five and fails one of 73.7 % "
        "as often"
    )
    measured = ask(MinScore(score="80%"), a_suite(n=300), measured={("facts", "base"): Measured(churn=0.1, score=0.83)})
    passing = [k for k in range(301) if proportion.p_above(k, 300, threshold=0.8) <= 0.05]
    assert measured.passes_unchanged == pytest.approx(float(binom.sf(min(passing) - 1, 300, 0.83)))
    assert "a model that scores 83.0 %, as the base does, passes" not in found.sentence
    assert "a model that scores 83.0 %, as the base does, passes 36 % of the time" in measured.sentence


def test_forecasts__a_score_out_of_reach() -> None:
    found = ask(MinScore(score="99%"), a_suite(n=100))
    assert found.sentence == "with 100 cases, min_score of 99 % cannot pass, even if every answer is right"


def test_forecasts__flips_count_losses_alone() -> None:
    found = ask(MaxFlips(rate="8pp"), a_suite(n=500))
    tolerated = [k for k in range(501) if proportion.p_above(500 - k, 500, threshold=0.92) <= 0.05]
    assert found.passes_unchanged == pytest.approx(float(binom.cdf(max(tolerated), 500, 0.05)))
    assert "fails four times in five once" in found.sentence
    none = ask(MaxFlips(rate="0pp"), a_suite(n=500))
    assert (none.passes_unchanged, none.fewest, none.cases_needed) == (0.0, None, None)
    doomed = ask(MaxFlips(rate="3pp"), a_suite(n=500))
    assert doomed.cases_needed is None
    assert "no number of cases would do, as half the flips alone break more than is tolerated" in doomed.sentence
    assert (
        "does not fail four times in five however many answers break"
        in ask(MaxFlips(rate="80pp"), a_suite(n=5)).sentence
    )


def test_forecasts__a_shift_must_be_ruled_out_in_both_directions() -> None:
    rule = MaxShift(measure="refusal", shift="5pp")
    few, many = (ask(rule, a_suite(n=n, scorer=None, binary=False, role="distribution")) for n in (300, 2_000))
    assert not few.as_if_binary
    assert few.passes_unchanged == pytest.approx(2 * 0.8326 - 1, abs=0.005)
    assert many.passes_unchanged == pytest.approx(1.0)
    assert few.cases_needed is not None
    assert few.cases_needed > 274
    assert few.fails_at == pytest.approx(smallest_proven_drop(300, churn=0.1, margin=0.05, alpha=0.05), abs=1e-3)
    point = ask(MaxShift(measure="refusal", shift="0pp"), a_suite(), churn=0.0)
    assert point.passes_unchanged == 0.0
    assert point.sentence.endswith("; no number of cases would do")


def test_forecasts__of_lengths_nothing_is_known() -> None:
    found = ask(MaxShift(measure="length", shift="25%"), a_suite(scorer=None, role="distribution"))
    assert (found.subject, found.passes_unchanged, found.fails_at) == ("length", None, None)
    assert "how far lengths vary shows only in answers" in found.sentence


@pytest.mark.parametrize("rule", [Critical(), Retention()])
def test_forecasts__what_is_observed_cannot_be_forecast(rule: Rule) -> None:
    found = ask(rule, a_suite())
    assert found.chance == "-"
    assert found.sentence == f"{rule.kind} goes by what is observed: nothing is proven, nothing can be forecast"


def test_forecasts__rules_of_the_whole_run() -> None:
    suites = [a_suite("routing", n=400, role="task"), a_suite("facts"), a_suite("lists")]
    declared = [declare(Tradeoff(), *suites, whole=True), declare(PromptIsEnough(must_prove=True), *suites, whole=True)]
    net, prompt = forecasts(declared)
    assert (net.place, net.chance) == ("whole run", "at most 5 %")
    assert net.sentence.startswith("tradeoff demands a proven gain; an unchanged model passes by chance only")
    assert (prompt.place, prompt.cases) == ("routing", 400)
    assert prompt.passes_at == pytest.approx(0.048, abs=0.001)
    assert prompt.sentence.endswith("what does not pass fails (must_prove)")
    # Two trade-offs and one comparison share the error rate of a failure.
    assert family_sizes(declared) == {True: 3}


def test_forecasts__a_slice_counts_its_own_cases() -> None:
    found = ask(drop(5, slice="de"), a_suite(n=500, tagged=100))
    assert (found.place, found.cases) == ("facts [de]", 100)
    assert found.passes_unchanged == pytest.approx(0.41, abs=0.006)
    suites = [a_suite("routing", role="task", tagged=50), a_suite("help", role="task")]
    (only,) = forecasts([declare(PromptIsEnough(slice="de"), *suites, whole=True)])
    assert only.place == "routing [de]"


def test_forecasts__clusters_are_what_is_counted() -> None:
    found = ask(drop(5), a_suite(n=500, clusters=100))
    assert (found.cases, found.clusters, found.units) == (500, 100, 100)
    assert found.passes_unchanged == pytest.approx(0.41, abs=0.006)
    assert found.sentence.startswith("with 500 cases in 100 clusters (each counted as one case) and 10 % flips")
    assert "passes an unchanged model about 41 % of the time" in found.sentence
    assert found.sentence.endswith("about 274 clusters would pass it 80 % of the time")


def test_forecasts__too_few_clusters_never_pass() -> None:
    nine, forty = (ask(drop(5), a_suite(n=500, clusters=clusters)) for clusters in (9, 40))
    assert (nine.chance, nine.fewest) == ("0 %", 59)
    assert (forty.chance, forty.is_hopeless) == ("about 0 %", True)
    gain = ask(MinGain(), a_suite(n=500, clusters=9))
    assert (gain.chance, gain.passes_at) == ("0 %", None)
    wide = ask(drop(60), a_suite(n=500, clusters=9), churn=0.0)
    assert (wide.passes_unchanged, wide.fewest, wide.cases_needed) == (0.0, 10, 10)
    assert ask(MinScore(score="80%"), a_suite(n=500, clusters=40)).chance == "-"


def test_forecasts__what_if_every_suite_had_other_sizes() -> None:
    suite = a_suite(n=500, tagged=100, clusters=250)
    found = ask(drop(5, slice="de"), suite, cases=1_000)
    assert (found.cases, found.clusters) == (200, 200)
    assert ask(drop(5), suite, cases=1).units == 1


def test_forecasts__stopping_early_costs_cases() -> None:
    plain, early = (ask(drop(2), a_suite(), spent_early=share) for share in (0.0, 0.2))
    assert plain.cases_needed is not None
    assert early.cases_needed is not None
    assert early.cases_needed > plain.cases_needed


def test_forecasts__other_scores_are_planned_for_as_if_right_or_wrong() -> None:
    for suite in (a_suite(binary=False), a_suite(metric="macro_f1")):
        found = ask(drop(5), suite)
        assert found.as_if_binary
        assert found.chance == "about 96 %"


@pytest.mark.parametrize("churn", [0.0, 1.0])
def test_forecasts__no_flips_and_nothing_but_flips(churn: float) -> None:
    rules = [drop(5), drop(5, fail_null="zero"), drop(5, fail_null="any"), MinGain(), MaxFlips(rate="5pp")]
    rules += [MaxShift(measure="refusal", shift="5pp")]
    for rule in rules:
        found = ask(rule, a_suite(n=100), churn=churn)
        assert found.passes_unchanged is not None
        assert 0 <= found.passes_unchanged <= 1
        assert found.sentence


def test_measured_in__whole_suites_against_any_arm() -> None:
    whole = a_comparison(suite="facts", against="base", n=98, regressed=4, fixed=5, against_estimate=0.7)
    part = a_comparison(suite="facts", against="base", slice="de", n=10, regressed=4, fixed=5)
    other = a_comparison(suite="facts", against="incumbent", n=98, regressed=0, fixed=0)
    shift = a_comparison(suite="production", measure="shift", regressed=None, fixed=None)
    found = measured_in(a_round(comparisons=(whole, part, other, shift)))
    assert set(found) == {("facts", "base"), ("facts", "incumbent")}
    assert found["facts", "base"] == Measured(churn=0.1, score=0.7)
    assert found["facts", "incumbent"].churn == pytest.approx(0.01)


def test_forecasts__flips_of_a_round_replace_the_assumption() -> None:
    measured = {("facts", "base"): Measured(churn=0.2, score=0.7)}
    found = ask(drop(5), a_suite(), churn=0.1, measured=measured)
    assert (found.churn, found.is_measured) == (0.2, True)
    assert found.passes_unchanged == pytest.approx(0.795, abs=0.002)
    elsewhere = ask(drop(5), a_suite("lists"), churn=0.1, measured=measured)
    assert (elsewhere.churn, elsewhere.is_measured) == (0.1, False)
    # A round tells how scores flipped, not how a property did.
    shift = ask(MaxShift(measure="refusal", shift="5pp"), a_suite(), churn=0.1, measured=measured)
    assert (shift.churn, shift.is_measured) == (0.1, False)


@pytest.mark.parametrize(
    ("rule", "suite", "expected"),
    [
        (drop(2), a_suite(n=148), "facts: max_drop of 2 pp cannot pass on 148 cases, even if no answer changes; at least 149 are needed."),
        (drop(2), a_suite(n=149), None),
        (drop(5, slice="de"), a_suite(n=149, tagged=20), "facts [de]: max_drop of 5 pp cannot pass on 20 cases, even if no answer changes; at least 59 are needed."),
        (drop(5), a_suite(n=590, clusters=58), "facts: max_drop of 5 pp cannot pass on 590 cases in 58 clusters, even if no answer changes; at least 59 clusters are needed."),
        (drop(60), a_suite(n=90, clusters=9), "facts: max_drop of 60 pp cannot pass on 90 cases in 9 clusters, even if no answer changes; at least 10 clusters are needed."),
        (drop(0), a_suite(), "facts: max_drop of 0 pp can pass only on a proven gain; an unchanged model stays inconclusive."),
        (MaxFlips(rate="3pp"), a_suite(n=98), "facts: max_flips of 3 pp cannot pass on 98 cases, even if no answer changes; at least 99 are needed."),
        (MaxFlips(rate="3pp"), a_suite(n=99), None),
        (MaxFlips(rate="100pp"), a_suite(n=1), None),
        (MinScore(score="80%"), a_suite(n=13), "facts: min_score of 80 % cannot pass on 13 cases, even if every answer is right; at least 14 are needed."),
        (MinScore(score="80%"), a_suite(n=14), None),
        (MinScore(score="100%"), a_suite(n=14), "facts: min_score of 100 % can never pass: no number of cases proves that nothing is amiss."),
        (MaxFlips(rate="0pp"), a_suite(n=14), "facts: max_flips of 0 pp can never pass: no number of cases proves that nothing is amiss."),
        (MaxShift(measure="refusal", shift="2pp"), a_suite(n=100), "facts: max_shift of refusal by 2 pp cannot pass on 100 cases, even if no answer changes; at least 149 are needed."),
        (MaxShift(measure="length", shift="2%"), a_suite(n=5), None),
        (MinGain(), a_suite(n=5), None),
    ],
)  # fmt: skip
def test_hopeless__rules_that_no_candidate_without_flips_passes(
    rule: Rule, suite: SuiteFacts, expected: str | None
) -> None:
    assert hopeless(declare(rule, suite)) == expected


def test_label__names_the_arm_and_the_null() -> None:
    assert ask(drop(5, against="prompted"), a_suite()).label == "max_drop of 5 pp against prompted"
    assert ask(drop(5, fail_null="any"), a_suite()).label == "max_drop of 5 pp (any)"


@pytest.mark.parametrize(
    ("chance", "shown"), [(0.0, "0 %"), (1e-9, "under 1 %"), (0.997, "over 99 %"), (1 - 1e-9, "100 %")]
)
def test_chance__only_what_is_certain_reads_0_or_100(chance: float, shown: str) -> None:
    forecast = Forecast(label="x", subject="drop", suite="facts", passes_unchanged=chance, is_exact=True)
    assert forecast.chance == shown


def test_sentence__enough_cases_by_the_plan_though_the_exact_chance_is_a_little_lower() -> None:
    found = ask(drop(5), a_suite(n=86), churn=0.01)
    assert found.passes_unchanged == pytest.approx(0.752, abs=0.002)
    assert found.cases_needed == 86
    assert found.sentence.endswith("four times in five")


def test_forecasts__a_bar_that_every_answer_clears() -> None:
    found = ask(MinScore(score="0%"), a_suite(n=3))
    assert found.passes_at is not None
    assert found.fails_at is None
    assert "as often" not in found.sentence
    assert hopeless(declare(MinScore(score="0%"), a_suite(n=1))) is None
