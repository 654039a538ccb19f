"""What a clone knows of how commits hang together, of its remote branches and of its own credentials.

Nothing is fetched: a shallow clone simply knows less. This module must not know what is judged or why.
"""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from gate.errors import UsageError
from gate.transport.git import ask, repository_path

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_TOKEN_NAME = re.compile(r"gh[a-z]_|github_pat_|x-access-token|oauth2", re.IGNORECASE)
_MOST_FILES = 1_000


def outermost_repository(path: Path, start: Path) -> tuple[Path, str]:
    """Find the repository that a path belongs to, by names alone: neither the path nor a link on it is followed.

    Of several, one inside the other, the outermost counts: what a checkout holds, a submodule for example, cannot
    make a path mean a file of another repository.

    Args:
        path: A file, which need not exist.
        start: A folder on the way to it, from which on nobody is trusted; a path that leaves it starts at its own
            folder.

    Returns:
        The top of the repository, and the path of the file from there, without `.` and `..`.

    Raises:
        UsageError: There is no git or no repository, or a folder on the way within it is a link.
    """
    # The folders above `start` may be links: they are not part of any commit.
    start = start.resolve()
    whole = Path(os.path.normpath(start / path))
    if not whole.is_relative_to(start):
        here = nearest_folder(whole.parent)
        start = here.resolve()
        whole = start / whole.relative_to(here)
    steps = [start / part for part in reversed(whole.parent.relative_to(start).parents)]
    steps.append(whole.parent)
    within = next((folder for folder in steps if folder.is_dir() and _is_inside(folder)), start)
    prefix = repository_path(within)
    link = next((folder for folder in steps if folder.is_symlink() and folder != within), None)
    if link is not None and link.is_relative_to(within):
        raise UsageError(
            f"{link.relative_to(within)}: a symbolic link in the checkout, which is not followed",
            fix="Name the configuration by its own path.",
        )
    top = Path(ask(within, "rev-parse", "--show-toplevel") or within)
    return top, f"{prefix}{whole.relative_to(within).as_posix()}"


def nearest_folder(folder: Path) -> Path:
    """A folder, or where it is not checked out the nearest above it that is; absolute."""
    return next(one for one in (folder.absolute(), *folder.absolute().parents) if one.is_dir())


def known_commit(folder: Path, object_id: str) -> str | None:
    """The commit that the full id of a commit or of a tag stands for; None if the clone does not have it."""
    found = ask(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{object_id}^{{commit}}")
    return found if found is not None and _COMMIT.fullmatch(found) else None


def remote_tip(folder: Path, branch: str) -> str | None:
    """Where a branch of `origin` pointed to when it was last fetched; None if the clone does not know it."""
    tip = ask(folder, "show-ref", "--verify", "--hash", f"refs/remotes/origin/{branch}")
    return tip if tip is not None and _COMMIT.fullmatch(tip) else None


def merge_base(folder: Path, one: str, other: str) -> str | None:
    """The best common ancestor of two commits in the clone; None if it is not there, as in a shallow clone."""
    found = ask(folder, "merge-base", one, other)
    return found if found is not None and _COMMIT.fullmatch(found) else None


def stored_credentials(folder: Path) -> str | None:
    """The setting of git that holds a password or a token for this clone; None if there is none.

    Files that the clone's settings include are read whatever their condition says: a process that can read this can
    read them. So are those of submodules.
    """
    common = ask(folder, "rev-parse", "--git-common-dir")
    modules = sorted((folder / common / "modules").rglob("config")) if common is not None else []
    sources: list[tuple[str, ...]] = [("--includes",), *(("--file", str(file)) for file in modules[:_MOST_FILES])]
    for source in sources:
        listing = ask(folder, "config", *source, "--list", "-z")
        for name, _, value in (entry.partition("\n") for entry in (listing or "").split("\0")):
            if _is_secret(name, value):
                return re.sub(r"(?<=//)[^/@]*@", "", name)
            more = ("--file", value)
            if re.fullmatch(r"include(if\..*)?\.path", name) and Path(value).is_absolute() and more not in sources:
                sources.append(more)
    return None


def _is_secret(name: str, value: str) -> bool:
    if name.startswith("http.") and name.endswith(".extraheader"):
        return "authorization" in value.lower()
    # A password stands in an address as well, on either side of a rewriting.
    addresses = [name.removeprefix("url."), value] if name.startswith("url.") else [value]
    if not name.endswith((".url", ".pushurl", ".lfsurl", ".insteadof", ".pushinsteadof", ".proxy")):
        return False
    for address in addresses:
        try:
            parts = urlsplit(address)
        except ValueError:
            continue
        if parts.password or (parts.scheme in ("http", "https") and _TOKEN_NAME.match(parts.username or "")):
            return True
    return False


def _is_inside(folder: Path) -> bool:
    return ask(folder, "rev-parse", "--show-prefix") is not None
