"""The promise of the README, on the real model: the forgetful adapter is blocked, the careful one passes."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import QUICKSTART, Gate, read_round

from gate.data import load_cases
from gate.domain import REUSED
from gate.round_parts import EVIDENCE_CASES


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, Path]:
    """The whole main job, as a process of its own, started from another folder."""
    folder = tmp_path_factory.mktemp("forgetful")
    command = [sys.executable, "-m", "gate", "run", str(QUICKSTART / "gate.yaml"), "--output", "out"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout, folder / "out"


def test_run__the_forgetful_adapter_is_blocked_and_the_broken_suites_are_named(
    forgetful: tuple[int, str, Path],
) -> None:
    code, out, folder = forgetful
    content = read_round(folder)
    assert code == 1
    assert content["verdict"]["outcome"] == "fail"
    broken = {finding["suite"] for finding in content["findings"] if finding["outcome"] == "fail"}
    assert {"json_output", "facts", "repetition"} <= broken
    assert out.startswith("No, blocked: ")
    report = (folder / "report.md").read_text(encoding="utf-8")
    for suite in ("json_output", "facts", "repetition"):
        assert suite in out
        assert suite in report


def test_run__every_row_of_the_answers_is_there_with_its_score(forgetful: tuple[int, str, Path]) -> None:
    _, _, folder = forgetful
    content = read_round(folder)
    rows = (folder / "responses.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 2 * sum(suite["n"] for suite in content["suites"].values())
    assert len(content["evidence"]) == EVIDENCE_CASES
    assert {evidence["suite"] for evidence in content["evidence"]} >= {"json_output", "facts", "repetition"}


@pytest.mark.parametrize("kind", ["terminal", "markdown", "json"])
def test_report__renders_the_stored_round_byte_for_byte(
    forgetful: tuple[int, str, Path], gate: Gate, kind: str
) -> None:
    _, out, folder = forgetful
    again = gate("report", folder / "round.json", "--format", kind)
    expected = {"terminal": out, "markdown": "report.md", "json": "round.json"}[kind]
    assert again.out == (expected if kind == "terminal" else (folder / expected).read_text(encoding="utf-8"))
    assert again.code == 0


def test_compare__decides_the_same_from_the_recorded_answers(
    forgetful: tuple[int, str, Path], gate: Gate, tmp_path: Path
) -> None:
    _, _, folder = forgetful
    answers = folder / "responses.jsonl"
    ran = gate(
        "compare", QUICKSTART / "gate.yaml", "--responses", f"base={answers}", "--responses", f"candidate={answers}",
        "--output", tmp_path / "again",
    )  # fmt: skip
    first, second = read_round(folder), read_round(tmp_path / "again")
    assert ran.code == 1
    for content in (first, second):
        del content["id"], content["created_at"], content["timings"]
    assert first == second


def test_compare__swapped_arms_are_a_gain(forgetful: tuple[int, str, Path], gate: Gate, tmp_path: Path) -> None:
    _, _, folder = forgetful
    text = (folder / "responses.jsonl").read_text(encoding="utf-8")
    swapped = text.replace('"arm": "base"', '"arm": "x"').replace('"arm": "candidate"', '"arm": "base"')
    path = tmp_path / "swapped.jsonl"
    path.write_text(swapped.replace('"arm": "x"', '"arm": "candidate"'), encoding="utf-8")
    gate(
        "compare", QUICKSTART / "gate.yaml", "--responses", f"base={path}", "--responses", f"candidate={path}",
        "--output", tmp_path / "again",
    )  # fmt: skip

    def deltas(content: dict[str, Any]) -> dict[str, float]:
        return {c["suite"]: c["delta"] for c in content["comparisons"] if c["against"] and not c["task_suite"]}

    first, second = deltas(read_round(folder)), deltas(read_round(tmp_path / "again"))
    assert second == {suite: pytest.approx(-delta) for suite, delta in first.items()}


def test_run__the_careful_adapter_passes(gate: Gate, tmp_path: Path) -> None:
    ran = gate("run", QUICKSTART / "careful.yaml", "--output", tmp_path)
    content = read_round(tmp_path)
    assert content["verdict"] == {
        "outcome": "pass", "exit_code": 0, "headline": content["verdict"]["headline"],
    }  # fmt: skip
    assert ran.code == 0
    assert ran.out.startswith("Yes, open: Task: routing +")


def test_run__twice_gives_the_same_round(gate: Gate, tmp_path: Path) -> None:
    rounds = []
    for name in ("first", "second"):
        gate("run", QUICKSTART / "gate.yaml", "--output", tmp_path / name, "--limit", 20, "--quiet")
        content = read_round(tmp_path / name)
        del content["id"], content["created_at"], content["timings"]
        content["environment"].pop(REUSED, None)  # the second run finds the base's answers in the cache
        rounds.append((content, (tmp_path / name / "responses.jsonl").read_bytes()))
    assert rounds[0] == rounds[1]


def test_check__the_quickstart_is_in_order(gate: Gate) -> None:
    for config in ("gate.yaml", "careful.yaml"):
        ran = gate("check", QUICKSTART / config)
        assert (ran.code, ran.err) == (0, "")
        assert "Nothing is wrong" in ran.out


def test_quickstart__no_eval_prompt_is_in_the_training_data() -> None:
    training = (QUICKSTART / "data" / "train.jsonl").read_text(encoding="utf-8")
    evals = sorted((QUICKSTART / "evals").glob("*.jsonl"))
    prompts = [case.messages[-1].content for path in evals for case in load_cases(path, label=path.name)]
    assert len(evals) >= 7
    assert len(prompts) >= 7 * 200
    assert [prompt for prompt in prompts if f'"{prompt}"' in training] == []


def test_quickstart__is_small() -> None:
    sizes = [
        path.stat().st_size for path in QUICKSTART.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    assert sum(sizes) < 6_000_000


@pytest.mark.parametrize("command", [["--help"], ["check", str(QUICKSTART / "gate.yaml")], ["run", "--help"]])
def test_cli__light_commands_load_no_heavy_library(command: list[str]) -> None:
    code = (
        "import sys; from gate.cli import execute; execute(sys.argv[1:]);"
        "print([name for name in ('torch', 'transformers', 'peft', 'ray') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"
