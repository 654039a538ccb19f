"""A server that speaks what vLLM documents: models, loading and unloading, chat and text completions.

It knows no language: the base says a case's prompt in capitals, an adapter says it backwards, and faults are written
by the test.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fake_server import Asked, FakeServer, Said, serving

BASE = "org/base"


def error(status: int, message: str, kind: str = "BadRequestError") -> Said:
    return Said(status, {"error": {"message": message, "type": kind, "param": None, "code": status}})


class FakeVllm:
    """The state of a vLLM server with `--enable-lora`."""

    def __init__(self) -> None:
        self.loaded: dict[str, str] = {}
        self.was_loaded: list[str] = []
        self.knows_inplace = True
        self.runtime_loading = True
        self.ignores_adapters = False
        self.logprobs = True
        self.wobble = 0.0
        """How much log-probabilities move between two equal requests."""
        self.fault: Callable[[Asked, str, str], Said | None] = lambda asked, model, prompt: None
        """Asked before each answer: the request, its model, its prompt."""
        self.http: FakeServer
        self._chance = random.Random(1)  # noqa: S311 - repeatable

    def text(self, model: str, prompt: str) -> str:
        return prompt.upper() if model == BASE or self.ignores_adapters else prompt[::-1]

    def said(self, asked: Asked) -> Said:  # noqa: PLR0911 - one for each address
        match asked.path:
            case "/v1/models":
                return Said(content={"data": [{"id": BASE}, *({"id": name} for name in self.loaded)]})
            case "/version":
                return Said(content={"version": "0.19.1"})
            case "/v1/load_lora_adapter" if self.runtime_loading:
                return self._load(asked.content)
            case "/v1/unload_lora_adapter" if self.runtime_loading:
                if self.loaded.pop(asked.content["lora_name"], None) is None:
                    return error(404, "The lora adapter cannot be found.", "NotFoundError")
                return Said(raw=b"Success: LoRA adapter removed successfully.")
            case "/v1/chat/completions" | "/v1/completions":
                return self._complete(asked)
        return Said(404, {"detail": "Not Found"})

    def _load(self, wanted: Any) -> Said:
        name = wanted["lora_name"]
        if name in self.loaded and not (wanted.get("load_inplace") and self.knows_inplace):
            return error(400, f"The lora adapter '{name}' has already been loaded.", "InvalidUserInput")
        self.loaded[name] = wanted["lora_path"]
        self.was_loaded.append(name)
        return Said(raw=b"Success: LoRA adapter added successfully.")

    def _complete(self, asked: Asked) -> Said:
        wanted, chat = asked.content, asked.path == "/v1/chat/completions"
        model = wanted["model"]
        if model != BASE and model not in self.loaded:
            return error(404, f"The model `{model}` does not exist.", "NotFoundError")
        prompt = wanted["messages"][-1]["content"] if chat else wanted["prompt"]
        fault = self.fault(asked, model, prompt)
        return fault or self.answer(asked, self.text(model, prompt))

    def answer(self, asked: Asked, text: object, *, finish: object = "stop", usage: object = None) -> Said:
        """A reply to a request for an answer."""
        chat = asked.path == "/v1/chat/completions"
        score = -0.5 - self.wobble * self._chance.random()
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish}
        choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        if self.logprobs and asked.content.get("logprobs") and isinstance(text, str) and text:
            token, other = text[:3], "?"
            if chat:
                tops = [{"token": token, "logprob": score}, {"token": other, "logprob": -3.0}]
                choice["logprobs"] = {"content": [{"token": token, "logprob": score, "top_logprobs": tops}]}
            else:
                tops_of = [{token: score, other: -3.0}]
                choice["logprobs"] = {"tokens": [token], "token_logprobs": [score], "top_logprobs": tops_of}
        counted = {"prompt_tokens": 5, "completion_tokens": 7} if usage is None else usage
        return Said(content={"id": "x", "object": "y", "choices": [choice], "usage": counted})

    def answers_of(self, model: str) -> list[Any]:
        """What was asked of a model."""
        return [one.content for one in self.http.asked if "completions" in one.path and one.content["model"] == model]


@contextmanager
def fake_vllm() -> Iterator[FakeVllm]:
    """Serve until the end of the block."""
    fake = FakeVllm()
    with serving(fake.said) as http:
        fake.http = http
        yield fake
