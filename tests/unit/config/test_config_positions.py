import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.config.positions import parse
from gate.errors import ConfigError


def test_parse__remembers_where_keys_and_values_stand() -> None:
    document = parse(b"suites:\n  json:\n    role: task\n    tags: [a, b]\n", "gate.yaml")
    assert document.value == {"suites": {"json": {"role": "task", "tags": ["a", "b"]}}}
    assert document.at(("suites", "json", "role")) == "gate.yaml:3:11"
    assert document.at(("suites", "json", "role"), key=True) == "gate.yaml:3:5"
    assert document.at(("suites", "json", "tags", 1)) == "gate.yaml:4:15"


def test_parse__an_unknown_place_is_the_nearest_one_around_it() -> None:
    document = parse(b"base:\n  model: x\n", "gate.yaml")
    assert document.at(("base", "revision")) == "gate.yaml:2:3"


def test_lines__a_key_counts_and_in_a_list_the_member() -> None:
    document = parse(
        b"suites:\n  json:\n    rules:\n      - kind: x\n\n      - {kind: y}\nrules: [{kind: z}]\n", "gate.yaml"
    )
    wanted = [(), ("suites", "json"), ("suites", "json", "rules", 0), ("suites", "json", "rules", 1), ("rules", 0)]
    assert [document.lines[place] for place in wanted] == [1, 2, 4, 6, 7]


def test_parse__byte_order_mark_and_crlf_are_accepted() -> None:
    assert parse(b"\xef\xbb\xbfversion: 1\r\nname: x\r\n", "g").value == {"version": 1, "name": "x"}


def test_parse__dates_and_amounts_stay_text() -> None:
    assert parse(b"a: 2026-11-20\nb: 2pp\nc: 5%\nd: 0x\n", "g").value == {
        "a": "2026-11-20",
        "b": "2pp",
        "c": "5%",
        "d": "0x",
    }


def test_parse__an_empty_file_is_nothing() -> None:
    assert parse(b"# only a comment\n", "g").value is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a: 1\na: 2", "g:2:1: the key 'a' stands here twice"),
        (b"a: !!python/object/apply:os.system [x]", "g:1:4: the tag"),
        (b"a: &x [*x]", "an alias loop"),
        (b"a: \xff", "g:1: not UTF-8"),
        (b"a: b: c", "g:1:5: not valid YAML"),
        (b"a: \x00", "not valid YAML"),
        (b'a: !!bool "foo"', "g:1:4: cannot read 'foo'"),
        (b"a: .nan", "not a finite number"),
        (b"? [1]\n: 2", "a key must be plain text"),
        (b"<<: {a: 1}", "merge keys"),
        (b"[" * 5000, "nested too deeply"),
        (b"a: " + b"9" * 5000, "g:1:4: a number of 5,000 characters is out of range"),
        (b"#" * 2_000_000, "too many for a configuration"),
        (b"a: &a [1,1,1,1,1,1,1,1,1,1]\n" + b"".join(
            f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 10)}]\n".encode() for i in range(6)
        ), "an alias loop"),
    ],
)  # fmt: skip
def test_parse__refuses_with_the_place(data: bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        parse(data, "g")


@given(st.binary(max_size=200))
def test_parse__any_bytes_give_a_value_or_a_config_error(data: bytes) -> None:
    try:
        parse(data, "g")
    except ConfigError as problem:
        assert "g" in problem.message
