"""Preflight of the chat template: small templates on the quickstart's tokenizer, one thing wrong in each."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from preflight_subject import CHAT, MODEL, question, subject, turn

from gate.engine.chat_template import apply_template, opens_reasoning, without_reasoning
from gate.engine.preflight import begins_reasoning
from gate.engine.preflight.template import arguments, end_of_turn, same_every_day, turns
from gate.engine.session import AdapterFiles

SYSTEM = question(turn("system", "Be brief."), turn("user", "q"), case="c2")
NO_SYSTEM = CHAT.replace("for m in messages", "for m in messages if m.role != 'system'")
REFUSING = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + CHAT
THINKING = CHAT.replace("<|im_start|>assistant\n{% endif", "<|im_start|>assistant\n<think>\n{% endif")
NOT_THINKING = CHAT.replace("<|im_start|>assistant\n{% endif", "<|im_start|>assistant\n<think>\n\n</think>\n\n{% endif")


@pytest.mark.parametrize("check", [turns, same_every_day, arguments, end_of_turn])
def test_template_checks__a_sound_template_passes_and_raw_text_has_none(check: Any) -> None:
    assert check(subject(CHAT)).outcome == "ok"
    assert check(subject(CHAT, raw=True)).outcome == "skipped"


# turns


def test_turns__a_dropped_user_turn_fails() -> None:
    seen = turns(subject("{{ bos_token }}<|im_start|>assistant\n"))
    assert seen.outcome == "fail"
    assert seen.message == "The chat template leaves out what the user says in a conversation of one turn."


def test_turns__a_template_that_refuses_a_single_turn_fails() -> None:
    seen = turns(subject("{{ raise_exception('never') }}", questions=[]))
    assert (seen.outcome, "refuses what the user says" in seen.message) == ("fail", True)


@pytest.mark.parametrize(("template", "does"), [(NO_SYSTEM, "drops"), (REFUSING, "refuses")])
def test_turns__system_turns_matter_only_where_there_are_some(template: str, does: str) -> None:
    assert turns(subject(template)).outcome == "ok"
    seen = turns(subject(template, questions=[SYSTEM]))
    assert seen.outcome == "warn"
    assert seen.message == (
        f"The chat template {does} system turns, and 1 prompt has one: it was put in front of the user's next turn."
    )
    assert turns(subject(CHAT, questions=[SYSTEM])).outcome == "ok"


def test_turns__without_a_generation_prompt() -> None:
    without = CHAT.partition("{% if add_generation_prompt")[0]
    seen = turns(subject(without))
    assert (seen.outcome, "has no generation prompt" in seen.message) == ("warn", True)


def test_turns__always_opening_the_answer_is_a_generation_prompt() -> None:
    always = CHAT.partition("{% if add_generation_prompt")[0] + "<|im_start|>assistant\n"
    assert turns(subject(always)).outcome == "ok"


def test_turns__asking_otherwise_than_answers_are_written() -> None:
    seen = turns(subject(CHAT.replace("<|im_start|>assistant\n{% endif", "<|im_start|>model\n{% endif")))
    assert seen.outcome == "warn"
    assert "begins the assistant's turn in another way when it asks for one" in seen.message


@pytest.mark.parametrize("template", [THINKING, NOT_THINKING])
def test_turns__a_block_of_reasoning_is_no_other_beginning(template: str) -> None:
    assert turns(subject(template)).outcome == "ok"


def test_turns__a_template_without_assistant_turns() -> None:
    seen = turns(subject(CHAT.replace("for m in messages", "for m in messages if m.role != 'assistant'")))
    assert (seen.outcome, "writes no turn of the assistant" in seen.message) == ("warn", True)


# same_every_day


def test_same_every_day__the_date_is_pinned_and_said() -> None:
    dated = "{{ strftime_now('%d %b %Y') }}" + CHAT
    made = subject(dated)
    seen = same_every_day(made)
    assert seen.outcome == "warn"
    assert "it is told 2025-01-01 on every day" in seen.message
    assert made.tokenizer.decode(next(made.prompts).token_ids).startswith("01 Jan 2025")


def test_same_every_day__a_date_that_the_configuration_sets_is_none() -> None:
    template = "{% if not today is defined %}{% set today = strftime_now('%Y') %}{% endif %}{{ today }}" + CHAT
    assert same_every_day(subject(template)).outcome == "warn"
    assert same_every_day(subject(template, template_kwargs={"today": "1999"})).outcome == "ok"


def test_same_every_day__chance_is_noticed() -> None:
    seen = same_every_day(subject("{{ range(100000) | random }}" + CHAT))
    assert (seen.outcome, "another prompt each time" in seen.message) == ("warn", True)


def test_apply_template__the_pinned_clock_formats_as_the_real_one_does() -> None:
    form = "%d|%-d|%m|%-m|%y|%Y|%b|%B|%a|%A|%j|100%%"
    tokenizer = subject(
        "\n {{ strftime_now('" + form + "') }}{% macro m() %}{{ strftime_now('%Y') }}{% endmacro %}|{{ m() }}"
    ).tokenizer
    day = date(2031, 12, 6)
    assert apply_template(tokenizer, [turn("user", "q")], {}, today=day) == (
        "\n 06|6|12|12|31|2031|Dec|December|Sat|Saturday|340|100%|2031"
    )


# arguments


def test_arguments__one_that_the_template_does_not_know() -> None:
    switch = "{% if enable_thinking %}hm{% endif %}" + CHAT
    assert arguments(subject(switch, template_kwargs={"enable_thinking": True})).outcome == "ok"
    seen = arguments(subject(switch, template_kwargs={"enable_thinkin": True}))
    assert seen.outcome == "warn"
    assert seen.message == "`generation.template_kwargs`: the chat template knows no `enable_thinkin`."


def test_arguments__reasoning_that_the_prompt_opens_is_known() -> None:
    opened = subject(THINKING)
    assert "opens a block of reasoning" in arguments(opened).message
    assert begins_reasoning(opened)
    assert not begins_reasoning(subject(NOT_THINKING))
    assert not begins_reasoning(subject(CHAT))
    assert not begins_reasoning(subject(THINKING, raw=True))


@pytest.mark.parametrize(
    ("text", "inside", "rest"),
    [
        ("A\n", False, "A\n"),
        ("A\n<think>\n", True, "A"),
        ("A\n<think>\n\n</think>\n\n", False, "A"),
        ("<think>said</think> A\n", False, "<think>said</think> A\n"),
    ],
)
def test_opens_reasoning__by_the_last_tag(text: str, inside: bool, rest: str) -> None:
    assert opens_reasoning(text) is inside
    assert without_reasoning(text) == rest


# end_of_turn


def test_end_of_turn__a_token_that_stops_nothing_fails() -> None:
    seen = end_of_turn(subject(CHAT.replace("<|im_end|>", "<|pad|>")))
    assert seen.outcome == "fail"
    assert seen.message.startswith(
        "The chat template ends an answer with `<|pad|>`, which stops none (only `<|im_end|>`"
    )
    assert end_of_turn(subject(CHAT.replace("<|im_end|>", "<|pad|>"), stop_ids=(3, 0))).outcome == "ok"


def test_end_of_turn__white_space_before_the_end_belongs_to_the_answer() -> None:
    assert end_of_turn(subject(CHAT.replace("<|im_end|>", " \n<|im_end|>"))).outcome == "ok"


def test_end_of_turn__nothing_behind_an_answer() -> None:
    seen = end_of_turn(subject(CHAT.replace("<|im_end|>", "")))
    assert (seen.outcome, "may never be said" in seen.message) == ("warn", True)


def test_end_of_turn__needs_a_turn_of_the_assistant() -> None:
    assert end_of_turn(subject("{{ messages[0].content }}")).outcome == "skipped"


def test_end_of_turn__labels_need_no_end() -> None:
    files = AdapterFiles(path=MODEL, name="a", tensor_names=frozenset(), description="", digest="", task_type="SEQ_CLS")
    made = subject(CHAT.replace("<|im_end|>", "<|pad|>"))
    made = replace(made, request=replace(made.request, adapters={"candidate": files}))
    assert end_of_turn(made).message == "The arms answer with labels."
