"""Each threat to the Action and the tests that stand for it, and those that have no better place.

The numbers are those of the list of threats that the Action was designed against.
"""

import ast
import shutil
import sys
from functools import cache
from pathlib import Path

import pytest
from action_repository import CONFIG, Repository, Runner
from builders import a_finding, a_round
from fake_github import TOKEN, FakeGitHub
from github_events import payload, variables
from runner import ROOT, Job

from gate import report
from gate.work_folder import ActionPlan, JudgedAdapter, WorkFolder

pytest_plugins = ["github_fixtures", "repository_fixtures"]

STEPS, REFUSED, PUBLISH = (
    "integration/test_action_steps",
    "integration/test_refused_adapters",
    "integration/test_publish",
)
FOLDER, COMMIT = "unit/adapters/test_adapters_folder", "unit/adapters/test_adapters_commit"
RUNNER = "unit/github/test_github_runner"
THREATS: dict[int, tuple[str, tuple[str, ...]]] = {
    1: ("a module of the repository shadows ours", (
        f"{STEPS}::test_steps__nothing_of_the_proposal_is_imported",
        "docker/test_action::test_action__lets_a_careful_adapter_pass_whatever_else_lies_in_the_repository")),
    2: ("adapter_config.json imports", (
        f"{REFUSED}::test_gate__a_configuration_is_refused", f"{REFUSED}::test_run__nothing_of_a_hostile_adapter_is_executed")),
    3: ("remote code in the adapter or the tokenizer", (
        f"{REFUSED}::test_run__nothing_of_a_hostile_adapter_is_executed",
        "integration/test_hub::test_model_from_hub__weights_and_tokenizer_and_nothing_that_runs")),
    4: ("pickles", (
        f"{FOLDER}::test_read_adapter__never_loads_a_pickle", f"{COMMIT}::test_adapter_at__pickled_weights",
        f"{REFUSED}::test_gate__broken_files_are_refused")),
    5: ("an adapter that does nothing", (
        f"{FOLDER}::test_read_adapter__refuses_an_untrained_adapter", f"{REFUSED}::test_gate__broken_files_are_refused",
        f"{REFUSED}::test_run__weights_for_another_base_are_refused_before_it_is_loaded")),
    6: ("numbers that are none", (
        f"{FOLDER}::test_read_adapter__refuses_numbers_that_are_none",
        f"{FOLDER}::test_read_tensors__finds_a_bfloat16_nan_by_its_bits",
        f"{REFUSED}::test_run__weights_that_make_the_logits_infinite_are_the_adapters_fault")),
    7: ("resource bombs", (
        f"{REFUSED}::test_gate__a_configuration_is_refused", f"{COMMIT}::test_adapter_at__too_large",
        f"{FOLDER}::test_read_tensors__refuses_a_file_that_contradicts_itself")),
    8: ("a pattern that never ends", (f"{REFUSED}::test_gate__a_configuration_is_refused",)),
    9: ("another base", (f"{REFUSED}::test_check__what_is_odd_but_sound_is_a_warning",)),
    10: ("a pull request loosens its gate", (
        f"{STEPS}::test_steps__a_proposal_cannot_loosen_its_own_gate",
        f"{STEPS}::test_steps__the_first_configuration_is_used_and_that_is_visible",
        "unit/action/test_action_planning::test_plan_action__a_clone_of_the_fork_does_not_say_where_the_base_branch_is")),
    11: ("a fork's token may only read", (
        f"{PUBLISH}::test_publish__a_fork_may_only_read_which_is_no_failure",
        "integration/test_pull_request::test_action__a_comment_that_may_not_be_posted_changes_nothing_else",
        "integration/test_workflows::test_workflows__a_fork_fails_before_anything_of_it_is_fetched")),
    12: ("pull_request_target", (
        "unit/action/test_action_planning::test_plan_action__commits_of_strangers_get_no_rights",)),
    13: ("the artifact of a fork lies", (
        "integration/test_threats::test_publish__the_artifact_of_a_fork_is_believed_in_nothing",
        f"{PUBLISH}::test_publish__what_is_no_round_is_refused_in_a_sentence",
        f"{PUBLISH}::test_publish__what_a_fork_left_is_rendered_here_and_goes_to_its_own_pull_request")),
    14: ("text that commands the runner", (
        f"{PUBLISH}::test_publish__no_text_commands_the_runner",
        f"{RUNNER}::test_annotation__no_text_adds_a_command_or_a_property",
        f"{RUNNER}::test_commands_stopped__a_fresh_token_each_time",
        f"{STEPS}::test_steps__every_changed_adapter_has_a_round_and_none_hides_another")),
    15: ("a value that adds outputs", (
        f"{RUNNER}::test_write_outputs__a_value_stays_one_value", f"{RUNNER}::test_write_outputs__a_name_is_a_name")),
    16: ("inputs and names that are shell", (
        "integration/test_launcher::test_launch__inputs_are_never_code_or_options",
        "integration/test_launcher::test_action__no_input_and_no_name_is_code",
        "docker/test_containers::test_launch__inputs_arrive_as_they_are_and_are_never_code_or_options",
        "integration/test_workflows::test_action__inputs_reach_scripts_through_the_environment_and_secrets_only_their_step")),
    17: ("Markdown of a model", (
        "unit/report/test_report_markdown::test_markdown__hostile_text_stays_text",
        "unit/report/test_report_threats::test_comment__what_is_inert_can_still_be_read",
        "unit/report/test_report_markdown::test_markdown__model_and_case_text_stands_in_code_only",
        f"{PUBLISH}::test_publish__what_a_fork_left_is_rendered_here_and_goes_to_its_own_pull_request")),
    18: ("somebody else's marker", (
        "unit/github/test_github_sticky::test_put__nobody_elses_comment_is_touched",
        f"{PUBLISH}::test_publish__what_a_fork_left_is_rendered_here_and_goes_to_its_own_pull_request")),
    19: ("a commit redirects git-LFS", (
        "unit/adapters/test_adapters_lfs_fetch::test_adapter_at__absent_objects_are_fetched_whatever_the_commit_says",
        "integration/test_threats::test_answer__a_proposal_does_not_say_where_its_weights_come_from")),
    20: ("links and submodules", (
        f"{COMMIT}::test_adapter_at__symbolic_link_among_the_files",
        f"{COMMIT}::test_adapter_at__weights_are_a_symbolic_link_or_a_folder",
        f"{COMMIT}::test_adapter_at__submodule_among_the_files",
        f"{STEPS}::test_steps__every_changed_adapter_has_a_round_and_none_hides_another")),
    21: ("secrets beside the model", (
        f"{STEPS}::test_answer__no_model_runs_beside_a_secret",
        f"{STEPS}::test_answer__no_model_runs_beside_the_credentials_of_a_checkout",
        "integration/test_launcher::test_launch__on_the_host_too_a_step_sees_only_what_it_needs",
        "docker/test_containers::test_launch__a_step_sees_its_own_secret_and_no_other",
        "integration/test_launcher::test_launch__what_runs_a_model_can_neither_reach_the_network_nor_change_the_models",
        "integration/test_hub::test_fetch__what_runs_the_model_needs_no_hub_any_more",
        "docker/test_containers::test_launch__only_a_step_that_needs_the_network_has_one")),
    22: ("YAML that runs code", (
        "unit/config/test_config_positions::test_parse__refuses_with_the_place",
        "integration/test_threats::test_answer__a_function_in_the_first_configuration_is_never_called",
        f"{STEPS}::test_steps__nothing_of_the_proposal_is_imported")),
}  # fmt: skip
HEAD = "ec26c3e57ca3a959ca5aad62de7213c562f8c821"


@cache
def defined_in(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / "tests" / f"{file}.py").read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("row", range(1, 23))
def test_threats__each_has_tests(row: int) -> None:
    _, tests = THREATS[row]
    assert tests
    for test in tests:
        file, _, name = test.partition("::")
        assert name in defined_in(file), test


@pytest.mark.parametrize("lie", ["none", "ten megabytes", "another pull request", "a page of its own"])
def test_publish__the_artifact_of_a_fork_is_believed_in_nothing(tmp_path: Path, fake: FakeGitHub, lie: str) -> None:
    content = payload("workflow_run")
    content["workflow_run"] |= {"head_branch": "fix", "head_sha": HEAD}
    content["workflow_run"]["head_repository"]["full_name"] = "somebody/Hello-World"
    fake.add_pull(8, HEAD, head="somebody/Hello-World", branch="fix")
    fake.add_pull(9, "f" * 40, head="Codertocat/Hello-World", branch="main")
    job = Job(folder=tmp_path / "runner")
    path = f"{Path(sys.executable).parent}:{job.variables()['PATH']}"
    job.facts = variables(job.temp, "workflow_run", content, GITHUB_API_URL=fake.api_url, PATH=path)
    work = WorkFolder(job.temp / "gate")
    one = JudgedAdapter(slug="a", adapter="adapters/a")
    work.round_folder(one).mkdir(parents=True)
    work.write_plan(ActionPlan(
        config="gate.yaml", config_commit="1" * 40, candidate_commit=HEAD, judged=(one,), replaces=False,
        bootstrap=False, notes=(),
    ))  # fmt: skip
    round_file = work.round_folder(one) / "round.json"
    round_file.write_text(report.dump(a_round(commit=HEAD, findings=(a_finding(guards=True),))), "utf-8")
    match lie:
        case "ten megabytes":
            round_file.write_text('{"comment": "' + "x" * 10_000_000 + '"}')
        case "a page of its own":
            (work.round_folder(one) / "report.md").write_text("# All is well, says the fork")
            (work.path / "comment.md").write_text("# All is well, says the fork")
    number = {"pr_number": "9"} if lie == "another pull request" else {}
    done = job.run(mode="publish", runtime="host", github_token=TOKEN, **number)
    believed = lie in ("none", "a page of its own")
    assert done["Publish"].code == (0 if believed else 3), done["Publish"].stderr
    assert "Traceback" not in done["Publish"].stderr
    assert lie != "ten megabytes" or job.outputs().get("passed") != "true"
    assert len(fake.comments) == 1 or not believed
    for comment in fake.comments.values():
        assert comment["issue_url"].endswith("/issues/8")
        assert "says the fork" not in comment["body"]
        assert "xxx" not in comment["body"]
    assert fake.invalid == []


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="needs git-lfs")
def test_answer__a_proposal_does_not_say_where_its_weights_come_from(
    repository: Repository, runner: Runner, tmp_path: Path
) -> None:
    remote = tmp_path / "remote.git"
    Repository(tmp_path).git("init", "-q", "--bare", str(remote))
    repository.git("remote", "set-url", "origin", remote.as_uri())
    repository.branch()
    repository.git("lfs", "install", "--local")
    repository.write(".gitattributes", "adapters/**/*.safetensors filter=lfs diff=lfs merge=lfs -text\n")
    repository.write(".lfsconfig", "[lfs]\n\turl = http://127.0.0.1:9/evil\n\tfetchexclude = *\n")
    repository.adapter("forgetful")
    head = repository.commit()
    assert "oid sha256:" in repository.git("show", f"{head}:adapters/support/adapter_model.safetensors")
    repository.git("-c", f"lfs.url={remote.as_uri()}", "push", "-q", "origin", "proposal")
    shutil.rmtree(repository.path / ".git" / "lfs" / "objects")
    runner.pull_request(head)
    answered = runner.step("answer")
    assert answered.returncode == 0, answered.stderr
    assert "127.0.0.1:9" not in answered.stderr


def test_answer__a_function_in_the_first_configuration_is_never_called(
    repository: Repository, runner: Runner, tmp_path: Path
) -> None:
    (repository.path / "gate.yaml").unlink()
    repository.commit("no gate yet")
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    marker = tmp_path / "owned"
    for tag in ("!function scorers.own", "!!python/object/apply:scorers.own []", "!include scorers.py"):
        repository.branch()
        repository.write("scorers.py", f"import pathlib\npathlib.Path({str(marker)!r}).touch()\nown = print\n")
        repository.write("gate.yaml", CONFIG.replace("{kind: exact_match,", f"{{kind: {tag},", 1))
        runner.pull_request(repository.commit())
        ran = runner.step("answer", cwd=repository.path)
        assert ran.returncode == 3, ran.stderr
        assert "gate.yaml:" in ran.stderr
        assert "Traceback" not in ran.stderr
        assert not marker.exists()
