"""How fast the gate answers, against lm-evaluation-harness on the same cases and the same machine.

    pip install -e '.[benchmark]'
    python benchmarks/throughput.py                          # answers of about 120 tokens
    python benchmarks/throughput.py --answers short          # of about 20
    python benchmarks/throughput.py --quick --only ours      # does it run at all? Its figures mean nothing
    python benchmarks/throughput.py --model PATH --adapter PATH    # a model and an adapter of your own; a GPU if there

One process after the other: the harness with the base and with each adapter, at the best of its batch sizes; the gate
cold (an empty cache) and warm, with adapters that change none, a tenth, half and nearly all of the answers. Wall time
and memory are those of the commands that people type; passes and decoding time come from runs of their own, in which
they are counted. Seconds depend on the machine, and a busy machine spoils the ratios too.
"""

import argparse
import os
import platform
import sys
from importlib.util import find_spec
from pathlib import Path

import long_skills
from measured import RunFailed
from measuring import Bench, Settings, make_subjects
from subjects import LIMITS, VARIANTS
from throughput_table import Row, agreement_table, bandwidth_line, decode_table, memory_line, wall_table

_BATCH_SIZES = (8, 16, 32, 64)
_ABOUT_TOKENS = {"short": 20, "long": 120}
_HEAD = """# Throughput

Written by `python benchmarks/throughput.py`, which says what is measured and how. Seconds belong to one machine; ratios
compare runs on that machine, one after the other. "Passes" and "positions" are forward passes and the tokens computed
in them, padding and preflight included; "decoding" is the time from an arm's first pass to the end of its last.

"""
_COLD = "tenth"
"""The adapter of the cold run: a usual commit."""


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 1 if prompts or answers differ."""
    given = _parse(arguments)
    if given.only != "ours" and find_spec("lm_eval") is None:
        sys.stderr.write("lm-evaluation-harness is not installed: pip install 'finetune-gate[benchmark]'\n")
        return 2
    lengths = sorted(LIMITS) if given.answers == "both" else [given.answers]
    try:
        sections = [_section(given, answers) for answers in lengths]
    except RunFailed as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    text = "\n".join(section for section, _ in sections)
    sys.stdout.write(text)
    if given.write is not None:
        given.write.write_text(_HEAD + text, encoding="utf-8")
    return 0 if all(is_same for _, is_same in sections) else 1


def _section(given: argparse.Namespace, answers: str) -> tuple[str, bool]:
    """Measure answers of one length: the text, and whether prompts and answers of both sides are the same."""
    settings = Settings(
        answers=answers,
        cases=given.cases,
        parameters=given.parameters,
        steps=given.steps,
        model=given.model,
        adapter=given.adapter,
    )
    subjects = make_subjects(given.work, settings)
    bench = Bench(given.work, subjects, long_skills.cases(answers, given.cases), rounds=given.rounds)
    variants = [name for name in given.variants if name in subjects.adapters] or list(subjects.adapters)
    cold = _COLD if _COLD in variants else variants[0]
    trials = {} if given.only == "ours" else bench.trials(given.batch_sizes, limit=given.trial_cases)
    if trials:
        bench.measure_harness(min(trials, key=lambda size: trials[size]), variants)
    pairs: list[tuple[Row | None, Row]] = [(None, row) for row in bench.harness.values()]
    found, memory = [], ""
    if given.only != "harness":
        pairs = [(bench.harness.get(cold), bench.measure_ours(cold, is_cold=True))]
        pairs += [(bench.harness.get(name), bench.measure_ours(name, is_cold=False)) for name in variants]
        found = bench.agreements(variants)
        ours = [mine for _, mine in pairs]
        memory = memory_line(ours, load=bench.loading_alone(), cache_bytes=bench.cache_bytes)
    rows = {row.name: row for pair in pairs for row in pair if row is not None}
    parts = [
        f"## Answers of about {_ABOUT_TOKENS[answers]} tokens",
        _circumstances(bench, given.rounds),
        _trials(trials, given.trial_cases) if trials else "",
        wall_table(pairs),
        decode_table(pairs),
        agreement_table(found, subjects) if found else "",
        bench.prompt_line,
        memory,
        bandwidth_line(list(rows.values()), subjects, bench.weight_bytes),
    ]
    is_same = bench.prompts_agree and not any(cases for one in found for cases in one.differing.values())
    return "\n\n".join(part for part in parts if part) + "\n", is_same


def _circumstances(bench: Bench, rounds: int) -> str:
    subjects = bench.subjects
    return (
        f"{bench.cases:,} cases, {subjects.parameters / 1e6:,.1f} M parameters, {subjects.dtype}, at most "
        f"{subjects.limit} new tokens, {platform.machine()} with {os.cpu_count()} cores and "
        f"{subjects.device}, best of {rounds}; load before: {bench.load_before:.1f}. {bench.versions}."
    )


def _trials(trials: dict[int, float], cases: int | None) -> str:
    times = ", ".join(f"{size}: {seconds:.1f} s" for size, seconds in trials.items())
    on = "all cases" if cases is None else f"the first {cases} cases"
    best = min(trials, key=lambda size: trials[size])
    return f"Batch sizes of the harness, wall time with the base on {on}: {times}. Used: {best}."


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure how fast the gate answers, against lm-evaluation-harness.")
    parser.add_argument("--answers", choices=(*sorted(LIMITS), "both"), default="long")
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--only", choices=("harness", "ours"))
    parser.add_argument("--variants", nargs="+", choices=sorted(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=list(_BATCH_SIZES), help="of the harness")
    parser.add_argument("--trial-cases", type=int, help="try batch sizes on the first cases only; default: on all")
    parser.add_argument("--rounds", type=int, default=1, help="of each wall time, of which the best counts")
    parser.add_argument("--parameters", type=int, default=50_000_000, help="of the widened model")
    parser.add_argument("--steps", type=int, default=400, help="of teaching the quickstart's base long answers")
    parser.add_argument("--model", type=Path, help="a base of your own; needs --adapter")
    parser.add_argument("--adapter", type=Path)
    parser.add_argument("--work", type=Path, default=_cache_folder(), help="where everything made is kept")
    parser.add_argument("--write", type=Path, help="write the result to this file as well")
    parser.add_argument("--quick", action="store_true", help="a few short answers of the narrow model")
    given = parser.parse_args(arguments)
    if (given.model is None) != (given.adapter is None):
        parser.error("--model and --adapter go together")
    given.work = given.work.resolve()
    if given.quick:
        given.answers, given.cases, given.parameters, given.batch_sizes = "short", 12, 0, [8]
    return given


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "finetune-gate-throughput"


if __name__ == "__main__":
    sys.exit(main())
