"""What goes over the wire to an OpenAI-compatible server, and what comes back: bodies out, completions in.

Pure: sends nothing. A server's reply is untrusted; what is not as documented is a `ValueError` with a reason.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from gate.domain import Finish
from gate.engine.session import Prompt, Settings

MANAGED = frozenset({
    "model", "messages", "prompt", "temperature", "top_p", "n", "best_of", "stream", "seed", "stop", "echo",
    "max_tokens", "max_completion_tokens", "logprobs", "top_logprobs", "chat_template_kwargs",
})  # fmt: skip
"""Fields of a request that follow from the configuration."""

_PROBED_TOKENS = 24
_TOP_LOGPROBS = 5
_MOST_TOKENS = 100_000_000
_FINISHES: Mapping[str, Finish] = {
    "stop": "stop", "eos": "stop", "eos_token": "stop", "stop_sequence": "stop", "length": "length",
    "max_tokens": "length",
}  # fmt: skip
_WHY_NOT = {
    "content_filter": "the server's content filter removed the answer",
    "tool_calls": "the server took the answer for a tool call",
    "function_call": "the server took the answer for a tool call",
    "abort": "the server aborted the answer",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One answer as a server gave it."""

    text: str
    finish: Finish
    tokens: int | None
    """As the server counts, which as a rule includes the end of the turn."""
    error: str | None = None
    logprobs: tuple[Mapping[str, float], ...] = ()
    """For each token of the answer, the likeliest ones with their log-probabilities; empty: not given."""
    chosen: tuple[str, ...] = ()
    """The tokens of the answer, where there are `logprobs`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How this server wants to be asked."""

    settings: Settings
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"]
    stop: tuple[str, ...] = ()
    more: Mapping[str, object] = field(default_factory=dict)
    """Further fields of every request."""

    @property
    def path(self) -> str:
        """Where answers are asked for."""
        return "/completions" if self.settings.template == "raw" else "/chat/completions"

    def body(self, model: str, prompt: Prompt, *, seed: int | None) -> dict[str, object]:
        """The request for one answer.

        Args:
            model: What the server calls the arm.
            prompt: What is asked.
            seed: For drawn answers; greedy ones need none.
        """
        settings = self.settings
        content: dict[str, object] = {"model": model, **self.more, "temperature": settings.temperature}
        if settings.template == "raw":
            content |= {"prompt": prompt.messages[0].content, "max_tokens": prompt.max_new_tokens}
        else:
            content["messages"] = [{"role": one.role, "content": one.content} for one in prompt.messages]
            content[self.max_tokens_field] = prompt.max_new_tokens
            if settings.template_kwargs:
                content["chat_template_kwargs"] = dict(settings.template_kwargs)
        if settings.temperature:
            content["top_p"] = 1.0
        if seed is not None:
            content["seed"] = seed
        if self.stop:
            content["stop"] = list(self.stop)
        return content

    def probe_body(self, model: str, prompt: Prompt, *, logprobs: bool) -> dict[str, object]:
        """The request for the greedy beginning of an answer, with log-probabilities if they are wanted."""
        content = self.body(model, prompt, seed=None) | {"temperature": 0.0}
        for name in ("max_tokens", self.max_tokens_field):
            if name in content:
                content[name] = min(prompt.max_new_tokens, _PROBED_TOKENS)
        if logprobs and self.settings.template == "raw":
            content["logprobs"] = _TOP_LOGPROBS
        elif logprobs:
            content |= {"logprobs": True, "top_logprobs": _TOP_LOGPROBS}
        return content

    def read(self, said: Any) -> Completion:
        """Read a reply.

        Args:
            said: The reply's body, as JSON was read.

        Raises:
            ValueError: If it is not what such a server sends.
        """
        choice = _first_choice(said)
        text = choice.get("text") if self.settings.template == "raw" else _message_text(choice)
        if not isinstance(text, str):
            raise ValueError("the answer is not a text")  # noqa: TRY004 - one type for all that a server does wrong
        text = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        reason = choice.get("finish_reason")
        finish = _FINISHES.get(reason, "error") if isinstance(reason, str) else "error"
        error = None
        if finish == "error":
            named = f"the answer ended for an unknown reason ({reason!r:.60})"
            error = _WHY_NOT.get(reason, named) if isinstance(reason, str) else named
        logprobs, chosen = _logprobs(choice.get("logprobs"))
        return Completion(
            text="" if error else self._cut(text),
            finish=finish,
            tokens=_tokens(said),
            error=error,
            logprobs=logprobs,
            chosen=chosen,
        )

    def _cut(self, text: str) -> str:
        """Some servers leave in the text what ended it."""
        ends = [text.index(stop) for stop in self.stop if stop in text]
        return text[: min(ends)] if ends else text


def _first_choice(said: Any) -> dict[str, Any]:
    choices = said.get("choices") if isinstance(said, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise ValueError("the reply has no `choices`")
    return choices[0]


def _message_text(choice: Mapping[str, Any]) -> object:
    message = choice.get("message")
    if not isinstance(message, dict):
        raise ValueError("the reply has no `message`")  # noqa: TRY004 - as above
    # A model that was cut while it was thinking has no content, and that is an answer: an empty one.
    content = message.get("content")
    return (message.get("refusal") or "") if content is None else content


def _tokens(said: Any) -> int | None:
    usage = said.get("usage")
    tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
    if isinstance(tokens, bool) or not isinstance(tokens, int):
        return None
    return tokens if 0 <= tokens <= _MOST_TOKENS else None


def _logprobs(given: Any) -> tuple[tuple[dict[str, float], ...], tuple[str, ...]]:
    """Both shapes of log-probabilities; nothing where they are not as documented."""
    try:
        if isinstance(given.get("content"), list):
            rows = [
                (one["token"], [(top["token"], top["logprob"]) for top in [one, *(one.get("top_logprobs") or ())]])
                for one in given["content"]
            ]
        else:
            tops: Sequence[Mapping[str, float]] = given.get("top_logprobs") or [{} for _ in given["tokens"]]
            rows = [
                (token, [(token, own), *(top or {}).items()])
                for token, own, top in zip(given["tokens"], given["token_logprobs"], tops, strict=True)
            ]
        maps = tuple({str(token): float(value) for token, value in pairs} for _, pairs in rows)
        if not all(one and all(map(math.isfinite, one.values())) for one in maps):
            return (), ()
        return maps, tuple(str(token) for token, _ in rows)
    except (AttributeError, KeyError, TypeError, ValueError):
        return (), ()
