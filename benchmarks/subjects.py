"""Make what is measured: a base model that gives long answers, widened, and adapters that change a share of them.

    python benchmarks/subjects.py WORK --answers long --cases 200 --parameters 50000000 --steps 400

Started by throughput.py in a process of its own, because it needs torch and the one that measures must stay small.
Everything is seeded, and kept in WORK under a name made of all that it depends on, so that nothing is made twice.
"""

import argparse
import hashlib
import json
import math
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import long_skills
from long_skills import QUICKSTART
from widening import widen_adapter, widen_model, widths_for

LIMITS = {"short": 48, "long": 160}
"""Most new tokens of an answer; with the longest prompt it fits the 256 positions of the quickstart's model."""

VARIANTS = {"none": (0.0, 0.0), "tenth": (0.08, 0.12), "half": (0.45, 0.55), "most": (0.94, 0.99)}
"""Adapter -> the least and the largest share of answers that it shall change."""

_ADAPTER = QUICKSTART / "adapters" / "forgetful"
_HERE = Path(__file__).resolve().parent
_PEAK_RATE = 3e-3
_FIRST_SCALES = (0.001, 0.01, 0.1, 1.0, 4.0)
_REFINED_AT_MOST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Subjects:
    """What is measured."""

    model: str
    """Folder of the base."""
    adapters: dict[str, str]
    """Variant -> folder."""
    scales: dict[str, float]
    """Variant -> its effect as a multiple of the quickstart's adapter `forgetful`."""
    parameters: int
    answers: str
    limit: int
    """Most new tokens of an answer."""
    device: str = "cpu"
    dtype: str = "float32"
    bandwidth_bytes: float | None = None
    """Of the GPU's memory, bytes a second as measured by copying; None: there is no GPU."""


def main(arguments: list[str] | None = None) -> None:
    """Make the subjects and print where their description lies."""
    parser = argparse.ArgumentParser(description="Make what throughput.py measures.")
    parser.add_argument("work", type=Path)
    parser.add_argument("--answers", choices=sorted(LIMITS), default="long")
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--parameters", type=int, default=50_000_000)
    parser.add_argument("--steps", type=int, default=400, help="of teaching long answers")
    parser.add_argument("--model", type=Path, help="measure this base instead, with --adapter")
    parser.add_argument("--adapter", type=Path)
    given = parser.parse_args(arguments)
    if given.model is not None:
        given.work.mkdir(parents=True, exist_ok=True)
        file = given.work / "given.json"
        file.write_text(json.dumps(asdict(_given(given)), indent=2), encoding="utf-8")
        sys.stdout.write(f"{file}\n")
        return
    prompts = [one["prompt"] for asked in long_skills.cases(given.answers, given.cases).values() for one in asked]
    source = QUICKSTART / "model" if given.answers == "short" else _taught(given.work, given.steps)
    scripts = [_HERE / name for name in ("subjects.py", "long_skills.py", "widening.py")]
    files = [*scripts, source / "model.safetensors", _ADAPTER / "adapter_model.safetensors"]
    name = _name(given.answers, given.cases, given.parameters, files=files)
    target = given.work / f"subjects-{name}"
    if not (target / "subjects.json").is_file():
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        made = _make(source, target, prompts, given)
        (target / "subjects.json").write_text(json.dumps(asdict(made), indent=2), encoding="utf-8")
    sys.stdout.write(f"{target / 'subjects.json'}\n")


def _given(given: argparse.Namespace) -> Subjects:
    """A model and an adapter of the user's own, on the GPU in bfloat16 where there is one."""
    import torch
    from safetensors import safe_open

    parameters = 0
    for file in given.model.glob("*.safetensors"):
        with safe_open(file, framework="np") as weights:
            parameters += sum(math.prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
    on_gpu = torch.cuda.is_available()
    return Subjects(
        model=str(given.model),
        adapters={"given": str(given.adapter)},
        scales={},
        parameters=parameters,
        answers=given.answers,
        limit=LIMITS[given.answers],
        device="cuda" if on_gpu else "cpu",
        dtype="bfloat16" if on_gpu else "float32",
        bandwidth_bytes=_gpu_bandwidth() if on_gpu else None,
    )


def _gpu_bandwidth() -> float:
    """Bytes a second that the GPU reads and writes when it copies a gigabyte, the best of ten times."""
    import torch

    source = torch.empty(2**30, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    seconds = []
    for _ in range(10):
        began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        began.record()
        target.copy_(source)
        ended.record()
        torch.cuda.synchronize()
        seconds.append(began.elapsed_time(ended) / 1e3)
    return float(2 * source.numel() / min(seconds))


def _taught(work: Path, steps: int) -> Path:
    """The quickstart's base after lessons in long answers."""
    files = [_HERE / "long_skills.py", QUICKSTART / "build.py", QUICKSTART / "model" / "model.safetensors"]
    target = work / f"taught-{_name(steps, _PEAK_RATE, files=files)}"
    if (target / "tokenizer.json").is_file():
        return target
    import torch
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

    import build

    tokenizer = PreTrainedTokenizerFast.from_pretrained(QUICKSTART / "model")
    torch.manual_seed(long_skills.SEED)
    torch.set_num_threads(1)  # the order of additions, and so the model, does not depend on the machine's cores
    model = LlamaForCausalLM.from_pretrained(QUICKSTART / "model")
    rows = long_skills.training_rows(steps * build.BATCH_ROWS)
    build.train(model, tokenizer, rows, peak_rate=_PEAK_RATE, name="long answers")
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)  # last: its file says that the folder is whole
    return target


def _make(source: Path, target: Path, prompts: list[str], given: argparse.Namespace) -> Subjects:
    """Find how strong each variant must be, on the narrow model, and write all of it wide."""
    scales = search_scales(_measure_changed(source, prompts, LIMITS[given.answers]))
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    widths = widths_for(config, given.parameters)
    widen_model(source, target / "model", widths)
    alpha = json.loads((_ADAPTER / "adapter_config.json").read_text(encoding="utf-8"))["lora_alpha"]
    for name, scale in scales.items():
        widen_adapter(_ADAPTER, target / name, widths, alpha=alpha * scale)
        print(f"{name}: {scale:.5f} times `forgetful`", flush=True)
    return Subjects(
        model=str(target / "model"),
        adapters={name: str(target / name) for name in scales},
        scales=scales,
        parameters=(target / "model" / "model.safetensors").stat().st_size // 4,
        answers=given.answers,
        limit=LIMITS[given.answers],
    )


def _measure_changed(source: Path, prompts: list[str], limit: int) -> Callable[[float], float]:
    """A function from an adapter's scale to the share of answers that differ from the base's."""
    from peft import PeftModel
    from peft.tuners.lora import LoraLayer
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

    import build

    build.MAX_NEW_TOKENS = limit
    tokenizer = PreTrainedTokenizerFast.from_pretrained(source, padding_side="left")
    before = build.answer(LlamaForCausalLM.from_pretrained(source), tokenizer, prompts)
    model = PeftModel.from_pretrained(LlamaForCausalLM.from_pretrained(source), _ADAPTER)
    layers = [module for module in model.modules() if isinstance(module, LoraLayer)]
    full = [layer.scaling["default"] for layer in layers]

    def changed(scale: float) -> float:
        for layer, value in zip(layers, full, strict=True):
            layer.scaling["default"] = scale * value
        after = build.answer(model, tokenizer, prompts)
        share = sum(one != other for one, other in zip(before, after, strict=True)) / len(prompts)
        print(f"{scale:.5f} times `forgetful` changes {share:.1%} of the answers", flush=True)
        return share

    return changed


def search_scales(changed: Callable[[float], float]) -> dict[str, float]:
    """How strong an adapter must be to change the wanted shares; the nearest that was seen where none hits.

    Args:
        changed: Scale -> share of changed answers; about monotone.
    """
    seen = {scale: changed(scale) for scale in _FIRST_SCALES}
    found = {}
    for name, (least, most) in VARIANTS.items():
        for _ in range(_REFINED_AT_MOST):
            if any(least <= share <= most for share in seen.values()):
                break
            below = max((scale for scale, share in seen.items() if share < least), default=None)
            above = min((scale for scale, share in seen.items() if share > most), default=None)
            # Where even the weakest adapter so far changes too much, a weaker one is tried, and the reverse.
            lower, upper = (min(seen) / 16 if below is None else below), (max(seen) * 4 if above is None else above)
            scale = (lower * upper) ** 0.5
            if scale in seen:
                break
            seen[scale] = changed(scale)
        found[name] = min(seen, key=lambda scale: (_distance(seen[scale], least, most), -scale))
    return found


def _distance(share: float, least: float, most: float) -> float:
    return max(least - share, share - most, 0.0)


def _name(*settings: object, files: list[Path]) -> str:
    """A short name for everything that is made from these settings and these files."""
    digest = hashlib.sha256(repr(settings).encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


if __name__ == "__main__":
    main()
