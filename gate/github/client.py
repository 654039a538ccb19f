"""GitHub's REST API for one repository: who may, what was said, page after page.

Knows addresses, headers and limits of the API; what a comment or a check means is for others to know. The token is sent
to the API's own address and stands in no message.
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import urlsplit

from gate import __version__
from gate.errors import BrokenRun, UsageError
from gate.github import limits
from gate.transport.http import Clock, HttpSession, NoReply, Patience
from gate.transport.retrying import Reply

MOST_PAGES = 100
"""Of one list; of a hundred items each."""

_HEADERS: Mapping[str, str] = {
    "Accept": "application/vnd.github+json",
    "X-GitHub-Api-Version": "2022-11-28",  # the one that all supported GitHub Enterprise Servers know
    "User-Agent": f"finetune-gate/{__version__}",
}
_PATIENCE_SECONDS = 150.0
_PATIENCE = Patience(
    tries=6,
    deadline_seconds=_PATIENCE_SECONDS,
    connect_seconds=10.0,
    reply_seconds=30.0,
    longest_reply_bytes=64 * 1024**2,  # a hundred comments of the largest size
    pausing=limits.pause_after,
)
_PAUSES_SECONDS = (2.0, 5.0, 10.0)
"""Before looking whether something new arrived, each time that this is not clear."""
_NEXT_PAGE = re.compile(r'<([^<>]*)>\s*(?:;[^,<>]*)?;\s*rel="?next"?')
_AUTHORITIES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
_TOKEN = re.compile("[\x21-\x7e]+")

Method = Literal["GET", "POST", "PATCH", "DELETE"]
Kind = TypeVar("Kind")


class Refused(Exception):
    """GitHub understood the request and does not grant it; asking again will not help."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        """401: no valid token. 403: it may not. 404, 410: not there, or not to be seen. 422: a wrong request."""
        self.message = message
        """A sentence without a full stop that says what, why, and which permission is missing if GitHub named it."""
        super().__init__(message)


class Unclear(Exception):
    """Nobody knows whether what was asked for has been done: look before asking again."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Making(Generic[Kind]):
    """Something of which there must be one only."""

    what: str
    """In a word or two, for people."""
    read: Callable[[dict[str, Any]], Kind | None]
    """What an answer says is there now; None if it does not say."""
    find: Callable[[], Kind | None]
    """Looks whether it is there; None: it is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where the API is and who asks."""

    api_url: str
    repository: str
    """`owner/name`."""
    token: str = field(repr=False)


class GitHubClient:
    """Asks on behalf of one repository. All requests of one client share their patience: two and a half minutes.

    Every method raises `Refused` if GitHub does not grant the request and `BrokenRun` if it cannot be reached, answers
    nonsense, or its limits are not lifted in time.
    """

    def __init__(self, access: Access, *, environ: Mapping[str, str], clock: Clock | None = None) -> None:
        """Connect nothing yet.

        Args:
            access: Where and who.
            environ: Environment variables; `REQUESTS_CA_BUNDLE` or `SSL_CERT_FILE` name the authorities of a server
                with a certificate of its own.
            clock: The time.

        Raises:
            UsageError: The token cannot be one, or there are no such authorities.
        """
        token = access.token.strip()
        if not _TOKEN.fullmatch(token):
            raise UsageError("GITHUB_TOKEN is not a token: it is empty or holds other characters than a token can.")
        self._clock = clock or Clock()
        self._access = access
        self._session = HttpSession(access.api_url, key=token, draw=random.random, clock=clock, connections=1)
        for name in _AUTHORITIES:
            if path := environ.get(name):
                if not Path(path).exists():
                    raise UsageError(f"{name} names a file that does not exist.")
                self._session.trust(path)
                break
        self._ends: float | None = None

    @property
    def repository(self) -> str:
        """`owner/name`."""
        return self._access.repository

    def get(self, path: str) -> Any:
        """Ask for one thing; returns JSON.

        Args:
            path: From the API's address, for example `/user`.
        """
        return self._content(self._granted("GET", path))

    def own(self, path: str) -> str:
        """The path of something of the repository.

        Args:
            path: From there, for example `/check-runs`.
        """
        return f"/repos/{self._access.repository}{path}"

    def items(self, path: str, *, within: str | None = None) -> Iterator[dict[str, Any]]:
        """All items of a list, page after page.

        Args:
            path: With its query.
            within: The key under which the items stand, where a page is an object.
        """
        following = f"{path}{'&' if '?' in path else '?'}per_page=100"
        for _ in range(MOST_PAGES):
            reply = self._granted("GET", following)
            page = self._content(reply)
            items = page.get(within) if within is not None and isinstance(page, dict) else page
            if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
                raise BrokenRun(f"{self._session.host} did not answer with a list.")
            yield from items
            if (after := self._next_page(reply)) is None:
                return
            following = after
        raise BrokenRun(f"{self._session.host} has more than {MOST_PAGES} pages of one list.")

    def post(self, path: str, content: Mapping[str, object]) -> dict[str, Any]:
        """Make something new.

        Raises:
            Unclear: It may be there now, or not.
        """
        try:
            reply = self._send("POST", path, content, once=True)
        except NoReply as problem:
            raise Unclear(problem.message) from None
        if reply.status >= 500:
            raise Unclear(self._session.explain(reply))
        granted = self._judged("POST", path, reply)
        try:
            return self._object(granted)
        except BrokenRun as problem:
            raise Unclear(problem.message.rstrip(".")) from None

    def post_once(self, path: str, content: Mapping[str, object], *, making: Making[Kind]) -> Kind:
        """Make something new of which there must not be two: whenever it is not clear whether it is there, look first.

        Args:
            path: From the API's address.
            content: What is sent.
            making: How to know it.

        Returns:
            What is there now.
        """
        said = ""
        for seconds in _PAUSES_SECONDS:
            try:
                made = making.read(self.post(path, content))
                said = "its answer cannot be read"
            except Unclear as problem:
                made, said = None, problem.message
            if made is None:
                self.pause(seconds)
                made = making.find()
            if made is not None:
                return made
        raise BrokenRun(f"GitHub does not say whether it has the {making.what}: {said}.")

    def patch(self, path: str, content: Mapping[str, object]) -> dict[str, Any]:
        """Change something; doing so twice is as good as once."""
        return self._object(self._granted("PATCH", path, content))

    def delete(self, path: str) -> None:
        """Remove something."""
        self._granted("DELETE", path)

    def pause(self, seconds: float) -> None:
        """Give GitHub time to show what it has stored."""
        self._session.pause(seconds)

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _granted(self, method: Method, path: str, content: Mapping[str, object] | None = None) -> Reply:
        try:
            reply = self._send(method, path, content, once=False)
        except NoReply as problem:
            raise BrokenRun(f"GitHub gave no answer: {problem.message}.") from None
        return self._judged(method, path, reply)

    def _send(self, method: Method, path: str, content: Mapping[str, object] | None, *, once: bool) -> Reply:
        now = self._clock.monotonic()
        if self._ends is None:
            self._ends = now + _PATIENCE_SECONDS
        patience = replace(_PATIENCE, deadline_seconds=max(0.0, self._ends - now))
        return self._session.send(method, path, content=content, headers=_HEADERS, patience=patience, once=once)

    def _judged(self, method: Method, path: str, reply: Reply) -> Reply:
        """The reply if it grants the request."""
        if 200 <= reply.status < 300:
            return reply
        what = f"{method} {path.partition('?')[0]}"
        said = self._session.explain(reply)
        if limits.is_limit(reply):
            until = limits.reset_time(reply)
            when = f" until {datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M} UTC" if until is not None else ""
            raise BrokenRun(f"GitHub takes no more requests{when} ({what}: {said}).", fix="Run this job again later.")
        if reply.status >= 500:
            raise BrokenRun(f"GitHub is out of order ({what}: {said}).", fix="Run this job again later.")
        needed = reply.headers.get("x-accepted-github-permissions", "") if reply.status == 403 else ""
        grant = f"; the token needs one of these permissions: {_permissions(needed)}" if needed else ""
        raise Refused(reply.status, f"{what}: {said}{grant}")

    def _next_page(self, reply: Reply) -> str | None:
        """The path of the page after this one."""
        found = _NEXT_PAGE.search(reply.headers.get("link", ""))
        if found is None:
            return None
        base = self._access.api_url.rstrip("/")
        there, here = urlsplit(found[1]), urlsplit(base)
        if (there.scheme, there.netloc) != (here.scheme, here.netloc) or not there.path.startswith(f"{here.path}/"):
            raise BrokenRun(f"{self._session.host} names a next page that is on another server.")
        return f"{there.path.removeprefix(here.path)}?{there.query}"

    def _content(self, reply: Reply) -> Any:
        try:
            return reply.json()
        except ValueError:
            raise BrokenRun(f"{self._session.host} did not answer with JSON; is it GitHub's API?") from None

    def _object(self, reply: Reply) -> dict[str, Any]:
        content = self._content(reply)
        if not isinstance(content, dict):
            raise BrokenRun(f"{self._session.host} did not answer with an object.")
        return content


def _permissions(header: str) -> str:
    """What GitHub asks for, as in a workflow: `issues: write or pull-requests: write`.

    The header separates alternatives by semicolons, and those that are needed together by commas.
    """
    ways = [
        " and ".join(part.strip().replace("_", "-").replace("=", ": ", 1) for part in way.split(","))
        for way in header[:300].split(";")
        if way.strip()
    ]
    return " or ".join(ways)
