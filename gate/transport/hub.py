"""Files of a repository on the Hugging Face hub, or of any server that `HF_ENDPOINT` names.

What the library raises becomes one sentence. Must not know what the files mean; who asks says which ones it wants.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

from gate.errors import BrokenRun, ConfigError

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_LIST_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a repository holds at one revision."""

    commit: str
    """The full id; what was asked for where a server does not say."""
    revision: str | None
    """What was asked for: commit, tag or branch; None: the main branch."""
    sizes: Mapping[str, int]
    """Path of a file -> its size in bytes."""
    is_cached: bool = False
    """Whether this is what the cache holds, which need not be all."""


def is_hub_id(text: str) -> bool:
    """Whether it has the form `organisation/name`."""
    return _HUB_ID.fullmatch(text) is not None


def list_repository(repository: str, revision: str | None, *, key: str) -> Listing | None:
    """See what a repository holds, before anything is downloaded.

    Args:
        repository: `organisation/name`.
        revision: Commit, tag or branch; None: the main branch.
        key: The key of the configuration that names it, for messages.

    Returns:
        None if the hub cannot be asked: then only the cache can help.

    Raises:
        ConfigError: There is no such repository or revision, or it is not open to this user.
        BrokenRun: The hub answered something else.
    """
    from huggingface_hub import HfApi

    try:
        with _explained(repository, revision, key):
            info = HfApi().model_info(repository, revision=revision, files_metadata=True, timeout=_LIST_SECONDS)
    except _Unreachable:
        return None
    return Listing(
        commit=info.sha or revision or "main",
        revision=revision,
        sizes={file.rfilename: file.size or 0 for file in info.siblings or ()},
    )


def ask(repository: str, revision: str | None, *, key: str) -> Listing | None:
    """See what a repository holds; takes and returns what `list_repository` does.

    For a commit, which means the same for ever, a hub that is out of order or refuses is one that cannot be asked.
    """
    try:
        return list_repository(repository, revision, key=key)
    except (BrokenRun, ConfigError):
        if revision is None or not _COMMIT.fullmatch(revision):
            raise
        return None


def list_anywhere(repository: str, revision: str, *, key: str) -> Listing:
    """See what a repository holds, or, where the hub cannot be asked, what the cache has of it.

    Raises:
        ConfigError: As of `list_repository`.
        BrokenRun: As of `list_repository`; or the hub cannot be reached, and the cache has nothing.
    """
    listing = ask(repository, revision, key=key) or list_cached(repository, revision)
    if listing is None:
        listing = list_repository(repository, revision, key=key)  # to say why not
    if listing is None:
        raise unreachable(repository, revision)
    return listing


def list_cached(repository: str, revision: str) -> Listing | None:
    """See what the hub's cache holds of a repository, without asking the hub; None if it holds nothing of it."""
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        cached = scan_cache_dir(constants.HF_HUB_CACHE)
    except CacheNotFound:
        return None
    found = [repo for repo in cached.repos if (repo.repo_type, repo.repo_id) == ("model", repository)]
    for one in found[0].revisions if found else ():
        if revision == one.commit_hash or revision in one.refs:
            sizes = {file.file_path.relative_to(one.snapshot_path).as_posix(): file.size_on_disk for file in one.files}
            return Listing(commit=one.commit_hash, revision=revision, sizes=sizes, is_cached=True)
    return None


def download(repository: str, revision: str | None, *, key: str, patterns: Sequence[str]) -> Path:
    """Bring files that match patterns to the hub's cache.

    Args:
        repository: `organisation/name`.
        revision: Commit, tag or branch; None: the main branch.
        key: The key of the configuration that names it, for messages.
        patterns: As `fnmatch` reads them; `*` also stands for folders.

    Returns:
        The folder with the files.

    Raises:
        ConfigError: There is no such repository or revision, or it is not open to this user.
        BrokenRun: The hub cannot be reached, and the cache has nothing, or the disk is full.
    """
    from huggingface_hub import snapshot_download

    try:
        with _explained(repository, revision, key):
            return Path(snapshot_download(repository, revision=revision, allow_patterns=list(patterns)))
    except _Unreachable as problem:
        raise unreachable(repository, revision, why=str(problem)) from None


def download_files(repository: str, listing: Listing, names: Sequence[str], *, key: str) -> Path:
    """Bring some of the listed files to the hub's cache; see `download`.

    Raises:
        BrokenRun: Also if a file is not as long as listed, and it is then no longer in the cache; or if the revision
            came to mean another commit meanwhile.
    """
    patterns = [escape(name) for name in names]
    path = download(repository, listing.commit, key=key, patterns=patterns)
    _refuse_other_sizes(path, repository, {name: listing.sizes[name] for name in names})
    if listing.revision != listing.commit:
        # The cache learns what the name stands for, so that a run without the network finds these files by it.
        named = download(repository, listing.revision, key=key, patterns=patterns)
        if named != path:
            raise BrokenRun(f"{_shown(repository, listing.revision)} moved while it was fetched", fix="Run again.")
    return path


def fetch(repository: str, revision: str | None, *, key: str, patterns: Sequence[str]) -> Path:
    """Bring files that match patterns to the hub's cache, and refuse one that has not the length that the hub lists.

    Where the hub cannot be reached the cache will do, and for a commit, which means the same for ever, also where the
    hub is out of order or refuses. Takes, returns and raises what `download` does.
    """
    listing = ask(repository, revision, key=key)
    if listing is None:
        return download(repository, revision, key=key, patterns=patterns)
    names = [name for name in listing.sizes if any(fnmatchcase(name, pattern) for pattern in patterns)]
    return download_files(repository, listing, names, key=key)


def _refuse_other_sizes(folder: Path, repository: str, sizes: Mapping[str, int]) -> None:
    """Refuse files that are not as long as listed, and take them out of the cache: the library would keep them."""
    for name, size in sizes.items():
        file = folder / name
        if not size or not file.exists() or (found := file.stat().st_size) == size:
            continue  # some servers list no sizes
        _forget(file)
        raise BrokenRun(
            f"{repository}: the hub lists {name} with {size:,} bytes and gave {found:,}",
            fix="Run again: the file was taken out of the hub's cache.",
        )


def _forget(file: Path) -> None:
    """Remove a file of the hub's cache and what it links to, as far as that lies in the cache."""
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE).resolve()
    with suppress(OSError):  # a cache that cannot be written to stays as it is
        while file.parent.resolve().is_relative_to(cache):
            target = file.parent / file.readlink() if file.is_symlink() else None
            file.unlink()
            if target is None:
                break
            file = target


def commit_of(folder: Path) -> str | None:
    """The commit whose files a folder of the cache holds; None if its name does not say."""
    return folder.name if _COMMIT.fullmatch(folder.name) else None


def unreachable(repository: str, revision: str | None, *, why: str = "") -> BrokenRun:
    """What to say of a repository that neither hub nor cache can give; `why` is the library's word on the hub."""
    return BrokenRun(
        f"{_shown(repository, revision)} is neither a folder, nor in the hub cache, and the hub cannot be reached"
        f"{f' ({why})' if why else ''}",
        fix="Check the path (relative to the configuration) or the network, or fill the cache with `hf download`.",
    )


def _shown(repository: str, revision: str | None) -> str:
    return f"{repository}@{revision}" if revision else repository


class _Unreachable(Exception):
    """Nobody answers to the end, or nobody may be asked."""


@contextmanager
def _explained(repository: str, revision: str | None, key: str) -> Iterator[None]:
    """Turn the library's errors into sentences; `_Unreachable` for a hub that cannot be asked."""
    from huggingface_hub.errors import (  # type: ignore[attr-defined]
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        HTTPError,  # of httpx, or of what came after it
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    wanted = _shown(repository, revision)
    section = key.partition(".")[0]
    try:
        yield
    except GatedRepoError:
        raise ConfigError(
            f"{key}: {wanted} is gated", fix="Accept its licence on the hub and set HF_TOKEN to a token of yours."
        ) from None
    except RevisionNotFoundError:
        raise ConfigError(
            f"{section}.revision: {repository} has no revision {revision!r:.80}",
            fix="Use a commit, tag or branch of the repository.",
        ) from None
    except (LocalEntryNotFoundError, ConnectionError) as problem:
        if (answer := _answer(problem)) is not None:
            raise _refused(wanted, answer) from None
        raise _Unreachable from None
    except RepositoryNotFoundError:
        raise ConfigError(
            f"{key}: {wanted} is neither a folder nor a repository on the hub",
            fix="Check the spelling; a private repository needs HF_TOKEN.",
        ) from None
    except HFValidationError as problem:
        raise ConfigError(f"{key}: {wanted} is no repository of the hub: {problem}") from None
    except (OSError, HTTPError) as problem:
        if (answer := _answer(problem)) is not None:
            raise _refused(wanted, answer) from None
        if isinstance(problem, HTTPError) and not isinstance(problem, HfHubHTTPError):
            # No answer, or not to its end: the library in use has its own names for that.
            raise _Unreachable(_first_line(problem)) from None
        raise BrokenRun(f"{wanted} could not be downloaded: {_first_line(problem)}") from None


def _answer(problem: BaseException | None) -> "HfHubHTTPError | None":
    """The refusal of the hub, which the library may hide behind errors of its own; None: it did not answer."""
    from huggingface_hub.errors import HfHubHTTPError

    while problem is not None and not isinstance(problem, HfHubHTTPError):
        problem = problem.__cause__ or problem.__context__
    return problem


def _refused(wanted: str, answer: "HfHubHTTPError") -> BrokenRun:
    status, said = int(answer.response.status_code), (answer.server_message or "").strip()
    if status in (401, 403):
        fix = "Set HF_TOKEN, in a workflow the input `hf-token`, to a token that may read it."
    else:
        fix = "Run again later, or fill the cache with `hf download`."
    why = f": {said.splitlines()[0]:.200}" if said else " without saying why"
    return BrokenRun(f"{wanted} could not be downloaded: the hub answered {status}{why}", fix=fix)


def _first_line(problem: Exception) -> str:
    return f"{next(iter(str(problem).splitlines()), type(problem).__name__):.300}"
