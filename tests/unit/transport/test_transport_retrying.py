"""When to try again, by numbers that both SDKs would give."""

import json
from email.utils import formatdate

import pytest

from gate.transport.retrying import Reply, backoff, pause_after

NOW = 1_800_000_000.0


def a_reply(status: int, body: object = "", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, headers=named, body=json.dumps(body).encode())


def pause(reply: Reply, attempt: int = 1) -> float | None:
    return pause_after(reply, attempt, wall=NOW, draw=lambda: 0.5)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_pause_after__what_may_pass_is_tried_again(status: int) -> None:
    assert pause(a_reply(status)) is not None


@pytest.mark.parametrize("status", [200, 204, 304, 400, 401, 403, 404, 422])
def test_pause_after__what_will_not_pass_is_not(status: int) -> None:
    assert pause(a_reply(status)) is None


def test_pause_after__the_server_decides_where_it_says_so() -> None:
    assert pause(a_reply(400, x_should_retry="true")) is not None
    assert pause(a_reply(503, x_should_retry="False")) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after_ms": "250", "retry_after": "7"}, 0.25),
        ({"retry_after_ms": "soon", "retry_after": "7"}, 7.0),
        ({"retry_after": formatdate(NOW + 30, usegmt=True)}, 30.0),
        ({"retry_after": "120"}, 120.0),
        ({"retry_after": "121"}, None),
        ({"retry_after": "inf"}, None),
        ({"retry_after": formatdate(NOW + 3600, usegmt=True)}, None),
    ],
)
def test_pause_after__the_servers_pause_is_obeyed_up_to_two_minutes(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert pause(a_reply(429, **headers)) == seconds


@pytest.mark.parametrize("value", ["0", "-5", "nan", "", "tomorrow", "Wed, 99 Foo 2020", formatdate(NOW - 60)])
def test_pause_after__a_useless_pause_is_replaced(value: str) -> None:
    assert pause(a_reply(503, retry_after=value)) == backoff(1, lambda: 0.5)


def test_pause_after__a_used_up_quota_is_not_asked_again() -> None:
    assert pause(a_reply(429, {"error": {"code": "insufficient_quota", "message": "pay"}})) is None
    assert pause(a_reply(429, {"error": {"code": "rate_limit_exceeded"}})) is not None
    assert pause(a_reply(429, ["error"])) is not None


def test_backoff__doubles_up_to_eight_seconds_less_a_quarter_at_most() -> None:
    for attempt, full in enumerate([0.5, 1, 2, 4, 8, 8, 8], start=1):
        assert (backoff(attempt, lambda: 0.0), backoff(attempt, lambda: 1.0)) == (full, 0.75 * full)


def test_json__anything_but_json_is_a_value_error() -> None:
    for body in (b"{", b"\xff", b"[" * 100_000):
        with pytest.raises(ValueError):  # noqa: PT011 - a plain one is promised
            Reply(status=200, headers={}, body=body).json()
