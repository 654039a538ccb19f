"""Which repository a path belongs to, decided by names alone.

Nothing that a commit brought, neither a link nor a repository within, can make a path mean a file elsewhere. This
module must not know what the files mean.
"""

import os
from pathlib import Path, PurePosixPath

from gate.errors import UsageError
from gate.transport.git import ask, repository_path


def outermost_repository(path: Path, start: Path) -> tuple[Path, str]:
    """Find the repository that a path belongs to, by names alone: neither the path nor a link on it is followed.

    Of several, one inside the other, the outermost counts: what a checkout holds, a submodule for example, cannot
    make a path mean a file of another repository.

    Args:
        path: A file or folder, which need not exist.
        start: A folder on the way to it, from which on nobody is trusted; a path that leaves it starts at its own
            folder.

    Returns:
        The top of the repository, and the path from there, without `.` and `..`; empty for the top itself.

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
    steps = [start / part for part in (*reversed(whole.relative_to(start).parents), whole.relative_to(start))]
    within = next((folder for folder in steps if folder.is_dir() and _is_inside(folder)), start)
    prefix = repository_path(within)
    link = next((folder for folder in steps if folder.is_symlink() and folder not in {within, whole}), None)
    if link is not None and link.is_relative_to(within):
        raise UsageError(
            f"{link.relative_to(within)}: a symbolic link in the checkout, which is not followed",
            fix="Name the configuration by its own path.",
        )
    top = Path(ask(within, "rev-parse", "--show-toplevel") or within)
    return top, "/".join(PurePosixPath(prefix, whole.relative_to(within)).parts)


def nearest_folder(folder: Path) -> Path:
    """A folder, or where it is not checked out the nearest above it that is; absolute."""
    return next(one for one in (folder.absolute(), *folder.absolute().parents) if one.is_dir())


def _is_inside(folder: Path) -> bool:
    return ask(folder, "rev-parse", "--show-prefix") is not None
