"""Candidates that are models of their own, routers, and quantised bases: answered as each does alone, or refused."""

import json
import shutil
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from kinds import Kind, adapter_files, disturb, inspected, load_base, load_router, make_adapter
from peft import PeftModel
from plain_runs import Bases, Named, answered, plain, plain_adapter, prompt_ids, request
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from gate.domain import ArmName
from gate.engine.base_model import BaseFolder, find_base
from gate.engine.classifier import CHANCE_WARNING
from gate.engine.session import AdapterFiles
from gate.errors import AdapterRefused, ConfigError, RequestError

pytestmark = pytest.mark.usefixtures("cheap")


def fine_tune(base: Path, folder: Path, change: Callable[[Any], None] = lambda model: disturb(model, 0.05)) -> Path:
    """A model of its own, with the base's tokenizer beside it."""
    model = load_base(base)
    change(model)
    model.save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (folder / file).write_bytes((base / file).read_bytes())
    return folder


def found_model(folder: Path) -> BaseFolder:
    return find_base(str(folder), None, folder)


@pytest.mark.parametrize("incumbent", [None, "lora-plain", "lora-pissa", "prefix_tuning"])
def test_open__a_full_fine_tune_answers_as_it_does_alone(
    kind_of: Named, bases: Bases, tmp_path: Path, incumbent: str | None
) -> None:
    base, expected = bases("quickstart")
    tuned = fine_tune(base, tmp_path / "tuned")
    adapters: dict[ArmName, AdapterFiles] = {}
    if incumbent is not None:
        adapters["incumbent"] = adapter_files(make_adapter(kind_of(incumbent), base, tmp_path / "adapter"))
    found, told = answered(base, request(adapters, {"candidate": found_model(tuned)}))
    assert found["base"] == expected
    assert found["candidate"] == plain(load_base(tuned), base) != expected
    if incumbent is not None:
        assert found["incumbent"] == plain_adapter(base, tmp_path / "adapter")
    assert [one for one in told if "tokenizer" in one] == []


def test_open__a_fine_tune_ends_its_answers_in_its_own_way(bases: Bases, tmp_path: Path) -> None:
    base, expected = bases("quickstart")
    tuned = fine_tune(base, tmp_path / "tuned")
    tokenizer = AutoTokenizer.from_pretrained(tuned)
    tokenizer.add_tokens(["<end>"])
    tokenizer.save_pretrained(tuned)
    settings = tuned / "generation_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"eos_token_id": [3, 85]}))
    model = load_base(tuned)
    model.resize_token_embeddings(520)
    model.save_pretrained(tuned)
    found, told = answered(base, request({}, {"candidate": found_model(tuned)}))
    assert found["base"] == expected
    cut = plain(load_base(tuned), base, stop=[3, 85])
    stop = AutoTokenizer.from_pretrained(base).decode([85])
    assert {
        text: answer + stop if answer + stop == cut[text] else answer for text, answer in found["candidate"].items()
    } == cut
    (said,) = [one for one in told if "tokenizer" in one]
    assert "1 token added ('<end>')" in said


def other_ids(folder: Path) -> None:
    """The same words under other numbers."""
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text("utf-8"))
    vocabulary = content["model"]["vocab"]
    (first, one), (second, two) = [(token, vocabulary[token]) for token in ("M", "o")]
    vocabulary[first], vocabulary[second] = two, one
    path.write_text(json.dumps(content), "utf-8")


def shrink(model: Any) -> None:
    disturb(model, 0.05)
    model.resize_token_embeddings(300)


def spoil_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


@pytest.mark.parametrize(
    ("change", "then", "message"),
    [(lambda model: None, lambda folder: None, "the fine-tune changes nothing"),
     (shrink, lambda folder: None, "its vocabulary has 300 tokens, the base's tokenizer has ids up to 511"),
     (lambda model: disturb(model, 0.05), other_ids, "of the prompts mean something else to it"),
     (lambda model: disturb(model, 0.05), lambda folder: spoil_config(folder, num_hidden_layers=5), "weights missing"),
     (lambda model: disturb(model, 0.05), lambda folder: spoil_config(folder, architectures=["LlamaForSequenceClassification"]), "is a classifier"),
     (lambda model: disturb(model, 0.05), lambda folder: spoil_config(folder, quantization_config={"quant_method": "gptq", "bits": 4}), "needs the library")],
    ids=["untrained", "smaller", "other-ids", "incomplete", "classifier", "gptq"],
)  # fmt: skip
def test_open__a_fine_tune_that_cannot_be_compared_is_refused(
    bases: Bases, tmp_path: Path, change: Callable[[Any], None], then: Callable[[Path], None], message: str
) -> None:
    base, _ = bases("quickstart")
    tuned = fine_tune(base, tmp_path / "tuned", change)
    then(tuned)
    with pytest.raises(RequestError, match=message) as refused:
        answered(base, request({}, {"candidate": found_model(tuned)}))
    assert "\n" not in refused.value.message


LABELS = ["billing", "technical", "shipping", "account"]


def plain_labels(model: Any, folder: Path, names: list[str]) -> dict[str, str]:
    _, prompts = prompt_ids(folder)
    with torch.inference_mode(), warnings.catch_warnings(action="ignore"):
        return {
            text: names[int(model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0].argmax())]
            for text, ids in prompts.items()
        }


ROUTERS = [
    Kind("lora", "LORA", {"r": 4, "target_modules": ["q_proj", "v_proj"], "task_type": "SEQ_CLS"}),
    Kind("dora", "LORA", {"r": 4, "target_modules": ["q_proj"], "use_dora": True, "task_type": "SEQ_CLS"}),
    Kind("ia3", "IA3", {"target_modules": ["k_proj"], "feedforward_modules": [], "task_type": "SEQ_CLS"}),
    Kind("prompt_tuning", "PROMPT_TUNING", {"num_virtual_tokens": 4, "task_type": "SEQ_CLS"}),
    Kind("prefix_tuning", "PREFIX_TUNING", {"num_virtual_tokens": 4, "task_type": "SEQ_CLS"}),
]


@pytest.mark.parametrize(("pad", "named"), [(0, True), (3, False), (None, True)])
@pytest.mark.parametrize("kind", ROUTERS, ids=lambda kind: kind.id)
def test_open__a_router_answers_with_its_likeliest_label(
    bases: Bases, tmp_path: Path, kind: Kind, pad: int | None, named: bool
) -> None:
    base = tmp_path / "base"
    shutil.copytree(bases("quickstart")[0], base)
    spoil_config(base, pad_token_id=pad, **({"id2label": dict(enumerate(LABELS))} if named else {}))
    adapter = make_adapter(kind, base, tmp_path / "adapter", load=lambda folder: load_router(folder, len(LABELS)))
    found, told = answered(base, request({"candidate": inspected(adapter)}))
    names = LABELS if named else ["0", "1", "2", "3"]
    assert found["base"] == plain_labels(load_router(base, 4), base, names)
    with warnings.catch_warnings(action="ignore"):
        tuned = PeftModel.from_pretrained(load_router(base, 4), str(adapter)).eval()
    assert found["candidate"] == plain_labels(tuned, base, names)
    assert len(set(found["candidate"].values())) > 1 or kind.type != "LORA"
    assert CHANCE_WARNING in told


def test_open__a_base_with_a_head_of_its_own_keeps_it(bases: Bases, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(bases("quickstart")[0], base)
    router = load_router(base, 3)
    disturb(router, 0.05)
    router.save_pretrained(base)
    adapter = make_adapter(ROUTERS[0], base, tmp_path / "adapter", load=lambda folder: load_router(folder, 3))
    found, told = answered(base, request({"candidate": adapter_files(adapter)}))
    assert found["base"] == plain_labels(router, base, ["LABEL_0", "LABEL_1", "LABEL_2"])
    assert CHANCE_WARNING not in told


def test_open__a_router_is_not_compared_with_a_writer(kind_of: Named, bases: Bases, tmp_path: Path) -> None:
    base, _ = bases("quickstart")
    router = make_adapter(ROUTERS[0], base, tmp_path / "router", load=lambda folder: load_router(folder, 4))
    writer = make_adapter(kind_of("lora-plain"), base, tmp_path / "writer")
    with pytest.raises(AdapterRefused, match="one of candidate and incumbent is a classifier"):
        answered(base, request({"incumbent": adapter_files(writer), "candidate": adapter_files(router)}))


@pytest.mark.parametrize(
    ("stored", "library"),
    [({"quant_method": "gptq", "bits": 4}, "gptqmodel"), ({"quant_method": "awq"}, "gptqmodel"), ({"load_in_4bit": True}, "bitsandbytes")],
)  # fmt: skip
def test_open__a_quantised_base_without_its_library_is_refused(
    kind_of: Named, quickstart: Path, tmp_path: Path, stored: dict[str, Any], library: str
) -> None:
    if find_spec(library) is not None:
        pytest.skip(f"{library} is installed")
    base = quickstart / "model"
    files = adapter_files(make_adapter(kind_of("lora-plain"), base, tmp_path / "adapter"))
    spoil_config(base, quantization_config=stored)
    with pytest.raises(ConfigError, match=f"needs the library {library}, which is not installed"):
        answered(base, request({"candidate": files}))


def test_open__every_arm_is_quantised_alike(kind_of: Named, bases: Bases, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    base, _ = bases("quickstart")
    adapter = make_adapter(kind_of("lora-plain"), base, tmp_path / "adapter")
    found, _ = answered(base, request({"candidate": adapter_files(adapter)}, quantization="nf4"))
    four_bits = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    model = AutoModelForCausalLM.from_pretrained(base, quantization_config=four_bits, device_map={"": "cpu"}).eval()
    assert found["base"] == plain(model, base)
    assert found["candidate"] == plain(PeftModel.from_pretrained(model, str(adapter)).eval(), base)
