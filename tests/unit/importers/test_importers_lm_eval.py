import json
import shutil
from pathlib import Path

import pytest

from gate.domain import Message
from gate.errors import RecordsError
from gate.importers import detect, import_answers, tolerant_json

DATA = Path(__file__).parents[2] / "data" / "imports" / "lm_eval"
SUMS = "samples_sums_2026-11-02T10-00-00.123456.jsonl"
RESULTS = "results_2026-11-02T10-00-00.123456.json"


def suites(path):
    return {suite.name: suite for suite in import_answers(path, kind="lm-eval", arm="base")}


def row(**values):
    return {
        "doc_id": 0,
        "doc": {"q": "?"},
        "target": "4",
        "arguments": {"gen_args_0": {"arg_0": "2 + 2 =", "arg_1": {"until": ["\n"]}}},
        "resps": [["4"]],
        "filtered_resps": ["4"],
        "filter": "none",
        "metrics": ["exact_match"],
        "exact_match": 1.0,
        **values,
    }


def written(folder, *rows, name="samples_t_2026-01-01T00-00-00.000001.jsonl"):
    path = folder / name
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return path


def only(path):
    (suite,) = import_answers(path, kind="lm-eval", arm="candidate")
    return suite


def test_read_lm_eval__folder_gives_a_suite_for_each_task():
    found = suites(DATA / "base")
    assert set(found) == {"sums", "oddities"}
    assert found["sums"].model == "invented/base"
    assert found["sums"].tool == "lm-eval 0.4.9"


def test_read_lm_eval__metrics_of_several_filters_are_told_apart_and_the_raw_text_is_kept():
    first, second, third = suites(DATA / "base")["sums"].responses
    assert first.scores == {"exact_match,strict-match": 1.0, "exact_match,flexible-extract": 1.0}
    assert second.scores == {"exact_match,strict-match": 0.0, "exact_match,flexible-extract": 1.0}
    assert (second.text, second.case, second.arm, second.repeat, second.finish) == (
        " 10 - 4 = 6, so 6",
        "1",
        "base",
        0,
        "stop",
    )
    assert third.scores == {"exact_match,strict-match": 0.0, "exact_match,flexible-extract": 0.0}


def test_read_lm_eval__multiple_choice_answers_with_the_likeliest_option():
    suite = suites(DATA / "base")["oddities"]
    assert [response.text for response in suite.responses] == ["Mars", "Trout"]
    assert suite.cases[0].choices == ("Mars", "Rome", "Oak")
    assert suite.cases[0].messages == (Message(role="user", content="Question: Which is a planet?\nAnswer:"),)


def test_read_lm_eval__lists_and_metrics_outside_the_unit_interval_are_no_scores():
    assert suites(DATA / "base")["oddities"].responses[0].scores == {"acc": 1.0, "acc_norm": 1.0}


def test_read_lm_eval__metric_that_leaves_the_unit_interval_once_is_left_out_everywhere(tmp_path):
    suite = only(
        written(
            tmp_path,
            row(bleu=0.5, metrics=["exact_match", "bleu"]),
            row(doc_id=1, bleu=31.0, metrics=["exact_match", "bleu"]),
        )
    )
    assert [response.scores for response in suite.responses] == [{"exact_match": 1.0}, {"exact_match": 1.0}]


def test_read_lm_eval__not_a_number_is_left_out_of_that_answer_only(tmp_path):
    suite = only(written(tmp_path, row(exact_match=float("nan")), row(doc_id=1)))
    assert [response.scores for response in suite.responses] == [{}, {"exact_match": 1.0}]


def test_read_lm_eval__numbers_written_as_text_are_read(tmp_path):
    suite = only(
        written(tmp_path, row(exact_match="True"), row(doc_id=1, exact_match="0.25"), row(doc_id=2, exact_match="good"))
    )
    assert [response.scores for response in suite.responses] == [{"exact_match": 1.0}, {"exact_match": 0.25}, {}]


def test_read_lm_eval__setup_says_what_the_results_file_says():
    setup = suites(DATA / "base")["sums"].setup
    assert setup["task version"] == "3.0"
    assert setup["number of shots"] == "0"
    assert setup["chat template"] == "none"
    assert json.loads(setup["generation settings"]) == {"do_sample": False, "temperature": 0.0, "until": ["Question:"]}


def test_read_lm_eval__without_results_file_only_what_the_rows_say(tmp_path):
    shutil.copy(DATA / "base" / SUMS, tmp_path)
    suite = only(tmp_path / SUMS)
    assert set(suite.setup) == {"generation settings"}
    assert (suite.model, suite.tool) == (None, None)


def test_read_lm_eval__several_generation_settings_are_counted(tmp_path):
    suite = only(
        written(tmp_path, row(), row(doc_id=1, arguments={"gen_args_0": {"arg_0": "a", "arg_1": {"until": []}}}))
    )
    assert suite.setup["generation settings"].startswith("2 different ones (digest ")


def test_read_lm_eval__rows_of_older_releases_read_as_well(tmp_path):
    old = {
        "doc_id": 3,
        "doc": {},
        "target": 1,
        "arguments": [["Sky?", " blue"], ["Sky?", " red"]],
        "resps": [[[-0.1, True]], [[-2.5, False]]],
        "acc": 1.0,
    }
    suite = only(written(tmp_path, old, name="out_t.jsonl"))
    (response,) = suite.responses
    assert (suite.name, response.case, response.text, response.scores) == ("", "3", "blue", {"acc": 1.0})
    assert suite.cases[0].references == ("1",)


def test_read_lm_eval__unconditional_requests_do_not_count_as_options(tmp_path):
    asked = {
        f"gen_args_{n}": {"arg_0": context, "arg_1": option}
        for n, (context, option) in enumerate([("Sky?", " blue"), ("Sky?", " red"), ("", " blue"), ("", " red")])
    }
    suite = only(
        written(
            tmp_path,
            row(
                arguments=asked,
                resps=[[["-1.5", "False"]], [["-1.0", "True"]], [["-0.1", "False"]], [["-0.2", "False"]]],
            ),
        )
    )
    assert suite.responses[0].text == "red"
    assert suite.cases[0].choices == ("blue", "red")


@pytest.mark.parametrize(
    "values",
    [
        {"arguments": {"gen_args_0": {"arg_0": "a", "arg_1": "end"}}, "resps": [[["-3.0", "True"]]]},
        {
            "arguments": {"a": {"arg_0": "x", "arg_1": "end"}, "b": {"arg_0": "y", "arg_1": "end"}},
            "resps": [[["-3.0", "True"]], [["-1.0", "True"]]],
        },
        {
            "arguments": {"a": {"arg_0": "x", "arg_1": "m"}, "b": {"arg_0": "x", "arg_1": "n"}},
            "resps": [[["?", "True"]], [["-1.0", "True"]]],
        },
    ],
)
def test_read_lm_eval__likelihoods_without_options_are_shown_as_they_are(tmp_path, values):
    (response,) = only(written(tmp_path, row(**values))).responses
    assert json.loads(response.text) == values["resps"]


def test_read_lm_eval__chat_prompts_become_turns(tmp_path):
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2?"}]
    asked = {"gen_args_0": {"arg_0": [json.dumps(turns)], "arg_1": {}}}
    suite = only(written(tmp_path, row(arguments=asked)))
    assert [(turn.role, turn.content) for turn in suite.cases[0].messages] == [
        ("system", "Be brief."),
        ("user", "2 + 2?"),
    ]


def test_read_lm_eval__several_runs_of_one_task_are_refused_by_name(tmp_path):
    shutil.copytree(DATA / "base", tmp_path / "x")
    later = tmp_path / "x" / "samples_sums_2026-11-09T10-00-00.000001.jsonl"
    shutil.copy(DATA / "base" / SUMS, later)
    with pytest.raises(RecordsError) as refused:
        suites(tmp_path / "x")
    assert SUMS in refused.value.message
    assert later.name in refused.value.message


def test_read_lm_eval__folder_of_folders_names_them():
    with pytest.raises(RecordsError, match="base, candidate"):
        suites(DATA)


def test_read_lm_eval__folder_without_samples_is_refused(tmp_path):
    with pytest.raises(RecordsError, match="--log_samples"):
        suites(tmp_path)


def test_read_lm_eval__all_bad_lines_are_listed(tmp_path):
    path = written(
        tmp_path, row(), row(), row(doc_id=True), row(doc_id=5, resps=[]), {"id": 1}, row(doc_id=6, resps=[["a"], []])
    )
    path.write_text(path.read_text() + '[1]\n{"doc_id":\n{"a": 1, "a": 2}\n' + '{"doc_id": ' + "9" * 5000 + "}\n")
    with pytest.raises(RecordsError) as refused:
        only(path)
    message = refused.value.message
    assert "9 bad lines" in message
    for part in (
        "line 2: answers the same as line 1",
        "line 3: 'doc_id' must be",
        "line 4: 'resps'",
        "line 5: 'doc_id' or 'resps'",
        "line 6: 'resps'",
        "line 7: not a JSON object",
        "line 8: not JSON",
        "line 9: the key 'a' occurs twice",
        "line 10: the number",
    ):
        assert part in message


def test_read_lm_eval__empty_file_is_refused(tmp_path):
    with pytest.raises(RecordsError, match="holds no answers"):
        only(written(tmp_path))


def test_read_lm_eval__broken_results_file_is_refused(tmp_path):
    shutil.copy(DATA / "base" / SUMS, tmp_path)
    (tmp_path / RESULTS).write_text("[1]")
    with pytest.raises(RecordsError, match="not a JSON object"):
        only(tmp_path / SUMS)


def test_read_lm_eval__half_surrogates_are_replaced(tmp_path):
    path = written(tmp_path, row())
    path.write_text(path.read_text().replace('[["4"]]', r'[["a\ud800b"]]'))
    assert only(path).responses[0].text == "a?b"


def test_detect__lm_eval(tmp_path):
    assert detect(DATA / "base") == "lm-eval"
    assert detect(DATA / "base" / SUMS) == "lm-eval"
    long = written(tmp_path, row(doc={"text": "x" * 300_000}), name="renamed.txt")
    assert detect(long) == "lm-eval"


def test_read_lm_eval__nested_too_deeply_and_too_long_are_refused(tmp_path, monkeypatch):
    path = written(tmp_path, row())
    path.write_text(path.read_text().replace('"?"', "[" * 100_000 + "]" * 100_000))
    with pytest.raises(RecordsError, match="nested too deeply"):
        only(path)
    monkeypatch.setattr(tolerant_json, "LONGEST_LINE_CHARS", 100)
    with pytest.raises(RecordsError, match="longer than 100 characters"):
        only(path)


def test_read_lm_eval__prompt_that_is_no_text_is_shown_as_it_is(tmp_path):
    suite = only(written(tmp_path, row(arguments=[[{"a": 1}, "b"]]), row(doc_id=1, arguments=[["[not turns]", "b"]])))
    assert [case.messages[0].content for case in suite.cases] == ['{"a": 1}', "[not turns]"]
