"""action.yml, the workflows for users and what the documentation says of them, as text."""

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from runner import ROOT, environment, steps

SECRETS = {"HF_TOKEN": "hub-token", "GITHUB_TOKEN": "workflow-token"}


def test_action__inputs_reach_scripts_through_the_environment_and_secrets_only_their_step() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    used = set()
    for step in steps():
        assert "${{" not in step["run"]
        inputs = set(re.findall(r"inputs\.([a-z-]+)", json.dumps(step.get("env", {}))))
        used |= inputs
        assert ("github-token" in inputs) == (step["name"] == "Publish")
        assert ("hf-token" in inputs) == (step["name"] == "Answer")
        given = environment(step, {"hf_token": "hub-token"})
        # A job that puts a token into its `env:` does not thereby hand it to every step.
        for name, value in SECRETS.items():
            assert given.get(name, "") in ("", value)
            assert name in given or step["name"] == "Clean up"
    assert used == set(action["inputs"])


@pytest.mark.parametrize("name", ["pull-request", "fork-judge"])
def test_samples__who_opens_a_pull_request_does_not_choose_the_branch_that_judges(name: str) -> None:
    workflow = yaml.safe_load((ROOT / "sample_configs" / "workflows" / f"{name}.yml").read_text())
    assert workflow[True] == {"pull_request": {"branches": ["main"]}}  # YAML reads `on` as true


def test_action__the_docker_action_has_the_same_inputs_but_for_what_docker_decides() -> None:
    composite = yaml.safe_load((ROOT / "action.yml").read_text())
    docker = yaml.safe_load((ROOT / "docker" / "action.yml").read_text())
    assert set(docker["inputs"]) - set(composite["inputs"]) == {"step"}
    assert set(composite["inputs"]) - set(docker["inputs"]) == {"mode", "runtime", "image", "network", "hf-cache"}
    assert set(docker["outputs"]) == set(composite["outputs"])


WORKFLOWS = [*(ROOT / "sample_configs" / "workflows").glob("*.yml"), ROOT / ".github" / "workflows" / "dogfood.yml"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows__use_what_the_action_has_with_the_least_rights(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] < 360
        written = {name for name, right in job["permissions"].items() if right == "write"}
        assert written <= {"pull-requests"}
        used = [step for step in job["steps"] if step.get("uses", "").startswith(("OWNER/REPO@", "./"))]
        assert used
        for step in used:
            assert set(step["with"]) <= set(action["inputs"])
            assert written or step["with"]["comment"] == "off"
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
                assert step["with"]["fetch-depth"] == 0


def workflow_job(name: str) -> dict[str, Any]:
    workflow = yaml.safe_load((ROOT / "sample_configs" / "workflows" / name).read_text())
    ((job, content),) = workflow["jobs"].items()
    return {"key": job, "concurrency": workflow["concurrency"], **content}


@pytest.mark.parametrize("name", ["pull-request.yml", "fork-judge.yml", "merge-queue.yml"])
def test_workflows__the_required_check_is_never_skipped(name: str) -> None:
    """A job that its own condition skips counts as passed."""
    job = workflow_job(name)
    assert (job["key"], job["name"]) == ("gate", "gate")
    assert "if" not in job
    assert "needs" not in job


def test_workflows__a_fork_fails_before_anything_of_it_is_fetched() -> None:
    job = workflow_job("pull-request.yml")
    refusal, fetching, *_ = job["steps"]
    assert refusal["if"] == "github.event.pull_request.head.repo.full_name != github.repository"
    assert fetching["uses"].startswith("actions/checkout@")
    ran = subprocess.run(["bash", "-e", "-c", refusal["run"]], capture_output=True, text=True, check=False)  # noqa: S607
    assert ran.returncode == 1
    assert "fork-judge.yml" in ran.stdout
    assert "'[\"ubuntu-24.04\"]'" in job["runs-on"]


def test_workflows__every_commit_of_main_gets_its_round() -> None:
    assert "${{ github.sha }}" in workflow_job("push.yml")["concurrency"]["group"]


@pytest.mark.parametrize("image", ["ghcr.io/o/n:v1.2.3@sha256:" + "a" * 64, "ghcr.io/o/n:v1.2.3", "x|y; touch owned"])
def test_release__writes_the_image_into_the_action_and_nothing_else(tmp_path: Path, image: str) -> None:
    copy = tmp_path / "action.yml"
    before = (ROOT / "action.yml").read_text()
    copy.write_text(before)
    ran = subprocess.run([ROOT / ".ci" / "write-image", image, copy], cwd=tmp_path, capture_output=True, check=False)
    assert (ran.returncode == 0) is ("@sha256:" in image)
    new = [
        (old, now) for old, now in zip(before.splitlines(), copy.read_text().splitlines(), strict=True) if old != now
    ]
    assert new == ([("    default: build", f"    default: {image}")] if ran.returncode == 0 else [])
    assert list(tmp_path.iterdir()) == [copy]


def test_dockerfile__what_it_leaves_out_of_the_small_image_is_a_dependency() -> None:
    """Of another name it would be left in, and nobody would notice but by the size."""
    names = re.search(r"grep -vE '\^\(([a-z|]+)\)", (ROOT / "Dockerfile").read_text())
    assert names is not None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["quantization"]]
    for name in names[1].split("|"):
        assert any(re.fullmatch(rf"{name}[^a-z].*", one) for one in needed), name


def test_documentation__names_every_input_and_output() -> None:
    text = (ROOT / "docs" / "action.md").read_text()
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    for name in (*action["inputs"], *action["outputs"]):
        assert f"`{name}`" in text
