"""A run that is stopped loses nothing: the same command goes on, and ends with the very same answers."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import QUICKSTART, Gate, read_round

PATIENCE_SECONDS = 120


def small_batches(quickstart: Path) -> Path:
    """A configuration with many batches, so that there is something to be interrupted between."""
    config = quickstart / "gate.yaml"
    lines = [line for line in config.read_text(encoding="utf-8").splitlines() if not line.startswith("engine:")]
    config.write_text("\n".join([*lines, "engine: {kind: transformers, batch_tokens: 512}"]), encoding="utf-8")
    return config


def wait_for_answers(process: subprocess.Popen[str], answers: Path) -> None:
    began = time.monotonic()
    while not (answers.exists() and answers.stat().st_size):
        assert process.poll() is None, "the run ended before it could be stopped"
        assert time.monotonic() - began < PATIENCE_SECONDS
        time.sleep(0.05)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_run__stopped_by_a_signal_continues_where_it_was(
    gate: Gate, quickstart: Path, tmp_path: Path, stop: signal.Signals
) -> None:
    config, interrupted, whole = small_batches(quickstart), tmp_path / "interrupted", tmp_path / "whole"
    command = ["run", str(config), "--suite", "facts", "--suite", "routing", "--limit", "30", "--output"]
    process = subprocess.Popen(
        [sys.executable, "-m", "gate", *command, str(interrupted)], stderr=subprocess.PIPE, text=True
    )
    wait_for_answers(process, interrupted / "responses.jsonl")
    process.send_signal(stop)
    _, complaint = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    assert "interrupted" in complaint
    assert "Traceback" not in complaint
    assert not (interrupted / "round.json").exists()
    with (interrupted / "responses.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"suite": "facts", "case": "torn')

    ran = gate(*command, interrupted)
    assert "answers are there already" in ran.err
    gate(*command, whole)
    assert (interrupted / "responses.jsonl").read_bytes() == (whole / "responses.jsonl").read_bytes()
    assert read_round(interrupted)["comparisons"] == read_round(whole)["comparisons"]


def test_run__answers_of_another_adapter_are_not_continued(gate: Gate, tmp_path: Path) -> None:
    arguments = ("--limit", 10, "--output", tmp_path, "--suite", "repetition", "--no-cache")
    gate("answer", QUICKSTART / "gate.yaml", *arguments)
    first = (tmp_path / "responses.jsonl").read_bytes()
    ran = gate("answer", QUICKSTART / "careful.yaml", *arguments)
    assert "there already" not in ran.err
    assert (tmp_path / "responses.jsonl").read_bytes() != first


def test_answer__again_computes_nothing_that_is_there(gate: Gate, tmp_path: Path) -> None:
    arguments = ("answer", QUICKSTART / "gate.yaml", "--limit", 2, "--output", tmp_path, "--suite", "facts")
    gate(*arguments)
    assert "4 of 4 answers are there already" in gate(*arguments).err


def test_run__a_finished_folder_is_replaced_and_a_broken_run_leaves_no_old_verdict(
    gate: Gate, quickstart: Path, tmp_path: Path
) -> None:
    config, out = quickstart / "gate.yaml", tmp_path / "out"
    gate("run", config, "--limit", 2, "--output", out, "--suite", "facts")
    (out / "notes.txt").write_text("mine")
    assert (out / "round.json").exists()
    path = quickstart / "adapters" / "forgetful" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"r": 4}))
    assert gate("run", config, "--limit", 2, "--output", out, "--suite", "facts").code == 3
    assert not (out / "round.json").exists()
    assert (out / "notes.txt").read_text() == "mine"
