import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from gate.adapters.folder import name_warning, read_adapter
from gate.adapters.safetensors_file import read_tensors
from gate.errors import AdapterRefused

CONFIG = {
    "peft_type": "LORA",
    "task_type": "CAUSAL_LM",
    "base_model_name_or_path": "org/base",
    "r": 4,
    "lora_alpha": 8,
    "target_modules": ["q_proj"],
    "megatron_core": "megatron.core",
    "eva_config": None,
}
A, B = "base_model.model.q_proj.lora_A.weight", "base_model.model.q_proj.lora_B.weight"


def write_adapter(folder: Path, *, config: object = None, tensors: dict[str, np.ndarray] | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps(CONFIG if config is None else config))
    ones = {A: np.ones((4, 8), np.float32), B: np.ones((8, 4), np.float32)}
    save_file(ones if tensors is None else tensors, folder / "adapter_model.safetensors")
    return folder


def test_read_adapter__describes_what_it_is(tmp_path: Path) -> None:
    adapter = read_adapter(write_adapter(tmp_path / "a b ü"))
    assert adapter.base_name == "org/base"
    assert adapter.tensor_names == {A, B}
    assert adapter.description == "LoRA r=4, alpha=8, 0.0 MB"


def test_read_adapter__digest_follows_weights_and_meaning_but_not_the_recorded_base(tmp_path: Path) -> None:
    first = read_adapter(write_adapter(tmp_path / "1")).digest
    renamed = read_adapter(write_adapter(tmp_path / "2", config=CONFIG | {"base_model_name_or_path": "other"})).digest
    scaled = read_adapter(write_adapter(tmp_path / "3", config=CONFIG | {"lora_alpha": 16})).digest
    trained = read_adapter(
        write_adapter(tmp_path / "4", tensors={A: np.ones((4, 8), np.float32), B: np.full((8, 4), 2, np.float32)})
    ).digest
    assert first == renamed
    assert len({first, scaled, trained}) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"peft_type": "XLORA"}, "'XLORA' is not accepted: it loads other adapters"),
        ({"peft_type": "NEXT_LORA"}, "the adapter type 'NEXT_LORA' is not known"),
        ({"peft_type": ["LORA"]}, "is not known"),
        ({"task_type": "SEQ_2_SEQ_LM"}, "the task type is 'SEQ_2_SEQ_LM'"),
        ({"task_type": {}}, "the task type is {}"),
        ({"target_modules": ".*(a+)+$"}, "a pattern is not accepted"),
        ({"auto_mapping": {"parent_library": "os", "base_model_class": "system"}}, "the key 'auto_mapping' is set"),
        ({"megatron_core": "evil.module"}, "the key 'megatron_core' is set"),
        ({"invented": 1}, "the key 'invented' is set"),
    ],
)
def test_read_adapter__refuses_a_configuration_that_could_load_anything_else(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    write_adapter(tmp_path / "a", config=CONFIG | change)
    with pytest.raises(AdapterRefused, match=message):
        read_adapter(tmp_path / "a")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_read_adapter__refuses_numbers_that_are_none(tmp_path: Path, value: float, dtype: type) -> None:
    weights = np.ones((8, 4), dtype)
    weights[3, 2] = value
    write_adapter(tmp_path / "a", tensors={A: np.ones((4, 8), dtype), B: weights})
    with pytest.raises(AdapterRefused, match="1 tensor with NaN or infinity, the first is '.*lora_B"):
        read_adapter(tmp_path / "a")


def test_read_adapter__refuses_an_untrained_adapter(tmp_path: Path) -> None:
    write_adapter(tmp_path / "a", tensors={A: np.ones((4, 8), np.float32), B: -np.zeros((8, 4), np.float32)})
    with pytest.raises(AdapterRefused, match="every update is zero"):
        read_adapter(tmp_path / "a")


def test_read_adapter__refuses_a_folder_without_an_adapter(tmp_path: Path) -> None:
    with pytest.raises(AdapterRefused, match="no such folder"):
        read_adapter(tmp_path / "nowhere")
    with pytest.raises(AdapterRefused, match="adapter_config.json: no such file"):
        read_adapter(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{")
    with pytest.raises(AdapterRefused, match="not valid JSON"):
        read_adapter(tmp_path)
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA", "lora_alpha": NaN}')
    with pytest.raises(AdapterRefused, match="not valid JSON"):
        read_adapter(tmp_path)
    (tmp_path / "adapter_config.json").write_text("[]")
    with pytest.raises(AdapterRefused, match="not an adapter configuration"):
        read_adapter(tmp_path)


def test_read_adapter__never_loads_a_pickle(tmp_path: Path) -> None:
    (write_adapter(tmp_path) / "adapter_model.safetensors").unlink()
    with pytest.raises(AdapterRefused, match="no such file"):
        read_adapter(tmp_path)
    (tmp_path / "adapter_model.bin").write_bytes(b"cos\nsystem\n(S'touch /tmp/owned'\ntR.")
    with pytest.raises(AdapterRefused, match="pickle files are never loaded"):
        read_adapter(tmp_path)


def header(content: object, *, length: int | None = None) -> bytes:
    text = json.dumps(content).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git-LFS pointer"),
        (b"", "its header should be"),
        (b"\x01", "its header should be"),
        (header({}, length=2**40), "its header should be"),
        (b"\x02\0\0\0\0\0\0\0{]", "its header is not JSON"),
        (header([]), "its header is not a mapping"),
        (header({"x": 1}), "is not described as a tensor"),
        (header({"x": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}), "is not described as a tensor"),
        (header({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}), "lies outside the file"),
        (
            header({"x": {"dtype": "F32", "shape": [2**39] * 100_000, "data_offsets": [0, 4]}}),
            "is not described as a tensor",
        ),
        (header({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}) + b"\0" * 8, "lies outside the file"),
        (header({"x": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}) + b"\0" * 8, "lies outside the file"),
        (header({"x": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}}) + b"\0" * 4, "lies outside the file"),
        (header({"x": {"dtype": "F4", "shape": [1], "data_offsets": [0, 8]}}) + b"\0" * 8, "element type 'F4'"),
        (
            header({name: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for name in "xy"}) + b"\0" * 8,
            "its tensors overlap",
        ),
    ],
)
def test_read_tensors__refuses_a_file_that_contradicts_itself(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "adapter_model.safetensors"
    path.write_bytes(data)
    with pytest.raises(AdapterRefused, match=message):
        read_tensors(path)


def test_read_tensors__finds_a_bfloat16_nan_by_its_bits(tmp_path: Path) -> None:
    path = tmp_path / "adapter_model.safetensors"
    entry = {"x": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}
    path.write_bytes(header(entry) + np.array([0x3F80, 0x7FC0], np.uint16).tobytes())
    assert [tensor.finite for tensor in read_tensors(path)] == [False]
    path.write_bytes(header(entry) + np.array([0x3F80, 0x7F7F], np.uint16).tobytes())
    assert [tensor.finite for tensor in read_tensors(path)] == [True]


def test_name_warning__compares_the_last_part_of_the_name() -> None:
    assert name_warning("/home/me/models/tiny", "model/tiny") is None
    assert name_warning(None, "model") is None
    assert "trained on 'org/a'" in (name_warning("org/a", "org/b") or "")


def outcomes(folder: Path, *allow: str) -> dict[str, str]:
    return {check.id: check.outcome for check in read_adapter(folder, allow=frozenset(allow)).checks}


def test_read_adapter__names_what_was_looked_at(tmp_path: Path) -> None:
    adapter = read_adapter(write_adapter(tmp_path), base="base")
    assert [check.id for check in adapter.checks] == ["P01", "P02", "P03", "P04", "P05", "P06", "P07", "P32"]
    assert {check.outcome for check in adapter.checks} == {"ok"}
    assert (adapter.peft_type, adapter.task_type, adapter.note) == ("LORA", "CAUSAL_LM", None)
    assert {check.id for check in read_adapter(tmp_path, base="other").checks if check.outcome == "warn"} == {"P07"}


def test_read_adapter__some_failures_can_be_allowed(tmp_path: Path) -> None:
    untrained = {A: np.ones((4, 8), np.float32), B: np.zeros((8, 4), np.float32)}
    changed = CONFIG | {"lora_alpha": 0, "invented": 1}
    folder = write_adapter(tmp_path, config=changed, tensors=untrained)
    found = outcomes(folder, "P03", "P04", "P06", "P32")
    assert {check for check, outcome in found.items() if outcome == "allowed"} == {"P03", "P04", "P06"}
    for missing in ("P03", "P04", "P06"):
        with pytest.raises(AdapterRefused, match=rf"\({missing}\)"):
            outcomes(folder, *({"P03", "P04", "P06"} - {missing}))


@pytest.mark.parametrize(
    ("change", "tensors"),
    [
        ({"auto_mapping": {"parent_library": "os", "base_model_class": "system"}}, None),
        ({"invented": "text"}, None),
        ({"lora_alpha": 1e30}, None),
        ({}, {A: np.full((4, 8), np.nan, np.float32), B: np.ones((8, 4), np.float32)}),
        ({"r": 3}, None),
    ],
)
def test_read_adapter__others_cannot(tmp_path: Path, change: dict[str, object], tensors: object) -> None:
    folder = write_adapter(tmp_path, config=CONFIG | change, tensors=tensors)  # type: ignore[arg-type]
    with pytest.raises(AdapterRefused):
        outcomes(folder, *(f"P{number:02}" for number in range(1, 37)))


def test_read_adapter__what_peft_writes_for_an_adapter_without_a_task(tmp_path: Path) -> None:
    written = {"base_model_class": "LlamaForCausalLM", "parent_library": "transformers.models.llama.modeling_llama"}
    assert (
        read_adapter(write_adapter(tmp_path / "a", config=CONFIG | {"auto_mapping": written})).task_type == "CAUSAL_LM"
    )
    for library in ("transformers_evil", "transformers.models;os", "os"):
        write_adapter(tmp_path / "b", config=CONFIG | {"auto_mapping": written | {"parent_library": library}})
        with pytest.raises(AdapterRefused, match="'auto_mapping' is set"):
            read_adapter(tmp_path / "b")


def test_read_adapter__an_unusual_scale_is_a_warning(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path, config=CONFIG | {"lora_alpha": 1000})
    assert outcomes(folder)["P04"] == "warn"
    assert outcomes(write_adapter(tmp_path, config=CONFIG | {"lora_alpha": 100, "use_rslora": True}))["P04"] == "ok"
    assert outcomes(write_adapter(tmp_path, config=CONFIG | {"lora_alpha": -8}))["P04"] == "warn"


def test_read_adapter__some_updates_that_are_zero_are_a_warning(tmp_path: Path) -> None:
    more = {
        A.replace("q_proj", "k_proj"): np.ones((4, 8), np.float32),
        B.replace("q_proj", "k_proj"): np.zeros((8, 4), np.float32),
    }
    ones = {A: np.ones((4, 8), np.float32), B: np.ones((8, 4), np.float32)}
    assert outcomes(write_adapter(tmp_path, tensors=ones | more))["P03"] == "warn"


@pytest.mark.parametrize("name", ["A.magnitude", "base_model.model.lm_head.weight"])
def test_read_adapter__a_zero_product_beside_a_trained_tensor_is_no_base(tmp_path: Path, name: str) -> None:
    tensors = {A: np.ones((4, 8), np.float32), B: np.zeros((8, 4), np.float32), name: np.ones(8, np.float32)}
    assert outcomes(write_adapter(tmp_path, tensors=tensors))["P03"] == "warn"


def test_read_adapter__a_checkpoint_says_which(tmp_path: Path) -> None:
    for step in (5, 40, 100):
        write_adapter(tmp_path / "run" / f"checkpoint-{step}" / "support")
    adapter = read_adapter(tmp_path / "run")
    assert adapter.path == tmp_path / "run" / "checkpoint-100" / "support"
    assert str(adapter.note).endswith("the checkpoint with the highest step, 'checkpoint-100/support'")


def test_read_adapter__a_dvc_stub_for_the_folder(tmp_path: Path) -> None:
    (tmp_path / "support.dvc").write_text("outs: []")
    with pytest.raises(AdapterRefused, match=r"only its .dvc file is here.*\(P01\)"):
        read_adapter(tmp_path / "support")
