"""The first line of every report and comment: hidden, and how a publisher finds its own comment among others.

This module knows no round and no page.
"""

import re

from gate.errors import UsageError

MARKER = "<!-- gate -->"
"""That of the only gate of a repository."""

_COMMENT_ID = re.compile("[A-Za-z0-9](?:[A-Za-z0-9_.]|-(?!-)){0,63}")
_MARKER = re.compile(f"{MARKER}|<!-- gate: {_COMMENT_ID.pattern} -->")


def marker(comment_id: str | None) -> str:
    """The first line of our comments: hidden, and different for each id.

    Args:
        comment_id: Tells apart the comments of several gates on one pull request; None: the only one.

    Raises:
        UsageError: It holds what an HTML comment cannot.
    """
    if not comment_id:
        return MARKER
    if not _COMMENT_ID.fullmatch(comment_id):
        raise UsageError(
            f"comment-id: {comment_id[:80]!r} is not an id of letters, digits, `_`, `.` and single `-`, at most 64."
        )
    return f"<!-- gate: {comment_id} -->"


def is_marker(line: str) -> bool:
    """Whether this module writes such a line."""
    return _MARKER.fullmatch(line) is not None
