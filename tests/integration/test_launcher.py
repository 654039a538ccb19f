"""action.yml and the launcher without a container: as in a job that runs in the gate's image already."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from runner import ROOT, Job, cancel

from gate.work_folder import WorkFolder

STAND_IN = """\
import json, os, sys, time
if sys.argv[1:] == ["--version"]:
    sys.exit()
try:
    print(json.dumps({"arguments": sys.argv[1:], "environment": dict(os.environ), "folder": os.getcwd()}), flush=True)
    if os.environ.get("GATE_CONFIG") == "sleep":
        time.sleep(60)
except KeyboardInterrupt:
    sys.exit(130)
"""
SECRETS = {"HF_TOKEN": "hub-token", "GITHUB_TOKEN": "workflow-token"}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job on a runner whose `gate` tells what it sees."""
    command = tmp_path / "bin" / "gate"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\n{STAND_IN}")
    command.chmod(0o755)
    return Job(folder=tmp_path / "runner", facts={"PATH": f"{command.parent}:{os.environ['PATH']}"})


def seen(job: Job, name: str, **inputs: str) -> dict[str, Any]:
    return parts(job, name, **inputs)[name]


def parts(job: Job, name: str, **inputs: str) -> dict[str, dict[str, Any]]:
    """What each part of a step saw."""
    done = job.run_step(name, **{"runtime": "host", "hf_token": "hub-token", **inputs})
    assert done.code == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["arguments"][0] for one in found] == ["action"] * len(found)
    return {one["arguments"][1].capitalize(): one for one in found}


@pytest.mark.parametrize(
    ("name", "part", "secret"),
    [("Answer", "Fetch", "HF_TOKEN"), ("Answer", "Answer", None), ("Compare", "Compare", None), ("Publish", "Publish", "GITHUB_TOKEN")],
)  # fmt: skip
def test_launch__on_the_host_too_a_step_sees_only_what_it_needs(
    job: Job, name: str, part: str, secret: str | None
) -> None:
    all_parts = parts(job, name)
    assert list(all_parts) == (["Fetch", "Answer"] if name == "Answer" else [name])
    found = all_parts[part]
    variables = found["environment"]
    assert {one: variables[one] for one in SECRETS if one in variables} == ({secret: SECRETS[secret]} if secret else {})
    for foreign in ("ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "AWS_SECRET_ACCESS_KEY", "GATE_RUNTIME"):
        assert foreign not in variables
    assert ("GITHUB_OUTPUT" in variables) == (name == "Publish")
    assert variables["PYTHONSAFEPATH"] == "1"
    assert variables["GATE_WORK"] == str(job.temp / "gate")
    assert not found["folder"].startswith(str(job.workspace))
    assert variables["HOME"].startswith(str(job.temp))


@pytest.mark.parametrize(
    ("name", "gpus", "devices"),
    [("Answer", "all", None), ("Answer", "none", ""), ("Answer", "device=1,2", "1,2"), ("Answer", "2", "0,1"), ("Compare", "all", ""), ("Publish", "all", "")],
)  # fmt: skip
def test_launch__on_the_host_only_the_answering_step_sees_the_gpus_asked_for(
    job: Job, name: str, gpus: str, devices: str | None
) -> None:
    inputs = {"gpus": gpus} if name == "Answer" else {}
    assert seen(job, name, **inputs)["environment"].get("CUDA_VISIBLE_DEVICES") == devices


@pytest.mark.parametrize(
    ("own", "gpus", "devices"),
    [("2,3", "all", "2,3"), ("2,3", "1", "2"), ("2,3", "4", "2,3"), ("2,3", "device=3", "3"), ("2,3", "none", "")],
)
def test_launch__on_the_host_only_gpus_that_are_the_runner_s_own(job: Job, own: str, gpus: str, devices: str) -> None:
    job.facts = {**job.facts, "CUDA_VISIBLE_DEVICES": own}
    assert seen(job, "Answer", gpus=gpus)["environment"]["CUDA_VISIBLE_DEVICES"] == devices


def test_launch__a_gpu_that_is_not_the_runner_s_own_is_exit_4(job: Job) -> None:
    job.facts = {**job.facts, "CUDA_VISIBLE_DEVICES": "2,3"}
    done = job.run_step("Answer", runtime="host", gpus="device=0")
    assert done.code == 4
    assert "asks for the GPU 0" in done.stderr


@pytest.mark.parametrize(
    ("event", "folder"),
    [("pull_request", "proposed"), ("merge_group", "proposed"), ("", "proposed"), ("push", "merged"), ("schedule", "merged"), ("workflow_dispatch", "merged")],
)  # fmt: skip
def test_launch__answers_of_proposals_are_kept_apart(job: Job, event: str, folder: str) -> None:
    job.facts = {**job.facts, "GITHUB_EVENT_NAME": event}
    kept = Path(seen(job, "Answer")["environment"]["GATE_CACHE_DIR"])
    assert kept == job.folder / "home" / ".cache" / "finetune-gate" / folder
    assert kept.is_dir()


@pytest.mark.parametrize(
    ("facts", "network", "elsewhere", "fetching", "answering"),
    [
        ({}, "", False, None, "none"),
        ({}, "lan", False, "lan", "none"),
        ({}, "none", False, "none", "none"),
        ({"HF_HUB_OFFLINE": "1"}, "", False, "none", "none"),
        ({}, "", True, None, None),
        ({}, "lan", True, "lan", "lan"),
        ({"HF_HUB_OFFLINE": "1"}, "", True, "none", None),
    ],
)
def test_launch__what_runs_a_model_can_neither_reach_the_network_nor_change_the_models(
    job: Job, facts: dict[str, str], network: str, elsewhere: bool, fetching: str | None, answering: str | None
) -> None:
    """Docker is a stand-in that notes how it is called, and where answers are made elsewhere, it says so."""
    docker, calls = job.folder / "docker", job.folder / "calls"
    mark = ': >"$GATE_NEEDS_NETWORK"' if elsewhere else ":"
    docker.write_text(f'#!/bin/sh\n(printf "%s\\n" "$@"; echo END) >>"{calls}"\ncase "$*" in *fetch) {mark} ;; esac\n')
    docker.chmod(0o755)
    job.facts = {"PATH": f"{job.folder}:{os.environ['PATH']}", **facts}
    done = job.run_step("Answer", image="some:image", gpus="none", network=network, hf_token=SECRETS["HF_TOKEN"])
    assert done.code == 0, done.stderr
    called = [call.splitlines() for call in calls.read_text().split("END\n")]
    by_part = {call[-1]: call for call in called if call[-3:-1] == ["some:image", "action"]}
    assert list(by_part) == ["fetch", "answer"]
    cache = job.folder / "home" / ".cache" / "huggingface" / "hub"  # beside it a token may lie
    mounted = f'type=bind,"source={cache}","target={cache}"'
    for part, wanted, readonly in (("fetch", fetching, fetching == "none"), ("answer", answering, True)):
        call = by_part[part]
        assert [call[place + 1] for place, word in enumerate(call) if word == "--network"] == (
            [wanted] if wanted else []
        )
        assert [word for word in call if str(cache.parent) in word and word.startswith("type")] == [
            f"{mounted},readonly" if readonly else mounted
        ]
        assert ("HF_TOKEN" in call) == (part == "fetch")
        assert "hub-token" not in call


def test_launch__what_cannot_be_fetched_runs_no_model(job: Job) -> None:
    """Docker is a stand-in that can start containers, but none that fetches."""
    docker = job.folder / "docker"
    for code, told in ((1, 4), (2, 4), (3, 3), (4, 4), (125, 4), (130, 130), (137, 4)):
        docker.write_text(
            f'#!/bin/sh\ncase "$*" in *"action fetch") exit {code} ;; *"action answer") echo answered ;; esac\n'
        )
        docker.chmod(0o755)
        job.facts = {"PATH": f"{job.folder}:{os.environ['PATH']}"}
        done = job.run_step("Answer", image="some:image", gpus="none")
        assert (done.code, done.stdout) == (told, "")


def test_launch__only_the_step_that_asks_for_a_gpu_blames_its_absence(job: Job) -> None:
    """Docker is a stand-in whose every start fails over a word that has to do with GPUs."""
    docker = job.folder / "docker"
    docker.write_text('#!/bin/sh\n[ "$1" = run ] || exit 0\necho "nvidia-something is full" >&2\nexit 125\n')
    docker.chmod(0o755)
    job.facts = {"PATH": f"{job.folder}:{os.environ['PATH']}"}
    said = {name: job.run_step(name, image="some:image") for name in ("Answer", "Compare", "Publish")}
    assert {done.code for done in said.values()} == {4}
    assert ["asks for a GPU" in done.stderr for done in said.values()] == [True, False, False]


@pytest.mark.parametrize("hostile", ["$(touch owned)", "`touch owned`", "; touch owned", "a\nb", 'it\'s "x"', "--help"])
def test_launch__inputs_are_never_code_or_options(job: Job, hostile: str) -> None:
    found = seen(job, "Answer", config=hostile, adapter=hostile)
    assert found["environment"]["GATE_CONFIG"] == hostile
    assert not list(job.folder.rglob("owned"))


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        ({"runtime": "podman"}, "`runtime`"),
        ({"mode": "dry\n::error::x"}, "`mode`"),
        ({"gpus": "all; touch owned"}, "`gpus`"),
        ({"gpus": 'device="0"'}, "`gpus`"),
        ({"gpus": "08"}, "`gpus`"),
        ({"gpus": "0"}, "`gpus`"),
        ({"image": "--privileged"}, "`image`"),
        ({"network": "--privileged"}, "`network`"),
        ({"network": "container:another"}, "`network`"),
        ({"hf_cache": "relative"}, "cache"),
    ],
)
def test_launch__a_wrong_input_is_exit_3_with_one_sentence(job: Job, inputs: dict[str, str], named: str) -> None:
    done = job.run_step("Answer", **inputs)
    assert done.code == 3
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert named in done.stderr
    problem = json.loads((job.temp / "gate" / "problem.json").read_text())
    assert problem["step"] == "answer"
    assert problem["exit_code"] == 3
    assert named in problem["message"]


@pytest.mark.parametrize("text", [b"\xff\xfe", "é".encode() * 5_000, b"a" + "é".encode() * 5_000, b"\xed\xa0\x80x"])
def test_launch__its_word_to_publish_can_be_read_whatever_it_quotes(job: Job, text: bytes) -> None:
    functions = 'eval "$(sed -n "/^leave_problem()/,/^}/p;/^json_text()/,/^}/p" "$1")"'
    script = f'STEP=compare; GATE_WORK=$2; {functions}; leave_problem 4 "Docker says: $3"'
    work = job.folder / "work"
    work.mkdir()
    command = ["bash", "-euc", script, "-", ROOT / "scripts" / "launch.sh", work, text]
    subprocess.run(command, env={"PATH": os.environ["PATH"], "LC_ALL": "C"}, check=True)
    problem = WorkFolder(work).read_problem()
    assert problem is not None
    assert problem.message.startswith("Docker says: ")


def test_launch__what_breaks_never_looks_like_a_verdict(job: Job) -> None:
    script = ROOT / "scripts" / "launch.sh"
    for variables, arguments, code in (
        ({}, ["answer"], 3),
        ({"RUNNER_TEMP": __file__, "GITHUB_WORKSPACE": str(job.workspace)}, ["answer"], 4),
        (job.variables(), ["dance"], 3),
        (job.variables(), [], 3),
    ):
        environ = {"PATH": os.environ["PATH"], **variables}
        ran = subprocess.run([script, *arguments], env=environ, capture_output=True, text=True, check=False)
        assert ran.returncode == code, ran.stderr
        assert "gate: " in ran.stderr


def test_launch__a_job_that_is_cancelled_while_the_image_is_built_exits_130_at_once(job: Job) -> None:
    """Docker is a stand-in that answers, has no image, and builds for a minute."""
    docker = job.folder / "docker"
    docker.write_text(
        '#!/bin/sh\n[ "$1" = version ] && exit 0\n[ "$1" = build ] || exit 1\necho building >&2\nexec sleep 60\n'
    )
    docker.chmod(0o755)
    job.facts = {"PATH": f"{job.folder}:{os.environ['PATH']}"}
    process = job.start("Answer", gpus="none")
    assert process.stderr is not None
    while process.stderr.readline() != "building\n":
        pass
    code, seconds = cancel(process)
    assert code == 130
    assert seconds < 7
    problem = WorkFolder(job.temp / "gate").read_problem()
    assert problem is not None
    assert (problem.step, problem.exit_code) == ("answer", 130)


def test_launch__without_docker_it_says_what_to_do(job: Job) -> None:
    job.facts = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
    done = job.run_step("Answer")
    assert done.code == 4
    assert "`runtime: host`" in done.stderr


@pytest.mark.parametrize(
    ("inputs", "facts"),
    [
        ({"hf_cache": "{workspace}/.hf"}, {}),
        ({"hf_cache": "{workspace}"}, {}),
        ({"hf_cache": "{workspace}/../work space/x/../.hf"}, {}),
        ({}, {"HF_HOME": "{workspace}/.hf"}),
        ({}, {"GATE_CACHE_DIR": "{workspace}/.answers"}),
        ({"hf_cache": "{linked}"}, {}),
    ],
)
def test_launch__no_cache_may_lie_where_a_pull_request_commits(
    job: Job, inputs: dict[str, str], facts: dict[str, str]
) -> None:
    linked = job.folder / "linked"
    linked.symlink_to(job.workspace)
    job.facts = {**job.facts, **{name: value.format(workspace=job.workspace) for name, value in facts.items()}}
    given = {name: value.format(workspace=job.workspace, linked=linked) for name, value in inputs.items()}
    done = job.run_step("Answer", runtime="host", **given)
    assert (done.code, done.stdout) == (3, "")
    assert "must lie outside the workspace" in done.stderr
    seen(job, "Publish")  # which has no cache, and tells the pull request


def test_launch__on_the_host_no_variable_slips_through_by_an_odd_name(job: Job) -> None:
    job.facts = {**job.facts, "my-secret": "leak", "deploy.key": "leak", "BASH_FUNC_x%%": "() { echo leak; }"}
    for name in ("Answer", "Compare", "Publish"):
        for found in parts(job, name).values():
            assert "leak" not in " ".join(found["environment"].values())


def test_launch__a_gate_on_the_host_that_does_not_start_is_no_verdict(job: Job) -> None:
    command = job.folder / "gate"
    command.write_text(f"#!{sys.executable}\nimport no_such_module\n")
    command.chmod(0o755)
    job.facts = {"PATH": f"{job.folder}:{os.environ['PATH']}"}
    for name in ("Answer", "Compare", "Publish"):
        done = job.run_step(name, runtime="host")
        assert done.code == 4
        assert "does not start" in done.stderr


@pytest.mark.parametrize("name", ["Answer", "Compare", "Publish"])
def test_launch__on_the_host_no_python_starts_where_a_pull_request_can_plant_modules(job: Job, name: str) -> None:
    (job.workspace / "sitecustomize.py").write_text(f"open({str(job.folder / 'owned')!r}, 'w')")
    job.facts = {**job.facts, "PYTHONPATH": "."}
    seen(job, name)
    assert not (job.folder / "owned").exists()


def test_launch__without_gate_on_the_host_it_says_what_to_do(job: Job) -> None:
    job.facts = {"PATH": "/usr/bin:/bin"}
    done = job.run_step("Answer", runtime="host")
    assert done.code == 4
    assert "`runtime: docker`" in done.stderr


def test_launch__results_of_an_earlier_run_are_not_taken_for_this_one_s(job: Job) -> None:
    old = job.temp / "gate" / "rounds" / "old" / "round.json"
    old.parent.mkdir(parents=True)
    old.write_text("{}")
    seen(job, "Answer")
    assert not old.exists()


@pytest.mark.parametrize("how", ["decides", "breaks off"])
def test_launch__a_verdict_that_the_model_step_wrote_is_gone_before_compare_can_fail(job: Job, how: str) -> None:
    mine = job.temp / "gate" / "rounds" / "support"
    mine.mkdir(parents=True)
    for name in ("round.json", "report.md", "responses.jsonl"):
        (mine / name).write_text("{}")
    mine.chmod(0o500)
    done = job.run_step("Compare", runtime="host" if how == "decides" else "podman")
    assert done.code == (0 if how == "decides" else 3)
    assert [path.name for path in mine.iterdir()] == ["responses.jsonl"]


@pytest.mark.parametrize("name", ["Compare", "Publish"])
def test_launch__no_link_in_the_work_folder_leads_out_of_it(job: Job, name: str) -> None:
    secret, work = job.folder / "id_ed25519", job.temp / "gate"
    secret.write_text("secret")
    (work / "rounds" / "support").mkdir(parents=True)
    for path in ("rounds/support/report.md", "rounds/other", "plan.json.partial", "problem.json"):
        (work / path).symlink_to(secret if path != "problem.json" else job.folder / "made")
    os.mkfifo(work / "rounds" / "pipe")
    done = job.run_step(name, runtime="podman")
    assert done.code == 3
    assert secret.read_text() == "secret"
    assert not (job.folder / "made").exists()
    kept = [path for path in work.rglob("*") if not path.is_dir()]
    assert [path.name for path in kept] == (["problem.json"] if name == "Compare" else [])
    assert not any(path.is_symlink() for path in kept)


def test_launch__a_cancelled_step_exits_130_within_7_seconds(job: Job) -> None:
    process = job.start("Answer", runtime="host", config="sleep")
    assert process.stdout is not None
    process.stdout.readline()
    code, seconds = cancel(process)
    assert code == 130
    assert seconds < 7
    problem = WorkFolder(job.temp / "gate").read_problem()
    assert problem is not None
    assert (problem.step, problem.exit_code) == ("answer", 130)


def test_action__no_input_and_no_name_is_code(job: Job) -> None:
    hostile = '"; touch owned #$(touch owned)`touch owned`'
    names = ("GITHUB_HEAD_REF", "GITHUB_BASE_REF", "GITHUB_REF_NAME", "GITHUB_ACTOR", "GITHUB_WORKFLOW", "GITHUB_JOB")
    job.facts = {**job.facts, **dict.fromkeys(names, hostile), "GITHUB_EVENT_NAME": "pull_request"}
    (job.temp / "event.json").write_text(json.dumps({"pull_request": {"title": hostile, "head": {"ref": hostile}}}))
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    for name in action["inputs"]:
        inputs = {"runtime": "host", name.replace("-", "_"): hostile}
        done = job.run(**inputs)
        assert done["Clean up"].code == 0
        assert {one.code for one in done.values()} <= {0, 3}
    assert not list(job.folder.rglob("owned"))


def test_action__publish_and_clean_up_run_whatever_happened_before(job: Job) -> None:
    done = job.run(runtime="host", gpus="everything")
    assert {name: one.code for name, one in done.items()} == {"Answer": 3, "Compare": 0, "Publish": 0, "Clean up": 0}
    assert not (job.temp / "gate-scratch").exists()


def test_action__mode_publish_runs_no_model(job: Job) -> None:
    assert set(job.run(runtime="host", mode="publish")) == {"Publish", "Clean up"}
