"""Which commit is judged by which, and which adapters, for every event."""

import os
from pathlib import Path
from typing import Any

import pytest
from action_repository import CONFIG, Repository, Runner
from github_events import payload, variables

from gate.action.inputs import Inputs
from gate.action.planning import plan_action
from gate.errors import RequestError, UsageError
from gate.github.event import read_event
from gate.work_folder import ActionPlan

pytest_plugins = ["repository_fixtures"]


def plan(runner: Runner, **inputs: Any) -> ActionPlan:
    return plan_action(Inputs.model_validate(inputs), read_event(runner.environ), runner.repository.path)


def propose(repository: Repository) -> str:
    repository.branch()
    repository.adapter("forgetful")
    return repository.commit()


def judged(made: ActionPlan) -> list[str]:
    return [one.adapter for one in made.judged]


def test_plan_action__a_pull_request_is_judged_by_the_tip_of_the_base_branch(
    repository: Repository, runner: Runner
) -> None:
    head = propose(repository)
    repository.git("checkout", "-q", "main")
    repository.write("README.md", "later")
    tip = repository.commit()
    repository.git("update-ref", "refs/remotes/origin/main", tip)
    repository.adapter("forgetful", "adapters/later")
    runner.pull_request(head)
    made = plan(runner)
    assert (made.config_commit, made.candidate_commit) == (tip, head)
    assert judged(made) == ["adapters/support"]
    assert not made.replaces


def test_plan_action__a_merge_commit_cannot_choose_what_it_is_compared_with(
    repository: Repository, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Main first holds a bad adapter, which a branch mends while main goes on.
    repository.adapter("forgetful")
    repository.write("model/generation_config.json", "{}")
    repository.write("gate.yaml", CONFIG + "fail_on: never\n")
    repository.commit()
    repository.git("checkout", "-q", "-b", "side")
    repository.adapter("careful")
    repository.write("model/generation_config.json", '{"eos_token_id": 1}')
    repository.write("gate.yaml", CONFIG)
    mended = repository.commit()
    repository.git("checkout", "-q", "main")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2040-01-01T00:00:00Z")  # git names the newest first
    repository.write("README.md", "words")
    words = repository.commit()
    repository.git("merge", "-q", "--no-ff", "-m", "merged", "side")
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    # The proposal merges the mended one and keeps the bad one.
    repository.git("checkout", "-q", "-b", "proposal", words)
    repository.git("merge", "-q", "-s", "ours", "-m", "proposed", mended)
    runner.pull_request(repository.git("rev-parse", "HEAD"))
    made = plan(runner)
    assert judged(made) == ["adapters/support"]
    assert made.notes == (
        "Changed here, which takes effect after the merge: gate.yaml.",
        *made.cautions,
    )


def test_plan_action__without_the_branch_the_base_of_the_event_counts(repository: Repository, runner: Runner) -> None:
    head = propose(repository)
    repository.git("update-ref", "-d", "refs/remotes/origin/main")
    runner.pull_request(head)
    assert plan(runner).config_commit == repository.git("rev-parse", "main")


def test_plan_action__a_clone_of_the_fork_does_not_say_where_the_base_branch_is(
    repository: Repository, runner: Runner
) -> None:
    main = repository.git("rev-parse", "main")
    head = propose(repository)
    repository.git("update-ref", "refs/remotes/origin/main", head)
    runner.pull_request(head)
    assert plan(runner).config_commit == head
    repository.git("remote", "set-url", "origin", "https://github.com/somebody/Hello-World")
    assert plan(runner).config_commit == main


def test_plan_action__what_is_not_in_the_clone_is_an_error_with_the_fix(repository: Repository, runner: Runner) -> None:
    runner.pull_request("1" * 40)
    with pytest.raises(UsageError, match=r"(?s)not in the clone.*fetch-depth: 0"):
        plan(runner)
    runner.pull_request(propose(repository))
    with pytest.raises(UsageError, match=r"(?s)input `config-ref`.*fetch-depth: 0"):
        plan(runner, **{"config-ref": "v9"})


@pytest.mark.parametrize("ref", ["-rf", ":/all", "main:gate.yaml"])
def test_plan_action__no_fetch_mends_a_malformed_ref(repository: Repository, runner: Runner, ref: str) -> None:
    runner.pull_request(propose(repository))
    with pytest.raises(UsageError, match=r"input `config-ref`: .* is no ref") as refused:
        plan(runner, **{"config-ref": ref})
    assert refused.value.fix is None


def test_plan_action__a_merge_group_is_judged_by_what_it_goes_onto(repository: Repository, runner: Runner) -> None:
    base = repository.git("rev-parse", "main")
    head = propose(repository)
    runner.merge_group(base, head)
    made = plan(runner)
    assert (made.config_commit, made.candidate_commit, judged(made)) == (base, head, ["adapters/support"])


def test_plan_action__a_push_is_judged_by_its_own_configuration(repository: Repository, runner: Runner) -> None:
    before = repository.git("rev-parse", "main")
    repository.write("README.md", "words")
    words = repository.commit()
    runner.push(before, words)
    assert judged(plan(runner)) == []
    for file, text in (("gate.yaml", CONFIG + "fail_on: never\n"), ("evals/person.schema.json", "{}")):
        repository.write(file, text)
        head = repository.commit()
        runner.push(words, head)
        made = plan(runner)
        assert (made.config_commit, made.candidate_commit, judged(made)) == (head, head, ["adapters/support"])
        words = head
    runner.push("0" * 40, words)
    assert judged(plan(runner)) == ["adapters/support"]
    runner.push("1" * 40, words)
    assert judged(plan(runner)) == ["adapters/support"]


def test_plan_action__a_button_always_judges(repository: Repository, runner: Runner) -> None:
    head = repository.git("rev-parse", "main")
    runner.dispatch(head)
    made = plan(runner)
    assert (made.config_commit, made.candidate_commit, judged(made)) == (head, head, ["adapters/support"])


def test_plan_action__a_changed_base_is_judged_and_told(repository: Repository, runner: Runner) -> None:
    repository.branch()
    repository.write("model/generation_config.json", "{}")
    runner.pull_request(repository.commit())
    made = plan(runner)
    assert judged(made) == ["adapters/support"]
    assert (made.changed_base, made.notes) == ("model", made.cautions)
    assert "The base model model is changed as well" in made.cautions[0]


def test_plan_action__a_folder_cannot_stand_in_for_a_hub_id(repository: Repository, runner: Runner) -> None:
    repository.write("gate.yaml", CONFIG.replace("{model: model}", "{model: some/model}"))
    repository.commit()
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    repository.branch()
    (repository.path / "some").mkdir()
    (repository.path / "model").rename(repository.path / "some" / "model")
    runner.pull_request(repository.commit())
    assert judged(plan(runner)) == []


@pytest.mark.parametrize("name", ["pull_request_target", "workflow_run"])
def test_plan_action__commits_of_strangers_get_no_rights(
    repository: Repository, runner: Runner, tmp_path: Path, name: str
) -> None:
    runner.pull_request(propose(repository))
    content = payload("pull_request")
    head = repository.git("rev-parse", "HEAD")
    if name == "pull_request_target":
        content["pull_request"]["head"]["sha"] = head
        content["pull_request"]["base"] |= {"ref": "main", "sha": repository.git("rev-parse", "main")}
    else:
        content = payload("workflow_run")
        content["workflow_run"]["head_sha"] = head
        content["workflow_run"]["head_repository"]["full_name"] = "somebody/else"
    main = repository.git("rev-parse", "main")
    runner.environ |= variables(tmp_path, name, content, GITHUB_SHA=main)
    with pytest.raises(UsageError, match="it is refused"):
        plan(runner)
    made = plan(runner, **{"allow-pull-request-target": True})
    assert (made.config_commit, made.candidate_commit) == (main, head)


def test_plan_action__several_adapters_below_a_folder(repository: Repository, runner: Runner) -> None:
    repository.adapter("careful", "adapters/deep/checkpoint-10")
    repository.write("gate.yaml", CONFIG.replace("adapters/support", "adapters"))
    repository.commit()
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    repository.branch()
    repository.adapter("forgetful", "adapters/deep/checkpoint-20")
    repository.adapter("forgetful", "adapters/new")
    repository.write("adapters/README.md", "words")
    runner.pull_request(repository.commit())
    made = plan(runner)
    assert judged(made) == ["adapters/deep", "adapters/new"]
    assert made.replaces
    assert len({one.slug for one in made.judged}) == 2
    # One of them alone, and one that is left alone.
    assert judged(plan(runner, adapter="adapters/new")) == ["adapters/new"]
    assert judged(plan(runner, adapter="adapters/support")) == []


@pytest.mark.parametrize("top", ["adapters", "adapters/team"])
def test_plan_action__a_good_adapter_on_top_hides_none(repository: Repository, runner: Runner, top: str) -> None:
    repository.adapter("careful", "adapters/team/a")
    repository.adapter("careful", "adapters/team/b")
    repository.write("gate.yaml", CONFIG.replace("adapters/support", "adapters"))
    repository.commit()
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    repository.branch()
    repository.adapter("careful", "copy")
    repository.adapter("forgetful", "adapters/team/a")
    for file in (repository.path / "copy").iterdir():
        file.rename(repository.path / top / file.name)
    runner.pull_request(repository.commit())
    made = plan(runner)
    assert judged(made) == [top, "adapters/team/a"]
    assert made.notes == ()


def test_plan_action__the_last_of_several_is_removed(repository: Repository, runner: Runner) -> None:
    repository.adapter("careful", "adapters/other")
    repository.write("gate.yaml", CONFIG.replace("adapters/support", "adapters"))
    repository.commit()
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    repository.branch()
    repository.git("rm", "-rq", "adapters/other")
    runner.pull_request(repository.commit())
    made = plan(runner)
    assert judged(made) == []
    assert made.notes == ("adapters/other was removed, so there is nothing to judge of it.",)


@pytest.mark.parametrize("name", [b"\xff", b"a\nb", "a\u202eb".encode()])
def test_plan_action__a_name_that_cannot_be_written_down(repository: Repository, runner: Runner, name: bytes) -> None:
    repository.adapter("careful", "adapters/other")
    repository.write("gate.yaml", CONFIG.replace("adapters/support", "adapters"))
    repository.commit()
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    repository.branch()
    repository.adapter("forgetful", f"adapters/{os.fsdecode(name)}")
    runner.pull_request(repository.commit())
    with pytest.raises(UsageError, match="the path of an adapter must be UTF-8"):
        plan(runner)


MISTYPED = ["adapters/suport", "nope", "evals", ".git", "-x", ":", "adapters/support/adapter_config.json"]


@pytest.mark.parametrize("path", MISTYPED)
def test_plan_action__a_mistyped_path_is_no_open_gate(repository: Repository, runner: Runner, path: str) -> None:
    runner.pull_request(propose(repository))
    with pytest.raises(UsageError, match="holds no folder with an adapter there"):
        plan(runner, adapter=path)


@pytest.mark.parametrize(
    ("candidate", "what"), [("adapter: adapters/suport", "an adapter"), ("model: ./modle", "a model")]
)
def test_plan_action__a_mistyped_path_in_the_configuration(
    repository: Repository, runner: Runner, candidate: str, what: str
) -> None:
    repository.write("gate.yaml", CONFIG.replace("adapter: adapters/support", candidate))
    repository.commit()
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    runner.pull_request(propose(repository))
    with pytest.raises(UsageError, match=f"holds no folder with {what} there"):
        plan(runner)


@pytest.mark.parametrize("link", ["adapters", "adapters/support"])
def test_plan_action__a_link_is_refused_though_only_its_target_is_changed(
    repository: Repository, runner: Runner, link: str
) -> None:
    (repository.path / link).rename(repository.path / "real")
    (repository.path / link).symlink_to(repository.path / "real")
    repository.commit()
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    repository.branch()
    repository.adapter("forgetful", "real/support" if link == "adapters" else "real")
    runner.pull_request(repository.commit())
    with pytest.raises(UsageError, match=f"'{link}': a symbolic link"):
        plan(runner)


@pytest.mark.parametrize("link", ["adapters/other", "adapters/support/adapter_model.safetensors"])
def test_plan_action__an_adapter_behind_a_link_below_the_folder(
    repository: Repository, runner: Runner, link: str
) -> None:
    repository.adapter("careful", "adapters/third")
    repository.write("gate.yaml", CONFIG.replace("adapters/support", "adapters"))
    repository.write("LICENSE", "words")
    (repository.path / "adapters" / "LICENSE").symlink_to("../LICENSE")
    for step in (900, 1000):
        repository.adapter("careful", f"adapters/third/checkpoint-{step}")
    (repository.path / "adapters" / "third" / "latest").symlink_to("checkpoint-1000")
    repository.commit()
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    runner.pull_request(propose(repository))
    assert judged(plan(runner)) == ["adapters/support"]
    repository.branch()
    (repository.path / link).unlink(missing_ok=True)
    (repository.path / link).symlink_to("../" * link.count("/") + "real")
    runner.pull_request(repository.commit())
    with pytest.raises(UsageError, match=f"'{link}': a symbolic link"):
        plan(runner)


@pytest.mark.parametrize(
    "target",
    [
        "rejected",
        "./rejected/",
        "rejected/checkpoint-5",
        "../adapters/rejected",
        "../hop",
        "../hop/../LICENSE",
        "/",
        "nowhere",
    ],
)
def test_plan_action__a_link_that_leads_to_another_adapter(repository: Repository, runner: Runner, target: str) -> None:
    for kind, folder in (("careful", "good"), ("forgetful", "rejected"), ("forgetful", "rejected/checkpoint-5")):
        repository.adapter(kind, f"adapters/{folder}")
    repository.adapter("forgetful", "elsewhere/LICENSE")
    repository.adapter("careful", "elsewhere/x")
    repository.write("LICENSE", "words")
    (repository.path / "hop").symlink_to("elsewhere/x")
    (repository.path / "adapters" / "prod").symlink_to("../LICENSE")
    repository.write("gate.yaml", CONFIG.replace("adapters/support", "adapters"))
    repository.commit()
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    repository.branch()
    runner.pull_request(repository.commit("words"))
    assert judged(plan(runner)) == []
    (repository.path / "adapters" / "prod").unlink()
    (repository.path / "adapters" / "prod").symlink_to(target)
    runner.pull_request(repository.commit())
    with pytest.raises(UsageError, match="'adapters/prod': a symbolic link"):
        plan(runner)


@pytest.mark.parametrize("final", [True, False])
def test_plan_action__a_link_to_an_earlier_checkpoint(repository: Repository, runner: Runner, final: bool) -> None:
    if not final:
        repository.git("rm", "-rq", "adapters/support")
    for kind, step in (("forgetful", 5), ("careful", 10)):
        repository.adapter(kind, f"adapters/support/checkpoint-{step}")
    link = repository.path / "adapters" / "support" / "latest"
    link.symlink_to("checkpoint-10")
    repository.commit()
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    repository.branch()
    runner.pull_request(repository.commit())
    assert judged(plan(runner)) == []
    link.unlink()
    link.symlink_to("checkpoint-5")
    runner.pull_request(repository.commit())
    with pytest.raises(UsageError, match="'adapters/support/latest': a symbolic link"):
        plan(runner)


def test_plan_action__a_submodule_is_refused(repository: Repository, runner: Runner) -> None:
    head = repository.git("rev-parse", "HEAD")
    repository.git("rm", "-rq", "adapters/support")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{head},adapters/support")
    repository.git("commit", "-qm", "a submodule")
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    repository.git("commit", "-q", "--allow-empty", "-m", "words")
    runner.pull_request(repository.git("rev-parse", "HEAD"))
    with pytest.raises(UsageError, match="'adapters/support': a submodule"):
        plan(runner)


def test_plan_action__the_repository_is_the_adapter(repository: Repository, runner: Runner) -> None:
    repository.branch()
    repository.adapter("forgetful")
    for file in (repository.path / "adapters" / "support").iterdir():
        file.rename(repository.path / file.name)
    runner.pull_request(repository.commit())
    made = plan(runner, adapter=".")
    assert (judged(made), made.replaces) == (["."], True)


def test_plan_action__the_repository_is_no_configuration(repository: Repository, runner: Runner) -> None:
    runner.pull_request(propose(repository))
    with pytest.raises(UsageError, match="input `config`: '.' is the top of a repository"):
        plan(runner, config=".")


@pytest.mark.parametrize("adapter", ["/etc", "../outside"])
def test_plan_action__an_adapter_outside_the_repository(repository: Repository, runner: Runner, adapter: str) -> None:
    runner.pull_request(propose(repository))
    with pytest.raises(RequestError):
        plan(runner, adapter=adapter)


def test_plan_action__a_candidate_from_the_hub_is_judged_when_the_configuration_changes(
    repository: Repository, runner: Runner
) -> None:
    before = repository.git("rev-parse", "main")
    repository.write("gate.yaml", CONFIG.replace("adapter: adapters/support", "adapter: a/b, revision: main"))
    head = repository.commit()
    runner.push(before, head)
    made = plan(runner)
    assert (judged(made), made.candidate_commit) == (["a/b"], None)
    runner.push(head, repository.commit("nothing"))
    assert judged(plan(runner)) == []


def test_plan_action__a_proposed_revision_of_the_hub_is_judged_after_the_merge_which_is_told(
    repository: Repository, runner: Runner
) -> None:
    hub = CONFIG.replace("adapter: adapters/support", "adapter: a/b, revision: v1")
    repository.write("gate.yaml", hub)
    repository.commit()
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    repository.branch()
    repository.write("README.md", "words")
    runner.pull_request(repository.commit())
    assert plan(runner).notes == ()
    repository.write("gate.yaml", hub.replace("v1", "v2"))
    runner.pull_request(repository.commit())
    made = plan(runner)
    assert judged(made) == []
    effect, revision = made.notes
    assert "takes effect after the merge: gate.yaml" in effect
    assert revision.startswith("The candidate a/b comes from the hub")
    assert "judged after the merge" in revision


def test_plan_action__a_renamed_configuration_is_the_old_one(repository: Repository, runner: Runner) -> None:
    repository.branch()
    (repository.path / "gate.yaml").unlink()
    (repository.path / "gate.yaml").symlink_to("/etc/passwd")
    repository.adapter("forgetful")
    runner.pull_request(repository.commit())
    made = plan(runner)
    assert made.config_commit == repository.git("rev-parse", "main")
    assert not made.bootstrap
    assert made.notes == ("Changed here, which takes effect after the merge: gate.yaml.",)


@pytest.mark.parametrize(
    ("engine", "refused"),
    [
        ("{kind: server, url: 'http://127.0.0.1:9', load: names, names: {candidate: x}, key_env: PATH}", True),
        ("{kind: ray, address: '127.0.0.1:9'}", True),
        ("{kind: ray, address: local}", False),
    ],
)
def test_plan_action__a_first_configuration_does_not_choose_whom_the_runner_talks_to(
    repository: Repository, runner: Runner, engine: str, refused: bool
) -> None:
    config = CONFIG.replace("{kind: transformers, device: cpu}", engine)
    (repository.path / "gate.yaml").unlink()
    repository.commit("no gate yet")
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    repository.branch()
    repository.write("gate.yaml", config)
    head = repository.commit()
    runner.pull_request(head)
    if refused:
        with pytest.raises(UsageError, match=r"(?s)gate.yaml: `engine` .* another machine.*Merge the configuration"):
            plan(runner)
    else:
        assert plan(runner).bootstrap
    # Once it is merged, whoever merged it has chosen.
    repository.git("update-ref", "refs/remotes/origin/main", head)
    runner.pull_request(repository.commit("words"))
    assert not plan(runner).bootstrap


def test_plan_action__a_named_commit_without_a_configuration_is_no_bootstrap(
    repository: Repository, runner: Runner
) -> None:
    repository.git("checkout", "-q", "--orphan", "empty")
    repository.git("rm", "-rqf", ".")
    empty = repository.commit("nothing")
    repository.git("checkout", "-q", "main")
    runner.pull_request(propose(repository))
    with pytest.raises(RequestError, match="holds no such file"):
        plan(runner, **{"config-ref": empty})


def test_inputs_read__empty_is_not_given() -> None:
    assert Inputs.read({"GATE_CONFIG": "", "GATE_GPUS": ""}) == Inputs()
    given = Inputs.read(
        {"GATE_TIMEOUT_MINUTES": "1.5", "GATE_ALLOW_PULL_REQUEST_TARGET": "true", "GATE_GPUS": "device=0"}
    )
    assert (given.timeout_minutes, given.allow_pull_request_target, given.gpus) == (1.5, True, "device=0")
