"""Which pull request a run belongs to, where the payload of the event alone does not say it.

What is asked for is always a commit: a pull request whose head has moved on is not meant any more, and a number that
somebody else wrote down is not believed.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from gate.errors import UsageError
from gate.github.client import GitHubClient, Refused
from gate.github.event import Event

_NO_SUCH_COMMIT = frozenset({409, 422})
"""What GitHub answers for a commit that it does not have, and in an empty repository."""


def find_pull_request(event: Event, client: GitHubClient, *, number: int | None) -> int | None:
    """Find the open pull request whose head is the commit of the event.

    Args:
        event: What started the run.
        client: Asked even if the payload names one: a run that is repeated has the payload of its first time, and the
            pull request may be at another commit by now. A merge queue tests a commit of its own, so that there the
            name of its branch is enough.
        number: What the workflow says it is; believed, except on `workflow_run`, where it may come from the run of a
            fork and must be confirmed.

    Returns:
        Its number, the highest if there are several; None if there is none.

    Raises:
        UsageError: `number` is not the pull request of the run that has ended.
        Refused: The token may not look.
        BrokenRun: GitHub cannot be asked.
    """
    if event.name != "workflow_run":
        if number is not None and number != event.pull_request:
            return number
        if event.pull_request is None:
            return max(_at_commit(event, client), default=None)
        return event.pull_request if _is_current(event, client) else None
    found = set(_of_branch(event, client))
    if number is not None and number not in found:
        raise UsageError(
            f"Pull request {number} is not at the commit {event.head_sha} that the run was about.",
            fix="Leave the number out: it is found by branch and commit.",
        )
    return number or max(found, default=None)


def _at_commit(event: Event, client: GitHubClient) -> Iterator[int]:
    if event.head_sha is None:
        return
    try:
        for item in client.items(client.own(f"/commits/{event.head_sha}/pulls")):
            if item.get("state") == "open" and _is_here(item, event):
                yield item["number"]
    except Refused as problem:
        if problem.status not in _NO_SUCH_COMMIT:
            raise


def _is_current(event: Event, client: GitHubClient) -> bool:
    """Whether the pull request of the payload is still at the commit of the event."""
    # Nobody can push to a fork that is gone.
    settled = event.name == "merge_group" or event.head_repository is None
    return settled or any(number == event.pull_request for number in _of_branch(event, client, state="all"))


def _of_branch(event: Event, client: GitHubClient, *, state: str = "open") -> Iterator[int]:
    """By branch, because the list of a commit's pull requests leaves out those from forks."""
    if event.head_repository is None or event.head_branch is None:
        return
    owner, _, _ = event.head_repository.partition("/")
    head = quote(f"{owner}:{event.head_branch}", safe="")
    for item in client.items(client.own(f"/pulls?state={state}&head={head}")):
        if _is_here(item, event) and _repository(item, "head") == event.head_repository.lower():
            yield item["number"]


def _is_here(item: dict[str, Any], event: Event) -> bool:
    """Whether a pull request is at the commit of the event and wants to change this repository."""
    head = item.get("head")
    number = item.get("number")
    at_commit = isinstance(head, dict) and event.head_sha is not None and head.get("sha") == event.head_sha
    return at_commit and isinstance(number, int) and _repository(item, "base") == event.repository.lower()


def _repository(item: dict[str, Any], side: str) -> str | None:
    match item.get(side):
        case {"repo": {"full_name": str(name)}}:
            return name.lower()
        case _:
            return None
