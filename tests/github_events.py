"""Real payloads of GitHub's events, and the variables that a runner sets beside them."""

import copy
import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data" / "github"

PAYLOADS: dict[str, list[dict[str, Any]]] = json.loads((DATA / "events.json").read_text(encoding="utf-8"))
REPOSITORY = "Codertocat/Hello-World"
QUEUE_REPOSITORY = "octo-org/octo-repo"
"""Where the examples of `merge_group`, `workflow_dispatch` and `workflow_run` come from."""


def payload(name: str, index: int = 0) -> dict[str, Any]:
    """A copy to change."""
    return copy.deepcopy(PAYLOADS[name][index])


def variables(folder: Path, name: str, content: object, **more: str) -> dict[str, str]:
    """Write the payload and say what the runner would."""
    path = folder / "event.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return {
        "GITHUB_EVENT_NAME": name,
        "GITHUB_EVENT_PATH": str(path),
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_SHA": "1" * 40,
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_RUN_ID": "42",
        **more,
    }
