"""When GitHub says "not now": its rate limits, and how long to wait for them.

A limit comes as 403 or 429. `retry-after` names the pause; else `x-ratelimit-reset` does once nothing remains; else it
is a secondary limit, after which at least a minute must pass, twice as long each time.

References:
    https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
"""

import re
from collections.abc import Callable

from gate.transport import retrying
from gate.transport.retrying import Reply

_LONGEST_PAUSE_SECONDS = 120.0
_SECONDARY_PAUSE_SECONDS = 60.0
_SHORTEST_PAUSE_SECONDS = 1.0
_TIME = re.compile("[0-9]{1,10}")
"""Before the year 2287; a longer number is no time."""
_SECONDARY_WORDS = ("secondary rate limit", "abuse detection")


def pause_after(reply: Reply, attempt: int, *, wall: float, draw: Callable[[], float]) -> float | None:
    """Seconds to wait before the next try; None: there is no point in one, or it would take too long.

    Args:
        reply: What came back.
        attempt: Of which try, from 1.
        wall: Seconds since 1970.
        draw: A random number in [0, 1).
    """
    if not is_limit(reply):
        return retrying.pause_after(reply, attempt, wall=wall, draw=draw)
    asked = retrying.asked_pause(reply.headers, wall)
    if asked is None and (reset := reset_time(reply)) is not None:
        asked = reset - wall
    if asked is None:
        asked = _SECONDARY_PAUSE_SECONDS * 2.0 ** (attempt - 1)
    return max(asked, _SHORTEST_PAUSE_SECONDS) if asked <= _LONGEST_PAUSE_SECONDS else None


def is_limit(reply: Reply) -> bool:
    """Whether the request was turned down because there were too many, not because it is not allowed."""
    if reply.status != 403:
        return reply.status == 429
    said = reply.body[:10_000].decode("utf-8", "replace").lower()
    used_up = reply.headers.get("x-ratelimit-remaining") == "0"
    return "retry-after" in reply.headers or used_up or any(words in said for words in _SECONDARY_WORDS)


def reset_time(reply: Reply) -> int | None:
    """From which moment on, in seconds since 1970, requests are taken again; None if the reply does not say so."""
    reset = reply.headers.get("x-ratelimit-reset", "")
    if reply.headers.get("x-ratelimit-remaining") != "0" or not _TIME.fullmatch(reset):
        return None
    return int(reset)
