"""What started the workflow run: the variables that the runner sets and the payload of the event.

The payload is written by GitHub, but branch names, titles and repositories of forks in it are others' choice: whatever
leaves this module as a commit, a number or a repository has been checked to be one. Nothing here asks the API.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gate.errors import UsageError
from gate.transport.commit_id import is_full_id

MAX_PAYLOAD_BYTES = 32 * 1024 * 1024
"""GitHub caps payloads at 25 MB."""

_NO_COMMIT = re.compile("0+")
"""Stands for the commit before a branch was made, or after it was deleted."""
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*/(?!\.\.?$)[A-Za-z0-9_.-]+")
_QUEUE_BRANCH = re.compile(r"refs/heads/gh-readonly-queue/.+/pr-(?P<number>[1-9]\d{0,9})-[0-9a-f]{40,64}")
_MOST_REF_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What started the run and which commit it is about."""

    name: str
    """As in `on:` of the workflow, for example `pull_request`."""
    repository: str
    """`owner/name` of the repository whose workflow runs."""
    sha: str | None
    """`GITHUB_SHA`. On `pull_request` that is a merge commit that GitHub made up."""
    head_sha: str | None
    """The commit that somebody pushed and that is judged; None after a branch was deleted."""
    head_branch: str | None
    """The branch that it was pushed to, without `refs/heads/`; None for a tag."""
    head_repository: str | None
    """Where that branch lives; None if it is gone."""
    base_branch: str | None = None
    """The branch that a pull request or merge queue wants to change, without `refs/heads/`; else None."""
    base_sha: str | None = None
    """The tip of that branch when the event happened; else None."""
    before_sha: str | None = None
    """On `push`: where the branch pointed to before; None if it is new."""
    pull_request: int | None = None
    """Number of the pull request, if the payload alone says it."""
    upstream_run_id: int | None = None
    """On `workflow_run`: that run; else None."""
    run_id: int | None
    server_url: str
    """Where people look, for example `https://github.com`; without a slash at the end."""
    api_url: str
    """Where programs ask, for example `https://ghes.example/api/v3`; without a slash at the end."""

    @property
    def is_fork(self) -> bool:
        """Whether the commit comes from another repository, or from one that is gone."""
        return self.head_repository is None or self.head_repository.lower() != self.repository.lower()

    @property
    def run_url(self) -> str | None:
        """The page of this workflow run."""
        return None if self.run_id is None else f"{self.server_url}/{self.repository}/actions/runs/{self.run_id}"


def read_event(environ: Mapping[str, str]) -> Event:
    """Read what the runner says about this run.

    Args:
        environ: Environment variables; of those, `GITHUB_*`.

    Raises:
        UsageError: A variable is missing or is no such thing, or the payload cannot be read or lacks what its event
            always has.
    """
    name = _variable(environ, "GITHUB_EVENT_NAME")
    if not re.fullmatch("[a-z_]{1,50}", name):
        raise UsageError("GITHUB_EVENT_NAME is not the name of an event.")
    repository = _variable(environ, "GITHUB_REPOSITORY")
    if not _REPOSITORY.fullmatch(repository):
        raise UsageError("GITHUB_REPOSITORY is not of the form owner/name.")
    payload = _Payload(_read_payload(Path(_variable(environ, "GITHUB_EVENT_PATH"))), "")
    run_id = environ.get("GITHUB_RUN_ID", "")
    own = {"head_sha": _own_commit(environ), "head_branch": _branch(environ.get("GITHUB_REF")),
           "head_repository": repository}  # fmt: skip
    return Event(
        name=name,
        repository=repository,
        sha=_own_commit(environ),
        run_id=int(run_id) if re.fullmatch(r"[1-9]\d{0,18}", run_id) else None,
        server_url=_url(environ, "GITHUB_SERVER_URL", "https://github.com"),
        api_url=_url(environ, "GITHUB_API_URL", "https://api.github.com"),
        **{**own, **_details(name, payload)},
    )


class _Payload:
    """A JSON object that knows where in the payload it stands."""

    def __init__(self, content: Mapping[str, Any], place: str) -> None:
        self._content, self._place = content, place

    def has(self, key: str) -> bool:
        return self._content.get(key) is not None

    def part(self, key: str) -> "_Payload":
        value = self._content.get(key)
        if not isinstance(value, dict):
            raise self._lacks(key, "an object")
        return _Payload(value, f"{self._place}{key}.")

    def text(self, key: str) -> str:
        value = self._content.get(key)
        if not isinstance(value, str) or not 0 < len(value) <= _MOST_REF_CHARACTERS:
            raise self._lacks(key, "a short text")
        return value

    def number(self, key: str) -> int:
        value = self._content.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self._lacks(key, "a positive whole number")
        return value

    def commit(self, key: str) -> str | None:
        """None where GitHub writes zeros."""
        value = self.text(key)
        if not is_full_id(value):
            raise self._lacks(key, "a commit")
        return None if _NO_COMMIT.fullmatch(value) else value

    def repository(self, key: str) -> str | None:
        """None for a repository that has been deleted."""
        if not self.has(key):
            return None
        part = self.part(key)
        name = part.text("full_name")
        if not _REPOSITORY.fullmatch(name):
            raise part._lacks("full_name", "of the form owner/name")
        return name

    def _lacks(self, key: str, wanted: str) -> UsageError:
        return UsageError(f"The payload of the event (GITHUB_EVENT_PATH): {self._place}{key} is not {wanted}.")


def _details(name: str, payload: _Payload) -> dict[str, Any]:
    """The fields of `Event` that the payload of this event knows better than the variables do."""
    match name:
        case "push":
            head, ref = payload.commit("after"), payload.text("ref")
            return {"head_sha": head, "head_branch": _branch(ref), "before_sha": payload.commit("before")}
        case "merge_group":
            return _merge_group(payload.part("merge_group"))
        case "workflow_run":
            return _workflow_run(payload.part("workflow_run"))
        case "pull_request" | "pull_request_target":
            return _pull_request(payload.part("pull_request"))
        case _:
            # Reviews and the like carry the pull request in the same form.
            return _pull_request(payload.part("pull_request")) if payload.has("pull_request") else {}


def _pull_request(part: _Payload) -> dict[str, Any]:
    head, base = part.part("head"), part.part("base")
    return {
        "pull_request": part.number("number"),
        "head_sha": head.commit("sha"),
        "head_branch": head.text("ref"),
        "head_repository": head.repository("repo"),
        "base_branch": base.text("ref"),
        "base_sha": base.commit("sha"),
    }


def _merge_group(part: _Payload) -> dict[str, Any]:
    head_ref = part.text("head_ref")
    found = _QUEUE_BRANCH.fullmatch(head_ref)
    return {
        "pull_request": int(found["number"]) if found else None,
        "head_sha": part.commit("head_sha"),
        "head_branch": _branch(head_ref),
        "base_branch": _branch(part.text("base_ref")),
        "base_sha": part.commit("base_sha"),
    }


def _workflow_run(part: _Payload) -> dict[str, Any]:
    """The run that has ended; its `pull_requests` is empty for forks, so it is of no use."""
    return {
        "head_sha": part.commit("head_sha"),
        "head_branch": part.text("head_branch") if part.has("head_branch") else None,
        "head_repository": part.repository("head_repository"),
        "upstream_run_id": part.number("id"),
    }


def _branch(ref: str | None) -> str | None:
    return ref.removeprefix("refs/heads/") if ref and ref.startswith("refs/heads/") else None


def _own_commit(environ: Mapping[str, str]) -> str | None:
    sha = environ.get("GITHUB_SHA", "")
    if sha and not is_full_id(sha):
        raise UsageError("GITHUB_SHA is not a commit.")
    return sha or None


def _variable(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise UsageError(f"{name} is not set.", fix="The runner sets it; elsewhere, set it yourself.")
    return value


def _url(environ: Mapping[str, str], name: str, default: str) -> str:
    value = environ.get(name) or default
    try:
        parts = urlsplit(value)
        is_plain = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_plain = False
    if not is_plain or "@" in value or re.search(r"[\s?#\x00-\x20\x7f]", value):
        raise UsageError(f"{name} is not the address of a server.")
    return value.rstrip("/")


def _read_payload(path: Path) -> Mapping[str, Any]:
    try:
        if not path.is_file():
            raise UsageError("GITHUB_EVENT_PATH is not a file.")
        with path.open("rb") as file:
            content = file.read(MAX_PAYLOAD_BYTES + 1)
    except OSError as problem:
        raise UsageError(f"GITHUB_EVENT_PATH cannot be read: {problem.strerror or problem}.") from None
    if len(content) > MAX_PAYLOAD_BYTES:
        raise UsageError(f"GITHUB_EVENT_PATH is longer than {MAX_PAYLOAD_BYTES // 1024**2} MiB.")
    try:
        payload = json.loads(content)
    except (ValueError, RecursionError):
        raise UsageError("The payload of the event (GITHUB_EVENT_PATH) is not JSON.") from None
    if not isinstance(payload, dict):
        raise UsageError("The payload of the event (GITHUB_EVENT_PATH) is not a JSON object.")
    return payload
