"""What a round shows without judging: counts, lengths, and the cases worth reading."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from builders import a_case, a_response, a_suite

from gate.assemble import score_all, score_pairs
from gate.domain import ArmName, Case, Evidence, Response, Suite
from gate.plan import PlannedSuite
from gate.round_parts import EVIDENCE_CASES, choose_evidence, endless_warning, length_shifts, summarise
from gate.scorers import Classification, ExactMatch, Refusal

ARMS: tuple[ArmName, ...] = ("base", "candidate")


def planned(name: str, *cases: Case) -> PlannedSuite:
    return PlannedSuite(suite=a_suite(name=name, cases=cases), scorer=ExactMatch(), metric="mean")


def case(name: str, **fields: Any) -> Case:
    return a_case(id=name, references=("Oslo",), **fields)


def answer(suite: str, of: str, arm: ArmName, text: str = "Oslo", **fields: Any) -> Response:
    return a_response(suite=suite, case=of, arm=arm, text=text, **fields)


def failed(suite: str, of: str, arm: ArmName, **fields: Any) -> Response:
    return answer(suite, of, arm, "", finish="error", tokens=None, error="timed out", **fields)


def chosen(
    suites: Sequence[PlannedSuite], answers: Sequence[Response], arms: Sequence[ArmName] = ARMS
) -> tuple[Evidence, ...]:
    scored = score_all(suites, answers, arms=arms, strip=False)
    return choose_evidence(suites, scored, {one.suite.name: score_pairs(one, scored, "base") for one in suites})


def broken(suite: str, ids: Sequence[str]) -> list[Response]:
    """Right on the base, wrong on the candidate."""
    return [answer(suite, one, arm, text) for one in ids for arm, text in (("base", "Oslo"), ("candidate", "Rome"))]


# summarise


def test_summarise__counts_every_arm() -> None:
    labels = Classification(labels=("Oslo", "Bergen"))
    suite = PlannedSuite(suite=a_suite(cases=tuple(case(name) for name in "abcd")), scorer=labels, metric="accuracy")
    answers = [
        *(answer("facts", name, "base") for name in "abcd"),
        answer("facts", "a", "candidate", "Rome"),
        answer("facts", "b", "candidate", "Oslo, which", finish="length"),
        failed("facts", "c", "candidate"),
        answer("facts", "d", "candidate", ""),
    ]
    summary = summarise(suite, score_all([suite], answers, arms=ARMS, strip=False))
    assert (summary.role, summary.n, summary.scorer) == ("regression", 4, "classification")
    assert summary.digest == suite.suite.digest
    assert summary.invalid == {"base": 0, "candidate": 3}
    assert summary.truncated == {"base": 0, "candidate": 1}
    assert summary.errors == {"base": 0, "candidate": 1}


def test_summarise__unlabelled_inputs_have_errors_but_nothing_invalid() -> None:
    suite = PlannedSuite(suite=a_suite(role="distribution", cases=(case("a"),)), scorer=None, metric="mean")
    answers = [answer("facts", "a", "base", ""), failed("facts", "a", "candidate")]
    summary = summarise(suite, score_all([suite], answers, arms=ARMS, strip=False))
    assert (summary.scorer, summary.invalid, summary.errors) == (
        None,
        {"base": 0, "candidate": 0},
        {"base": 0, "candidate": 1},
    )


def test_summarise__counts_answers_so_every_repeat_counts() -> None:
    suite = planned("facts", case("a"))
    answers = [
        one
        for n in range(3)
        for one in (answer("facts", "a", "base", repeat=n), failed("facts", "a", "candidate", repeat=n))
    ]
    assert summarise(suite, score_all([suite], answers, arms=ARMS, strip=False)).errors["candidate"] == 3


# length_shifts


def shifted(
    answers: Sequence[Response], others: Sequence[PlannedSuite] = (), arms: Sequence[ArmName] = ARMS
) -> list[Any]:
    ids = dict.fromkeys(one.case for one in answers if one.suite == "production")
    suite = Suite(name="production", role="distribution", cases=tuple(a_case(id=name) for name in ids), digest="00")
    suites = [PlannedSuite(suite=suite, scorer=None, metric="mean"), *others]
    return length_shifts(suites, score_all(suites, answers, arms=arms, strip=False), alpha=0.05, seed=0)


def lengths(of: Mapping[ArmName, Sequence[int]]) -> list[Response]:
    return [
        answer("production", f"p{index}", arm, "x" * tokens * 3, tokens=tokens)
        for arm, counts in of.items()
        for index, tokens in enumerate(counts)
    ]


def test_length_shifts__against_every_other_arm() -> None:
    halves = {"base": (10, 20, 40, 80), "incumbent": (5, 10, 20, 40), "candidate": (5, 10, 20, 40)}
    base, incumbent = shifted(lengths(halves), arms=("base", "incumbent", "candidate"))
    assert (base.against, base.unit, base.n, base.level) == ("base", "tokens", 4, 0.9)
    assert (base.estimate, base.against_estimate) == (18.75, 37.5)
    assert base.change == pytest.approx(-0.5)
    assert (incumbent.against, incumbent.change) == ("incumbent", pytest.approx(0.0))


def test_length_shifts__only_of_unlabelled_inputs() -> None:
    others = [planned("facts", case("a"))]
    answers = [*lengths({"base": (4, 4), "candidate": (4, 4)}), *(answer("facts", "a", arm) for arm in ARMS)]
    assert [one.suite for one in shifted(answers, others)] == ["production"]


def test_length_shifts__one_input_has_no_shape() -> None:
    (one,) = shifted(lengths({"base": (4,), "candidate": (8,)}))
    assert (one.n, one.change, one.p_shape, one.low) == (1, pytest.approx(1.0), None, None)


def test_length_shifts__inputs_without_an_answer_are_left_out() -> None:
    answers = [*lengths({"base": (4, 8, 16), "candidate": (4, 8)}), failed("production", "p2", "candidate")]
    (one,) = shifted(answers)
    assert (one.n, one.estimate, one.against_estimate) == (2, 6.0, 6.0)


@pytest.mark.parametrize("where", ["a failed answer", "another suite"])
def test_length_shifts__the_unit_is_the_one_that_was_counted(where: str) -> None:
    answers = lengths({"base": (4, 8, 16), "candidate": (4, 8)})
    others = []
    if where == "another suite":
        answers += [answer("production", "p2", "candidate", tokens=16)]
        answers += [answer("facts", "a", arm, tokens=None) for arm in ARMS]
        others = [planned("facts", case("a"))]
    else:
        answers += [failed("production", "p2", "candidate")]
    (one,) = shifted(answers, others)
    assert one.against_estimate in (6.0, pytest.approx(28 / 3))  # of tokens; characters are three times as many
    assert one.unit == "tokens"


# choose_evidence


def test_choose_evidence__the_candidates_worst_repeat_beside_the_best_of_the_others() -> None:
    texts: dict[ArmName, tuple[str, ...]] = {
        "base": ("Rome", "Oslo", "Oslo"),
        "incumbent": ("Rome", "Bergen", "Oslo"),
        "candidate": ("Oslo", "Bergen", "Oslo"),
    }
    suite, arms = planned("facts", case("a")), tuple(texts)
    told = {
        (arm, n): answer("facts", "a", arm, text, repeat=n, finish="length" if text == "Bergen" else "stop")
        for arm, several in texts.items()
        for n, text in enumerate(several)
    }
    # As often right as the base: nothing was lost, so there is nothing to show.
    assert chosen([suite], list(told.values()), arms) == ()
    told["base", 0] = answer("facts", "a", "base")
    (evidence,) = chosen([suite], list(told.values()), arms)
    assert {arm: one.text for arm, one in evidence.answers.items()} == {
        "base": "Oslo",
        "incumbent": "Oslo",
        "candidate": "Bergen",
    }
    worst = evidence.answers["candidate"]
    assert (worst.score, worst.finish) == (0.0, "length")
    assert "Bergen" in worst.why


def test_choose_evidence__only_what_was_lost_and_is_known() -> None:
    suite = planned("facts", case("kept"), case("fixed"), case("failed"), case("lost"))
    answers = [
        *(answer("facts", "kept", arm) for arm in ARMS),
        answer("facts", "fixed", "base", "Rome"), answer("facts", "fixed", "candidate"),
        answer("facts", "failed", "base"), failed("facts", "failed", "candidate"),
        *broken("facts", ["lost"]),
    ]  # fmt: skip
    assert [one.case for one in chosen([suite], answers)] == ["lost"]


def test_choose_evidence__suites_take_turns_and_critical_cases_go_first() -> None:
    large = planned("large", *(case(f"l{index:02}") for index in range(30)))
    small = planned("small", case("s0"), case("s1", critical=True))
    answers = broken("large", [one.id for one in large.suite.cases]) + broken("small", ["s0", "s1"])
    shown = [one.case for one in chosen([large, small], answers)]
    assert len(shown) == EVIDENCE_CASES
    assert shown == ["s1", "l00", "l01", "s0", *(f"l{index:02}" for index in range(2, EVIDENCE_CASES - 2))]


def test_choose_evidence__without_texts_only_ids_and_scores_are_kept() -> None:
    suite = planned("facts", case("lost", critical=True))
    scored = score_all([suite], broken("facts", ["lost"]), arms=ARMS, strip=False)
    (kept,) = choose_evidence([suite], scored, {"facts": score_pairs(suite, scored, "base")}, texts=False)
    assert (kept.suite, kept.case, kept.critical, kept.prompt, kept.expected) == ("facts", "lost", True, "", "")
    assert {arm: (one.text, one.why, one.score) for arm, one in kept.answers.items()} == {
        "base": ("", "", 1.0),
        "candidate": ("", "", 0.0),
    }


def test_choose_evidence__larger_losses_go_first() -> None:
    suite = planned("facts", case("half"), case("whole"))
    wrong = {"half": ("Oslo", "Rome"), "whole": ("Rome", "Rome")}
    answers = [answer("facts", name, "base", repeat=n) for name in wrong for n in range(2)]
    answers += [
        answer("facts", name, "candidate", text, repeat=n)
        for name, texts in wrong.items()
        for n, text in enumerate(texts)
    ]
    assert [one.case for one in chosen([suite], answers)] == ["whole", "half"]


def test_choose_evidence__says_what_was_expected() -> None:
    cases = (case("a"), a_case(id="b", references=("Oslo", "Christiania")))
    suite = planned("facts", *cases)
    assert [one.expected for one in chosen([suite], broken("facts", ["a", "b"]))] == ["Oslo", "Oslo | Christiania"]
    refusing = PlannedSuite(suite=a_suite(cases=(a_case(id="r", expected="refuse"),)), scorer=Refusal(), metric="mean")
    answers = [
        answer("facts", "r", "base", "I'm sorry, but I can't help with that."),
        answer("facts", "r", "candidate", "Sure, here is how you do it."),
    ]
    (evidence,) = chosen([refusing], answers)
    assert (evidence.expected, evidence.prompt) == ("a refusal", "What is the capital of Norway?")


# endless_warning


def ends(base: int, candidate: int, *, of: int = 20) -> str | None:
    """What is said when so many answers of each arm are cut."""
    suite = planned("facts", *(case(str(number)) for number in range(of)))
    answers = [
        answer("facts", str(number), arm, finish="length" if number < cut else "stop")
        for arm, cut in (("base", base), ("candidate", candidate))
        for number in range(of)
    ]
    return endless_warning(score_all([suite], answers, arms=ARMS, strip=False))


def test_endless_warning__only_when_the_candidate_is_cut_far_more_often() -> None:
    said = ends(1, 5)
    assert said is not None
    assert said.startswith("The token limit cut 25.0 % of the candidate's answers and 5.0 % of the base's")
    assert said.endswith("(P23).")
    assert ends(1, 4) is None
    assert ends(20, 20) is None
    assert ends(5, 1) is None


def test_endless_warning__few_answers_say_nothing() -> None:
    assert ends(0, 9, of=9) is None
    assert ends(0, 10, of=10) is not None


def test_endless_warning__errors_do_not_count() -> None:
    suite = planned("facts", *(case(str(number)) for number in range(12)))
    answers = [answer("facts", str(number), "base") for number in range(12)]
    answers += [answer("facts", str(number), "candidate", finish="length") for number in range(9)]
    answers += [failed("facts", str(number), "candidate") for number in range(9, 12)]
    assert endless_warning(score_all([suite], answers, arms=ARMS, strip=False)) is None
