"""Checks of token ids: beginnings, ids without a place in the embedding, control tokens that a case smuggles in."""

import re
from collections.abc import Iterator, Sequence

from gate import wording
from gate.domain import Check
from gate.engine.chat_template import template_ids, template_source
from gate.engine.preflight.subject import Subject, failed, passed, quoted, skipped, warned
from gate.engine.session import Prompt, Question
from gate.errors import ConfigError

_COMPARED = 8
"""Questions whose tokens are compared with those of transformers' own way."""


def beginnings(subject: Subject) -> Check:
    """P17: no prompt has two beginning-of-sequence tokens, and its tokens are those that transformers would make."""
    begin = subject.tokenizer.bos_token_id
    twice = [prompt for prompt in subject.prompts if begin is not None and prompt.token_ids[:2] == (begin, begin)]
    if twice:
        many = wording.count(len(twice), "prompt")
        verb = "begins" if len(twice) == 1 else "begin"
        return failed("P17", f"{many} {verb} with two beginning-of-sequence tokens, the first is {_place(twice[0])}.")
    other = next(_otherwise(subject), None) if subject.is_chat else None
    if other is not None:
        return failed("P17", f"{_place(other)}: transformers' own way through the chat template gives other tokens.")
    if begin is not None and subject.is_chat and begin in subject.ids("a", special=True)[:1]:
        without = next((prompt for prompt in subject.prompts if prompt.token_ids[0] != begin), None)
        if without is not None:
            return warned(
                "P17",
                "The tokenizer begins plain texts with a beginning-of-sequence token, the chat template writes none: "
                "make sure that the training did as the template does.",
            )
    return passed("P17")


def _otherwise(subject: Subject) -> Iterator[Prompt]:
    """Prompts whose tokens differ from those that a training script gets of the same conversation."""
    if subject.folded:
        return
    by_name = {(prompt.suite, prompt.case): prompt for batch in subject.batches["base"] for prompt in batch}
    kwargs = subject.request.settings.template_kwargs
    for question in subject.request.questions[:_COMPARED]:
        prompt = by_name[question.suite, question.case]
        if template_ids(subject.tokenizer, question.messages, kwargs) != list(prompt.token_ids):
            yield prompt


def vocabulary(subject: Subject) -> Check:
    """P25: every id that the tokenizer can give has a row in the embedding.

    Raises:
        ConfigError: If a prompt holds an id that has none; no configuration can allow what cannot be computed.
    """
    rows = subject.embedding_rows
    outside = next((prompt for prompt in subject.prompts if max(prompt.token_ids) >= rows), None)
    if outside is not None:
        raise ConfigError(
            f"{_place(outside)}: token {max(outside.token_ids):,} has no place in an embedding of {rows:,} rows (P25)",
            fix="The tokenizer in the base's folder is that of another model.",
        )
    known: dict[str, int] = subject.tokenizer.get_vocab()
    beyond = sorted(token for token, number in known.items() if number >= rows)
    if beyond:
        many = wording.count(len(beyond), "token")
        return failed(
            "P25",
            f"The tokenizer knows {many} beyond the embedding's {rows:,} rows, {quoted(beyond[0])} for one: it is that "
            "of another model, or the embedding was never resized.",
        )
    return passed("P25", f"{len(known):,} tokens, {rows:,} rows.")


def control_tokens(subject: Subject) -> Check:
    """P26: no text of a case turns into a token with which the template steers the model."""
    control = _control(subject)
    written = re.compile("|".join(map(re.escape, control)) or "(?!)")
    found: list[tuple[Question, str]] = []
    for question in subject.request.questions:
        for text in (turn.content for turn in question.messages):
            word = written.search(text)
            # The word alone is no proof: a tokenizer may take it apart.
            if word is not None and control[word[0]] in subject.ids(text):
                found.append((question, word[0]))
                break
    if not found:
        return passed("P26")
    many = wording.count(len(found), "case")
    does = "holds" if len(found) == 1 else "hold"
    return warned(
        "P26",
        f"The text of {many} {does} a control token of the model, the first is {quoted(found[0][1])} in "
        f"{_place(found[0][0])}: the model takes it for the end of a turn or the like.",
    )


def _control(subject: Subject) -> dict[str, int]:
    """Special tokens, and added ones that the template writes, longest first."""
    source = template_source(subject.tokenizer) or ""
    added = subject.tokenizer.added_tokens_decoder
    found = {str(token): number for number, token in added.items() if token.special or str(token) in source}
    specials: Sequence[str] = subject.tokenizer.all_special_tokens
    found |= {token: subject.tokenizer.convert_tokens_to_ids(token) for token in specials}
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))


def lengths(subject: Subject) -> Check:
    """P27: every prompt and its answer fit; one that does not has ended the run where prompts are made."""
    most = getattr(subject.config, "max_position_embeddings", None)
    longest = max((len(prompt.token_ids) + prompt.max_new_tokens for prompt in subject.prompts), default=0)
    if most is None:
        return skipped("P27", "The model names no longest sequence.")
    return passed("P27", f"At most {longest:,} of {most:,} tokens.")


def _place(one: Prompt | Question) -> str:
    return quoted(f"{one.suite}/{one.case}")
