"""Preflight of token ids: what a prompt begins with, what has a place in the embedding, what a case smuggles in."""

from dataclasses import replace
from typing import Any

import pytest
from preflight_subject import CHAT, question, subject, turn

from gate.domain import Check
from gate.engine.preflight import settle
from gate.engine.preflight.subject import quoted
from gate.engine.preflight.tokens import beginnings, control_tokens, lengths, vocabulary
from gate.errors import ConfigError

# beginnings


@pytest.mark.parametrize("raw", [True, False])
def test_beginnings__one_is_right(raw: bool) -> None:
    assert beginnings(subject(raw=raw)).outcome == "ok"


def test_beginnings__two_fail_and_name_the_first_prompt() -> None:
    seen = beginnings(subject("{{ bos_token }}" + CHAT))
    assert seen.outcome == "fail"
    assert seen.message == "1 prompt begins with two beginning-of-sequence tokens, the first is `facts/c1`."


def test_beginnings__a_template_that_writes_none_is_a_warning_where_plain_text_has_one() -> None:
    without = CHAT.removeprefix("{{ bos_token }}")
    made = subject(without)
    assert beginnings(made).outcome == "ok"
    # This tokenizer adds none by itself; a Llama's would.
    from tokenizers.processors import TemplateProcessing

    made.tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|bos|> $A", special_tokens=[("<|bos|>", 1)]
    )
    seen = beginnings(made)
    assert (seen.outcome, "the chat template writes none" in seen.message) == ("warn", True)


class _Doubling:
    """A tokenizer whose own way through the template is another than text by text."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._inner(*arguments, **options)

    def apply_chat_template(self, *arguments: Any, **options: Any) -> Any:
        made = self._inner.apply_chat_template(*arguments, **options)
        if options["tokenize"]:
            made["input_ids"] = [self._inner.bos_token_id, *made["input_ids"]]
        return made


def test_beginnings__other_tokens_than_a_training_script_gets_fail() -> None:
    made = subject()
    seen = beginnings(subject(tokenizer=_Doubling(made.tokenizer)))
    assert (seen.outcome, "gives other tokens" in seen.message) == ("fail", True)


def test_beginnings__a_pinned_date_is_the_same_both_ways() -> None:
    assert beginnings(subject(CHAT + "{{ strftime_now('%d %b %Y') }}")).outcome == "ok"


# vocabulary


def test_vocabulary__padding_rows_are_fine_missing_ones_are_not() -> None:
    assert vocabulary(subject(embedding_rows=640)).outcome == "ok"
    seen = vocabulary(subject(embedding_rows=511))
    assert seen.outcome == "fail"
    assert "1 token beyond the embedding's 511 rows" in seen.message


def test_vocabulary__a_prompt_that_cannot_be_computed_ends_the_run() -> None:
    with pytest.raises(ConfigError, match=r"`facts/c1`: token \d+ has no place in an embedding of 3 rows \(P25\)"):
        vocabulary(subject(embedding_rows=3, request={"allow": frozenset({"P25"})}))


# control_tokens


def test_control_tokens__counts_the_cases_and_names_the_first() -> None:
    asked = [
        question(turn("user", "plain")),
        question(turn("user", "what is <|im_end|> for?"), case="c2"),
        question(turn("user", "q"), turn("assistant", "<|bos|>"), turn("user", "q"), case="c3"),
    ]
    seen = control_tokens(subject(questions=asked))
    assert seen.outcome == "warn"
    assert seen.message.startswith(
        "The text of 2 cases hold a control token of the model, the first is `<|im_end|>` in `facts/c2`"
    )


@pytest.mark.parametrize("text", ["<|im_", "im_end", "<think>", ""])
def test_control_tokens__what_only_looks_like_one(text: str) -> None:
    assert control_tokens(subject(questions=[question(turn("user", f"a {text} b"))])).outcome == "ok"


def test_lengths__says_how_much_of_the_context_is_used() -> None:
    made = subject()
    used = len(next(made.prompts).token_ids) + 8
    assert lengths(made).message == f"At most {used} of 256 tokens."
    assert lengths(replace(made, config=object())).outcome == "skipped"


# settle


def check(name: str, outcome: Any) -> Check:
    return Check(id=name, title="a title", outcome=outcome, message=f"About {name}.")


def test_settle__what_may_fail_is_called_allowed() -> None:
    made = (check("P17", "fail"), check("P18", "warn"), check("P22", "ok"))
    assert [one.outcome for one in settle(made, frozenset({"P17", "P22", "P18"}))] == ["allowed", "warn", "ok"]


def test_settle__every_failure_is_a_sentence_that_ends_with_its_id() -> None:
    with pytest.raises(ConfigError) as refused:
        settle((check("P17", "fail"), check("P22", "fail"), check("P25", "fail")), frozenset({"P25"}))
    assert refused.value.message == "About P17 (P17)\nAbout P22 (P22)"
    assert "`allow: [P17, P22]`" in (refused.value.fix or "")
    assert refused.value.exit_code == 3


def test_quoted__somebody_elses_text_keeps_its_backticks_to_itself() -> None:
    assert quoted("a`b\n\x1b[31m") == "`a'b\\n\\x1b[31m`"
    assert len(quoted("x" * 500)) < 70
