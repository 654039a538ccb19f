"""A pull request as its author sees it: commits are pushed, the Action runs, GitHub shows something."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from action_repository import Repository
from action_repository import Runner as Events
from fake_github import TOKEN, FakeGitHub
from runner import Done, Job


@dataclass(frozen=True)
class PullRequest:
    """One branch of a model repository, proposed to main."""

    job: Job
    """Its workspace is the repository."""
    repository: Repository
    github: FakeGitHub
    inputs: dict[str, str]
    """Of the workflow."""
    facts: dict[str, str] = field(default_factory=dict)
    """More variables of the runner."""

    def push(self, **more: Any) -> dict[str, Done]:
        """Commit what lies there and let the Action run on it."""
        head = self.repository.commit()
        events = Events(self.repository, self.job.temp)
        events.pull_request(head, **more)
        event = json.loads(Path(events.environ["GITHUB_EVENT_PATH"]).read_text("utf-8"))
        self.github.add_proposal(event["pull_request"])
        facts = {name: value for name, value in events.environ.items() if name.startswith("GITHUB_")}
        self.job.facts = {**facts, "GITHUB_API_URL": self.github.api_url, "OMP_NUM_THREADS": "1", **self.facts}
        return self.run()

    def run(self) -> dict[str, Done]:
        """Let the Action run, again if it has run before."""
        commands = self.job.temp / "_runner_file_commands"
        for name in ("output", "summary"):  # new files in every run
            (commands / name).write_text("", encoding="utf-8")
        done = self.job.run(github_token=TOKEN, gpus="none", **self.inputs)
        assert all(TOKEN not in one.stdout + one.stderr for one in done.values())
        assert self.github.invalid == []
        return done

    def comment(self) -> tuple[int, str]:
        """The id and the text of the only comment."""
        ((number, comment),) = self.github.comments.items()
        return number, comment["body"]


def codes(done: dict[str, Done]) -> dict[str, int]:
    """The exit codes of the steps that ran."""
    return {name: one.code for name, one in done.items()}
