"""Passwords and tokens that a clone keeps."""

from pathlib import Path

import pytest
from action_repository import Repository

from gate.transport.git_credentials import stored_credentials

pytest_plugins = ["repository_fixtures"]


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("http.https://github.com/.extraheader", "AUTHORIZATION: basic eDp5", True),
        ("http.https://github.com/.extraheader", "X-Trace: 1", False),
        ("remote.origin.url", "https://user:word@example.org/a/b", True),
        ("remote.origin.url", "https://ghp_abc@github.com/a/b", True),
        ("remote.origin.url", "https://someone@example.org/a/b", False),
        ("remote.origin.url", "ssh://git@example.org/a/b", False),
        ("remote.origin.url", "git@example.org:a/b", False),
        ("url.https://x:word@example.org/.insteadOf", "https://example.org/", True),
        ("remote.origin.pushurl", "https://x:word@example.org/a", True),
    ],
)
def test_stored_credentials__named_but_never_shown(clone: Repository, name: str, value: str, found: bool) -> None:
    clone.git("config", name, value)
    told = stored_credentials(clone.path)
    assert (told is not None) is found
    assert "word" not in (told or "")


@pytest.mark.parametrize("place", ["matching", "other condition", "submodule"])
def test_stored_credentials__in_files_beside_the_configuration(clone: Repository, tmp_path: Path, place: str) -> None:
    kept = '[http "https://github.com/"]\n\textraheader = AUTHORIZATION: basic eDp5\n'
    file = tmp_path / "git-credentials.config"
    if place == "submodule":
        file = clone.path / ".git" / "modules" / "deep" / "one" / "config"
        file.parent.mkdir(parents=True)
    else:
        folder = clone.path / ".git" if place == "matching" else Path("/github/workspace/.git")
        clone.git("config", f"includeIf.gitdir:{folder}.path", str(file))
    assert stored_credentials(clone.path) is None
    file.write_text(kept)
    assert stored_credentials(clone.path) == "http.https://github.com/.extraheader"


def test_stored_credentials__files_that_include_each_other(clone: Repository, tmp_path: Path) -> None:
    file = tmp_path / "loop.config"
    file.write_text(f"[include]\n\tpath = {file}\n")
    clone.git("config", "includeIf.gitdir:/nowhere/.path", str(file))
    assert stored_credentials(clone.path) is None
