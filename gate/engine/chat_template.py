"""The chat template of a tokenizer: how it is asked, on which day it believes to be, and what it writes at the end.

Knows messages and text; it must not know cases, models or what the answers are for. A template is somebody else's
program: transformers runs it in a sandbox, and whatever it says is only text.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Protocol

from gate.domain import Message

TODAY = date(2025, 1, 1)
"""The day that a template is told when it asks for the date. Were it the true one, no round could be compared with
yesterday's, and no answer kept."""

_CLOCK = "strftime_now"
"""What transformers calls the function that gives a template the date."""
_OPENING, _CLOSING = "<think>", "</think>"

REASONING, BEGUN_BY_PROMPT = "reasoning", "begun by the prompt"
"""Key and value in a session's environment: the prompts end inside a block of reasoning, and answers begin there."""


class Tokenizer(Protocol):
    """What is used of a transformers tokenizer."""

    chat_template: str | dict[str, str] | None

    def apply_chat_template(  # noqa: D102
        self, conversation: list[dict[str, str]], **kwargs: Any
    ) -> Any: ...

    def __call__(self, text: list[str], *, add_special_tokens: bool) -> Mapping[str, list[list[int]]]: ...  # noqa: D102


def template_source(tokenizer: Tokenizer) -> str | None:
    """The template that is used where no other is named; None: there is none."""
    template = tokenizer.chat_template
    return template.get("default") if isinstance(template, dict) else template


def apply_template(
    tokenizer: Tokenizer,
    messages: Sequence[Message],
    kwargs: Mapping[str, object],
    *,
    open_answer: bool = True,
    today: date = TODAY,
) -> str:
    """Write a conversation as the model reads it.

    Args:
        tokenizer: The base model's.
        messages: The conversation.
        kwargs: Further arguments of the template.
        open_answer: Whether the assistant's turn is begun at the end.
        today: The day that the template is told.

    Raises:
        jinja2.TemplateError, ValueError, TypeError: If the template refuses the conversation or its arguments.
    """
    text: str = _apply(tokenizer, messages, kwargs, today=today, tokenize=False, add_generation_prompt=open_answer)
    return text


def template_ids(tokenizer: Tokenizer, messages: Sequence[Message], kwargs: Mapping[str, object]) -> list[int]:
    """Tokens of a conversation as transformers itself makes them, which is how training scripts get theirs.

    Raises:
        jinja2.TemplateError, ValueError, TypeError: As `apply_template`.
    """
    made = _apply(tokenizer, messages, kwargs, today=TODAY, tokenize=True, add_generation_prompt=True, return_dict=True)
    return list(made["input_ids"])


def _apply(
    tokenizer: Tokenizer, messages: Sequence[Message], kwargs: Mapping[str, object], *, today: date, **how: Any
) -> Any:
    source = template_source(tokenizer)
    dated = {"chat_template": _clock(today) + source} if source is not None and _CLOCK in source else {}
    conversation = [{"role": message.role, "content": message.content} for message in messages]
    return tokenizer.apply_chat_template(conversation, **how, **dated, **kwargs)


def opens_reasoning(text: str) -> bool:
    """Whether a prompt ends inside a block of reasoning."""
    return _OPENING in text.rpartition(_CLOSING)[2]


def without_reasoning(text: str) -> str:
    """A prompt less the block of reasoning, open or empty, with which it ends."""
    body = text.rstrip().removesuffix(_CLOSING).rstrip()
    return body.removesuffix(_OPENING).rstrip() if body.endswith(_OPENING) else text


def _clock(today: date) -> str:
    """A macro that takes the clock's place in a template.

    A value of that name would be made inert by transformers before the template sees it, and a changed clock inside
    transformers would be a change to somebody else's module; a macro is the template's own.
    """
    directives = {
        "%-d": str(today.day),
        "%-m": str(today.month),
        **{f"%{letter}": today.strftime(f"%{letter}") for letter in "dmyYjuwU"},
        # By number, not by strftime: names of days and months depend on the machine's language.
        "%b": _MONTHS[today.month - 1][:3],
        "%B": _MONTHS[today.month - 1],
        "%a": _DAYS[today.weekday()][:3],
        "%A": _DAYS[today.weekday()],
        **dict.fromkeys(("%H", "%I", "%M", "%S"), "00"),
        "%F": today.isoformat(),
        "%p": "AM",
        "%%": "%",
    }
    filters = "".join(f" | replace('{directive}', '{value}')" for directive, value in directives.items())
    # The line feed is the one that jinja drops behind a block; without it the template would lose its own first one.
    return f"{{%- macro {_CLOCK}(format) -%}}{{{{ format{filters} }}}}{{%- endmacro %}}\n"


_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
