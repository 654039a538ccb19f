"""The server backend: the arms run on an OpenAI-compatible server, which was started with the base model.

vLLM and SGLang load the adapter while they run; anything else (Ollama, `transformers serve`, a cloud) serves it under
a name that is configured.
"""

import hashlib
import json
import os
import random
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, field_validator, model_validator

from gate.domain import ArmName
from gate.engine.base_model import BaseFolder
from gate.engine.server_client import Server
from gate.engine.server_plan import adapter_name, describe_arm, path_there, plan_requests
from gate.engine.server_session import Cast, Served, ServerSession
from gate.engine.server_wire import MANAGED, Dialect
from gate.engine.session import Engine, Request, Session
from gate.errors import ConfigError
from gate.transport.http import Clock, HttpSession, Patience

_Text = Annotated[str, StringConstraints(min_length=1, max_length=4096)]

_NAMED_WARNING = (
    "The server was not handed the {arms}: that it serves these weights under the configured name is trusted."
)
_DTYPE_WARNING = "`base.dtype` has no effect: the server chose its number format when it was started."
_QUANTIZATION_WARNING = "`base.quantization` has no effect: the server loaded its weights when it was started."


class ServerEngine(Engine):
    """Runs the model on an OpenAI-compatible server: vLLM, SGLang, Ollama, `transformers serve`, a cloud."""

    reads_model = False

    kind: Literal["server"] = "server"
    url: _Text
    """The address under which the server has `/chat/completions`, for example `http://127.0.0.1:8000/v1`."""
    key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Name of the environment variable that holds the API key; default: no key is sent."""
    model: _Text | None = None
    """What the server calls the base model; default: `base.model`."""
    load: Literal["vllm", "sglang", "names"] = "vllm"
    """How the adapter gets there. `vllm`: through `/v1/load_lora_adapter` (needs `--enable-lora` and the environment
    variable VLLM_ALLOW_RUNTIME_LORA_UPDATING=True). `sglang`: through `/load_lora_adapter`. `names`: it is there
    already, under the name that `names` gives."""
    names: dict[Literal["incumbent", "candidate"], _Text] = Field(default={})
    """Arm -> what the server calls it, for arms that the server has already; these are not loaded."""
    paths: dict[_Text, _Text] = Field(default={})
    """Folder here -> the same folder as the server sees it, for a server in a container or on another machine.
    Relative to the current directory."""
    concurrency: int = Field(default=8, ge=1, le=256)
    """Most requests at once."""
    timeout_seconds: float = Field(default=120, gt=0, le=3600, strict=False)
    """For one answer; then it is asked for again."""
    deadline_seconds: float = Field(default=600, gt=0, le=86_400, strict=False)
    """For one answer with all its tries. A case whose answer cannot be had is an error of that case."""
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the server calls the limit of an answer; OpenAI's own newer models want `max_completion_tokens`."""
    stop: tuple[_Text, ...] = Field(default=(), strict=False, max_length=4)
    """Texts that end an answer, besides the model's own end of turn."""
    extra_body: dict[_Text, bool | int | float | str] = Field(default={})
    """Further fields of every request, as the server documents them. vLLM and SGLang are always told
    `repetition_penalty: 1.0`, because they take over what the model's folder says."""

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            sound = False
        if not sound:
            raise ValueError("not an address such as `http://127.0.0.1:8000/v1`")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("only scheme, host, port and path; a key belongs into the variable that `key_env` names")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        managed = sorted(MANAGED & self.extra_body.keys())
        if managed:
            raise ValueError(f"extra_body: {', '.join(managed)} follows from the rest of the configuration")
        if self.load == "names" and "candidate" not in self.names:
            raise ValueError("`load: names` needs `names: {candidate: ...}`, what the server calls the candidate")
        return self

    @property
    def needs_network(self) -> bool:
        """It is all that is needed."""
        return True

    def open(self, base: BaseFolder | None, request: Request) -> Session:
        """Load and prove the adapters; see `Engine.open`."""
        del base  # its files are the server's business
        return self.session(request, clock=Clock())

    def session(self, request: Request, *, clock: Clock) -> ServerSession:
        """What `open` does, at a given time.

        Raises:
            ConfigError: If the server does not know a model, accept the key, or load adapters.
            AdapterRefused: If the server does not load an adapter, or answers with the base.
            BrokenRun: If the server cannot be reached.
        """
        server = self._server(request, clock)
        base = self.model or request.base_name
        served = {arm: self._served(arm, base, request, server=server) for arm in request.arms}
        batches = plan_requests(request, self.concurrency)
        server.models()  # the first word with the server: is it there, and does it let us in?
        environment = {
            "server": server.http.host,
            "server_version": server.version(),
            "served_model": base,
            "dtype": "unknown",
            "requests": self._fingerprint(request),
        }
        cast = Cast(
            served=served,
            arms={arm: describe_arm(arm, request, base=base, model=one.model) for arm, one in served.items()},
            batches=batches,
            environment=environment,
            warnings=self._warnings(request),
        )
        return ServerSession(server, request, cast, width=self.concurrency)

    def _server(self, request: Request, clock: Clock) -> Server:
        parts = urlsplit(self.url)
        key = self._key()

        def talk() -> HttpSession:
            return HttpSession(
                f"{parts.scheme}://{parts.netloc}",
                key=key,
                patience=Patience(reply_seconds=self.timeout_seconds, deadline_seconds=self.deadline_seconds),
                # Only pauses are drawn here; runs that failed together should not come back together.
                draw=random.random,
                clock=clock,
                connections=self.concurrency,
            )

        more: dict[str, object] = {} if self.load == "names" else {"repetition_penalty": 1.0}
        dialect = Dialect(
            settings=request.settings,
            max_tokens_field=self.max_tokens_field,
            stop=self.stop,
            more=more | self.extra_body,
        )
        return Server(http=talk(), desk=talk(), path=parts.path, loading=self.load, dialect=dialect)

    def _key(self) -> str | None:
        if self.key_env is None:
            return None
        key = os.environ.get(self.key_env, "").strip()
        if not key:
            raise ConfigError(f"engine.key_env: the environment variable {self.key_env} is not set")
        if not (key.isascii() and key.isprintable()):
            raise ConfigError(f"engine.key_env: what {self.key_env} holds is not a key: it has characters no key has")
        return key

    def _served(self, arm: ArmName, base: str, request: Request, *, server: Server) -> Served:
        if arm in self.names:
            return Served(model=self.names[arm])
        files = request.adapters.get(arm)
        if files is not None and self.load != "names":
            name = adapter_name(files.digest)
            return Served(model=server.served_name(base, name), adapter=name, path=path_there(files.path, self.paths))
        if files is not None or arm in request.models:
            raise ConfigError(
                f"engine.names: the server must have the {arm} already, under a name that is given here",
                fix=f"Set `engine: {{names: {{{arm}: ...}}}}`; only LoRA adapters can be loaded while a server runs.",
            )
        return Served(model=base)

    def _warnings(self, request: Request) -> tuple[str, ...]:
        trusted = [arm for arm in request.arms if arm in self.names]
        named = (_NAMED_WARNING.format(arms=" and the ".join(trusted)),) if trusted else ()
        dtype = (_DTYPE_WARNING,) if request.settings.dtype != "auto" else ()
        quantized = (_QUANTIZATION_WARNING,) if request.settings.quantization != "none" else ()
        return (*named, *dtype, *quantized)

    def _fingerprint(self, request: Request) -> str:
        """What every request says besides its prompt."""
        settings = request.settings
        said: list[object] = [
            settings.template,
            sorted(settings.template_kwargs.items()),
            self.load,
            sorted(self.names.items()),
        ]
        said += [self.max_tokens_field, list(self.stop), sorted(self.extra_body.items())]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:12]
