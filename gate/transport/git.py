"""What git knows of a folder."""

import subprocess
from pathlib import Path

_TIMEOUT_SECONDS = 10


def head_commit(folder: Path) -> str | None:
    """The commit that is checked out around a folder; None outside a repository, or without git."""
    try:
        answer = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", "-C", str(folder), "rev-parse", "--verify", "HEAD"],  # noqa: S607 - git is wherever PATH says
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None if answer.returncode == 0 else None
