"""Every kind of adapter that must load at first try answers as a plain run of PEFT, one prompt at a time, does."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import QUICKSTART, Ran
from kinds import KINDS, Kind, adapter_files, disturb, inspected, load_base, make_adapter
from peft import LoraConfig, get_peft_model
from plain_runs import NEW_TOKENS, TEXTS, Bases, Named, answered, plain, plain_adapter, prompt_ids, request
from safetensors.torch import load_file, save_file

from gate.engine.contestants import APART_WARNING, SEPARATE_WARNING, Trial, line_up
from gate.engine.padding import first_logits
from gate.engine.shelf import Shelf
from gate.engine.switch import probe_logits
from gate.errors import AdapterRefused

pytestmark = pytest.mark.usefixtures("cheap")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.id)
def test_open__each_kind_answers_as_a_plain_run(bases: Bases, tmp_path: Path, kind: Kind) -> None:
    base, expected = bases(kind.base)
    adapter = make_adapter(kind, base, tmp_path / "adapter")
    # The inspection knows no adapters that switch themselves on at a token; the engine does.
    files = adapter_files(adapter) if "alora_invocation_tokens" in kind.options else inspected(adapter)
    found, told = answered(base, request({"candidate": files}))
    assert found["base"] == expected
    assert found["candidate"] == plain_adapter(base, adapter)
    assert found["candidate"] != found["base"]
    assert (SEPARATE_WARNING in told) is kind.separate


@pytest.mark.parametrize(
    ("kind", "batching", "plain_cache"),
    [("lora-plain", "any", True), ("ia3", "any", True), ("prompt_tuning", "same_length", False), ("prefix_tuning", "same_length", False),
     ("lily", "alone", False), ("lora-awakened", "any", False), ("adaption_prompt", "any", False)],
)  # fmt: skip
def test_line_up__says_how_an_arm_may_be_driven(
    kind_of: Named, bases: Bases, tmp_path: Path, kind: str, batching: str, plain_cache: bool
) -> None:
    base, _ = bases("quickstart")
    _, prompts = prompt_ids(base)
    files = adapter_files(make_adapter(kind_of(kind), base, tmp_path / "adapter"))
    ids = [prompt[0].tolist() for prompt in prompts.values()]
    trial = Trial(
        load=lambda: load_base(base),
        probes=ids,
        dtype="float32",
        logits=lambda model, some: first_logits(model, some, 0),
    )
    arms = line_up(trial, {"candidate": files}, {}).contestants
    assert (arms["candidate"].batching, arms["candidate"].cache_is_plain) == (batching, plain_cache)
    assert (arms["base"].batching, arms["base"].cache_is_plain) == ("any", True)


@pytest.mark.parametrize(
    ("incumbent", "candidate", "told"),
    [("lora-plain", "lora-dora", None), ("lora-plain", "ia3", APART_WARNING), ("prompt_tuning", "prompt_tuning-many", None),
     ("lora-pissa", "lora-plain", SEPARATE_WARNING), ("lora-plain", "prefix_tuning", APART_WARNING), ("vera", "vera-projections-drawn", APART_WARNING)],
)  # fmt: skip
def test_open__two_adapters_answer_as_each_does_alone(
    kind_of: Named, bases: Bases, tmp_path: Path, incumbent: str, candidate: str, told: str | None
) -> None:
    base, expected = bases("quickstart")
    folders = {
        arm: make_adapter(kind_of(name), base, tmp_path / arm)
        for arm, name in (("incumbent", incumbent), ("candidate", candidate))
    }
    found, warnings_ = answered(base, request({arm: adapter_files(folder) for arm, folder in folders.items()}))  # type: ignore[misc]
    assert found["base"] == expected
    assert found["incumbent"] == plain_adapter(base, folders["incumbent"])
    assert found["candidate"] == plain_adapter(base, folders["candidate"])
    assert [one for one in warnings_ if one in (APART_WARNING, SEPARATE_WARNING)] == ([told] if told else [])


def test_line_up__models_that_do_not_fit_side_by_side_take_turns(kind_of: Named, bases: Bases, tmp_path: Path) -> None:
    base, _ = bases("quickstart")
    _, prompts = prompt_ids(base)
    ids = [prompt[0].tolist() for prompt in prompts.values()]
    files = adapter_files(make_adapter(kind_of("lora-pissa"), base, tmp_path / "adapter"))
    trial = Trial(
        load=lambda: load_base(base),
        probes=ids,
        dtype="float32",
        logits=lambda model, some: first_logits(model, some, 0),
    )
    roomy = line_up(trial, {"candidate": files}, {})
    assert roomy.shelf.loaded == {"base", "candidate"}
    cramped = line_up(trial, {"candidate": files}, {}, shelf=Shelf(lambda _: False))
    for name in ("candidate", "base", "candidate"):
        with cramped.contestants[name].switched() as ours, roomy.contestants[name].switched() as theirs:  # type: ignore[index]
            assert torch.equal(probe_logits(ours, ids), probe_logits(theirs, ids))
        assert cramped.shelf.loaded == {name}


def test_open__the_folders_own_generation_settings_bend_no_virtual_tokens(
    kind_of: Named, quickstart: Path, tmp_path: Path
) -> None:
    base = quickstart / "model"
    files = adapter_files(make_adapter(kind_of("prompt_tuning"), base, tmp_path / "adapter"))
    straight, _ = answered(base, request({"candidate": files}))
    settings = base / "generation_config.json"
    settings.write_text(
        json.dumps(json.loads(settings.read_text()) | {"repetition_penalty": 3.0, "no_repeat_ngram_size": 1})
    )
    assert answered(base, request({"candidate": files}))[0] == straight


def rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    tensors = load_file(folder / "adapter_model.safetensors")
    change(tensors)
    save_file(tensors, folder / "adapter_model.safetensors")


def lose(tensors: dict[str, torch.Tensor]) -> None:
    del tensors[sorted(tensors)[-1]]


def add(tensors: dict[str, torch.Tensor]) -> None:
    tensors["base_model.model.model.layers.9.self_attn.q_proj.stray"] = torch.ones(3)


@pytest.mark.parametrize(("change", "message"), [(lose, "missing"), (add, "has no place")])
@pytest.mark.parametrize("kind", ["lora-dora", "lora-tokens", "lora-saved-head", "ia3", "adalora", "vera", "oft", "boft", "loha", "lokr",
                                  "ln_tuning", "prompt_tuning", "p_tuning", "prefix_tuning", "trainable_tokens"])  # fmt: skip
def test_open__every_tensor_has_its_place_and_every_place_its_tensor(
    kind_of: Named, bases: Bases, tmp_path: Path, kind: str, change: Callable[[Any], None], message: str
) -> None:
    base, _ = bases("quickstart")
    adapter = make_adapter(kind_of(kind), base, tmp_path / "adapter")
    rewrite(adapter, change)
    with pytest.raises(AdapterRefused) as refused:
        answered(base, request({"candidate": adapter_files(adapter)}))
    assert message in refused.value.message
    assert "\n" not in refused.value.message


@pytest.mark.parametrize(
    ("kind", "message"),
    [(Kind("poly", "POLY", {"target_modules": ["q_proj"]}), "does not run on a prompt alone: task_ids"),
     (Kind("multitask", "MULTITASK_PROMPT_TUNING", {"num_virtual_tokens": 4, "num_tasks": 2}), "does not run on a prompt alone: task_ids"),
     (Kind("still", "PROMPT_TUNING", {"num_virtual_tokens": 4}, base="biased"), "does not fit the base model"),
     (Kind("idle", "IA3", {"target_modules": ["k_proj"], "feedforward_modules": []}, scale=0.0), "the adapter changes nothing")],
    ids=lambda one: one.id if isinstance(one, Kind) else "",
)  # fmt: skip
def test_open__what_cannot_be_judged_is_refused_in_one_sentence(
    bases: Bases, tmp_path: Path, kind: Kind, message: str
) -> None:
    adapter = make_adapter(kind, bases(kind.base)[0], tmp_path / "adapter")
    with pytest.raises(AdapterRefused, match=message):
        answered(bases("quickstart")[0], request({"candidate": adapter_files(adapter)}))


@pytest.mark.parametrize("kind", ["lora-alpha_pattern", "lora-tokens", "ia3", "vera", "prompt_tuning", "prefix_tuning"])
def test_answer__the_command_line_takes_the_same_way(
    gate: Callable[..., Ran], kind_of: Named, tmp_path: Path, kind: str
) -> None:
    base = QUICKSTART / "model"
    adapter = make_adapter(kind_of(kind), base, tmp_path / "adapter")
    cases = tmp_path / "cases.jsonl"
    cases.write_text(
        "\n".join(json.dumps({"id": f"c{row}", "prompt": text, "reference": "x"}) for row, text in enumerate(TEXTS)),
        "utf-8",
    )
    config = tmp_path / "gate.yaml"
    config.write_text(f"""
version: 1
base: {{model: {json.dumps(str(base))}}}
candidate: {{adapter: adapter}}
generation: {{max_new_tokens: {NEW_TOKENS}}}
suites: {{s: {{role: regression, cases: cases.jsonl, scorer: {{kind: exact_match}}}}}}
""", "utf-8")  # fmt: skip
    ran = gate("answer", config, "--output", tmp_path / "out", "--quiet")
    assert ran.code == 0, ran.err
    rows = [json.loads(line) for line in (tmp_path / "out" / "responses.jsonl").read_text("utf-8").splitlines()]
    given = {(row["arm"], TEXTS[int(row["case"][1:])]): row["text"] for row in rows}
    for arm, expected in (("base", plain(load_base(base), base)), ("candidate", plain_adapter(base, adapter))):
        assert {text: given[arm, text] for text in TEXTS} == expected


def test_open__a_checkpoint_and_a_named_adapter_answer_as_a_plain_run(bases: Bases, tmp_path: Path) -> None:
    base, expected = bases("quickstart")
    torch.manual_seed(5)
    model = get_peft_model(
        load_base(base), LoraConfig(r=4, task_type="CAUSAL_LM", target_modules=["q_proj"]), adapter_name="candidate"
    )
    disturb(model, 0.3)
    checkpoint = tmp_path / "checkpoint-40"
    model.save_pretrained(checkpoint)
    (checkpoint / "candidate" / "optimizer.pt").write_bytes(b"a pickle that nobody opens")
    found, _ = answered(base, request({"candidate": inspected(checkpoint)}))
    assert found["base"] == expected
    assert found["candidate"] == plain_adapter(base, checkpoint / "candidate") != expected
