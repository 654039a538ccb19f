"""Drafted answers on the whole quickstart: every suite, both adapters, token for token those of the library alone."""

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import QUICKSTART, Gate
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

Answers = dict[tuple[str, str], str]
NEW_TOKENS = 48


def prompts() -> list[tuple[str, str, list[int]]]:
    tokenizer = AutoTokenizer.from_pretrained(QUICKSTART / "model")
    found = []
    for path in sorted((QUICKSTART / "evals").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            messages = [{"role": "user", "content": case["prompt"]}]
            text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            found.append((path.stem, str(case["id"]), tokenizer(text, add_special_tokens=False)["input_ids"]))
    return found


def plain_answers(model: Any) -> Answers:
    """By the library's own greedy decoding, in batches of equal lengths: no padding, no drafts, none of our loop."""
    tokenizer = AutoTokenizer.from_pretrained(QUICKSTART / "model")
    how = GenerationConfig(do_sample=False, max_new_tokens=NEW_TOKENS, eos_token_id=tokenizer.eos_token_id,
                           pad_token_id=tokenizer.pad_token_id)  # fmt: skip
    model.generation_config = how
    found: Answers = {}
    by_length = groupby(sorted(prompts(), key=lambda one: len(one[2])), key=lambda one: len(one[2]))
    for length, of_length in by_length:
        rows = list(of_length)
        ids = torch.tensor([row[2] for row in rows])
        output = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=how)
        texts = tokenizer.batch_decode(output[:, length:], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        found |= {(suite, case): text for (suite, case, _), text in zip(rows, texts, strict=True)}
    return found


@pytest.fixture(scope="module")
def base() -> Iterator[Any]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield AutoModelForCausalLM.from_pretrained(QUICKSTART / "model").eval()
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def base_answers(base: Any) -> Answers:
    return plain_answers(base)


@pytest.mark.parametrize("adapter", ["forgetful", "careful"])
def test_answer__drafted_answers_are_those_of_plain_greedy_decoding(
    gate: Gate, tmp_path: Path, base: Any, base_answers: Answers, adapter: str
) -> None:
    config = QUICKSTART / ("gate.yaml" if adapter == "forgetful" else "careful.yaml")
    assert gate("answer", config, "--output", tmp_path, "--quiet").code == 0
    rows = [json.loads(line) for line in (tmp_path / "responses.jsonl").read_text(encoding="utf-8").splitlines()]
    given = {arm: {(row["suite"], row["case"]): row["text"] for row in rows if row["arm"] == arm}
             for arm in ("base", "candidate")}  # fmt: skip
    assert given["base"] == base_answers
    tuned = PeftModel.from_pretrained(base, QUICKSTART / "adapters" / adapter).eval()
    try:
        expected = plain_answers(tuned)
    finally:
        tuned.unload()
    assert given["candidate"] == expected
    # The drafts were put to use: without a probe, an answer was not drafted.
    probes = {(row["suite"], row["case"]): row["probe"] for row in rows if row["arm"] == "candidate" and "probe" in row}
    assert len(probes) > len(expected) // 2
    unchanged = [key for key, probe in probes.items() if probe["first_divergence"] is None]
    changed = [key for key, probe in probes.items() if probe["first_divergence"] is not None]
    assert unchanged
    assert changed
    assert all(expected[key] == base_answers[key] for key in unchanged)
    assert all(expected[key] != base_answers[key] for key in changed)
