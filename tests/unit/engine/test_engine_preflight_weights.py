"""Preflight of the loaded arms, on the real tiny model: training mode, and whether training rows are likelier."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from peft import PeftModel
from preflight_subject import MODEL, question, subject, turn
from transformers import AutoModelForCausalLM

from gate.data.training import load_training
from gate.domain import Check
from gate.engine.preflight.subject import Subject
from gate.engine.preflight.weights import _Row, answer_loss, evaluation_mode, training_rows
from gate.engine.session import AdapterFiles, Lesson

QUICKSTART = MODEL.parent


@pytest.fixture(scope="module")
def tuned() -> Any:
    base = AutoModelForCausalLM.from_pretrained(MODEL)
    return PeftModel.from_pretrained(base, str(QUICKSTART / "adapters" / "forgetful")).eval()


def arms(model: Any) -> dict[Any, Any]:
    @contextmanager
    def as_candidate() -> Iterator[Any]:
        yield model

    @contextmanager
    def as_base() -> Iterator[Any]:
        with model.disable_adapter():
            yield model

    return {"base": as_base, "candidate": as_candidate}


def lessons(count: int = 16) -> list[Lesson]:
    rows = load_training(QUICKSTART / "data" / "train.jsonl", label="train")
    return [Lesson(messages=row.messages, answer=row.answer or "") for row in rows[:count]]


TEMPLATE = (MODEL / "chat_template.jinja").read_text(encoding="utf-8")


def seen(tuned: Any, rows: list[Lesson], template: str = TEMPLATE, **fields: Any) -> Check:
    made: Subject = subject(template, request={"lessons": rows}, **fields)
    return training_rows(made, arms(tuned))


# training_rows


def test_training_rows__a_candidate_knows_what_it_was_taught(tuned: Any) -> None:
    check = seen(tuned, lessons())
    assert check.outcome == "ok"
    assert check.message.endswith("nats a token on 16 rows.")


def test_training_rows__another_template_is_noticed(tuned: Any) -> None:
    other = "{% for m in messages %}### {{ m.role }}: {{ m.content }} {% endfor %}### assistant: "
    right, wrong = (float(seen(tuned, lessons(), text).message.split("(")[-1].split()[0]) for text in (TEMPLATE, other))
    assert wrong > 3 * right


def test_training_rows__rows_that_it_never_saw_are_a_warning(tuned: Any) -> None:
    swapped = [replace(one, answer="Oslo is in Norway") for one in lessons()]
    check = seen(tuned, swapped)
    assert check.outcome == "warn"
    assert check.message.startswith("The candidate is not less surprised than the base by answers")


def test_training_rows__too_little_to_go_by(tuned: Any) -> None:
    assert seen(tuned, []).message == "No `training.data` is configured."
    assert seen(tuned, lessons(7)).outcome == "skipped"
    refusing = "{{ raise_exception('no') }}"
    made = subject(refusing, questions=[], request={"lessons": lessons()})
    assert training_rows(made, arms(tuned)).message == "Only 0 of 16 training rows could be written as prompts."
    assert seen(tuned, lessons(), embedding_rows=10).outcome == "skipped"


def test_training_rows__a_candidate_that_only_classifies_is_left_out(tuned: Any) -> None:
    files = AdapterFiles(path=MODEL, name="a", tensor_names=frozenset(), description="", digest="", task_type="SEQ_CLS")
    made = subject(TEMPLATE, request={"lessons": lessons()})
    made = replace(made, request=replace(made.request, adapters={"candidate": files}))
    assert training_rows(made, arms(tuned)).message == "The arms answer with labels."


def test_training_rows__raw_text_takes_the_tokenizers_own_beginning(tuned: Any) -> None:
    assert "on 16 rows" in seen(tuned, lessons(), raw=True).message


def test_training_rows__system_turns_are_folded_as_the_cases_are(tuned: Any) -> None:
    refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}" + TEMPLATE
    rows = [replace(one, messages=(turn("system", "s"), *one.messages)) for one in lessons()]
    assert seen(tuned, rows, refusing).outcome == "skipped"
    asked = [question(turn("system", "s"), turn("user", "q"))]
    assert seen(tuned, rows, refusing, questions=asked).outcome == "ok"


# answer_loss


def test_answer_loss__padding_changes_nothing(tuned: Any) -> None:
    rows = [_Row(prompt=(1, 2, 40, 41), answer=(50,)), _Row(prompt=(1,), answer=(60, 61, 62, 63, 64, 65))]
    total = 0.0
    with torch.inference_mode():
        for row in rows:
            ids = torch.tensor([[*row.prompt, *row.answer]])
            logs = tuned(input_ids=ids).logits[0].log_softmax(-1)
            total -= sum(float(logs[len(row.prompt) - 1 + n, token]) for n, token in enumerate(row.answer))
    assert math.isclose(answer_loss(tuned, rows), total / 7, rel_tol=1e-4)


# evaluation_mode


def test_evaluation_mode__one_part_in_training_mode_fails(tuned: Any) -> None:
    assert evaluation_mode(arms(tuned)).outcome == "ok"
    part = tuned.get_base_model().model.layers[0].mlp
    part.train()
    try:
        check = evaluation_mode(arms(tuned))
    finally:
        tuned.eval()
    assert check.outcome == "fail"
    assert check.message.startswith("base: a part of the model is in training mode")
