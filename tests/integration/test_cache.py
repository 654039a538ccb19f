"""Reference answers from the cache, on the quickstart's real model."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import Gate, Ran, read_round
from safetensors.numpy import load_file, save_file

from gate.domain import REUSED, ArmName
from gate.engine.answer_cache import RECHECKED
from gate.engine.session import Prompt
from gate.engine.transformers_engine import _TransformersSession

CASES = 20
CONFIG = """
version: 1
base: {model: model}
candidate: {adapter: adapters/%s}
generation: {max_new_tokens: 24}
suites:
  facts: {role: regression, cases: evals/facts.jsonl, scorer: {kind: exact_match, ignore_case: true}}
  lists: {role: regression, cases: evals/lists.jsonl, scorer: {kind: contains, all: ['- ']}}
"""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[ArmName]:
    """The arm of every answer that a model gives, in order."""
    arms: list[ArmName] = []
    real = _TransformersSession.answer_many

    def answer_many(self: Any, arm: ArmName, batches: Sequence[Sequence[Prompt]], **options: Any) -> Iterator[Any]:
        arms.extend([arm] * sum(map(len, batches)))
        return real(self, arm, batches, **options)

    monkeypatch.setattr(_TransformersSession, "answer_many", answer_many)
    return arms


def configure(folder: Path, adapter: str = "careful") -> Path:
    path = folder / "cache.yaml"
    path.write_text(CONFIG % adapter, encoding="utf-8")
    return path


def run(gate: Gate, folder: Path, out: Path, *options: object, adapter: str = "careful") -> Ran:
    ran = gate("run", configure(folder, adapter), "--output", out, "--limit", CASES, "--quiet", *options)
    assert ran.code in (0, 1), ran.err
    return ran


def lasting(folder: Path) -> dict[str, Any]:
    """What does not depend on when a run was, and on what was known before."""
    found = {key: value for key, value in read_round(folder).items() if key not in ("id", "created_at", "timings")}
    found["environment"].pop(REUSED, None)
    return found


def database(tmp_path: Path) -> Path:
    (found,) = (tmp_path / "cache").rglob("*.sqlite")
    return found


def test_run__a_warm_run_asks_the_base_a_few_questions_only(
    gate: Gate, quickstart: Path, tmp_path: Path, asked: list[ArmName]
) -> None:
    run(gate, quickstart, tmp_path / "cold")
    # Some are asked again, for the noise floor.
    assert (asked.count("base"), asked.count("candidate")) == (2 * CASES + RECHECKED, 2 * CASES)
    asked.clear()
    run(gate, quickstart, tmp_path / "warm")
    assert (asked.count("base"), asked.count("candidate")) == (RECHECKED, 2 * CASES)
    assert lasting(tmp_path / "warm") == lasting(tmp_path / "cold")
    known = [read_round(tmp_path / name)["environment"].get(REUSED) for name in ("cold", "warm")]
    assert known == [None, str(2 * CASES)]
    texts = [(tmp_path / name / "responses.jsonl").read_text("utf-8") for name in ("cold", "warm")]
    assert texts[0] == texts[1]
    # Another candidate on the same base finds the base's answers too.
    asked.clear()
    run(gate, quickstart, tmp_path / "other", adapter="forgetful")
    assert (asked.count("base"), asked.count("candidate")) == (RECHECKED, 2 * CASES)


def test_run__no_cache_neither_reads_nor_writes(
    gate: Gate, quickstart: Path, tmp_path: Path, asked: list[ArmName]
) -> None:
    run(gate, quickstart, tmp_path / "one", "--no-cache")
    assert not (tmp_path / "cache").exists()
    run(gate, quickstart, tmp_path / "two")
    asked.clear()
    run(gate, quickstart, tmp_path / "three", "--no-cache")
    assert asked.count("base") == 2 * CASES + RECHECKED


def test_run__a_stale_cache_is_found_out_and_thrown_away(
    gate: Gate, quickstart: Path, tmp_path: Path, asked: list[ArmName]
) -> None:
    run(gate, quickstart, tmp_path / "cold")
    with sqlite3.connect(database(tmp_path)) as store:
        answers = store.execute("select key, value from answers where substr(value, 1, 1) = ?", (b"{",))
        for key, packed in answers.fetchall():
            lie = json.loads(packed) | {"text": "something else"}
            store.execute("update answers set value = ? where key = ?", (json.dumps(lie).encode(), key))
    asked.clear()
    run(gate, quickstart, tmp_path / "warm")
    assert asked.count("base") == 2 * CASES + 2 * RECHECKED
    found = read_round(tmp_path / "warm")
    assert any("8 of 8 cached answers of the arm base were not given again" in text for text in found["warnings"])
    assert found["comparisons"] == read_round(tmp_path / "cold")["comparisons"]
    asked.clear()
    run(gate, quickstart, tmp_path / "again")
    assert asked.count("base") == RECHECKED


def test_run__another_base_under_the_same_name_is_noticed_once(gate: Gate, quickstart: Path, tmp_path: Path) -> None:
    def drift(out: str) -> list[dict[str, Any]]:
        run(gate, quickstart, tmp_path / out)
        return [check for check in read_round(tmp_path / out)["preflight"] if check["id"] == "P08"]

    assert drift("first") == drift("same") == []
    weights = quickstart / "model" / "model.safetensors"
    tensors = load_file(weights)
    tensors["model.norm.weight"][0] *= 1.0001
    save_file(tensors, weights, metadata={"format": "pt"})
    (noticed,) = drift("changed")
    assert noticed["outcome"] == "warn"
    assert "is not what it was in the last run here" in noticed["message"]
    assert drift("known") == []


def test_run__a_cache_that_cannot_be_had_stops_nothing(
    gate: Gate, quickstart: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder", encoding="utf-8")
    monkeypatch.setenv("GATE_CACHE_DIR", str(blocked))
    run(gate, quickstart, tmp_path / "out")


def test_run__drawn_answers_are_never_kept(gate: Gate, quickstart: Path, tmp_path: Path, asked: list[ArmName]) -> None:
    config = configure(quickstart)
    drawn = config.read_text("utf-8").replace("max_new_tokens: 24", "max_new_tokens: 24, temperature: 0.5")
    config.write_text(drawn, encoding="utf-8")
    for out in ("one", "two"):
        asked.clear()
        assert gate("run", config, "--output", tmp_path / out, "--limit", CASES, "--quiet").code in (0, 1)
        assert asked.count("base") == 2 * CASES
