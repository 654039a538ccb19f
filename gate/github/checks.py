"""A check run: the mark beside a commit, with a summary and remarks on lines of files.

It is attached to the commit that somebody pushed, not to the merge commit that GitHub makes up for a pull request.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gate.github.client import GitHubClient, Making
from gate.report import Annotation

Conclusion = Literal["success", "failure", "neutral", "cancelled", "timed_out"]

MOST_TEXT_CHARACTERS = 65_535
"""Of the summary."""
MOST_ANNOTATIONS = 50
"""In one request."""


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
    """The first `MOST_ANNOTATIONS` that are about a line of a file are shown."""


def publish_check(client: GitHubClient, check: CheckRun) -> None:
    """Put a finished check run beside its commit; if exactly this one is there already, nothing is done.

    Raises:
        Refused: The token may not.
        BrokenRun: GitHub cannot be asked, or nobody knows whether it has the check run.
    """
    remarks = [_remark(one) for one in check.annotations if one.file is not None][:MOST_ANNOTATIONS]
    summary = check.summary[:MOST_TEXT_CHARACTERS]
    content: dict[str, object] = {
        "name": check.name,
        "head_sha": check.head_sha,
        "status": "completed",
        "conclusion": check.conclusion,
        "output": {"title": check.title, "summary": summary, "annotations": remarks},
    }
    if check.details_url is not None:
        content["details_url"] = check.details_url
    content["external_id"] = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]
    if _find(client, content) is not None:
        return
    making = Making(what="check run", read=_number, find=lambda: _find(client, content))
    client.post_once(client.own("/check-runs"), content, making=making)


def _number(item: Mapping[str, Any]) -> int | None:
    match item.get("id"):
        case int(number):
            return number
        case _:
            return None


def _find(client: GitHubClient, content: dict[str, object]) -> int | None:
    """The number of the check run that says exactly this."""
    path = client.own(f"/commits/{content['head_sha']}/check-runs?filter=all")
    for item in client.items(path, within="check_runs"):
        if item.get("external_id") == content["external_id"] and (number := _number(item)) is not None:
            return number
    return None


def _remark(one: Annotation) -> dict[str, Any]:
    line = one.line or 1
    level = "failure" if one.level == "error" else "warning"
    return {"path": one.file, "start_line": line, "end_line": line, "annotation_level": level,
            "title": one.title, "message": one.message}  # fmt: skip
