"""Where the arms come from: each configured base, adapter or full fine-tune, brought to a folder and inspected.

From the disk, from a commit or from the hub. No model is loaded. Must not know what the arms are asked.
"""

from collections.abc import Callable, Set
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from gate.adapters.commit import adapter_at, is_folder_at, model_at
from gate.adapters.folder import AdapterFolder, name_warning, read_adapter
from gate.adapters.full_model import check_model
from gate.adapters.hub import adapter_from_hub, model_from_hub
from gate.config.load import LoadedConfig
from gate.config.schema import Candidate, Incumbent
from gate.domain import Check
from gate.engine.base_model import BaseFolder, fetch_base, find_base, model_folder
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
    shown_ref: str | None = None
    """The commit, where reports name it behind the path; that of the whole run is named once, in its round."""
    checkout_counts: bool = True
    """Whether a folder that lies under the name of a hub id is meant."""

    @property
    def written(self) -> str:
        """What is named, whichever it is."""
        return self.adapter or self.model or ""

    @property
    def shown(self) -> str:
        """What reports call it, if it is in this repository."""
        return self.written if self.shown_ref is None else f"{self.written}@{self.shown_ref}"

    @property
    def place(self) -> str:
        """The key that names it."""
        return f"{self.key}.{'model' if self.adapter is None else 'adapter'}"


def wanted_candidate(loaded: LoadedConfig, *, adapter: Path | None, ref: str | None, start: Path = Path()) -> Wanted:
    """The candidate, as the configuration and the command line name it.

    Args:
        loaded: The configuration.
        adapter: Replaces what the configuration names.
        ref: The commit that it is read from.
        start: Where a relative `adapter` starts.

    Raises:
        UsageError: A commit and a hub revision exclude each other.
    """
    if adapter is not None:
        return Wanted(key="candidate", adapter=str(adapter), model=None, revision=None, ref=ref, folder=start)
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
    """The incumbent, as the configuration names it.

    Beside a configuration that is read from a commit, a folder without a `ref` is read from that commit too.
    """
    ref = section.ref
    if ref is None and section.revision is None and loaded.commit is not None:
        ref = loaded.commit if section.adapter or _is_committed(loaded, section.model or "") else None
    return Wanted(
        key="incumbent",
        adapter=section.adapter,
        model=section.model,
        revision=section.revision,
        ref=ref,
        folder=loaded.folder,
        shown_ref=section.ref,
        checkout_counts=loaded.commit is None,
    )


def read_base(loaded: LoadedConfig, ref: str | None, *, into: Path) -> BaseFolder:
    """Find the base: where it is a path and a commit is named, in that commit.

    Args:
        loaded: The configuration.
        ref: The commit that candidate and base are read from; None: as they lie on the disk, or in the commit of the
            configuration.
        into: An empty folder for files out of the commit.

    Raises:
        ConfigError: There is no such model, or it cannot be used.
        AdapterRefused: The commit does not hold it, or holds something else.
        BrokenRun: The hub or the repository cannot be read.
    """
    section = loaded.config.base
    if _base_is_from_hub(loaded, ref):
        # What a checkout holds under the name of a hub id is nobody's word beside a trusted configuration.
        return find_base(section.model, section.revision, loaded.folder if loaded.commit is None else into)
    if ref is None and loaded.commit is None:
        return find_base(section.model, None, loaded.folder)
    taken = model_at(loaded.folder, section.model, ref or loaded.commit or "", into=into)
    return model_folder(taken.path, section.model)


def fetch_from_hub(loaded: LoadedConfig, candidate: Wanted, *, report: Callable[[str], None]) -> None:
    """Bring to this machine what comes from the hub, so that it is found later without a network. Inspects nothing.

    Args:
        loaded: The configuration.
        candidate: The candidate that will be judged.
        report: Called with the name of what is about to be fetched.

    Raises:
        GateError: What `read_base` and `read_tune` say of what the hub does not give.
    """
    section = loaded.config.base
    # What is no hub id is refused where it is read.
    if loaded.config.engine.reads_model and is_hub_id(section.model) and _base_is_from_hub(loaded, candidate.ref):
        report(section.model)
        fetch_base(section.model, section.revision)
    incumbent = [] if loaded.config.incumbent is None else [wanted_incumbent(loaded, loaded.config.incumbent)]
    for wanted in (candidate, *incumbent):
        if wanted.ref is None and is_hub_id(wanted.written) and (wanted.revision or wanted.model):
            report(wanted.written)
            with TemporaryDirectory(prefix="gate-") as nothing:
                _fetch(wanted, Path(nothing))


def _base_is_from_hub(loaded: LoadedConfig, ref: str | None) -> bool:
    return loaded.config.base.revision is not None or not base_is_folder(loaded, ref)


def base_is_folder(loaded: LoadedConfig, ref: str | None) -> bool:
    """Whether `base.model` is a path, or stands for one, and not for a hub id.

    Args:
        loaded: The configuration; if it was read from a commit, that one decides: a candidate cannot put a folder in
            the place of a hub id.
        ref: As of `read_base`.

    Raises:
        UsageError: There is no such commit.
    """
    model = loaded.config.base.model
    if not is_hub_id(model):
        return True
    if loaded.commit is not None:
        return _is_committed(loaded, model)
    return (loaded.folder / model).is_dir() or (ref is not None and is_folder_at(loaded.folder, model, ref))


def base_is_here(loaded: LoadedConfig) -> bool:
    """Whether there is a folder at `base.model`, on the disk or in the commit of the configuration."""
    model = loaded.config.base.model
    if loaded.commit is not None:
        return is_folder_at(loaded.folder, model, loaded.commit)
    return (loaded.folder / Path(model).expanduser()).is_dir()


def _is_committed(loaded: LoadedConfig, model: str) -> bool:
    return not is_hub_id(model) or is_folder_at(loaded.folder, model, loaded.commit or "")


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
        return taken.path, wanted.shown, taken.note, None
    path = (wanted.folder if wanted.checkout_counts else into) / Path(written).expanduser()
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
