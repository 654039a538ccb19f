"""What files and names say of quantisation."""

import json
from pathlib import Path
from typing import Any

import pytest

from gate.engine.quantization import loading_options, stored_method
from gate.errors import ConfigError


def write(folder: Path, config: Any) -> Path:
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    return folder


@pytest.mark.parametrize(
    ("config", "method"),
    [
        ({}, None),
        ({"quantization_config": None}, None),
        ({"quantization_config": {"quant_method": "GPTQ", "bits": 4}}, "gptq"),
        ({"quantization_config": {"load_in_4bit": True}}, "bitsandbytes"),
        ({"quantization_config": {"bits": 4}}, "unknown"),
        ([], None),
    ],
)
def test_stored_method__reads_the_models_configuration(tmp_path: Path, config: Any, method: str | None) -> None:
    assert stored_method(write(tmp_path, config)) == method


def test_stored_method__is_none_without_a_readable_configuration(tmp_path: Path) -> None:
    assert stored_method(tmp_path) is None
    (tmp_path / "config.json").write_text("{", "utf-8")
    assert stored_method(tmp_path) is None


def test_loading_options__nothing_is_quantised_twice(tmp_path: Path) -> None:
    folder = write(tmp_path, {"quantization_config": {"quant_method": "gptq"}})
    with pytest.raises(ConfigError, match="my/base is quantised already"):
        loading_options(folder, "my/base", "nf4")


def test_loading_options__a_plain_model_needs_none(tmp_path: Path) -> None:
    assert loading_options(write(tmp_path, {}), "my/base", "none") is None
