"""The measurements, one process after the other. This process stays small: it imports neither torch nor a model."""

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import contenders
from contenders import Answers, Work
from measured import Measured, run
from subjects import Subjects
from throughput_table import Agreement, Passes, Row, differing, shared_start
from tokenizers import Tokenizer

_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is to be measured."""

    answers: str
    cases: int
    parameters: int
    steps: int
    model: Path | None
    """A base of the user's own, and its adapter; None: the quickstart's, widened."""
    adapter: Path | None


def make_subjects(work: Path, settings: Settings) -> Subjects:
    """Make what is measured, or find it made, in a process of its own."""
    command = [sys.executable, str(_HERE / "subjects.py"), str(work), "--answers", settings.answers]
    for name in ("cases", "parameters", "steps", "model", "adapter"):
        value = getattr(settings, name)
        command += [] if value is None else [f"--{name}", str(value.resolve() if isinstance(value, Path) else value)]
    _say(f"making model and adapters in {work} (minutes at the first time)")
    log = work / "logs" / "subjects.log"
    run(command, log=log, environment={"PYTHONPATH": str(contenders.ROOT)}, folder=_HERE)
    description = log.read_text(encoding="utf-8").splitlines()[-1]
    return Subjects(**json.loads(Path(description).read_text(encoding="utf-8")))


class Bench:
    """Runs both sides on one workload and keeps what they said."""

    def __init__(
        self, folder: Path, subjects: Subjects, cases: Mapping[str, Sequence[Mapping[str, str]]], *, rounds: int
    ) -> None:
        self.subjects, self._rounds, self._suites = subjects, rounds, tuple(cases)
        self.cases = sum(len(asked) for asked in cases.values())
        self.load_before = os.getloadavg()[0]
        stop = _stop_text(Path(subjects.model))
        self._work = Work(folder=folder / f"runs-{subjects.answers}", subjects=subjects, stop=stop)
        contenders.write_cases(self._work, cases)
        self.harness: dict[str, Row] = {}
        """Variant -> base and candidate, one process each."""
        self._theirs: dict[str | None, Answers] = {}
        self._ours: dict[str, tuple[dict[str, Answers], dict[str, int]]] = {}
        self._their_prompts: list[list[int]] | None = None

    def trials(self, batch_sizes: Sequence[int], *, limit: int | None) -> dict[int, float]:
        """Wall time of the harness with the base, by batch size, in seconds."""
        # The first run of all reads files from the disk and fills the data-set cache: it does not count.
        self._run(contenders.harness(self._work, None, batch_size=batch_sizes[0], limit=1), "harness-warm-up")
        walls = {}
        for size in batch_sizes:
            module = contenders.harness(self._work, None, batch_size=size, limit=limit)
            walls[size] = self._run(module, f"harness-batch-{size}").wall_seconds
        return walls

    def measure_harness(self, batch_size: int, variants: Sequence[str]) -> None:
        """Run the harness with the base and with each adapter."""
        seen: dict[str | None, tuple[Measured, Passes]] = {}
        for variant in (None, *variants):
            name = f"harness-{variant or 'base'}"
            walls = [
                self._run(contenders.harness(self._work, variant, batch_size=batch_size), name)
                for _ in range(self._rounds)
            ]
            self._theirs[variant] = contenders.harness_answers(self._work)
            counted = self._observe(contenders.harness(self._work, variant, batch_size=batch_size), name)
            if variant is None:
                self._their_prompts = counted.prompts
            (passes,) = counted.arms.values()
            seen[variant] = min(walls, key=lambda one: one.wall_seconds), passes
        base, base_passes = seen.pop(None)
        for variant, (candidate, passes) in seen.items():
            self.harness[str(variant)] = Row(
                name=f"lm-eval twice, `{variant}`",
                processes=(base, candidate),
                arms={"base": base_passes, "candidate": passes},
            )

    def measure_ours(self, variant: str, *, is_cold: bool) -> Row:
        """Run the gate with one adapter; cold: each time with an empty cache, which the last time leaves full."""
        name = f"gate {'cold' if is_cold else 'warm'}, `{variant}`"
        log = f"gate-{'cold' if is_cold else 'warm'}-{variant}"

        def ready() -> list[str]:
            if is_cold:
                shutil.rmtree(self._work.cache, ignore_errors=True)
            return contenders.ours(self._work, variant, self._suites)

        walls = []
        for _ in range(self._rounds):
            measured = self._run(ready(), log)
            walls.append((measured, contenders.our_stages(self._work)))
        best, stages = min(walls, key=lambda one: one[0].wall_seconds)
        self._ours[variant] = contenders.our_answers(self._work)
        counted = self._observe(ready(), log)
        return Row(name=name, processes=(best,), arms=counted.arms, stages=stages)

    def agreements(self, variants: Sequence[str]) -> list[Agreement]:
        """How the answers compare, variant by variant."""
        tokenizer = Tokenizer.from_file(str(Path(self.subjects.model) / "tokenizer.json"))
        found = []
        for variant in variants:
            answers, tokens = self._ours[variant]
            base, candidate = answers["base"], answers["candidate"]
            changed = [case for case in base if base[case] != candidate[case]]
            pairs = [(tokenizer.encode(base[case]).ids, tokenizer.encode(candidate[case]).ids) for case in changed]
            unlike = {
                arm: differing(answers[arm], self._theirs[key])
                for arm, key in (("base", None), ("candidate", variant))
                if key in self._theirs
            }
            found.append(
                Agreement(
                    variant=variant,
                    cases=len(base),
                    differing=unlike,
                    changed=len(changed),
                    shared_start=shared_start(pairs),
                    tokens=tokens,
                )
            )
        return found

    def loading_alone(self) -> Measured:
        """What a process takes that loads base and adapter, as PEFT's documentation shows it, and asks them nothing."""
        code = (
            "import sys, peft, transformers; "
            "base = transformers.AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=sys.argv[2]); "
            "peft.PeftModel.from_pretrained(base, sys.argv[3])"
        )
        adapter = next(iter(self.subjects.adapters.values()))
        command = [sys.executable, "-c", code, self.subjects.model, self.subjects.dtype, adapter]
        return run(command, log=self._log("load"), environment=self._work.environment, folder=self._work.folder)

    @property
    def cache_bytes(self) -> int:
        """Keys and values of one token, in the number format of the weights."""
        config = json.loads((Path(self.subjects.model) / "config.json").read_text(encoding="utf-8"))
        heads = config.get("num_key_value_heads") or config["num_attention_heads"]
        head_size = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
        value_bytes = 4 if self.subjects.dtype == "float32" else 2
        return int(2 * config["num_hidden_layers"] * heads * head_size * value_bytes)

    @cached_property
    def prompts_agree(self) -> bool:
        """Whether both sides were asked with identical token ids; True where only one side was measured."""
        if self._their_prompts is None:
            return True
        return sorted(self._their_prompts) == sorted(self._our_prompts())

    @property
    def prompt_line(self) -> str:
        """What the comparison of the prompts came to."""
        if self._their_prompts is None:
            return "Prompts: not compared, the harness was not measured."
        said = "are identical" if self.prompts_agree else "DIFFER"
        return f"Token ids of the prompts: {len(self._their_prompts):,} of the harness, and they {said} to the gate's."

    @property
    def weight_bytes(self) -> int:
        """Of the base's weights on disk."""
        return sum(file.stat().st_size for file in Path(self.subjects.model).glob("*.safetensors"))

    @property
    def versions(self) -> str:
        """What was measured, by name and version."""
        return ", ".join(f"{name} {_version(name)}" for name in ("lm_eval", "transformers", "peft", "torch"))

    def _run(self, module: Sequence[str], name: str) -> Measured:
        _say(name)
        return run(
            contenders.plain(module), log=self._log(name), environment=self._work.environment, folder=self._work.folder
        )

    def _observe(self, module: Sequence[str], name: str) -> "_Counted":
        _say(f"{name}, counting")
        report = self._work.folder / "passes.json"
        report.unlink(missing_ok=True)
        command = contenders.observed(module, report)
        run(command, log=self._log(f"{name}-counted"), environment=self._work.environment, folder=self._work.folder)
        told = json.loads(report.read_text(encoding="utf-8"))
        return _Counted(arms={arm: Passes(**seen) for arm, seen in told["arms"].items()}, prompts=told["prompts"])

    def _our_prompts(self) -> list[list[int]]:
        cases, log = self._work.folder / "all.jsonl", self._log("prompt-ids")
        command = [sys.executable, str(_HERE / "prompt_ids.py"), self.subjects.model, str(cases)]
        run(command, log=log, environment=self._work.environment, folder=self._work.folder)
        return [list(ids) for ids in json.loads(log.read_text(encoding="utf-8").splitlines()[-1])]

    def _log(self, name: str) -> Path:
        return self._work.folder / "logs" / f"{name}.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """What a counting run told."""

    arms: dict[str, Passes]
    prompts: list[list[int]]


def _stop_text(model: Path) -> str:
    """The text of the tokenizer's end-of-sequence token."""
    token = json.loads((model / "tokenizer_config.json").read_text(encoding="utf-8"))["eos_token"]
    return str(token["content"] if isinstance(token, dict) else token)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _say(text: str) -> None:
    sys.stderr.write(f"{text} ...\n")
    sys.stderr.flush()
