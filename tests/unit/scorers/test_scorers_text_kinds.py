"""The kinds that compare text: exact_match, contains, regex, classification; and the text functions."""

import pytest
from pydantic import ValidationError

from gate.domain import Case, Message
from gate.scorers import Classification, Contains, ExactMatch, Reading, Regex, Scorer, strip_thinking
from gate.scorers.text import quoted, quoted_list


def case(*references: str) -> Case:
    return Case(id="1", messages=(Message(role="user", content="q"),), references=references)


def value(scorer: Scorer, text: str, *references: str) -> float:
    assert scorer.problem(case(*references)) is None
    return scorer.score(case(*references), text).value


@pytest.mark.parametrize("scorer", [ExactMatch(), Contains(none=("x",)), Regex(pattern=".*")])
@pytest.mark.parametrize("text", ["", " \n\t", "\u00a0"])
def test_score__empty_answer_is_zero_and_invalid_even_where_nothing_is_demanded(scorer: Scorer, text: str) -> None:
    assert scorer.score(case("a"), text) == Reading(value=0.0, why="the answer is empty", invalid=True)


@pytest.mark.parametrize(
    ("options", "text", "expected"),
    [
        ({}, " Paris\n", 1.0),
        ({}, "paris", 0.0),
        ({}, "Paris.", 0.0),
        ({}, "e\u0301te\u0301", 1.0),
        ({"ignore_case": True}, "PARIS", 1.0),
        ({"ignore_case": True}, "STRASSE", 1.0),
        ({"ignore_punctuation": True}, "Paris!", 1.0),
        ({"ignore_punctuation": True}, "...", 0.0),
        ({"ignore_punctuation": True}, "a  -  b", 1.0),
        ({"ignore_punctuation": True}, "C", 0.0),
    ],
)
def test_exact_match__options(options: dict[str, bool], text: str, expected: float) -> None:
    scorer = ExactMatch.model_validate(options)
    assert value(scorer, text, "Paris", "\u00e9t\u00e9", "Straße", "a b", "C+") == expected


def test_exact_match__names_answer_and_references_when_wrong() -> None:
    assert ExactMatch().score(case("a", "b"), "c\nd").why == "'c d' is not 'a', 'b'"


def test_exact_match__needs_a_reference_of_which_something_is_left() -> None:
    assert ExactMatch().problem(case()) == "has no reference"
    problem = ExactMatch(ignore_punctuation=True).problem(case("a", "?!"))
    assert problem == "has the reference '?!', of which nothing is left to compare"


@pytest.mark.parametrize(
    ("options", "text", "expected"),
    [
        ({"all": ["a", "b"]}, "b and a", 1.0),
        ({"all": ["a", "z"]}, "b and a", 0.0),
        ({"any": ["z", "a"]}, "cat", 1.0),
        ({"any": ["z"]}, "cat", 0.0),
        ({"none": ["z"]}, "cat", 1.0),
        ({"none": ["at"]}, "cat", 0.0),
        ({"all": ["c"], "any": ["x", "a"], "none": ["z"]}, "cat", 1.0),
        ({"all": ["C"]}, "cat", 0.0),
        ({"all": ["C"], "ignore_case": True}, "cat", 1.0),
        ({}, "a ref", 1.0),
        ({}, "nothing", 0.0),
    ],
)
def test_contains__lists(options: dict[str, object], text: str, expected: float) -> None:
    assert value(Contains.model_validate(options), text, "ref") == expected


@pytest.mark.parametrize("lists", [{"any": []}, {"all": [""]}, {"all": [" "]}, {"any": "word"}, {"all": [1]}])
def test_contains__refuses_lists_that_search_for_nothing(lists: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Contains.model_validate(lists)


def test_contains__refuses_lists_that_no_answer_satisfies() -> None:
    with pytest.raises(ValidationError, match="no answer can hold 'Start'"):
        Contains.model_validate({"all": ["Start"], "none": ["ART"], "ignore_case": True})


def test_contains__problem_only_where_references_are_what_is_looked_for() -> None:
    assert Contains().problem(case()) == "has no reference, and the scorer lists nothing to look for"
    assert Contains().problem(case("a", " ")) == "has an empty reference, which every answer contains"
    assert Contains(none=("x",)).problem(case()) is None


@pytest.mark.parametrize(
    ("options", "text", "expected"),
    [
        ({"pattern": r"\d+"}, "room 12", 1.0),
        ({"pattern": r"\d+", "mode": "fullmatch"}, "room 12", 0.0),
        ({"pattern": r"\d+", "mode": "fullmatch"}, " 12\n", 1.0),
        ({"pattern": "ROOM"}, "room", 0.0),
        ({"pattern": "ROOM", "ignore_case": True}, "room", 1.0),
        ({"pattern": "(?s)a.b"}, "a\nb", 1.0),
        ({}, "blue", 1.0),
        ({}, "red", 0.0),
    ],
)
def test_regex__modes(options: dict[str, object], text: str, expected: float) -> None:
    assert value(Regex.model_validate(options), text, "^gr[ae]y$", "^bl") == expected


def test_regex__a_search_that_explodes_is_given_up() -> None:
    reading = Regex(pattern="(a|aa)+$", timeout_seconds=0.05).score(case(), "a" * 200 + "b")
    assert reading == Reading(value=0.0, why="the search was given up after 0.05 s")


@pytest.mark.parametrize("pattern", ["(", "a{2,1}", "[z-a]", "(?P<n>a)(?P=m)", r"\L<names>", ""])
def test_regex__refuses_a_broken_pattern(pattern: str) -> None:
    with pytest.raises(ValidationError):
        Regex(pattern=pattern)


@pytest.mark.parametrize("seconds", [0, -1, 61, True, "1", float("nan")])
def test_regex__refuses_a_senseless_time_limit(seconds: object) -> None:
    with pytest.raises(ValidationError):
        Regex.model_validate({"pattern": "a", "timeout_seconds": seconds})


def test_regex__problem_without_a_pattern_of_its_own() -> None:
    assert Regex().problem(case()) == "has no reference, and the scorer has no pattern"
    assert "'(' is not a regular expression" in (Regex().problem(case("a", "(")) or "")


LABELS = Classification(labels=("Billing", "account access", "N/A"), aliases={"invoice": "Billing"})


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("billing", "Billing"),
        (" BILLING.\n", "Billing"),
        ("**Billing**", "Billing"),
        ('"Account   Access"', "account access"),
        ("Label: billing", "Billing"),
        ("Answer = n/a!", "N/A"),
        ("Category:invoice", "Billing"),
        ("billing, because of the invoice", None),
        ("billing account access", None),
        ("Label:", None),
        ("!!!", None),
    ],
)
def test_label__closed_set(text: str, label: str | None) -> None:
    assert LABELS.label(text) == label


def test_classification__right_wrong_and_invalid() -> None:
    assert LABELS.score(case("invoice"), "Billing").value == 1.0
    assert LABELS.score(case("Billing"), "n/a") == Reading(value=0.0, why="'N/A' is not 'Billing'", label="N/A")
    invalid = LABELS.score(case("Billing"), "shipping")
    assert (invalid.value, invalid.invalid) == (0.0, True)


def test_classification__problem_of_a_reference_outside_the_set() -> None:
    assert LABELS.problem(case("Billing", "n/a")) is None
    assert LABELS.problem(case()) == "has no reference"
    assert "has the reference 'shipping', which is not one of the labels" in (LABELS.problem(case("shipping")) or "")


@pytest.mark.parametrize(
    "settings",
    [
        {"labels": ["a"]},
        {"labels": ["a", "A."]},
        {"labels": ["a", "a"]},
        {"labels": ["a", "?"]},
        {"labels": ["a", "b"], "aliases": {"x": "c"}},
        {"labels": ["a", "b"], "aliases": {"A": "b"}},
        {"labels": ["a", "b"], "aliases": {"x": "a", "X": "b"}},
        {"labels": ["yes", False]},
    ],
)
def test_classification__refuses_labels_that_cannot_be_told_apart(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Classification.model_validate(settings)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>2+2</think>\n\n4", "4"),
        ("\n<think>\nhm", ""),
        ("reasoning\n</think>4", "4"),
        ("4", "4"),
        ("the tags <think> and </think> mark it", "the tags <think> and </think> mark it"),
        ("<think>a</think>b</think>c", "b</think>c"),
    ],
)
def test_strip_thinking__leading_block_only(text: str, answer: str) -> None:
    assert strip_thinking(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Oslo, or was it...", ""),
        ("hm</think>\nOslo", "Oslo"),
        ("<think>hm</think>\nOslo", "Oslo"),
        ("hm</think>a</think>b", "a</think>b"),
        ("what <think> means</think>Oslo", "Oslo"),
        ("", ""),
    ],
)
def test_strip_thinking__where_the_prompt_has_begun_it(text: str, answer: str) -> None:
    assert strip_thinking(text, begun=True) == answer


def test_quoted__one_printable_line_of_bounded_length() -> None:
    assert quoted("a\n\tb\x1b[31m\u202e") == "'a b\ufffd[31m\ufffd'"
    assert len(quoted("x" * 10_000)) == 62
    assert quoted_list(("a", "b", "c", "d")) == "'a', 'b', 'c' and 1 more"
