"""A configuration out of a commit, whatever the checkout makes of it."""

import hashlib
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest
from action_repository import CONFIG, Repository

from gate.config.trusted import changed_in, file_at, holds_config, named_files, trusted_config
from gate.errors import ConfigError, GateError, UsageError

pytest_plugins = ["repository_fixtures"]


def refusal(repository: Repository, ref: str, *files: str, config: str = "gate.yaml") -> str:
    with ExitStack() as stack:
        caught = stack.enter_context(pytest.raises(GateError))
        loaded = stack.enter_context(trusted_config(Path(config), ref, start=repository.path))
        _ = [loaded.resolve(file) for file in files]
    assert caught.value.exit_code == 3
    return str(caught.value)


def test_trusted_config__nothing_of_the_checkout_is_read(repository: Repository) -> None:
    main = repository.git("rev-parse", "main")
    cases = (repository.path / "evals" / "facts.jsonl").read_bytes()
    repository.write("gate.yaml", CONFIG.replace("drop: 1pp", "drop: 99pp"))
    repository.write("evals/facts.jsonl", "nothing")
    repository.write("evals/person.schema.json", "true")
    with trusted_config(repository.path / "gate.yaml", "main", start=repository.path) as loaded:
        assert loaded.commit == main
        assert loaded.folder == repository.path
        assert "value=0.01," in repr(loaded.config.suites["facts"].rules)
        file = loaded.resolve("evals/facts.jsonl")
        assert file.read_bytes() == cases
        assert not file.is_relative_to(repository.path)
        assert loaded.schemas == ("evals/person.schema.json",)
        assert "properties" in repr(loaded.config.suites["json_output"].scorer)
    assert not file.exists()


@pytest.mark.parametrize("gone", ["config", "folder", "everything"])
def test_trusted_config__what_the_checkout_lost_is_still_there(repository: Repository, gone: str) -> None:
    repository.write("ml/gate.yaml", CONFIG.replace("evals/", "../evals/"))
    repository.commit()
    match gone:
        case "config":
            (repository.path / "ml" / "gate.yaml").unlink()
        case "folder":
            shutil.rmtree(repository.path / "ml")
        case _:
            for path in repository.path.iterdir():
                if path.name != ".git":
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with trusted_config(Path("ml/gate.yaml"), "main", start=repository.path) as loaded:
        assert loaded.resolve("../evals/facts.jsonl").is_file()
        assert loaded.holds("../evals/facts.jsonl")
        assert not loaded.holds("../evals/none.jsonl")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("/etc/passwd", "an absolute path is in no commit"),
        ("~/cases.jsonl", "an absolute path is in no commit"),
        ("../outside.jsonl", "leads out of the repository"),
        ("evals/../../outside.jsonl", "leads out of the repository"),
        ("evals/none.jsonl", "holds no such file"),
        ("evals", "a folder in the commit"),
        ("link.jsonl", "a symbolic link in the commit"),
        ("linked/facts.jsonl", "holds no such file"),
        ("module", "a submodule in the commit"),
        (f"{'x' * 300}.jsonl", "holds no such file"),
        (f"{'x' * 300}/cases.jsonl", "holds no such file"),
    ],
)
def test_trusted_config__what_is_no_file_of_the_commit(repository: Repository, written: str, message: str) -> None:
    (repository.path / "link.jsonl").symlink_to("evals/facts.jsonl")
    (repository.path / "linked").symlink_to("evals")
    repository.git("add", "-A")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{repository.git('rev-parse', 'HEAD')},module")
    repository.git("commit", "-qm", "odd things")
    told = refusal(repository, "main", written)
    assert message in told
    assert written in told


def test_trusted_config__a_name_that_no_file_can_have(repository: Repository) -> None:
    assert "no file has a name with a null character" in refusal(repository, "main", "evals/\0.jsonl")


def test_trusted_config__a_schema_whose_name_is_too_long_for_a_file(repository: Repository) -> None:
    repository.write("gate.yaml", CONFIG.replace("evals/person.schema.json", f"{'x' * 300}.json"))
    repository.commit()
    told = refusal(repository, "main")
    assert told.startswith("gate.yaml:")
    assert "holds no such file" in told


def test_trusted_config__a_pointer_of_git_lfs_is_named_as_such(repository: Repository) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 1234\n"
    repository.write("gate.yaml", pointer)
    repository.commit()
    assert "gate.yaml: a git-LFS pointer" in refusal(repository, "main")


def test_trusted_config__a_schema_that_is_no_file_is_an_error_at_its_key(repository: Repository) -> None:
    (repository.path / "evals" / "person.schema.json").unlink()
    (repository.path / "evals" / "person.schema.json").symlink_to("/etc/passwd")
    repository.commit()
    told = refusal(repository, "main")
    assert told.startswith("gate.yaml:")
    assert "evals/person.schema.json: a symbolic link in the commit" in told


@pytest.mark.parametrize("kind", ["link", "folder", "absent", "huge"])
def test_trusted_config__a_configuration_that_is_no_file(repository: Repository, kind: str) -> None:
    path = repository.path / "gate.yaml"
    path.unlink()
    match kind:
        case "link":
            repository.write("other.yaml", CONFIG)
            path.symlink_to("other.yaml")
        case "folder":
            repository.write("gate.yaml/x", "")
        case "huge":
            repository.write("gate.yaml", CONFIG + "# much\n" * 200_000)
    repository.commit()
    expected = {
        "link": "a symbolic link in the commit",
        "folder": "a folder in the commit",
        "absent": "holds no such file",
        "huge": "larger than 1 MiB",
    }
    assert expected[kind] in refusal(repository, "main")


def test_trusted_config__a_folder_on_the_way_that_became_a_link(repository: Repository) -> None:
    repository.write("ml/gate.yaml", CONFIG)
    repository.write("loose/gate.yaml", CONFIG.replace("1pp", "99pp"))
    repository.commit()
    shutil.rmtree(repository.path / "ml")
    (repository.path / "ml").symlink_to("loose")
    assert "ml: a symbolic link in the checkout" in refusal(repository, "main", config="ml/gate.yaml")


def test_trusted_config__a_repository_within_the_checkout_has_no_say(repository: Repository) -> None:
    repository.write("ml/gate.yaml", CONFIG.replace("evals/", "../evals/"))
    main = repository.commit()
    inner = Repository(repository.path / "ml")
    inner.git("init", "-q")
    inner.write("gate.yaml", CONFIG.replace("1pp", "99pp"))
    inner.commit()
    with trusted_config(Path("ml/gate.yaml"), "main", start=repository.path) as loaded:
        assert loaded.commit == main
        assert "value=0.01," in repr(loaded.config.suites["facts"].rules)


def test_trusted_config__an_unknown_commit(repository: Repository) -> None:
    assert "is no commit, tag or branch" in refusal(repository, "no-such-branch")


def test_trusted_config__a_case_file_in_git_lfs_is_its_verified_object(repository: Repository) -> None:
    content = (repository.path / "evals" / "facts.jsonl").read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(content)}\n"
    repository.write("evals/facts.jsonl", pointer)
    repository.commit()
    place = repository.path / ".git" / "lfs" / "objects" / sha256[:2] / sha256[2:4] / sha256
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    with trusted_config(Path("gate.yaml"), "main", start=repository.path) as loaded:
        assert loaded.resolve("evals/facts.jsonl").read_bytes() == content
    place.write_bytes(content.replace(b"e", b"a"))
    assert "does not have the SHA-256 sum" in refusal(repository, "main", "evals/facts.jsonl")


def test_changed_in__what_the_candidate_has_alone(repository: Repository) -> None:
    began = repository.git("rev-parse", "main")
    repository.branch()
    repository.write("gate.yaml", CONFIG.replace("1pp", "99pp"))
    repository.write("evals/person.schema.json", "{}")
    candidate = repository.commit()
    repository.git("checkout", "-q", "main")
    repository.write("evals/facts.jsonl", (repository.path / "evals" / "facts.jsonl").read_text("utf-8") + "\n")
    main = repository.commit()
    with trusted_config(Path("gate.yaml"), "main", start=repository.path) as loaded:
        assert named_files(loaded) == ("evals/facts.jsonl", "evals/json_output.jsonl", "evals/person.schema.json")
        alone = changed_in(loaded, candidate, began=[began], tip=main, start=repository.path)
        assert alone == ("gate.yaml", "evals/person.schema.json")
        assert "evals/facts.jsonl" in changed_in(loaded, candidate, began=[main], start=repository.path)


def test_named_files__what_the_candidate_was_trained_on_is_its_own(repository: Repository, tmp_path: Path) -> None:
    repository.write("gate.yaml", CONFIG + "training: {data: data/train.jsonl, log: log.json}\n")
    main = repository.commit()
    repository.branch()
    repository.write("data/train.jsonl", "rows of the proposal")
    candidate = repository.commit()
    with trusted_config(Path("gate.yaml"), main, start=repository.path) as loaded:
        assert changed_in(loaded, candidate, began=[main], start=repository.path) == ()
        found = file_at(loaded, "data/train.jsonl", candidate, start=repository.path, into=tmp_path / "new")
        assert found.read_text() == "rows of the proposal"
        with pytest.raises(ConfigError, match="data/train.jsonl: the commit .* holds no such file"):
            file_at(loaded, "data/train.jsonl", main, start=repository.path, into=tmp_path / "old")


def test_holds_config__a_commit_without_one(repository: Repository) -> None:
    main = repository.git("rev-parse", "main")
    assert holds_config(Path("gate.yaml"), main, start=repository.path)
    assert not holds_config(Path("ml/gate.yaml"), main, start=repository.path)


def test_trusted_config__outside_a_repository(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no git repository"), trusted_config(Path("x.yaml"), "main", start=tmp_path):
        pass


def test_trusted_config__paths_that_never_work_in_a_commit_are_errors_of_the_configuration(
    repository: Repository,
) -> None:
    repository.write("gate.yaml", CONFIG.replace("evals/facts.jsonl", "/data/facts.jsonl"))
    repository.commit()
    with (
        trusted_config(Path("gate.yaml"), "main", start=repository.path) as loaded,
        pytest.raises(ConfigError, match="absolute path"),
    ):
        changed_in(loaded, loaded.commit or "", began=[], start=repository.path)
