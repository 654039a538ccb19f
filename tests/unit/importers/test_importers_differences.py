import json
import shutil
from pathlib import Path

import pytest

from gate.domain import Case, Message
from gate.importers import ImportedSuite, differences, import_answers
from gate.importers.base import suite_name

DATA = Path(__file__).parents[2] / "data" / "imports"


def case(number, prompt="What?", references=("4",), choices=()):
    return Case(
        id=str(number), messages=(Message(role="user", content=prompt),), references=references, choices=choices
    )


def suite(**values):
    known = {
        "name": "t",
        "source": "a.jsonl",
        "kind": "lm-eval",
        "tool": None,
        "setup": {},
        "model": None,
        "cases": (case(1),),
        "responses": (),
        "definitions": {},
    }
    return ImportedSuite(**{**known, **values})


def test_differences__none_between_two_runs_of_one_setup():
    pairs = zip(
        *(import_answers(DATA / "lm_eval" / arm, kind="lm-eval", arm=arm) for arm in ("base", "candidate")), strict=True
    )
    assert [differences(*pair) for pair in pairs] == [(), ()]


def test_differences__model_and_tool_are_none():
    assert differences(suite(model="a", tool="x 1"), suite(model="b", tool="x 2")) == ()


def test_differences__setup_in_words():
    one, other = (
        suite(setup={"number of shots": "5", "dataset": "d"}),
        suite(setup={"number of shots": "0", "dataset": "d"}),
    )
    assert differences(one, other) == ("number of shots: 5 against 0",)


def test_differences__what_only_one_file_of_a_tool_knows_counts():
    assert differences(suite(setup={"task version": "1"}), suite()) == ("task version: 1 against unknown",)


def test_differences__plain_lines_are_held_against_what_both_know():
    plain = suite(kind="jsonl", name="", cases=(case(1, prompt="", references=()),))
    full = suite(setup={"task version": "1"}, definitions={"1": "abc"}, cases=(case(1, choices=("a", "b")),))
    assert differences(plain, full) == ()
    assert differences(suite(kind="jsonl", cases=(case(1, prompt="Who?"),)), full) == ("another prompt in 1 case: 1",)


def test_differences__different_tools():
    assert differences(suite(), suite(kind="inspect")) == ("written by different tools: lm-eval against inspect",)


def test_differences__tasks_of_other_names():
    assert differences(suite(name="gsm8k"), suite(name="arc")) == ("task: gsm8k against arc",)


def test_differences__cases_on_one_side_only():
    one = suite(cases=tuple(case(n) for n in range(15)))
    other = suite(source="b.jsonl", cases=(case(0), case(99)))
    assert differences(one, other) == (
        "14 cases only in a.jsonl: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 4 more",
        "1 case only in b.jsonl: 99",
    )


def test_differences__prompts_references_and_what_lies_behind():
    one = suite(cases=(case(1), case(2), case(3), case(4)), definitions={"4": "abc"})
    other = suite(cases=(case(1, prompt="Why?"), case(2, references=("5",)), case(3, choices=("a", "b")), case(4)))
    assert differences(one, other) == (
        "another prompt in 1 case: 1",
        "another reference in 1 case: 2",
        "another question behind the same prompt in 2 cases: 3, 4",
    )


def test_differences__long_values_are_cut():
    (sentence,) = differences(suite(setup={"x": "y" * 1000}), suite(setup={"x": "z"}))
    assert len(sentence) < 250


def test_differences__few_shots_and_missing_results_file_show(tmp_path):
    shutil.copytree(DATA / "lm_eval" / "base", tmp_path / "b")
    (results,) = (tmp_path / "b").glob("results_*.json")
    content = json.loads(results.read_text())
    content["n-shot"]["sums"] = 5
    content["chat_template_sha"] = "abc"
    results.write_text(json.dumps(content))
    (sums,) = (one for one in import_answers(tmp_path / "b", kind="lm-eval", arm="base") if one.name == "sums")
    (before,) = (
        one for one in import_answers(DATA / "lm_eval" / "base", kind="lm-eval", arm="base") if one.name == "sums"
    )
    assert differences(before, sums) == ("number of shots: 0 against 5", "chat template: none against abc")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("inspect_evals/gsm8k", "inspect_evals_gsm8k"),
        ("-x", "x"),
        ("größe", "gr_e"),
        ("...", "suite"),
        ("a" * 100, "a" * 64),
    ],
)
def test_suite_name__is_fit(text, name):
    assert suite_name(text) == name
