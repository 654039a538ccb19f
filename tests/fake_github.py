"""GitHub's API on this machine: it keeps what it is told, and refuses what GitHub's own description does not allow.

Every request and every answer of its own is held against that description. A test reads and changes its state, and can
make it answer badly: one `Trouble` for each request that matches, in the order in which they were added.
"""

import copy
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

from github_events import DATA, payload
from local_http import LocalServer, QuietHandler, running
from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from openapi_core.templating.responses.exceptions import ResponseNotFound
from werkzeug.datastructures import Headers, ImmutableMultiDict

from gate.github.client import GitHubClient

EXAMPLES: dict[str, dict[str, Any]] = json.loads((DATA / "examples.json").read_text(encoding="utf-8"))
BOT = "github-actions[bot]"
TOKEN = "ghs_0123456789abcdefSECRET"  # noqa: S105 - of no server but this one
MOST_BODY_CHARACTERS = 65_536
PERMISSIONS = "issues=write; pull_requests=write"


ClientFor = Callable[..., GitHubClient]
"""Makes a client of a fake, with the token that it wants unless another is given."""


class Paused:
    """A clock that only pauses move, and that remembers them."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)

    def monotonic(self) -> float:
        return sum(self.seconds)


@dataclass(frozen=True)
class Trouble:
    """What goes wrong with one request."""

    method: str
    path: str = ""
    """A part of the path."""
    status: int | None = None
    """Answer with this; None: with no answer at all."""
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "trouble"
    raw: bytes | None = None
    """Say this instead of the message."""
    stored: bool = False
    """Do what was asked first."""


@dataclass(frozen=True)
class Reply:
    """What goes back."""

    status: int
    content: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class FakeGitHub:
    """The state of one repository, and what was asked."""

    origin: str
    prefix: str
    """As `/api/v3` on a GitHub Enterprise Server."""
    repository: str = "Codertocat/Hello-World"
    login: str | None = None
    """Whose token it is; None: that of a workflow, which may not ask."""
    writer: str = BOT
    """Who writes with a token that may not ask."""
    page_size: int = 100
    read_only: bool = False
    """As for a workflow of a fork."""
    forbidden: str = ""
    """A part of all paths that the token may not use."""
    comments: dict[int, dict[str, Any]] = field(default_factory=dict)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    checks: dict[int, dict[str, Any]] = field(default_factory=dict)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of every request."""
    invalid: list[str] = field(default_factory=list)
    """What the description does not allow, in requests or answers."""
    headers: list[dict[str, str]] = field(default_factory=list)
    numbers: int = 1000
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def api_url(self) -> str:
        return self.origin + self.prefix

    def methods(self) -> list[str]:
        """What was asked for apart from looking."""
        return [method for method, _ in self.asked if method != "GET"]

    def add_comment(self, body: str, *, login: str = BOT, issue: int = 2, ghost: bool = False) -> int:
        self.numbers += 1
        comment = copy.deepcopy(EXAMPLES["comment"]) | {"id": self.numbers, "body": body}
        comment["html_url"] = f"https://github.com/{self.repository}/pull/{issue}#issuecomment-{self.numbers}"
        comment["issue_url"] = f"{self.api_url}/repos/{self.repository}/issues/{issue}"
        comment["user"] = None if ghost else comment["user"] | {"login": login, "type": "User"}
        comment.pop("performed_via_github_app", None)
        self.comments[self.numbers] = comment
        return self.numbers

    def add_pull(self, number: int, sha: str, *, head: str, branch: str = "changes", state: str = "open") -> None:
        pull = copy.deepcopy(EXAMPLES["pull_request"]) | {"number": number, "state": state}
        pull["head"] |= {"sha": sha, "ref": branch, "label": f"{head.split('/', maxsplit=1)[0]}:{branch}"}
        pull["head"]["repo"]["full_name"] = head
        pull["base"]["repo"]["full_name"] = self.repository
        self.pulls.append(pull)

    def add_proposal(self, part: dict[str, Any]) -> None:
        """A pull request as an event tells of it, in place of what was known of it before."""
        self.pulls = [one for one in self.pulls if one["number"] != part["number"]]
        head = part["head"]
        self.add_pull(part["number"], head["sha"], head=head["repo"]["full_name"], branch=head["ref"])

    def bodies(self) -> list[str]:
        return [comment["body"] for comment in self.comments.values()]

    def answer(self, method: str, path: str, query: dict[str, list[str]], content: Any) -> Reply:
        """What GitHub would say; the description has been checked before."""
        if path == "/user":
            if self.login is None:
                return Reply(403, {"message": "Resource not accessible by integration"})
            return Reply(200, EXAMPLES["user"] | {"login": self.login, "user_view_type": "private"})
        own = f"/repos/{self.repository}/"
        if not path.lower().startswith(own.lower()):
            return Reply(404, {"message": "Not Found"})
        if (self.read_only and method != "GET") or (self.forbidden and self.forbidden in path):
            headers = {"x-accepted-github-permissions": PERMISSIONS}
            return Reply(403, {"message": "Resource not accessible by integration"}, headers)
        return self._of_repository(method, path[len(own) :], query, content)

    def _of_repository(  # noqa: PLR0911 - one line for each operation
        self, method: str, path: str, query: dict[str, list[str]], content: Any
    ) -> Reply:
        match [method, *path.split("/")]:
            case ["GET", "issues", number, "comments"]:
                mine = [one for one in self.comments.values() if one["issue_url"].endswith(f"/issues/{number}")]
                return self._page(path, sorted(mine, key=lambda one: one["id"]), query)
            case ["POST", "issues", number, "comments"]:
                if len(content["body"]) > MOST_BODY_CHARACTERS:
                    return Reply(
                        422, {"message": "Body is too long (maximum is 65536 characters)", "documentation_url": ""}
                    )
                made = self.add_comment(content["body"], login=self.login or self.writer, issue=int(number))
                return Reply(201, self.comments[made])
            case ["PATCH" | "DELETE", "issues", "comments", number] if int(number) not in self.comments:
                return Reply(404, {"message": "Not Found"})
            case ["PATCH", "issues", "comments", number]:
                self.comments[int(number)]["body"] = content["body"]
                return Reply(200, self.comments[int(number)])
            case ["DELETE", "issues", "comments", number]:
                del self.comments[int(number)]
                return Reply(204)
            case ["GET", "commits", sha, "pulls"]:
                return self._page(path, [one for one in self.pulls if one["head"]["sha"] == sha], query)
            case ["GET", "pulls"]:
                head = query.get("head", [None])[0]
                state = query.get("state", ["open"])[0]
                fits = [one for one in self.pulls if state in ("all", one["state"]) and one["head"]["label"] == head]
                return self._page(path, fits, query)
            case ["GET", "commits", sha, "check-runs"]:
                fits = [one for one in self.checks.values() if one["head_sha"] == sha]
                return Reply(200, {"total_count": len(fits), "check_runs": fits})
            case ["POST", "check-runs"]:
                return Reply(201, self._add_check(content))
            case ["PATCH", "check-runs", number]:
                self.annotations += content["output"].get("annotations", [])
                return Reply(200, self.checks[int(number)])
            case _:
                return Reply(404, {"message": "Not Found"})

    def _add_check(self, content: Any) -> dict[str, Any]:
        self.numbers += 1
        self.annotations += content["output"].get("annotations", [])
        given = {key: content[key] for key in ("name", "head_sha", "status", "conclusion", "external_id")}
        check = copy.deepcopy(EXAMPLES["check_run"]) | given | {"id": self.numbers}
        check["output"] |= {key: content["output"][key] for key in ("title", "summary")}
        self.checks[self.numbers] = check
        return check

    def _page(self, path: str, items: list[dict[str, Any]], query: dict[str, list[str]]) -> Reply:
        page = int(query.get("page", ["1"])[0])
        size = min(int(query.get("per_page", ["30"])[0]), self.page_size)
        shown = items[(page - 1) * size : page * size]
        headers = {}
        if page * size < len(items):
            kept = "&".join(f"{name}={value[0]}" for name, value in query.items() if name != "page")
            here = f"{self.api_url}/repos/{self.repository}/{path}?{kept}"
            headers["link"] = f'<{here}&page=1>; rel="first", <{here}&page={page + 1}>; rel="next"'
        return Reply(200, shown, headers)


@cache
def _description() -> OpenAPI:
    content = json.loads((DATA / "api.json").read_text(encoding="utf-8"))
    content["servers"] = [{"url": "/"}]  # wherever it listens
    return OpenAPI.from_dict(content)


class _Asked:
    """A request as `openapi-core` wants to see it."""

    def __init__(self, method: str, url: str, headers: dict[str, str], body: bytes) -> None:
        parts = urlsplit(url)
        self.host_url, self.path, self.method, self.body = "", parts.path, method.lower(), body or None
        self.content_type = headers.get("content-type", "")
        query = ImmutableMultiDict((name, one) for name, values in parse_qs(parts.query).items() for one in values)
        self.parameters = RequestParameters(query=query, header=Headers(headers))


class _Said:
    def __init__(self, reply: Reply) -> None:
        self.data = b"" if reply.content is None else json.dumps(reply.content).encode()
        self.status_code, self.content_type, self.headers = reply.status, "application/json", Headers(reply.headers)


def _checked(fake: FakeGitHub, what: str, check: Callable[[], None]) -> bool:
    try:
        check()
    except OpenAPIError as problem:
        errors = getattr(problem.__cause__, "schema_errors", None) or [problem]
        fake.invalid.append(f"{what}: {[str(error)[:200] for error in errors]}")
        return False
    return True


def _serve(fake: FakeGitHub, asked: _Asked) -> Reply:
    """The answer to a request that stands in the description, and says so if it does not."""
    what = f"{asked.method} {asked.path}"
    if not _checked(fake, what, lambda: _description().validate_request(asked)):
        return Reply(422, {"message": "not in the description", "documentation_url": ""})
    content = json.loads(asked.body) if asked.body else None
    query: dict[str, list[str]] = {}
    for name, value in asked.parameters.query.items():
        query.setdefault(name, []).append(value)
    reply = fake.answer(asked.method.upper(), asked.path, query, content)
    _checked(fake, f"{reply.status} to {what}", lambda: _validate(asked, reply))
    return reply


def _validate(asked: _Asked, reply: Reply) -> None:
    try:
        _description().validate_response(asked, _Said(reply))
    except ResponseNotFound:
        if reply.status < 400:  # the description does not list every way to say no
            raise


@contextmanager
def fake_github(*, prefix: str = "", certificate: str | None = None) -> Iterator[FakeGitHub]:
    """Serve until the end of the block; afterwards nothing may have been outside the description.

    Args:
        prefix: What all paths begin with.
        certificate: A file of a key and a certificate for 127.0.0.1; None: no encryption.
    """

    class Handler(QuietHandler):
        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with fake.lock:
                self.handle_one(headers, body)

        do_GET = do_POST = do_PATCH = do_DELETE = serve  # noqa: N815 - the names are inherited

        def handle_one(self, headers: dict[str, str], body: bytes) -> None:
            path = self.path
            fake.asked.append((self.command, path))
            fake.headers.append(headers)
            if headers.get("authorization") != f"Bearer {TOKEN}":
                return self.say(Reply(401, {"message": "Bad credentials"}))
            if not path.startswith(f"{fake.prefix}/"):
                return self.say(Reply(404, {"message": "Not Found"}))
            asked = _Asked(self.command, path[len(fake.prefix) :], headers, body)
            trouble = next((one for one in fake.troubles if one.method == self.command and one.path in path), None)
            if trouble is not None:
                fake.troubles.remove(trouble)
                if trouble.stored:
                    _serve(fake, asked)
                if trouble.status is None:
                    self.connection.close()
                    self.close_connection = True
                    return None
                said = json.dumps({"message": trouble.message}).encode() if trouble.raw is None else trouble.raw
                return self.say(Reply(trouble.status, headers=trouble.headers), said)
            return self.say(_serve(fake, asked))

        def say(self, reply: Reply, raw: bytes | None = None) -> None:
            said = raw if raw is not None else json.dumps(reply.content).encode() if reply.status != 204 else b""
            self.send_response(reply.status)
            for name, value in {"content-type": "application/json; charset=utf-8", **reply.headers}.items():
                self.send_header(name, value)
            if reply.status != 204:
                self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

    server = LocalServer(Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "http" if certificate is None else "https"
    fake = FakeGitHub(origin=f"{scheme}://127.0.0.1:{server.server_address[1]}", prefix=prefix)
    fake.add_proposal(payload("pull_request")["pull_request"])
    with running(server):
        yield fake
    assert not fake.invalid, "\n".join(fake.invalid)
