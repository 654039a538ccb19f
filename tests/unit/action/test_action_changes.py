"""Which adapters of a commit are judged: nothing that was changed stands behind something that was not."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from nobodys_git import git

from gate.action.changes import Found, find_adapters
from gate.adapters.commit import adapter_at
from gate.errors import AdapterRefused

pytest_plugins = ["repository_fixtures"]
pytestmark = pytest.mark.usefixtures("only_the_repository_configures_git")

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"

Tree = Mapping[str, str]
"""Folder of an adapter below `adapters` -> what its weights are."""

PART = st.sampled_from(["a", "b", "checkpoint-1", "checkpoint-2", "checkpoint-02"])
FOLDER = st.lists(PART, max_size=3).map("/".join)
TREE = st.dictionaries(FOLDER, st.sampled_from(["good", "good", "bad", "bad", ""]), max_size=4)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    return tmp_path


def commit(repo: Path, tree: Tree) -> str:
    """A commit that holds these adapters and nothing else; without weights there is the configuration alone."""
    files = {"readme": "words"}
    for folder, weights in tree.items():
        place = str(PurePosixPath("adapters", folder))
        files[f"{place}/{CONFIG}"] = folder
        if weights:
            files[f"{place}/{WEIGHTS}"] = weights
    lines = ["commit refs/heads/made", "committer n <n@example.org> 0 +0000", "data 0", "deleteall"]
    for path, text in files.items():
        lines += [f"M 100644 inline {path}", f"data {len(text)}", text]
    stream = "\n".join([*lines, ""])
    command = ["git", "fast-import", "--quiet", "--force"]
    subprocess.run(command, cwd=repo, input=stream, text=True, check=True)
    return git(repo, "rev-parse", "made")


def found(repo: Path, before: Tree, after: Tree) -> Found:
    then, now = commit(repo, before), commit(repo, after)
    return find_adapters(repo, "adapters", now, before=(then,))


@pytest.mark.parametrize(
    ("before", "after", "judged"),
    [
        pytest.param(["support"], ["checkpoint-1"], ["checkpoint-1"], id="beside_a_named_one"),
        pytest.param(["checkpoint-5"], ["checkpoint-10", "x"], ["checkpoint-10", "x"], id="with_a_named_one"),
        pytest.param(
            ["s/checkpoint-5", "other"], ["s/checkpoint-10", "s/x"], ["s/checkpoint-10", "s/x"], id="one_level_deeper"
        ),
        pytest.param(
            ["support"],
            ["checkpoint-1/a", "checkpoint-1/b"],
            ["checkpoint-1/a", "checkpoint-1/b"],
            id="several_names_in_a_checkpoint",
        ),
        pytest.param(["checkpoint-1"], ["checkpoint-1/x"], ["", "checkpoint-1/x"], id="inside_a_checkpoint"),
        pytest.param(["checkpoint-1"], ["checkpoint-2/x/y"], ["checkpoint-2/x/y"], id="deep_in_a_checkpoint"),
        pytest.param(["checkpoint-1"], ["checkpoint-01"], ["", "checkpoint-1"], id="the_same_step_twice"),
        pytest.param(["a"], ["b/c"], ["b/c"], id="deep_among_others"),
        pytest.param(["checkpoint-9"], ["checkpoint-10"], [""], id="the_latest_of_checkpoints"),
        pytest.param(["", "checkpoint-9"], ["checkpoint-10"], [""], id="checkpoints_of_a_final_one"),
    ],
)
def test_find_adapters__what_is_added_is_judged(
    repo: Path, before: list[str], after: list[str], judged: list[str]
) -> None:
    old, new = dict.fromkeys(before, "good"), dict.fromkeys(after, "bad")
    changed = found(repo, old, {**old, **new}).changed
    assert changed == tuple(str(PurePosixPath("adapters", folder)) for folder in judged)


def test_find_adapters__a_removed_checkpoint_brings_an_older_one_back(repo: Path) -> None:
    old = {"checkpoint-1": "bad", "checkpoint-2": "good", "x": "good"}
    new = {name: old[name] for name in ("checkpoint-1", "x")}
    assert "adapters/checkpoint-1" in found(repo, old, new).changed


def test_find_adapters__a_checkpoint_that_is_not_whole_is_not_passed_over(repo: Path, tmp_path: Path) -> None:
    old = {"checkpoint-1": "good"}
    new = {**old, "checkpoint-2": ""}
    (judged,) = found(repo, old, new).changed
    with pytest.raises(AdapterRefused, match=f"holds no {WEIGHTS}"):
        adapter_at(repo, judged, "made", into=tmp_path)


def states_of(folder: str) -> Iterator[tuple[str, int]]:
    """The folders that a checkpoint is an earlier state in, and its step."""
    parts = PurePosixPath(folder).parts
    for index, part in enumerate(parts):
        if step := re.fullmatch("checkpoint-([0-9]+)", part):
            yield "/".join(parts[:index]), int(step[1])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=TREE, added=TREE, gone=st.sets(FOLDER, max_size=2))
def test_find_adapters__every_changed_one_is_judged_or_refused(
    repo: Path, tmp_path_factory: pytest.TempPathFactory, before: Tree, added: Tree, gone: set[str]
) -> None:
    after = {folder: weights for folder, weights in {**before, **added}.items() if folder not in gone}
    assume(after)
    changed = found(repo, before, after).changed
    taken, refused = [], set()
    for path in changed:
        into = tmp_path_factory.mktemp("taken")
        try:
            adapter_at(repo, path, "made", into=into)
        except AdapterRefused:
            refused.update(folder for folder in after if PurePosixPath("adapters", folder).is_relative_to(path))
        else:
            taken.append((into / CONFIG).read_text())
    assert len(taken) == len(set(taken))
    for folder, weights in after.items():
        if before.get(folder) == weights or folder in refused.union(taken):
            continue
        # What is left is an earlier state: the folder that it lies in holds an adapter of its own, or a later one.
        assert any(
            of in after or any(step < other for one in after for among, other in states_of(one) if among == of)
            for of, step in states_of(folder)
        ), folder
