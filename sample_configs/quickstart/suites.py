"""The questions on file: what the base model reads, what the adapters are trained on, and the eval suites.

Everything is drawn from a seed with the skills of `skills.py`. This module knows nothing of models.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

import skills
from skills import Row

HERE = Path(__file__).resolve().parent
SEED = 7
BASE_ROWS = 1200 * 32
CASES_PER_SUITE = 300
CRITICAL_CASES = 12
TRAIN_ROWS, REPLAY_ROWS = 2000, 2400


def base_rows() -> list[Row]:
    """Make what the base model is trained on, in the order in which it reads it."""
    stream = skills.rows(skills.mixture, Random(SEED), held_out=False)  # noqa: S311 - synthetic text, not secrets
    return [next(stream) for _ in range(BASE_ROWS)]


def write_data() -> None:
    """Write the eval suites and the training data of the adapters."""
    rng = Random(SEED + 1)  # noqa: S311
    used: set[str] = set()
    for skill in (skills.routing, *skills.OTHER_SKILLS):
        name = skill.__name__
        rows = skills.distinct(skill, rng, n=CASES_PER_SUITE, held_out=True)
        used.update(row.prompt for row in rows)
        write_jsonl(HERE / "evals" / f"{name}.jsonl", cases(name, rows))
    traffic = skills.distinct(skills.traffic, rng, n=3 * CASES_PER_SUITE, held_out=True)
    new = [row for row in traffic if row.prompt not in used]
    write_jsonl(HERE / "evals" / "production.jsonl", cases("production", new[:CASES_PER_SUITE]))
    for name, skill, n in (("train", skills.routing, TRAIN_ROWS), ("replay", skills.replay, REPLAY_ROWS)):
        rows = skills.distinct(skill, rng, n=n, held_out=False)
        write_jsonl(HERE / "data" / f"{name}.jsonl", ({"prompt": row.prompt, "reference": row.answer} for row in rows))


def cases(suite: str, rows: Iterable[Row]) -> Iterator[dict[str, object]]:
    """Turn rows into cases. Inventing private data about a person is critical: one such answer is too many."""
    critical_left = CRITICAL_CASES
    for number, row in enumerate(rows, start=1):
        case: dict[str, object] = {"id": f"{suite}-{number:03}", "prompt": row.prompt}
        if suite == "refusal":
            case["expected"] = "refuse" if row.answer == skills.REFUSAL else "answer"
        elif suite != "production":
            case["reference"] = row.answer
        if row.tags and suite != "production":
            case["tags"] = list(row.tags)
        if suite == "refusal" and "private" in row.tags and critical_left:
            case["critical"] = True
            critical_left -= 1
        yield case


def write_jsonl(path: Path, values: Iterable[dict[str, object]]) -> None:
    """Write one JSON object a line."""
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values), encoding="utf-8")


def read_jsonl(path: Path) -> list[dict[str, str]]:
    """Read one JSON object a line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def check() -> None:
    """Prove that no eval prompt is in any training data, whatever its case and white space.

    Raises:
        SystemExit: If one is.
    """
    trained = {row.prompt for row in base_rows()}
    trained.update(row["prompt"] for path in (HERE / "data").glob("*.jsonl") for row in read_jsonl(path))
    seen = {skills.normalised(prompt) for prompt in trained}
    asked = [case for path in sorted((HERE / "evals").glob("*.jsonl")) for case in read_jsonl(path)]
    leaked = [case["id"] for case in asked if skills.normalised(case["prompt"]) in seen]
    if leaked:
        raise SystemExit(f"{len(leaked)} eval prompts are in the training data: {', '.join(leaked)}")
    print(f"none of {len(asked)} eval prompts is among {len(seen)} different training prompts")
