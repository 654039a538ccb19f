"""The Action in real containers: a model repository, a pull request, the launcher, the gate's own image."""

import json
from typing import Any

import pytest
from action_repository import Repository, make_repository
from action_repository import Runner as HostRunner
from conftest import Docker
from runner import Done, Job, cancel, user


@pytest.fixture
def repository(job: Job) -> Repository:
    """A model repository, checked out in the workspace."""
    job.workspace.rmdir()
    return make_repository(job.workspace)


def propose(job: Job, repository: Repository) -> None:
    """Commit what lies there on a branch, as a pull request to main."""
    head = repository.commit()
    events = HostRunner(repository, job.temp)
    events.pull_request(head)
    facts = {name: value for name, value in events.environ.items() if name.startswith("GITHUB_")}
    job.facts = {**facts, "OMP_NUM_THREADS": "1"}


def judge(job: Job, image: str) -> dict[str, Done]:
    """The steps that judge, as the Action runs them: the second one only after a first one that went well."""
    done: dict[str, Done] = {}
    for name in ("Answer", "Compare"):
        done[name] = job.run_step(name, image=image, gpus="none", network="none")
        if done[name].code:
            break
    assert job.run_step("Clean up").code == 0
    return done


def codes(done: dict[str, Done]) -> dict[str, int]:
    return {name: one.code for name, one in done.items()}


def left(job: Job, name: str) -> dict[str, Any]:
    """A file of the work folder."""
    found: dict[str, Any] = json.loads((job.temp / "gate" / name).read_text())
    return found


def test_action__blocks_a_forgetful_adapter(job: Job, repository: Repository, image: str) -> None:
    repository.branch()
    repository.adapter("forgetful")
    propose(job, repository)
    done = judge(job, image)
    assert codes(done) == {"Answer": 0, "Compare": 1}, done
    assert left(job, "rounds/adapters-support/round.json")["verdict"]["outcome"] == "fail"
    for path in (job.temp / "gate").rglob("*"):
        assert path.stat().st_uid == user()


def test_action__lets_a_careful_adapter_pass_whatever_else_lies_in_the_repository(
    job: Job, repository: Repository, image: str
) -> None:
    repository.branch()
    repository.write("adapters/support/README.md", "trained again")
    for name in ("gate/__init__.py", "torch.py", "sitecustomize.py", "usercustomize.py", "click.py"):
        repository.write(name, "raise SystemExit('code of the pull request ran')")
    propose(job, repository)
    for _ in range(2):
        done = judge(job, image)
        assert codes(done) == {"Answer": 0, "Compare": 0}, done
        assert "code of the pull request ran" not in "".join(one.stdout + one.stderr for one in done.values())


def test_action__a_pull_request_cannot_loosen_its_own_gate(job: Job, repository: Repository, image: str) -> None:
    repository.branch()
    repository.adapter("forgetful")
    config = (repository.path / "gate.yaml").read_text()
    repository.write("gate.yaml", config.replace("drop: 1pp, fail_null: zero", "drop: 99pp"))
    first, *_ = (repository.path / "evals" / "facts.jsonl").read_text().splitlines()
    repository.write("evals/facts.jsonl", first + "\n")
    propose(job, repository)
    assert codes(judge(job, image)) == {"Answer": 0, "Compare": 1}
    assert "takes effect after the merge" in " ".join(left(job, "plan.json")["notes"])


def test_action__nothing_changed_is_nothing_to_gate(job: Job, repository: Repository, image: str) -> None:
    repository.branch()
    repository.write("README.md", "a word")
    propose(job, repository)
    assert codes(judge(job, image)) == {"Answer": 0, "Compare": 0}
    assert left(job, "plan.json")["judged"] == []


def test_action__a_refused_adapter_is_exit_3(job: Job, repository: Repository, image: str) -> None:
    repository.branch()
    repository.write("adapters/support/adapter_config.json", "{}")
    propose(job, repository)
    assert codes(judge(job, image)) == {"Answer": 3}


def test_action__a_cancelled_run_of_the_model_exits_130_within_7_seconds_and_leaves_nothing(
    job: Job, repository: Repository, image: str, docker: Docker
) -> None:
    repository.branch()
    repository.adapter("forgetful")
    propose(job, repository)
    process = job.start("Answer", image=image, gpus="none", network="none")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("answering for"):
            break
    code, seconds = cancel(process)
    assert code == 130
    assert seconds < 7
    assert docker("ps", "--all", "--quiet", "--filter", "name=^/gate-").stdout == ""
