"""Examples for the prompted arm: drawn from training rows, never from a suite, and placed where they belong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.data.shots import Shot, choose_shots, fold_system, with_prompt
from gate.data.training import TrainingRow
from gate.domain import Case, Message
from gate.errors import CasesError


def turn(role: str, content: str) -> Message:
    return Message(role=role, content=content)


def a_row(question: str, answer: str | None = "a", *before: Message) -> TrainingRow:
    return TrainingRow(line=1, messages=(*before, turn("user", question)), answer=answer, text=question)


def a_case(question: str, *before: Message) -> Case:
    return Case(id=question[:9], messages=(*before, turn("user", question)))


TEN = tuple(a_row(f"question {number}", f"answer {number}") for number in range(10))


def test_choose_shots__draw_depends_on_seed_and_nothing_else() -> None:
    first = choose_shots(TEN, count=4, seed=0, suites={})
    assert first == choose_shots(TEN, count=4, seed=0, suites={"s": [a_case("another")]})
    assert len(set(first.examples)) == 4
    assert first.left_out == 0
    assert {choose_shots(TEN, count=4, seed=seed, suites={}).examples for seed in range(5)} - {first.examples}


@given(cases=st.sets(st.integers(0, 9), max_size=6), seed=st.integers(0, 2**32))
def test_choose_shots__never_from_a_suite(cases: set[int], seed: int) -> None:
    suite = [a_case(f"Question {number}") for number in cases]
    shots = choose_shots(TEN, count=4, seed=seed, suites={"s": suite})
    assert not {shot.user for shot in shots.examples} & {f"question {number}" for number in cases}
    assert shots.left_out == len(cases)
    for shot in shots.examples:
        assert shot.assistant == shot.user.replace("question", "answer")


@pytest.mark.parametrize(
    "question",
    ["WHAT is  this?", "\u00a0what\nis\tthis? ", "\uff57hat is this\uff1f"],
)
def test_choose_shots__same_question_in_other_clothes(question: str) -> None:
    rows = [a_row(question), a_row(question, "b"), a_row("what is that?")]
    suite = [a_case("what is this?", turn("user", "what is that?"), turn("assistant", "This?"))]
    shots = choose_shots(rows, count=1, seed=0, suites={"s": suite})
    assert shots.examples == (Shot(user="what is that?", assistant="a"),)
    assert shots.left_out == 2


def test_choose_shots__repeated_question_counts_once() -> None:
    rows = [a_row("Why?", "first"), a_row("why? ", "second"), a_row("How?")]
    for seed in range(5):
        drawn = choose_shots(rows, count=2, seed=seed, suites={}).examples
        assert set(drawn) == {Shot(user="Why?", assistant="first"), Shot(user="How?", assistant="a")}


def test_choose_shots__only_one_question_with_an_answer() -> None:
    unfit = [
        a_row("no answer", None),
        a_row("blank answer", " \n"),
        a_row(" "),
        a_row("second turn", "a", turn("user", "q"), turn("assistant", "a")),
        a_row("after a tool", "a", turn("tool", "q")),
        TrainingRow(line=1, messages=(), answer=None, text="plain text"),
        TrainingRow(line=1, messages=(turn("assistant", "hello"),), answer="a", text="hello"),
    ]
    rows = [*unfit, a_row("fit", "a", turn("system", "dropped"))]
    assert choose_shots(rows, count=1, seed=3, suites={}).examples == (Shot(user="fit", assistant="a"),)


def test_choose_shots__too_few() -> None:
    rows = [a_row("a"), a_row("A"), a_row("b"), a_row("c", None), a_row("d")]
    suites = {"routing": [a_case("b")], "facts": [a_case("d"), Case(id="none", messages=(turn("assistant", "a"),))]}
    with pytest.raises(CasesError) as caught:
        choose_shots(rows, count=4, seed=0, suites=suites)
    assert caught.value.message == (
        "the prompted arm needs 4 examples, but 1 of 5 training rows can serve: 1 not one question with an answer, "
        "1 repeating a question, 1 also asked in the suite 'routing' and 1 also asked in the suite 'facts'."
    )
    assert caught.value.fix == "Add training rows, or lower `prompted.num_shots`."


def test_choose_shots__too_few_and_nothing_to_explain() -> None:
    with pytest.raises(CasesError, match="needs 2 examples, but 1 of 1 training row can serve\\."):
        choose_shots(TEN[:1], count=2, seed=0, suites={})
    with pytest.raises(CasesError, match="needs 1 example, but there are no training rows\\."):
        choose_shots((), count=1, seed=0, suites={})
    assert choose_shots((), count=0, seed=0, suites={}).examples == ()


CASE = (turn("user", "q1"), turn("assistant", "a1"), turn("system", "late"), turn("user", "q2"))
SHOTS = (Shot(user="u1", assistant="s1"), Shot(user="u2", assistant="s2"))
SHOWN = (turn("user", "u1"), turn("assistant", "s1"), turn("user", "u2"), turn("assistant", "s2"))


def test_with_prompt__nothing_to_add() -> None:
    messages = (turn("system", " own "), *CASE)
    assert with_prompt(messages, system=None, shots=()) == messages
    assert with_prompt(CASE, system=" \n", shots=()) == CASE


def test_with_prompt__prompt_then_own_system_then_examples() -> None:
    own = (turn("system", "own 1"), turn("system", "own 2"), *CASE)
    expected = (turn("system", "new\n\nown 1\n\nown 2"), *SHOWN, *CASE)
    assert with_prompt(own, system="new\r\n", shots=SHOTS) == expected
    assert with_prompt(CASE, system="new", shots=SHOTS) == (turn("system", "new"), *SHOWN, *CASE)
    assert with_prompt(CASE, system=None, shots=SHOTS) == (*SHOWN, *CASE)


def test_fold_system__into_the_next_user_turn() -> None:
    folded = fold_system((turn("system", "new"), turn("system", "own"), *CASE))
    assert folded == (turn("user", "new\n\nown\n\nq1"), turn("assistant", "a1"), turn("user", "late\n\nq2"))


def test_fold_system__behind_an_opening_of_the_assistant() -> None:
    opening = turn("assistant", "hello")
    assert fold_system((turn("system", "s"), opening, turn("user", "q"))) == (opening, turn("user", "s\n\nq"))


def test_fold_system__says_all_of_it() -> None:
    assert fold_system((turn("user", "q"), turn("system", "s"))) == (turn("user", "q"), turn("user", "s"))
    assert fold_system((turn("user", "q"),)) == (turn("user", "q"),)
