"""Adapters and models from a hub: a small server that speaks the parts of its protocol that are needed."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from action_repository import CONFIG, Runner, make_repository
from conftest import QUICKSTART, Ran, read_round

from gate.errors import BrokenRun

Gate = Callable[..., Ran]

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub(BaseHTTPRequestHandler):
    """One revision of a few repositories; remembers what was downloaded."""

    repositories: ClassVar[dict[str, dict[str, bytes]]] = {}
    downloaded: ClassVar[list[str]] = []
    claimed_sizes: ClassVar[dict[str, int]] = {}
    shortened: ClassVar[set[str]] = set()
    """Files of which less is given than is there, and than is listed."""
    status: ClassVar[int | None] = None
    """With what everything is answered, without a word of why; None: as it should be."""
    file_status: ClassVar[int | None] = None
    """The same, of files only; 0: half a file."""
    endpoint: ClassVar[str] = ""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, *, body: bool) -> None:
        path = self.path.partition("?")[0].strip("/")
        if self.status is not None:
            self._fail(None, self.status)
            return
        if path.startswith("api/models/"):
            self._info(path.removeprefix("api/models/"))
            return
        repository, found, rest = path.partition("/resolve/")
        revision, _, name = rest.partition("/")
        content = self.repositories.get(repository, {}).get(name)
        if not found or content is None or revision not in (COMMIT, "v1"):
            self._fail("EntryNotFound" if repository in self.repositories else "RepoNotFound")
            return
        if self.file_status:
            self._fail(None, self.file_status)
            return
        if name in self.shortened:
            content = content[:-100]
        if body:
            self.downloaded.append(name)
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()[:40]}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content if self.file_status is None else content[: len(content) // 2])
            self.close_connection = True

    def _info(self, path: str) -> None:
        repository, _, wanted = path.replace("/tree/", "/revision/").partition("/revision/")
        revision = wanted.partition("/")[0]
        if repository == "org/gated":
            self._fail("GatedRepo", 403)
        elif repository not in self.repositories:
            self._fail("RepoNotFound")
        elif revision not in ("", "v1", "main", COMMIT):
            self._fail("RevisionNotFound")
        else:
            files = self.repositories[repository]
            sizes = {name: self.claimed_sizes.get(name, len(content)) for name, content in files.items()}
            tree = [{"type": "file", "path": name, "size": size, "oid": "0" * 40} for name, size in sizes.items()]
            siblings = [{"rfilename": name, "size": size, "blobId": "0" * 40} for name, size in sizes.items()]
            self._json(tree if "/tree/" in path else {"id": repository, "sha": COMMIT, "siblings": siblings})

    def _json(self, value: object) -> None:
        content = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _fail(self, code: str | None, status: int = 404) -> None:
        self.send_response(status)
        if code is not None:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def read(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[FakeHub]]:
    adapter, model = read(QUICKSTART / "adapters" / "forgetful"), read(QUICKSTART / "model")
    weights = model["model.safetensors"]
    other = weights[:-8] + bytes(byte ^ 1 for byte in weights[-8:-4]) + weights[-4:]
    FakeHub.repositories = {
        "org/adapter": adapter | {"evil.py": b"raise SystemExit", "adapter_model.bin": b"cos\nsystem\n."},
        "org/checkpoints": {f"checkpoint-{step}/{name}": data for step in (9, 10) for name, data in adapter.items()},
        "org/pickled": {"adapter_config.json": b"{}", "adapter_model.bin": b"cos\nsystem\n."},
        "org/large": adapter,
        "org/base": model,
        "org/tuned": model | {"model.safetensors": other, "evil.py": b"raise SystemExit", "x.bin": b"cos\n."},
    }
    FakeHub.downloaded, FakeHub.claimed_sizes, FakeHub.shortened = [], {}, set()
    FakeHub.status = FakeHub.file_status = None
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeHub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    FakeHub.endpoint = endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    # The library reads its environment once, when it is imported.
    import huggingface_hub.constants
    from huggingface_hub import constants, hf_api

    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(hf_api.api, "endpoint", endpoint)
    assert huggingface_hub.constants is constants
    yield FakeHub
    server.shutdown()
    thread.join()
    server.server_close()


def configured(quickstart: Path, candidate: str) -> Path:
    path = quickstart / "gate.yaml"
    text = path.read_text("utf-8")
    path.write_text(text.replace("{adapter: adapters/forgetful}", candidate), "utf-8")
    return path


@pytest.mark.parametrize(
    ("repository", "downloaded"),
    [
        ("org/adapter", {"adapter_config.json", "adapter_model.safetensors"}),
        ("org/checkpoints", {"checkpoint-10/adapter_config.json", "checkpoint-10/adapter_model.safetensors"}),
    ],
)
def test_run__an_adapter_from_the_hub(
    gate: Gate, hub: type[FakeHub], quickstart: Path, tmp_path: Path, repository: str, downloaded: set[str]
) -> None:
    config = configured(quickstart, f"{{adapter: {repository}, revision: v1}}")
    ran = gate("run", config, "--limit", 2, "--output", tmp_path / "out", "--quiet")
    assert ran.code in (0, 1), ran.err
    assert read_round(tmp_path / "out")["arms"]["candidate"]["adapter"] == f"{repository}@v1"
    assert set(hub.downloaded) == downloaded


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        ("{adapter: org/pickled, revision: v1}", "only adapter_model.bin is there; pickle files are never loaded"),
        (
            "{adapter: org/nothing, revision: v1}",
            "candidate.adapter: org/nothing@v1 is neither a folder nor a repository",
        ),
        ("{adapter: org/adapter, revision: v2}", "candidate.revision: org/adapter has no revision 'v2'"),
        ("{adapter: org/gated, revision: v1}", "candidate.adapter: org/gated@v1 is gated"),
        ("{adapter: org/tuned, revision: v1}", "the repository holds no adapter_config.json and no adapter_model"),
        ("{adapter: org/large, revision: v1}", "an adapter may have 4 GiB (P32)"),
        ("{adapter: org/adapter}", "no such folder (P02)"),
        ("{model: org/nothing, revision: v1}", "candidate.model: org/nothing@v1 is neither a folder nor a repository"),
        ("{adapter: adapters/careful, revision: v1}", "adapters/careful is a folder and has no revisions"),
        ("{adapter: https://evil.example/x, revision: v1}", "is neither a folder nor a hub id"),
    ],
)
def test_run__what_a_hub_cannot_give_is_one_sentence(
    gate: Gate, hub: type[FakeHub], quickstart: Path, candidate: str, message: str
) -> None:
    if "large" in candidate:
        hub.claimed_sizes["adapter_model.safetensors"] = 5 * 1024**3
    ran = gate("run", configured(quickstart, candidate), "--quiet")
    assert ran.code == 3, ran.err
    assert message in ran.err
    assert "Traceback" not in ran.err
    assert hub.downloaded == []


def test_model_from_hub__weights_and_tokenizer_and_nothing_that_runs(hub: type[FakeHub]) -> None:
    from gate.adapters.hub import model_from_hub

    found = model_from_hub("org/tuned", None, key="candidate.model")
    assert found.commit == COMMIT
    assert {path.name for path in found.path.iterdir()} == set(read(QUICKSTART / "model"))


def test_run__an_unreachable_hub_is_a_broken_run(
    gate: Gate, hub: type[FakeHub], quickstart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    ran = gate("run", configured(quickstart, "{adapter: org/adapter, revision: v1}"), "--quiet")
    assert ran.code == 4
    assert "org/adapter@v1 is neither a folder, nor in the hub cache, and the hub cannot be reached" in ran.err


@pytest.mark.parametrize("candidate", ["{adapter: org/checkpoints, revision: v1}", "{model: org/tuned, revision: v1}"])
def test_run__without_a_network_a_tag_means_what_it_meant(
    gate: Gate, hub: type[FakeHub], quickstart: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, candidate: str
) -> None:
    from huggingface_hub import constants

    config = configured(quickstart, candidate)
    rounds = []
    for offline in (False, True):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
        output = tmp_path / f"offline-{offline}"
        ran = gate("run", config, "--limit", 2, "--output", output, "--no-cache", "--quiet")
        assert ran.code in (0, 1, 2), ran.err
        rounds.append(read_round(output))
    online, alone = rounds
    assert alone["arms"] == online["arms"]
    assert (alone["preflight"], alone["warnings"]) == (online["preflight"], online["warnings"])


def test_fetch__what_runs_the_model_needs_no_hub_any_more(hub: type[FakeHub], tmp_path: Path) -> None:
    config = CONFIG.replace("{model: model}", "{model: org/base, revision: v1}")
    config = config.replace("engine:", "incumbent: {adapter: org/adapter, revision: v1}\nengine:")
    repository = make_repository(tmp_path / "ws", config)
    runner = Runner(repository, tmp_path / "temp")
    repository.branch()
    repository.adapter("forgetful")
    runner.pull_request(repository.commit())
    cache, nowhere = {"HF_HOME": str(tmp_path / "hf")}, {"HF_HUB_OFFLINE": "1", "HF_ENDPOINT": "http://127.0.0.1:9"}
    too_early = runner.step("answer", **cache, **nowhere)
    assert too_early.returncode == 4
    assert "org/base@v1 is neither a folder, nor in the hub cache" in too_early.stderr
    mark = tmp_path / "needs-network"
    fetched = runner.step("fetch", **cache, HF_ENDPOINT=hub.endpoint, GATE_NEEDS_NETWORK=str(mark))
    assert fetched.returncode == 0, fetched.stderr
    assert [line for line in fetched.stdout.splitlines() if "fetching" in line] == [
        "fetching org/base",
        "fetching org/adapter",
    ]
    assert not mark.exists()
    answered = runner.step("answer", **cache, **nowhere)
    assert answered.returncode == 0, answered.stderr
    assert runner.step("compare").returncode == 1
    arms = runner.round()["arms"]
    assert (arms["base"]["model"], arms["base"]["revision"]) == ("org/base", COMMIT)
    assert arms["incumbent"]["adapter"] == "org/adapter@v1"


def test_fetch__what_the_hub_does_not_have_is_told_to_the_pull_request(hub: type[FakeHub], tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "ws", CONFIG.replace("{model: model}", "{model: org/gated, revision: v1}"))
    runner = Runner(repository, tmp_path / "temp")
    repository.branch()
    repository.adapter("forgetful")
    runner.pull_request(repository.commit())
    fetched = runner.step("fetch", HF_HOME=str(tmp_path / "hf"), HF_ENDPOINT=hub.endpoint)
    assert fetched.returncode == 3
    problem = runner.read("problem.json")
    assert (problem["step"], problem["exit_code"]) == ("answer", 3)
    assert "org/gated@v1 is gated" in problem["message"]


@pytest.mark.parametrize(
    ("engine", "needs"),
    [
        ("{kind: server, url: 'http://127.0.0.1:9/v1'}", True),
        ("{kind: ray, address: '127.0.0.1:9'}", True),
        ("{kind: ray}", False),
        ("{kind: transformers, device: cpu}", False),
    ],
)
def test_fetch__says_whether_the_answers_are_made_elsewhere(tmp_path: Path, engine: str, needs: bool) -> None:
    repository = make_repository(tmp_path / "ws", CONFIG.replace("{kind: transformers, device: cpu}", engine))
    runner = Runner(repository, tmp_path / "temp")
    repository.branch()
    repository.adapter("forgetful")
    runner.pull_request(repository.commit())
    fetched = runner.step("fetch", GATE_NEEDS_NETWORK=str(tmp_path / "needs-network"))
    assert fetched.returncode == 0, fetched.stderr
    assert (tmp_path / "needs-network").exists() is needs
    assert "fetching" not in fetched.stdout


@pytest.fixture
def pull_request(tmp_path: Path) -> Callable[[str], Runner]:
    """An adapter that is judged against a base of the hub."""

    def made(base: str) -> Runner:
        repository = make_repository(tmp_path / "ws", CONFIG.replace("{model: model}", base))
        repository.branch()
        repository.adapter("forgetful")
        runner = Runner(repository, tmp_path / "temp")
        runner.pull_request(repository.commit())
        return runner

    return made


def test_answer__what_is_no_hub_id_is_named_as_it_is_written(
    pull_request: Callable[[str], Runner], tmp_path: Path
) -> None:
    answered = pull_request("{model: org/a/b, revision: v1}").step("answer", HF_HOME=str(tmp_path / "hf"))
    assert answered.returncode == 3
    assert "base.model: org/a/b: no such folder" in answered.stderr


@pytest.mark.parametrize("base", ["{model: org/base}", "{model: org/base, revision: v1}"])
def test_fetch__a_file_shorter_than_listed_does_not_stay(
    hub: type[FakeHub], pull_request: Callable[[str], Runner], tmp_path: Path, base: str
) -> None:
    runner, environ = pull_request(base), {"HF_HOME": str(tmp_path / "hf"), "HF_ENDPOINT": hub.endpoint}
    hub.shortened.add("model.safetensors")
    fetched = runner.step("fetch", **environ)
    assert fetched.returncode == 4
    size = len(hub.repositories["org/base"]["model.safetensors"])
    assert f"org/base: the hub lists model.safetensors with {size:,} bytes and gave {size - 100:,}" in fetched.stderr
    hub.shortened.clear()
    fetched = runner.step("fetch", **environ)
    assert fetched.returncode == 0, fetched.stderr
    stored = list((tmp_path / "hf").rglob("snapshots/*/model.safetensors"))
    assert [file.stat().st_size for file in stored] == [size]


def test_adapter_from_hub__a_file_shorter_than_listed_does_not_stay(hub: type[FakeHub]) -> None:
    from gate.adapters.hub import adapter_from_hub

    hub.shortened.add("adapter_model.safetensors")
    with pytest.raises(BrokenRun, match="the hub lists adapter_model.safetensors with"):
        adapter_from_hub("org/adapter", "v1", key="candidate.adapter")
    hub.shortened.clear()
    found = adapter_from_hub("org/adapter", "v1", key="candidate.adapter")
    whole = hub.repositories["org/adapter"]["adapter_model.safetensors"]
    assert (found.path / "adapter_model.safetensors").read_bytes() == whole


def test_download_files__removes_nothing_outside_of_the_cache(hub: type[FakeHub], tmp_path: Path) -> None:
    from gate.transport.hub import download_files, list_repository

    listing = list_repository("org/base", "v1", key="base.model")
    assert listing is not None
    pointer = download_files("org/base", listing, ["config.json"], key="base.model") / "config.json"
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text("mine")
    pointer.unlink()
    pointer.symlink_to(elsewhere)
    with pytest.raises(BrokenRun, match="the hub lists config.json with"):
        download_files("org/base", listing, ["config.json"], key="base.model")
    assert elsewhere.read_text() == "mine"
    assert not pointer.is_symlink()


@pytest.mark.parametrize(
    ("base", "status", "code"),
    [
        ("{model: org/base}", 501, 4),
        ("{model: org/base, revision: v1}", 501, 4),
        ("{model: org/base, revision: v1}", 401, 4),
        ("{model: org/base, revision: v1}", None, 3),
        ("COMMIT", 501, 0),
        ("COMMIT", None, 0),
    ],
)
def test_fetch__a_hub_out_of_order_says_nothing_about_a_name(
    hub: type[FakeHub], pull_request: Callable[[str], Runner], tmp_path: Path, base: str, status: int | None, code: int
) -> None:
    runner = pull_request(base.replace("COMMIT", f"{{model: org/base, revision: {COMMIT}}}"))
    environ = {"HF_HOME": str(tmp_path / "hf"), "HF_ENDPOINT": hub.endpoint}
    fetched = runner.step("fetch", **environ)
    assert fetched.returncode == 0, fetched.stderr
    hub.status = status
    hub.repositories.clear()  # where there is no status: it says why, as for a private one without a token
    fetched = runner.step("fetch", **environ)
    assert fetched.returncode == code, fetched.stderr
    assert (f"the hub answered {status} without" in fetched.stderr) is (code == 4)
    alone = runner.step("answer", HF_HOME=environ["HF_HOME"], HF_HUB_OFFLINE="1")
    assert alone.returncode == 0, alone.stderr


@pytest.mark.parametrize(
    ("wanted", "status", "hint"),
    [
        ("all", 403, "Set HF_TOKEN, in a workflow the input `hf-token`, to a token that may read it."),
        ("all", 404, "Run again later"),
        ("all", 501, "Run again later"),
        ("files", 403, "Set HF_TOKEN, in a workflow the input `hf-token`, to a token that may read it."),
        ("files", 404, "Run again later"),
        ("files", 501, "Run again later"),
    ],
)
def test_fetch__says_what_the_hub_answered(hub: type[FakeHub], wanted: str, status: int, hint: str) -> None:
    from gate.engine.base_model import fetch_base

    if wanted == "all":
        hub.status = status
    else:
        hub.file_status = status
    with pytest.raises(BrokenRun) as broken:
        fetch_base("org/base", "v1")
    assert (
        f"org/base@{'v1' if wanted == 'all' else COMMIT} could not be downloaded: the hub answered {status} without"
        in str(broken.value)
    )
    assert hint in str(broken.value)


def test_fetch__says_that_half_a_file_came(hub: type[FakeHub]) -> None:
    from gate.engine.base_model import fetch_base

    hub.file_status = 0
    with pytest.raises(BrokenRun) as broken:
        fetch_base("org/base", "v1")
    assert "peer closed connection" in str(broken.value)


@pytest.mark.parametrize("status", [501, 401])
def test_from_hub__a_pinned_candidate_in_the_cache_needs_no_leave_of_the_hub(hub: type[FakeHub], status: int) -> None:
    from gate.adapters.hub import adapter_from_hub, model_from_hub

    adapter = adapter_from_hub("org/adapter", COMMIT, key="candidate.adapter")
    model = model_from_hub("org/tuned", COMMIT, key="candidate.model")
    hub.status = status
    assert adapter_from_hub("org/adapter", COMMIT, key="candidate.adapter") == adapter
    assert model_from_hub("org/tuned", COMMIT, key="candidate.model") == model
    for revision in ("v1", COMMIT):
        with pytest.raises(BrokenRun, match=f"the hub answered {status}"):
            adapter_from_hub("org/large" if revision == COMMIT else "org/adapter", revision, key="candidate.adapter")


def test_adapter_from_hub__what_the_cache_lacks_the_repository_may_have(
    hub: type[FakeHub], monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    from gate.adapters.hub import adapter_from_hub
    from gate.transport.hub import download_files, list_repository

    listing = list_repository("org/adapter", "v1", key="candidate.adapter")
    assert listing is not None
    download_files("org/adapter", listing, ["adapter_config.json"], key="candidate.adapter")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(BrokenRun, match="nor in the hub cache"):
        adapter_from_hub("org/adapter", "v1", key="candidate.adapter")
