import json
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import pytest

from gate.errors import RecordsError
from gate.importers import archive, detect, import_answers

LOG = Path(__file__).parents[2] / "data" / "imports" / "inspect" / "base.json"


def log():
    return json.loads(LOG.read_text())


def written(folder, content, name="log.json"):
    path = folder / name
    path.write_text(json.dumps(content))
    return path


def zipped(folder, content, *, name="log.eval", method=zipfile.ZIP_DEFLATED, leave_out=()):
    """A log as Inspect packs it: one member for the header, one for each sample."""
    path = folder / name
    samples = content.pop("samples")
    with zipfile.ZipFile(path, "w", method) as packed:
        packed.writestr(
            "_journal/start.json", json.dumps({"version": 2, "eval": content["eval"], "plan": content["plan"]})
        )
        for sample in samples:
            packed.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", json.dumps(sample))
        packed.writestr("summaries.json", "[]")
        if "header.json" not in leave_out:
            packed.writestr("header.json", json.dumps(content))
    return path


def only(path):
    (suite,) = import_answers(path, kind="inspect", arm="candidate")
    return suite


def answers(suite):
    return {(one.case, one.repeat): one for one in suite.responses}


def test_read_inspect__letters_truth_values_and_numbers_are_scores():
    found = answers(only(LOG))
    assert found["fr", 0].scores == {"match": 1.0}
    assert found["7", 0].scores == {"match": 0.0}
    assert found["broken", 1].scores == {"match": 0.0}
    assert found["chat", 0].scores == {"match": 0.5, "judge.short": 1.0, "judge.polite": 0.25}


@pytest.mark.parametrize(
    ("value", "expected"), [("yes", 1.0), ("False", 0.0), ("0.5", 0.5), (True, 1.0), (1, 1.0), (0.125, 0.125)]
)
def test_read_inspect__score_values(tmp_path, value, expected):
    content = log()
    content["samples"][0]["scores"] = {"match": {"value": value}}
    assert answers(only(written(tmp_path, content)))["fr", 0].scores == {"match": expected}


@pytest.mark.parametrize("value", ["A", None, [1], "inf"])
def test_read_inspect__values_that_are_no_number_are_no_score(tmp_path, value):
    content = log()
    content["samples"][0]["scores"] = {"match": {"value": value}}
    assert answers(only(written(tmp_path, content)))["fr", 0].scores == {}


def test_read_inspect__epochs_are_repeats_from_0():
    assert sorted(answers(only(LOG))) == sorted(
        (case, repeat) for case in ("fr", "7", "chat", "broken") for repeat in (0, 1)
    )


def test_read_inspect__sample_error_is_an_error_without_score():
    broken = answers(only(LOG))["broken", 0]
    assert (broken.finish, broken.error, broken.text, broken.scores) == ("error", "ConnectionError('gone')", "", {})


def test_read_inspect__refused_and_invalidated_samples_are_errors(tmp_path):
    content = log()
    content["samples"][0]["invalidation"] = {"author": "me", "reason": "wrong picture"}
    content["samples"][1]["output"] = {"model": "m", "choices": [], "completion": "", "error": "filtered"}
    content["samples"][2]["error"] = {}
    found = answers(only(written(tmp_path, content)))
    assert [found[key].error for key in (("fr", 0), ("7", 0), ("chat", 0))] == [
        "wrong picture",
        "filtered",
        "the sample ended with an error",
    ]


def test_read_inspect__stop_reason_and_limits_cut_an_answer(tmp_path):
    content = log()
    content["samples"][0]["limit"] = {"type": "token", "limit": 5}
    found = answers(only(written(tmp_path, content)))
    assert (found["fr", 0].finish, found["fr", 1].finish, found["chat", 1].finish) == ("length", "stop", "length")


def test_read_inspect__prompt_and_targets_are_kept():
    cases = {case.id: case for case in only(LOG).cases}
    assert [(turn.role, turn.content) for turn in cases["chat"].messages] == [
        ("system", "Be brief."),
        ("user", "Capital of Italy?"),
    ]
    assert cases["7"].references == ("Lima", "Ciudad de los Reyes")


def test_read_inspect__text_without_completion_and_attachments(tmp_path):
    content = log()
    sample = content["samples"][0]
    sample["attachments"] = {"abc": "a long text"}
    sample["output"] = {
        "choices": [
            {
                "message": {
                    "role": "assistant",
                    "content": [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "attachment://abc"}],
                }
            }
        ]
    }
    sample["input"] = "attachment://gone"
    suite = only(written(tmp_path, {**content, "samples": [sample]}))
    assert suite.responses[0].text == "a long text"
    assert suite.cases[0].messages[0].content == "attachment://gone"


def test_read_inspect__setup_and_model():
    suite = only(LOG)
    assert (suite.name, suite.model, suite.tool) == ("invented_capitals", "invented/base", "inspect_ai 0.3.300")
    assert suite.setup == {
        "task version": "2",
        "task arguments": '{"hard": true}',
        "dataset": "capitals",
        "solver": '[["generate", {}]]',
        "scorers": '[["match", {"location": "end"}]]',
        "generation settings": '{"max_tokens": 16, "temperature": 0.0}',
        "limits": '{"token_limit": 500}',
        "models in other roles": '{"grader": "invented/judge"}',
    }


def test_read_inspect__zipped_log_says_the_same_as_json(tmp_path):
    packed, plain = only(zipped(tmp_path, log())), only(LOG)
    assert packed.responses == plain.responses
    assert packed.cases == plain.cases
    assert packed.setup == plain.setup


def test_read_inspect__folder_holds_one_suite_a_log(tmp_path):
    other = log()
    other["eval"]["task"] = "rivers"
    written(tmp_path, other)
    zipped(tmp_path, log())
    (tmp_path / "logs.json").write_text("{}")
    assert sorted(suite.name for suite in import_answers(tmp_path, kind="inspect", arm="base")) == [
        "invented_capitals",
        "rivers",
    ]
    assert detect(tmp_path) == "inspect"


def test_read_inspect__two_logs_of_one_task_are_refused_by_name(tmp_path):
    written(tmp_path, log(), "a.json")
    written(tmp_path, log(), "b.json")
    with pytest.raises(RecordsError, match=r"a\.json and .*b\.json both answer"):
        import_answers(tmp_path, kind="inspect", arm="base")


def test_read_inspect__folder_without_logs_is_refused(tmp_path):
    with pytest.raises(RecordsError, match="holds no Inspect log"):
        only(tmp_path)
    assert detect(tmp_path) is None


@pytest.mark.parametrize("status", ["started", "cancelled", "error", None, 3])
def test_read_inspect__unfinished_run_is_refused(tmp_path, status):
    with pytest.raises(RecordsError, match="did not finish"):
        only(written(tmp_path, {**log(), "status": status}))


def test_read_inspect__zip_without_header_is_an_unfinished_run(tmp_path):
    path = zipped(tmp_path, log(), leave_out=("header.json",))
    assert detect(path) == "inspect"
    with pytest.raises(RecordsError, match="did not finish"):
        only(path)


def test_read_inspect__invalid_log_is_refused(tmp_path):
    with pytest.raises(RecordsError, match="marked as invalid"):
        only(written(tmp_path, {**log(), "invalidated": True}))


def test_read_inspect__other_zip_is_refused(tmp_path):
    path = tmp_path / "x.eval"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("readme", "hello")
    assert detect(path) is None
    with pytest.raises(RecordsError, match=r"no header\.json"):
        only(path)


@pytest.mark.parametrize("change", [{"samples": []}, {"samples": None}])
def test_read_inspect__no_samples_is_refused(tmp_path, change):
    with pytest.raises(RecordsError, match="--log-samples"):
        only(written(tmp_path, {**log(), **change}))


def test_read_inspect__no_task_is_refused(tmp_path):
    with pytest.raises(RecordsError, match="names no task"):
        only(written(tmp_path, {"samples": []}))


def test_read_inspect__all_bad_samples_are_listed(tmp_path):
    content = log()
    content["samples"][1] = {"epoch": 1}
    content["samples"][2]["epoch"] = 0
    content["samples"][3]["epoch"] = 1
    content["samples"][4]["id"] = [1]
    content["samples"][5]["id"] = "x" * 300
    content["samples"].append(7)
    content["samples"].append({**content["samples"][0], "input": "Something else?", "epoch": 9})
    with pytest.raises(RecordsError) as refused:
        only(written(tmp_path, content))
    for part in (
        "7 bad samples",
        "sample 2: 'id' is missing",
        "sample 3: 'epoch' must",
        "sample 4: answers the same as sample 1",
        "sample 5: 'id' must",
        "sample 6: 'id' must have at most",
        "sample 9: 'id' is missing",
        "sample 10: asks something else",
    ):
        assert part in refused.value.message


def test_read_inspect__long_list_of_bad_samples_is_cut(tmp_path):
    with pytest.raises(RecordsError, match="150 bad samples") as refused:
        only(written(tmp_path, {**log(), "samples": [{}] * 150}))
    assert "and 50 more" in refused.value.message


def test_read_inspect__ids_with_slashes_are_found_in_a_zip(tmp_path):
    content = log()
    content["samples"] = [{**content["samples"][0], "id": "a/b"}]
    assert [case.id for case in only(zipped(tmp_path, content)).cases] == ["a/b"]


def test_read_inspect__samples_in_pieces_are_refused(tmp_path):
    path = zipped(tmp_path, log())
    with zipfile.ZipFile(path, "a") as packed:
        packed.writestr("samples/z_epoch_1/sample.json", "{}")
    with pytest.raises(RecordsError, match="in pieces"):
        only(path)


def test_read_inspect__later_record_of_a_sample_counts(tmp_path):
    path = zipped(tmp_path, log())
    sample = log()["samples"][1]
    sample["scores"]["match"]["value"] = "C"
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as packed:
        packed.writestr("samples/7_epoch_1.json", json.dumps(sample))
    assert answers(only(path))["7", 0].scores == {"match": 1.0}


def test_archive__member_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    path = zipped(tmp_path, {**log(), "padding": "0" * 3_000_000})
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(archive, "LARGEST_MEMBER_MIB", 1)
    with pytest.raises(RecordsError, match="unpacks to more than 1 MiB"):
        only(path)


def test_archive__all_members_together_are_bounded(tmp_path, monkeypatch):
    content = log()
    for sample in content["samples"]:
        sample["store"] = {"padding": "0" * 400_000}
    monkeypatch.setattr(archive, "LARGEST_TOTAL_MIB", 1)
    with pytest.raises(RecordsError, match="all members together"):
        only(zipped(tmp_path, content))


def test_archive__number_of_members_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MOST_MEMBERS", 5)
    with pytest.raises(RecordsError, match="more than 5 members"):
        only(zipped(tmp_path, log()))


def test_archive__unknown_method_and_encryption_are_refused(tmp_path):
    for offset, flag in ((10, b"\x63\x00"), (8, b"\x01\x00")):
        path = zipped(tmp_path, log())
        data = path.read_bytes()
        at = data.rindex(b"PK\x01\x02")
        local = data.rindex(b"PK\x03\x04")
        data = data[: at + offset] + flag + data[at + offset + 2 :]
        data = data[: local + offset - 2] + flag + data[local + offset :]
        path.write_bytes(data)
        with pytest.raises(RecordsError, match="cannot be unpacked"):
            only(path)


def test_archive__damaged_member_is_refused(tmp_path):
    path = zipped(tmp_path, log(), method=zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"Capital of France", b"Capital of Frence"))
    with pytest.raises(RecordsError, match="is broken"):
        only(path)


def zstandard_log(folder):
    """A log packed as Inspect packs it since 0.3.206, which Python's own `zipfile` cannot write before 3.14."""
    zstandard = pytest.importorskip("zstandard")
    content = log()
    path = folder / "z.eval"
    members = {f"samples/{one['id']}_epoch_{one['epoch']}.json": one for one in content.pop("samples")}
    members["header.json"] = content
    plain = {name: json.dumps(value).encode() for name, value in members.items()}
    compressor = zstandard.ZstdCompressor()
    frames = {name: compressor.compress(text[:50]) + compressor.compress(text[50:]) for name, text in plain.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed:
        for name, frame in frames.items():
            packed.writestr(name, frame)
        infos = packed.infolist()
    data = bytearray(path.read_bytes())
    at = -1
    for info in infos:
        at = data.index(b"PK\x01\x02", at + 1)
        text = plain[info.filename]
        for start, shift in ((info.header_offset, 0), (at, 2)):
            struct.pack_into("<H", data, start + 8 + shift, 93)
            struct.pack_into("<I", data, start + 14 + shift, zlib.crc32(text))
            struct.pack_into("<I", data, start + 22 + shift, len(text))
    path.write_bytes(data)
    return path


def test_archive__zstandard_is_read(tmp_path):
    assert only(zstandard_log(tmp_path)).responses == only(LOG).responses


def test_archive__damaged_zstandard_is_refused(tmp_path, monkeypatch):
    path = zstandard_log(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"\x28\xb5\x2f\xfd", b"\x28\xb5\x2f\xfe"))
    with pytest.raises(RecordsError, match="is broken"):
        only(path)
    at = data.rindex(b"PK\x01\x02")
    path.write_bytes(data[: at + 16] + b"\0\0\0\0" + data[at + 20 :])
    with pytest.raises(RecordsError, match="checksum is wrong"):
        only(path)
    path.write_bytes(data)
    monkeypatch.setattr(archive, "LARGEST_TOTAL_MIB", 0)
    with pytest.raises(RecordsError, match="unpacks to more"):
        only(path)


def test_archive__zstandard_without_its_package_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    path = zipped(tmp_path, log(), method=zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    struct.pack_into("<H", data, data.rindex(b"PK\x01\x02") + 10, 93)
    path.write_bytes(data)
    with pytest.raises(RecordsError, match="pip install zstandard"):
        only(path)


def test_read_inspect__nested_too_deeply_is_refused(tmp_path):
    path = written(tmp_path, log())
    text = path.read_text().replace('{"hard": true}', '{"hard": ' + "[" * 100_000 + "]" * 100_000 + "}", 1)
    path.write_text(text)
    with pytest.raises(RecordsError, match="nested too deeply"):
        only(path)


def test_detect__inspect(tmp_path):
    assert detect(LOG) == "inspect"
    assert detect(zipped(tmp_path, log())) == "inspect"
    assert detect(written(tmp_path, log(), "one_line.txt")) == "inspect"
