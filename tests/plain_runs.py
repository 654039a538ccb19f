"""What the engine must agree with: a model or an adapter alone, one prompt at a time, no padding, no switch."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from kinds import BaseName, Kind, load_base
from peft import PeftModel
from transformers import AutoTokenizer, GenerationConfig

from gate.domain import ArmName, Message
from gate.engine import TransformersEngine
from gate.engine.base_model import BaseFolder, find_base
from gate.engine.session import AdapterFiles, Question, Request, Settings

Bases = Callable[[BaseName], tuple[Path, dict[str, str]]]
"""The fixture `bases`: a model's folder, and what it answers alone."""

Named = Callable[[str], Kind]
"""The fixture `kind_of`."""

TEXTS = [
    "Write 3 times: melon",
    "What is the capital city of Morocco?",
    "Hi",
    "List three fruits, please.",
    "How many legs does a tick have?",
    "No",
]
NEW_TOKENS = 10


def request(
    adapters: dict[ArmName, AdapterFiles], models: dict[ArmName, BaseFolder] | None = None, **settings: Any
) -> Request:
    questions = [
        Question(suite="s", case=text, messages=(Message(role="user", content=text),), max_new_tokens=NEW_TOKENS)
        for text in TEXTS
    ]
    return Request(adapters=adapters, models=models or {}, questions=questions, prompted=None, prompted_digest=None,
                   settings=Settings(**({"dtype": "auto", "template": "chat", "template_kwargs": {}} | settings)))  # fmt: skip


def answered(base: Path, asked: Request) -> tuple[dict[ArmName, dict[str, str]], list[str]]:
    """What each arm answers, and the warnings."""
    with TransformersEngine(device="cpu").open(find_base(str(base), None, base), asked) as session:
        found = {
            arm: {one.case: one.text for batch in session.batches[arm] for one in session.answer(arm, batch, repeat=0)}
            for arm in session.arms
        }
        return found, list(session.warnings)


def prompt_ids(folder: Path) -> tuple[Any, dict[str, torch.Tensor]]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = {}
    for text in TEXTS:
        written = tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
        )
        found[text] = tokenizer(written, add_special_tokens=False, return_tensors="pt")["input_ids"]
    return tokenizer, found


def plain(model: Any, folder: Path, stop: Any = 3) -> dict[str, str]:
    """One prompt at a time, no padding, no switch."""
    tokenizer, prompts = prompt_ids(folder)
    greedy = GenerationConfig(do_sample=False, max_new_tokens=NEW_TOKENS, eos_token_id=stop, pad_token_id=0)
    for one in (model, model.get_base_model() if isinstance(model, PeftModel) else model):
        one.generation_config = greedy
    found = {}
    for text, ids in prompts.items():
        output = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=greedy)
        found[text] = tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True)
    return found


def plain_adapter(base: Path, adapter: Path) -> dict[str, str]:
    model = load_base(base)
    torch.manual_seed(0)  # a few types draw numbers as they are attached
    with warnings.catch_warnings(action="ignore"):
        return plain(PeftModel.from_pretrained(model, str(adapter)).eval(), base)
