"""The kinds that read JSON: json_valid and json_schema."""

import json
from collections.abc import Mapping

import pytest
from pydantic import JsonValue, TypeAdapter, ValidationError

from gate.domain import Case, Message
from gate.scorers import AnyScorer, JsonSchema, JsonValid

CASE = Case(id="1", messages=(Message(role="user", content="q"),))
PERSON: dict[str, JsonValue] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"name": {"$ref": "#/$defs/text"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
    "additionalProperties": False,
    "$defs": {"text": {"type": "string", "pattern": "^[A-Z]"}},
}


def schema_scorer(schema: object, **options: object) -> JsonSchema:
    return JsonSchema.model_validate({"kind": "json_schema", "schema": schema, **options})


@pytest.mark.parametrize(
    "text", ['{"a": [1, 2.5e3, null, "\\ud83d\\ude00"]}', " [] \n", "7", '"x"', "[" * 100 + "]" * 100]
)
def test_json_valid__documents(text: str) -> None:
    assert JsonValid().score(CASE, text).value == 1.0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{'a': 1}", "not JSON: Expecting property name"),
        ('{"a": 1,}', "not JSON"),
        ('{"a": NaN}', "NaN is not JSON"),
        ("[-Infinity]", "-Infinity is not JSON"),
        ("[1e999]", "the number '1e999' is out of range"),
        ("[" + "1" * 5000 + "]", "out of range"),
        ('{"a": 1, "b": {"a": 1, "a": 2}}', "the key 'a' occurs twice"),
        ("[" * 101 + "]" * 101, "nested more than 100 levels deep"),
        ("[" * 100_000, "nested more than 100 levels deep"),
        ("```json\n{}\n```", "not JSON"),
        ("{} {}", "not JSON: Extra data"),
    ],
)
def test_json_valid__why_not(text: str, why: str) -> None:
    reading = JsonValid().score(CASE, text)
    assert reading.value == 0.0
    assert why in reading.why


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("```json\n{}\n```", 1.0),
        ("Here it is:\n```\n[1]\n```\nDone.", 1.0),
        ("```json\n{,}\n```", 0.0),
        ('The set {a, b} is {"a": "}"} today', 1.0),
        ("Use [ to open. Then {}", 1.0),
        ("```\n1\n```\n```\n2\n```\nand [3]", 1.0),
        ("a (1] {", 0.0),
        ('[1} {"unfinished', 0.0),
        ("no document", 0.0),
        ("[" * 30 + " {}", 0.0),
    ],
)
def test_json_valid__lenient_finds_the_document(text: str, expected: float) -> None:
    assert JsonValid(mode="lenient").score(CASE, text).value == expected


def test_json_schema__right_and_the_first_three_errors() -> None:
    scorer = schema_scorer(PERSON)
    assert scorer.score(CASE, '{"name": "Ada", "age": 36}').value == 1.0
    wrong = scorer.score(CASE, '{"name": "ada", "age": -1, "x": 1, "y": 2}')
    assert wrong.value == 0.0
    assert wrong.why == (
        "$: the property 'x' is not allowed; $: the property 'y' is not allowed; "
        "$.age: -1 is less than the minimum of 0 and 1 more"
    )
    assert scorer.score(CASE, "Ada, 36").why.startswith("not JSON")


def test_json_schema__lenient_mode() -> None:
    assert schema_scorer(PERSON, mode="lenient").score(CASE, 'Sure: {"name": "Ada", "age": 36}').value == 1.0


def test_json_schema__properties_by_pattern() -> None:
    scorer = schema_scorer(
        {"patternProperties": {"^n_": {"type": "number"}}, "additionalProperties": {"type": "string"}}
    )
    assert scorer.score(CASE, '{"n_a": 1, "b": "x"}').value == 1.0
    assert scorer.score(CASE, '{"n_a": "x"}').value == 0.0
    assert scorer.score(CASE, '{"b": 1}').value == 0.0
    assert scorer.score(CASE, "[1]").value == 1.0


@pytest.mark.parametrize(("number", "expected"), [("19.99", 1.0), ("0.07", 1.0), ("0.015", 0.0), ('"x"', 1.0)])
def test_json_schema__multiples_are_decimal(number: str, expected: float) -> None:
    assert schema_scorer({"multipleOf": 0.01}).score(CASE, number).value == expected


def test_json_schema__a_pattern_that_explodes_is_given_up() -> None:
    reading = schema_scorer({"pattern": "^(a|aa)+$"}).score(CASE, json.dumps("a" * 200 + "b"))
    assert reading.value == 0.0
    assert "searched for longer than 1 s" in reading.why


def test_json_schema__recursive_schema_on_a_deep_document_is_refused_not_crashed() -> None:
    scorer = schema_scorer({"type": "array", "allOf": [{"allOf": [{"allOf": [{"items": {"$ref": "#"}}]}]}]})
    assert scorer.score(CASE, "[[],[[]]]").value == 1.0
    reading = scorer.score(CASE, "[" * 100 + "]" * 100)
    assert (reading.value, reading.why) == (0.0, "nested too deeply for the schema (the limit is 100 levels)")


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "strin"}, "not a JSON schema"),
        ({"$ref": "https://example.com/s.json"}, "only references within it"),
        ({"properties": {"const": {"$ref": "other.json"}}}, "only references within it"),
        ({"$ref": "#/$defs/x"}, "does not define"),
        ({"$ref": "#"}, "without end"),
        ({"allOf": [{"$id": "https://example.com/x"}]}, "'\\$id' of its own"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "only Draft 2020-12"),
        ({"pattern": "("}, "JSON schema|regular expression"),
        ({"patternProperties": {"(": {}}}, "JSON schema|regular expression"),
        ([1], "must be an object"),
        ({1: 2}, "must be text"),
        ("person.json", "written out here"),
    ],
)
def test_json_schema__refuses_a_schema_that_cannot_be_used(schema: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        schema_scorer(schema)


def test_json_schema__values_that_only_look_like_references_are_left_alone() -> None:
    scorer = schema_scorer({"const": {"$ref": "https://example.com"}})
    assert scorer.score(CASE, '{"$ref": "https://example.com"}').value == 1.0


def test_json_schema__path_is_read_by_the_caller() -> None:
    def read_json(path: str) -> JsonValue:
        if path != "person.json":
            raise ValueError(f"{path} does not exist")
        return PERSON

    adapter: TypeAdapter[AnyScorer] = TypeAdapter(AnyScorer)
    context: Mapping[str, object] = {"read_json": read_json}
    scorer = adapter.validate_python({"kind": "json_schema", "schema": "person.json"}, context=dict(context))
    assert scorer.score(CASE, '{"name": "Ada", "age": 36}').value == 1.0
    assert adapter.dump_python(scorer)["schema"] == PERSON
    with pytest.raises(ValidationError, match=r"other\.json does not exist"):
        adapter.validate_python({"kind": "json_schema", "schema": "other.json"}, context=dict(context))


def test_json_schema__formats_are_asserted_only_when_asked_for() -> None:
    schema = {"type": "string", "format": "date"}
    assert schema_scorer(schema).score(CASE, '"soon"').value == 1.0
    assert schema_scorer(schema, formats=True).score(CASE, '"soon"').value == 0.0
    assert schema_scorer(schema, formats=True).score(CASE, '"2026-11-20"').value == 1.0


def test_json_schema__refuses_a_format_that_would_go_unchecked() -> None:
    with pytest.raises(ValidationError, match="'no-such-format' cannot be checked here"):
        schema_scorer({"items": {"format": "no-such-format"}}, formats=True)


def test_any_scorer__schema_of_the_settings_carries_the_discriminator() -> None:
    adapter: TypeAdapter[AnyScorer] = TypeAdapter(AnyScorer)
    kinds = adapter.json_schema()["discriminator"]["mapping"]
    assert set(kinds) == {
        "exact_match", "contains", "regex", "numeric", "classification", "json_valid", "json_schema", "refusal",
        "recorded",
    }  # fmt: skip
    with pytest.raises(ValidationError, match="Extra inputs"):
        adapter.validate_python({"kind": "exact_match", "ignorecase": True})
