"""What `gate compare` refuses or doubts about recorded answers; no model takes part."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from conftest import Gate, read_round


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def configure(folder: Path, rules: str = "", *, more: str = "", n: int = 100) -> None:
    (folder / "gate.yaml").write_text(
        "version: 1\nbase: {model: m}\ncandidate: {adapter: a}\n" + more + "suites:\n  facts:\n    role: regression\n"
        "    cases: facts.jsonl\n    scorer: {kind: exact_match}\n" + (f"    rules: {rules}\n" if rules else ""),
        encoding="utf-8",
    )
    write(folder / "facts.jsonl", ({"id": str(i), "prompt": f"q{i}", "reference": "yes"} for i in range(n)))


def write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def answer(
    folder: Path, name: str = "gate-out/responses.jsonl", *, base: str = "yes", candidate: str = "yes", n: int = 100
) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = {"base": base, "candidate": candidate}
    write(path, ({"suite": "facts", "case": str(i), "arm": arm, "text": text, "tokens": len(text)}
                 for i in range(n) for arm, text in texts.items()))  # fmt: skip
    return path


def manifest(folder: Path, **fields: Any) -> None:
    arm = {"model": "m", "revision": None, "adapter": None, "description": "d", "digest": "00"}
    content = {
        "signature": "s", "arms": {name: arm | {"name": name} for name in ("base", "candidate")}, "environment": {},
        "warnings": [], "timings": {}, "limit": None,
    }  # fmt: skip
    (folder / "gate-out" / "manifest.json").write_text(json.dumps(content | fields), encoding="utf-8")


def test_compare__a_suite_without_a_guarding_rule_protects_nothing(gate: Gate, folder: Path) -> None:
    for rules in ("[]", "[{kind: max_drop, blocking: false}]", "[{kind: min_score, score: 0%}]"):
        configure(folder, rules)
        answer(folder, candidate="no")
        ran = gate("compare")
        assert (ran.code, read_round(folder / "gate-out")["verdict"]["outcome"]) == (0, "inconclusive"), rules
        assert "No blocking rule guards facts as a whole" in gate("check").out


def test_compare__without_texts_they_stay_in_the_answers_file(gate: Gate, folder: Path) -> None:
    configure(folder, more="publish: {texts: false}\n")
    answer(folder, candidate="a secret answer")
    ran = gate("compare")
    assert ran.code == 1
    for name in ("round.json", "report.md"):
        written = (folder / "gate-out" / name).read_text("utf-8")
        assert "secret" not in written
        assert '"yes"' not in written
        assert "q0" not in written
    assert "secret" not in ran.out
    assert "secret" in (folder / "gate-out" / "responses.jsonl").read_text("utf-8")
    found = read_round(folder / "gate-out")
    assert [one["case"] for one in found["evidence"]][:2] == ["0", "1"]
    # The suite has no rules of its own: a reader is sent to the suite.
    assert [one["line"] for one in found["findings"]] == [6]


def test_compare__a_base_that_gets_nothing_right_has_nothing_to_lose(gate: Gate, folder: Path) -> None:
    configure(folder)
    answer(folder, base="no", candidate="no")
    assert gate("compare").code == 0
    (finding,) = read_round(folder / "gate-out")["findings"]
    assert (finding["outcome"], finding["reason"]) == ("inconclusive", "degenerate")


def test_compare__an_interrupted_sequential_run_is_refused_and_left_alone(gate: Gate, folder: Path) -> None:
    configure(folder, more="statistics: {sequential: true}\n")
    path = answer(folder)
    manifest(folder, schedule={"seed": 0, "stages": 4, "asked": 0})
    before = path.read_bytes()
    ran = gate("compare")
    assert ran.code == 3
    assert "interrupted before its first look" in ran.err
    assert path.read_bytes() == before
    assert not (folder / "gate-out" / "round.json").exists()


@pytest.mark.parametrize(
    "schedule", [{"stages": -3, "asked": -1}, {"stages": 2, "asked": 3}, {"stages": 10**9, "asked": 1}]
)
def test_compare__an_impossible_manifest_is_not_believed(gate: Gate, folder: Path, schedule: dict[str, int]) -> None:
    configure(folder)
    answer(folder, candidate="no")
    manifest(folder, schedule=schedule | {"seed": 0})
    assert gate("compare").code == 1
    assert read_round(folder / "gate-out")["suites"]["facts"]["n"] == 100


def test_compare__looks_are_paid_for_when_nothing_tells_of_them(gate: Gate, folder: Path) -> None:
    # .95**60 = .046 would pass; after a fifth of alpha is spent it is .058.
    for more, outcome in (("", "pass"), ("statistics: {sequential: true}\n", "inconclusive")):
        configure(folder, more=more, n=60)
        answer(folder, n=60)
        assert gate("compare").code == 0
        assert read_round(folder / "gate-out")["verdict"]["outcome"] == outcome


def test_compare__questions_may_not_change_after_they_were_answered(gate: Gate, folder: Path, quickstart: Path) -> None:
    config = quickstart / "small.yaml"
    config.write_text(
        "version: 1\nbase: {model: model}\ncandidate: {adapter: adapters/careful}\n"
        "generation: {max_new_tokens: 24}\nsuites:\n  facts: {role: regression, "
        "cases: evals/facts.jsonl, scorer: {kind: exact_match}}\n", encoding="utf-8",
    )  # fmt: skip
    cases = quickstart / "evals" / "facts.jsonl"
    lines = cases.read_text("utf-8").splitlines()[:20]
    cases.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert gate("answer", config, "--quiet").code == 0
    mended = json.loads(lines[0]) | {"reference": "another"}
    cases.write_text("\n".join([json.dumps(mended), *lines[1:]]) + "\n", encoding="utf-8")
    assert gate("compare", config).code in (0, 1)
    changed = json.loads(lines[0]) | {"prompt": "Another question?"}
    cases.write_text("\n".join([json.dumps(changed), *lines[1:]]) + "\n", encoding="utf-8")
    ran = gate("compare", config)
    assert ran.code == 3
    assert "facts: its cases ask something else than when they were answered" in ran.err


def test_compare__two_files_with_the_same_answers_are_refused(gate: Gate, folder: Path) -> None:
    configure(folder)
    for name, text in (("a.jsonl", "no"), ("b.jsonl", "yes")):
        answer(folder, name, candidate=text)
    ran = gate(
        "compare", *("--responses=base=a.jsonl", "--responses=candidate=a.jsonl", "--responses=candidate=b.jsonl")
    )
    assert ran.code == 3
    assert "candidate: the files a.jsonl and b.jsonl both answer facts/0" in ran.err


def test_compare__a_pipe_is_not_waited_for(gate: Gate, folder: Path) -> None:
    configure(folder)
    answer(folder)
    os.mkfifo(folder / "pipe")
    ran = gate("compare", "--responses", "base=pipe")
    assert ran.code == 3
    assert "not a regular file" in ran.err


def test_compare__a_rule_against_an_absent_arm_does_not_vanish_in_a_partial_run(gate: Gate, folder: Path) -> None:
    configure(folder, "[{kind: max_drop, against: incumbent}, {kind: max_drop}]")
    answer(folder)
    for partial in ([], ["--suite", "facts"]):
        ran = gate("compare", *partial)
        assert ran.code == 3
        assert "add `incumbent:`" in ran.err


def test_compare__missing_answers_are_not_overlooked_in_a_shift(gate: Gate, folder: Path) -> None:
    configure(folder, "[{kind: max_shift, measure: refusal, shift: 4pp}, {kind: max_drop, drop: 20pp}]", n=400)
    path = answer(folder, n=400)
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for row in rows[1:40:2]:  # of the candidate
        row.update(text=None, finish="error", error="lost")
    write(path, rows)
    assert gate("compare").code == 0
    shift, _ = read_round(folder / "gate-out")["findings"]
    assert (shift["outcome"], shift["reason"]) == ("inconclusive", "missing_cases")


def test_check__looks_at_the_prompt_and_the_incumbent(gate: Gate, folder: Path) -> None:
    configure(folder, more="prompted: {system: empty.md}\n")
    (folder / "empty.md").write_text(" \n", encoding="utf-8")
    ran = gate("check")
    assert ran.code == 3
    assert "prompted.system: empty.md is empty" in ran.err
    configure(folder, more="incumbent: {adapter: a, ref: v1}\n")
    assert gate("check").code == 3
