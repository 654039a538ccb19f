"""A small HTTP server on this machine whose replies a test writes down, and which keeps what it was sent."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from local_http import LocalServer, QuietHandler, running


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    content: Any


@dataclass(frozen=True)
class Said:
    """A reply to send."""

    status: int = 200
    content: object = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    """Sent in place of `content`, as it is."""
    cut: bool = False
    """Announce more than is sent."""
    reset: bool = False
    """Send nothing and reset the connection."""
    drip: threading.Event | None = None
    """Send a byte at a time until this is set."""


class FakeServer:
    """What a test knows of its server."""

    def __init__(self, port: int) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        self.asked: list[Asked] = []
        self.most_at_once = 0
        self.now = 0
        self.gone = False
        self.lock = threading.Lock()

    def to(self, path: str) -> list[Asked]:
        return [one for one in self.asked if one.path == path]


@contextmanager
def serving(answer: Callable[[Asked], Said]) -> Iterator[FakeServer]:
    """Serve until the end of the block."""

    class Handler(QuietHandler):
        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            asked = Asked(
                method=self.command,
                path=self.path,
                headers={name.lower(): value for name, value in self.headers.items()},
                content=json.loads(body) if body else None,
            )
            with fake.lock:
                fake.asked.append(asked)
                fake.now += 1
                fake.most_at_once = max(fake.most_at_once, fake.now)
            try:
                said = answer(asked)
            finally:
                with fake.lock:
                    fake.now -= 1
            self.reply(said)

        do_GET = do_POST = serve  # noqa: N815 - the names are inherited

        def reply(self, said: Said) -> None:
            if said.reset or fake.gone:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                self.connection.close()
                self.close_connection = True
                return
            body = said.raw if said.raw is not None else json.dumps(said.content).encode()
            self.send_response(said.status)
            for name, value in {"content-type": "application/json", **said.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body) + (1000 if said.cut or said.drip else 0)))
            self.end_headers()
            self.wfile.write(body)
            while said.drip is not None and not said.drip.wait(0.01):
                self.wfile.write(b" ")
                self.wfile.flush()
            self.close_connection = self.close_connection or said.cut or said.drip is not None

    server = LocalServer(Handler)
    fake = FakeServer(server.server_address[1])
    with running(server):
        try:
            yield fake
        finally:
            fake.gone = True  # connections that are still open have threads of their own


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
