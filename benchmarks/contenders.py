"""The two that are measured: how each is asked the same cases, and where it leaves its answers. Runs nothing."""

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from subjects import Subjects

ROOT = Path(__file__).resolve().parents[1]
_TASK = "gate_throughput"

Answers = dict[str, str]
"""Case -> text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The folder in which everything of one workload lies."""

    folder: Path
    subjects: Subjects
    stop: str
    """The text of the token that ends an answer."""

    @property
    def environment(self) -> dict[str, str]:
        """For every process: nothing is looked up on the network, nothing of other runs is found."""
        return {
            "PYTHONPATH": str(ROOT),
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_OFFLINE": "1",
            "HF_HOME": str(self.folder / "hf"),
            "GATE_CACHE_DIR": str(self.cache),
        }

    @property
    def cache(self) -> Path:
        """The gate's cache of reference answers."""
        return self.folder / "cache"


def write_cases(work: Work, cases: Mapping[str, Sequence[Mapping[str, str]]]) -> None:
    """Write the cases and the harness's task; the gate's configurations are written run by run."""
    work.folder.mkdir(parents=True, exist_ok=True)
    rows = [row for asked in cases.values() for row in asked]
    for name, asked in (*cases.items(), ("all", rows)):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in asked)
        (work.folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    task = {
        "task": _TASK,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(work.folder / "all.jsonl")}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{prompt}}",
        "doc_to_target": "{{id}}",  # a score is not asked for, and this one costs nothing
        "num_fewshot": 0,
        "generation_kwargs": {"until": [work.stop], "do_sample": False, "max_gen_toks": work.subjects.limit},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    }
    (work.folder / "task").mkdir(exist_ok=True)
    (work.folder / "task" / f"{_TASK}.yaml").write_text(json.dumps(task, indent=2), encoding="utf-8")


def harness(work: Work, variant: str | None, *, batch_size: int, limit: int | None = None) -> list[str]:
    """Module and arguments of one run of lm-evaluation-harness, as its documentation shows it.

    Args:
        work: The workload.
        variant: Whose answers; None: the base's.
        batch_size: Prompts a batch.
        limit: Only the first cases; None: all.
    """
    model = {"pretrained": work.subjects.model, "dtype": work.subjects.dtype}
    if variant is not None:
        model["peft"] = work.subjects.adapters[variant]
    shutil.rmtree(_samples(work), ignore_errors=True)
    return [
        *("lm_eval", "run", "--model", "hf"),
        *("--model_args", ",".join(f"{key}={value}" for key, value in model.items())),
        *("--tasks", _TASK, "--include_path", str(work.folder / "task")),
        *("--batch_size", str(batch_size), "--device", work.subjects.device, "--apply_chat_template"),
        *("--log_samples", "--output_path", str(_samples(work))),
        *(() if limit is None else ("--limit", str(limit))),
    ]


def harness_answers(work: Work) -> Answers:
    """What the last run of the harness has answered."""
    (file,) = _samples(work).rglob("samples_*.jsonl")
    rows = (json.loads(line) for line in file.read_text(encoding="utf-8").splitlines())
    return {row["doc"]["id"]: row["resps"][0][0] for row in rows}


def ours(work: Work, variant: str, suites: Sequence[str]) -> list[str]:
    """Module and arguments of one run of the gate's first half; no answers of an earlier run are left."""
    shutil.rmtree(_output(work), ignore_errors=True)
    config = {
        "version": 1,
        "base": {"model": work.subjects.model, "dtype": work.subjects.dtype},
        "candidate": {"adapter": work.subjects.adapters[variant]},
        "engine": {"kind": "transformers", "device": work.subjects.device},
        "generation": {"max_new_tokens": work.subjects.limit},
        "suites": {
            name: {"role": "regression", "cases": f"{name}.jsonl", "scorer": {"kind": "exact_match"}} for name in suites
        },
    }
    file = work.folder / "gate.yaml"
    file.write_text(json.dumps(config, indent=2), encoding="utf-8")  # JSON is YAML
    return ["gate", "answer", str(file), "--output", str(_output(work)), "--quiet"]


def our_answers(work: Work) -> tuple[dict[str, Answers], dict[str, int]]:
    """What the last run of the gate has answered, by arm; and by arm how many tokens, stop tokens left out."""
    answers: dict[str, Answers] = {"base": {}, "candidate": {}}
    tokens = dict.fromkeys(answers, 0)
    for line in (_output(work) / "responses.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        answers[row["arm"]][row["case"]] = row["text"]
        tokens[row["arm"]] += row["tokens"]
    return answers, tokens


def our_stages(work: Work) -> dict[str, float]:
    """How long the stages of the gate's last run took, as it says itself, in seconds."""
    manifest = json.loads((_output(work) / "manifest.json").read_text(encoding="utf-8"))
    return {str(name): float(seconds) for name, seconds in manifest["timings"].items()}


def plain(module: Sequence[str]) -> list[str]:
    """The command that people type."""
    return [sys.executable, "-m", *module]


def observed(module: Sequence[str], report: Path) -> list[str]:
    """The same, its forward passes counted."""
    return [sys.executable, str(ROOT / "benchmarks" / "observed.py"), str(report), *module]


def _samples(work: Work) -> Path:
    return work.folder / "harness-out"


def _output(work: Work) -> Path:
    return work.folder / "gate-out"
