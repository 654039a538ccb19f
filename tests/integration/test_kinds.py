"""Every kind of candidate that must load at first try answers as a plain run of PEFT, one prompt at a time, does."""

import gc
import json
import shutil
import warnings
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import QUICKSTART, Ran
from kinds import KINDS, BaseName, Kind, adapter_files, disturb, load_base, load_router, make_adapter, make_base
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, GenerationConfig

from gate.domain import ArmName, Message
from gate.engine import TransformersEngine
from gate.engine.base_model import BaseFolder, find_base
from gate.engine.classifier import CHANCE_WARNING
from gate.engine.contestants import APART_WARNING, SEPARATE_WARNING, Trial, line_up
from gate.engine.padding import first_logits
from gate.engine.session import AdapterFiles, Question, Request, Settings
from gate.engine.shelf import Shelf
from gate.engine.switch import probe_logits
from gate.errors import AdapterRefused, ConfigError, RequestError

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


Bases = Callable[[BaseName], tuple[Path, dict[str, str]]]


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Bases:
    """Model folders and their plain answers, each made once."""
    made: dict[BaseName, tuple[Path, dict[str, str]]] = {}

    def base(name: BaseName) -> tuple[Path, dict[str, str]]:
        if name not in made:
            folder = make_base(name, tmp_path_factory.mktemp(name))
            made[name] = folder, plain(load_base(folder), folder)
        return made[name]

    return base


@pytest.fixture(autouse=True, scope="module")
def cheap() -> Iterable[None]:
    """Compute with one thread, and let no collection of garbage look at what was there before."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
    torch.set_num_threads(threads)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.id)
def test_open__each_kind_answers_as_a_plain_run(bases: Bases, tmp_path: Path, kind: Kind) -> None:
    base, expected = bases(kind.base)
    adapter = make_adapter(kind, base, tmp_path / "adapter")
    found, told = answered(base, request({"candidate": adapter_files(adapter)}))
    assert found["base"] == expected
    assert found["candidate"] == plain_adapter(base, adapter)
    assert found["candidate"] != found["base"]
    assert (SEPARATE_WARNING in told) is kind.separate


@pytest.fixture
def kind_of() -> Callable[[str], Kind]:
    by_id = {kind.id: kind for kind in KINDS}
    return lambda name: by_id[name]


Named = Callable[[str], Kind]


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


def test_answer__the_command_line_takes_the_same_way(gate: Callable[..., Ran], kind_of: Named, tmp_path: Path) -> None:
    base = QUICKSTART / "model"
    adapter = make_adapter(kind_of("lora-alpha_pattern"), base, tmp_path / "adapter")
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
    found, told = answered(base, request({"candidate": adapter_files(adapter)}))
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
    found, _ = answered(base, request({"candidate": adapter_files(checkpoint / "candidate")}))
    assert found["base"] == expected
    assert found["candidate"] == plain_adapter(base, checkpoint / "candidate") != expected
