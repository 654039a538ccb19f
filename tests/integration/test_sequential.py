"""Runs that may stop early, on the quickstart's real model."""

import json
from pathlib import Path

from conftest import Gate, Ran, read_round

CONFIG = """
version: 1
base: {model: model}
candidate: {adapter: adapters/%s}
generation: {max_new_tokens: 24}
statistics: {sequential: true, seed: 4%s}
suites:
  routing:
    role: task
    cases: evals/routing.jsonl
    scorer: {kind: classification, labels: [billing, technical, shipping, account]}
  facts:
    role: regression
    cases: evals/facts.jsonl
    scorer: {kind: exact_match, ignore_case: true, ignore_punctuation: true}
%s
"""


def run(gate: Gate, folder: Path, out: Path, adapter: str, rest: str = "", statistics: str = "") -> Ran:
    config = folder / "sequential.yaml"
    config.write_text(CONFIG % (adapter, statistics, rest), encoding="utf-8")
    return gate("run", config, "--output", out, "--quiet")


def test_run__a_disaster_stops_early_and_says_so(gate: Gate, quickstart: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran = run(gate, quickstart, out, "forgetful")
    assert ran.code == 1, ran.err
    found = read_round(out)
    rows = (out / "responses.jsonl").read_text("utf-8").splitlines()
    assert found["suites"]["facts"]["n"] == found["suites"]["routing"]["n"] < 150
    assert len(rows) == 4 * found["suites"]["facts"]["n"]
    assert any("Stopped after" in warning for warning in found["warnings"])
    (facts,) = [one for one in found["findings"] if one["suite"] == "facts"]
    assert (facts["outcome"], facts["p_value"] <= 0.05) == ("fail", True)
    # The second half alone comes to the same, from what the first one left.
    before = {key: value for key, value in found.items() if key not in ("id", "created_at", "timings")}
    assert gate("compare", quickstart / "sequential.yaml", "--output", out, "--quiet").code == 1
    after = {key: value for key, value in read_round(out).items() if key not in ("id", "created_at", "timings")}
    assert before == after


def test_run__without_a_decision_every_case_is_asked(gate: Gate, quickstart: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    # A critical rule can pass only when every case was asked.
    ran = run(gate, quickstart, out, "careful", "  refusal: {role: regression, cases: evals/refusal.jsonl, "
              "scorer: {kind: refusal}}\nrules: [{kind: critical}]")  # fmt: skip
    assert ran.code == 0, ran.err
    found = read_round(out)
    assert found["verdict"]["outcome"] == "pass"
    assert {suite["n"] for suite in found["suites"].values()} == {300}
    assert not any("Stopped" in warning for warning in found["warnings"])
    assert any("betting e-values at every look; at the end exact" in one["method"] for one in found["comparisons"])


def test_run__a_stopped_run_that_continues_asks_nothing_twice(gate: Gate, quickstart: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(gate, quickstart, out, "forgetful")
    whole = (out / "responses.jsonl").read_text("utf-8")
    (out / "round.json").unlink()
    # As if it had been interrupted in its second stage: the file is in order of arrival, and not yet complete.
    kept = [line for line in whole.splitlines() if json.loads(line)["arm"] == "base"]
    (out / "responses.jsonl").write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    ran = gate("run", quickstart / "sequential.yaml", "--output", out, "--quiet")
    assert ran.code == 1
    again = (out / "responses.jsonl").read_text("utf-8")
    assert again == whole


def test_run__futility_ends_a_run_that_can_hardly_fail(gate: Gate, quickstart: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran = run(gate, quickstart, out, "careful", statistics=", futility: true")
    assert ran.code == 0, ran.err
    found = read_round(out)
    assert found["verdict"]["outcome"] == "inconclusive"
    assert 50 <= found["suites"]["facts"]["n"] < 300
    outcomes = {one["suite"]: one["outcome"] for one in found["findings"]}
    assert outcomes == {"routing": "pass", "facts": "inconclusive"}


def test_check__futility_needs_a_sequential_run(gate: Gate, quickstart: Path) -> None:
    config = quickstart / "sequential.yaml"
    text = (CONFIG % ("careful", ", futility: true", "")).replace("sequential: true, ", "")
    config.write_text(text, encoding="utf-8")
    ran = gate("check", config)
    assert ran.code == 3
    assert "set `sequential: true` as well" in ran.err
