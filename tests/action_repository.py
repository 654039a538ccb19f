"""A user's model repository, made of a part of the quickstart, and a runner that has checked it out."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from github_events import REPOSITORY, payload, variables

QUICKSTART = Path(__file__).parents[1] / "sample_configs" / "quickstart"

CONFIG = """\
version: 1
base: {model: model}
candidate: {adapter: adapters/support}
engine: {kind: transformers, device: cpu}
generation: {max_new_tokens: 40}
suites:
  facts:
    role: regression
    cases: evals/facts.jsonl
    scorer: {kind: exact_match, ignore_case: true, ignore_punctuation: true}
    rules: [{kind: max_drop, drop: 1pp, fail_null: zero}]
  json_output:
    role: regression
    cases: evals/json_output.jsonl
    scorer: {kind: json_schema, schema: evals/person.schema.json}
    rules: [{kind: max_drop, drop: 90pp}]
"""
CASES = 24


class Repository:
    """A working copy with `main`, which `origin/main` stands for as well."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def git(self, *arguments: str) -> str:
        """Run git with nobody's settings."""
        nobody = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "init.defaultBranch=main"]
        nobody += ["-c", "safe.directory=*"]  # after a run the files may be those of the runner's user
        environment = {**os.environ, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_CONFIG_GLOBAL": os.devnull}
        command = ["git", *nobody, *arguments]
        ran = subprocess.run(command, cwd=self.path, env=environment, check=True, capture_output=True, text=True)
        return ran.stdout.strip()

    def commit(self, message: str = "a change") -> str:
        """Commit everything that lies there."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def branch(self, name: str = "proposal") -> None:
        """Start a branch from main."""
        self.git("checkout", "-q", "-B", name, "main")

    def write(self, path: str, text: str) -> None:
        """Write a file, and the folders above it."""
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def adapter(self, kind: str, path: str = "adapters/support") -> None:
        """Put one of the quickstart's adapters in the place of another."""
        shutil.rmtree(self.path / path, ignore_errors=True)
        # With times of today: git would take files of the same size and time for unchanged.
        shutil.copytree(QUICKSTART / "adapters" / kind, self.path / path, copy_function=shutil.copy)


def make_repository(path: Path, config: str = CONFIG) -> Repository:
    """A repository whose main branch holds a base, a careful adapter and few cases."""
    path.mkdir(parents=True)
    repository = Repository(path)
    repository.git("init", "-q")
    repository.git("remote", "add", "origin", f"https://github.com/{REPOSITORY}")
    shutil.copytree(QUICKSTART / "model", path / "model")
    (path / "evals").mkdir()
    for suite in ("facts", "json_output"):
        lines = (QUICKSTART / "evals" / f"{suite}.jsonl").read_text("utf-8").splitlines(keepends=True)
        repository.write(f"evals/{suite}.jsonl", "".join(lines[:CASES]))
    shutil.copy(QUICKSTART / "evals" / "person.schema.json", path / "evals")
    repository.adapter("careful")
    repository.write("gate.yaml", config)
    repository.commit("all of it")
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    return repository


class Runner:
    """Starts steps of the Action as the launcher would on the runner itself."""

    def __init__(self, repository: Repository, temp: Path) -> None:
        self.repository, self.temp = repository, temp
        self.work = temp / "gate"
        self.environ: dict[str, str] = {}
        temp.mkdir(parents=True, exist_ok=True)

    def pull_request(self, head: str, **more: Any) -> None:
        """Somebody proposed a commit to main."""
        content = payload("pull_request")
        content["pull_request"]["head"]["sha"] = head
        content["pull_request"]["base"] |= {"ref": "main", "sha": self.repository.git("rev-parse", "main")}
        self._event("pull_request", content, **more)

    def push(self, before: str, after: str) -> None:
        """Somebody pushed to main."""
        content = payload("push") | {"before": before, "after": after, "ref": "refs/heads/main"}
        self._event("push", content, GITHUB_SHA=after)

    def merge_group(self, base: str, head: str) -> None:
        """The merge queue wants to know."""
        content = payload("merge_group")
        content["merge_group"] |= {"base_sha": base, "head_sha": head}
        self._event("merge_group", content, GITHUB_SHA=head)

    def dispatch(self, commit: str) -> None:
        """Somebody pressed the button."""
        self._event("workflow_dispatch", payload("workflow_dispatch"), GITHUB_SHA=commit)

    def _event(self, name: str, content: dict[str, Any], **more: str) -> None:
        self.environ = variables(self.temp, name, content, **more) | {
            "GITHUB_WORKSPACE": str(self.repository.path),
            "GATE_WORK": str(self.work),
            "GATE_GPUS": "none",
        }

    def environment(self, **more: str) -> dict[str, str]:
        """What a step sees."""
        kept = {
            name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH", "GATE_CACHE_DIR") if name in os.environ
        }
        return kept | {"OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": "1"} | self.environ | more

    def start(self, step: str, *, cwd: Path | None = None, **more: str) -> subprocess.Popen[str]:
        """Start a step with the installed command."""
        command = [str(Path(sys.executable).parent / "gate"), "action", step]
        environment = {name: value for name, value in self.environment(**more).items() if value}
        return subprocess.Popen(
            command, cwd=cwd or self.temp, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def step(self, step: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run a step to its end."""
        process = self.start(step, **more)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def read(self, name: str) -> dict[str, Any]:
        """A JSON file of the work folder."""
        content = json.loads((self.work / name).read_text("utf-8"))
        assert isinstance(content, dict)
        return content

    def round(self, slug: str = "adapters-support") -> dict[str, Any]:
        """A finished round."""
        return self.read(f"rounds/{slug}/round.json")
