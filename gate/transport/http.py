"""HTTP with patience: one session for one server, which tries again what may pass and gives up on what will not.

Knows requests and replies; what a reply means is for the caller to say. It logs nothing, keeps no cookies, reads no
passwords from `.netrc`, and follows no redirect, which could carry the key to another host.
"""

import ipaddress
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from gate.transport.retrying import Pausing, Reply, backoff, pause_after

if TYPE_CHECKING:
    import requests

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SERVER_ERRORS = 500
"""From this status on."""
_CHUNK_BYTES = 65_536

NoReplyKind = Literal["unreachable", "timeout", "broken", "too_large", "redirect", "stopped"]
"""`unreachable`: no connection. `broken`: it broke off. `stopped`: this side has given up."""


class NoReply(Exception):
    """There was no reply, after all tries."""

    def __init__(self, kind: NoReplyKind, message: str) -> None:
        self.kind = kind
        self.message = message
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for what."""

    tries: int = 6
    """Of one request, the first included."""
    deadline_seconds: float = 600.0
    """No try begins later than this after the first one."""
    connect_seconds: float = 10.0
    reply_seconds: float = 120.0
    """For one whole reply."""
    longest_reply_bytes: int = 16 * 1024**2
    pausing: Pausing = pause_after
    """After which replies to try again, and when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Where time comes from."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    """Seconds since 1970; a server may name the moment from which on it can be asked again."""
    sleep: Callable[[float], object] | None = None
    """Pauses; default: until the time is over or `HttpSession.stop` is called."""


class HttpSession:
    """Talks to one server; may be used by many threads at once."""

    def __init__(
        self,
        origin: str,
        *,
        key: str | None = None,
        patience: Patience | None = None,
        draw: Callable[[], float],
        clock: Clock | None = None,
        connections: int = 8,
    ) -> None:
        """Connect nothing yet.

        Args:
            origin: Scheme, host and port, for example `http://127.0.0.1:8000`, and what all paths begin with, if
                anything, as in `https://ghes.example/api/v3`.
            key: Sent as a bearer token, in the header `Authorization` and nowhere else.
            patience: Limits.
            draw: A random number in [0, 1): makes the pauses of clients that failed together differ.
            clock: The time.
            connections: Most connections that are kept open.
        """
        self._origin, self._key, self._draw = origin.rstrip("/"), key, draw
        self._patience, self._clock = patience or Patience(), clock or Clock()
        self._connections = connections
        self._authorities: str | None = None
        self._stopped = threading.Event()
        self._sleep = self._clock.sleep or self._stopped.wait

    @property
    def host(self) -> str:
        """Host and port, as messages name the server."""
        return urlsplit(self._origin).netloc

    def trust(self, authorities: str) -> None:
        """Believe these certificate authorities and no others; before the first request.

        Args:
            authorities: A file of PEM certificates, or a folder made by `openssl rehash`; must exist.
        """
        self._authorities = authorities

    def send(
        self,
        method: Literal["GET", "POST", "PATCH", "PUT", "DELETE"],
        path: str,
        *,
        content: object | None = None,
        headers: Mapping[str, str] | None = None,
        patience: Patience | None = None,
        once: bool = False,
    ) -> Reply:
        """Send a request, again and again where that may help.

        Args:
            method: The HTTP method.
            path: From the origin, for example `/v1/models`.
            content: Sent as JSON; None: no body.
            headers: More headers.
            patience: Other limits than the session's.
            once: What the request asks for must not be done twice: it is sent again only after a reply that says that
                nothing was done. After a missing reply, or an error of the server's own, nobody knows.

        Returns:
            The last reply, which may well be an error.

        Raises:
            NoReply: If there was none.
        """
        limits = patience or self._patience
        began = self._clock.monotonic()
        for attempt in range(1, limits.tries + 1):
            if self._stopped.is_set():
                raise NoReply("stopped", "the run was stopped")
            failure, reply = None, None
            try:
                reply = self._once(method, path, content, headers=headers, limits=limits)
                wait = limits.pausing(reply, attempt, wall=self._clock.wall(), draw=self._draw)
                unclear = reply.status >= _SERVER_ERRORS
            except NoReply as problem:
                failure, unclear = problem, True
                wait = backoff(attempt, self._draw) if problem.kind in ("unreachable", "timeout", "broken") else None
            if once and unclear:
                break
            late = wait is not None and self._clock.monotonic() - began + wait > limits.deadline_seconds
            if wait is None or late or attempt == limits.tries:
                break
            self._sleep(wait)
        if reply is None:
            raise failure or NoReply("stopped", "no try was allowed")
        return reply

    def explain(self, reply: Reply, *, longest: int = 300) -> str:
        """What a reply says is wrong, in one line without the key."""
        try:
            said = reply.json()
        except ValueError:
            said = None
        for name in ("error", "message", "error_message", "detail"):
            if isinstance(said, dict) and said.get(name):
                said = said[name]
        text = said if isinstance(said, str) else reply.body[: 4 * longest].decode("utf-8", "replace")
        line = self.hide(" ".join(text.split()))
        return f"HTTP {reply.status}: {line[:longest]}" if line else f"HTTP {reply.status}"

    def hide(self, text: str) -> str:
        """A text without the key."""
        return text.replace(self._key, "***") if self._key else text

    def stop(self) -> None:
        """End all pauses; no request is sent any more."""
        self._stopped.set()

    def pause(self, seconds: float) -> None:
        """Do nothing for a while; `stop` ends it."""
        self._sleep(seconds)

    def close(self) -> None:
        """Close what is open."""
        if "_session" in self.__dict__:
            self._session.close()

    @cached_property
    def _session(self) -> "requests.Session":
        import requests
        from requests.adapters import HTTPAdapter

        session = requests.Session()
        # Proxies are for what is far away; a proxy cannot know what runs on this machine.
        session.trust_env = not is_loopback(urlsplit(self._origin).hostname or "")
        session.verify = self._authorities or True
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=self._connections, max_retries=0)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        return session

    def _sign(self, request: "requests.PreparedRequest") -> "requests.PreparedRequest":
        # Being there, it also keeps requests from looking for a password in .netrc.
        if self._key is not None:
            request.headers["Authorization"] = f"Bearer {self._key}"
        request.headers.pop("Cookie", None)
        return request

    def _once(
        self, method: str, path: str, content: object | None, *, headers: Mapping[str, str] | None, limits: Patience
    ) -> Reply:
        import requests
        from urllib3.exceptions import HTTPError

        ends = self._clock.monotonic() + limits.reply_seconds
        typed = {} if content is None else {"Content-Type": "application/json"}
        try:
            with self._session.request(
                method,
                self._origin + path,
                data=None if content is None else json.dumps(content).encode(),
                headers={"Accept": "application/json", **typed, **(headers or {})},
                timeout=(limits.connect_seconds, limits.reply_seconds),
                allow_redirects=False,
                stream=True,
                auth=self._sign,
            ) as response:
                if response.status_code in _REDIRECTS:
                    raise NoReply("redirect", f"{self.host} redirects to another address, which is not followed")
                body = self._read(response.raw, ends, limits)
                named = {name.lower(): value for name, value in response.headers.items()}
                return Reply(status=response.status_code, headers=named, body=body)
        except (requests.RequestException, HTTPError) as problem:
            raise self._no_reply(problem, limits) from None

    def _read(self, raw: Any, ends: float, limits: Patience) -> bytes:
        body = bytearray()
        # What has arrived is taken at once: a server that sends a byte now and then does not outwit the limit.
        while chunk := raw.read1(_CHUNK_BYTES, decode_content=True):
            body += chunk
            if len(body) > limits.longest_reply_bytes:
                raise NoReply("too_large", f"{self.host} sent more than {limits.longest_reply_bytes:,} bytes")
            if self._clock.monotonic() > ends:
                raise NoReply("timeout", f"{self.host} took longer than {limits.reply_seconds:g} s")
        return bytes(body)

    def _no_reply(self, problem: Exception, limits: Patience) -> NoReply:
        import requests
        from urllib3.exceptions import MaxRetryError, ReadTimeoutError

        if isinstance(problem, requests.exceptions.ReadTimeout | ReadTimeoutError):
            return NoReply("timeout", f"{self.host} took longer than {limits.reply_seconds:g} s")
        inner = problem.args[0] if problem.args else None
        if isinstance(problem, requests.exceptions.ConnectTimeout) or isinstance(inner, MaxRetryError):
            return NoReply("unreachable", f"{self.host} cannot be reached: {_cause(problem)}")
        return NoReply("broken", f"the connection to {self.host} broke off: {_cause(problem)}")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _cause(problem: BaseException) -> str:
    """The innermost reason in a nest of exceptions, without addresses of objects."""
    text, seen = type(problem).__name__, 0
    inner: object = problem
    while isinstance(inner, BaseException) and seen < 10:
        if isinstance(inner, OSError) and inner.strerror:
            text = inner.strerror
        nested = [getattr(inner, "reason", None), *reversed(inner.args), inner.__cause__, inner.__context__]
        inner = next((one for one in nested if isinstance(one, BaseException)), None)
        seen += 1
    return text
