"""Which adapters a commit changed: every one of them gets a round, what did not change gets none.

Folders are compared by the ids that git gives their content; no file is read. Must not know events.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gate.adapters.locate import CHECKPOINT, PICKLE_FILE, WEIGHTS_FILE
from gate.adapters.peft_config import CONFIG_FILE
from gate.errors import UsageError
from gate.transport.commit_id import short_id
from gate.transport.git import Entry, all_files, entry_at, read_file
from gate.transport.git_links import pointing_entries

_LONGEST_TARGET_BYTES = 4096  # Linux knows no longer path
_MODEL_CONFIG = "config.json"
_ADAPTER_FILES = frozenset({CONFIG_FILE, WEIGHTS_FILE, PICKLE_FILE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The adapters at or below a path."""

    several: bool
    """Whether the path holds several adapters, of which it may be one itself."""
    changed: tuple[str, ...]
    """Paths from the top of the repository; the path itself unless there are several."""
    removed: tuple[str, ...]


def find_adapters(top: Path, path: str, candidate: str, *, before: Sequence[str]) -> Found:
    """Look what became of the adapters at or below a path.

    Args:
        top: The top of the repository.
        path: From there, to an adapter or to a folder that holds several.
        candidate: The full id of the judged commit.
        before: The full ids of the commits that it is compared with; none: everything counts as changed.

    Raises:
        UsageError: No adapter is there and none was; or the path is, or leads through, a link or a submodule, or below
            it an adapter can be behind one; or the clone lacks a commit's folders; or a changed adapter has a name that
            cannot be written down.
        BrokenRun: Git did not answer in time.
    """
    refuse_links(top, path, candidate)
    files = all_files(top, candidate)
    _refuse_hidden(top, path, candidate, files=frozenset(files))
    now = _adapters(files, path)
    then = sorted({name for commit in before for name in _adapters(all_files(top, commit), path)})
    if not now and not then:
        raise _nothing_there(path, candidate, "an adapter")
    if now == [""] or len({*now, *then}) < 2:
        differs = has_changed(top, path, candidate, before=before)
        return Found(several=False, changed=(path,) if differs else (), removed=())
    paths = [_below(path, name) for name in now]
    changed = tuple(one for one in paths if has_changed(top, one, candidate, before=before))
    odd = next((one for one in changed if not one.isprintable()), None)
    if odd is not None:
        raise UsageError(
            f"{odd!r:.200}: the path of an adapter must be UTF-8 without control characters", fix="Rename the folder."
        )
    return Found(
        several=True,
        changed=changed,
        removed=tuple(_below(path, name) for name in then if not any(_is_within(one, name) for one in now)),
    )


def has_changed(top: Path, path: str, candidate: str, *, before: Sequence[str]) -> bool:
    """Whether a commit holds at a path what not every one of the others holds there; True if there are no others."""
    now, *then = (entry_at(top, commit, path) if path else commit for commit in (candidate, *before))
    return not then or any(one != now for one in then)


def model_changed(top: Path, path: str, candidate: str, *, before: Sequence[str]) -> bool:
    """Whether a commit changed the model in a folder.

    Raises:
        UsageError: No model is there and none was; or the path is, or leads through, a link or a submodule.
        BrokenRun: Git did not answer in time.
    """
    refuse_links(top, path, candidate)
    if all(entry_at(top, commit, _below(path, _MODEL_CONFIG)) is None for commit in (candidate, *before)):
        raise _nothing_there(path, candidate, "a model")
    return has_changed(top, path, candidate, before=before)


def refuse_links(top: Path, path: str, commit: str) -> None:
    """Refuse a path that is, or leads through, a link or a submodule.

    Such an entry stays the same when what it points to is changed, so it would never be judged.

    Raises:
        UsageError: It is one.
        BrokenRun: Git did not answer in time.
    """
    for part in (*reversed(PurePosixPath(path).parents), PurePosixPath(path)):
        entry = entry_at(top, commit, str(part)) if part.name else None
        if entry is not None and entry.kind in {"link", "submodule"}:
            raise _points_elsewhere(str(part), entry, commit)


def _refuse_hidden(top: Path, path: str, commit: str, *, files: frozenset[str]) -> None:
    """Refuse what an adapter may be behind: a submodule, an adapter's file that is a link, a link to elsewhere."""
    for entry in pointing_entries(top, commit):
        place = PurePosixPath(entry.name)
        if not place.is_relative_to(path):
            continue
        if entry.kind == "link" and place.name not in _ADAPTER_FILES:
            sized = entry_at(top, commit, entry.name)
            if sized is None or (sized.size or 0) > _LONGEST_TARGET_BYTES:
                raise _points_elsewhere(entry.name, entry, commit)
            target = os.fsdecode(read_file(top, sized))
            if os.path.normpath(place.parent / target) in files:
                continue  # such as a licence
            if PurePosixPath(os.path.normpath(place.parent / target)).is_relative_to(place.parent):
                continue  # such as the latest of the checkpoints beside it
        raise _points_elsewhere(entry.name, entry, commit)


def _points_elsewhere(path: str, entry: Entry, commit: str) -> UsageError:
    kind = "a symbolic link" if entry.kind == "link" else "a submodule"
    return UsageError(
        f"{path!r:.200}: {kind} in the commit {short_id(commit)}, which is not followed: nobody would see that "
        "what it points to is changed.",
        fix="Commit the folder itself, and name that.",
    )


def _nothing_there(path: str, commit: str, what: str) -> UsageError:
    return UsageError(
        f"{path or '.'!r:.200}: the commit {short_id(commit)} holds no folder with {what} there, nor does what "
        "it is compared with.",
        fix="Is the path mistyped? Name the folder, from the workspace in the input `adapter`, else from the "
        "configuration.",
    )


def _adapters(files: Sequence[str], path: str) -> list[str]:
    """The folders below a path that hold an adapter or the checkpoints of one, relative to it and in order."""
    found = set()
    for file in files:
        if not file.startswith(f"{path}/" if path else ""):
            continue
        *folders, name = PurePosixPath(file).relative_to(path).parts
        if name in _ADAPTER_FILES:
            checkpoint = next((index for index, part in enumerate(folders) if CHECKPOINT.fullmatch(part)), None)
            found.add("/".join(folders[:checkpoint]))
    # One inside another's folder is one of its own: a good adapter on top must not hide it.
    return sorted(found)


def _is_within(one: str, other: str) -> bool:
    return PurePosixPath(one).is_relative_to(PurePosixPath(other))


def _below(path: str, name: str) -> str:
    return "/".join(part for part in (path, name) if part)
