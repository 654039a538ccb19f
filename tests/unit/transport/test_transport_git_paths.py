"""Which repository a path belongs to."""

from pathlib import Path

import pytest
from action_repository import Repository

from gate.errors import UsageError
from gate.transport.git_paths import nearest_folder, outermost_repository

pytest_plugins = ["repository_fixtures"]


def test_outermost_repository__by_names_alone(clone: Repository, tmp_path: Path) -> None:
    top = clone.path
    assert outermost_repository(Path("a/../b/gate.yaml"), top) == (top, "b/gate.yaml")
    (top / "sub").mkdir()
    assert outermost_repository(Path("gate.yaml"), top / "sub") == (top, "sub/gate.yaml")
    assert outermost_repository(top / "gone" / "gate.yaml", tmp_path / "elsewhere") == (top, "gone/gate.yaml")
    assert outermost_repository(Path("ws/gate.yaml"), tmp_path) == (top, "gate.yaml")
    with pytest.raises(UsageError, match="no git repository"):
        outermost_repository(Path("gate.yaml"), tmp_path)


def test_outermost_repository__a_path_can_be_the_repository_itself(clone: Repository, tmp_path: Path) -> None:
    top = clone.path
    assert outermost_repository(Path(), top) == (top, "")
    assert outermost_repository(Path("ws"), tmp_path) == (top, "")
    (top / "sub" / ".hidden").mkdir(parents=True)
    assert outermost_repository(Path(), top / "sub") == (top, "sub")
    assert outermost_repository(Path(".hidden"), top / "sub") == (top, "sub/.hidden")
    # A repository within, such as a submodule, is no top.
    within = Repository(top / "sub")
    within.git("init", "-q")
    assert outermost_repository(Path("sub"), top) == (top, "sub")
    with pytest.raises(UsageError, match="no git repository"):
        outermost_repository(Path("/"), top)


def test_outermost_repository__above_it_links_are_nobody_elses(clone: Repository, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(clone.path)
    assert outermost_repository(Path("gate.yaml"), tmp_path / "link") == (clone.path, "gate.yaml")
    assert outermost_repository(tmp_path / "link" / "gate.yaml", Path.cwd()) == (clone.path, "gate.yaml")


def test_nearest_folder__of_what_is_not_there(tmp_path: Path) -> None:
    assert nearest_folder(tmp_path / "a" / "b") == tmp_path
    assert nearest_folder(tmp_path) == tmp_path
