"""`engine: {kind: replay}` through the command line: recorded answers in place of a model, and no model anywhere."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Gate, read_round

CASES = 120
CONFIG = """
version: 1
base: {model: not-here}
candidate: {adapter: not-here-either}
engine: {kind: replay, responses: %s}
%s
suites:
  facts: {role: regression, cases: facts.jsonl, scorer: {kind: exact_match}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration's folder that is not the current one."""
    folder = tmp_path / "project"
    (folder / "recorded").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    cases = [{"id": str(i), "prompt": f"q{i}", "reference": "yes"} for i in range(CASES)]
    write(folder / "facts.jsonl", cases)
    return folder


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def rows(*arms: str, lost: int = 0, n: int = CASES) -> list[dict[str, Any]]:
    """Right answers, but for the first `lost` of the candidate."""
    return [
        {"suite": "facts", "case": str(i), "arm": arm, "text": "no" if arm == "candidate" and i < lost else "yes"}
        for i in range(n)
        for arm in arms
    ]


def configure(folder: Path, responses: str, more: str = "") -> Path:
    path = folder / "gate.yaml"
    path.write_text(CONFIG % (responses, more), encoding="utf-8")
    return path


def lasting(output: Path) -> dict[str, Any]:
    dropped = ("id", "created_at", "timings", "environment")
    return {key: value for key, value in read_round(output).items() if key not in dropped}


def answers(output: Path) -> str:
    return (output / "responses.jsonl").read_text("utf-8")


@pytest.mark.parametrize("lost", [0, 40])
@pytest.mark.parametrize("more", ["", "statistics: {sequential: true}"], ids=["at once", "sequential"])
def test_run__replay_of_two_files_is_compare_of_the_same(
    gate: Gate, folder: Path, tmp_path: Path, lost: int, more: str
) -> None:
    base = write(folder / "recorded" / "old.jsonl", rows("base"))
    # Rows of other arms and of cases that nobody asks are left aside.
    tuned = write(folder / "recorded" / "new.jsonl", rows("base", "candidate", lost=lost))
    config = configure(folder, "{base: recorded/old.jsonl, candidate: recorded/new.jsonl}", more)
    compared = gate("compare", config, "--responses", f"base={base}", "--responses", f"candidate={tuned}",
                    "--output", tmp_path / "compared")  # fmt: skip
    ran = gate("run", config, "--output", tmp_path / "ran")
    assert compared.code == ran.code == (1 if lost else 0), ran.err
    if more and lost:  # only a run can stop early: whoever compares has all the answers already
        assert len(answers(tmp_path / "ran")) < len(answers(tmp_path / "compared"))
    else:
        assert lasting(tmp_path / "ran") == lasting(tmp_path / "compared")
        assert answers(tmp_path / "ran") == answers(tmp_path / "compared")
    assert not (tmp_path / "cache").exists()


def test_run__replay_of_a_real_run_decides_as_the_run_did(gate: Gate, quickstart: Path, tmp_path: Path) -> None:
    real = quickstart / "real"
    limits = ("--limit", 40, "--suite", "facts", "--suite", "refusal")
    assert gate("run", quickstart / "gate.yaml", *limits, "--output", real).code in (0, 1)
    text = (quickstart / "gate.yaml").read_text("utf-8")
    (line,) = [line for line in text.splitlines() if line.startswith("engine:")]
    replayed = quickstart / "replayed.yaml"
    text = text.replace(line, "engine: {kind: replay, responses: real/responses.jsonl}")
    replayed.write_text(text.replace("model: model", "model: gone").replace("adapters/", "gone/"), encoding="utf-8")
    assert gate("run", replayed, *limits, "--output", tmp_path / "ran").code in (0, 1)
    assert lasting(tmp_path / "ran") == lasting(real)
    assert answers(tmp_path / "ran") == answers(real)
    found = read_round(tmp_path / "ran")
    assert found["environment"]["engine"] == "replay"
    assert found["arms"]["candidate"]["digest"] == read_round(real)["arms"]["candidate"]["digest"]


def test_run__missing_answers_are_missing_cases_and_others_are_ignored(
    gate: Gate, folder: Path, tmp_path: Path
) -> None:
    recorded = [row for row in rows("base", "candidate") if (row["arm"], row["case"]) != ("candidate", "7")]
    recorded += [{"suite": "facts", "case": "never asked", "arm": "base", "text": "x"},
                 {"suite": "never asked", "case": "1", "arm": "base", "text": "x"}]  # fmt: skip
    write(folder / "recorded" / "all.jsonl", recorded)
    ran = gate("run", configure(folder, "recorded/all.jsonl"), "--output", tmp_path / "out")
    assert ran.code == 0, ran.err
    (tested,) = read_round(tmp_path / "out")["comparisons"]
    assert (tested["n"], tested["dropped"]) == (CASES - 1, 1)
    (missing,) = [row for row in map(json.loads, answers(tmp_path / "out").splitlines()) if row["finish"] == "error"]
    assert (missing["case"], missing["arm"], missing["error"]) == ("7", "candidate", "no answer is recorded")
    assert (
        f"1 case of {CASES} have no recorded answer of the arm candidate." in read_round(tmp_path / "out")["warnings"]
    )


def test_run__replay_of_changed_questions_is_refused(gate: Gate, folder: Path, tmp_path: Path) -> None:
    write(folder / "recorded" / "all.jsonl", rows("base", "candidate"))
    first = folder / "first"
    assert gate("run", configure(folder, "recorded/all.jsonl"), "--output", first, "--limit", 60).code == 0
    config = configure(folder, "first/responses.jsonl")
    # Of a run with a limit, the first so many cases are known to fit; the others have no answer.
    assert gate("run", config, "--output", tmp_path / "out").code == 0
    assert read_round(tmp_path / "out")["comparisons"][0]["dropped"] == CASES - 60
    write(folder / "facts.jsonl", [{"id": str(i), "prompt": "other", "reference": "yes"} for i in range(CASES)])
    ran = gate("run", config, "--output", tmp_path / "out")
    assert (ran.code, len(ran.err.splitlines())) == (3, 2)
    assert "facts: its cases ask something else than when they were answered" in ran.err


@pytest.mark.parametrize(
    ("responses", "options", "message"),
    [
        ("recorded/none.jsonl", [], "none.jsonl"),
        ("{base: recorded/all.jsonl}", [], "engine.responses: it names base, the arms are base and candidate"),
        ("{base: recorded/all.jsonl, candidate: recorded/all.jsonl, incumbent: x}", [], "the arms are base and candidate"),
        ("{base: recorded/all.jsonl, tuned: recorded/all.jsonl}", [], "engine.responses.tuned"),
        ("''", [], "engine.responses"),
        ("recorded/all.jsonl", ["--adapter", "x"], "--adapter: the engine `replay` loads no adapter"),
        ("recorded/all.jsonl", ["--candidate-ref", "HEAD"], "--candidate-ref: the engine `replay` loads no adapter"),
    ],
)  # fmt: skip
def test_run__replay_that_cannot_be_is_refused(
    gate: Gate, folder: Path, responses: str, options: list[str], message: str
) -> None:
    write(folder / "recorded" / "all.jsonl", rows("base", "candidate"))
    ran = gate("run", configure(folder, responses), *options)
    assert (ran.code, "Traceback" in ran.err) == (3, False)
    assert message in ran.err


def test_run__replay_never_replaces_what_it_replays(gate: Gate, folder: Path) -> None:
    write(folder / "recorded" / "all.jsonl", rows("base", "candidate"))
    first = folder / "first"
    assert gate("run", configure(folder, "recorded/all.jsonl"), "--output", first).code == 0
    before = answers(first)
    ran = gate("run", configure(folder, "first/responses.jsonl"), "--output", first)
    assert ran.code == 3
    assert "the recorded answers lie there" in ran.err
    assert answers(first) == before


def test_run__replay_goes_on_only_while_the_recording_is_the_same(gate: Gate, folder: Path, tmp_path: Path) -> None:
    recorded = folder / "recorded" / "all.jsonl"
    write(recorded, rows("base", "candidate"))
    config, out = configure(folder, "recorded/all.jsonl"), tmp_path / "out"
    gate("answer", config, "--output", out)
    assert "answers are there already" in gate("answer", config, "--output", out).err
    write(recorded, rows("base", "candidate", lost=5))
    assert "there already" not in gate("answer", config, "--output", out).err
    assert answers(out).count('"text": "no"') == 5
