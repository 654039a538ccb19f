import json
import shutil
from pathlib import Path

import pytest

from gate.errors import RecordsError
from gate.importers import detect, differences, import_answers

DATA = Path(__file__).parents[2] / "data" / "imports" / "promptfoo"
TWO = DATA / "two_columns.json"


def only(path, arm="base"):
    (suite,) = import_answers(Path(path), kind="promptfoo", arm=arm)
    return suite


def changed(folder, change):
    content = json.loads((DATA / "repeated.json").read_text())
    change(content["results"]["results"], content)
    path = folder / "changed.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("column", ["tuned", "1", "http://localhost:1/tuned"])
def test_read_promptfoo__a_column_is_named_by_label_number_or_provider(column):
    suite = only(f"{TWO}#{column}")
    assert suite.model == "tuned"
    assert [(one.case, one.text, one.finish) for one in suite.responses] == [
        ("0", "Tiber", "stop"),
        ("1", "Seine", "stop"),
        ("2", "", "error"),
    ]


@pytest.mark.parametrize("path", [TWO, f"{TWO}#nobody", f"{TWO}#7"])
def test_read_promptfoo__several_columns_or_none_are_refused_with_their_names(path):
    with pytest.raises(RecordsError, match=r"Columns: 0: base / .*; 1: tuned / ") as refused:
        only(path)
    assert "#NUMBER" in str(refused.value)


def test_read_promptfoo__success_score_and_named_scores_are_scores():
    wrong = only(f"{TWO}#base").responses[1]
    assert wrong.scores == {"success": 0.0, "score": 0.5, "tone": 0.5}
    assert (wrong.finish, wrong.error) == ("stop", None)


def test_read_promptfoo__named_score_with_the_name_of_an_own_one_keeps_both(tmp_path):
    path = changed(tmp_path, lambda rows, _: rows[0].update(namedScores={"score": 0.25, "bad": "x"}))
    assert only(path).responses[0].scores == {"success": 1.0, "score": 1.0, "namedScores.score": 0.25}


def test_read_promptfoo__provider_error_is_an_error_without_score():
    failed = only(f"{TWO}#base").responses[2]
    assert (failed.error, failed.scores) == ("HTTP 500", {})


def test_read_promptfoo__error_without_words_or_reason(tmp_path):
    def change(rows, _):
        rows[0].update(failureReason=2, error=None, response=None)
        del rows[1]["failureReason"]
        rows[1].update(error="gone", response=None)
        rows[2]["response"]["finishReason"] = "length"

    first, second, third = only(changed(tmp_path, change)).responses
    assert (first.error, second.error, third.finish) == ("promptfoo recorded an error", "gone", "length")


def test_read_promptfoo__repetitions_are_repeats_of_one_case():
    assert [(one.case, one.repeat, one.text) for one in only(DATA / "repeated.json").responses] == [
        ("0", 0, "Tiber"),
        ("0", 1, "Nile"),
        ("2", 0, '{"river": "Seine"}'),
    ]


def test_read_promptfoo__order_of_the_rows_does_not_count(tmp_path):
    assert only(changed(tmp_path, lambda rows, _: rows.reverse())).responses == only(DATA / "repeated.json").responses


def test_read_promptfoo__setup_holds_the_sampling_settings_only():
    suite = only(f"{TWO}#base")
    assert suite.setup == {"generation settings": '{"max_tokens": 8, "temperature": 0}'}
    assert (suite.name, suite.tool) == ("Town_facts", "promptfoo 0.121.19")


def test_read_promptfoo__settings_are_those_of_the_right_provider(tmp_path):
    def change(rows, content):
        for row in rows:
            row["provider"] = {"id": "b"}
        content["config"]["providers"] = ["b", {"id": "a", "config": {"top_p": 1}}, {"id": "b", "config": {"seed": 2}}]

    assert only(changed(tmp_path, change)).setup == {"generation settings": '{"seed": 2}'}
    path = changed(
        tmp_path,
        lambda _, content: content["config"].update(
            providers=[{"id": "http://localhost:1/base", "label": "z", "config": {"seed": 1}}]
        ),
    )
    assert only(path).setup == {}


def test_read_promptfoo__two_columns_of_one_file_are_comparable():
    assert differences(only(f"{TWO}#base"), only(f"{TWO}#tuned")) == ()


def test_read_promptfoo__other_assertions_make_another_question(tmp_path):
    path = changed(tmp_path, lambda rows, _: rows[2]["testCase"].update(threshold=0.5))
    assert differences(only(DATA / "repeated.json"), only(path)) == (
        "another question behind the same prompt in 1 case: 2",
    )


def test_read_promptfoo__json_lines():
    suite = only(DATA / "lines.jsonl")
    assert (suite.name, len(suite.responses), suite.setup) == ("", 3, {})


def test_read_promptfoo__provider_and_prompt_as_plain_texts(tmp_path):
    def change(rows, content):
        for row in rows:
            row.update(provider="echo", prompt="Say it")
        del content["config"]["description"]

    suite = only(changed(tmp_path, change))
    assert (suite.model, suite.name, suite.cases[0].messages[0].content) == ("echo", "", "Say it")


def test_read_promptfoo__same_test_twice_is_refused(tmp_path):
    with pytest.raises(RecordsError, match="answers test 0 a second time"):
        only(changed(tmp_path, lambda rows, _: rows[1].update(testIdx=0)))


def test_read_promptfoo__rows_without_index_are_refused(tmp_path):
    def change(rows, _):
        rows[0]["testIdx"] = -1
        rows[1]["promptIdx"] = True
        rows[2] = 5

    with pytest.raises(RecordsError, match="3 bad results"):
        only(changed(tmp_path, change))


@pytest.mark.parametrize("results", [[], None, 3])
def test_read_promptfoo__no_results_are_refused(tmp_path, results):
    with pytest.raises(RecordsError, match="holds no results"):
        only(changed(tmp_path, lambda _, content: content["results"].update(results=results)))


def test_read_promptfoo__bad_and_empty_lines_are_refused(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text("{}\n{\n")
    with pytest.raises(RecordsError, match=r"line 2: not JSON"):
        only(path)
    path.write_text("\n")
    with pytest.raises(RecordsError, match="holds no results"):
        only(path)


def test_read_promptfoo__missing_file_is_refused(tmp_path):
    for path in (tmp_path / "no.json", f"{tmp_path}/no.json#x", "a\0b.json#x", f"{tmp_path}/{'x' * 300}.json#x"):
        with pytest.raises(RecordsError):
            only(path)


def test_read_promptfoo__hash_in_the_name_of_an_existing_file_is_no_column(tmp_path):
    path = tmp_path / "a#b.json"
    shutil.copy(DATA / "repeated.json", path)
    assert only(path).model == "base"


def test_detect__promptfoo(tmp_path):
    assert {
        detect(path) for path in (TWO, Path(f"{TWO}#tuned"), DATA / "lines.jsonl", changed(tmp_path, lambda *_: None))
    } == {"promptfoo"}
    (tmp_path / "long.jsonl").write_text(json.dumps({"cost": 0, "testIdx": 0, "promptIdx": 0, "x": "y" * 300_000}))
    assert detect(tmp_path / "long.jsonl") == "promptfoo"
