"""Drafts: following an answer, and the account of what guessing saves."""

from hypothesis import given
from hypothesis import strategies as st

from gate.engine.decoding.drafts import DraftWatch, Follower

tokens = st.lists(st.integers(0, 5), max_size=30)


def follow(draft: list[int], answer: list[int]) -> Follower:
    follower = Follower(draft)
    for end in range(1, len(answer) + 1):
        follower.follow(answer[:end])
    return follower


def test_rest__an_answer_that_keeps_to_its_draft_sees_what_is_left() -> None:
    follower = follow([1, 2, 3, 4], [1, 2])
    assert follower.rest == (3, 4)
    assert not follower.has_left


def test_rest__an_answer_that_has_left_sees_nothing() -> None:
    follower = follow([1, 2, 3, 4], [1, 9])
    assert follower.rest == ()
    assert follower.has_left


def test_rest__an_answer_that_comes_back_sees_the_rest_again() -> None:
    draft = [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert follow(draft, [1, 77, 3, 4, 5]).rest == ()
    follower = follow(draft, [1, 77, 3, 4, 5, 6])
    assert follower.rest == (7, 8, 9)
    assert follower.has_left


def test_rest__of_several_places_the_last_is_taken() -> None:
    assert follow([1, 2, 3, 4, 50, 1, 2, 3, 4, 60], [9, 1, 2, 3, 4]).rest == (60,)


def test_rest__behind_the_end_of_the_draft_there_is_nothing() -> None:
    assert follow([1, 2], [1, 2]).rest == ()
    assert follow([1, 2], [1, 2, 3]).rest == ()
    assert follow([], [1]).rest == ()


@given(tokens, tokens)
def test_rest__is_always_an_end_of_the_draft(draft: list[int], answer: list[int]) -> None:
    rest = list(follow(draft, answer).rest)
    assert draft[len(draft) - len(rest) :] == rest


def test_pays__a_suite_whose_guesses_fail_is_left_alone_but_for_a_few() -> None:
    watch = DraftWatch(price=0.5)
    asked = []
    for _ in range(400):
        asked.append(watch.pays("s", again=False))
        if asked[-1]:
            watch.saw("s", again=False, guessed=16, accepted=0)
    assert all(asked[:4])
    # What is wasted stays below one guess in eight answers once the credit is spent.
    assert sum(asked[40:]) == 360 // 8
    assert watch.pays("other", again=False)
    assert watch.pays("s", again=True)


def test_pays__a_suite_that_saves_more_than_it_costs_goes_on() -> None:
    watch = DraftWatch(price=0.5)
    for _ in range(400):
        assert watch.pays("s", again=False)
        watch.saw("s", again=False, guessed=16, accepted=9)
    assert watch.totals == (6400, 3600)


def test_pays__a_suite_that_gets_better_is_guessed_again() -> None:
    watch = DraftWatch(price=0.5)
    for _ in range(100):
        if watch.pays("s", again=False):
            watch.saw("s", again=False, guessed=16, accepted=0)
    for _ in range(400):
        if watch.pays("s", again=False):
            watch.saw("s", again=False, guessed=16, accepted=16)
    assert all(watch.pays("s", again=False) for _ in range(10))
