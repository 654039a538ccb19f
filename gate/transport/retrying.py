"""When a request is sent again, and after which pause: what both large SDKs of language models do.

Knows replies and numbers; sends nothing and waits for nothing.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

_RETRIED_STATUS = frozenset({408, 409, 429})
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 8.0
_LONGEST_OBEYED_SECONDS = 120.0
"""A server that asks for a longer pause is not coming back in this run."""
_JITTER = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a server said, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: If it is anything else.
        """
        try:
            return json.loads(self.body)
        except RecursionError:
            raise ValueError("too deeply nested") from None


class Pausing(Protocol):
    """When to try again after a reply; `pause_after` is one way."""

    def __call__(self, reply: Reply, attempt: int, *, wall: float, draw: Callable[[], float]) -> float | None:
        """Seconds to wait, or None; the parameters are those of `pause_after`."""


def pause_after(reply: Reply, attempt: int, *, wall: float, draw: Callable[[], float]) -> float | None:
    """Seconds to wait before the next try; None: there is no point in one.

    Args:
        reply: What came back.
        attempt: Of which try, from 1.
        wall: Seconds since 1970.
        draw: A random number in [0, 1): makes the pauses of clients that failed together differ.
    """
    wanted = reply.headers.get("x-should-retry", "").lower()
    passing = reply.status in _RETRIED_STATUS or reply.status >= 500
    if wanted == "false" or (wanted != "true" and not passing) or is_quota(reply):
        return None
    asked = asked_pause(reply.headers, wall)
    if asked is None or asked <= 0:
        return backoff(attempt, draw)
    return asked if asked <= _LONGEST_OBEYED_SECONDS else None


def backoff(attempt: int, draw: Callable[[], float]) -> float:
    """Seconds to wait when the server names none: twice as long each time, up to a limit."""
    full = min(_FIRST_PAUSE_SECONDS * 2.0 ** (attempt - 1), _LONGEST_PAUSE_SECONDS)
    return full * (1 - _JITTER * draw())


def is_quota(reply: Reply) -> bool:
    """Whether no pause will help, because what was paid for is used up."""
    if reply.status != 429:
        return False
    try:
        error = reply.json()["error"]
        return "insufficient_quota" in (error.get("code"), error.get("type"))
    except (ValueError, TypeError, KeyError, AttributeError):
        return False


def asked_pause(headers: Mapping[str, str], wall: float) -> float | None:
    """Seconds to wait that a server asks for; None if it names none.

    Args:
        headers: Of its reply, names in lower case.
        wall: Seconds since 1970.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    after = headers.get("retry-after")
    seconds = _number(after)
    if seconds is not None or after is None:
        return seconds
    try:
        return parsedate_to_datetime(after).timestamp() - wall
    except (ValueError, OverflowError, OSError):
        return None


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return None if math.isnan(number) else number
