"""Preflight of the folders that arms bring: other templates and tokenizers, settings, quantisation, number formats."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from preflight_subject import CHAT, MODEL, subject

from gate.domain import Check
from gate.engine.base_model import BaseFolder
from gate.engine.preflight.folders import number_format, own_settings, quantisation, same_tokenizer
from gate.engine.preflight.subject import Subject
from gate.engine.session import AdapterFiles


def adapter(folder: Path, **settings: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", **settings}))
    return folder


def with_adapter(path: Path, template: str = CHAT, **fields: Any) -> Subject:
    files = AdapterFiles(path=path, name="adapter", tensor_names=frozenset(), description="", digest="cd")
    return _with(subject(template, **fields), adapters={"candidate": files})


def with_model(path: Path, **fields: Any) -> Subject:
    model = BaseFolder(path=path, name="tuned", revision=None, description="", digest="cd")
    return _with(subject(**fields), models={"candidate": model})


def _with(made: Subject, **request: Any) -> Subject:
    return replace(made, request=replace(made.request, **request))


def edit(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps(content | changes), encoding="utf-8")


def tokenizer_copy(folder: Path) -> Path:
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(MODEL / name, folder / name)
    return folder


# same_tokenizer


def test_same_tokenizer__nothing_of_its_own_or_the_same_again(tmp_path: Path) -> None:
    path = adapter(tmp_path / "adapter")
    assert same_tokenizer(with_adapter(path)).outcome == "ok"
    tokenizer_copy(path)
    template = (MODEL / "chat_template.jinja").read_text()
    assert same_tokenizer(with_adapter(path, template)).outcome == "ok"
    edit(path / "tokenizer.json", truncation={"max_length": 9}, padding={"strategy": "Fixed"})
    assert same_tokenizer(with_adapter(path, template)).outcome == "ok"


def test_same_tokenizer__another_template_is_shown_with_its_first_other_line(tmp_path: Path) -> None:
    path = adapter(tmp_path / "adapter")
    (path / "chat_template.jinja").write_text(CHAT.replace("{{ m.content }}", "{{ m.content | trim }}"))
    seen = same_tokenizer(with_adapter(path))
    assert seen.outcome == "warn"
    assert seen.message.startswith(
        "candidate: its folder has another chat template (it differs from line 2 on, `{{ m.content | trim }}"
    )
    assert seen.message.endswith("Every arm is asked with the base's.")
    assert same_tokenizer(_with(subject(raw=True), adapters=with_adapter(path).request.adapters)).outcome == "ok"


@pytest.mark.parametrize(
    "written", ["other", [{"name": "default", "template": "other"}, {"name": "rag", "template": "x"}]]
)
def test_same_tokenizer__a_template_in_the_tokenizers_configuration(tmp_path: Path, written: Any) -> None:
    path = adapter(tmp_path / "adapter")
    edit(path / "tokenizer_config.json", chat_template=written)
    assert "(it differs from line 1 on, `other`)" in same_tokenizer(with_adapter(path)).message


def test_same_tokenizer__a_longer_template_differs_where_the_other_ends(tmp_path: Path) -> None:
    path = adapter(tmp_path / "adapter")
    (path / "chat_template.jinja").write_text(CHAT.rpartition("<|im_start|>assistant")[0])
    assert same_tokenizer(with_adapter(path)).outcome == "warn"
    (path / "chat_template.jinja").write_text(CHAT + "\nmore")
    assert "it differs from line" in same_tokenizer(with_adapter(path)).message


def test_same_tokenizer__tokens_added_lost_and_moved(tmp_path: Path) -> None:
    path = tokenizer_copy(adapter(tmp_path / "adapter"))
    file = path / "tokenizer.json"
    content = json.loads(file.read_text())
    content["added_tokens"].append({"id": 512, "content": "<|tool|>"})
    vocabulary = content["model"]["vocab"]
    lost, moved = (next(token for token in vocabulary if vocabulary[token] == number) for number in (400, 401))
    del vocabulary[lost]
    vocabulary[moved] = 400
    file.write_text(json.dumps(content))
    edit(path / "tokenizer_config.json", eos_token={"content": "<|pad|>"})
    message = same_tokenizer(with_adapter(path, (MODEL / "chat_template.jinja").read_text())).message
    assert "1 token that the base has not (`<|tool|>`)" in message
    assert "1 token fewer" in message
    assert "1 token with another number" in message
    assert "`<|pad|>` as `eos_token` in place of `<|im_end|>`" in message


def test_same_tokenizer__another_way_to_cut(tmp_path: Path) -> None:
    path = tokenizer_copy(adapter(tmp_path / "adapter"))
    edit(path / "tokenizer.json", normalizer={"type": "Lowercase"})
    message = same_tokenizer(with_adapter(path, (MODEL / "chat_template.jinja").read_text())).message
    assert "another way to cut texts into tokens" in message


@pytest.mark.parametrize("content", ["[" * 100_000, "[]", '{"model": 3, "added_tokens": {"a": 1}}', "\x00", "{"])
def test_same_tokenizer__what_is_broken_is_read_as_data_or_not_at_all(tmp_path: Path, content: str) -> None:
    path = adapter(tmp_path / "adapter")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (path / name).write_text(content)
    assert same_tokenizer(with_adapter(path)).outcome == ("warn" if "model" in content else "ok")


def test_same_tokenizer__a_full_fine_tune_is_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_text("other")
    assert same_tokenizer(with_model(tmp_path)).message.startswith("candidate: its folder has another chat template")


# own_settings


def based_on(tmp_path: Path, **settings: Any) -> Check:
    base = shutil.copytree(MODEL, tmp_path / "model")
    edit(base / "generation_config.json", **settings)
    return own_settings(subject(base=base))


def test_own_settings__what_bends_greedy_answers_is_a_warning(tmp_path: Path) -> None:
    seen = based_on(tmp_path, repetition_penalty=1.3, suppress_tokens=[5], temperature=0.6)
    assert seen.outcome == "warn"
    assert "base: repetition_penalty `1.3`, suppress_tokens `[5]`" in seen.message


def test_own_settings__sampling_is_only_mentioned(tmp_path: Path) -> None:
    seen = based_on(tmp_path, do_sample=True, temperature=0.6, top_p=0.9, repetition_penalty=1.0, num_beams=1)
    assert (seen.outcome, seen.message) == (
        "ok",
        "Sampling settings (do_sample, temperature, top_p) are replaced by the gate's.",
    )


def test_own_settings__a_full_fine_tunes_own(tmp_path: Path) -> None:
    edit(tmp_path / "generation_config.json", no_repeat_ngram_size=3)
    assert "candidate: no_repeat_ngram_size `3`" in own_settings(with_model(tmp_path)).message


# quantisation


@pytest.mark.parametrize(
    ("recorded", "outcome"),
    [("unsloth/Qwen3-0.6B-unsloth-bnb-4bit", "warn"), ("Qwen/Qwen3-0.6B-AWQ", "warn"), ("/data/my-4bit/plain", "ok"),
     ("Qwen/Qwen3-0.6B", "ok"), (None, "ok"), (7, "ok")],
)  # fmt: skip
def test_quantisation__by_the_recorded_name(tmp_path: Path, recorded: Any, outcome: str) -> None:
    path = adapter(tmp_path / "adapter", base_model_name_or_path=recorded)
    assert quantisation(with_adapter(path)).outcome == outcome
    on_quantised = with_adapter(path, config={"quantization_config": {"quant_method": "bitsandbytes"}})
    assert quantisation(on_quantised).outcome == "ok"


def test_quantisation__a_full_fine_tune_beside_another_kind_of_base(tmp_path: Path) -> None:
    edit(tmp_path / "config.json", quantization_config={"quant_method": "gptq"})
    assert "candidate: it is quantised, the base is not." in quantisation(with_model(tmp_path)).message
    edit(tmp_path / "config.json", quantization_config=None)
    assert quantisation(with_model(tmp_path)).outcome == "ok"


# number_format


@pytest.mark.parametrize(
    ("stored", "loaded", "outcome"),
    [("float32", "float32", "ok"), ("bfloat16", "float32", "ok"), ("float32", "bfloat16", "warn"),
     ("bfloat16", "float16", "warn"), ("float16", "bfloat16", "warn"), (None, "float32", "skipped"),
     ("float8_e4m3fn", "bfloat16", "skipped")],
)  # fmt: skip
def test_number_format__rounding_is_a_warning(tmp_path: Path, stored: str | None, loaded: str, outcome: str) -> None:
    base = shutil.copytree(MODEL, tmp_path / "model")
    edit(base / "config.json", dtype=stored)
    assert number_format(subject(base=base, dtype=loaded)).outcome == outcome
