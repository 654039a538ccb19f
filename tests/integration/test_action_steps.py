"""The steps of the Action, started as a runner would: what is judged, by what, and that nobody talks the gate out of it."""

import json
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from action_repository import CONFIG, QUICKSTART, Repository, Runner
from conftest import Gate

from gate.action.collecting import Collected, collect
from gate.work_folder import WorkFolder

pytest_plugins = ["repository_fixtures"]

DIFFERS = ("id", "created_at", "environment", "timings")
"""Of a round of the Action, against one of a laptop."""


def judge(runner: Runner, **more: Any) -> int:
    """Run both steps, the second one whatever the first one says."""
    first, second = runner.step("answer", **more), runner.step("compare", **more)
    for ran in (first, second):
        assert "Traceback" not in ran.stderr, ran.stderr
    return second.returncode


def comparisons(round_: dict[str, Any]) -> Any:
    return [one | {"arm": ""} for one in round_["comparisons"]]


def test_steps__a_proposal_is_judged_and_equals_a_run_on_a_laptop(
    gate: Gate, repository: Repository, runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.branch()
    repository.adapter("forgetful")
    head = repository.commit()
    runner.pull_request(head)
    answered, compared = runner.step("answer"), runner.step("compare")
    assert answered.returncode == 0, answered.stderr
    assert compared.returncode == 1
    assert "facts" in compared.stdout
    for ran in (answered, compared):
        first, last = ran.stdout.splitlines()[0], ran.stdout.splitlines()[-1]
        assert first.startswith("::stop-commands::")
        assert last == f"::{first.removeprefix('::stop-commands::')}::"
    mine = runner.round()
    assert mine["commit"] == head
    monkeypatch.chdir(repository.path)
    ran = gate("run", "--output", tmp_path / "out", "--quiet")
    assert ran.code == 1, ran.err
    theirs = json.loads((tmp_path / "out" / "round.json").read_text("utf-8"))
    assert {name: value for name, value in mine.items() if name not in DIFFERS} == {
        name: value for name, value in theirs.items() if name not in DIFFERS
    }


@pytest.mark.parametrize("trick", ["loosened", "deleted", "renamed", "symlinked"])
def test_steps__a_proposal_cannot_loosen_its_own_gate(repository: Repository, runner: Runner, trick: str) -> None:
    repository.branch()
    repository.adapter("forgetful")
    config = repository.path / "gate.yaml"
    loose = CONFIG.replace("drop: 1pp, fail_null: zero", "drop: 99pp") + "fail_on: never\n"
    match trick:
        case "loosened":
            repository.write("gate.yaml", loose)
            for suite in ("facts", "json_output"):
                cases = (repository.path / "evals" / f"{suite}.jsonl").read_text("utf-8").splitlines(keepends=True)
                repository.write(f"evals/{suite}.jsonl", cases[0])
            repository.write("evals/person.schema.json", "{}")
        case "deleted":
            config.unlink()
        case "renamed":
            config.rename(repository.path / "other.yaml")
        case "symlinked":
            repository.write("loose.yaml", loose)
            config.unlink()
            config.symlink_to("loose.yaml")
    runner.pull_request(repository.commit())
    assert judge(runner) == 1
    (facts,) = [one for one in runner.round()["findings"] if one["suite"] == "facts"]
    assert facts["outcome"] == "fail"
    assert runner.round()["suites"]["facts"]["n"] == 24
    (note,) = runner.read("plan.json")["notes"]
    assert note.startswith("Changed here, which takes effect after the merge: gate.yaml")
    assert ("evals/person.schema.json" in note) is (trick == "loosened")


@pytest.mark.parametrize("safe_path", ["1", ""])
def test_steps__nothing_of_the_proposal_is_imported(
    repository: Repository, runner: Runner, tmp_path: Path, safe_path: str
) -> None:
    repository.branch()
    repository.adapter("forgetful")
    marker = tmp_path / "owned"
    evil = f"import pathlib\npathlib.Path({str(marker)!r}).touch()\nraise SystemExit(0)\n"
    for name in ("gate/__init__.py", "gate/cli.py", "torch.py", "sitecustomize.py", "usercustomize.py", "yaml.py",
                 "transformers/__init__.py", "evals/scorers.py", "adapters/support/modeling_evil.py",
                 "conftest.py"):  # fmt: skip
        repository.write(name, evil)
    repository.write("tasks/evil.yaml", "process_docs: !function scorers.own\n")
    runner.pull_request(repository.commit())
    assert judge(runner, cwd=repository.path, PYTHONSAFEPATH=safe_path) == 1
    assert not marker.exists()
    assert runner.round()["verdict"]["outcome"] == "fail"


def test_steps__every_changed_adapter_has_a_round_and_none_hides_another(
    repository: Repository, runner: Runner
) -> None:
    repository.adapter("careful", "adapters/gone")
    repository.adapter("careful", "adapters/same")
    repository.write("gate.yaml", CONFIG.replace("adapters/support", "adapters"))
    repository.commit()
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    repository.branch()
    repository.git("rm", "-rq", "adapters/gone")
    repository.adapter("forgetful", "adapters/::error::new")
    repository.adapter("forgetful", "adapters/broken")
    repository.write("adapters/broken/adapter_model.safetensors", "no weights")
    runner.pull_request(repository.commit())
    answered, compared = runner.step("answer"), runner.step("compare")
    assert (answered.returncode, compared.returncode) == (3, 3), answered.stderr
    plan = runner.read("plan.json")
    assert [one["adapter"] for one in plan["judged"]] == ["adapters/::error::new", "adapters/broken"]
    assert plan["notes"] == ["adapters/gone was removed, so there is nothing to judge of it."]
    slug = plan["judged"][0]["slug"]
    assert runner.round(slug)["verdict"]["outcome"] == "fail"
    problem = runner.read(f"rounds/{plan['judged'][1]['slug']}/problem.json")
    assert problem["exit_code"] == 3
    assert problem["adapter"] == "adapters/broken"
    assert "(P02)" in problem["message"]
    assert not (runner.work / "problem.json").exists()
    found = collect(WorkFolder(runner.work))
    judged, notes = found.judged, found.notes
    assert [(one.adapter, one.outcome) for one in judged] == [
        ("adapters/::error::new", "fail"),
        ("adapters/broken", "error"),
    ]
    assert list(notes) == plan["notes"]


def test_steps__a_link_among_the_adapters_is_refused(repository: Repository, runner: Runner) -> None:
    repository.write("gate.yaml", CONFIG.replace("adapters/support", "adapters"))
    repository.commit()
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    repository.branch()
    repository.adapter("forgetful", "adapters/linked")
    weights = repository.path / "adapters" / "linked" / "adapter_model.safetensors"
    weights.unlink()
    weights.symlink_to("/etc/passwd")
    runner.pull_request(repository.commit())
    answered, compared = runner.step("answer"), runner.step("compare")
    assert (answered.returncode, compared.returncode) == (3, 3)
    assert "a symbolic link" in answered.stderr
    assert "root:" not in answered.stderr + compared.stderr


def test_steps__the_first_training_data_comes_with_the_adapter_that_knows_it(
    repository: Repository, runner: Runner
) -> None:
    repository.write("gate.yaml", CONFIG + "training: {data: data/train.jsonl}\n")
    repository.commit()
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    repository.branch()
    repository.adapter("forgetful")
    repository.write("data/train.jsonl", (QUICKSTART / "data" / "train.jsonl").read_text("utf-8"))
    runner.pull_request(repository.commit())
    answered = runner.step("answer")
    assert answered.returncode == 0, answered.stderr
    (rows,) = [one for one in runner.read("rounds/adapters-support/manifest.json")["preflight"] if one["id"] == "P28"]
    assert rows["outcome"] == "ok", rows
    assert runner.read("plan.json")["notes"] == []


def test_steps__nothing_to_gate(repository: Repository, runner: Runner) -> None:
    repository.branch()
    repository.write("README.md", "words")
    head = repository.commit()
    runner.pull_request(head)
    for step in ("answer", "compare"):
        ran = runner.step(step)
        assert ran.returncode == 0, ran.stderr
        assert "Nothing to gate" in ran.stdout
    assert runner.read("plan.json")["judged"] == []
    assert collect(WorkFolder(runner.work)) == Collected(judged=(), commit=head, config="gate.yaml")
    assert not (runner.work / "rounds").exists()


def test_steps__the_first_configuration_is_used_and_that_is_visible(repository: Repository, runner: Runner) -> None:
    (repository.path / "gate.yaml").unlink()
    repository.commit("no gate yet")
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    repository.branch()
    repository.write("gate.yaml", CONFIG)
    runner.pull_request(repository.commit())
    assert judge(runner) == 0
    plan = runner.read("plan.json")
    assert plan["bootstrap"] is True
    assert plan["notes"][0].startswith("The base branch has no gate.yaml")
    assert plan["notes"][0] in runner.round()["warnings"]


def test_steps__a_first_configuration_does_not_choose_whom_the_runner_talks_to(
    repository: Repository, runner: Runner
) -> None:
    (repository.path / "gate.yaml").unlink()
    repository.commit("no gate yet")
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    repository.branch()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        engine = f"{{kind: server, url: '{address}', load: names, names: {{candidate: x}}, key_env: PATH}}"
        repository.write("gate.yaml", CONFIG.replace("{kind: transformers, device: cpu}", engine))
        runner.pull_request(repository.commit())
        for step in ("fetch", "answer", "compare"):
            ran = runner.step(step)
            assert ran.returncode == 3, ran.stderr
            assert "Merge the configuration first" in ran.stderr
        with pytest.raises(BlockingIOError):  # nobody called
            server.accept()


@pytest.mark.parametrize(
    "secret", ["GITHUB_TOKEN", "GH_TOKEN", "ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "JUDGE_API_KEY"]
)
def test_answer__no_model_runs_beside_a_secret(repository: Repository, runner: Runner, secret: str) -> None:
    runner.pull_request(repository.commit())
    ran = runner.step("answer", **{secret: "hush-hush"})
    assert ran.returncode == 3
    assert secret in ran.stderr
    assert "hush" not in ran.stdout + ran.stderr
    problem = runner.read("problem.json")
    assert (problem["step"], problem["exit_code"], problem["adapter"]) == ("answer", 3, None)
    assert runner.step("compare").returncode == 3
    (judged,) = collect(WorkFolder(runner.work)).judged
    assert judged.adapter is None
    assert secret in judged.result.message


def test_answer__no_model_runs_beside_the_credentials_of_a_checkout(repository: Repository, runner: Runner) -> None:
    repository.git("config", "http.https://github.com/.extraheader", "AUTHORIZATION: basic eDpodXNo")
    runner.pull_request(repository.commit())
    ran = runner.step("answer")
    assert ran.returncode == 3
    assert "persist-credentials: false" in ran.stderr
    assert "eDpodXNo" not in ran.stdout + ran.stderr


def test_answer__a_gpu_that_is_asked_for_and_not_there(repository: Repository, runner: Runner) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    repository.write("gate.yaml", CONFIG.replace("device: cpu", "device: auto"))
    head = repository.commit()
    runner.dispatch(head)
    ran = runner.step("answer", GATE_GPUS="")
    assert ran.returncode == 4
    assert "gpus: none" in ran.stderr
    assert not (runner.work / "rounds").exists()


def test_compare__does_not_believe_the_step_that_ran_the_model(repository: Repository, runner: Runner) -> None:
    repository.branch()
    repository.adapter("forgetful")
    head = repository.commit()
    runner.pull_request(head)
    assert runner.step("answer").returncode == 0
    honest = (runner.work / "plan.json").read_text("utf-8")
    main = repository.git("rev-parse", "main")
    forged = json.loads(honest)
    for spoiled in (
        json.dumps(forged | {"config_commit": head}),
        json.dumps(forged | {"candidate_commit": main}),
        json.dumps(forged | {"judged": []}),
    ):
        (runner.work / "plan.json").write_text(spoiled)
        ran = runner.step("compare")
        assert ran.returncode == 4
        assert "not what this event asks for" in ran.stderr
    for spoiled in ("{}", "[", json.dumps(forged | {"judged": [{"slug": "../x", "adapter": "a"}]})):
        (runner.work / "plan.json").write_text(spoiled)
        ran = runner.step("compare")
        assert ran.returncode == 3
        assert "not as gate writes it" in ran.stderr
    (runner.work / "plan.json").write_text(honest)
    (runner.work / "problem.json").unlink()
    assert runner.step("compare").returncode == 1


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_answer__a_cancelled_job_ends_at_once_and_says_so(
    repository: Repository, runner: Runner, stop: signal.Signals
) -> None:
    repository.write("gate.yaml", CONFIG.replace("device: cpu", "device: cpu, batch_tokens: 256"))
    runner.dispatch(repository.commit())
    process = runner.start("answer")
    answers = runner.work / "rounds" / "adapters-support" / "responses.jsonl"
    began = time.monotonic()
    while not (answers.exists() and answers.stat().st_size):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() - began < 120
        time.sleep(0.02)
    process.send_signal(stop)
    told = time.monotonic()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert time.monotonic() - told < 7
    assert "Traceback" not in err
    problem = runner.read("problem.json")
    assert problem["exit_code"] == 130
    assert "Interrupted" in problem["message"]
    assert runner.step("compare").returncode == 130


def test_answer__a_deadline_is_no_verdict(repository: Repository, runner: Runner) -> None:
    runner.dispatch(repository.git("rev-parse", "main"))
    ran = runner.step("answer", GATE_TIMEOUT_MINUTES="0.02")
    assert ran.returncode == 4, ran.stderr
    assert "longer than 0.02 minutes (input `timeout-minutes`)" in ran.stderr
    assert runner.read("problem.json")["exit_code"] == 4
    ran = runner.step("compare")
    assert ran.returncode == 4
    assert "longer than 0.02 minutes" in ran.stderr


def test_steps__inputs_are_named_as_in_a_workflow(runner: Runner, repository: Repository) -> None:
    runner.dispatch(repository.git("rev-parse", "main"))
    for name, value in (("gpus", "two"), ("timeout-minutes", "-1"), ("fail-on", "always"), ("config", "a\nb")):
        ran = runner.step("answer", **{f"GATE_{name.upper().replace('-', '_')}": value})
        assert ran.returncode == 3
        assert f"input `{name}`" in ran.stderr
        assert "Traceback" not in ran.stderr
