"""The launcher against a real engine: what each step sees, and what is left when it ends, however it ends.

The program in the container is a probe that tells what it sees; the launcher, action.yml and the engine are real.
"""

import json
import subprocess
from typing import Any

import pytest
from conftest import Docker
from runner import Job, cancel, user

SECRETS = {"HF_TOKEN": "hub-token", "GITHUB_TOKEN": "workflow-token"}


def seen(job: Job, name: str, **inputs: str) -> dict[str, Any]:
    """What the probe saw in the part of a step that has the step's name."""
    return parts(job, name, **inputs)[name]


def parts(job: Job, name: str, **inputs: str) -> dict[str, dict[str, Any]]:
    """What the probe saw in each part of a step."""
    done = job.run_step(name, **{"gpus": "none", "hf_token": "hub-token", **inputs})
    assert done.code == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {one["arguments"][1].capitalize(): one for one in found}


def left(docker: Docker) -> str:
    """Containers of the launcher, running or not."""
    return docker("ps", "--all", "--quiet", "--filter", "name=^/gate-").stdout


@pytest.mark.parametrize(
    ("name", "part", "secret"),
    [("Answer", "Fetch", "HF_TOKEN"), ("Answer", "Answer", None), ("Compare", "Compare", None), ("Publish", "Publish", "GITHUB_TOKEN")],
)  # fmt: skip
def test_launch__a_step_sees_its_own_secret_and_no_other(
    job: Job, probe: str, name: str, part: str, secret: str | None
) -> None:
    found = parts(job, name, image=probe)[part]
    assert found["arguments"] == ["action", part.lower()]
    environment = found["environment"]
    assert {one: environment[one] for one in SECRETS if one in environment} == (
        {secret: SECRETS[secret]} if secret else {}
    )
    for foreign in ("ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        assert foreign not in environment
    assert ("GITHUB_OUTPUT" in environment) == (name == "Publish")


@pytest.mark.parametrize(
    ("name", "part"), [("Answer", "Fetch"), ("Answer", "Answer"), ("Compare", "Compare"), ("Publish", "Publish")]
)
def test_launch__a_step_is_an_unprivileged_user_who_can_change_nothing_but_results(
    job: Job, probe: str, name: str, part: str
) -> None:
    found = parts(job, name, image=probe)[part]
    assert found["user"][0] == user()
    assert int(found["capabilities"], 16) == 0
    assert found["no_new_privileges"] == "1"
    assert found["mounts"]["/"] == "ro"
    assert found["mounts"][str(job.workspace)] == "ro"
    assert found["mounts"][str(job.temp / "gate")] == "rw"
    assert not [path for path in found["mounts"] if path.endswith("docker.sock")]
    assert not found["folder"].startswith(str(job.workspace))
    cache = job.folder / "home" / ".cache" / "huggingface"
    assert str(cache) not in found["mounts"]  # where a token may lie
    assert found["mounts"].get(str(cache / "hub")) == {"Fetch": "rw", "Answer": "ro"}.get(part)


def test_launch__only_a_step_that_needs_the_network_has_one(job: Job, probe: str) -> None:
    def networks(**inputs: str) -> list[bool]:
        """Whether `fetch` and `answer` have more than themselves to talk to."""
        seen_by = parts(job, "Answer", image=probe, **inputs)
        assert seen_by["Answer"]["environment"]["HF_HUB_OFFLINE"] == "1"
        return [one["networks"] != ["lo"] for one in seen_by.values()]

    assert networks(network="host") == [True, False]
    assert networks(network="host", config="elsewhere") == [True, True]
    assert networks(network="none") == [False, False]
    assert networks(network="none", config="elsewhere") == [False, False]
    assert seen(job, "Compare", image=probe)["networks"] == ["lo"]
    job.facts = {"HF_HUB_OFFLINE": "1"}
    assert networks() == [False, False]


def test_launch__what_is_written_belongs_to_the_runner(job: Job, probe: str) -> None:
    done = job.run(image=probe, gpus="none")
    assert {name: one.code for name, one in done.items()} == {"Answer": 0, "Compare": 0, "Publish": 0, "Clean up": 0}
    assert job.outputs() == {"publish": "seen"}
    assert job.summary() == "publish=seen\n"
    written = [job.temp / "gate" / f"by-{step}" for step in ("answer", "compare", "publish")]
    for path in (*written, job.folder / "home" / ".cache" / "huggingface"):
        assert path.stat().st_uid == user()
    assert sorted(path.name for path in job.temp.iterdir()) == [
        "_runner_file_commands",
        "event.json",
        "gate",
        "step.sh",
    ]


def test_launch__the_exit_code_is_the_program_s_and_publish_runs_all_the_same(job: Job, probe: str) -> None:
    done = job.run(image=probe, gpus="none", config="2")
    assert {name: one.code for name, one in done.items()} == {"Answer": 2, "Compare": 2, "Publish": 0, "Clean up": 0}


@pytest.mark.parametrize(
    "hostile",
    ["$(touch owned)", "`touch owned`", "--privileged", "; touch owned", "a\nb", 'it\'s "x"', "::error::x", "*"],
)
def test_launch__inputs_arrive_as_they_are_and_are_never_code_or_options(job: Job, probe: str, hostile: str) -> None:
    found = seen(job, "Answer", image=probe, config=hostile, adapter=hostile)
    assert found["environment"]["GATE_CONFIG"] == hostile
    assert found["environment"]["GATE_ADAPTER"] == hostile
    assert not list(job.folder.rglob("owned"))


@pytest.mark.parametrize("gpus", ["all", "1", "device=0", "device=0,1"])
def test_launch__a_gpu_that_is_not_there_is_exit_4_with_the_fix(
    job: Job, probe: str, docker: Docker, gpus: str
) -> None:
    if "nvidia" in docker("info").stdout:
        pytest.skip("this engine can hand out GPUs")
    done = job.run(image=probe, gpus=gpus)
    assert done["Answer"].code == 4
    assert "nvidia-container-toolkit" in done["Answer"].stderr
    assert "`gpus: none`" in done["Answer"].stderr
    assert done["Answer"].stdout == ""
    problem = json.loads((job.temp / "gate" / "problem.json").read_text())
    assert (problem["step"], problem["exit_code"], problem["adapter"]) == ("answer", 4, None)
    assert "nvidia-container-toolkit" in problem["message"]
    assert done["Compare"].code == 0
    assert left(docker) == ""


def test_launch__an_image_that_is_not_to_be_had_is_exit_4(job: Job) -> None:
    done = job.run_step("Answer", image="127.0.0.1:9/no/such:image", gpus="none")
    assert done.code == 4
    assert "cannot be pulled" in done.stderr


def start_and_wait(job: Job, probe: str, wish: str) -> "subprocess.Popen[str]":
    """A step that answers, at the moment when the probe begins to sleep."""
    process = job.start("Answer", image=probe, gpus="none", config=wish)
    assert process.stdout is not None
    assert "asleep\n" in iter(process.stdout.readline, "")
    return process


@pytest.mark.parametrize("part", ["fetch", "answer"])
def test_launch__a_cancelled_step_exits_130_within_7_seconds_and_leaves_nothing(
    job: Job, probe: str, docker: Docker, part: str
) -> None:
    code, seconds = cancel(start_and_wait(job, probe, f"sleep {part}"))
    assert code == 130
    assert seconds < 7
    assert left(docker) == ""


@pytest.mark.parametrize("part", ["fetch", "answer"])
def test_launch__a_step_that_will_not_end_is_removed_by_clean_up(
    job: Job, probe: str, docker: Docker, part: str
) -> None:
    cancel(start_and_wait(job, probe, f"stubborn {part}"))
    assert left(docker) != ""
    assert job.run_step("Clean up").code == 0
    assert left(docker) == ""


def test_launch__publish_only_needs_the_small_image(job: Job, docker: Docker) -> None:
    built = job.run_step("Publish", mode="publish", image="build")
    assert "gate-action:publish-" in built.stderr
    again = job.run_step("Publish", mode="publish", image="build")
    assert "building" not in again.stderr
    (name,) = {
        line
        for line in docker("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()
        if "gate-action:publish-" in line
    }
    docker("run", "--rm", "--network", "none", name, "--version")
    torch = docker("run", "--rm", "--entrypoint", "python", name, "-c", "import torch", check=False)
    assert "No module named 'torch'" in torch.stderr
