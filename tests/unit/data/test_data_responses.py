"""Recorded answers: what is written can be read, and nothing else is read."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.data import read_responses, response_row
from gate.data.whole_file import write_whole
from gate.domain import Response, Score
from gate.errors import BrokenRun, RecordsError

ANSWER = Response(suite="s", case="1", arm="base", repeat=0, text="Größe\u2028\n\0", finish="stop", tokens=3)
FAILED = Response(suite="s", case="1", arm="candidate", repeat=1, text="", finish="error", error="out of memory")


def read(tmp_path: Path, content: str | bytes, *, torn_tail: bool = False) -> tuple[Response, ...]:
    path = tmp_path / "responses.jsonl"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_responses(path, torn_tail=torn_tail)


def row(**values: object) -> str:
    return json.dumps({"suite": "s", "case": "1", "arm": "base", "text": "x"} | values)


def test_response_row__keys_in_the_order_of_the_contract() -> None:
    score = Score(suite="s", case="1", arm="base", repeat=0, value=1.0, why="right")
    assert response_row(FAILED, None) == (
        '{"suite": "s", "case": "1", "arm": "candidate", "repeat": 1, "text": "", "finish": "error", '
        '"tokens": null, "error": "out of memory", "score": null, "why": null}'
    )
    assert response_row(ANSWER, score).startswith(
        '{"suite": "s", "case": "1", "arm": "base", "repeat": 0, "text": "Größe'
    )
    assert response_row(ANSWER, score).endswith('"tokens": 3, "error": null, "score": 1.0, "why": "right"}')


def test_response_row__half_surrogates_can_be_written() -> None:
    torn = Response(suite="s", case="1", arm="base", repeat=0, text="a\ud800b", finish="stop")
    assert json.loads(response_row(torn, None).encode())["text"] == "a?b"


def test_write_whole__round_trip_and_no_leftovers(tmp_path: Path) -> None:
    path = tmp_path / "responses.jsonl"
    path.write_text("old")
    kept = Response(suite="s", case="1", arm="base", repeat=0, text="a\r\nb\u2028c", finish="length", tokens=0)
    write_whole(path, "\n".join([response_row(kept, None), response_row(FAILED, None)]) + "\n")
    assert read_responses(path) == (kept, FAILED)
    assert [entry.name for entry in tmp_path.iterdir()] == ["responses.jsonl"]


def test_write_whole__failure_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "responses.jsonl"
    (target / "full").mkdir(parents=True)
    with pytest.raises(BrokenRun, match="cannot be written"):
        write_whole(target, "\n".join(["{}"]) + "\n")
    assert [entry.name for entry in tmp_path.iterdir()] == ["responses.jsonl"]
    with pytest.raises(BrokenRun, match="cannot be written"):
        write_whole(target / "full" / "missing" / "responses.jsonl", "\n".join(["{}"]) + "\n")


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_write_whole__writes_through_nothing_that_lies_at_its_working_name(tmp_path: Path, kind: str) -> None:
    precious, partial = tmp_path / "precious", tmp_path / "plan.json.partial"
    precious.write_text("old")
    if kind == "link":
        partial.symlink_to(precious)
    else:
        os.mkfifo(partial)
    write_whole(tmp_path / "plan.json", "new")
    assert precious.read_text() == "old"
    assert (tmp_path / "plan.json").read_text() == "new"
    assert not partial.exists()


def test_read_responses__defaults_and_ignored_keys(tmp_path: Path) -> None:
    content = (
        row(case=4, score="any", why=[1], extra=None) + "\n\n" + row(arm="teacher", text=None) + "\n" + row(arm="")
    )
    assert read(tmp_path, content) == (Response(suite="s", case="4", arm="base", repeat=0, text="x", finish="stop"),)


def test_read_responses__an_error_needs_no_text(tmp_path: Path) -> None:
    content = row(text=None, error="gone") + "\n" + row(text=None, finish="error", repeat=1)
    assert [(r.text, r.finish, r.error) for r in read(tmp_path, content)] == [
        ("", "error", "gone"),
        ("", "error", None),
    ]


def test_read_responses__empty_file_holds_no_answers(tmp_path: Path) -> None:
    assert read(tmp_path, "") == ()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (row(text=None), "'text' is missing"),
        (row(text=5), "'text' must be text, not 5"),
        (row(arm=None), "'arm' is missing"),
        (row(arm=1), "'arm' should be 'base', 'candidate', 'incumbent' or 'prompted', not 1"),
        (row(suite=None), "'suite' is missing"),
        (row(repeat=-1), "'repeat' should be greater than or equal to 0"),
        (row(repeat=True), "'repeat' should be a valid integer, not True"),
        (row(finish="done"), "'finish' should be 'stop', 'length' or 'error', not 'done'"),
        (row(error="gone", finish="stop"), "has an 'error' although 'finish' is 'stop'"),
        (row(case="\x1b"), "'case' must not hold control"),
        (row(text="\ud800"), "half of a surrogate pair"),
        ("{", "not JSON"),
        (row(repeat=0, case=9), "answers the same as line 1: case '9' of 's', arm base, repeat 0"),
    ],
)
def test_read_responses__bad_line(tmp_path: Path, line: str, reason: str) -> None:
    with pytest.raises(RecordsError) as caught:
        read(tmp_path, row(case="9") + "\n" + line)
    assert "has 1 bad line:\n  line 2: " in caught.value.message
    assert reason in caught.value.message


@pytest.mark.parametrize("tail", ['{"suite": "s", "ca', row(case="2"), "ü".encode()[:1]])
def test_read_responses__torn_tail_is_left_aside(tmp_path: Path, tail: str | bytes) -> None:
    content = row().encode() + b"\n" + (tail if isinstance(tail, bytes) else tail.encode())
    assert len(read(tmp_path, content, torn_tail=True)) == 1
    assert read(tmp_path, tail, torn_tail=True) == ()


def test_read_responses__torn_line_in_the_middle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match="line 1: not JSON"):
        read(tmp_path, '{"suite": "s"' + "\n" + row() + "\n", torn_tail=True)


def test_read_responses__missing_file(tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match="does not exist"):
        read_responses(tmp_path / "none.jsonl")


@given(edits=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 3), st.binary(max_size=4)), min_size=1, max_size=6))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_read_responses__mutated_bytes_are_answers_or_one_error(
    tmp_path: Path, edits: list[tuple[int, int, bytes]]
) -> None:
    content = bytearray("\n".join([response_row(FAILED, None), row(), ""]).encode())
    for position, removed, inserted in edits:
        content[position : position + removed] = inserted
    try:
        responses = read(tmp_path, bytes(content))
    except RecordsError as refused:
        assert str(tmp_path) in refused.message
    else:
        assert all(response.arm in {"base", "candidate"} for response in responses)


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_read_responses__any_text_survives(tmp_path: Path, text: str) -> None:
    response = Response(suite="s", case="1", arm="base", repeat=0, text=text, finish="stop")
    write_whole(tmp_path / "responses.jsonl", "\n".join([response_row(response, None)]) + "\n")
    assert read_responses(tmp_path / "responses.jsonl") == (response,)
