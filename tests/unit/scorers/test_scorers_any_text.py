"""No text whatever makes a scorer raise or leave [0, 1]."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.domain import Case, Message
from gate.scorers import (
    Classification,
    Contains,
    ExactMatch,
    JsonSchema,
    JsonValid,
    Numeric,
    Refusal,
    Regex,
    Scorer,
    strip_thinking,
)

CASE = Case(id="1", messages=(Message(role="user", content="q"),), references=("1",), expected="answer")
SCORERS: list[Scorer] = [
    ExactMatch(ignore_case=True, ignore_punctuation=True),
    Contains(none=("z",), ignore_case=True),
    Regex(pattern="(a+)+$", timeout_seconds=0.05),
    Numeric(rel_tolerance=0.1),
    Numeric(decimal_mark="comma"),
    Classification(labels=("1", "2")),
    JsonValid(),
    JsonValid(mode="lenient"),
    JsonSchema.model_validate(
        {"schema": {"type": "array", "items": {"$ref": "#"}, "uniqueItems": True}, "mode": "lenient"}
    ),
    Refusal(extra_patterns=("(a+)+$",), timeout_seconds=0.05),
]
ODD_PIECES = [
    "[", "]", "{", "}", '"', "\\", ":", ",", "1", "0", "-", ".", "/", "e", "9" * 500, "```\n", "<think>", "</think>",
    "\u202e", "\u0661", "\ufdfa", "I can't help", "no ", "a", "\n", "€", "\u00d710^9", "NaN", "\U0001f600", "\u0307",
]  # fmt: skip
TEXTS = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(ODD_PIECES), max_size=60).map("".join))
HUGE = [
    "[" * 200_000, '{"a":' * 50_000, "a " * 100_000, "1" * 200_000, "1," * 100_000, '"' * 100_000, "`" * 100_000,
    "-" * 100_000, "(" * 50_000 + ")" * 50_000, "1/" * 100_000, "e1" * 50_000, "A" * 200_000, "“" * 50_000,
]  # fmt: skip


@pytest.mark.parametrize("scorer", SCORERS, ids=lambda scorer: scorer.kind)
@given(text=TEXTS)
@settings(max_examples=150, deadline=None)
def test_score__any_text_is_readable(scorer: Scorer, text: str) -> None:
    assert scorer.problem(CASE) is None
    reading = scorer.score(CASE, strip_thinking(text))
    assert reading.value in {0.0, 1.0}
    assert scorer.binary
    assert "\n" not in reading.why
    assert reading.why
    assert not (reading.invalid and reading.value)


@pytest.mark.parametrize("scorer", SCORERS, ids=lambda scorer: scorer.kind)
@pytest.mark.parametrize("text", HUGE, ids=lambda text: text[:6])
def test_score__enormous_text_is_readable(scorer: Scorer, text: str) -> None:
    reading = scorer.score(CASE, text)
    assert reading.value in {0.0, 1.0}
    assert len(reading.why) < 1_000
