"""Which key was meant: the known keys of a place in the configuration, and the nearest one to a wrong word.

Works on the JSON Schema of the configuration, so a new scorer or rule needs nothing here.
"""

import difflib
from typing import Any

Schema = dict[str, Any]
"""A JSON Schema as pydantic makes it."""


def did_you_mean(word: str, known: list[str]) -> str:
    """Name the nearest known word, or all of them when none is near; empty when nothing is known."""
    # Case and the underscore are what people get wrong most, so they count for nothing in the search.
    plain = {name.lower().replace("_", "").replace("-", ""): name for name in known}
    near = difflib.get_close_matches(word.lower().replace("_", "").replace("-", ""), list(plain), n=1, cutoff=0.6)
    return f", did you mean {plain[near[0]]!r}?" if near else f", known are {', '.join(known)}" if known else ""


def known_keys(schema: Schema, location: tuple[int | str, ...]) -> set[str]:
    """The keys that the JSON Schema knows at a place.

    Args:
        schema: The whole schema, definitions included.
        location: Where, as pydantic writes it: keys, indices, and the kind of a union's member where it chose one.
    """
    places = _objects(schema, schema)
    for part in location:
        places = [found for place in places for deeper in _step(place, part) for found in _objects(deeper, schema)]
    return {key for place in places for key in place.get("properties", ())}


def _step(place: Schema, part: int | str) -> list[Schema]:
    """Go one part deeper: to a named key, into the kind of a union's member, to an item or any other key's value."""
    properties = place.get("properties", {})
    if part in properties:
        return [properties[part]]
    if properties.get("kind", {}).get("const") == part:
        return [place]
    others = (place.get("items"), place.get("additionalProperties"), *place.get("patternProperties", {}).values())
    return [other for other in others if isinstance(other, dict)]


def _objects(place: Schema, schema: Schema) -> list[Schema]:
    """Follow references and unions to the plain schemas behind a place."""
    if "$ref" in place:
        return _objects(schema["$defs"][place["$ref"].rpartition("/")[2]], schema)
    members = [member for key in ("oneOf", "anyOf", "allOf") for member in place.get(key, ())]
    return [found for member in members for found in _objects(member, schema)] if members else [place]
