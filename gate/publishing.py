"""Tells GitHub what became of a commit: a comment, the summary of the job, outputs, remarks and a check run.

What cannot be told because a token may not, or because there is no pull request, is said and is no failure: the verdict
belongs to the step that decided. What is told is rendered here, from rounds that were checked when they were read;
nothing that another run rendered is passed on. This module runs no model and changes no verdict.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from gate import errors, report
from gate.data.whole_file import write_whole
from gate.domain import Round, VerdictOutcome
from gate.errors import BrokenRun
from gate.github import files, sticky, workflow_commands
from gate.github.checks import CheckRun, Conclusion, publish_check
from gate.github.client import Access, GitHubClient, Refused
from gate.github.event import Event, read_event
from gate.github.pull_request import find_pull_request
from gate.github.sticky import CommentMode, StickyComment
from gate.report import Judged, Links, Problem

_NOT_ALLOWED = frozenset({403, 404, 410})
"""Statuses that mean: not with this token, or not here. Then there is simply no comment."""
_CHECK_SUMMARY_BYTES = 60_000
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
    config: str | None = None
    """Path of the configuration in the repository, for remarks on its lines; None: no remarks."""
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
        UsageError: The environment is not that of a workflow run, or a wish cannot be.
        BrokenRun: GitHub is out of order. What could be told has been told.
    """
    event = read_event(environ)
    page = _Page(judged=judged, links=_links(event), cautions=(*_origin(event), *said.cautions), notes=said.notes)
    run = _Publication(page, wishes, event, environ=environ, channels=channels)
    run.write_summary()
    run.write_remarks()
    broken: BrokenRun | None = None
    url = None
    try:
        with run.degrading("comment"):
            url = run.post_comment()
    except BrokenRun as problem:
        broken = problem
    run.write_outputs(url)
    with run.degrading("check run"):
        run.post_check()
    if broken is not None:
        raise broken


def verdict_outputs(judged: Sequence[Judged]) -> dict[str, str]:
    """The outputs that say what became of a commit; of several adapters the worst, and the sums.

    Returns:
        `verdict` (`none`: nothing was judged), `passed`, `exit-code`, `regressions` and `inconclusive`: blocking rules
        that failed or could not be decided.
    """
    worst = min(judged, key=lambda one: one.severity, default=None)
    codes = [exit_code(one) for one in judged]
    code = max(codes, key=_RANKS.index, default=errors.EXIT_OPEN)
    rounds = [one.result for one in judged if isinstance(one.result, Round)]
    outcomes = [finding.outcome for round_ in rounds for finding in round_.findings if finding.blocking]
    return {
        "verdict": "none" if worst is None else worst.outcome,
        "passed": str(code == errors.EXIT_OPEN).lower(),
        "exit-code": str(code),
        "regressions": str(outcomes.count("fail")),
        "inconclusive": str(outcomes.count("inconclusive")),
    }


def exit_code(one: Judged) -> int:
    """With what the deciding step ended for this adapter."""
    code = one.result.exit_code if isinstance(one.result, Problem) else one.result.verdict.exit_code
    return code if code in _RANKS else errors.EXIT_BROKEN


_RANKS = (
    errors.EXIT_OPEN, errors.EXIT_INCONCLUSIVE, errors.EXIT_FAILED, errors.EXIT_REQUEST, errors.EXIT_BROKEN,
    errors.EXIT_INTERRUPTED,
)  # fmt: skip
"""Exit codes, the worst last: an execution problem is never hidden by a verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    judged: Sequence[Judged]
    links: Links
    cautions: Sequence[str]
    notes: Sequence[str]

    def comment(self, marker: str) -> str:
        return report.comment(self.judged, marker=marker, links=self.links, cautions=self.cautions, notes=self.notes)

    def summary(self, limit: int) -> str:
        return report.summary(self.judged, links=self.links, cautions=self.cautions, notes=self.notes, limit=limit)


class _Publication:
    """One page on its way to all places."""

    def __init__(
        self, page: _Page, wishes: Wishes, event: Event, *, environ: Mapping[str, str], channels: Channels
    ) -> None:
        self._page, self._wishes, self._event, self._environ = page, wishes, event, environ
        self._channels = channels
        self._marker = sticky.marker(wishes.comment_id)

    def write_summary(self) -> None:
        if path := self._environ.get("GITHUB_STEP_SUMMARY"):
            room = files.summary_room(Path(path))
            text = self._page.summary(min(room, report.SUMMARY_LIMIT_BYTES))
            if len(text.encode("utf-8", "replace")) <= room:
                files.add_summary(Path(path), text)
            else:
                self._channels.say("No summary: earlier commands of this step have filled it.")

    def write_remarks(self) -> None:
        # The run of `workflow_run` belongs to another commit than the one that was judged.
        if self._wishes.config is None or self._event.name == "workflow_run":
            return
        for one in report.annotations(self._page.judged, config=self._wishes.config):
            file = one.file or ""
            line = workflow_commands.annotation(one.level, one.message, title=one.title, file=file, line=one.line)
            self._channels.out(line)

    def post_comment(self) -> str | None:
        """The address of the comment; None, and a word to people, if there is none."""
        mode = self._wishes.comment or ("off" if self._event.name == "merge_group" else "sticky")
        if mode == "off" or self._client is None:
            return None
        number = find_pull_request(self._event, self._client, number=self._wishes.pull_request)
        if number is None:
            commit = self._event.head_sha or "that this run is about"
            self._channels.say(f"No comment: no open pull request has the commit {commit} at its head.")
            return None
        comment, body = StickyComment(self._client, number, marker=self._marker), self._page.comment(self._marker)
        url: str | None = None
        if mode == "sticky":
            url = comment.put(body, only_update=not self._page.judged)
        elif self._page.judged:
            url = comment.add(body)
        self._channels.say(f"No comment: nothing was judged in #{number}." if url is None else f"Comment: {url}")
        return url

    def post_check(self) -> None:
        if not self._wishes.check_run or self._event.head_sha is None or self._client is None:
            return
        judged = self._page.judged
        worst = min(judged, key=lambda one: one.severity, default=None)
        remarks = () if self._wishes.config is None else report.annotations(judged, config=self._wishes.config)
        check = CheckRun(
            name=f"gate ({self._wishes.comment_id})" if self._wishes.comment_id else "gate",
            head_sha=self._event.head_sha,
            conclusion=_conclusion(judged),
            title="Nothing to gate" if worst is None else _TITLES[worst.outcome],
            summary=self._page.summary(_CHECK_SUMMARY_BYTES),
            details_url=self._event.run_url,
            annotations=remarks,
        )
        publish_check(self._client, check)

    def write_outputs(self, url: str | None) -> None:
        path, target = self._environ.get("GITHUB_OUTPUT"), self._wishes.comment_file
        left = url is None and target is not None and bool(self._page.judged) and self._wishes.comment != "off"
        if left and target is not None:
            write_whole(target, self._page.comment(self._marker))
        if path:
            told = {"comment-url": url or "", "comment-file-written": str(left).lower()}
            files.write_outputs(Path(path), {**verdict_outputs(self._page.judged), **self._wishes.outputs, **told})

    @contextmanager
    def degrading(self, what: str) -> Iterator[None]:
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


def _links(event: Event) -> Links:
    base = f"{event.server_url}/{event.repository}"
    run = event.run_url if event.upstream_run_id is None else f"{base}/actions/runs/{event.upstream_run_id}"
    return Links(run=run, commit=None if event.head_sha is None else f"{base}/commit/{event.head_sha}")


def _origin(event: Event) -> Iterator[str]:
    if event.name == "workflow_run" and event.is_fork:
        yield (
            "The numbers come from a run of the fork, which its author controls: a hint for the review, not a gate. "
            "Run the gate on the commit yourself before you merge."
        )


def _conclusion(judged: Sequence[Judged]) -> Conclusion:
    """What the mark beside the commit says: red exactly if the deciding step ended badly."""
    if any(isinstance(one.result, Problem) and one.result.exit_code == errors.EXIT_INTERRUPTED for one in judged):
        return "cancelled"
    if any(exit_code(one) != errors.EXIT_OPEN for one in judged):
        return "failure"
    return "success" if judged and all(one.outcome == "pass" for one in judged) else "neutral"
