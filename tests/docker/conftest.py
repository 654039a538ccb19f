"""A real Docker Engine and the image that was built from this repository; `.ci/docker` brings both."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest
from runner import ROOT, Job

PROBE = Path(__file__).parent / "probe.py"
Docker = Callable[..., subprocess.CompletedProcess[str]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without an engine every test of this folder is skipped."""
    if os.environ.get("GATE_DOCKER_IMAGE"):
        return
    mark = pytest.mark.skip(reason="needs a Docker Engine and the built image: run .ci/docker")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(mark)


@pytest.fixture(scope="session")
def image() -> str:
    """The gate's own image."""
    return os.environ["GATE_DOCKER_IMAGE"]


@pytest.fixture(scope="session")
def docker() -> Docker:
    """The docker command."""

    def run(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        ran = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
        assert not check or ran.returncode == 0, ran.stderr
        return ran

    return run


@pytest.fixture(scope="session")
def probe(docker: Docker, image: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The gate's image with a `gate` that tells what it sees."""
    context = tmp_path_factory.mktemp("probe")
    shutil.copy(PROBE, context / "gate")
    (context / "gate").chmod(0o755)
    (context / "Dockerfile").write_text(f"FROM {image}\nCOPY gate /opt/gate/venv/bin/gate\n")
    environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
    subprocess.run(["docker", "build", "--quiet", "--tag", "gate-probe", context], env=environment, check=True)
    return "gate-probe"


@pytest.fixture
def job() -> Iterator[Job]:
    """A job of an unprivileged user, in a folder that others may enter."""
    folder = Path(mkdtemp(prefix="gate-job-"))
    folder.chmod(0o755)
    yield Job(folder=folder / "runner", docker_host=os.environ.get("DOCKER_HOST", ""), unprivileged=True)
    shutil.rmtree(folder)


@pytest.fixture
def model_repository(job: Job) -> Path:
    """The quickstart as a user's model repository, in the job's workspace."""
    shutil.copytree(ROOT / "sample_configs" / "quickstart", job.workspace, dirs_exist_ok=True)
    return job.workspace
