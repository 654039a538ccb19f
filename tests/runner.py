"""The part of a GitHub runner that a composite action meets: its steps, their environment, signals and files.

What the steps are is read from action.yml, so that what is tested there is what runs.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
USER = 1500
"""Whom the runner's steps run as, when the tests run as root."""
_INPUT = re.compile(r"\$\{\{ inputs\.([a-z-]+) \}\}")
NOT_WHERE_ONLY_PUBLISHED = "${{ inputs.mode != 'publish' }}"
"""The only condition of the action's `continue-on-error`."""
_SECONDS_UNTIL_TERM = 7.5
_SECONDS_UNTIL_KILL = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A step that has ended."""

    name: str
    code: int
    stdout: str
    stderr: str
    forgiven: bool
    """Whether the job goes on as if it had gone well: `continue-on-error`."""


@dataclass(slots=True, kw_only=True)
class Job:
    """One job on one runner: a workspace, a temporary folder, and what the runner sets."""

    folder: Path
    facts: Mapping[str, str] = field(default_factory=dict)
    """More variables of the runner: GITHUB_EVENT_NAME and so on."""
    docker_host: str = ""
    unprivileged: bool = False
    """Whether the steps run as USER; needs root, and a folder that USER may enter."""

    @property
    def workspace(self) -> Path:
        return self.folder / "work space"

    @property
    def temp(self) -> Path:
        return self.folder / "_temp"

    def __post_init__(self) -> None:
        for path in (self.workspace, self.temp / "_runner_file_commands", self.folder / "home"):
            path.mkdir(parents=True)
        for name in ("output", "summary"):
            (self.temp / "_runner_file_commands" / name).touch()
        (self.temp / "event.json").write_text("{}")

    def variables(self) -> dict[str, str]:
        """As a runner sets them, its own tokens included."""
        commands = self.temp / "_runner_file_commands"
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder / "home"),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_EVENT_PATH": str(self.temp / "event.json"),
            "GITHUB_OUTPUT": str(commands / "output"),
            "GITHUB_STEP_SUMMARY": str(commands / "summary"),
            "RUNNER_TEMP": str(self.temp),
            "ACTIONS_RUNTIME_TOKEN": "runtime-token",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "oidc-token",
            "AWS_SECRET_ACCESS_KEY": "of-the-workflow",
            **({"DOCKER_HOST": self.docker_host} if self.docker_host else {}),
            **({"GATE_BUILD_OPTIONS": os.environ["GATE_BUILD_OPTIONS"]} if "GATE_BUILD_OPTIONS" in os.environ else {}),
            **self.facts,
        }

    def outputs(self) -> dict[str, str]:
        """What the steps wrote to GITHUB_OUTPUT as `name=value`."""
        lines = (self.temp / "_runner_file_commands" / "output").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def summary(self) -> str:
        return (self.temp / "_runner_file_commands" / "summary").read_text()

    def run(self, **inputs: str) -> dict[str, Done]:
        """Run the whole action; a step after a failed one runs only if it says `always()` or `!cancelled()`.

        Args:
            inputs: With `_` for `-`.

        Returns:
            The steps that ran, by name.
        """
        done: dict[str, Done] = {}
        for step in steps():
            condition = str(step.get("if", ""))
            failed = has_failed(done)
            wanted = inputs.get("mode") != "publish" if "inputs.mode" in condition else True
            if wanted and ("always()" in condition or "!cancelled()" in condition or not failed):
                done[step["name"]] = self.run_step(step["name"], **inputs)
        return done

    def run_step(self, name: str, **inputs: str) -> Done:
        """Run one step to its end."""
        process = self.start(name, **inputs)
        stdout, stderr = process.communicate(timeout=300)
        step = next(one for one in steps() if one["name"] == name)
        forgiven = step.get("continue-on-error") == NOT_WHERE_ONLY_PUBLISHED and inputs.get("mode") != "publish"
        return Done(name=name, code=process.returncode, stdout=stdout, stderr=stderr, forgiven=forgiven)

    def start(self, name: str, **inputs: str) -> "subprocess.Popen[str]":
        """Start one step as the runner does: bash on a script file, in the workspace."""
        step = next(one for one in steps() if one["name"] == name)
        script = self.temp / "step.sh"
        script.write_text(step["run"])
        before = as_user() if self.unprivileged else []
        if before:
            give_to_user(self.folder)
        return subprocess.Popen(
            [*before, "bash", "--noprofile", "--norc", "-eo", "pipefail", script],
            cwd=self.workspace,
            env={**self.variables(), **environment(step, inputs)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def has_failed(done: Mapping[str, Done]) -> bool:
    """Whether the job is red."""
    return any(one.code and not one.forgiven for one in done.values())


def steps() -> list[dict[str, Any]]:
    """The steps of action.yml."""
    found: list[dict[str, Any]] = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]
    return found


def environment(step: Mapping[str, Any], inputs: Mapping[str, str]) -> dict[str, str]:
    """A step's `env:`, with inputs and their defaults put in; the token of the workflow is `github-token`."""
    declared = yaml.safe_load((ROOT / "action.yml").read_text())["inputs"]
    given = {name.replace("_", "-"): value for name, value in inputs.items()}
    assert given.keys() <= declared.keys()
    values = {name: given.get(name, one["default"]) for name, one in declared.items()}
    values["github-token"] = given.get("github-token", "workflow-token")
    return {name: _INPUT.sub(lambda found: values[found[1]], text) for name, text in step.get("env", {}).items()}


def user() -> int:
    """Whom an unprivileged job's steps run as."""
    return USER if os.getuid() == 0 else os.getuid()


def as_user() -> list[str]:
    """What to put before a command so that it runs as an unprivileged user."""
    if os.getuid() != 0:
        return []
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--"]


def give_to_user(folder: Path) -> None:
    """Make a folder what the runner's user would have made himself."""
    if os.getuid() == 0:
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, USER, USER)


def cancel(process: "subprocess.Popen[str]") -> tuple[int, float]:
    """Cancel a step as the runner does: SIGINT, SIGTERM, SIGKILL.

    Returns:
        Its exit code and how long it took in seconds.
    """
    began = time.monotonic()
    for number, patience in ((signal.SIGINT, _SECONDS_UNTIL_TERM), (signal.SIGTERM, _SECONDS_UNTIL_KILL)):
        process.send_signal(number)
        try:
            process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            continue
        return process.returncode, time.monotonic() - began
    process.kill()
    process.communicate()
    return process.returncode, time.monotonic() - began
