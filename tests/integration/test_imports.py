"""Verdicts from what other tools recorded, through the command line."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import Gate, read_round

IMPORTS = Path(__file__).parents[1] / "data" / "imports"
STAMP = {"base": "2026-11-02T10-00-00.123456", "candidate": "2026-11-03T11-30-00.654321"}

CONFIG = """
version: 1
base: {model: not-looked-at}
candidate: {adapter: not-looked-at}
suites:
  %s: {role: regression, scorer: {kind: recorded, metric: "%s"}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def configure(folder: Path, suite: str, metric: str) -> None:
    (folder / "gate.yaml").write_text(CONFIG % (suite, metric), encoding="utf-8")


def lm_eval(folder: Path, *, n: int, lost: int) -> None:
    """Blow the recorded task `sums` up to n documents, of which the candidate loses some."""
    for arm, stamp in STAMP.items():
        shutil.copytree(IMPORTS / "lm_eval" / arm, folder / arm)
        (folder / arm / f"samples_oddities_{stamp}.jsonl").unlink()
        samples = folder / arm / f"samples_sums_{stamp}.jsonl"
        rows = [json.loads(line) for line in samples.read_text("utf-8").splitlines()]
        one = next(row for row in rows if row["filter"] == "strict-match")
        broken = lost if arm == "candidate" else 0
        blown_up = [one | {"doc_id": i, "doc_hash": f"{i:064x}", "exact_match": float(i >= broken)} for i in range(n)]
        samples.write_text("".join(json.dumps(row) + "\n" for row in blown_up), encoding="utf-8")


def test_compare__lm_evaluation_harness_samples_are_judged(gate: Gate, folder: Path) -> None:
    lm_eval(folder, n=200, lost=40)
    configure(folder, "sums", "exact_match")
    ran = gate("compare", "--responses", "base=base", "--responses", "candidate=candidate")
    assert ran.code == 1, ran.err
    found = read_round(folder / "gate-out")
    (tested,) = found["comparisons"]
    assert (tested["n"], tested["regressed"], tested["fixed"]) == (200, 40, 0)
    assert tested["delta"] == pytest.approx(-0.2)
    assert found["suites"]["sums"]["scorer"] == "recorded"
    # The scores are in responses.jsonl, so an arm can be compared again with another file.
    rows = [json.loads(line) for line in (folder / "gate-out" / "responses.jsonl").read_text("utf-8").splitlines()]
    assert {row["scores"]["exact_match"] for row in rows} == {0.0, 1.0}


def test_compare__the_same_file_twice_passes(gate: Gate, folder: Path) -> None:
    lm_eval(folder, n=200, lost=0)
    configure(folder, "sums", "exact_match")
    assert gate("compare", "--responses", "base=base", "--responses", "candidate=candidate").code == 0
    assert read_round(folder / "gate-out")["verdict"]["outcome"] == "pass"


def test_compare__other_shots_or_version_are_refused_with_the_difference(gate: Gate, folder: Path) -> None:
    lm_eval(folder, n=20, lost=0)
    configure(folder, "sums", "exact_match")
    results = folder / "candidate" / f"results_{STAMP['candidate']}.json"
    changed = json.loads(results.read_text("utf-8"))
    changed["n-shot"]["sums"] = 5
    changed["versions"]["sums"] = 4.0
    results.write_text(json.dumps(changed), encoding="utf-8")
    ran = gate("compare", "--responses", "base=base", "--responses", "candidate=candidate")
    assert ran.code == 3
    assert "not comparable: number of shots: 0 against 5" in ran.err
    assert "4.0" in ran.err
    assert not (folder / "gate-out" / "round.json").exists()


def test_compare__other_cases_are_refused_by_name(gate: Gate, folder: Path) -> None:
    lm_eval(folder, n=20, lost=0)
    configure(folder, "sums", "exact_match")
    samples = folder / "candidate" / f"samples_sums_{STAMP['candidate']}.jsonl"
    samples.write_text("".join(samples.read_text("utf-8").splitlines(keepends=True)[:-2]), encoding="utf-8")
    ran = gate("compare", "--responses", "base=base", "--responses", "candidate=candidate")
    assert ran.code == 3
    assert "18, 19" in ran.err


def test_compare__a_metric_that_is_not_there_is_named(gate: Gate, folder: Path) -> None:
    lm_eval(folder, n=20, lost=0)
    configure(folder, "sums", "acc")
    ran = gate("compare", "--responses", "base=base", "--responses", "candidate=candidate")
    assert ran.code == 3
    assert "no answer has a recorded score 'acc'; there is 'exact_match'" in ran.err


def test_compare__inspect_and_promptfoo_and_plain(gate: Gate, folder: Path) -> None:
    configure(folder, "any", "success")
    columns = IMPORTS / "promptfoo" / "two_columns.json"
    ran = gate("compare", "--responses", f"base={columns}#0", "--responses", f"candidate={columns}#1")
    assert ran.code == 0, ran.err
    arms = read_round(folder / "gate-out")["arms"]
    assert (arms["base"]["model"], arms["candidate"]["model"]) == ("base", "tuned")
    assert arms["base"]["digest"] != arms["candidate"]["digest"]

    log = IMPORTS / "inspect" / "base.json"
    ran = gate("compare", "--responses", f"base={log}", "--responses", f"candidate={log}", "--format", "inspect")
    assert ran.code == 3
    assert "recorded score 'success'" in ran.err

    (folder / "gate.yaml").write_text((CONFIG % ("any", "")).replace(', metric: ""', ""), encoding="utf-8")
    for name in ("a", "b"):
        rows = [{"id": i, "output": "x", "correct": True, "score": True} for i in range(60)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    ran = gate("compare", "--responses", "base=a.jsonl", "--responses", "candidate=b.jsonl", "--format", "jsonl")
    assert ran.code == 0, ran.err
    assert read_round(folder / "gate-out")["verdict"]["outcome"] == "pass"


def test_run__what_another_tool_scored_cannot_be_answered(gate: Gate, folder: Path) -> None:
    configure(folder, "sums", "exact_match")
    ran = gate("run")
    assert ran.code == 3
    assert "scored by another tool" in ran.err


def test_check__cases_that_come_with_the_answers_are_no_fault(gate: Gate, folder: Path) -> None:
    configure(folder, "sums", "exact_match")
    ran = gate("check")
    assert ran.code == 0, ran.err
    assert "sums" in ran.out
