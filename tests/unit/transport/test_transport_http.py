"""The HTTP session against a real server on this machine that misbehaves on purpose."""

import gzip
import threading
from collections.abc import Iterator
from itertools import chain, count, repeat
from pathlib import Path

import pytest
from fake_server import Asked, FakeServer, Said, free_port, serving

from gate.transport.http import Clock, HttpSession, NoReply, Patience, is_loopback

KEY = "sk-secret-0123456789"


class Paused:
    """Remembers pauses in place of making them."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def a_session(server: FakeServer | str, paused: Paused, **patience: float) -> HttpSession:
    limits = Patience(**{"tries": 4, "reply_seconds": 5.0, **patience})  # type: ignore[arg-type]
    origin = server if isinstance(server, str) else server.origin
    return HttpSession(origin, key=KEY, patience=limits, draw=lambda: 0.5, clock=Clock(sleep=paused))


def in_turn(*said: Said) -> Iterator[Said]:
    """These replies, the last one again and again."""
    return chain(said, repeat(said[-1]))


@pytest.fixture
def paused() -> Paused:
    return Paused()


def test_send__asks_again_until_the_server_is_ready(paused: Paused) -> None:
    said = in_turn(Said(429, headers={"retry-after": "3"}), Said(503), Said(reset=True), Said(content={"ok": "ü"}))
    with serving(lambda asked: next(said)) as server:
        reply = a_session(server, paused).send("POST", "/x", content={"text": "\ud800ü"})
    assert reply.json() == {"ok": "ü"}
    assert len(server.asked) == 4
    assert paused.seconds[0] == 3.0
    assert 0.75 < paused.seconds[1] <= 1.0
    assert 1.5 < paused.seconds[2] <= 2.0


def test_send__the_last_error_comes_back_as_it_is(paused: Paused) -> None:
    with serving(lambda asked: Said(503, {"error": {"message": f"busy, {KEY}!"}})) as server:
        session = a_session(server, paused)
        reply = session.send("GET", "/x")
    assert len(server.asked) == 4
    assert session.explain(reply) == "HTTP 503: busy, ***!"


def test_send__no_try_begins_after_the_deadline(paused: Paused) -> None:
    ticks = count(0.0, 10.0)
    clock = Clock(monotonic=lambda: next(ticks), sleep=paused)
    with serving(lambda asked: Said(503)) as server:
        limits = Patience(tries=100, deadline_seconds=65.0, reply_seconds=1e9)
        session = HttpSession(server.origin, patience=limits, draw=lambda: 0.5, clock=clock)
        assert session.send("GET", "/x").status == 503
    assert 1 < len(server.asked) < 10


def test_send__a_cut_reply_is_asked_for_again(paused: Paused) -> None:
    said = in_turn(Said(content={"text": "half"}, cut=True), Said(content={"text": "whole"}))
    with serving(lambda asked: next(said)) as server:
        assert a_session(server, paused).send("GET", "/x").json() == {"text": "whole"}


@pytest.mark.parametrize("packed", [False, True])
def test_send__a_huge_reply_is_given_up_at_once(paused: Paused, packed: bool) -> None:
    body = b"x" * 5_000_000
    said = Said(raw=gzip.compress(body), headers={"content-encoding": "gzip"}) if packed else Said(raw=body)
    with serving(lambda asked: said) as server, pytest.raises(NoReply, match="more than 1,000,000 bytes") as raised:
        a_session(server, paused, longest_reply_bytes=1_000_000).send("GET", "/x")
    assert raised.value.kind == "too_large"
    assert len(server.asked) == 1


def test_send__a_server_that_says_nothing_runs_out_of_time(paused: Paused) -> None:
    done = threading.Event()

    def answer(asked: Asked) -> Said:
        done.wait(20)
        return Said()

    with serving(answer) as server:
        with pytest.raises(NoReply, match=r"took longer than 0\.1 s") as raised:
            a_session(server, paused, reply_seconds=0.1, tries=2).send("GET", "/x")
        done.set()
    assert raised.value.kind == "timeout"
    assert len(server.asked) == 2


def test_send__a_server_that_sends_a_byte_now_and_then_does_too(paused: Paused) -> None:
    done = threading.Event()
    with serving(lambda asked: Said(raw=b" ", drip=done)) as server:
        with pytest.raises(NoReply) as raised:
            a_session(server, paused, reply_seconds=0.2, tries=1).send("GET", "/x")
        done.set()
    assert raised.value.kind == "timeout"


def test_send__nobody_there(paused: Paused) -> None:
    with pytest.raises(NoReply, match=r"cannot be reached: Connection refused") as raised:
        a_session(f"http://127.0.0.1:{free_port()}", paused).send("GET", "/x")
    assert raised.value.kind == "unreachable"
    assert len(paused.seconds) == 3


def test_send__a_redirect_is_not_followed_and_the_key_stays(paused: Paused) -> None:
    with serving(lambda asked: Said()) as other:
        target = Said(307, headers={"location": f"{other.origin}/x"})
        with serving(lambda asked: target) as server, pytest.raises(NoReply, match="redirects") as raised:
            a_session(server, paused).send("POST", "/x", content={})
    assert raised.value.kind == "redirect"
    assert not other.asked


def test_send__the_key_is_in_one_header_and_cookies_never_come_back(paused: Paused) -> None:
    with serving(lambda asked: Said(headers={"set-cookie": "a=b"})) as server:
        session = a_session(server, paused)
        session.send("GET", "/x")
        session.send("POST", "/x", content={"a": 1})
    for asked in server.asked:
        assert asked.headers["authorization"] == f"Bearer {KEY}"
        assert "cookie" not in asked.headers
        assert KEY not in str({**asked.headers, "authorization": ""}) + asked.path + str(asked.content)


def test_send__without_a_key_no_password_file_is_read(
    paused: Paused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password mine\ndefault login me password mine\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setattr("gate.transport.http.is_loopback", lambda host: False)
    with serving(lambda asked: Said()) as server:
        HttpSession(server.origin, draw=lambda: 0.5).send("GET", "/x")
    assert "authorization" not in server.asked[0].headers


def test_send__a_proxy_is_for_other_machines_only(paused: Paused, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda asked: Said(content="proxied")) as proxy, serving(lambda asked: Said(content="direct")) as here:
        monkeypatch.setenv("http_proxy", proxy.origin)
        monkeypatch.setenv("no_proxy", "")
        assert a_session(here, paused).send("GET", "/x").json() == "direct"
        assert a_session("http://far.example", paused).send("GET", "/x").json() == "proxied"
    assert proxy.asked[0].path == "http://far.example/x"


def test_stop__ends_pauses_and_tries() -> None:
    with serving(lambda asked: Said(503, headers={"retry-after": "100"})) as server:
        session = HttpSession(server.origin, draw=lambda: 0.5)
        threading.Timer(0.1, session.stop).start()
        with pytest.raises(NoReply) as raised:
            session.send("GET", "/x")
    assert raised.value.kind == "stopped"
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ({"error": {"message": "a\nb", "type": "t"}}, "HTTP 400: a b"),
        ({"error": "plain"}, "HTTP 400: plain"),
        ({"detail": "Not Found"}, "HTTP 400: Not Found"),
        ({"success": False, "error_message": "no"}, "HTTP 400: no"),
        (["odd"], 'HTTP 400: ["odd"]'),
    ],
)
def test_explain__finds_the_sentence_in_what_servers_say(paused: Paused, content: object, line: str) -> None:
    with serving(lambda asked: Said(400, content)) as server:
        session = a_session(server, paused)
        assert session.explain(session.send("GET", "/x")) == line


@pytest.mark.parametrize(
    ("host", "here"),
    [("localhost", True), ("127.8.9.1", True), ("::1", True), ("localhost.example", False), ("10.0.0.1", False)],
)
def test_is_loopback__knows_this_machine(host: str, here: bool) -> None:
    assert is_loopback(host) is here


def test_send__what_must_not_happen_twice_is_sent_again_only_when_it_did_not_happen(paused: Paused) -> None:
    said = in_turn(Said(429, headers={"retry-after": "1"}), Said(503), Said(reset=True))
    with serving(lambda asked: next(said)) as server:
        session = a_session(server, paused)
        assert session.send("POST", "/x", content={}, once=True).status == 503
        assert len(server.asked) == 2
        with pytest.raises(NoReply):
            session.send("POST", "/x", content={}, once=True)
    assert len(server.asked) == 3
