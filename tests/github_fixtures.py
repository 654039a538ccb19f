"""Fixtures: a GitHub on this machine and clients of it that wait for nothing. Named in `pytest_plugins`."""

from collections.abc import Iterator

import pytest
from fake_github import TOKEN, ClientFor, FakeGitHub, Paused, fake_github

from gate.github.client import Access, GitHubClient
from gate.transport.http import Clock


@pytest.fixture
def paused() -> Paused:
    return Paused()


@pytest.fixture
def fake() -> Iterator[FakeGitHub]:
    with fake_github() as server:
        yield server


@pytest.fixture
def client_for(paused: Paused) -> ClientFor:
    """A client of a fake; with the token that it wants unless another is given."""

    def make(fake: FakeGitHub, *, token: str = TOKEN, **environ: str) -> GitHubClient:
        access = Access(api_url=fake.api_url, repository=fake.repository, token=token)
        return GitHubClient(access, environ=environ, clock=Clock(sleep=paused, monotonic=paused.monotonic))

    return make
