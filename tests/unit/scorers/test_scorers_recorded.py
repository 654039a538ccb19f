import pytest
from pydantic import ValidationError

from gate.domain import Case, Message
from gate.scorers.base import Reading
from gate.scorers.recorded import Recorded


def test_read_recorded__takes_the_only_score_over():
    assert Recorded().read_recorded({"acc": 1.0}) == Reading(value=1.0, why="recorded as acc 1")


def test_read_recorded__takes_the_named_score_over():
    assert Recorded(metric="f1", right_or_wrong=False).read_recorded({"acc": 1.0, "f1": 0.25}) == Reading(
        value=0.25, why="recorded as f1 0.25"
    )


@pytest.mark.parametrize(
    ("metric", "scores", "why"),
    [
        (None, {}, "no score was recorded"),
        ("f1", {"acc": 1.0}, "no score 'f1' was recorded"),
        (None, {"acc": 1.0, "f1": 0.0}, "several scores were recorded; set 'metric' to one of 'acc', 'f1'"),
        (None, {"acc": 0.5}, "'acc' is 0.5, which is neither right nor wrong"),
    ],
)
def test_read_recorded__says_why_an_answer_is_unscored(metric, scores, why):
    assert Recorded(metric=metric).read_recorded(scores) == why


def test_binary__is_what_the_configuration_says():
    assert Recorded().binary
    assert not Recorded(right_or_wrong=False).binary


@pytest.mark.parametrize("recorded", [[], [{"acc": 1.0}], [{"acc": 1.0}, {}, {"acc": 0.0}]])
def test_objection__none_where_the_scores_fit(recorded):
    assert Recorded().objection(recorded) is None


@pytest.mark.parametrize(
    ("scorer", "recorded", "part"),
    [
        (Recorded(), [{}, {}], "no answer has a recorded score between 0 and 1"),
        (Recorded(), [{"a": 1.0}, {"b": 1.0}], "several scores were recorded; set 'metric' to one of 'a', 'b'"),
        (Recorded(metric="c"), [{"a": 1.0, "b": 1.0}], "no answer has a recorded score 'c'; there is 'a', 'b'"),
        (
            Recorded(metric="a"),
            [{"a": 1.0}, {"a": 0.25}, {}],
            "'a' has values between 0 and 1 in 1 of 2 answers, for example 0.25; set 'right_or_wrong: false'",
        ),
    ],
)
def test_objection__says_what_does_not_fit(scorer, recorded, part):
    assert part in scorer.objection(recorded)


def test_objection__shares_fit_where_they_are_declared():
    assert Recorded(right_or_wrong=False).objection([{"a": 0.25}, {"a": 1.0}]) is None


def test_problem__no_case_is_one():
    assert Recorded().problem(Case(id="1", messages=(Message(role="user", content="?"),))) is None


@pytest.mark.parametrize("values", [{"metrik": "a"}, {"right_or_wrong": "yes"}, {"kind": "other"}])
def test_recorded__wrong_configuration_is_refused(values):
    with pytest.raises(ValidationError):
        Recorded(**values)
