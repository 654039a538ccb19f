"""The composite action: what its shell step does, run as the runner would run it."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import yaml
from conftest import Ran
from test_cli import compare, write_answers, write_project

Gate = Callable[..., Ran]
ROOT = Path(__file__).parents[2]


def run_step(workspace: Path, **inputs: str) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
    """Run the step's script in a workspace, with the files and variables that a runner sets."""
    temp = workspace / "runner temp"
    temp.mkdir()
    variables = {
        "PATH": os.environ["PATH"],
        "RUNNER_TEMP": str(temp),
        "GITHUB_OUTPUT": str(temp / "output"),
        "GITHUB_STEP_SUMMARY": str(temp / "summary"),
        **inputs,
    }
    script = ROOT / "scripts" / "run_in_workspace.sh"
    ran = subprocess.run(
        [script, Path(sys.executable).parent], cwd=workspace, env=variables, capture_output=True, text=True, check=False
    )
    written = (temp / "output").read_text() if (temp / "output").exists() else ""
    return ran, dict(line.split("=", 1) for line in written.splitlines())


def test_run_in_workspace__a_broken_request_has_its_exit_code_and_no_verdict(tmp_path: Path) -> None:
    write_project(tmp_path)
    ran, outputs = run_step(tmp_path, GATE_CONFIG="gate.yaml")
    assert ran.returncode == 3
    assert outputs == {"exit-code": "3", "passed": "false"}
    assert "no such folder" in ran.stderr


def test_run_in_workspace__inputs_are_values_never_code_or_options(tmp_path: Path) -> None:
    write_project(tmp_path)
    for hostile in ("$(touch owned).yaml", "`touch owned`", "--help", "; touch owned", "x\ny"):
        ran, outputs = run_step(tmp_path, GATE_CONFIG=hostile, GATE_ADAPTER=hostile)
        assert ran.returncode == 3
        assert outputs["exit-code"] == "3"
        assert not list(tmp_path.rglob("owned"))
        for path in (tmp_path / "runner temp").iterdir():
            path.unlink()
        (tmp_path / "runner temp").rmdir()


def test_run_in_workspace__what_the_gate_prints_cannot_command_the_runner(tmp_path: Path) -> None:
    write_project(tmp_path)
    ran, _ = run_step(tmp_path)
    first, last = ran.stdout.splitlines()[0], ran.stdout.splitlines()[-1]
    token = re.fullmatch(r"::stop-commands::([0-9a-f]{32})", first)
    assert token is not None
    assert last == f"::{token[1]}::"


def test_write_outputs__hands_over_verdict_counts_and_report(gate: Gate, tmp_path: Path) -> None:
    compare(gate, write_project(tmp_path), write_answers(tmp_path / "a.jsonl", broke=40))
    variables = {"GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    script = ROOT / "scripts" / "write_outputs.py"
    subprocess.run([sys.executable, script, tmp_path / "out", "1"], env=variables, check=True)
    outputs = dict(line.split("=", 1) for line in (tmp_path / "output").read_text().splitlines())
    assert outputs == {
        "exit-code": "1",
        "passed": "false",
        "verdict": "fail",
        "regressions": "1",
        "inconclusive": "0",
        "round-path": str(tmp_path / "out" / "round.json"),
        "report-path": str(tmp_path / "out" / "report.md"),
    }
    assert (tmp_path / "summary").read_bytes() == (tmp_path / "out" / "report.md").read_bytes()


def test_action__declares_what_its_step_writes_and_takes_inputs_by_environment_only() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    steps = action["runs"]["steps"]
    assert all("${{" not in step["run"] for step in steps)
    (gate_step,) = [step for step in steps if step.get("id") == "gate"]
    assert set(gate_step["env"].values()) == {f"${{{{ inputs.{name} }}}}" for name in action["inputs"]}
    assert set(action["outputs"]) == {
        "verdict", "passed", "exit-code", "regressions", "inconclusive", "round-path", "report-path",
    }  # fmt: skip
