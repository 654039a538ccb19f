"""What the checks look at, and how each of them is written down.

Knows the loaded base, its tokenizer and the request; not the attached adapters.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gate.domain import ArmName, Check, Message
from gate.engine.base_model import BaseFolder
from gate.engine.chat_template import apply_template
from gate.engine.loading import stop_ids
from gate.engine.session import Prompt, Question, Request

_TITLES = {
    "P09": "quantisation as in training",
    "P10": "number format",
    "P11": "the base is the base",
    "P12": "the adapter is at work",
    "P13": "prompts of a batch leave each other alone",
    "P15": "padding changes no answer",
    "P17": "one beginning-of-sequence token",
    "P18": "chat template and tokenizer",
    "P19": "turns of the template",
    "P20": "same prompt on every day",
    "P21": "template arguments and reasoning",
    "P22": "end of turn stops an answer",
    "P24": "the folder's own generation settings",
    "P25": "vocabulary fits the embedding",
    "P26": "no control tokens in case texts",
    "P27": "prompts fit the context",
    "P28": "training rows are likelier",
    "P29": "evaluation mode",
}
_LARGEST_JSON_BYTES = 64 * 1024**2
_QUOTED_CHARACTERS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The loaded base and what it will be asked."""

    tokenizer: Any
    config: Any
    """The transformers configuration of the loaded base."""
    embedding_rows: int
    dtype: str
    """Number format of the loaded weights."""
    stop_ids: tuple[int, ...]
    base: BaseFolder
    request: Request
    batches: Mapping[ArmName, Sequence[tuple[Prompt, ...]]]
    folded: bool
    """System turns of the cases were put into the user's."""

    @property
    def prompts(self) -> Iterator[Prompt]:
        """Every prompt once; arms that are asked the same share their batches."""
        plans = {id(batches): batches for batches in self.batches.values()}
        return (prompt for batches in plans.values() for batch in batches for prompt in batch)

    @property
    def is_chat(self) -> bool:
        """Whether prompts go through the chat template."""
        return self.request.settings.template == "chat"

    @property
    def asked(self) -> Sequence[Question]:
        """What is asked, the prompted arm's conversations included."""
        return [*self.request.questions, *(self.request.prompted or ())]

    @property
    def folders(self) -> dict[ArmName, Path]:
        """The arms that brought files of their own."""
        adapters = {name: files.path for name, files in self.request.adapters.items()}
        return adapters | {name: model.path for name, model in self.request.models.items()}

    def render(self, *messages: Message, open_answer: bool = True, **more: Any) -> str | None:
        """Write a conversation with the run's own arguments; None if the template refuses it."""
        from jinja2 import TemplateError

        try:
            return apply_template(
                self.tokenizer, messages, self.request.settings.template_kwargs, open_answer=open_answer, **more
            )
        except (TemplateError, ValueError, TypeError):
            return None

    def ids(self, text: str, *, special: bool = False) -> list[int]:
        """Tokens of a text, without those that a tokenizer adds unless asked to."""
        found: list[int] = self.tokenizer([text], add_special_tokens=special)["input_ids"][0]
        return found


def look_at(
    model: Any,
    tokenizer: Any,
    *,
    base: BaseFolder,
    request: Request,
    batches: Mapping[ArmName, Sequence[tuple[Prompt, ...]]],
    folded: bool,
) -> Subject:
    """Take from the loaded base what the checks need, and let go of it; the fields are those of `Subject`."""
    return Subject(
        tokenizer=tokenizer,
        config=model.config,
        embedding_rows=model.get_input_embeddings().num_embeddings,
        dtype=str(model.dtype).removeprefix("torch."),
        stop_ids=() if answers_with_labels(request) else stop_ids(model, tokenizer),
        base=base,
        request=request,
        batches=batches,
        folded=folded,
    )


def answers_with_labels(request: Request) -> bool:
    """Whether the arms are classifiers, whose answers nothing needs to stop."""
    return any(files.task_type == "SEQ_CLS" for files in request.adapters.values())


def passed(check: str, message: str = "") -> Check:
    """Everything in order; the message says what was seen where that is worth knowing."""
    return Check(id=check, title=_TITLES[check], outcome="ok", message=message)


def warned(check: str, message: str) -> Check:
    """The run goes on, and the reader should know."""
    return Check(id=check, title=_TITLES[check], outcome="warn", message=message)


def failed(check: str, message: str) -> Check:
    """The run must not go on unless the configuration says so."""
    return Check(id=check, title=_TITLES[check], outcome="fail", message=message)


def skipped(check: str, message: str) -> Check:
    """It could not be made."""
    return Check(id=check, title=_TITLES[check], outcome="skipped", message=message)


def quoted(text: object) -> str:
    """A piece of somebody else's text, short and between backticks, as reports quote names."""
    shown = repr(str(text)[:_QUOTED_CHARACTERS])[1:-1].replace("`", "'")
    return f"`{shown}`"


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a JSON object; None if there is none that can be read."""
    try:
        if path.stat().st_size > _LARGEST_JSON_BYTES:
            return None
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
