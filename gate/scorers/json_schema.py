"""The `json_schema` scorer: JSON that also has the demanded shape. Reads no file itself and never fetches anything.

The schema belongs to the suite's author, the text searched by its `pattern`s to nobody. Patterns under `pattern`,
`patternProperties` and `additionalProperties` therefore run with a time limit. `unevaluatedProperties` next to
`patternProperties` has none: jsonschema searches there on its own.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache, cached_property
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Protocol

import regex
from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, StrictBool, ValidationInfo, WithJsonSchema

from gate.domain import Case
from gate.scorers.base import Reading, Scorer
from gate.scorers.json_text import DEEPEST_LEVEL, Mode, NotJson, read_document
from gate.scorers.pattern import checked_pattern
from gate.scorers.text import quoted

if TYPE_CHECKING:
    from jsonschema.protocols import Validator
    from jsonschema.validators import Draft202012Validator

ERRORS_SHOWN = 3
SEARCH_SECONDS = 1.0
"""Longest time for one search of a schema's pattern in one string."""
DRAFT = "https://json-schema.org/draft/2020-12/schema"

_REASON_CHARS = 160
_PROBES: tuple[JsonValue, ...] = ({}, [], "", 0, None)
_MAPS_OF_SCHEMAS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_PLAIN_VALUES = frozenset({"const", "enum", "default", "examples"})

Schema = Mapping[str, JsonValue]
ReadJson = Callable[[str], JsonValue]
"""Reads the JSON file that a configuration names; raises ValueError with what is wrong with it."""


class _Node(Protocol):
    """What a keyword function needs of the validator that calls it."""

    def is_type(self, instance: object, type: str) -> bool: ...  # noqa: A002 - the library's name

    def descend(self, instance: object, schema: object, path: str) -> Iterator[Exception]: ...


def _checked_schema(given: object, info: ValidationInfo[Mapping[str, ReadJson] | None]) -> object:
    """Resolve a path through the caller's `read_json`, then make sure that the schema can be used offline."""
    if isinstance(given, str):
        read_json = (info.context or {}).get("read_json")
        if read_json is None:
            raise ValueError("a schema must be written out here; there is no file to read a path from")
        given = read_json(given)
    if not isinstance(given, Mapping):
        raise ValueError("a JSON schema must be an object")  # noqa: TRY004 - pydantic reports ValueError only
    if not all(isinstance(key, str) for key in given):
        raise ValueError("the keys of a JSON schema must be text")
    _check_usable(given)
    return given


class JsonSchema(Scorer):
    """Right if the answer is JSON, as `json_valid` reads it, and satisfies a JSON Schema (Draft 2020-12).

    Only references within the schema (`#/$defs/...`) are allowed: nothing is fetched. `why` gives the first three
    errors. A case needs no reference.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    binary: ClassVar[bool] = True

    kind: Literal["json_schema"] = "json_schema"
    document_schema: Annotated[
        Schema,
        BeforeValidator(_checked_schema),
        WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}], "title": "Schema"}),
    ] = Field(alias="schema")
    """The schema, or the path of its file."""
    mode: Mode = "strict"
    """`strict`: the whole answer is the document. `lenient`: the answer holds it."""
    formats: StrictBool = False
    """Assert `format` too; refused for formats that cannot be checked here."""

    def read(self, case: Case, text: str) -> Reading:
        """Parse, then validate."""
        del case
        try:
            document = read_document(text, mode=self.mode)
            errors = sorted(self._validator.iter_errors(document), key=lambda error: (error.json_path, error.message))
        except NotJson as broken:
            return Reading(value=0.0, why=str(broken))
        except TimeoutError:
            return Reading(value=0.0, why=f"a pattern of the schema was searched for longer than {SEARCH_SECONDS:g} s")
        except RecursionError:
            return Reading(value=0.0, why=f"nested too deeply for the schema (the limit is {DEEPEST_LEVEL} levels)")
        if not errors:
            return Reading(value=1.0, why="valid JSON that satisfies the schema")
        told = [f"{error.json_path}: {_cut(error.message)}" for error in errors[:ERRORS_SHOWN]]
        more = f" and {len(errors) - ERRORS_SHOWN} more" if len(errors) > ERRORS_SHOWN else ""
        return Reading(value=0.0, why="; ".join(told) + more)

    def model_post_init(self, _context: object, /) -> None:
        """Refuse formats that would silently go unchecked."""
        if not self.formats:
            return
        known = _validator_class().FORMAT_CHECKER.checkers
        for node in _schemas_in(self.document_schema):
            name = node.get("format")
            if isinstance(name, str) and name not in known:
                raise ValueError(
                    f"the format {quoted(name)} cannot be checked here; leave out 'formats', or the format"
                )

    @cached_property
    def _validator(self) -> "Validator":
        return _validator(self.document_schema, formats=self.formats)


def _cut(message: str) -> str:
    return message if len(message) <= _REASON_CHARS else message[: _REASON_CHARS - 1] + "…"


def _check_usable(schema: Schema) -> None:
    """Refuse a schema that is wrong, of another draft, endless, or that would have to be fetched.

    Raises:
        ValueError: One sentence that says which.
    """
    from jsonschema.exceptions import SchemaError  # here, as elsewhere below: it costs 0.15 s that few commands need

    draft = schema.get("$schema", DRAFT)
    if not isinstance(draft, str) or draft.rstrip("#") != DRAFT:
        raise ValueError(f"the schema is written for {quoted(str(draft))}; only Draft 2020-12 ({DRAFT}) is understood")
    try:
        _validator_class().check_schema(schema)
        for node in _schemas_in(schema):
            _check_node(node, schema)
        validator = _validator(schema, formats=False)
        for probe in _PROBES:
            list(validator.iter_errors(probe))
    except SchemaError as broken:
        raise ValueError(f"not a JSON schema: {broken.json_path}: {_cut(broken.message)}") from None
    except RecursionError:
        raise ValueError("the schema refers to itself without end") from None


def _check_node(node: Schema, root: Schema) -> None:
    from referencing import Registry
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    for keyword in ("$ref", "$dynamicRef"):
        target = node.get(keyword)
        if not isinstance(target, str):
            continue
        if not target.startswith("#"):
            raise ValueError(f"the schema refers to {quoted(target)}; only references within it ('#...') are allowed")
        try:
            Registry().resolver_with_root(DRAFT202012.create_resource(root)).lookup(target)
        except Unresolvable:
            raise ValueError(f"the schema refers to {quoted(target)}, which it does not define") from None
    if "$id" in node and node is not root:
        raise ValueError("the schema holds a part with an '$id' of its own; only the whole may have one")
    pattern, names = node.get("pattern"), node.get("patternProperties")
    for expression in [pattern, *(names if isinstance(names, Mapping) else ())]:
        if isinstance(expression, str):
            checked_pattern(expression)


def _schemas_in(schema: JsonValue | Schema) -> Iterator[Schema]:
    """Yield a schema and every schema in it, and nothing that only looks like one (`const`, property names)."""
    pending: list[JsonValue | Schema] = [schema]
    while pending:
        match pending.pop():
            case Mapping() as node:
                yield node
                for keyword, value in node.items():
                    if keyword in _MAPS_OF_SCHEMAS and isinstance(value, Mapping):
                        pending.extend(value.values())
                    elif keyword not in _PLAIN_VALUES:
                        pending.append(value)
            case list() as several:
                pending.extend(several)
            case _:
                pass


def _validator(schema: Schema, *, formats: bool) -> "Validator":
    from referencing import Registry

    validator_class = _validator_class()
    # An empty registry is what makes a fetch impossible: the default one asks the network.
    return validator_class(
        schema, registry=Registry(), format_checker=validator_class.FORMAT_CHECKER if formats else None
    )


@cache
def _validator_class() -> "type[Draft202012Validator]":
    """Draft 2020-12 with time-limited patterns, stable order of errors and exact `multipleOf`."""
    from jsonschema.exceptions import ValidationError
    from jsonschema.validators import Draft202012Validator, extend

    def pattern(node: _Node, wanted: str, instance: object, schema: Schema) -> Iterator[Exception]:
        del schema
        if node.is_type(instance, "string") and not _found(wanted, str(instance)):
            yield ValidationError(f"{quoted(str(instance))} does not match {quoted(wanted)}")

    def pattern_properties(node: _Node, wanted: Schema, instance: object, schema: Schema) -> Iterator[Exception]:
        del schema
        for expression, part in wanted.items():
            for name, value in _members(instance):
                if _found(expression, name):
                    yield from node.descend(value, part, path=name)

    def additional_properties(node: _Node, wanted: object, instance: object, schema: Schema) -> Iterator[Exception]:
        named, expressions = schema.get("properties"), schema.get("patternProperties")
        for name, value in _members(instance):
            if isinstance(named, Mapping) and name in named:
                continue
            if isinstance(expressions, Mapping) and any(_found(expression, name) for expression in expressions):
                continue
            if wanted is False:
                yield ValidationError(f"the property {quoted(name)} is not allowed")
            else:
                yield from node.descend(value, wanted, path=name)

    def multiple_of(node: _Node, wanted: float, instance: object, schema: Schema) -> Iterator[Exception]:
        del schema
        # In binary floating point 19.99 is no multiple of 0.01; in the decimals that were written it is.
        if node.is_type(instance, "number") and Fraction(repr(instance)) % Fraction(repr(wanted)):
            yield ValidationError(f"{instance!r} is not a multiple of {wanted!r}")

    keywords = {
        "pattern": pattern,
        "patternProperties": pattern_properties,
        "additionalProperties": additional_properties,
        "multipleOf": multiple_of,
    }
    extended: type[Draft202012Validator] = extend(Draft202012Validator, keywords)  # type: ignore[no-untyped-call]
    return extended


def _members(instance: object) -> Sequence[tuple[str, object]]:
    return list(instance.items()) if isinstance(instance, dict) else []


def _found(expression: str, text: str) -> bool:
    return regex.search(expression, text, timeout=SEARCH_SECONDS) is not None
