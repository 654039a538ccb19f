"""The throughput benchmark: what it measures is what it says, and it runs at all."""

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import long_skills  # noqa: E402 - benchmarks are scripts, not a package
import measured  # noqa: E402
import subjects  # noqa: E402
import throughput  # noqa: E402
import throughput_table  # noqa: E402
import widening  # noqa: E402


def test_widths_for__gives_about_the_wanted_size_and_never_less_than_there_is() -> None:
    config = json.loads((long_skills.QUICKSTART / "model" / "config.json").read_text("utf-8"))
    assert widening.widths_for(config, 0).hidden == config["hidden_size"]
    wide = widening.widths_for(config, 50_000_000)
    size = wide.hidden * (3 * wide.mlp * 4 + 4 * 128 * 4 + 512)
    assert size == pytest.approx(50_000_000, rel=0.1)


def test_widen__base_and_adapter_compute_the_same_function(tmp_path: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import LlamaForCausalLM

    narrow, adapter = long_skills.QUICKSTART / "model", long_skills.QUICKSTART / "adapters" / "careful"
    wide = widening.Widths(hidden=192, mlp=1_024)
    widening.widen_model(narrow, tmp_path / "model", wide)
    widening.widen_adapter(adapter, tmp_path / "adapter", wide, alpha=16)
    ids = torch.arange(4, 44)[None]
    before, after = LlamaForCausalLM.from_pretrained(narrow), LlamaForCausalLM.from_pretrained(tmp_path / "model")
    assert after.model.layers[0].mlp.up_proj.weight[-1].abs().min() > 0  # the arithmetic is real
    with torch.inference_mode():
        base = before(ids).logits
        torch.testing.assert_close(after(ids).logits, base, rtol=1e-4, atol=1e-4)
        before, after = (
            PeftModel.from_pretrained(before, adapter),
            PeftModel.from_pretrained(after, tmp_path / "adapter"),
        )
        torch.testing.assert_close(after(ids).logits, before(ids).logits, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(before(ids).logits, base, atol=1e-2)


@pytest.mark.parametrize("length", ["short", "long"])
def test_cases__are_different_held_out_and_as_many_as_asked(length: str) -> None:
    prompts = [one["prompt"] for asked in long_skills.cases(length, 47).values() for one in asked]
    assert len(set(prompts)) == 47
    assert all(long_skills.skills.is_held_out(prompt) for prompt in prompts)
    assert not {row.prompt for row in long_skills.training_rows(2_000)} & set(prompts)


def test_search_scales__finds_strengths_that_change_the_wanted_shares() -> None:
    found = subjects.search_scales(lambda scale: min(1.0, max(0.0, scale - 0.02)))
    assert list(found) == list(subjects.VARIANTS)
    for name, (least, most) in subjects.VARIANTS.items():
        assert least <= min(1.0, max(0.0, found[name] - 0.02)) <= most
    assert found["none"] > 0


def test_search_scales__takes_the_nearest_where_none_hits() -> None:
    found = subjects.search_scales(lambda scale: 0.2 if scale < 0.5 else 0.9)
    assert found["none"] < 0.5
    assert found["most"] >= 0.5


def test_shared_start__is_the_mean_share_before_the_first_difference() -> None:
    assert throughput_table.shared_start([((1, 2, 3, 4), (1, 2, 9, 4)), ((1, 2), (1, 2, 3))]) == 0.75
    assert throughput_table.shared_start([]) is None


def test_run__says_what_a_process_took_and_what_a_broken_one_said(tmp_path: Path) -> None:
    block = "x = bytearray(200_000_000)"
    found = measured.run([sys.executable, "-c", block], log=tmp_path / "log", environment={}, folder=tmp_path)
    assert found.peak_bytes > 200_000_000
    assert found.wall_seconds > 0
    with pytest.raises(measured.RunFailed, match="exit code 3.*\n.*no luck"):
        measured.run(
            [sys.executable, "-c", "import sys; print('no luck'); sys.exit(3)"],
            log=tmp_path / "log",
            environment={},
            folder=tmp_path,
        )


def test_throughput__runs_from_nothing_and_counts_every_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = throughput.main(["--quick", "--only", "ours", "--variants", "half", "--work", str(tmp_path)])
    text = capsys.readouterr().out
    assert code == 0
    assert "not measured, there is no GPU" in text or "GB/s" in text
    table = text[text.index("| decoding") :].split("\n\n", 1)[0].splitlines()
    rows = {cells[0]: cells for line in table if (cells := re.split(r"\s*\|\s*", line.strip("| ")))}
    passes = rows["decoding"].index("passes base")
    # The base's answers come from the cache; some are asked again.
    assert 0 < int(rows["gate warm, `half`"][passes]) <= int(rows["gate cold, `half`"][passes])
    counted = json.loads((tmp_path / "runs-short" / "passes.json").read_text("utf-8"))
    assert set(counted["arms"]) == {"base", "candidate"}
