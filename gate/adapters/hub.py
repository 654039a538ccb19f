"""An adapter or a whole model from the hub: only the files that are needed, and none that could run code.

Must not know what makes an adapter sound; `gate.adapters.folder` does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from gate.adapters.checklist import refusal
from gate.adapters.commit import LARGEST_ADAPTER_GIB, LARGEST_MODEL_GIB, MODEL_FILES, MOST_MODEL_FILES
from gate.adapters.locate import PICKLE_FILE, WEIGHTS_FILE, locate
from gate.adapters.peft_config import CONFIG_FILE
from gate.transport.hub import ask, commit_of, download, download_files, list_anywhere, unreachable

_GIB = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFolder:
    """Files of a repository on this machine."""

    path: Path
    commit: str | None
    """The full id that the revision stands for; None if neither hub nor cache says."""
    note: str | None
    """Which of several folders was taken; None: there was no choice."""


def adapter_from_hub(repository: str, revision: str, *, key: str) -> HubFolder:
    """Bring an adapter's configuration and weights to this machine.

    Args:
        repository: `organisation/name`.
        revision: Commit, tag or branch.
        key: The key of the configuration that names it, for messages.

    Raises:
        AdapterRefused: The repository holds no adapter, pickled weights, or too large ones.
        ConfigError: There is no such repository or revision, or it is not open to this user.
        BrokenRun: The hub is out of order, or cannot be reached, and the cache has nothing.
    """
    listing = list_anywhere(repository, revision, key=key)
    place = f"{repository}@{revision}"
    within, note = locate(place, _files(listing.sizes), _folders(listing.sizes))
    paths = {name: "/".join(part for part in (within, name) if part) for name in (CONFIG_FILE, WEIGHTS_FILE)}
    if listing.is_cached and not set(paths.values()) <= listing.sizes.keys():
        raise unreachable(repository, revision)
    _refuse_incomplete(place, within, paths, listing.sizes)
    _check_size(place, [listing.sizes[path] for path in paths.values()], "an adapter", LARGEST_ADAPTER_GIB)
    folder = download_files(repository, listing, list(paths.values()), key=key)
    return HubFolder(path=folder / within, commit=commit_of(folder), note=note)


def model_from_hub(repository: str, revision: str | None, *, key: str) -> HubFolder:
    """Bring a whole model's configuration, tokenizer and safetensors weights to this machine.

    Args:
        repository: `organisation/name`.
        revision: Commit, tag or branch; None: the main branch.
        key: The key of the configuration that names it, for messages.

    Raises:
        AdapterRefused: Too many or too large files.
        ConfigError: As `adapter_from_hub`.
        BrokenRun: As `adapter_from_hub`.
    """
    listing = ask(repository, revision, key=key)
    if listing is None:
        folder = download(repository, revision, key=key, patterns=MODEL_FILES)
        return HubFolder(path=folder, commit=commit_of(folder), note=None)
    place = f"{repository}@{revision}" if revision else repository
    names = [n for n in listing.sizes if "/" not in n and any(fnmatchcase(n, pattern) for pattern in MODEL_FILES)]
    if len(names) > MOST_MODEL_FILES:
        raise refusal("P32", f"{place}: {len(names):,} files, a model may have {MOST_MODEL_FILES:,}")
    _check_size(place, [listing.sizes[name] for name in names], "a model", LARGEST_MODEL_GIB)
    folder = download_files(repository, listing, names, key=key)
    return HubFolder(path=folder, commit=commit_of(folder), note=None)


def _files(sizes: Mapping[str, int]) -> Callable[[str], Sequence[str]]:
    return lambda below: sorted(
        path.rpartition("/")[2] for path in sizes if path.rpartition("/")[0] == below and not path.startswith("/")
    )


def _folders(sizes: Mapping[str, int]) -> Callable[[str], Sequence[str]]:
    def names(below: str) -> Sequence[str]:
        begin = f"{below}/" if below else ""
        inside = {path.removeprefix(begin) for path in sizes if path.startswith(begin)}
        return sorted({path.partition("/")[0] for path in inside if "/" in path})

    return names


def _refuse_incomplete(place: str, within: str, paths: Mapping[str, str], sizes: Mapping[str, int]) -> None:
    absent = [name for name, path in paths.items() if path not in sizes]
    if not absent:
        return
    if absent == [WEIGHTS_FILE] and f"{within}/{PICKLE_FILE}".lstrip("/") in sizes:
        raise refusal(
            "P32",
            f"{place}: only {PICKLE_FILE} is there; pickle files are never loaded, they can run code",
            fix="Use a revision with safetensors weights.",
        )
    raise refusal("P02", f"{place}: the repository holds no {' and no '.join(absent)}", fix="Is it an adapter of PEFT?")


def _check_size(place: str, sizes: Sequence[int], what: str, largest_gib: int) -> None:
    if sum(sizes) > largest_gib * _GIB:
        raise refusal("P32", f"{place}: the files have {sum(sizes) / _GIB:,.1f} GiB, {what} may have {largest_gib} GiB")
