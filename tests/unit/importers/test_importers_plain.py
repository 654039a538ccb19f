import json
from pathlib import Path

import pytest

from gate.errors import RecordsError
from gate.importers import detect, import_answers

ANSWERS = Path(__file__).parents[2] / "data" / "imports" / "plain" / "answers.jsonl"


def written(folder, *rows):
    path = folder / "answers.jsonl"
    path.write_text(
        "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in rows), encoding="utf-8"
    )
    return path


def read(path):
    return import_answers(path, kind="jsonl", arm="base")


def test_read_plain__suites_repeats_scores_and_errors():
    towns, sums = read(ANSWERS)
    assert (towns.name, sums.name, towns.setup) == ("towns", "sums", {})
    assert [(one.case, one.repeat, one.finish, one.scores) for one in towns.responses] == [
        ("1", 0, "stop", {"score": 1.0}),
        ("2", 0, "stop", {"style": 0.5, "score": 0.0}),
        ("2", 1, "length", {}),
    ]
    assert [(one.case, one.text, one.error) for one in sums.responses] == [("a", "4", None), ("b", "", "timed out")]
    assert towns.cases[1].messages[0].role == "system"
    assert (towns.cases[0].references, sums.cases[0].references) == (("Lima",), ("4",))


@pytest.mark.parametrize("key", ["id", "case", "case_id", "doc_id", "sample_id"])
def test_read_plain__every_name_of_the_case(tmp_path, key):
    assert read(written(tmp_path, {key: 7, "text": "a"}))[0].cases[0].id == "7"


@pytest.mark.parametrize("key", ["text", "output", "response", "answer", "completion", "prediction", "generation"])
def test_read_plain__every_name_of_the_answer(tmp_path, key):
    (suite,) = read(written(tmp_path, {"id": 7, key: "a"}))
    assert (suite.name, suite.responses[0].text) == ("", "a")


def test_read_plain__scores_in_either_key(tmp_path):
    (suite,) = read(
        written(
            tmp_path, {"id": 1, "text": "a", "score": {"x": True, "y": None}}, {"id": 2, "text": "a", "finish": "error"}
        )
    )
    assert suite.responses[0].scores == {"x": 1.0}
    assert suite.responses[1].error == "the file says so"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"text": "a"}, "the case is missing: none of id, case"),
        ({"id": 1.5, "text": "a"}, "'id' must be a text or a whole number"),
        ({"case": " x", "text": "a"}, "'case' must not begin or end with white space"),
        ({"id": 1}, "the answer is missing: none of text, output"),
        ({"id": 1, "output": 5}, "'output' must be a text, not 5"),
        ({"id": 1, "text": "a", "score": 7}, "the score 'score' must be a number from 0 to 1, not 7"),
        ({"id": 1, "text": "a", "score": "C"}, "must be a number from 0 to 1"),
        ({"id": 1, "text": "a", "scores": [1]}, "'scores' must be an object"),
        ({"id": 1, "text": "a", "repeat": -1}, "'repeat' must be a whole number from 0 on"),
        ({"id": 1, "text": "a", "error": {}}, "'error' must be a text"),
        ({"id": 1, "text": "a", "error": "x", "finish": "stop"}, "has an 'error' although 'finish' is 'stop'"),
        ({"id": 1, "text": "a", "finish": "eos"}, "'finish' must be stop, length or error"),
        ({"id": 1, "text": "a", "suite": ""}, "'suite' must be a name"),
        ({"id": 1, "text": "a", "input": 5}, "'input' must be a text or a list of turns"),
        (
            {"id": 1, "text": "a", "input": [{"role": "cat", "content": "miaow"}]},
            "'input' must be a text or a list of turns",
        ),
        ({"id": 1, "text": "a", "target": {}}, "'target' must be a text, a number or a list"),
        ({"id": 1, "text": "a", "target": [True]}, "'target' must be a text, a number or a list"),
        ('{"id": 1, "text": "a", "score": NaN}', "NaN is not JSON"),
        ('{"id": 1, "id": 2}', "occurs twice"),
    ],
)
def test_read_plain__bad_line_says_why(tmp_path, row, reason):
    with pytest.raises(RecordsError) as refused:
        read(written(tmp_path, {"id": "good", "text": "a"}, row))
    assert f"line 2: {reason}" in refused.value.message or reason in refused.value.message.split("line 2: ")[1]


def test_read_plain__same_answer_twice_and_case_asked_differently_are_refused(tmp_path):
    with pytest.raises(RecordsError) as refused:
        read(
            written(
                tmp_path,
                {"id": 1, "text": "a", "prompt": "p"},
                {"id": "1", "text": "b", "prompt": "p"},
                {"id": 1, "repeat": 1, "text": "b", "prompt": "q"},
            )
        )
    assert "line 2: answers the same as line 1" in refused.value.message
    assert "line 3: asks something else" in refused.value.message


def test_read_plain__suite_named_in_some_lines_only_is_refused(tmp_path):
    with pytest.raises(RecordsError, match="none in others"):
        read(written(tmp_path, {"id": 1, "text": "a"}, {"id": 1, "text": "a", "suite": "s"}))


def test_read_plain__empty_file_and_folder_are_refused(tmp_path):
    with pytest.raises(RecordsError, match="holds no answers"):
        read(written(tmp_path))
    with pytest.raises(RecordsError, match="is a folder"):
        read(tmp_path)


def test_detect__plain_own_and_unknown(tmp_path):
    assert detect(ANSWERS) == "jsonl"
    assert detect(written(tmp_path, {"id": 1, "error": "x"})) == "jsonl"
    assert detect(written(tmp_path, {"suite": "s", "case": "1", "arm": "base", "text": "a"})) == "gate"
    for content in ("", "[1]", "{", "hello", '{"a": 1}', '{"results": 3}', "\xff"):
        assert detect(written(tmp_path, content)) is None
    assert detect(tmp_path / "missing") is None
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 but no more")
    assert detect(tmp_path / "x.zip") is None
