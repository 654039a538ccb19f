"""The identity of a suite's content, whatever file it came from. Reads no file."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import fields

from gate.domain import Case, Message

_DEFAULTS = {field.name: field.default for field in fields(Case)}


def suite_digest(cases: Iterable[Case]) -> str:
    """Digest all that the cases say.

    The order of the cases and of their tags does not matter, nor does the file's format; every field does, and the
    order of messages, references and choices too. Fields at their default are left out, so that a field which is
    added to `Case` later changes no digest.

    Args:
        cases: With distinct ids.

    Returns:
        SHA-256 over canonical JSON (keys sorted, no white space, UTF-8), hexadecimal.
    """
    digest = hashlib.sha256()
    for case in sorted(cases, key=lambda case: case.id):
        content = {name: _plain(name, case) for name, default in _DEFAULTS.items() if getattr(case, name) != default}
        line = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest.update(line.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()


def asked_digest(cases: Iterable[Case]) -> str:
    """Digest of what is asked: ids and conversations. References and tags may be mended after answering.

    Args:
        cases: With distinct ids, in any order.

    Returns:
        SHA-256, hexadecimal.
    """
    asked = [[case.id, _plain("messages", case)] for case in sorted(cases, key=lambda case: case.id)]
    return hashlib.sha256(json.dumps(asked, ensure_ascii=True).encode()).hexdigest()


def _plain(name: str, case: Case) -> object:
    value: object = getattr(case, name)
    match value:
        case tuple() if name == "tags":
            return sorted(value)
        case tuple():
            return [[item.role, item.content] if isinstance(item, Message) else item for item in value]
        case _:
            return value
