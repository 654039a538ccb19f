"""One OpenAI-compatible server: asks it for answers, has adapters loaded and unloaded, learns what it says of itself.

Knows the addresses and replies of vLLM, SGLang and Ollama; not arms, batches or what an answer is worth.
"""

import json
import logging
from dataclasses import dataclass
from typing import Any, Literal

from gate.engine.server_wire import Completion, Dialect
from gate.engine.session import Prompt
from gate.errors import AdapterRefused, BrokenRun, ConfigError
from gate.transport.http import HttpSession, NoReply, Patience
from gate.transport.retrying import Reply, is_quota

LOG = logging.getLogger(__name__)

Loading = Literal["vllm", "sglang", "names"]

_QUICK = Patience(tries=1, connect_seconds=5.0, reply_seconds=10.0)
_BRIEF = Patience(tries=3, reply_seconds=30.0)
"""transformers serve answers 500 for its list of models where it finds no cache, which no try mends."""
_ONCE = Patience(tries=2, reply_seconds=600.0)
"""Loading reads a file of up to gigabytes."""
_VERSION_PATHS = ("/version", "/api/version", "/get_server_info")
"""Of vLLM, Ollama, SGLang."""
_SHOWN_AT_MOST = 8


class Refused(Exception):
    """The server answered, with an error."""

    def __init__(self, reply: Reply, message: str) -> None:
        self.status = reply.status
        self.quota = is_quota(reply)
        self.message = message
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server and the two sessions with it."""

    http: HttpSession
    """For answers; stopped when the run is over."""
    desk: HttpSession
    """For everything else, which must still work then."""
    path: str
    """What the configured address ends in, for example `/v1`."""
    loading: Loading
    dialect: Dialect

    def complete(self, model: str, prompt: Prompt, *, seed: int | None) -> Completion:
        """Have one answer made.

        Raises:
            NoReply: If there is no connection.
            Refused: If the server says no.
            ValueError: If it sends something else than an answer.
        """
        return self._complete(self.dialect.body(model, prompt, seed=seed))

    def probe(self, model: str, prompt: Prompt) -> Completion:
        """Have the beginning of a greedy answer made, with log-probabilities where the server gives them.

        Raises:
            NoReply: If there is no connection.
            Refused: If the server says no.
            ValueError: If it sends something else than an answer.
        """
        try:
            return self._complete(self.dialect.probe_body(model, prompt, logprobs=True))
        except Refused as refused:
            if refused.status not in (400, 422, 501):
                raise
        return self._complete(self.dialect.probe_body(model, prompt, logprobs=False))

    def _complete(self, content: dict[str, object]) -> Completion:
        reply = self.http.send("POST", self.path + self.dialect.path, content=content)
        if reply.status != 200:
            raise Refused(reply, self.http.explain(reply))
        try:
            said = reply.json()
        except ValueError:
            raise ValueError("the reply is not JSON") from None
        return self.dialect.read(said)

    def models(self) -> tuple[str, ...] | None:
        """The names that the server says it answers to; None if it does not say.

        Raises:
            BrokenRun: If the server cannot be reached.
            ConfigError: If it does not accept the key.
        """
        try:
            said = self.desk.send("GET", self.path + "/models", patience=_BRIEF)
        except NoReply as problem:
            raise BrokenRun(problem.message, fix="Is the server running, and is `engine.url` its address?") from None
        if said.status in (401, 403):
            raise _key_refused(self.desk.explain(said))
        try:
            listed = [one["id"] for one in said.json()["data"]]
        except (ValueError, KeyError, TypeError):
            return None
        return tuple(one for one in listed if isinstance(one, str)) if said.status == 200 else None

    def version(self) -> str:
        """What the server says it is; `unknown` if it does not."""
        for path in _VERSION_PATHS:
            try:
                said: Any = self.desk.send("GET", path, patience=_QUICK).json()
            except (NoReply, ValueError):
                continue
            if isinstance(said, dict) and isinstance(said.get("version"), str):
                return str(said["version"])[:60]
        return "unknown"

    def load(self, name: str, path: str) -> None:
        """Have an adapter loaded; fine if one of this name is there, whose content the name tells.

        Args:
            name: What it shall be called.
            path: Its folder, as the server sees it.

        Raises:
            AdapterRefused: If the server does not take it.
            ConfigError: If the server loads no adapters while it runs.
            BrokenRun: If the server is gone.
        """
        content: dict[str, object] = {"lora_name": name, "lora_path": path}
        reply = self._manage("load_lora_adapter", content)
        if _is_loaded(reply) and self.loading == "vllm":
            # Loaded anew where the server can do so without a gap; one that cannot keeps what it has.
            reply = self._manage("load_lora_adapter", content | {"load_inplace": True})
        if reply.status == 200 or _is_loaded(reply):
            return
        said = self.desk.explain(reply)
        if reply.status in (401, 403):
            raise _key_refused(said)
        if reply.status == 405 or (reply.status == 404 and not _is_error_object(reply)):
            raise ConfigError(
                f"engine.load: {self.desk.host} loads no adapters while it runs ({said})",
                fix=_HOW_TO_START[self.loading],
            )
        raise AdapterRefused(
            f"{self.desk.host} does not load the adapter at {path}: {said}",
            fix="The folder must be readable for the server under this path (`engine.paths` translates it), and "
            "within its limits (`--max-lora-rank`; DoRA and modules_to_save are not served).",
        )

    def unload(self, name: str) -> None:
        """Have an adapter unloaded; what goes wrong is logged, because something else is under way."""
        try:
            reply = self._manage("unload_lora_adapter", {"lora_name": name}, patience=_QUICK)
        except BrokenRun as problem:
            LOG.warning("the adapter %s may still be loaded: %s", name, problem.message)
            return
        if reply.status not in (200, 404):
            LOG.warning("the adapter %s may still be loaded: %s", name, self.desk.explain(reply))

    def served_name(self, base: str, name: str) -> str:
        """What a request calls a loaded adapter."""
        return f"{base}:{name}" if self.loading == "sglang" else name

    def refuse_access(self, refused: Refused) -> None:
        """Raise if the server does not accept the key.

        Raises:
            ConfigError: Then.
        """
        if refused.status in (401, 403):
            raise _key_refused(refused.message)

    def unknown_model(self, model: str, said: str) -> ConfigError:
        """What to say when the server does not know a model."""
        known = self.models()
        listed = f" It answers to: {', '.join(known[:_SHOWN_AT_MOST])}." if known else ""
        return ConfigError(
            f"{self.http.host} knows no model {model} ({said})",
            fix=f"Set `engine.model` (the base) and `engine.names` to what the server calls them.{listed}",
        )

    def _manage(self, action: str, content: dict[str, object], *, patience: Patience = _ONCE) -> Reply:
        # SGLang keeps these outside of the path that its OpenAI-compatible part has.
        prefix = self.path.removesuffix("/v1") if self.loading == "sglang" else self.path
        try:
            return self.desk.send("POST", f"{prefix}/{action}", content=content, patience=patience)
        except NoReply as problem:
            raise BrokenRun(problem.message, fix="Is the server still running?") from None


_HOW_TO_START: dict[Loading, str] = {
    "vllm": "Start vLLM with `--enable-lora` and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True in its environment, or load the "
    "adapter yourself and set `engine: {load: names, names: {candidate: ...}}`.",
    "sglang": "Start SGLang with `--enable-lora`, `--max-lora-rank` and `--lora-target-modules`.",
    "names": "",
}


def _key_refused(said: str) -> ConfigError:
    """What to say when a key is missing or wrong."""
    return ConfigError(
        f"engine.key_env: the server does not let us in ({said})",
        fix="Name the environment variable that holds the key, and check that it is set.",
    )


def _is_loaded(reply: Reply) -> bool:
    """Whether an adapter of this name is there already."""
    return reply.status in (400, 409) and b"already" in reply.body.lower()


def _is_error_object(reply: Reply) -> bool:
    """Whether a 404 speaks of the adapter; one that speaks of the address has no such object."""
    try:
        said = json.loads(reply.body)
    except (ValueError, RecursionError):
        return False
    if not isinstance(said, dict):
        return False
    return isinstance(said.get("error"), dict) or said.get("object") == "error" or "error_message" in said
