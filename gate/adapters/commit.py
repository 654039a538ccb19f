"""An adapter or a model as a commit holds it, brought to a folder without checking the commit out.

What is in production is often the same path at an older tag; what a pull request proposes is a commit that nobody has
read yet. So only plain files leave the commit, sizes are known before anything is fetched or written, and git-LFS
objects are verified. Must not know what makes an adapter sound; `gate.adapters.folder` does.
"""

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from gate import wording
from gate.adapters.checklist import refusal
from gate.adapters.committed_file import Stored, fetch_absent, is_here, stored, write
from gate.adapters.locate import WEIGHTS_FILE, locate
from gate.adapters.peft_config import CONFIG_FILE
from gate.errors import AdapterRefused, BrokenRun
from gate.transport.git import Entry, all_files, entry_at, list_folder, repository_path, resolve_commit
from gate.transport.git_lfs import lfs_folder
from gate.transport.git_paths import nearest_folder

LARGEST_ADAPTER_GIB = 4
LARGEST_MODEL_GIB = 512
MOST_FILES = 200
MOST_MODEL_FILES = 1_000
LARGEST_OTHER_MIB = 64
"""Other files than configuration and weights are brought along up to this size."""
MODEL_FILES = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")
"""What a model is made of: weights, configuration and tokenizer. Pickled weights and code stay in the commit."""

_GIB = 1024**3
_MIB = 1024**2
_NEEDED = (CONFIG_FILE, WEIGHTS_FILE)
_MODEL_CONFIG = "config.json"
_SUGGESTIONS = 3
_COMPARED_AT_MOST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Files that were taken out of a commit."""

    path: Path
    """Where they are now."""
    commit: str
    """The full id that the ref stood for."""
    note: str | None
    """Which of several folders was taken; None: there was no choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where the files are, and how messages call it."""

    folder: Path
    ref: str
    commit: str
    path: str
    """From the top of the repository; empty for the top."""

    def __str__(self) -> str:
        return f"{self.path or '.'} at {self.ref}"

    def below(self, name: str) -> str:
        """The path of what is in it, from the top of the repository."""
        return "/".join(part for part in (self.path, name) if part)


def adapter_at(folder: Path, written: str, ref: str, *, into: Path) -> Taken:
    """Write an adapter's files, as they were committed, into a folder.

    Files in sub-folders and files over 64 MiB that are neither configuration nor weights are left where they are; so
    are other files whose git-LFS object is not here. If the folder itself holds no adapter, a sub-folder or the latest
    checkpoint that does is taken instead.

    Args:
        folder: The folder that `written` starts from, inside the repository.
        written: The adapter's folder, as configured.
        ref: A tag, branch or commit.
        into: An empty folder that belongs to the caller; the files in it become readable only.

    Raises:
        UsageError: There is no git or no repository, or the ref is unknown.
        AdapterRefused: The commit holds no adapter there, or one with links, submodules, too many or too large files,
            or git-LFS objects that cannot be had or are not what their pointers say.
        BrokenRun: Git could not read a file, an object could not be fetched, or a file could not be written.
    """
    place = _place(folder, written, ref)
    _listed(place)
    within, note = locate(str(place), _names(place, "file"), _names(place, "folder"))
    place = _Place(folder=folder, ref=ref, commit=place.commit, path=place.below(within))
    entries = _plain_files(
        place, _NEEDED, "Commit what PEFT's save_pretrained(folder, safe_serialization=True) writes."
    )
    if len(entries) > MOST_FILES:
        raise refusal("P32", f"{place}: {len(entries):,} files, an adapter may have {MOST_FILES}")
    store = lfs_folder(folder)
    chosen = tuple(_of_adapter(place, entries, store))
    _check_size(place, chosen, "an adapter", largest_gib=LARGEST_ADAPTER_GIB)
    return _take(place, chosen, into, note=note)


def model_at(folder: Path, written: str, ref: str, *, into: Path) -> Taken:
    """Write a whole model's files, as they were committed, into a folder.

    Configuration, tokenizer and safetensors weights are taken; sub-folders, pickled weights and code stay behind.

    Args:
        folder: The folder that `written` starts from, inside the repository.
        written: The model's folder, as configured.
        ref: A tag, branch or commit.
        into: An empty folder that belongs to the caller; the files in it become readable only.

    Raises:
        UsageError: As `adapter_at`.
        AdapterRefused: As `adapter_at`.
        BrokenRun: As `adapter_at`.
    """
    place = _place(folder, written, ref)
    listed = _plain_files(place, (_MODEL_CONFIG,), "Name the folder of a saved model.")
    entries = [entry for entry in listed if any(fnmatchcase(entry.name, pattern) for pattern in MODEL_FILES)]
    if len(entries) > MOST_MODEL_FILES:
        raise refusal("P32", f"{place}: {len(entries):,} files, a model may have {MOST_MODEL_FILES:,}")
    chosen = tuple(stored(str(place), folder, entry) for entry in entries)
    _check_size(place, chosen, "a model", largest_gib=LARGEST_MODEL_GIB)
    return _take(place, chosen, into, note=None)


def is_folder_at(folder: Path, written: str, ref: str) -> bool:
    """Whether a commit holds a folder of that name, not followed if it is a link.

    Raises:
        UsageError: As `adapter_at`.
        AdapterRefused: The path is absolute or leads out of the repository.
    """
    place = _place(folder, written, ref)
    return list_folder(folder, place.commit, place.path) is not None


def _place(folder: Path, written: str, ref: str) -> _Place:
    # The folder need not be checked out; then its own path from one that is comes before what is written.
    here = nearest_folder(folder)
    missing = folder.absolute().relative_to(here)
    commit = resolve_commit(here, ref)
    return _Place(folder=here, ref=ref, commit=commit, path=_path(here, str(PurePosixPath(missing, written))))


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
            raise AdapterRefused(
                f"{written}: leads out of the repository, so no commit holds it",
                fix="Name a folder inside the repository.",
            )
    return "/".join(parts)


def _names(place: _Place, kind: str) -> Callable[[str], Sequence[str]]:
    def names(below: str) -> Sequence[str]:
        # A link counts as the file that it pretends to be, so that it is refused by its name and not called absent.
        kinds = {kind, "link"} if kind == "file" else {kind}
        listed = list_folder(place.folder, place.commit, place.below(below)) or ()
        return sorted(entry.name for entry in listed if entry.kind in kinds)

    return names


def _listed(place: _Place) -> tuple[Entry, ...]:
    listed = list_folder(place.folder, place.commit, place.path)
    if listed is None:
        raise _no_folder(place)
    return listed


def _plain_files(place: _Place, needed: Sequence[str], advice: str) -> tuple[Entry, ...]:
    """List the files of a folder; refuse what is not a file or a sub-folder."""
    listed = _listed(place)
    missing = [name for name in needed if name not in {entry.name for entry in listed if entry.kind != "folder"}]
    if missing:
        raise refusal("P02", f"{place}: the commit holds no {wording.listing(missing)} there", fix=advice)
    for entry in listed:
        if entry.kind not in {"file", "folder"}:
            kind = {"link": "a symbolic link", "submodule": "a submodule"}.get(entry.kind, "neither file nor folder")
            raise refusal(
                "P32",
                f"{place}: {entry.name!r:.80} is {kind}; only plain files are read from a commit",
                fix="Commit the file itself.",
            )
    return tuple(entry for entry in listed if entry.kind == "file")


def _no_folder(place: _Place) -> AdapterRefused:
    entry = entry_at(place.folder, place.commit, place.path)
    match entry.kind if entry else None:
        case "file":
            return refusal("P02", f"{place}: a file; name the folder")
        case "link":
            return refusal("P32", f"{place}: a symbolic link, which is not followed; name the folder itself")
        case "submodule":
            return refusal("P32", f"{place}: a submodule, whose files are in another repository")
        case _:
            return refusal("P02", f"{place}: the commit holds no such folder", fix=_near(place))


def _near(place: _Place) -> str:
    suffix = f"/{CONFIG_FILE}"
    adapters = [path.removesuffix(suffix) for path in all_files(place.folder, place.commit) if path.endswith(suffix)]
    if not adapters:
        return f"It holds no {CONFIG_FILE} in any folder: was the adapter committed later?"
    near = difflib.get_close_matches(place.path, adapters[:_COMPARED_AT_MOST], n=_SUGGESTIONS, cutoff=0.0)
    return f"Adapters in that commit, from the top of the repository: {', '.join(f'{path!r:.120}' for path in near)}."


def _of_adapter(place: _Place, entries: Sequence[Entry], store: Path) -> Iterator[Stored]:
    """Yield what is to be written, having read nothing but git-LFS pointers."""
    for entry in entries:
        file = stored(str(place), place.folder, entry)
        if entry.name not in _NEEDED and (file.size > LARGEST_OTHER_MIB * _MIB or not is_here(file, store)):
            continue
        yield file


def _check_size(place: _Place, chosen: Sequence[Stored], what: str, *, largest_gib: int) -> None:
    total = sum(file.size for file in chosen)
    if total > largest_gib * _GIB:
        raise refusal("P32", f"{place}: the files have {total / _GIB:,.1f} GiB, {what} may have {largest_gib} GiB")


def _take(place: _Place, chosen: Sequence[Stored], into: Path, *, note: str | None) -> Taken:
    store = lfs_folder(place.folder)
    for file in chosen:
        if not is_here(file, store):
            fetch_absent(str(place), place.folder, (place.commit, place.below(file.entry.name)), file=file, store=store)
    try:
        for file in chosen:
            write(str(place), place.folder, file, store=store, target=into / file.entry.name)
    except OSError as problem:
        raise BrokenRun(f"{into}: {place} cannot be written there: {problem.strerror or problem}.") from None
    return Taken(path=into, commit=place.commit, note=note)
