"""Conversations through real chat templates and a real tokenizer: what a template refuses or drops, and what fits."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gate.data.shots import Shot, with_prompt
from gate.domain import Message
from gate.engine.loading import load_tokenizer
from gate.engine.prompts import fit_template, render
from gate.engine.session import Question, Settings
from gate.errors import CasesError, ConfigError

MODEL = Path(__file__).parents[3] / "sample_configs" / "quickstart" / "model"

KEEPS = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] | trim }}\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
REFUSES = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate') }}{% endif %}<{{ m['role'] }}>{{ m['content'] }}\n{% endfor %}<assistant>"
)
DROPS = "{% for m in messages if m['role'] != 'system' %}<{{ m['role'] }}>{{ m['content'] }}\n{% endfor %}<assistant>"
BY_SWITCH = (
    "{% for m in messages if keep_system or m['role'] != 'system' %}<{{ m['role'] }}>{{ m['content'] }}\n{% endfor %}"
)

SHOTS = (Shot(user="q1", assistant="a1"), Shot(user="q2", assistant="a2"))


def turn(role: str, content: str) -> Message:
    return Message(role=role, content=content)


def question(*messages: Message, case: str = "c1", new: int = 8) -> Question:
    return Question(suite="facts", case=case, messages=messages, max_new_tokens=new)


def prompted(system: str | None = "Be brief.", shots: Sequence[Shot] = SHOTS, case: str = "c1") -> Question:
    return question(*with_prompt((turn("user", "q"),), system=system, shots=shots), case=case)


def settings(template: Any = "chat", **kwargs: bool | int | str) -> Settings:
    return Settings(dtype="auto", template=template, template_kwargs=kwargs)


@pytest.fixture(scope="module")
def loaded() -> Any:
    return load_tokenizer(MODEL)


@pytest.fixture
def tokenizer(loaded: Any) -> Any:
    original = loaded.chat_template
    yield loaded
    loaded.chat_template = original


def text(of: Question, tokenizer: Any, **kwargs: object) -> str:
    conversation = [{"role": one.role, "content": one.content} for one in of.messages]
    written: str = tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True, **kwargs)
    return written


def ids(
    of: Sequence[Question], tokenizer: Any, *, template: Any = "chat", most: int | None = None, **kwargs: object
) -> list[tuple[int, ...]]:
    return [
        one.token_ids for one in render(of, tokenizer, template=template, template_kwargs=kwargs, max_positions=most)
    ]


# fit_template


def test_fit_template__a_template_that_keeps_the_system_turn_changes_nothing(tokenizer: Any) -> None:
    tokenizer.chat_template = KEEPS
    questions = [prompted("  Be brief.  "), prompted(case="c2")]
    assert fit_template(questions, tokenizer, settings()) == (questions, False)
    assert text(questions[0], tokenizer).startswith("<system>Be brief.\n<user>q1\n<assistant>a1\n")


@pytest.mark.parametrize("template", [REFUSES, DROPS])
def test_fit_template__otherwise_the_users_first_turn_says_it(tokenizer: Any, template: str) -> None:
    tokenizer.chat_template = template
    (fitted,), folded = fit_template([prompted()], tokenizer, settings())
    assert folded
    assert (
        text(fitted, tokenizer) == "<user>Be brief.\n\nq1\n<assistant>a1\n<user>q2\n<assistant>a2\n<user>q\n<assistant>"
    )
    assert ids([fitted], tokenizer)[0]


def test_fit_template__all_questions_are_folded_alike(tokenizer: Any) -> None:
    tokenizer.chat_template = DROPS
    fitted, folded = fit_template([prompted(None), prompted(case="c2")], tokenizer, settings())
    assert folded
    assert fitted[0] == prompted(None)
    assert [one.role for one in fitted[1].messages] == ["user", "assistant", "user", "assistant", "user"]


def test_fit_template__without_a_system_turn_nothing_is_folded(tokenizer: Any) -> None:
    tokenizer.chat_template = REFUSES
    questions = [prompted(None)]
    assert fit_template(questions, tokenizer, settings()) == (questions, False)


@pytest.mark.parametrize("keep", [True, False])
def test_fit_template__asks_the_template_with_the_runs_own_arguments(tokenizer: Any, keep: bool) -> None:
    tokenizer.chat_template = BY_SWITCH
    _, folded = fit_template([prompted()], tokenizer, settings(keep_system=keep))
    assert folded is not keep


def test_fit_template__a_missing_template_is_left_to_be_reported(tokenizer: Any) -> None:
    tokenizer.chat_template = None
    questions = [prompted()]
    assert fit_template(questions, tokenizer, settings()) == (questions, False)
    with pytest.raises(ConfigError, match="the base model's tokenizer has no chat template"):
        ids(questions, tokenizer)


def test_fit_template__raw_writes_the_turns_one_after_the_other(tokenizer: Any) -> None:
    shots = (Shot(user="Q: 1+1\nA:", assistant=" 2"), Shot(user="Q: 2+2\nA:", assistant=" 4"))
    asked = question(*with_prompt((turn("user", "Q: 3+3\nA:"),), system="Sums.", shots=shots))
    (fitted,), folded = fit_template([asked], tokenizer, settings("raw"))
    assert not folded
    assert fitted.messages == (turn("user", "Sums.\n\nQ: 1+1\nA: 2\n\nQ: 2+2\nA: 4\n\nQ: 3+3\nA:"),)
    assert (fitted.case, fitted.max_new_tokens) == ("c1", 8)
    assert ids([fitted], tokenizer, template="raw")


def test_fit_template__raw_keeps_an_opening_of_the_assistant(tokenizer: Any) -> None:
    asked = question(turn("assistant", "Hello. "), turn("user", "Q:"), turn("assistant", " A"))
    (fitted,), _ = fit_template([asked], tokenizer, settings("raw"))
    assert fitted.messages[0].content == "Hello. \n\nQ: A"


# render


def test_render__a_refusing_template_names_the_case_and_what_to_do(tokenizer: Any) -> None:
    tokenizer.chat_template = REFUSES
    with pytest.raises(ConfigError) as refused:
        ids([prompted()], tokenizer)
    assert refused.value.message == "the chat template refuses the case facts/c1: System role not supported"
    with pytest.raises(ConfigError, match="facts/c9: Roles must alternate"):
        ids([question(turn("user", "a"), turn("user", "b"), case="c9")], tokenizer)


def test_render__special_tokens_are_added_to_raw_text_only(tokenizer: Any) -> None:
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    asked = [question(turn("user", "Write the capital of Norway."))]
    plain = tokenizer("Write the capital of Norway.", add_special_tokens=False)["input_ids"]
    special = tokenizer("Write the capital of Norway.", add_special_tokens=True)["input_ids"]
    assert ids(asked, tokenizer) == [tuple(plain)]
    assert ids(asked, tokenizer, template="raw") == [tuple(special)]


def test_render__raw_takes_one_message(tokenizer: Any) -> None:
    with pytest.raises(CasesError, match="facts/c1: a conversation of 2 messages needs `generation.template: chat`"):
        ids([question(turn("system", "s"), turn("user", "q"))], tokenizer, template="raw")


def test_render__what_does_not_fit_is_refused_with_names_and_numbers(tokenizer: Any) -> None:
    asked = [question(turn("user", "capital of Norway"), case=f"c{index}", new=20) for index in range(7)]
    length = len(ids(asked, tokenizer)[0])
    assert len(ids(asked, tokenizer, most=length + 20)) == 7
    with pytest.raises(CasesError) as refused:
        ids(asked, tokenizer, most=length + 19)
    lines = refused.value.message.splitlines()
    assert (
        lines[0] == f"facts/c0: {length} prompt tokens and up to 20 new do not fit the model's {length + 19} positions"
    )
    assert (len(lines), lines[-1]) == (6, "and 2 more cases")


def test_render__nothing_to_ask_and_nothing_to_say(tokenizer: Any) -> None:
    assert render((), tokenizer, template="chat", template_kwargs={}, max_positions=4) == ()
    tokenizer.chat_template = "{# says nothing #}"
    with pytest.raises(CasesError, match="facts/c1: the prompt has no tokens"):
        ids([question(turn("user", "q"))], tokenizer)
