"""A check run: the mark beside a commit, with a summary and remarks on lines of files.

It is attached to the commit that somebody pushed, not to the merge commit that GitHub makes up for a pull request.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gate.errors import BrokenRun
from gate.github.client import GitHubClient, Unclear
from gate.report import Annotation

Conclusion = Literal["success", "failure", "neutral", "cancelled", "timed_out"]

MOST_TEXT_CHARACTERS = 65_535
"""Of the summary."""
MOST_ANNOTATIONS = 50
"""In one request."""

_PAUSES_SECONDS = (2.0, 5.0, 10.0)
"""Before looking whether a check run arrived, each time that this is not clear."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRun:
    """What is to be seen beside a commit."""

    name: str
    head_sha: str
    conclusion: Conclusion
    title: str
    """One line of plain text."""
    summary: str
    """Markdown; cut if it is too long."""
    details_url: str | None = None
    annotations: Sequence[Annotation] = ()
    """Those that are about a line of a file are shown, in batches."""


def publish_check(client: GitHubClient, check: CheckRun) -> None:
    """Put a finished check run beside its commit; if exactly this one is there already, nothing is done.

    Raises:
        Refused: The token may not.
        BrokenRun: GitHub cannot be asked, or nobody knows whether it has the check run.
    """
    remarks = [_remark(one) for one in check.annotations if one.file is not None]
    output: dict[str, object] = {"title": check.title, "summary": check.summary[:MOST_TEXT_CHARACTERS]}
    content: dict[str, object] = {
        "name": check.name,
        "head_sha": check.head_sha,
        "status": "completed",
        "conclusion": check.conclusion,
        "output": {**output, "annotations": remarks[:MOST_ANNOTATIONS]},
    }
    if check.details_url is not None:
        content["details_url"] = check.details_url
    content["external_id"] = hashlib.sha256(json.dumps([content, remarks]).encode()).hexdigest()[:32]
    if _find(client, content) is not None:
        return
    made = _create(client, content)
    path = client.own(f"/check-runs/{made}")
    for start in range(MOST_ANNOTATIONS, len(remarks), MOST_ANNOTATIONS):
        # Each request adds its annotations to those that are there.
        batch = remarks[start : start + MOST_ANNOTATIONS]
        client.patch(path, {"output": {**output, "annotations": batch}})


def _create(client: GitHubClient, content: dict[str, object]) -> int:
    """The number of the new check run."""
    said = ""
    for seconds in _PAUSES_SECONDS:
        try:
            made = client.post(client.own("/check-runs"), content).get("id")
        except Unclear as problem:
            said = problem.message
            client.pause(seconds)
            made = _find(client, content)
        if isinstance(made, int):
            return made
    raise BrokenRun(f"GitHub does not say whether it has the check run: {said or 'no number in its answer'}.")


def _find(client: GitHubClient, content: dict[str, object]) -> int | None:
    """The number of the check run that says exactly this."""
    path = client.own(f"/commits/{content['head_sha']}/check-runs?filter=all")
    for item in client.items(path, within="check_runs"):
        if item.get("external_id") == content["external_id"] and isinstance(item.get("id"), int):
            return int(item["id"])
    return None


def _remark(one: Annotation) -> dict[str, Any]:
    line = one.line or 1
    level = "failure" if one.level == "error" else "warning"
    return {"path": one.file, "start_line": line, "end_line": line, "annotation_level": level,
            "title": one.title, "message": one.message}  # fmt: skip
