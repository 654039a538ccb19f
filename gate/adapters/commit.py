"""An adapter as a commit holds it, brought to a folder without checking the commit out.

What is in production is often the same path at an older tag; what a pull request proposes is a commit that nobody has
read yet. So only plain files leave the commit, sizes are known before anything is written, and git-LFS objects come
from the local store and are verified. Must not know what makes an adapter sound; `gate.adapters.folder` does.
"""

import difflib
import hashlib
import os
import re
import shlex
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gate import wording
from gate.adapters.locate import WEIGHTS_FILE
from gate.adapters.peft_config import CONFIG_FILE
from gate.errors import AdapterRefused, BrokenRun
from gate.transport.git import (
    Entry,
    all_files,
    copy_file,
    entry_at,
    lfs_folder,
    list_folder,
    read_file,
    repository_path,
    resolve_commit,
)

LARGEST_ADAPTER_GIB = 4
MOST_FILES = 200
LARGEST_OTHER_MIB = 64
"""Other files than configuration and weights are brought along up to this size."""

_GIB = 1024**3
_MIB = 1024**2
_CHUNK_BYTES = 1024**2
_NEEDED = (CONFIG_FILE, WEIGHTS_FILE)
_SUGGESTIONS = 3
_COMPARED_AT_MOST = 1000

_POINTER_MARK = b"version https://git-lfs.github.com/spec/v1"
_LARGEST_POINTER_BYTES = 1024
_POINTER = re.compile(re.escape(_POINTER_MARK) + rb"\noid sha256:([0-9a-f]{64})\nsize (0|[1-9][0-9]{0,14})\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where the adapter is, and how messages call it."""

    folder: Path
    ref: str
    commit: str
    path: str
    """From the top of the repository; empty for the top."""

    def __str__(self) -> str:
        return f"{self.path or '.'} at {self.ref}"

    def file(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """A file that is to be written: what git holds, and the git-LFS object that this stands for."""

    entry: Entry
    size: int
    """In bytes, of what is written."""
    sha256: str | None
    """Of the git-LFS object, hexadecimal; None for a file that git holds itself."""


def adapter_at(folder: Path, written: str, ref: str, *, into: Path) -> Path:
    """Write an adapter's files, as they were committed, into a folder.

    Files in sub-folders, such as checkpoints, and files over 64 MiB that are neither configuration nor weights are left
    where they are; so are other files whose git-LFS object is not here.

    Args:
        folder: The folder that `written` starts from, inside the repository.
        written: The adapter's folder, as configured.
        ref: A tag, branch or commit.
        into: An empty folder that belongs to the caller; the files in it become readable only.

    Returns:
        `into`.

    Raises:
        UsageError: There is no git or no repository, or the ref is unknown.
        AdapterRefused: The commit holds no adapter there, or one with links, submodules, too many or too large files,
            or git-LFS objects that are absent or not what their pointers say.
        BrokenRun: Git could not read a file, or it could not be written.
    """
    commit = resolve_commit(folder, ref)
    place = _Place(folder=folder, ref=ref, commit=commit, path=_path(folder, written))
    entries = _plain_files(place)
    store = lfs_folder(folder)
    chosen = tuple(_chosen(place, entries, store))
    total = sum(file.size for file in chosen)
    if total > LARGEST_ADAPTER_GIB * _GIB:
        raise AdapterRefused(
            f"{place}: the files have {total / _GIB:,.1f} GiB, an adapter may have {LARGEST_ADAPTER_GIB} GiB"
        )
    try:
        for file in chosen:
            _write(place, file, store, into / file.entry.name)
    except OSError as problem:
        raise BrokenRun(f"{into}: {place} cannot be written there: {problem.strerror or problem}.") from None
    return into


def _path(folder: Path, written: str) -> str:
    """Put a configured path behind the folder's own, and resolve `..` by name: a commit's links are not followed."""
    if PurePosixPath(written).is_absolute():
        raise AdapterRefused(
            f"{written}: an absolute path cannot be read from a commit", fix="Write it relative to gate.yaml."
        )
    parts: list[str] = []
    for part in PurePosixPath(repository_path(folder), written).parts:
        if part != "..":
            parts.append(part)
        elif parts:
            parts.pop()
        else:
            raise AdapterRefused(f"{written}: leads out of the repository, so no commit holds it")
    return "/".join(parts)


def _plain_files(place: _Place) -> tuple[Entry, ...]:
    """List the files of the adapter's folder; refuse what is not a file or a sub-folder."""
    listed = list_folder(place.folder, place.commit, place.path)
    if listed is None:
        raise _no_folder(place)
    missing = [name for name in _NEEDED if name not in {entry.name for entry in listed if entry.kind != "folder"}]
    if missing:
        raise AdapterRefused(
            f"{place}: the commit holds no {wording.listing(missing)} there",
            fix="Commit what PEFT's save_pretrained(folder, safe_serialization=True) writes.",
        )
    for entry in listed:
        if entry.kind not in {"file", "folder"}:
            kind = {"link": "a symbolic link", "submodule": "a submodule"}.get(entry.kind, "neither file nor folder")
            raise AdapterRefused(
                f"{place}: {entry.name!r:.80} is {kind}; only plain files are read from a commit",
                fix="Commit the file itself.",
            )
    files = tuple(entry for entry in listed if entry.kind == "file")
    if len(files) > MOST_FILES:
        raise AdapterRefused(f"{place}: {len(files):,} files, an adapter may have {MOST_FILES}")
    return files


def _no_folder(place: _Place) -> AdapterRefused:
    entry = entry_at(place.folder, place.commit, place.path)
    match entry.kind if entry else None:
        case "file":
            return AdapterRefused(f"{place}: a file; name the adapter's folder")
        case "link":
            return AdapterRefused(f"{place}: a symbolic link, which is not followed; name the folder itself")
        case "submodule":
            return AdapterRefused(f"{place}: a submodule, whose files are in another repository")
        case _:
            return AdapterRefused(f"{place}: the commit holds no such folder", fix=_near(place))


def _near(place: _Place) -> str:
    suffix = f"/{CONFIG_FILE}"
    adapters = [path.removesuffix(suffix) for path in all_files(place.folder, place.commit) if path.endswith(suffix)]
    if not adapters:
        return f"It holds no {CONFIG_FILE} in any folder: was the adapter committed later?"
    near = difflib.get_close_matches(place.path, adapters[:_COMPARED_AT_MOST], n=_SUGGESTIONS, cutoff=0.0)
    return f"Adapters in that commit, from the top of the repository: {', '.join(f'{path!r:.120}' for path in near)}."


def _chosen(place: _Place, entries: Sequence[Entry], store: Path) -> Iterator[_Stored]:
    """Yield what is to be written, having read nothing but git-LFS pointers."""
    for entry in entries:
        needed = entry.name in _NEEDED
        file = _stored(place, entry)
        if not needed and file.size > LARGEST_OTHER_MIB * _MIB:
            continue
        if file.sha256 is not None and not _object(store, file.sha256).is_file():
            if not needed:
                continue
            path = shlex.quote(place.file(entry.name))
            raise AdapterRefused(
                f"{place}: {entry.name} is in git LFS, and its {file.size / 1e6:,.1f} MB are not on this machine",
                fix=f"Run: git lfs fetch origin {shlex.quote(place.ref)} -I {path}",
            )
        yield file


def _stored(place: _Place, entry: Entry) -> _Stored:
    size = entry.size or 0
    content = read_file(place.folder, entry) if size <= _LARGEST_POINTER_BYTES else b""
    if not content.startswith(_POINTER_MARK):
        return _Stored(entry=entry, size=size, sha256=None)
    pointer = _POINTER.fullmatch(content)
    if pointer is None:
        raise AdapterRefused(
            f"{place}: {entry.name!r:.80} begins like a git-LFS pointer but is none", fix="Commit the file again."
        )
    return _Stored(entry=entry, size=int(pointer[2]), sha256=pointer[1].decode("ascii"))


def _object(store: Path, sha256: str) -> Path:
    return store / "objects" / sha256[:2] / sha256[2:4] / sha256


def _write(place: _Place, file: _Stored, store: Path, target: Path) -> None:
    # O_EXCL: a name that the file system takes for one that is there already ends here, as a link does.
    with os.fdopen(
        os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH), "wb"
    ) as opened:
        if file.sha256 is None:
            copy_file(place.folder, file.entry, opened)
            return
        digest, size = hashlib.sha256(), 0
        with _object(store, file.sha256).open("rb") as source:
            while size <= file.size and (chunk := source.read(min(_CHUNK_BYTES, file.size + 1 - size))):
                digest.update(chunk)
                opened.write(chunk)
                size += len(chunk)
    if size != file.size or digest.hexdigest() != file.sha256:
        target.unlink()
        wrong = f"{file.size:,} bytes" if size != file.size else "the SHA-256 sum"
        raise AdapterRefused(
            f"{place}: {file.entry.name!r:.80} in the git-LFS store does not have {wrong} that its pointer promises",
            fix="Remove the object and fetch it again, or find out who wrote the pointer.",
        )
