"""What goes wrong in one step of the Action, and what that costs the others: as little as possible."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from action_repository import CONFIG, Repository, Runner

from gate import pipeline
from gate.action.collecting import collect
from gate.action.guards import refuse_missing_gpu
from gate.action.steps import answer
from gate.config.schema import GateConfig
from gate.errors import BrokenRun
from gate.report import Problem
from gate.work_folder import WorkFolder, problem_of

pytest_plugins = ["repository_fixtures"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("GATE_COMMENT", "loud", "input `comment`"),
        ("GATE_COMMENT_ID", "a --> b", "comment-id: 'a --> b' is not an id"),
        ("GATE_PR_NUMBER", "first", "input `pr-number`"),
        ("GATE_CHECK_RUN", "perhaps", "input `check-run`"),
    ],
)
def test_answer__what_could_not_be_published_is_refused_before_a_model_runs(
    repository: Repository, runner: Runner, name: str, value: str, said: str
) -> None:
    runner.dispatch(repository.git("rev-parse", "main"))
    ran = runner.step("answer", **{name: value})
    assert ran.returncode == 3
    assert said in ran.stderr
    assert not (runner.work / "plan.json").exists()


def test_answer__what_nobody_expected_of_one_adapter_costs_no_other_its_turn(
    repository: Repository, runner: Runner, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.adapter("careful", "adapters/other")
    repository.write("gate.yaml", CONFIG.replace("adapters/support", "adapters"))
    runner.dispatch(repository.commit())
    asked: list[Path | None] = []

    def breaks_once(_loaded: object, options: Any, _display: object) -> None:
        asked.append(options.adapter)
        if len(asked) == 1:
            raise ZeroDivisionError("a bug")

    monkeypatch.setattr(pipeline, "answer", breaks_once)
    assert answer(runner.environ) == 4
    assert asked == [Path("adapters/other"), Path("adapters/support")]
    problem = runner.read("rounds/adapters-other/problem.json")
    assert (problem["exit_code"], problem["adapter"]) == (4, "adapters/other")
    assert problem["message"].startswith("Unexpected ZeroDivisionError: a bug")
    assert not (runner.work / "problem.json").exists()
    assert "adapters/other: Unexpected ZeroDivisionError" in capsys.readouterr().err


def test_compare__a_killed_first_step_is_not_blamed_on_the_second(
    repository: Repository, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.branch()
    repository.adapter("forgetful")
    runner.pull_request(repository.commit())
    monkeypatch.setattr(pipeline, "answer", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    if (child := os.fork()) == 0:
        try:
            answer(runner.environ)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL

    def told() -> Problem:
        (one,) = collect(WorkFolder(runner.work)).judged
        assert isinstance(one.result, Problem)
        return one.result

    before = told()
    assert (before.step, before.exit_code) == ("answer", 4)
    assert "ended without a word" in before.message
    ran = runner.step("compare")
    assert ran.returncode == 4, ran.stderr
    assert "memory ran out" in ran.stderr
    assert told() == before
    assert runner.read("rounds/adapters-support/problem.json")["step"] == "answer"


def test_compare__a_first_step_that_broke_off_after_the_last_answer_leaves_no_verdict(
    repository: Repository, runner: Runner
) -> None:
    runner.dispatch(repository.git("rev-parse", "main"))
    assert runner.step("answer").returncode == 0
    work = WorkFolder(runner.work)
    work.write_problem(problem_of(BrokenRun("The run took longer than 1 minutes."), "answer", exit_code=4))
    ran = runner.step("compare")
    assert ran.returncode == 4
    assert "longer than 1 minutes" in ran.stderr
    assert not list(runner.work.glob("rounds/*/round.json"))


def test_steps__a_work_folder_that_cannot_be_is_said_in_a_sentence(repository: Repository, runner: Runner) -> None:
    runner.dispatch(repository.git("rev-parse", "main"))
    (file := runner.temp / "file").write_text("")
    work = str(file / "gate")
    for step, code in (("answer", 4), ("compare", 3)):
        ran = runner.step(step, GATE_WORK=work)
        assert (ran.returncode, "Not a directory" in ran.stderr) == (code, True)
        assert "unexpected" not in ran.stderr


def test_compare__a_deadline_is_no_verdict(repository: Repository, runner: Runner) -> None:
    repository.branch()
    repository.adapter("forgetful")
    runner.pull_request(repository.commit())
    assert runner.step("answer").returncode == 0
    ran = runner.step("compare", GATE_TIMEOUT_MINUTES="0.0001")
    assert ran.returncode == 4, ran.stderr
    assert "longer than 0.0001 minutes (input `timeout-minutes`)" in ran.stderr
    problem = runner.read("problem.json")
    assert (problem["step"], problem["exit_code"]) == ("compare", 4)


@pytest.mark.parametrize(
    ("gpus", "there", "enough"),
    [("all", 1, True), ("1", 1, True), ("2", 1, False), ("device=0,1", 1, False), ("device=0,1", 2, True)],
)
def test_refuse_missing_gpu__fewer_than_asked_for(
    monkeypatch: pytest.MonkeyPatch, gpus: str, there: int, enough: bool
) -> None:
    """How many there are is pretended: the machines that run this have none."""
    import torch
    import yaml

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
    config = GateConfig.model_validate(
        yaml.safe_load("""
version: 1
base: {model: a/b}
candidate: {adapter: x}
suites: {s: {role: regression, cases: c.jsonl, scorer: {kind: exact_match}}}
""")
    )
    if enough:
        refuse_missing_gpu(config, gpus)
        return
    with pytest.raises(BrokenRun, match=f"2 GPUs are asked for .input `gpus`: {gpus}., and torch sees 1"):
        refuse_missing_gpu(config, gpus)
