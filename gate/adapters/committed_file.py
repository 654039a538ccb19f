"""One file of a commit: whether git or git-LFS keeps it, how large it is, and its verified content.

Must not know which files make an adapter or a model.
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from gate.adapters.checklist import refusal
from gate.errors import UsageError
from gate.transport.git import Entry, copy_file, read_file
from gate.transport.git_lfs import LARGEST_POINTER_BYTES, fetch_objects, is_pointer, object_path, read_pointer

_CHUNK_BYTES = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A file that is to be written: what git holds, and the git-LFS object that this stands for."""

    entry: Entry
    size: int
    """In bytes, of what is written."""
    sha256: str | None
    """Of the git-LFS object, hexadecimal; None for a file that git holds itself."""


def stored(place: str, folder: Path, entry: Entry) -> Stored:
    """See what a file of a commit stands for.

    Raises:
        AdapterRefused: A git-LFS pointer that is none.
    """
    size = entry.size or 0
    content = read_file(folder, entry) if size <= LARGEST_POINTER_BYTES else b""
    if not is_pointer(content):
        return Stored(entry=entry, size=size, sha256=None)
    pointer = read_pointer(content)
    if pointer is None:
        raise refusal(
            "P01",
            f"{place}: {entry.name!r:.80} begins like a git-LFS pointer but is none",
            fix="Commit the file again.",
        )
    return Stored(entry=entry, size=pointer.size, sha256=pointer.sha256)


def is_here(file: Stored, store: Path) -> bool:
    """Whether its content is on this machine."""
    return file.sha256 is None or object_path(store, file.sha256).is_file()


def fetch_absent(place: str, folder: Path, where: tuple[str, str], *, file: Stored, store: Path) -> None:
    """Fetch a git-LFS object.

    Args:
        place: What messages call the folder of the file.
        folder: Inside the repository.
        where: The commit, and the file's path from the top of the repository.
        file: The file; how large it is was seen before.
        store: Where git-LFS keeps objects.

    Raises:
        AdapterRefused: It cannot be had.
        BrokenRun: The remote cannot be reached.
    """
    try:
        fetch_objects(folder, *where)
    except UsageError as problem:
        size = f"its {file.size / 1e6:,.1f} MB are not on this machine"
        raise refusal("P01", f"{place}: {file.entry.name!r:.80}: {size}: {problem.message}", fix=problem.fix) from None
    if not is_here(file, store):
        raise refusal(
            "P01",
            f"{place}: {file.entry.name!r:.80} is in git LFS; the remote gave none of its {file.size / 1e6:,.1f} MB",
            fix="Run `git lfs push` where it was made.",
        )


def write(place: str, folder: Path, file: Stored, *, store: Path, target: Path) -> None:
    """Write a file's content, verified against the pointer, to a place where nothing is yet.

    Raises:
        AdapterRefused: The git-LFS object is not what its pointer says.
        OSError: It cannot be written.
    """
    # O_EXCL: a name that the file system takes for one that is there already ends here, as a link does.
    with os.fdopen(
        os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH), "wb"
    ) as opened:
        if file.sha256 is None:
            copy_file(folder, file.entry, opened)
            return
        digest, size = hashlib.sha256(), 0
        with object_path(store, file.sha256).open("rb") as source:
            while size <= file.size and (chunk := source.read(min(_CHUNK_BYTES, file.size + 1 - size))):
                digest.update(chunk)
                opened.write(chunk)
                size += len(chunk)
    if size != file.size or digest.hexdigest() != file.sha256:
        target.unlink()
        wrong = f"{file.size:,} bytes" if size != file.size else "the SHA-256 sum"
        raise refusal(
            "P01",
            f"{place}: {file.entry.name!r:.80} in the git-LFS store does not have {wrong} that its pointer promises",
            fix="Remove the object and fetch it again, or find out who wrote the pointer.",
        )
