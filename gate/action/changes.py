"""Which adapters a commit changed: every one of them gets a round, what did not change gets none.

Folders are compared by the ids that git gives their content; no file is read. Must not know events.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gate.adapters.locate import CHECKPOINT, PICKLE_FILE, WEIGHTS_FILE, locate
from gate.adapters.peft_config import CONFIG_FILE
from gate.errors import AdapterRefused, UsageError
from gate.transport.commit_id import short_id
from gate.transport.git import Entry, all_files, entry_at, read_file
from gate.transport.git_links import pointing_entries

_LONGEST_TARGET_BYTES = 4096  # Linux knows no longer path
_MODEL_CONFIG = "config.json"
_ADAPTER_FILES = frozenset({CONFIG_FILE, WEIGHTS_FILE, PICKLE_FILE})

_Parts = tuple[str, ...]
"""A folder, from the one that is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The adapters at or below a path."""

    several: bool
    """Whether the adapters must be named one by one; else the path stands for the only one."""
    changed: tuple[str, ...]
    """Paths from the top of the repository; the path itself unless there are several."""
    removed: tuple[str, ...]
    """Where an adapter was, and none is now, at or below; of several."""


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
    holding = _holding(files, path)
    now = {_group(one) for one in holding}
    then = {_group(one) for commit in before for one in _holding(all_files(top, commit), path)}
    if not now and not then:
        raise _nothing_there(path, candidate, "an adapter")
    judged, listed = _not_outdated(holding), _Listing(files, path)
    if (now == {()} or len(now | then) < 2) and (not now or judged == [listed.adapter_of(())]):
        differs = has_changed(top, path, candidate, before=before)
        return Found(several=False, changed=(path,) if differs else (), removed=())
    differing = {group for group in now if has_changed(top, _below(path, group), candidate, before=before)}
    named = [
        # Where whoever reads the group's folder would take another one, only its own folder leaves no choice.
        group if listed.adapter_of(group) == folder else folder
        for folder in judged
        if (group := _group(folder)) in differing
    ]
    changed = tuple(sorted(_below(path, name) for name in named))
    odd = next((one for one in changed if not one.isprintable()), None)
    if odd is not None:
        raise UsageError(
            f"{odd!r:.200}: the path of an adapter must be UTF-8 of printable characters", fix="Rename the folder."
        )
    return Found(
        several=True,
        changed=changed,
        removed=tuple(_below(path, gone) for gone in sorted(then) if not any(one[: len(gone)] == gone for one in now)),
    )


def has_changed(top: Path, path: str, candidate: str, *, before: Sequence[str]) -> bool:
    """Whether what a commit holds at a path differs from what any of the others holds; True if there are no others."""
    now, *then = (entry_at(top, commit, path) if path else commit for commit in (candidate, *before))
    return not then or any(one != now for one in then)


def model_changed(top: Path, path: str, candidate: str, *, before: Sequence[str]) -> bool:
    """Whether a commit changed the model in a folder.

    Raises:
        UsageError: No model is there and none was; or the path is, or leads through, a link or a submodule.
        BrokenRun: Git did not answer in time.
    """
    refuse_links(top, path, candidate)
    if all(entry_at(top, commit, _below(path, (_MODEL_CONFIG,))) is None for commit in (candidate, *before)):
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
    """Refuse what an adapter may be behind: a submodule, or a link to anything but a file or the latest checkpoint."""
    pointing = pointing_entries(top, commit)
    plain = files.difference(entry.name for entry in pointing)
    newest = _newest(_holding(files, path))
    for entry in pointing:
        place = PurePosixPath(entry.name)
        if not place.is_relative_to(path):
            continue
        if entry.kind == "link" and place.name not in _ADAPTER_FILES:
            target = _target(top, entry, commit)
            if target is not None and str(target) in plain:
                continue  # such as a licence
            # A trainer's link to the latest of the checkpoints beside it; to an earlier one, nobody would judge it.
            step = CHECKPOINT.fullmatch(target.name) if target is not None and target.parent == place.parent else None
            if step and newest.get(place.relative_to(path).parts[:-1]) == int(step[1]):
                continue
        raise _points_elsewhere(entry.name, entry, commit)


def _target(top: Path, entry: Entry, commit: str) -> PurePosixPath | None:
    """Where a link leads, from the top of the repository; None: that cannot be told from its text."""
    sized = entry_at(top, commit, entry.name)
    if sized is None or (sized.size or 0) > _LONGEST_TARGET_BYTES:
        return None
    parts = PurePosixPath(os.fsdecode(read_file(top, sized))).parts
    climbs = sum(part == ".." for part in parts)
    if ".." in parts[climbs:]:  # behind a folder that may be a link itself
        return None
    return PurePosixPath(os.path.normpath(PurePosixPath(entry.name).parent.joinpath(*parts)))


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


def _holding(files: Iterable[str], path: str) -> frozenset[_Parts]:
    """The folders at or below a path that hold an adapter's files, relative to it."""
    return frozenset(parts[:-1] for parts in _parts(files, path) if parts[-1] in _ADAPTER_FILES)


def _checkpoints(folder: _Parts) -> Iterator[tuple[_Parts, int]]:
    """Every checkpoint that a folder is or is in: the folder that it belongs to, and its step."""
    for index, part in enumerate(folder):
        if step := CHECKPOINT.fullmatch(part):
            yield folder[:index], int(step[1])


def _group(folder: _Parts) -> _Parts:
    """The folder that an adapter's checkpoints lie in; of what is in no checkpoint, the folder itself."""
    return next((of for of, _ in _checkpoints(folder)), folder)


def _newest(holding: Iterable[_Parts]) -> dict[_Parts, int]:
    """Folder -> the highest step of the checkpoints in it that hold an adapter."""
    newest: dict[_Parts, int] = {}
    for folder in holding:
        for of, step in _checkpoints(folder):
            newest[of] = max(step, newest.get(of, step))
    return newest


def _not_outdated(holding: frozenset[_Parts]) -> list[_Parts]:
    """The folders whose adapters count: all but the earlier states of another one.

    One inside another's folder is one of its own: a good adapter on top must not hide it. Only a checkpoint is not, if
    the folder that it lies in holds an adapter of its own or a later checkpoint.
    """
    newest = _newest(holding)
    return [
        folder
        for folder in holding
        if all(of not in holding and step == newest[of] for of, step in _checkpoints(folder))
    ]


class _Listing:
    """The files at or below a path."""

    def __init__(self, files: Iterable[str], path: str) -> None:
        self._files: defaultdict[_Parts, list[str]] = defaultdict(list)
        self._folders: defaultdict[_Parts, set[str]] = defaultdict(set)
        for *folders, name in _parts(files, path):
            self._files[tuple(folders)].append(name)
            for depth, folder in enumerate(folders):
                self._folders[tuple(folders[:depth])].add(folder)

    def adapter_of(self, folder: _Parts) -> _Parts | None:
        """Where whoever reads a folder takes its adapter from; None: that is refused."""

        def below(written: str) -> _Parts:
            return (*folder, *PurePosixPath(written).parts)

        try:
            within, _ = locate(
                "/".join(folder),
                lambda one: self._files.get(below(one), ()),
                lambda one: sorted(self._folders.get(below(one), ())),
            )
        except AdapterRefused:
            return None
        return below(within)


def _parts(files: Iterable[str], path: str) -> Iterator[_Parts]:
    return (
        PurePosixPath(file).relative_to(path).parts for file in files if file.startswith(f"{path}/" if path else "")
    )


def _below(path: str, name: _Parts) -> str:
    return "/".join(part for part in (path, *name) if part)
