"""Which key was meant: the known keys of a place in the configuration, and the nearest one to a wrong word.

Works on the JSON Schema of the configuration, so a new scorer or rule needs nothing here.
"""

import difflib
from collections.abc import Mapping


def did_you_mean(word: str, known: list[str]) -> str:
    """Name the nearest known word, or all of them when none is near; empty when nothing is known."""
    # Case and the underscore are what people get wrong most, so they count for nothing in the search.
    plain = {name.lower().replace("_", "").replace("-", ""): name for name in known}
    near = difflib.get_close_matches(word.lower().replace("_", "").replace("-", ""), list(plain), n=1, cutoff=0.6)
    return f", did you mean {plain[near[0]]!r}?" if near else f", known are {', '.join(known)}" if known else ""


def known_keys(schema: Mapping[str, object], location: tuple[int | str, ...]) -> set[str]:
    """The keys that the JSON Schema knows at a location of a pydantic error."""
    definitions = schema["$defs"]
    places: list[object] = [schema]
    for part in location:
        places = [deeper for place in places for deeper in _children(place, part, definitions)]
    return {key for place in places for key in _properties(place, definitions)}


def _children(place: object, part: int | str, definitions: object) -> list[object]:
    found: list[object] = []
    for node in _variants(place, definitions):
        if isinstance(part, int):
            found += [node[key] for key in ("items",) if key in node]
            continue
        properties = node.get("properties")
        if isinstance(properties, dict):
            if part in properties:
                found.append(properties[part])
                continue
            kind = properties.get("kind")
            if isinstance(kind, dict) and kind.get("const") == part:
                found.append(node)  # the union's tag in the location: stay on the member it names
                continue
        found += [node[key] for key in ("additionalProperties", "patternProperties") if isinstance(node.get(key), dict)]
    return found


def _properties(place: object, definitions: object) -> set[str]:
    return {
        key
        for node in _variants(place, definitions)
        for key in (node["properties"] if isinstance(node.get("properties"), dict) else ())
    }


def _variants(place: object, definitions: object) -> list[dict[str, object]]:
    """Follow references and unions to the plain object schemas behind a place."""
    if not isinstance(place, dict):
        return []
    if "$ref" in place and isinstance(definitions, dict):
        return _variants(definitions[str(place["$ref"]).rpartition("/")[2]], definitions)
    members = [member for key in ("oneOf", "anyOf", "allOf") for member in place.get(key, ())]
    if members:
        return [variant for member in members for variant in _variants(member, definitions)]
    if "patternProperties" in place:
        return [{**place, "additionalProperties": next(iter(place["patternProperties"].values()))}]
    return [place]
