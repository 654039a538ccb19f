"""Case files: what is accepted, and that everything else is one clear message."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.data import load_cases, suite_digest
from gate.domain import Case, Message
from gate.errors import CasesError

FULL = {
    "id": 7,
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Größe?"}],
    "references": ["1 m", "100 cm"],
    "choices": ["1 m", "2 m"],
    "expected": "answer",
    "tags": ["size", "size", "de"],
    "critical": True,
    "cluster": 3,
    "max_new_tokens": 5,
    "origin": "synthetic",
    "generator": "templates",
    "verified_by": "Ada",
    "created_at": "2026-11-20T08:00:00+01:00",
    "parent_id": 6,
    "difficulty": {"any": ["thing"]},
}


def load(tmp_path: Path, content: str | bytes, name: str = "cases.jsonl") -> tuple[Case, ...]:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return load_cases(path, label=name)


def refusal(tmp_path: Path, content: str | bytes, name: str = "cases.jsonl") -> str:
    with pytest.raises(CasesError) as caught:
        load(tmp_path, content, name)
    return caught.value.message


def test_load_cases__every_field(tmp_path: Path) -> None:
    assert load(tmp_path, json.dumps(FULL)) == (
        Case(
            id="7",
            messages=(Message(role="system", content="Be brief."), Message(role="user", content="Größe?")),
            references=("1 m", "100 cm"),
            choices=("1 m", "2 m"),
            expected="answer",
            tags=("size", "de"),
            critical=True,
            cluster="3",
            max_new_tokens=5,
            origin="synthetic",
            generator="templates",
            verified_by="Ada",
            created_at="2026-11-20T08:00:00+01:00",
            parent_id="6",
        ),
    )


def test_load_cases__prompt_reference_nulls_blank_lines_bom_and_crlf(tmp_path: Path) -> None:
    content = (
        '\ufeff{"id": "a", "prompt": "x\\u00e9\\ud83d\\ude00", "reference": "y", "tags": null}\r\n\r\n  \n'
        '{"id": "b", "prompt": "p\u2028q"}'
    )
    first, second = load(tmp_path, content)
    assert first == Case(id="a", messages=(Message(role="user", content="xé\U0001f600"),), references=("y",))
    assert second.messages[0].content == "p\u2028q"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"prompt": "p"}', "'id' is missing"),
        ('{"id": null, "prompt": "p"}', "'id' must be text, not None"),
        ('{"id": true, "prompt": "p"}', "'id' must be text, not True"),
        ('{"id": "", "prompt": "p"}', "'id' must not be empty"),
        ('{"id": " a", "prompt": "p"}', "'id' must not begin or end with white space: ' a'"),
        ('{"id": "a\\u202eb", "prompt": "p"}', r"'id' must not hold control or invisible characters: 'a\u202eb'"),
        ('{"id": "%s", "prompt": "p"}' % ("x" * 201), "'id' must have at most 200 characters, not 201"),
        ('{"id": "a"}', "has neither 'prompt' nor 'messages'"),
        ('{"id": "a", "prompt": " "}', "'prompt' must not be empty"),
        ('{"id": "a", "prompt": 3}', "'prompt' must be text, not 3"),
        ('{"id": "a", "prompt": "p", "messages": [{"role": "user", "content": "q"}]}',
         "has both 'prompt' and 'messages'"),
        ('{"id": "a", "messages": []}', "'messages' List should have at least 1 item"),
        ('{"id": "a", "messages": [{"role": "tool", "content": "q"}]}', "'messages.0.role' should be 'system', 'user'"),
        ('{"id": "a", "messages": [{"role": "user"}]}', "'messages.0.content' is missing"),
        ('{"id": "a", "messages": [{"role": "user", "content": "q", "name": "x"}]}', "'messages.0.name' is not known"),
        ('{"id": "a", "messages": [{"role": "assistant", "content": "q"}]}', "the last message must be the user's"),
        ('{"id": "a", "messages": [{"role": "user", "content": " "}]}', "the last message is empty"),
        ('{"id": "a", "prompt": "p", "reference": "r", "references": ["r"]}', "has both 'reference' and 'references'"),
        ('{"id": "a", "prompt": "p", "reference": 4}', "'reference' must be text, not 4"),
        ('{"id": "a", "prompt": "p", "references": [""]}', "'references.0' must not be empty"),
        ('{"id": "a", "prompt": "p", "tags": "x"}', "'tags' must be a list, not 'x'"),
        ('{"id": "a", "prompt": "p", "tags": ["x\\ty"]}', "'tags.0' must not hold control"),
        ('{"id": "a", "prompt": "p", "critical": 1}', "'critical' should be a valid boolean, not 1"),
        ('{"id": "a", "prompt": "p", "max_new_tokens": 0}', "'max_new_tokens' should be greater than or equal to 1"),
        ('{"id": "a", "prompt": "p", "expected": "maybe"}', "'expected' should be 'answer' or 'refuse', not 'maybe'"),
        ('{"id": "a", "prompt": "p", "created_at": "20 Nov"}', "'created_at' must be an ISO 8601 date"),
        ('{"id": "a", "prompt": "p", "tag": ["x"]}', "unknown key 'tag', did you mean 'tags'?"),
        ('{"id": "a", "prompt": "p", "referense": "x"}', "unknown key 'referense', did you mean 'reference'?"),
        ('{"ID": "a", "prompt": "p"}', "unknown key 'ID', did you mean 'id'?; 'id' is missing"),
        ('{"id": "a", "prompt": "p", "Max-New-Tokens": 3}', "did you mean 'max_new_tokens'?"),
        ('{"id": "a", "prompt": "p", "prompt": "q"}', "the key 'prompt' occurs twice"),
        ('{"id": "a", "prompt": "p", "x": NaN}', "NaN is not JSON"),
        ('{"id": "a", "prompt": "p", "x": %s}' % ("1" * 5000), "out of range"),
        ('{"id": "a", "prompt": "\\u0000"}', "NUL character"),
        ('{"id": "a", "prompt": "p", "x": [{"\\ud800": 1}]}', "half of a surrogate pair"),
        ('{"id": "a", "prompt": "p"', "not JSON: Expecting ',' delimiter"),
        ('["id"]', "not a JSON object"),
        ("[" * 100_000, "nested too deeply"),
        ('{"id": "a", "prompt": "%s"}' % ("x" * 1024 * 1024), "longer than 1,048,576 characters"),
    ],
)  # fmt: skip
def test_load_cases__bad_line(tmp_path: Path, line: str, reason: str) -> None:
    message = refusal(tmp_path, '{"id": "good", "prompt": "p"}\n' + line)
    assert message.startswith("cases.jsonl has 1 bad line:\n  line 2: ")
    assert reason in message


@pytest.mark.parametrize("key", ["task", "page", "source", "idx", "category", "difficulty", "note", "language", "uid"])
def test_load_cases__other_keys_are_metadata(tmp_path: Path, key: str) -> None:
    assert len(load(tmp_path, json.dumps({"id": "a", "prompt": "p", key: [1, {"x": None}]}))) == 1


def test_load_cases__all_bad_lines_at_once(tmp_path: Path) -> None:
    lines = ['{"id": "a", "prompt": "p"}', "{", '{"id": "a", "prompt": "q"}', '{"id": "b"}']
    assert refusal(tmp_path, "\n".join(lines)).splitlines()[:1] == ["cases.jsonl has 3 bad lines:"]
    assert "line 3: the id 'a' is already that of line 1" in refusal(tmp_path, "\n".join(lines))
    assert "line 4: has neither" in refusal(tmp_path, "\n".join(lines))


def test_load_cases__lists_a_hundred_and_counts_the_rest(tmp_path: Path) -> None:
    lines = refusal(tmp_path, "{\n" * 1234).splitlines()
    assert lines[0] == "cases.jsonl has 1,234 bad lines:"
    assert lines[100].startswith("  line 100:")
    assert lines[101:] == ["  and 1,134 more"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cases.jsonl holds no case."),
        (b"\xef\xbb\xbf\r\n \n", "cases.jsonl holds no case."),
        (b'{"id": "a"}\n{"\xfc"}', "cases.jsonl is not UTF-8: byte 0xfc at offset 14 (line 2)."),
        ("{}".encode("utf-16"), "cases.jsonl is UTF-16, not UTF-8."),
        (b"{}\n\0", "cases.jsonl holds a NUL byte (line 2): it is not a text file."),
        (b"\xed\xa0\x80", "cases.jsonl is not UTF-8: byte 0xed at offset 0 (line 1)."),
    ],
)
def test_load_cases__not_a_text_file_of_cases(tmp_path: Path, content: bytes, message: str) -> None:
    assert refusal(tmp_path, content) == message


def test_load_cases__not_a_readable_file(tmp_path: Path) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(CasesError, match="f is a folder"):
        load_cases(tmp_path / "folder.jsonl", label="f")
    with pytest.raises(CasesError, match="f does not exist"):
        load_cases(tmp_path / "none.jsonl", label="f")
    (tmp_path / "null.jsonl").symlink_to("/dev/null")
    with pytest.raises(CasesError, match="f is not a regular file"):
        load_cases(tmp_path / "null.jsonl", label="f")
    with pytest.raises(CasesError, match="f cannot be read"):
        load_cases(tmp_path / ("x" * 300 + ".jsonl"), label="f")
    with pytest.raises(CasesError, match="f cannot be read"):
        load_cases(Path("a\0b.jsonl"), label="f")
    with pytest.raises(CasesError, match=r"\.jsonl or \.csv file, not '\.json'"):
        load_cases(tmp_path / "cases.json", label="f")


def test_load_cases__too_large(tmp_path: Path) -> None:
    path = tmp_path / "large.jsonl"
    with path.open("wb") as file:
        file.truncate(256 * 1024 * 1024 + 1)
    with pytest.raises(CasesError, match="f is larger than 256 MiB"):
        load_cases(path, label="f")


TABLE = (
    "\ufeffid,prompt,references,tags,critical,max_new_tokens,note\r\n"
    '1,"Say ""hi"",\nplease",hi|hello,"[""a|b"", ""c""]",TRUE,7,x\r\n'
    "\r\n"
    "2,Bye, bye ,,,,\r\n"
)


def test_load_cases__table(tmp_path: Path) -> None:
    assert load(tmp_path, TABLE, "cases.csv") == (
        Case(
            id="1",
            messages=(Message(role="user", content='Say "hi",\nplease'),),
            references=("hi", "hello"),
            tags=("a|b", "c"),
            critical=True,
            max_new_tokens=7,
        ),
        Case(id="2", messages=(Message(role="user", content="Bye"),), references=("bye",)),
    )


def test_load_cases__table_with_messages(tmp_path: Path) -> None:
    content = 'id,messages\n1,"[{""role"": ""user"", ""content"": ""q""}]"\n'
    assert load(tmp_path, content, "cases.csv")[0].messages == (Message(role="user", content="q"),)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("prompt\np", "line 1: there is no column 'id'"),
        ("id,id\n1,2", "line 1: the column 'id' occurs twice"),
        ("id,,prompt\n1,2,3", "line 1: a column has no name"),
        ("id,prompt\n1", "line 2: has 1 cells where the header has 2"),
        ("id,prompt\n1,a,b", "line 2: has 3 cells where the header has 2"),
        ('id,prompt\n1,"a\nb"\n2,', "line 4: has neither 'prompt' nor 'messages'"),
        ('id,prompt\n1,"a', "line 2: not CSV: unexpected end of data"),
        ('id,prompt\n1,"a"b', "line 2: not CSV"),
        ("id,prompt,critical\n1,a,maybe", "line 2: 'critical' should be a valid boolean, not 'maybe'"),
        ("id,prompt,max_new_tokens\n1,a,1.5", "line 2: 'max_new_tokens' should be a valid integer, not '1.5'"),
        ("id,prompt,tags\n1,a,x||y", "line 2: 'tags.1' must not be empty"),
        ("id,prompt,tags\n1,a,[x]", "line 2: 'tags' is no JSON array: not JSON"),
        ('id,messages\n1,"[1], ""prompt"": 2"', "line 2: 'messages' is no JSON array: not JSON: Extra data"),
        ("id,messages\n1,{}", "line 2: 'messages' must be a list, not {}"),
        ("id,prompt,tag\n1,a,b", "line 2: unknown key 'tag', did you mean 'tags'?"),
    ],
)  # fmt: skip
def test_load_cases__bad_table(tmp_path: Path, table: str, reason: str) -> None:
    assert reason in refusal(tmp_path, table, "cases.csv")


def test_suite_digest__independent_of_format_and_order_of_lines(tmp_path: Path) -> None:
    rows = [{"id": "a", "prompt": "p", "reference": "r", "tags": ["x", "y"]}, {"id": "b", "prompt": "q", "note": 1}]
    forward = load(tmp_path, "\n".join(map(json.dumps, rows)))
    backward = load(tmp_path, "\n".join(map(json.dumps, reversed(rows))))
    table = load(tmp_path, "id,prompt,references,tags\na,p,r,y|x\nb,q,,", "cases.csv")
    assert suite_digest(forward) == suite_digest(backward) == suite_digest(table)
    assert len(suite_digest(forward)) == 64


@pytest.mark.parametrize(
    "change", [{"prompt": "p2"}, {"reference": "r2"}, {"critical": True}, {"tags": ["z"]}, {"id": "a2"}]
)
def test_suite_digest__depends_on_content(tmp_path: Path, change: dict[str, object]) -> None:
    row: dict[str, object] = {"id": "a", "prompt": "p", "reference": "r"}
    assert suite_digest(load(tmp_path, json.dumps(row))) != suite_digest(load(tmp_path, json.dumps(row | change)))


SEEDS = [json.dumps(FULL).encode() + b'\n{"id": "b", "prompt": "p"}\r\n', TABLE.encode()]


@given(
    seed=st.sampled_from([0, 1]),
    edits=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3), st.binary(max_size=4)), min_size=1, max_size=6),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_load_cases__mutated_bytes_are_cases_or_one_error(
    tmp_path: Path, seed: int, edits: list[tuple[int, int, bytes]]
) -> None:
    content = bytearray(SEEDS[seed])
    for position, removed, inserted in edits:
        content[position : position + removed] = inserted
    try:
        cases = load(tmp_path, bytes(content), ["cases.jsonl", "cases.csv"][seed])
    except CasesError as refused:
        assert refused.message.startswith("cases.")
    else:
        assert cases
        assert len({case.id for case in cases}) == len(cases)
        assert len(suite_digest(cases)) == 64
