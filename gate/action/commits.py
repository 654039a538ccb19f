"""Which commit is judged, which one is trusted, and what the judged one is compared with to see what changed.

Decided by the event alone, or by the inputs; never by anything that the judged commit holds.
"""

from dataclasses import dataclass
from pathlib import Path

from gate.action.inputs import Inputs
from gate.errors import UsageError
from gate.github.event import Event
from gate.transport.commit_id import short_id
from gate.transport.git import resolve_commit
from gate.transport.git_history import is_cloned_from, known_commit, merge_bases, remote_tip

_WHOLE_HISTORY = "Let actions/checkout fetch it: `with: {fetch-depth: 0}`."


@dataclass(frozen=True, slots=True, kw_only=True)
class Commits:
    """Full ids of commits that are in the clone."""

    config: str
    """Trusted: the configuration is read from it."""
    candidate: str
    """Judged."""
    before: tuple[str, ...]
    """What was changed is what differs from any of them; none: not known, so everything counts as changed."""
    is_proposal: bool
    """Whether the candidate is yet to be merged, so that its configuration is not in force."""
    may_bring_config: bool
    """Whether a proposal may bring the first configuration, because nobody named another commit for it."""


def refuse_untrusted_event(event: Event, *, allowed: bool) -> None:
    """Refuse to judge for an event that gives strangers' commits the rights of the repository.

    Raises:
        UsageError: It is such an event, and nobody allowed it on purpose.
    """
    if allowed:
        return
    fix = (
        "Use `on: pull_request`. If you know what it means: set the input `allow-pull-request-target: true`, "
        "on a runner that nothing else uses."
    )
    if event.name == "pull_request_target":
        raise UsageError(
            "The event is pull_request_target, which gives commits of strangers the secrets and the token of this "
            "repository; it is refused.",
            fix=fix,
        )
    if event.name == "workflow_run" and event.is_fork:
        raise UsageError(
            "The event is workflow_run for a commit of another repository, which would be judged with the rights of "
            "this one; it is refused.",
            fix="Judge it in the workflow that was run, and use `mode: publish` here. " + fix,
        )


def find_commits(inputs: Inputs, event: Event, top: Path) -> Commits:
    """Find the commits of an event in the clone.

    Args:
        inputs: Those that name a commit take precedence.
        event: What started the workflow run.
        top: The top of the repository.

    Raises:
        UsageError: A commit is not in the clone, or the event is about none.
    """
    candidate = _named(top, inputs.candidate_ref, "candidate-ref") or _own(top, event.head_sha, "The judged commit")
    proposed_to = _base(top, event)
    if proposed_to is not None:
        named = _named(top, inputs.config_ref, "config-ref")
        return Commits(
            config=named or proposed_to,
            candidate=candidate,
            before=_began(top, proposed_to, candidate),
            is_proposal=True,
            may_bring_config=named is None,
        )
    config = _named(top, inputs.config_ref, "config-ref") or _own(top, event.sha, "The commit of this workflow run")
    pushed_onto = known_commit(top, event.before_sha) if event.name == "push" and event.before_sha is not None else None
    return Commits(
        config=config,
        candidate=candidate,
        before=(pushed_onto,) if pushed_onto is not None else (),
        is_proposal=False,
        may_bring_config=False,
    )


def _began(top: Path, proposed_to: str, candidate: str) -> tuple[str, ...]:
    """The commits that a proposal began from."""
    bases = merge_bases(top, proposed_to, candidate)
    # A merge commit can be made so that there are several, one of which has already what it brings. And without a
    # common history, what others changed since then counts as changed. Both only judge more.
    return bases if len(bases) == 1 else (*bases, proposed_to)


def _base(top: Path, event: Event) -> str | None:
    """The commit that the candidate is to be merged into; None where the event proposes nothing."""
    if event.name == "merge_group":
        return _own(top, event.base_sha, "The commit before the merge group")
    if event.base_branch is None and event.base_sha is None:
        return None
    tip = None
    # A clone of the fork knows a branch of that name as well, and there it is the proposer's.
    if event.base_branch is not None and is_cloned_from(top, event.server_url, event.repository):
        tip = remote_tip(top, event.base_branch)
    return tip or _own(top, event.base_sha, f"The base branch {event.base_branch}")


def _named(top: Path, ref: str | None, name: str) -> str | None:
    """The commit that an input names."""
    if ref is None:
        return None
    try:
        return resolve_commit(top, ref)
    except UsageError as problem:
        # What has no fix of its own is malformed: no fetch would bring it.
        fix = problem.fix and f"{problem.fix} {_WHOLE_HISTORY}"
        raise UsageError(f"input `{name}`: {problem.message}", fix=fix) from None


def _own(top: Path, commit: str | None, what: str) -> str:
    """A commit that the event names."""
    if commit is None:
        raise UsageError(f"{what} is not known: the event names none.", fix="Name it with the input `candidate-ref`.")
    known = known_commit(top, commit)
    if known is None:
        raise UsageError(f"{what}, {short_id(commit)}, is not in the clone at {top}.", fix=_WHOLE_HISTORY)
    return known
