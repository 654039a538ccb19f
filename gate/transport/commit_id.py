"""What the full id of a commit looks like, and how messages shorten it. Knows no repository."""

import re

_FULL_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHOWN_CHARACTERS = 12


def is_full_id(text: str) -> bool:
    """Whether a text is a full id as git writes it, by SHA-1 or SHA-256; whether such a commit exists is not said."""
    return _FULL_ID.fullmatch(text) is not None


def short_id(commit: str) -> str:
    """The beginning of a full id, as much as a person needs to find it."""
    return commit[:_SHOWN_CHARACTERS]
