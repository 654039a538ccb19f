"""`round.json`: a round written down exactly and read back strictly.

Numbers are plain fractions, unknown ones null, never NaN. What is read is untrusted: every unknown, missing or
mistyped key is refused with one sentence. This module opens no file; texts come in and go out.
"""

import json
import math
import re
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from gate.domain import Round
from gate.errors import RecordsError
from gate.report import escape

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

SCHEMA_VERSION = 1
MAX_BYTES = 64 * 1024 * 1024
"""Longest text that is read, in UTF-8; no run writes nearly as much."""

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""What a JSON text can hold."""

_ADDED_TO_ROUND: dict[str, Json] = {"texts": True}
_ADDED_TO_FINDING: dict[str, Json] = {"line": None}
"""Keys that came later, with what a round from before means by leaving them out."""

_REMEDY = "Use a round.json as this version of gate wrote it, or run the gate again."
_SHOWN_CHARACTERS = 80
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def dump(round_: Round) -> str:
    """Write a round as JSON: two spaces of indent, keys in the order of the types, a final line feed.

    Args:
        round_: A finished round.

    Returns:
        Text that can be stored as UTF-8: lone surrogates in texts are escaped, in names replaced. The same round gives
        the same text.

    Raises:
        ValueError: If a number is NaN or infinite: unknown is None, and anything else is a mistake in the program.
    """
    text = json.dumps(_plain_data(round_), indent=2, ensure_ascii=False, allow_nan=False)
    return _LONE_SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def load(text: str) -> Round:
    """Read a round back.

    Args:
        text: What `dump` wrote, or what somebody claims it did. Check the size of a file before reading it whole.

    Returns:
        The round, equal to the one that was dumped.

    Raises:
        RecordsError: If the text is too long, no JSON, of another schema version, or not exactly a round.
    """
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise _refusal(f"longer than {MAX_BYTES // 1024**2} MiB")
    data = _parse(text)
    version = data.get("schema_version")
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise _refusal(f"schema_version is {_show(version)}; this version of gate reads {SCHEMA_VERSION}")
    data = _completed(data)
    round_ = _validate(data)
    meant = _plain_data(round_)
    if (problem := _difference(data, meant, "")) is not None:
        raise _refusal(problem)
    if (place := _infinite(meant, "")) is not None:
        raise _refusal(f"{place} is too large to be a number")
    return round_


def json_schema() -> dict[str, Json]:
    """Describe `round.json` as a JSON Schema (Draft 2020-12) that allows no other keys."""
    schema: dict[str, Json] = _adapter().json_schema(mode="serialization")
    definitions = schema["$defs"]
    for part in [schema, *(definitions.values() if isinstance(definitions, dict) else ())]:
        if isinstance(part, dict) and isinstance(properties := part.get("properties"), dict):
            part["additionalProperties"] = False
            part["required"] = [key for key in properties if key not in _ADDED_TO_ROUND | _ADDED_TO_FINDING]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


@cache
def _adapter() -> "TypeAdapter[Round]":
    from pydantic import TypeAdapter

    return TypeAdapter(Round)


def _plain_data(round_: Round) -> Json:
    data: Json = _adapter().dump_python(round_, mode="json")
    return data


def _parse(text: str) -> dict[str, Json]:
    try:
        data: Json = json.loads(
            text, parse_constant=_no_constant, parse_int=_integer, object_pairs_hook=_no_repeated_key
        )
    except RecursionError:
        raise _refusal("nested too deeply") from None
    except ValueError as error:  # json.JSONDecodeError, or one of our hooks
        raise _refusal(f"not valid JSON: {error}") from None
    if not isinstance(data, dict):
        raise _refusal(f"{_kind(data)} instead of an object")
    return data


def _completed(data: dict[str, Json]) -> dict[str, Json]:
    """Add what a round from before did not say. Types are checked later: a finding may still be anything."""
    findings = data.get("findings")
    if isinstance(findings, list):
        findings = [_ADDED_TO_FINDING | one if isinstance(one, dict) else one for one in findings]
        data = data | {"findings": findings}
    return _ADDED_TO_ROUND | data


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is not a number that JSON knows")


def _integer(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:  # Python refuses thousands of digits, in words for programmers
        raise ValueError(f"a number of {len(digits):,} characters is out of range") from None


def _no_repeated_key(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    result: dict[str, Json] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"the key {_show(key)} stands twice in one object")
        result[key] = value
    return result


def _validate(data: dict[str, Json]) -> Round:
    from pydantic import ValidationError

    try:
        return _adapter().validate_python(data)
    except ValidationError as error:
        raise _refusal(_first_problem(error)) from None


def _first_problem(error: "ValidationError") -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    more = f" ({error.error_count()} such problems)" if error.error_count() > 1 else ""
    if first["type"] in {"missing", "missing_keyword_only_argument", "missing_argument"}:
        return f"{_place(place)} is missing{more}"
    return f"{_place(place)}: {first['msg'][:1].lower()}{first['msg'][1:]}{more}"


def _difference(given: Json, meant: Json, place: str) -> str | None:
    """Find the first key or value that the types do not hold as it was given.

    pydantic ignores unknown keys of a dataclass, fills in defaults and converts `"5"` to 5; a record that needs any of
    this was not written by this program.
    """
    if isinstance(given, dict) and isinstance(meant, dict):
        for key in [*given, *meant]:
            if key not in meant or key not in given:
                return f"{_place(f'{place}.{key}')} is {'unknown' if key in given else 'missing'}"
        pairs = [(given[key], meant[key], f"{place}.{key}") for key in given]
    elif isinstance(given, list) and isinstance(meant, list):
        pairs = [(one, other, f"{place}.{index}") for index, (one, other) in enumerate(zip(given, meant, strict=True))]
    elif given != meant or _kind(given) != _kind(meant):
        return f"{_place(place)} should be {_kind(meant)}, not {_kind(given)}"
    else:
        return None
    return next((found for one, other, where in pairs if (found := _difference(one, other, where)) is not None), None)


def _infinite(data: Json, place: str) -> str | None:
    """Find a number like 1e999, which Python reads as infinite."""
    match data:
        case float():
            return None if math.isfinite(data) else _place(place)
        case dict():
            parts = list(data.items())
        case list():
            parts = [(str(index), part) for index, part in enumerate(data)]
        case _:
            return None
    return next((found for key, part in parts if (found := _infinite(part, f"{place}.{key}")) is not None), None)


def _kind(value: Json) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case dict():
            return "an object"


def _place(path: str) -> str:
    return escape.clip(escape.terminal(path.removeprefix(".")), _SHOWN_CHARACTERS)


def _show(value: Json) -> str:
    return escape.clip(escape.terminal(json.dumps(value)), _SHOWN_CHARACTERS)


def _refusal(problem: str) -> RecordsError:
    return RecordsError(f"The stored round cannot be read: {problem}.", fix=_REMEDY)
