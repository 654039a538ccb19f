"""What a clone knows of how commits hang together and of its remote branches.

Nothing is fetched: a shallow clone simply knows less. This module must not know what is judged or why.
"""

import re
from pathlib import Path

from gate.transport.git import ask

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


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
