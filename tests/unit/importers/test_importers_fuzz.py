"""Whatever a file holds, it is read or refused in words."""

import copy
import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.errors import RecordsError
from gate.importers import detect, import_answers

DATA = Path(__file__).parents[2] / "data" / "imports"
FILES = {
    "lm-eval": DATA / "lm_eval" / "base" / "samples_oddities_2026-11-02T10-00-00.123456.jsonl",
    "inspect": DATA / "inspect" / "base.json",
    "promptfoo": DATA / "promptfoo" / "repeated.json",
    "jsonl": DATA / "plain" / "answers.jsonl",
}
SUITE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}|")
WRONG = (None, True, -1, 10**400, 0.5, "", "x", [], [[]], {}, {"a": [None]}, float("nan"), "\ud800")


def readable_or_refused(path, kind):
    """Read; hold what comes out against what the values promise."""
    detect(path)
    try:
        suites = import_answers(path, kind=kind, arm="candidate")
    except RecordsError as refused:
        assert refused.message.strip()
        return False
    for suite in suites:
        assert SUITE_NAME.fullmatch(suite.name)
        ids = {case.id for case in suite.cases}
        assert ids
        assert len(ids) == len(suite.cases)
        assert all(case.messages for case in suite.cases)
        for response in suite.responses:
            assert response.case in ids
            assert response.suite == suite.name
            assert all(0.0 <= value <= 1.0 for value in response.scores.values())
            assert (response.finish == "error") == (response.error is not None)
            response.text.encode("utf-8")
    return True


def places(value, path=()):
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from places(part, (*path, key))


def replaced(value, path, new):
    if not path:
        return new
    changed = copy.copy(value)
    changed[path[0]] = replaced(value[path[0]], path[1:], new)
    return changed


@pytest.mark.parametrize("kind", FILES)
def test_import_answers__wrong_values_anywhere(tmp_path, kind):
    lines = FILES[kind].read_text().splitlines() if FILES[kind].suffix == ".jsonl" else [FILES[kind].read_text()]
    rows = [json.loads(line) for line in lines]
    path = tmp_path / FILES[kind].name
    read = tried = 0
    for number, place in enumerate(places(rows)):
        for new in WRONG[number % 3 :: 3]:
            changed = replaced(rows, place, new)
            path.write_text("\n".join(json.dumps(row) for row in (changed if isinstance(changed, list) else [changed])))
            read += readable_or_refused(path, kind)
            tried += 1
    assert 0 < read < tried


@pytest.mark.parametrize("kind", FILES)
def test_import_answers__missing_keys_anywhere(tmp_path, kind):
    lines = FILES[kind].read_text().splitlines() if FILES[kind].suffix == ".jsonl" else [FILES[kind].read_text()]
    path = tmp_path / FILES[kind].name
    for place in places([json.loads(line) for line in lines]):
        rows = [json.loads(line) for line in lines]
        holder = rows
        for key in place[:-1]:
            holder = holder[key]
        if place:
            del holder[place[-1]]
        path.write_text("\n".join(json.dumps(row) for row in rows))
        readable_or_refused(path, kind)


@pytest.mark.parametrize("kind", FILES)
def test_import_answers__cut_off_files(tmp_path, kind):
    data = FILES[kind].read_bytes()
    path = tmp_path / FILES[kind].name
    for end in range(0, len(data) - 2, max(1, len(data) // 60)):
        path.write_bytes(data[:end])
        complete = FILES[kind].suffix == ".jsonl" and data[end : end + 1] == b"\n"
        assert not readable_or_refused(path, kind) or complete


def test_import_answers__cut_off_and_damaged_zip(tmp_path):
    log = json.loads(FILES["inspect"].read_text())
    whole = tmp_path / "whole.eval"
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as packed:
        for sample in log.pop("samples"):
            packed.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", json.dumps(sample))
        packed.writestr("header.json", json.dumps(log))
    data = whole.read_bytes()
    path = tmp_path / "damaged.eval"
    for at in range(0, len(data), max(1, len(data) // 300)):
        path.write_bytes(data[:at])
        assert not readable_or_refused(path, "inspect")
        path.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        readable_or_refused(path, "inspect")


@pytest.mark.parametrize("kind", FILES)
def test_import_answers__results_files_of_any_kind_beside_samples(tmp_path, kind):
    shutil.copy(FILES["lm-eval"], tmp_path)
    shutil.copy(FILES[kind], tmp_path / "results_2026-11-02T10-00-00.123456.json")
    readable_or_refused(tmp_path, "lm-eval")


KEYS = st.sampled_from(
    (
        *("doc_id", "resps", "arguments", "metrics", "acc", "filter", "target", "eval", "task", "status", "samples"),
        *("id", "epoch", "scores", "value", "output", "choices", "message", "content", "results", "testIdx"),
        *("promptIdx", "testCase", "provider", "prompt", "response", "config", "text", "score", "suite"),
    )
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("kind", FILES)
@settings(max_examples=150, deadline=None)
@given(values=st.dictionaries(KEYS, JSON, max_size=8))
def test_import_answers__any_object(tmp_path_factory, kind, values):
    path = tmp_path_factory.getbasetemp() / f"any-{kind}{FILES[kind].suffix}"
    path.write_text(json.dumps(values))
    readable_or_refused(path, kind)


@pytest.mark.parametrize("kind", FILES)
def test_import_answers__no_file_no_text_too_large(tmp_path, kind, monkeypatch):
    for data in (b"", b"\0", b"\xff\xfe{\0", b"\xe9", b"[" * 100_000, b'{"a":' * 100_000):
        path = tmp_path / FILES[kind].name
        path.write_bytes(data)
        assert not readable_or_refused(path, kind)
    assert not readable_or_refused(tmp_path / "missing", kind)
    assert not readable_or_refused(Path("a\0b"), kind)
