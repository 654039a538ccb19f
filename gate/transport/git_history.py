"""What a clone knows of how commits hang together and of its remote branches.

Nothing is fetched: a shallow clone simply knows less. This module must not know what is judged or why.
"""

from pathlib import Path
from urllib.parse import urlsplit

from gate.transport.commit_id import is_full_id
from gate.transport.git import ask


def known_commit(folder: Path, object_id: str) -> str | None:
    """The commit that the full id of a commit or of a tag stands for; None if the clone does not have it."""
    found = ask(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{object_id}^{{commit}}")
    return found if found is not None and is_full_id(found) else None


def is_cloned_from(folder: Path, server_url: str, repository: str) -> bool:
    """Whether `origin` is a repository, by the address that the clone knows it by: https, ssh or `git@HOST:`.

    Args:
        folder: Inside the clone.
        server_url: Where people look, for example `https://github.com`.
        repository: `owner/name`.
    """
    address = ask(folder, "config", "--get", "remote.origin.url") or ""
    if "://" not in address:  # scp's way: user@host:path
        address = f"ssh://{address.replace(':', '/', 1)}"
    try:
        server, origin = urlsplit(server_url), urlsplit(address)
    except ValueError:
        return False
    named = origin.path.strip("/").removesuffix(".git")
    wanted = f"{server.path.strip('/')}/{repository}".strip("/")
    return origin.hostname == server.hostname is not None and named.lower() == wanted.lower()


def remote_tip(folder: Path, branch: str) -> str | None:
    """Where a branch of `origin` pointed to when it was last fetched; None if the clone does not know it."""
    tip = ask(folder, "show-ref", "--verify", "--hash", f"refs/remotes/origin/{branch}")
    return tip if tip is not None and is_full_id(tip) else None


def merge_bases(folder: Path, one: str, other: str) -> tuple[str, ...]:
    """The best common ancestors of two commits in the clone.

    Several, in no order that means anything, if each side has merged a part of the other; none if they are not in the
    clone, as in a shallow one.
    """
    found = (ask(folder, "merge-base", "--all", one, other) or "").splitlines()
    return tuple(commit for commit in found if is_full_id(commit))
