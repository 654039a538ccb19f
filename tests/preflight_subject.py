"""What the preflight looks at, made from the quickstart's tokenizer and a template of one's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import LlamaConfig

from gate.domain import Message
from gate.engine.base_model import BaseFolder
from gate.engine.loading import load_tokenizer
from gate.engine.preflight import Subject
from gate.engine.prompts import fit_template, render
from gate.engine.session import Question, Request, Settings, plan_batches

MODEL = Path(__file__).parents[1] / "sample_configs" / "quickstart" / "model"

CHAT = (
    "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""The quickstart's template."""


def turn(role: str, content: str) -> Message:
    return Message(role=role, content=content)


def question(*messages: Message, case: str = "c1") -> Question:
    return Question(suite="facts", case=case, messages=messages, max_new_tokens=8)


def subject(
    template: str = CHAT,
    *,
    questions: Sequence[Question] = (question(turn("user", "the capital of Norway")),),
    raw: bool = False,
    template_kwargs: dict[str, Any] | None = None,
    base: Path = MODEL,
    request: dict[str, Any] | None = None,
    config: dict[str, Any] | None = None,
    **fields: Any,
) -> Subject:
    """What the engine would hand to the checks.

    Args:
        template: The chat template.
        questions: What is asked.
        raw: Whether the template is left aside.
        template_kwargs: Its further arguments.
        base: The base's folder.
        request: Further fields of the request.
        config: Further fields of the model's configuration.
        fields: Fields of the subject to be replaced.
    """
    tokenizer = load_tokenizer(base)
    tokenizer.chat_template = template
    settings = Settings(dtype="auto", template="raw" if raw else "chat", template_kwargs=template_kwargs or {})
    asked, folded = (questions, False) if raw else fit_template(questions, tokenizer, settings)
    prompts = render(
        asked, tokenizer, template=settings.template, template_kwargs=settings.template_kwargs, max_positions=None
    )
    batches = plan_batches(prompts, 4096)
    made: dict[str, Any] = {
        "tokenizer": tokenizer,
        "config": LlamaConfig(max_position_embeddings=256, **(config or {})),
        "embedding_rows": 512,
        "dtype": "float32",
        "stop_ids": (3,),
        "base": BaseFolder(path=base, name="model", revision=None, description="", digest="ab"),
        "request": Request(
            adapters={}, questions=questions, prompted=None, prompted_digest=None, settings=settings, **(request or {})
        ),
        "batches": {"base": batches, "candidate": batches},
        "folded": folded,
    }
    return Subject(**(made | fields))
