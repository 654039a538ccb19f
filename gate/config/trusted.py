"""The configuration, and every file that it names, as a commit holds them: a pull request cannot loosen its own gate.

What lies in the checkout is never looked at. Must not know why a commit is trusted; whoever calls decides that.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from gate.adapters.committed_file import fetch_absent, is_here, stored, write
from gate.config.load import LoadedConfig, load_config, parse_config
from gate.errors import BrokenRun, ConfigError
from gate.transport.commit_id import short_id
from gate.transport.git import Entry, entry_at, read_file, resolve_commit
from gate.transport.git_lfs import lfs_folder
from gate.transport.git_paths import outermost_repository

_LARGEST_CONFIG_MIB = 1
_LARGEST_FILE_MIB = 1024
"""Of a file that the configuration names; whoever reads it may accept less."""
_MIB = 1024**2


@contextmanager
def trusted_config(path: Path, ref: str, *, start: Path) -> Iterator[LoadedConfig]:
    """Read and validate a configuration as it is in a commit. Its files last as long as the context.

    Args:
        path: Where the file would lie in a checkout; it need not.
        ref: A commit, tag or branch.
        start: As of `outermost_repository`.

    Raises:
        UsageError: There is no git, no repository or no such commit.
        ConfigError: The commit holds no such file, or one that cannot be used.
        BrokenRun: Git could not read it.
    """
    top, below = outermost_repository(path, start)
    commit = resolve_commit(top, ref)
    with TemporaryDirectory(prefix="gate-config-") as temporary:
        files = _CommittedFiles(top, commit, folder=PurePosixPath(below).parent, into=Path(temporary))
        yield parse_config(files.read_config(below), top / below, commit=commit, take=files.take)


@contextmanager
def open_config(path: Path, ref: str | None, *, start: Path) -> Iterator[LoadedConfig]:
    """Read and validate a configuration, as it lies on the disk or, if one is named, as it is in a commit.

    Args:
        path: The file.
        ref: A commit, tag or branch; None: as it lies there.
        start: As of `outermost_repository`.

    Raises:
        RequestError: It cannot be used.
        BrokenRun: Git could not read it.
    """
    if ref is None:
        yield load_config(path)
        return
    with trusted_config(path, ref, start=start) as loaded:
        yield loaded


def holds_config(path: Path, commit: str, *, start: Path) -> bool:
    """Whether a commit holds anything at the place of the configuration.

    Raises:
        UsageError: There is no git or no repository.
        BrokenRun: Git could not read it.
    """
    top, below = outermost_repository(path, start)
    return entry_at(top, commit, below) is not None


def changed_in(
    loaded: LoadedConfig, candidate: str, *, began: Sequence[str], tip: str | None = None, start: Path
) -> tuple[str, ...]:
    """The files of a configuration, itself among them, that a candidate's commit has in a form of its own.

    Args:
        loaded: The configuration, as `trusted_config` gave it.
        candidate: The full id of the candidate's commit.
        began: Full ids of the commits that the candidate began from: it changed what differs from any of them.
        tip: The full id of what it is to be merged into: what is equal there changes nothing; None: it is merged.
        start: As of `outermost_repository`.

    Returns:
        Paths as the configuration writes them.
    """
    top, below = outermost_repository(loaded.path, start)
    changed = []
    for written in (loaded.path.name, *named_files(loaded)):
        path = path_in_repository(PurePosixPath(below).parent, written)
        entry = entry_at(top, candidate, path)
        if tip is not None and entry == entry_at(top, tip, path):
            continue
        if any(entry != entry_at(top, other, path) for other in began):
            changed.append(written)
    return tuple(changed)


def file_at(loaded: LoadedConfig, written: str, ref: str, *, start: Path, into: Path) -> Path:
    """Bring a file that the configuration names out of another commit than the configuration's.

    For what belongs to the candidate and not to how it is judged, such as the rows that it was trained on.

    Args:
        loaded: The configuration.
        written: The path, as the configuration writes it.
        ref: A commit, tag or branch.
        start: As of `outermost_repository`.
        into: A folder that belongs to the caller.

    Raises:
        UsageError: There is no git, no repository or no such commit.
        ConfigError: The commit holds no such file.
        AdapterRefused: It is in git LFS and cannot be had.
        BrokenRun: Git could not read it.
    """
    top, below = outermost_repository(loaded.path, start)
    return _CommittedFiles(top, resolve_commit(top, ref), folder=PurePosixPath(below).parent, into=into).take(written)


def named_files(loaded: LoadedConfig) -> tuple[str, ...]:
    """The files that are part of a configuration as its paths name them: cases, schemas and prompts.

    What the candidate was trained on is not among them: it changes with the candidate.
    """
    config = loaded.config
    prompted = config.prompted
    named = [
        *(suite.cases for suite in config.suites.values()),
        *loaded.schemas,
        *((prompted.system, prompted.shots) if prompted is not None else ()),
    ]
    return tuple(dict.fromkeys(name for name in named if name is not None))


class _CommittedFiles:
    """The files of one commit, written to a folder one by one as they are asked for."""

    def __init__(self, top: Path, commit: str, *, folder: PurePosixPath, into: Path) -> None:
        self._top, self._commit, self._folder, self._into = top, commit, folder, into

    def read_config(self, below: str) -> bytes:
        """Read the configuration itself."""
        entry = self._entry(below, PurePosixPath(below).name)
        if (entry.size or 0) > _LARGEST_CONFIG_MIB * _MIB:
            raise ConfigError(f"{below}: larger than {_LARGEST_CONFIG_MIB} MiB")
        return read_file(self._top, entry)

    def take(self, written: str) -> Path:
        """Bring a file that the configuration names to the disk."""
        path = path_in_repository(self._folder, written)
        entry, target = self._entry(path, written), self._into / path
        with suppress(OSError):  # a name that no disk takes fails below
            if target.is_file():
                return target
        place = f"{PurePosixPath(path).parent} at {short_id(self._commit)}"
        store = lfs_folder(self._top)
        file = stored(place, self._top, entry)
        if file.size > _LARGEST_FILE_MIB * _MIB:
            raise ConfigError(f"{written}: larger than {_LARGEST_FILE_MIB:,} MiB")
        if not is_here(file, store):
            fetch_absent(place, self._top, (self._commit, path), file=file, store=store)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            write(place, self._top, file, store=store, target=target)
        except OSError as problem:
            raise BrokenRun(f"{target}: {written} cannot be written there: {problem.strerror or problem}.") from None
        return target

    def _entry(self, path: str, written: str) -> Entry:
        entry = entry_at(self._top, self._commit, path)
        if entry is None:
            raise ConfigError(
                f"{written or '.'}: the commit {short_id(self._commit)} holds no such file",
                fix="Commit it there, or name another commit.",
            )
        if entry.kind != "file":
            kind = {"link": "a symbolic link", "submodule": "a submodule", "folder": "a folder"}.get(
                entry.kind, "no plain file"
            )
            where = f"in the commit {short_id(self._commit)}"
            raise ConfigError(
                f"{written}: {kind} {where}; only plain files are read from a commit", fix="Commit the file itself."
            )
        return entry


def path_in_repository(folder: PurePosixPath, written: str) -> str:
    """Put a configured path behind its folder, and resolve `..` by name: a commit's links are not followed.

    Raises:
        ConfigError: It is absolute or leads out of the repository, or no file can have such a name.
    """
    if "\0" in written:
        raise ConfigError(f"{written!r:.80}: no file has a name with a null character", fix="Write the file's name.")
    if PurePosixPath(written).is_absolute() or written.startswith("~"):
        raise ConfigError(f"{written}: an absolute path is in no commit", fix="Write it relative to the configuration.")
    parts: list[str] = []
    for part in (folder / written).parts:
        if part != "..":
            parts.append(part)
        elif parts:
            parts.pop()
        else:
            raise ConfigError(
                f"{written}: leads out of the repository, so no commit holds it", fix="Name a file inside it."
            )
    return "/".join(parts)
