"""The client against a GitHub on this machine that holds every request against GitHub's own description."""

import subprocess
import time
from pathlib import Path

import pytest
from fake_github import PERMISSIONS, TOKEN, ClientFor, FakeGitHub, Paused, Trouble, fake_github

from gate.errors import BrokenRun, UsageError
from gate.github import client as client_module
from gate.github.client import Access, GitHubClient, Refused, Unclear

pytest_plugins = ["github_fixtures"]
OTHER_TOKEN = "ghp_other"  # noqa: S105 - of nobody


def comments(fake: FakeGitHub, client: GitHubClient) -> list[str]:
    return [item["body"] for item in client.items(client.own("/issues/2/comments"))]


def test_items__all_pages_are_read(fake: FakeGitHub, client_for: ClientFor) -> None:
    for index in range(7):
        fake.add_comment(str(index))
    fake.page_size = 3
    assert comments(fake, client_for(fake)) == [str(index) for index in range(7)]
    assert len(fake.asked) == 3
    assert "per_page=100" in fake.asked[0][1]
    assert fake.headers[0]["accept"] == "application/vnd.github+json"
    assert fake.headers[0]["x-github-api-version"] == "2022-11-28"
    assert fake.headers[0]["user-agent"].startswith("finetune-gate/")


def test_items__an_enterprise_server_has_a_path_of_its_own(client_for: ClientFor) -> None:
    with fake_github(prefix="/api/v3") as fake:
        for index in range(3):
            fake.add_comment(str(index))
        fake.page_size = 1
        assert comments(fake, client_for(fake)) == ["0", "1", "2"]
        assert all(path.startswith("/api/v3/repos/") for _, path in fake.asked)


def test_items__lists_end(fake: FakeGitHub, client_for: ClientFor, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(4):
        fake.add_comment(str(index))
    fake.page_size = 1
    monkeypatch.setattr(client_module, "MOST_PAGES", 3)
    with pytest.raises(BrokenRun, match="more than 3 pages"):
        comments(fake, client_for(fake))


def test_items__the_next_page_is_on_the_same_server(fake: FakeGitHub, client_for: ClientFor) -> None:
    with fake_github() as other:
        link = {"link": f'<{other.api_url}/repos/a/b/issues/2/comments?page=2>; rel="next"'}
        fake.troubles = [Trouble("GET", status=200, headers=link), Trouble("GET", status=200, headers=link, raw=b"[]")]
        with pytest.raises(BrokenRun, match="did not answer with a list"):
            comments(fake, client_for(fake))
        with pytest.raises(BrokenRun, match="another server"):
            comments(fake, client_for(fake))
        assert not other.asked


def test_get__waits_as_long_as_a_limit_asks_for(fake: FakeGitHub, client_for: ClientFor, paused: Paused) -> None:
    soon = str(int(time.time()) + 30)
    fake.troubles = [
        Trouble("GET", status=403, message="You have exceeded a secondary rate limit."),
        Trouble("GET", status=429, headers={"retry-after": "7"}),
        Trouble("GET", status=403, headers={"x-ratelimit-remaining": "0", "x-ratelimit-reset": soon}),
    ]
    assert comments(fake, client_for(fake)) == []
    assert paused.seconds[:2] == [60, 7]
    assert 25 < paused.seconds[2] <= 30


def test_get__does_not_wait_for_an_hour(fake: FakeGitHub, client_for: ClientFor, paused: Paused) -> None:
    fake.troubles = [
        Trouble("GET", status=403, headers={"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1900000000"})
    ]
    with pytest.raises(BrokenRun, match=r"no more requests until 2030-03-17 17:46 UTC \(GET /repos/.*: HTTP 403"):
        comments(fake, client_for(fake))
    assert paused.seconds == []


def test_get__a_time_that_cannot_be_is_not_told(fake: FakeGitHub, client_for: ClientFor) -> None:
    never = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "999999999999999"}
    fake.troubles = [Trouble("GET", status=403, headers=never)] * 3
    with pytest.raises(BrokenRun, match=r"takes no more requests \(GET /user"):
        client_for(fake).get("/user")


def test_get__the_patience_is_for_all_requests_together(
    fake: FakeGitHub, client_for: ClientFor, paused: Paused
) -> None:
    fake.troubles = [Trouble("GET", status=429, headers={"retry-after": "70"})] * 9
    client = client_for(fake)
    for _ in range(2):
        with pytest.raises(BrokenRun, match="takes no more requests"):
            client.get("/user")
    assert paused.seconds == [70.0, 70.0]


def test_get__a_server_that_is_down_is_no_refusal(fake: FakeGitHub, client_for: ClientFor, paused: Paused) -> None:
    fake.troubles = [Trouble("GET", status=502, message=f"bad {TOKEN}")] * 6
    with pytest.raises(BrokenRun, match=r"out of order \(GET /user: HTTP 502: bad \*\*\*\)"):
        client_for(fake).get("/user")
    assert len(paused.seconds) == 5
    fake.troubles = [Trouble("GET")]
    with pytest.raises(Refused, match="HTTP 403"):  # the connection broke off once
        client_for(fake).get("/user")


def test_post__a_refusal_names_the_permission(fake: FakeGitHub, client_for: ClientFor) -> None:
    fake.read_only = True
    with pytest.raises(Refused) as raised:
        client_for(fake).post(f"/repos/{fake.repository}/issues/2/comments", {"body": "x"})
    assert raised.value.status == 403
    assert raised.value.message.endswith(
        "HTTP 403: Resource not accessible by integration; the token needs one of these permissions: "
        "issues: write or pull-requests: write"
    )
    assert PERMISSIONS == "issues=write; pull_requests=write"
    assert len(fake.asked) == 1


@pytest.mark.parametrize("trouble", [Trouble("POST", status=502), Trouble("POST"), Trouble("POST", stored=True)])
def test_post__is_not_sent_again_when_nobody_knows(fake: FakeGitHub, client_for: ClientFor, trouble: Trouble) -> None:
    fake.troubles = [trouble]
    with pytest.raises(Unclear):
        client_for(fake).post(f"/repos/{fake.repository}/issues/2/comments", {"body": "x"})
    assert len(fake.asked) == 1


def test_post__is_sent_again_after_a_limit(fake: FakeGitHub, client_for: ClientFor) -> None:
    fake.troubles = [Trouble("POST", status=429, headers={"retry-after": "1"})]
    client_for(fake).post(f"/repos/{fake.repository}/issues/2/comments", {"body": "x"})
    assert fake.bodies() == ["x"]


def test_get__another_token_is_refused_without_being_shown(fake: FakeGitHub, client_for: ClientFor) -> None:
    with pytest.raises(Refused, match="HTTP 401: Bad credentials") as raised:
        client_for(fake, token=OTHER_TOKEN).get("/user")
    assert OTHER_TOKEN not in str(raised.value) + repr(Access(api_url="", repository="", token=OTHER_TOKEN))


@pytest.mark.parametrize("token", ["", " ", "two words", "ümlaut"])
def test_client__what_is_no_token(fake: FakeGitHub, client_for: ClientFor, token: str) -> None:
    with pytest.raises(UsageError, match="GITHUB_TOKEN is not a token"):
        client_for(fake, token=token)


def test_get__what_is_no_api(fake: FakeGitHub, client_for: ClientFor) -> None:
    fake.troubles = [Trouble("GET", status=200, raw=b"<html>")]
    with pytest.raises(BrokenRun, match="did not answer with JSON"):
        client_for(fake).get("/user")


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_client__a_server_with_a_certificate_of_its_own(tmp_path: Path, client_for: ClientFor, name: str) -> None:
    pem, key = tmp_path / "server.pem", tmp_path / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, *names, "-keyout", key, "-out", pem], check=True, capture_output=True)
    pem.write_text(key.read_text() + pem.read_text())
    with fake_github(prefix="/api/v3", certificate=str(pem)) as fake:
        with pytest.raises(BrokenRun, match="certificate"):
            comments(fake, client_for(fake))
        assert comments(fake, client_for(fake, **{name: str(pem)})) == []
        with pytest.raises(UsageError, match=f"{name} names a file that does not exist"):
            client_for(fake, **{name: str(tmp_path / "nowhere.pem")})
