"""The image that the Dockerfile makes."""

import json
import os
from pathlib import Path

import pytest
import yaml
from conftest import Docker
from runner import ROOT, Job, give_to_user

STRANGER = 34567


def test_image__says_what_it_is_and_names_no_user(docker: Docker, image: str) -> None:
    (found,) = json.loads(docker("image", "inspect", image).stdout)
    settings = found["Config"]
    assert settings["User"] == ""
    assert settings["Entrypoint"] == ["gate"]
    assert settings["Healthcheck"]["Test"] == ["CMD", "gate", "--version"]
    assert settings["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert "PYTHONSAFEPATH=1" in settings["Env"]
    assert docker("run", "--rm", "--entrypoint", "cat", image, "/opt/gate/IMAGE").stdout.split() == ["local", "unknown"]


def test_image__answers_as_any_user_without_network_on_a_read_only_disk(docker: Docker, image: str) -> None:
    said = docker(
        "run",
        "--rm",
        "--user",
        f"{STRANGER}:{STRANGER}",
        "--network",
        "none",
        "--read-only",
        "--cap-drop",
        "ALL",
        image,
        "--version",
    )
    assert said.stdout.startswith("gate, version ")


def test_image__judges_as_any_user_without_network(
    docker: Docker, image: str, model_repository: Path, job: Job
) -> None:
    # What lies in the judged repository under the name of a module must not be imported.
    for name in ("gate/__init__.py", "torch.py", "sitecustomize.py", "click.py"):
        path = model_repository / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("raise SystemExit('code of the repository ran')")
    give_to_user(job.folder)
    out = job.folder / "out"
    out.mkdir(mode=0o777)
    out.chmod(0o777)
    here = str(model_repository)
    ran = docker(
        "run", "--rm", "--user", f"{STRANGER}:{STRANGER}", "--network", "none", "--read-only", "--tmpfs", "/tmp", "--workdir", here,
        "--volume", f"{here}:{here}:ro", "--volume", f"{out}:{out}", image,
        "run", "careful.yaml", "--limit", "5", "--output", str(out / "run"), check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "code of the repository ran" not in ran.stdout + ran.stderr
    assert (out / "run" / "round.json").stat().st_uid == STRANGER


def test_image__keeps_nothing_of_how_it_was_built(docker: Docker, image: str) -> None:
    script = (
        "cat /etc/pip.conf 2>/dev/null; pip config list; pip cache list 2>/dev/null; ls -A /var/lib/apt/lists /root"
    )
    kept = docker("run", "--rm", "--entrypoint", "sh", image, "-c", script).stdout
    history = docker("history", "--no-trunc", image).stdout
    for trace in ("127.0.0.1", "find-links", "index", os.environ.get("PIP_CERT", "no-such-trace")):
        assert trace not in kept
    assert "127.0.0.1" not in history


@pytest.mark.parametrize("step", ["answer", "compare", "publish"])
def test_docker_action__leaves_out_the_tokens_that_github_puts_into_every_container(
    docker: Docker, probe: str, job: Job, step: str
) -> None:
    runs = yaml.safe_load((ROOT / "docker" / "action.yml").read_text())["runs"]
    work = job.temp / "gate"
    work.mkdir()
    # As the runner's ContainerActionHandler does it.
    found = json.loads(
        docker(
            "run", "--rm", "--workdir", "/github/workspace", "--entrypoint", runs["entrypoint"],
            "--volume", f"{job.workspace}:/github/workspace", "--volume", f"{job.temp}:/github/runner_temp",
            "--env", "ACTIONS_RUNTIME_TOKEN=runtime-token", "--env", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=oidc-token",
            "--env", "INPUT_HF-TOKEN=hub-token", "--env", "INPUT_GITHUB-TOKEN=workflow-token",
            "--env", f"GATE_WORK={runs['env']['GATE_WORK']}", probe,
            *(word.replace("${{ inputs.step }}", step) for word in runs["args"]),
        ).stdout
    )  # fmt: skip
    assert found["arguments"] == ["action", step]
    assert "token" not in " ".join(found["environment"].values())
    assert (work / f"by-{step}").read_text() == step
