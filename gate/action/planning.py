"""From event and inputs to what is judged: the commits, the trusted configuration, the adapters that changed.

Two steps come to the same plan independently, so that what runs beside the model cannot choose for the one that
decides.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from gate import wording
from gate.action.changes import find_adapters, has_changed, model_changed
from gate.action.commits import Commits, find_commits, refuse_untrusted_event
from gate.action.inputs import Inputs
from gate.adapters.commit import is_folder_at
from gate.config.load import LoadedConfig
from gate.config.trusted import changed_in, holds_config, path_in_repository, trusted_config
from gate.errors import UsageError
from gate.github.event import Event
from gate.origins import base_is_folder
from gate.transport.git_paths import outermost_repository
from gate.transport.hub import is_hub_id
from gate.work_folder import MOST_ADAPTERS, ActionPlan, JudgedAdapter, base_note, bootstrap_note, slugs

_FROM_HUB = (
    "The candidate {name} comes from the hub, in the revision that the base branch's configuration names: a revision "
    "that is named here is judged after the merge, when the branch is pushed."
)
_SHOWN_FILES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """What the configuration, or an input, wants to have judged."""

    path: str | None
    """From the top of the repository; None: it is not in the repository."""
    name: str
    """As written."""
    is_adapter: bool
    replaces: bool
    """Whether it was named by the input."""


def plan_action(inputs: Inputs, event: Event, workspace: Path) -> ActionPlan:
    """Find out what is to be judged.

    Args:
        inputs: What the workflow wants.
        event: What started the run.
        workspace: The folder that paths are relative to; the repository is there, or on the way to the configuration.

    Raises:
        RequestError: The event is refused, a commit is not in the clone, or the configuration cannot be used, or is a
            proposal's own and has the answers made elsewhere.
        BrokenRun: Git could not read the clone.
    """
    refuse_untrusted_event(event, allowed=inputs.allow_pull_request_target)
    if event.name == "push" and event.head_sha is None:
        raise UsageError("The push deleted a branch: there is no commit to judge.", fix="Limit `on: push` to branches.")
    top, below = outermost_repository(Path(inputs.config), workspace)
    if not below:
        raise UsageError(f"input `config`: {inputs.config!r:.80} is the top of a repository", fix="Name the file.")
    commits = find_commits(inputs, event, top)
    bootstrap = commits.may_bring_config and not holds_config(Path(inputs.config), commits.config, start=workspace)
    if bootstrap:
        commits = replace(commits, config=commits.candidate)
    with trusted_config(Path(inputs.config), commits.config, start=workspace) as loaded:
        candidate = _candidate(
            inputs, loaded, PurePosixPath(below).parent, commits=commits, top=top, workspace=workspace
        )
        notes, reconfigured = _configuration(loaded, commits, bootstrap=bootstrap, workspace=workspace)
        if notes and candidate.path is None and not bootstrap:
            notes.append(_FROM_HUB.format(name=candidate.name))
        base = _base_path(loaded, PurePosixPath(below).parent, commits)
        if bootstrap and loaded.config.engine.needs_network:
            raise _nobodys_address(loaded)
    if not commits.before or base is None or not has_changed(top, base, commits.candidate, before=commits.before):
        base = None
    else:
        notes.append(base_note(base))
    judges_all = reconfigured or not commits.before or base is not None
    judged, replaces, removed = _judged(candidate, commits, top, judges_all=judges_all)
    notes += [f"{path} was removed, so there is nothing to judge of it." for path in removed[:_SHOWN_FILES]]
    return ActionPlan(
        config=inputs.config,
        config_commit=commits.config,
        candidate_commit=commits.candidate if candidate.path is not None else None,
        judged=judged,
        replaces=replaces,
        bootstrap=bootstrap,
        notes=tuple(notes),
        changed_base=base,
    )


@contextmanager
def planned_config(plan: ActionPlan, workspace: Path) -> Iterator[LoadedConfig]:
    """The configuration that a plan judges by; its files last as long as the context.

    Raises:
        RequestError: It cannot be used.
        BrokenRun: Git could not read it.
    """
    with trusted_config(Path(plan.config), plan.config_commit, start=workspace) as loaded:
        warnings = (plan.bootstrap_note,) if plan.bootstrap else ()
        yield replace(loaded, warnings=warnings)


def _candidate(
    inputs: Inputs, loaded: LoadedConfig, folder: PurePosixPath, *, commits: Commits, top: Path, workspace: Path
) -> _Candidate:
    if inputs.adapter is not None:
        if Path(inputs.adapter).is_absolute():
            raise UsageError("input `adapter`: an absolute path is in no commit", fix="Write it from the workspace.")
        there, path = outermost_repository(Path(inputs.adapter), workspace)
        if there != top:
            raise UsageError("input `adapter`: it is in another repository than the configuration")
        return _Candidate(path=path, name=inputs.adapter, is_adapter=True, replaces=True)
    section = loaded.config.candidate
    name = section.adapter or section.model or ""
    from_hub = section.revision is not None
    if section.model is not None and is_hub_id(section.model) and not from_hub:
        from_hub = not is_folder_at(loaded.folder, section.model, commits.candidate)
    place = None if from_hub else path_in_repository(folder, name)
    return _Candidate(path=place, name=name, is_adapter=section.adapter is not None, replaces=False)


def _configuration(
    loaded: LoadedConfig, commits: Commits, *, bootstrap: bool, workspace: Path
) -> tuple[list[str], bool]:
    """What to say of the configuration, and whether it asks for a round by itself."""
    if bootstrap:
        return [bootstrap_note(loaded.path.name)], True
    if commits.is_proposal:
        changed = changed_in(loaded, commits.candidate, began=commits.before, tip=commits.config, start=workspace)
        if not changed:
            return [], False
        more = [wording.count(len(changed) - _SHOWN_FILES, "more file")] if len(changed) > _SHOWN_FILES else []
        names = wording.listing([*changed[:_SHOWN_FILES], *more])
        return [f"Changed here, which takes effect after the merge: {names}."], False
    if not commits.before:
        return [], True
    return [], bool(changed_in(loaded, commits.config, began=commits.before, start=workspace))


def _nobodys_address(loaded: LoadedConfig) -> UsageError:
    """Who proposes the first configuration must not choose whom the runner talks to, and with which of its secrets."""
    return UsageError(
        f"{loaded.path.name}: `engine` is of kind {loaded.config.engine.kind!r}, which asks another machine, and the "
        "base branch has no configuration that names it: a proposal does not choose whom the runner talks to.",
        fix="Merge the configuration first.",
    )


def _base_path(loaded: LoadedConfig, folder: PurePosixPath, commits: Commits) -> str | None:
    """The base, from the top of the repository, if it is in there."""
    section = loaded.config.base
    if section.revision is not None or not base_is_folder(loaded, commits.candidate):
        return None
    return path_in_repository(folder, section.model)


def _judged(
    candidate: _Candidate, commits: Commits, top: Path, *, judges_all: bool
) -> tuple[tuple[JudgedAdapter, ...], bool, tuple[str, ...]]:
    """The adapters that get a round, whether each replaces what is configured, and those that are gone."""
    if candidate.path is None:
        return (_named([candidate.name]) if judges_all else ()), False, ()
    before = () if judges_all else commits.before
    if not candidate.is_adapter:
        changed = model_changed(top, candidate.path, commits.candidate, before=before)
        return (_named([candidate.name]) if changed else ()), False, ()
    found = find_adapters(top, candidate.path, commits.candidate, before=before)
    if not found.several:
        name = (candidate.path or ".") if candidate.replaces else candidate.name
        return (_named([name]) if found.changed else ()), candidate.replaces, ()
    if len(found.changed) > MOST_ADAPTERS:
        raise UsageError(
            f"{candidate.name}: {len(found.changed)} adapters are to be judged, at most {MOST_ADAPTERS} can be",
            fix="Name one with the input `adapter`.",
        )
    return _named([path or "." for path in found.changed]), True, found.removed


def _named(paths: Sequence[str]) -> tuple[JudgedAdapter, ...]:
    return tuple(JudgedAdapter(slug=slug, adapter=path) for slug, path in zip(slugs(paths), paths, strict=True))
