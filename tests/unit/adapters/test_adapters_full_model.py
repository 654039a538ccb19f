import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from gate.adapters.full_model import check_model
from gate.errors import AdapterRefused


def write_model(folder: Path, *, value: float = 1.0, shards: int = 1) -> Path:
    folder.mkdir(parents=True)
    tensors = {f"layer.{i}": np.full((64, 64), value + i, np.float32) for i in range(4)}
    places = {name: f"model-{index % shards}.safetensors" for index, name in enumerate(tensors)}
    for file in set(places.values()):
        save_file({name: tensors[name] for name, place in places.items() if place == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    return folder


def test_check_model__the_base_in_other_shards_is_the_base(tmp_path: Path) -> None:
    base = write_model(tmp_path / "base")
    with pytest.raises(AdapterRefused, match=r"every tensor is byte for byte the base's \(P36\)"):
        check_model(write_model(tmp_path / "same", shards=3), base=base)


def test_check_model__one_other_byte_is_another_model(tmp_path: Path) -> None:
    base, tuned = write_model(tmp_path / "base"), write_model(tmp_path / "tuned")
    path = tuned / "model-0.safetensors"
    content = bytearray(path.read_bytes())
    content[-10_000] ^= 1  # in none of the sampled places
    path.write_bytes(content)
    checks = check_model(tuned, base=base)
    assert {check.id: check.outcome for check in checks} == dict.fromkeys(("P01", "P02", "P03", "P32", "P36"), "ok")
    assert "P03" not in {check.id for check in check_model(tuned, base=base, scan=False)}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_check_model__refuses_numbers_that_are_none(tmp_path: Path, value: float) -> None:
    with pytest.raises(AdapterRefused, match=r"4 tensors with NaN or infinity.*\(P03\)"):
        check_model(write_model(tmp_path / "m", value=value))


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ({"a": "../../etc/passwd"}, "which is no safetensors file beside it"),
        ({"a": "../model-0.safetensors"}, "which is no safetensors file beside it"),
        ({"a": "weights.bin"}, "which is no safetensors file beside it"),
        ({"a": "gone.safetensors"}, "'gone.safetensors' is missing"),
        ([], "it has no `weight_map`"),
    ],
)
def test_check_model__an_index_that_leads_elsewhere(tmp_path: Path, places: object, message: str) -> None:
    folder = write_model(tmp_path / "m")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    with pytest.raises(AdapterRefused, match=message):
        check_model(folder)


def test_check_model__a_folder_without_weights(tmp_path: Path) -> None:
    with pytest.raises(AdapterRefused, match="no safetensors weights"):
        check_model(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"cos\nsystem\n.")
    with pytest.raises(AdapterRefused, match="pickled weights are never loaded"):
        check_model(tmp_path)
