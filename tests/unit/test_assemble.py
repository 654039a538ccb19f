"""From answers to scores and pairs: repeats, missing answers, properties, and answers that do not fit the suites."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from builders import a_case, a_response, a_suite

from gate.assemble import Scored, property_pairs, score_all, score_pairs, strip_rule
from gate.domain import ArmName, Case, Pair, Response
from gate.errors import RecordsError
from gate.plan import PlannedSuite
from gate.scorers import AnyScorer, Classification, ExactMatch, Recorded
from gate.scorers.properties import Property

ARMS: tuple[ArmName, ...] = ("base", "candidate")


def a_plan(*cases: Case, scorer: AnyScorer | None = None, metric: str = "mean", **fields: Any) -> PlannedSuite:
    return PlannedSuite(suite=a_suite(cases=cases, **fields), scorer=scorer or ExactMatch(), metric=metric)


def unlabelled(*cases: Case) -> PlannedSuite:
    return PlannedSuite(suite=a_suite(name="production", role="distribution", cases=cases), scorer=None, metric="mean")


def said(case: str, arm: ArmName, *texts: str | None, **fields: Any) -> list[Response]:
    """One arm's answers to a case, a repeat each; None: no answer could be had."""
    return [
        a_response(case=case, arm=arm, repeat=repeat, text=text, **fields)
        if text is not None
        else a_response(case=case, arm=arm, repeat=repeat, text="", finish="error", tokens=None, error="timed out")
        for repeat, text in enumerate(texts)
    ]


def scored(
    planned: PlannedSuite, *answers: Sequence[Response], arms: Sequence[ArmName] = ARMS, strip: bool = False
) -> Scored:
    responses = [replace(one, suite=planned.suite.name) for several in answers for one in several]
    return score_all([planned], responses, arms=arms, strip="auto" if strip else False)


def only_pair(planned: PlannedSuite, *answers: Sequence[Response]) -> Pair:
    (pair,) = score_pairs(planned, scored(planned, *answers), "base")
    return pair


OSLO = a_case(references=("Oslo",))


def test_score_pairs__repeats_are_averaged() -> None:
    pair = only_pair(
        a_plan(OSLO), said("c1", "base", "Oslo", "Oslo", "Oslo"), said("c1", "candidate", "Oslo", "Bergen", "Oslo")
    )
    assert (pair.candidate, pair.reference) == (pytest.approx(2 / 3), 1.0)
    assert pair.candidate_labels == ()


def test_score_pairs__arms_may_differ_in_repeats() -> None:
    pair = only_pair(a_plan(OSLO), said("c1", "base", "Oslo"), said("c1", "candidate", "Oslo", "Bergen"))
    assert (pair.candidate, pair.reference) == (0.5, 1.0)


def test_score_pairs__one_repeat_without_a_score_makes_the_case_missing() -> None:
    planned = a_plan(OSLO)
    answers = scored(planned, said("c1", "base", "Oslo", "Oslo"), said("c1", "candidate", "Oslo", None))
    (pair,) = score_pairs(planned, answers, "base")
    assert (pair.candidate, pair.reference) == (None, 1.0)
    assert answers.scores["facts", "c1", "candidate", 1].why == "no answer: timed out"


def test_score_pairs__keep_what_the_case_says_and_the_order_of_the_suite() -> None:
    cases = (
        a_case(id="b", tags=("de",), critical=True, cluster="k", references=("x",)),
        a_case(id="a", references=("x",)),
    )
    planned = a_plan(*cases)
    answers = scored(planned, *(said(case.id, arm, "x") for arm in ARMS for case in reversed(cases)))
    first, second = score_pairs(planned, answers, "base")
    assert (first.case, first.tags, first.critical, first.cluster, first.truth) == ("b", ("de",), True, "k", None)
    assert (second.case, second.cluster) == ("a", None)


def test_score_pairs__against_another_arm_than_the_base() -> None:
    planned = a_plan(OSLO)
    arms: tuple[ArmName, ...] = ("base", "incumbent", "candidate")
    answers = scored(
        planned,
        said("c1", "base", "Bergen"),
        said("c1", "incumbent", "Oslo"),
        said("c1", "candidate", "Bergen"),
        arms=arms,
    )
    assert [score_pairs(planned, answers, arm)[0].reference for arm in ("base", "incumbent")] == [0.0, 1.0]


def test_score_pairs__labels_of_every_repeat_and_the_truth_in_the_words_of_the_set() -> None:
    scorer = Classification(labels=("billing", "account"), aliases={"invoice": "billing"})
    planned = a_plan(a_case(references=("Invoice",)), scorer=scorer, metric="macro_f1")
    pair = only_pair(
        planned, said("c1", "base", "Label: billing", "account."), said("c1", "candidate", "something else", None)
    )
    assert pair.truth == "billing"
    assert (pair.reference_labels, pair.candidate_labels) == (("billing", "account"), (None, None))
    assert (pair.reference, pair.candidate) == (0.5, None)


@pytest.mark.parametrize(("strip", "value"), [(True, 1.0), (False, 0.0)])
def test_score_all__a_thinking_block_is_removed_only_if_asked(strip: bool, value: float) -> None:
    answers = [said("c1", arm, "<think>Norway...</think>\nOslo") for arm in ARMS]
    planned = a_plan(OSLO)
    assert score_pairs(planned, scored(planned, *answers, strip=strip), "base")[0].candidate == value


@pytest.mark.parametrize(("text", "value"), [("Norway...</think>\nOslo", 1.0), ("Oslo", 0.0), ("", 0.0)])
def test_score_all__where_every_answer_begins_with_reasoning_an_open_end_is_no_answer(text: str, value: float) -> None:
    planned = a_plan(OSLO)
    answers = [one for arm in ARMS for one in said("c1", arm, text)]
    scores = score_all([planned], answers, arms=ARMS, strip=True).scores
    assert {score.value for score in scores.values()} == {value}


def test_strip_rule__what_is_configured_goes_before_what_is_known() -> None:
    begun = {"reasoning": "begun by the prompt", "torch": "2.9"}
    assert strip_rule("auto", begun) is True
    assert strip_rule("auto", {"torch": "2.9"}) == "auto"
    assert strip_rule(False, begun) is False
    assert strip_rule(True, {}) is True


def test_score_all__other_suites_are_ignored_and_unlabelled_inputs_are_not_scored() -> None:
    planned = unlabelled(OSLO)
    mine = [replace(one, suite="production") for arm in ARMS for one in said("c1", arm, "Oslo")]
    answers = score_all([planned], [*mine, a_response(suite="gone")], arms=ARMS, strip=False)
    assert answers.scores == {}
    assert {key[0] for key in answers.answers} == {"production"}


def test_score_all__refuses_answers_to_other_cases() -> None:
    cases = tuple(a_case(id=f"c{index}", references=("x",)) for index in range(6))
    answers = [
        *(said(case.id, "base", "x") for case in cases),
        said("c0", "candidate", "x"),
        said("odd", "candidate", "x"),
    ]
    with pytest.raises(RecordsError) as refused:
        scored(a_plan(*cases), *answers)
    assert refused.value.message == (
        "the answers of the arm 'candidate' are not those of the suite 'facts': 5 cases missing (c1, c2, c3) and "
        "1 case not in the suite (odd)"
    )
    assert refused.value.fix is not None


def test_score_all__refuses_an_arm_that_did_not_answer() -> None:
    with pytest.raises(RecordsError, match="the arm 'candidate' are not those of the suite 'facts': 1 case missing"):
        scored(a_plan(OSLO), said("c1", "base", "Oslo"))


def test_score_all__refuses_unequal_repeats() -> None:
    cases = (a_case(id="a", references=("x",)), a_case(id="b", references=("x",)))
    base = [said(case.id, "base", "x") for case in cases]
    with pytest.raises(RecordsError) as refused:
        scored(a_plan(*cases), *base, said("a", "candidate", "x", "x", "x"), said("b", "candidate", "x", "x"))
    assert refused.value.message == (
        "facts/b: the arm 'candidate' has 2 answers (repeats 0, 1) where other cases have 3"
    )
    gap = [replace(one, repeat=2 * one.repeat) for one in said("b", "candidate", "x", "x")]
    with pytest.raises(RecordsError, match=r"facts/b: the arm 'candidate' has 2 answers \(repeats 0, 2\)"):
        scored(a_plan(*cases), *base, said("a", "candidate", "x", "x"), gap)


def test_score_all__takes_recorded_scores_over() -> None:
    planned = a_plan(OSLO, scorer=Recorded())
    base, candidate = said("c1", "base", "?", scores={"acc": 1.0}), said("c1", "candidate", "?", scores={"acc": 0.0})
    answers = scored(planned, base, candidate)
    assert answers.scores["facts", "c1", "base", 0].why == "recorded as acc 1"
    (pair,) = score_pairs(planned, answers, "base")
    assert (pair.candidate, pair.reference) == (0.0, 1.0)


def test_score_all__one_answer_without_a_recorded_score_is_missing_and_says_why() -> None:
    planned = a_plan(OSLO, scorer=Recorded())
    answers = scored(planned, said("c1", "base", "?", scores={"acc": 1.0}), said("c1", "candidate", "?"))
    assert answers.scores["facts", "c1", "candidate", 0].why == "no score was recorded"
    assert score_pairs(planned, answers, "base")[0].candidate is None


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "suites.facts: no answer has a recorded score between 0 and 1"),
        ({"acc": 1.0, "f1": 1.0}, "suites.facts: several scores were recorded; set 'metric' to one of 'acc', 'f1'"),
        (
            {"bleu": 0.25},
            (
                "suites.facts: the recorded score 'bleu' has values between 0 and 1 in 2 of 2 answers, for example 0.25; "
                "set 'right_or_wrong: false'"
            ),
        ),
    ],
)
def test_score_all__refuses_recorded_scores_that_do_not_fit(given: dict[str, float], sentence: str) -> None:
    with pytest.raises(RecordsError) as refused:
        scored(a_plan(OSLO, scorer=Recorded()), *(said("c1", arm, "?", scores=given) for arm in ARMS))
    assert refused.value.message == sentence


def property_of(
    measure: Property, base: Sequence[Response], candidate: Sequence[Response], *, strip: bool = False
) -> Pair:
    planned = unlabelled(OSLO)
    (pair,) = property_pairs(planned.suite, scored(planned, base, candidate, strip=strip), measure, against="base")
    return pair


def test_property_pairs__length_in_tokens_averaged_over_repeats() -> None:
    longer = [replace(one, tokens=10 + 2 * one.repeat) for one in said("c1", "candidate", "abc", "abc")]
    pair = property_of("length", said("c1", "base", "abc"), longer)
    assert (pair.candidate, pair.reference) == (11.0, 2.0)


def test_property_pairs__length_in_characters_where_any_tokens_are_unknown() -> None:
    unknown = said("c1", "candidate", "abc", "abcde", tokens=None)
    pair = property_of("length", said("c1", "base", "<think>hm</think>abcdefg"), unknown, strip=True)
    assert (pair.candidate, pair.reference) == (4.0, 7.0)


def test_property_pairs__an_answer_that_failed_does_not_change_the_unit() -> None:
    planned = unlabelled(a_case(id="a"), a_case(id="b"))
    answers = scored(planned, *(said(case, arm, "abcdef") for arm in ARMS for case in ("a",)),
                     said("b", "base", "abcdef"), said("b", "candidate", None))  # fmt: skip
    first, second = property_pairs(planned.suite, answers, "length", against="base")
    assert (first.candidate, first.reference) == (2.0, 2.0)
    assert (second.candidate, second.reference) == (None, 2.0)


def test_property_pairs__shares_of_repeats() -> None:
    loop = "the same four words " * 10
    pair = property_of("repetition", said("c1", "base", "Oslo", "Oslo"), said("c1", "candidate", loop, "Oslo"))
    assert (pair.candidate, pair.reference) == (0.5, 0.0)
    refusals = said("c1", "candidate", "I'm sorry, but I can't help with that.", "Oslo is the capital.")
    assert property_of("refusal", said("c1", "base", "Oslo is the capital."), refusals).candidate == 0.5
    cut = said("c1", "candidate", "Oslo is", finish="length")
    pair = property_of("truncation", said("c1", "base", "Oslo"), cut)
    assert (pair.candidate, pair.reference) == (1.0, 0.0)


def test_property_pairs__formats_are_labels_of_the_first_repeat() -> None:
    pair = property_of("format", said("c1", "base", "Oslo"), said("c1", "candidate", '{"city": "Oslo"}', "Oslo"))
    assert (pair.candidate, pair.reference) == (None, None)
    assert (pair.candidate_labels, pair.reference_labels) == (("json",), ("prose",))


@pytest.mark.parametrize("measure", ["length", "refusal", "format", "repetition", "truncation"])
def test_property_pairs__an_answer_that_failed_has_no_property(measure: Property) -> None:
    pair = property_of(measure, said("c1", "base", "Oslo"), said("c1", "candidate", None, "Oslo"))
    assert (pair.candidate, pair.candidate_labels) == (None, ())
    assert (pair.reference is None) is (measure == "format")
