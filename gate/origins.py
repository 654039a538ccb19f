"""Where the arms come from: each configured base, adapter or full fine-tune, brought to a folder and inspected.

From the disk, from a commit or from the hub. No model is loaded. Must not know what the arms are asked.
"""

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from gate.adapters.commit import adapter_at, is_folder_at, model_at
from gate.adapters.folder import AdapterFolder, name_warning, read_adapter
from gate.adapters.full_model import check_model
from gate.adapters.hub import adapter_from_hub, model_from_hub
from gate.config.load import LoadedConfig
from gate.config.schema import Candidate, Incumbent
from gate.domain import Check
from gate.engine.base_model import BaseFolder, find_base, model_folder
from gate.engine.session import AdapterFiles
from gate.errors import AdapterRefused, UsageError
from gate.transport.hub import is_hub_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Tune:
    """What training made of the base, inspected."""

    made_of: AdapterFiles | BaseFolder
    """An adapter, or a full fine-tune."""
    checks: tuple[Check, ...]
    warnings: tuple[str, ...]
    """What a reader of the results must know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which fine-tune, read from where."""

    key: str
    """The section of the configuration, for messages."""
    adapter: str | None
    model: str | None
    revision: str | None
    """Of a hub id."""
    ref: str | None
    """The commit that it is read from; None: as it lies on the disk."""
    folder: Path
    """Where relative paths start."""

    @property
    def written(self) -> str:
        """What is named, whichever it is."""
        return self.adapter or self.model or ""

    @property
    def place(self) -> str:
        """The key that names it."""
        return f"{self.key}.{'model' if self.adapter is None else 'adapter'}"


def wanted_candidate(loaded: LoadedConfig, *, adapter: Path | None, ref: str | None) -> Wanted:
    """The candidate, as the configuration and the command line name it.

    Args:
        loaded: The configuration.
        adapter: Replaces what the configuration names; relative to the current directory.
        ref: The commit that it is read from.

    Raises:
        UsageError: A commit and a hub revision exclude each other.
    """
    if adapter is not None:
        return Wanted(key="candidate", adapter=str(adapter), model=None, revision=None, ref=ref, folder=Path())
    section: Candidate = loaded.config.candidate
    if ref is not None and section.revision is not None:
        raise UsageError(
            "--candidate-ref: the candidate has a `revision`, so it comes from the hub and not from a commit",
            fix="Leave the option out, or name a folder of this repository.",
        )
    return Wanted(
        key="candidate",
        adapter=section.adapter,
        model=section.model,
        revision=section.revision,
        ref=ref,
        folder=loaded.folder,
    )


def wanted_incumbent(loaded: LoadedConfig, section: Incumbent) -> Wanted:
    """The incumbent, as the configuration names it."""
    return Wanted(
        key="incumbent",
        adapter=section.adapter,
        model=section.model,
        revision=section.revision,
        ref=section.ref,
        folder=loaded.folder,
    )


def read_base(loaded: LoadedConfig, ref: str | None, *, into: Path) -> BaseFolder:
    """Find the base: where it is a path and a commit is named, in that commit.

    Args:
        loaded: The configuration.
        ref: The commit that candidate and base are read from; None: as they lie on the disk.
        into: An empty folder for files out of the commit.

    Raises:
        ConfigError: There is no such model, or it cannot be used.
        AdapterRefused: The commit does not hold it, or holds something else.
        BrokenRun: The hub or the repository cannot be read.
    """
    section = loaded.config.base
    from_hub = section.revision is not None or ref is None
    if not from_hub and is_hub_id(section.model) and not loaded.resolve(section.model).is_dir():
        from_hub = not is_folder_at(loaded.folder, section.model, ref or "")
    if from_hub or ref is None:
        return find_base(section.model, section.revision, loaded.folder)
    taken = model_at(loaded.folder, section.model, ref, into=into)
    return model_folder(taken.path, f"{section.model}@{ref}", revision=taken.commit)


def read_tune(wanted: Wanted, base: BaseFolder | None, *, of: str, into: Path, allow: Set[str] = frozenset()) -> Tune:
    """Bring a fine-tune to a folder and inspect it.

    Args:
        wanted: Which.
        base: The base that it is compared with; None: its files are not here.
        of: What the configuration calls the base.
        into: An empty folder for files out of a commit.
        allow: Ids of checks whose failure is passed over where that leaves something to judge.

    Raises:
        AdapterRefused: It is missing, broken or unsafe.
        ConfigError: There is no such repository on the hub.
        UsageError: There is no such commit.
        BrokenRun: The hub or the repository cannot be read.
    """
    path, shown, note, commit = _fetch(wanted, into)
    notes = () if note is None else (f"{wanted.key}: {note}.",)
    if wanted.adapter is None:
        checks = check_model(path, base=None if base is None else base.path, allow=allow)
        return Tune(made_of=model_folder(path, shown, revision=commit, key=wanted.place), checks=checks, warnings=notes)
    adapter = read_adapter(path, allow=allow, base=of)
    if adapter.note is not None:
        notes = (*notes, f"{wanted.key}: {adapter.note}.")
    renamed = name_warning(adapter.base_name, of)
    odd = [check for check in adapter.checks if check.outcome in ("warn", "allowed") and check.id != "P07"]
    said = (
        *((renamed,) if renamed else ()),
        *notes,
        *(f"{wanted.key}: {check.message} ({check.id})." for check in odd),
    )
    return Tune(made_of=_adapter_files(shown, adapter), checks=adapter.checks, warnings=said)


def _fetch(wanted: Wanted, into: Path) -> tuple[Path, str, str | None, str | None]:
    """Where the files are, what reports call them, which of several were taken, and the commit on the hub."""
    written = wanted.written
    if wanted.ref is not None:
        take = model_at if wanted.adapter is None else adapter_at
        taken = take(wanted.folder, written, wanted.ref, into=into)
        return taken.path, f"{written}@{wanted.ref}", taken.note, None
    path = wanted.folder / Path(written).expanduser()
    if wanted.revision is None and (path.is_dir() or wanted.adapter is not None or not is_hub_id(written)):
        if wanted.adapter is None and not path.is_dir():
            raise AdapterRefused(f"{wanted.place}: {path}: no such folder (P02)", fix="Name a folder or a hub id.")
        return path, written, None, None
    if path.is_dir():
        raise AdapterRefused(
            f"{wanted.key}.revision: {written} is a folder and has no revisions", fix="Remove `revision`."
        )
    if not is_hub_id(written):
        raise AdapterRefused(
            f"{wanted.place}: {written!r:.120} is neither a folder nor a hub id", fix="Write `organisation/name`."
        )
    if wanted.adapter is None:
        found = model_from_hub(written, wanted.revision, key=wanted.place)
    else:
        found = adapter_from_hub(written, wanted.revision or "main", key=wanted.place)
    shown = f"{written}@{wanted.revision}" if wanted.revision else written
    return found.path, shown, found.note, found.commit


def _adapter_files(name: str, adapter: AdapterFolder) -> AdapterFiles:
    return AdapterFiles(
        path=adapter.path,
        name=name,
        tensor_names=adapter.tensor_names,
        description=adapter.description,
        digest=adapter.digest,
        peft_type=adapter.peft_type,
        task_type=adapter.task_type,
    )
