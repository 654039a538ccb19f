"""From a conversation to token ids: the chat template once, special tokens never twice.

The same ids go to every arm. A prompt that does not fit is an error; nothing is ever cut silently.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from gate import wording
from gate.data.shots import fold_system
from gate.domain import Message
from gate.engine.chat_template import Tokenizer, apply_template
from gate.engine.session import Prompt, Question, Settings
from gate.errors import CasesError, ConfigError

FOLDED_WARNING = "The chat template takes no system turn: what system turns say stands in the user's next turn."
"""What a reader must know when the template refuses or drops system turns."""

_SHOWN_AT_MOST = 5
_SENTINEL = "gate-system-sentinel"


def render(
    questions: Sequence[Question],
    tokenizer: Tokenizer,
    *,
    template: Literal["chat", "raw"],
    template_kwargs: Mapping[str, object],
    max_positions: int | None,
) -> tuple[Prompt, ...]:
    """Turn questions into prompts.

    Args:
        questions: What to ask.
        tokenizer: The base model's.
        template: `chat`: through the tokenizer's chat template. `raw`: the text of the only message.
        template_kwargs: Passed to the chat template.
        max_positions: Longest sequence that the model can take, answer included; None when it has no limit.

    Raises:
        ConfigError: If the tokenizer has no chat template, or the template refuses a conversation.
        CasesError: If a prompt and its answer do not fit the model.
    """
    if not questions:
        return ()
    if template == "chat":
        texts = [_through_template(question, tokenizer, template_kwargs) for question in questions]
    else:
        texts = [single_message(question) for question in questions]
    # A template writes the special tokens that the model was trained with; adding them again would double them.
    ids = tokenizer(texts, add_special_tokens=template == "raw")["input_ids"]
    prompts = tuple(
        Prompt(suite=q.suite, case=q.case, token_ids=tuple(row), max_new_tokens=q.max_new_tokens, stage=q.stage)
        for q, row in zip(questions, ids, strict=True)
    )
    _check_lengths(prompts, max_positions)
    return prompts


def fit_template(
    questions: Sequence[Question], tokenizer: Tokenizer, settings: Settings
) -> tuple[Sequence[Question], bool]:
    """Make conversations fit the template.

    Args:
        questions: Conversations, perhaps with a system turn or worked examples.
        tokenizer: The base model's.
        settings: Which template is used, and how.

    Returns:
        The questions; and whether the system turn was put into the user's, because the template refuses or drops it.
        Without a template the turns are written one after the other: each example's answer directly behind its
        question, blank lines between the examples.
    """
    if settings.template == "raw":
        return [replace(one, messages=(continuous(one.messages),)) for one in questions], False
    first = next((one for one in questions if one.messages[0].role == "system"), None)
    if first is None or _says_system(first, tokenizer, settings):
        return questions, False
    return [replace(one, messages=fold_system(one.messages)) for one in questions], True


def _says_system(question: Question, tokenizer: Tokenizer, settings: Settings) -> bool:
    # Whole prompts may be trimmed by a template; a word that is nowhere else shows whether the turn is kept at all.
    marked = (Message(role="system", content=_SENTINEL), *question.messages[1:])
    try:
        text = _through_template(replace(question, messages=marked), tokenizer, settings.template_kwargs)
    except ConfigError:
        return tokenizer.chat_template is None
    return _SENTINEL in text


def continuous(messages: Sequence[Message]) -> Message:
    """A conversation as one text: each answer directly behind its question, blank lines between."""
    blocks: list[str] = []
    for message in messages:
        if message.role == "assistant" and blocks:
            blocks[-1] += message.content
        else:
            blocks.append(message.content)
    return Message(role="user", content="\n\n".join(blocks))


def _through_template(question: Question, tokenizer: Tokenizer, kwargs: Mapping[str, object]) -> str:
    from jinja2 import TemplateError

    if tokenizer.chat_template is None:
        raise ConfigError(
            "generation.template: the base model's tokenizer has no chat template",
            fix="Use a chat model, or set `generation: {template: raw}` for a base model.",
        )
    try:
        return apply_template(tokenizer, question.messages, kwargs)
    except (TemplateError, ValueError, TypeError) as problem:
        raise ConfigError(
            f"the chat template refuses the case {question.suite}/{question.case}: {problem}",
            fix="Some templates know no system role, or want user and assistant turns in alternation.",
        ) from None


def single_message(question: Question) -> str:
    """The text of a question that needs no template.

    Raises:
        CasesError: If it is a conversation.
    """
    if len(question.messages) != 1:
        raise CasesError(
            f"{question.suite}/{question.case}: a conversation of {len(question.messages)} messages needs "
            "`generation.template: chat`"
        )
    return question.messages[0].content


def _check_lengths(prompts: Sequence[Prompt], max_positions: int | None) -> None:
    empty = [prompt for prompt in prompts if not prompt.token_ids]
    if empty:
        raise CasesError(f"{empty[0].suite}/{empty[0].case}: the prompt has no tokens")
    if max_positions is None:
        return
    long = [prompt for prompt in prompts if len(prompt.token_ids) + prompt.max_new_tokens > max_positions]
    if long:
        lines = [
            f"{p.suite}/{p.case}: {len(p.token_ids):,} prompt tokens and up to {p.max_new_tokens:,} new do not fit "
            f"the model's {max_positions:,} positions"
            for p in long[:_SHOWN_AT_MOST]
        ]
        more = [f"and {wording.count(len(long) - _SHOWN_AT_MOST, 'more case')}"] if len(long) > _SHOWN_AT_MOST else []
        raise CasesError("\n".join(lines + more), fix="Shorten the prompts or lower `generation.max_new_tokens`.")
