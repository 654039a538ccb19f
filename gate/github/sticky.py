"""One comment on a pull request that is always current.

A comment is ours if we wrote it and our marker is its first line. Either alone is not enough: a person can write the
marker, and the same account writes other comments. Nobody else's comment is ever changed or removed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from gate.errors import BrokenRun
from gate.github.client import GitHubClient, Making, Refused

CommentMode = Literal["sticky", "new", "off"]
"""`sticky`: change our comment or make it. `new`: one comment for each run. `off`: none."""

_RUNNER_LOGIN = "github-actions[bot]"
"""Who writes with the token that a workflow is given; that token may not ask for its own name."""
_GONE = frozenset({404, 410})


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """What is needed of a comment."""

    id: int
    url: str
    """For people."""
    author: str
    """Login in lower case; empty for an account that is gone."""
    body: str

    @property
    def first_line(self) -> str:
        """Without the carriage return that GitHub's editor adds."""
        return self.body.split("\n", 1)[0].rstrip()


class StickyComment:
    """Our comment on one pull request."""

    def __init__(self, client: GitHubClient, number: int, *, marker: str) -> None:
        self._client, self._marker = client, marker
        self._path = client.own(f"/issues/{number}/comments")

    def put(self, body: str, *, only_update: bool = False) -> str | None:
        """Make our comment say this: change it, make it if there is none, and remove all others of ours.

        Args:
            body: Its first line is the marker.
            only_update: Make none if there is none.

        Returns:
            Its address; None if there was none to change.

        Raises:
            Refused: The token may not.
            BrokenRun: GitHub cannot be asked, or nobody knows whether it has the comment.
        """
        logins = self._own_logins()
        everything = self._all()
        ours = [one for one in everything if one.first_line == self._marker and one.author in logins]
        kept = self._change_first(ours, body)
        if kept is None and only_update:
            return None
        if kept is None:
            kept = self._create(body, known=everything)
            # An app's name is not known before it has written something.
            ours = [one for one in everything if one.first_line == self._marker and one.author == kept.author]
        self._remove(one for one in ours if one.id != kept.id)
        return kept.url

    def add(self, body: str) -> str:
        """Make a further comment; those that are there stay.

        Returns:
            Its address.

        Raises:
            Refused: As in `put`.
            BrokenRun: As in `put`.
        """
        return self._create(body, known=self._all()).url

    def _own_logins(self) -> frozenset[str]:
        try:
            user = self._client.get("/user")
        except Refused as problem:
            if problem.status == 401:
                raise
            user = None
        match user:
            case {"login": str(login)}:
                return frozenset({_RUNNER_LOGIN, login.lower()})
            case _:
                return frozenset({_RUNNER_LOGIN})

    def _all(self) -> list[Comment]:
        found = [_comment(item) for item in self._client.items(self._path)]
        return sorted((one for one in found if one is not None), key=lambda one: one.id)

    def _change_first(self, ours: Iterable[Comment], body: str) -> Comment | None:
        """Change the first of these that is still there; the oldest one keeps its address."""
        for one in ours:
            if _same(one.body, body):
                return one
            try:
                self._client.patch(self._one(one), {"body": body})
            except Refused as problem:
                if problem.status not in _GONE:
                    raise
            else:
                return one
        return None

    def _create(self, body: str, *, known: Iterable[Comment]) -> Comment:
        before = {one.id for one in known}

        def find() -> Comment | None:
            return next((one for one in self._all() if one.id not in before and _same(one.body, body)), None)

        making = Making(what="comment", read=_comment, find=find)
        return self._client.post_once(self._path, {"body": body}, making=making)

    def _remove(self, comments: Iterable[Comment]) -> None:
        for one in comments:
            try:
                self._client.delete(self._one(one))
            except Refused:  # another job may have been faster, and our comment is current all the same
                continue
            except BrokenRun:  # the next run removes what is left, so nobody waits here for each of many
                return

    def _one(self, comment: Comment) -> str:
        return self._client.own(f"/issues/comments/{comment.id}")


def _comment(item: dict[str, Any]) -> Comment | None:
    """None for what is no comment."""
    match item:
        case {"id": int(number), "html_url": str(url)}:
            user, body = item.get("user"), item.get("body")
            login = user.get("login") if isinstance(user, dict) else None
            return Comment(
                id=number,
                url=url,
                author=login.lower() if isinstance(login, str) else "",
                body=body if isinstance(body, str) else "",
            )
        case _:
            return None


def _same(stored: str, body: str) -> bool:
    """GitHub may store other line ends, and none after the last line."""
    return stored.replace("\r\n", "\n").rstrip() == body.replace("\r\n", "\n").rstrip()
