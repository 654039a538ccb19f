"""Tells GitHub what became of a commit: a comment, the summary of the job, outputs, remarks and a check run.

What cannot be told because a token may not, or because there is no pull request, is said and is no failure: the verdict
belongs to the step that decided. What is told is rendered here, from rounds that were checked when they were read: no
page that another run rendered is passed on. The figures, and the sentences of rules, are those of the run that made the
rounds; if that was a fork's, the page says so. This module runs no model and changes no verdict.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from gate import errors, outputs, report
from gate.data.whole_file import refuse_other_than_file, write_whole
from gate.domain import Round, VerdictOutcome
from gate.errors import BrokenRun, GateError
from gate.github import files, workflow_commands
from gate.github.checks import CheckRun, Conclusion, publish_check
from gate.github.client import Access, GitHubClient, Refused
from gate.github.event import Event, read_event
from gate.github.pull_request import find_pull_request
from gate.github.sticky import CommentMode, StickyComment
from gate.report import Annotation, Judged, Links, Problem

_NOT_ALLOWED = frozenset({403, 404, 410})
"""Statuses that mean: not with this token, or not here. Then there is simply no comment."""
_COMMENT_FILE = "--comment-file"
_CHECK_SUMMARY_BYTES = 60_000
_CHECK_NAME = "gate verdict"
"""Another one than that of the job, which a branch protection may require: no published word may stand in for it."""
_TITLES: Mapping[VerdictOutcome, str] = {
    "pass": "The gate is open",
    "fail": "A rule failed",
    "inconclusive": "Not everything could be decided",
    "error": "No verdict",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is to be told, and where."""

    comment: CommentMode | None = None
    """None: a sticky one, and none in a merge queue, which judges a pull request together with others."""
    comment_id: str | None = None
    """Tells apart the comments of several gates; None: the only one."""
    pull_request: int | None = None
    """Its number, where the event does not say it."""
    check_run: bool = False
    commit: str | None = None
    """The commit that was judged; None: the one that the event is about."""
    config: str | None = None
    """Path of the configuration in the repository, for remarks on its lines; None: only on what broke."""
    comment_file: Path | None = None
    """Where to leave the comment if it could not be posted."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """More outputs of this step: numbers, words and paths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a reader must know of how the rounds came about, a sentence each."""

    cautions: Sequence[str] = ()
    """Our own, which stay whatever else is left out."""
    notes: Sequence[str] = ()
    """Of the run; perhaps that of a fork."""


_NOTHING_SAID = Said()


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """Where lines go."""

    out: Callable[[str], object]
    """Read by the runner: commands."""
    say: Callable[[str], object]
    """Read by people: one sentence at a time, which may quote a server; the receiver makes it inert."""


def publish(
    judged: Sequence[Judged],
    wishes: Wishes,
    *,
    environ: Mapping[str, str],
    channels: Channels,
    said: Said = _NOTHING_SAID,
) -> None:
    """Tell GitHub about the adapters of one commit.

    Args:
        judged: What became of each; none: nothing was changed, so an earlier comment is brought up to date and no new
            one is made.
        wishes: What is to be told.
        environ: Environment variables: `GITHUB_*`, and the authorities of a server of one's own.
        channels: Where lines go.
        said: What a reader must know of how this came about.

    Raises:
        UsageError: The environment is not that of a workflow run, or a wish cannot be granted.
        BrokenRun: GitHub is out of order, or a file cannot be written to.

    Whatever is raised, what could be told has been told, and the outputs of the verdict first of all.
    """
    # First of all and whatever else goes wrong: later jobs depend on the outputs.
    outputs.write_verdict(judged, more=wishes.outputs, environ=environ)
    marker, event = report.marker(wishes.comment_id), read_event(environ)
    page = _Page(
        judged=judged,
        marker=marker,
        links=_links(event, wishes.commit),
        cautions=(*_origin(event, judged), *said.cautions),
        notes=said.notes,
    )
    run = _Publication(page, wishes, event, environ=environ, channels=channels)
    failures: list[GateError] = []
    for tell in (run.write_summary, run.write_remarks, run.tell_comment, run.leave_comment, run.post_check):
        try:
            tell()
        except GateError as problem:
            failures.append(problem)
    for further in failures[1:]:
        channels.say(str(further))
    if failures:
        raise failures[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    judged: Sequence[Judged]
    marker: str
    links: Links
    cautions: Sequence[str]
    notes: Sequence[str]

    def comment(self) -> str:
        return report.comment(
            self.judged, marker=self.marker, links=self.links, cautions=self.cautions, notes=self.notes
        )

    def summary(self, limit: int) -> str:
        return report.summary(self.judged, links=self.links, cautions=self.cautions, notes=self.notes, limit=limit)


class _Publication:
    """One page on its way to all places."""

    def __init__(
        self, page: _Page, wishes: Wishes, event: Event, *, environ: Mapping[str, str], channels: Channels
    ) -> None:
        self._page, self._wishes, self._event, self._environ = page, wishes, event, environ
        self._channels = channels
        self._url: str | None = None
        """Of the comment; None: none was posted."""

    def write_summary(self) -> None:
        if path := self._environ.get("GITHUB_STEP_SUMMARY"):
            room = files.summary_room(Path(path))
            text = self._page.summary(min(room, report.SUMMARY_LIMIT_BYTES))
            if len(text.encode("utf-8", "replace")) <= room:
                files.add_summary(Path(path), text)
            else:
                self._channels.say("No summary: earlier commands of this step have filled it.")

    def write_remarks(self) -> None:
        for one in self._remarks():
            file = one.file or ""
            line = workflow_commands.annotation(one.level, one.message, title=one.title, file=file, line=one.line)
            self._channels.out(line)

    def tell_comment(self) -> None:
        """Post the comment."""
        with self._degrading("comment"):
            self._url = self._post_comment()

    def leave_comment(self) -> None:
        """Leave a comment that could not be posted in a file, and say in the outputs what became of it."""
        target, left = self._wishes.comment_file, False
        missing = self._url is None and bool(self._page.judged) and self._wishes.comment != "off"
        try:
            if missing and target is not None:
                refuse_other_than_file(target, option=_COMMENT_FILE)
                write_whole(target, self._page.comment(), option=_COMMENT_FILE)
                left = True
        finally:
            outputs.write_comment(url=self._url, left=left, environ=self._environ)

    def post_check(self) -> None:
        head = self._wishes.commit or self._event.head_sha
        if not self._wishes.check_run or head is None or self._client is None:
            return
        worst = min(self._page.judged, key=lambda one: one.severity, default=None)
        title = "Nothing to gate" if worst is None else _TITLES[worst.outcome]
        conclusion = _conclusion(self._page.judged)
        if _is_from_fork(self._event):
            # What a stranger's run says may warn, and opens nothing.
            title = f"{title}, according to a run of the fork"
            conclusion = "neutral" if conclusion == "success" else conclusion
        check = CheckRun(
            name=f"{_CHECK_NAME} ({self._wishes.comment_id})" if self._wishes.comment_id else _CHECK_NAME,
            head_sha=head,
            conclusion=conclusion,
            title=title,
            summary=self._page.summary(_CHECK_SUMMARY_BYTES),
            details_url=self._event.run_url,
            annotations=self._remarks(),
        )
        with self._degrading("check run"):
            publish_check(self._client, check)

    def _post_comment(self) -> str | None:
        """The address of the comment; None, and a word to people, if there is none."""
        mode = self._wishes.comment or ("off" if self._event.name == "merge_group" else "sticky")
        if mode == "off" or self._client is None:
            return None
        number = find_pull_request(self._event, self._client, number=self._wishes.pull_request)
        if number is None:
            commit = self._event.head_sha or "that this run is about"
            self._channels.say(f"No comment: no open pull request has the commit {commit} at its head.")
            return None
        comment, body = StickyComment(self._client, number, marker=self._page.marker), self._page.comment()
        # A change of the configuration alone is judged by nobody and still must be seen.
        says_something = bool(self._page.judged or self._page.notes)
        url: str | None = None
        if mode == "sticky":
            url = comment.put(body, only_update=not says_something)
        elif says_something:
            url = comment.add(body)
        self._channels.say(f"No comment: nothing was judged in #{number}." if url is None else f"Comment: {url}")
        return url

    def _remarks(self) -> Sequence[Annotation]:
        # The run of `workflow_run` belongs to another commit than the one that was judged.
        if self._event.name == "workflow_run":
            return ()
        return report.annotations(self._page.judged, config=self._wishes.config)

    @contextmanager
    def _degrading(self, what: str) -> Iterator[None]:
        """Go on without something that this token may not do."""
        try:
            yield
        except Refused as problem:
            if problem.status not in _NOT_ALLOWED:
                raise BrokenRun(f"GitHub refused the {what}: {problem.message}.") from None
            why = ". The run of a fork may only read; publish from `workflow_run`" if self._event.is_fork else ""
            self._channels.say(f"No {what}: {problem.message}{why}.")

    @cached_property
    def _client(self) -> GitHubClient | None:
        """None without a token, which is said once."""
        token = self._environ.get("GITHUB_TOKEN", "").strip()
        if not token:
            self._channels.say("Nothing is posted: GITHUB_TOKEN is not set.")
            return None
        access = Access(api_url=self._event.api_url, repository=self._event.repository, token=token)
        return GitHubClient(access, environ=self._environ)


def _links(event: Event, judged: str | None) -> Links:
    base = f"{event.server_url}/{event.repository}"
    run = event.run_url if event.upstream_run_id is None else f"{base}/actions/runs/{event.upstream_run_id}"
    commit = judged or event.head_sha
    return Links(run=run, commit=None if commit is None else f"{base}/commit/{commit}")


def _is_from_fork(event: Event) -> bool:
    return event.name == "workflow_run" and event.is_fork


def _origin(event: Event, judged: Sequence[Judged]) -> Iterator[str]:
    if _is_from_fork(event):
        yield (
            "The numbers come from a run of the fork, which its author controls: a hint for the review, not a gate. "
            "Run the gate on the commit yourself before you merge."
        )
    named = [one.result.commit for one in judged if isinstance(one.result, Round) and one.result.commit is not None]
    if event.name == "workflow_run" and any(commit != event.head_sha for commit in named):
        yield f"The numbers are those of another commit than {event.head_sha}, which this pull request is at."


def _conclusion(judged: Sequence[Judged]) -> Conclusion:
    """What the mark beside the commit says: red exactly if the deciding step ended badly."""
    if any(isinstance(one.result, Problem) and one.result.exit_code == errors.EXIT_INTERRUPTED for one in judged):
        return "cancelled"
    if any(outputs.exit_code(one) != errors.EXIT_OPEN for one in judged):
        return "failure"
    return "success" if judged and all(one.outcome == "pass" for one in judged) else "neutral"
