import json
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from builders import HOSTILE_TEXTS, a_comparison, a_failing_round, a_finding, a_hostile_round, a_round, a_suite_summary
from hypothesis import given
from hypothesis import strategies as st

from gate.domain import Round
from gate.errors import RecordsError
from gate.report import dump, json_schema, load, round_json


def rounds() -> list[Round]:
    # Lone surrogates come back in texts, but not in names: no configuration in UTF-8 can hold such a name.
    names = [text for text in HOSTILE_TEXTS if "\ud800" not in text]
    return [a_round(), a_failing_round(), *(a_hostile_round(text) for text in names)]


def test_dump__comes_back_exactly() -> None:
    for round_ in rounds():
        text = dump(round_)
        assert load(text) == round_
        assert dump(load(text)) == text


@given(st.floats(allow_nan=False, allow_infinity=False), st.text(alphabet=st.characters(categories=None), max_size=20))
def test_dump__any_number_and_any_text_come_back(number: float, text: str) -> None:
    round_ = a_round(comparisons=(a_comparison(delta=number),), warnings=(text,))
    written = dump(round_)
    assert load(written) == round_
    assert dump(load(written.encode("utf-8").decode("utf-8"))) == written


def test_dump__is_readable_json_in_the_order_of_the_type() -> None:
    text = dump(a_round(warnings=("Grüße",)))
    assert text.startswith('{\n  "schema_version": 1,\n  "id": ')
    assert text.endswith("}\n")
    assert "Grüße" in text
    assert list(json.loads(text))[:6] == ["schema_version", "id", "created_at", "gate_version", "commit", "signature"]


def test_dump__keeps_the_order_of_suites() -> None:
    suites = {name: a_suite_summary() for name in ("z", "a", "m")}
    assert list(load(dump(a_round(suites=suites))).suites) == ["z", "a", "m"]


def test_dump__a_whole_number_in_a_fraction_field_is_written_as_one() -> None:
    text = dump(a_round(findings=(a_finding(observed=4, limit=0),)))
    assert '"observed": 4.0' in text
    assert dump(load(text)) == text


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_dump__never_writes_what_is_no_number(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump(a_round(timings={"answer": number}))


def edited(edit: Callable[[Any], object]) -> str:
    data = json.loads(dump(a_failing_round()))
    edit(data)
    return json.dumps(data)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not valid JSON: Expecting value: line 1 column 1"),
        ("{", "not valid JSON: "),
        ("[]", "a list instead of an object"),
        ("null", "null instead of an object"),
        ("{}", "schema_version is null; this version of gate reads 1"),
        ('{"schema_version": 2}', "schema_version is 2; this version of gate reads 1"),
        ('{"schema_version": true}', "schema_version is true; "),
        ('{"schema_version": "1"}', 'schema_version is "1"; '),
        ('{"schema_version": 1, "id": NaN}', "NaN is not a number that JSON knows"),
        ('{"schema_version": 1, "id": -Infinity}', "-Infinity is not a number that JSON knows"),
        ('{"schema_version": 1, "id": "a", "id": "b"}', 'the key "id" stands twice in one object'),
        ('{"schema_version": 1}', "id is missing (15 such problems)"),
        ("[" * 100_000, "nested too deeply"),
        ('{"schema_version": 1, "x": ' + "[" * 500 + "]" * 500 + "}", "id is missing"),
        ("1" * 5000, "not valid JSON: a number of 5,000 characters is out of range"),
        (edited(lambda it: it.update(extra=1)), "extra is unknown"),
        (edited(lambda it: it["findings"][1].update({"\x1b[31m": 1})), "findings.1.\\u001b[31m is unknown"),
        (edited(lambda it: it["arms"]["base"].pop("digest")), "arms.base.digest is missing"),
        (edited(lambda it: it["findings"][0].pop("advice")), "findings.0.advice is missing"),
        (edited(lambda it: it["suites"]["facts"].update(n="300")), "suites.facts.n should be a number, not a string"),
        (edited(lambda it: it["suites"]["facts"].update(n=2.5)), "suites.facts.n: input should be a valid integer"),
        (edited(lambda it: it["timings"].update(answer=True)), "timings.answer should be a number, not true or false"),
        (edited(lambda it: it["findings"][0].update(blocking="yes")), "findings.0.blocking should be true or false"),
        (edited(lambda it: it["verdict"].update(outcome="fine")), "verdict.outcome: input should be 'pass', 'fail'"),
        (edited(lambda it: it.update(warnings=None)), "warnings: input should be a valid tuple"),
        (edited(lambda it: it["suites"].update(facts=[])), "suites.facts: "),
        (dump(a_round()).replace("3.9", "1e999"), "timings.compare is too large to be a number"),
        (dump(a_round()).replace("-0.013", "-1e999"), "comparisons.0.low is too large to be a number"),
    ],
)  # fmt: skip
def test_load__refuses_with_one_sentence(text: str, problem: str) -> None:
    with pytest.raises(RecordsError) as caught:
        load(text)
    assert caught.value.message.startswith("The stored round cannot be read: ")
    assert problem in caught.value.message
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 300
    assert caught.value.fix is not None


def test_load__many_keys_are_looked_through_in_no_time() -> None:
    keys = ", ".join(f'"{number}": 0' for number in range(100_000))
    begun = time.perf_counter()
    with pytest.raises(RecordsError, match='the key "last" stands twice'):
        load(f'{{{keys}, "last": 0, "last": 0}}')
    assert time.perf_counter() - begun < 3


def test_load__a_whole_number_may_stand_for_a_fraction() -> None:
    assert load(dump(a_round()).replace('"level": 0.9', '"level": 1')).comparisons[0].level == 1.0


@pytest.mark.parametrize("text", ["é" * 60, "x" * 101])
def test_load__refuses_what_is_too_long(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(round_json, "MAX_BYTES", 100)
    with pytest.raises(RecordsError, match="longer than"):
        load(text)


def test_json_schema__holds_for_what_is_written_and_for_nothing_more() -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.check_schema(json_schema())
    for round_ in rounds()[:2]:
        validator.validate(json.loads(dump(round_)))
    for text in (
        edited(lambda it: it["verdict"].update(extra=1)),
        edited(lambda it: it["findings"][0].pop("advice")),
    ):
        assert not validator.is_valid(json.loads(text))


def test_json_schema__names_every_key_of_a_round() -> None:
    assert set(json_schema()["properties"]) == set(Round.__dataclass_fields__)
    assert set(json_schema()["required"]) == set(Round.__dataclass_fields__) - {"texts"}


def test_load__a_round_from_before_lines_and_texts_is_still_one() -> None:
    data = json.loads(dump(a_failing_round()))
    del data["texts"]
    for finding in data["findings"]:
        del finding["line"]
    assert load(json.dumps(data)) == a_failing_round()
    jsonschema.Draft202012Validator(json_schema()).validate(data)


def test_load__a_round_without_suites_is_a_round() -> None:
    empty = replace(a_round(), suites={}, comparisons=(), findings=(), arms={})
    assert load(dump(empty)) == empty
