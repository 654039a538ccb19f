"""What in a commit points elsewhere: symbolic links and submodules, anywhere in it.

Such an entry stays the same while what it points to is changed. This module must not know what the files mean.
"""

from pathlib import Path
from typing import Literal

from gate.transport.git import Entry, ask

_KINDS: dict[str, Literal["link", "submodule"]] = {"120000": "link", "160000": "submodule"}


def pointing_entries(folder: Path, commit: str) -> tuple[Entry, ...]:
    """The links and submodules of a commit, each under its path from the top of the repository.

    Args:
        folder: Inside the repository.
        commit: A full id.

    Raises:
        UsageError: The clone lacks the commit's folders.
        BrokenRun: Git did not answer in time.
    """
    found = []
    for record in (ask(folder, "ls-tree", "-r", "-z", "--full-tree", commit) or "").split("\0"):
        facts, _, path = record.partition("\t")
        mode, _, object_id = facts.partition(" ")
        if kind := _KINDS.get(mode):
            found.append(Entry(name=path, kind=kind, object_id=object_id.rpartition(" ")[2], size=None))
    return tuple(found)
