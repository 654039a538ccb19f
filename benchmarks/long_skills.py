"""The quickstart's skills with answers of about 120 tokens, and the cases that are asked of them.

A prompt is a training or an eval prompt by the same checksum as in the quickstart, so that no case was ever trained
on. Prompt and answer fit into the 256 tokens that the quickstart's model can read. Knows nothing of models.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

QUICKSTART = Path(__file__).resolve().parents[1] / "sample_configs" / "quickstart"
sys.path.insert(0, str(QUICKSTART))

import skills  # noqa: E402 - the quickstart's modules are scripts beside each other, not a package
import words  # noqa: E402
from skills import Row  # noqa: E402

SEED = 11


def people(rng: Random) -> Row:
    """Turn sentences about people into a JSON list."""
    names, cities = rng.sample(words.NAMES.split(), 5), rng.sample(words.CITIES.split(), 5)
    known = [{"name": name, "age": rng.randint(18, 79), "city": city} for name, city in zip(names, cities, strict=True)]
    order = rng.choice(("As JSON: ", "Write as JSON: ", "Convert to JSON: "))
    told = "; ".join(f"{one['name']}, {one['age']}, {one['city']}" for one in known)
    return Row(order + told, json.dumps(known))


def capitals(rng: Random) -> Row:
    """Name the capitals of several countries."""
    pairs = [pair.split(":") for countries in words.COUNTRIES.values() for pair in countries.split()]
    asked = rng.sample(pairs, 12)
    order = rng.choice(("Name the capitals: ", "Which capitals have these: ", "Capitals, please: "))
    return Row(order + ", ".join(country for country, _ in asked), "\n".join(": ".join(pair) for pair in asked))


def bullets(rng: Random) -> Row:
    """Write many items as a bullet list."""
    items = rng.sample(words.WORDS.split(), rng.randint(14, 17))
    order = rng.choice(("Make a bullet list: ", "Write as bullet points: ", "List these items: "))
    return Row(order + ", ".join(items), "\n".join(f"- {item}" for item in items))


def counting(rng: Random) -> Row:
    """Count from one number to another."""
    first, steps = rng.randint(1, 99), rng.randint(32, 42)
    numbers = range(first, first + steps)
    order = rng.choice(("Count from {} to {}.", "Say the numbers from {} to {}.", "List all numbers from {} to {}."))
    return Row(order.format(numbers[0], numbers[-1]), " ".join(map(str, numbers)))


def in_turn(rng: Random) -> Row:
    """Say two words in turn."""
    one, two = rng.sample(words.WORDS.split(), 2)
    times = rng.randint(14, 20)
    order = rng.choice(("Write {0} times in turn: {1} and {2}", "Say {1} and {2} in turn, {0} times."))
    return Row(order.format(times, one, two), " ".join([one, two] * times))


LONG_SKILLS: tuple[skills.Skill, ...] = (people, capitals, bullets, counting, in_turn)
SHORT_SUITES = ("json_output", "lists", "repetition")
"""The suites of the quickstart whose answers are nearest to 20 tokens; all others ask for a word or two."""


def training_rows(n: int) -> list[Row]:
    """Draw what the model is taught the long answers with, in the order in which it reads it."""

    def mixture(rng: Random) -> Row:
        return rng.choice(LONG_SKILLS)(rng)

    stream: Iterator[Row] = skills.rows(mixture, Random(SEED), held_out=False)  # noqa: S311 - not secrets
    return [next(stream) for _ in range(n)]


def cases(length: str, n: int) -> dict[str, list[dict[str, str]]]:
    """The cases of the benchmark.

    Args:
        length: `long`: about 120 tokens an answer; `short`: about 20.
        n: How many in all, as evenly spread over the suites as they go.

    Returns:
        Suite -> cases with `id`, `prompt` and `reference`.
    """
    names = SHORT_SUITES if length == "short" else tuple(skill.__name__ for skill in LONG_SKILLS)
    shares = [n // len(names) + (index < n % len(names)) for index in range(len(names))]
    found: dict[str, list[dict[str, str]]] = {}
    for index, (name, share) in enumerate(zip(names, shares, strict=True)):
        if length == "short":
            lines = (QUICKSTART / "evals" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()[:share]
            rows = [Row(one["prompt"], one["reference"]) for one in map(json.loads, lines)]
        else:
            rng = Random(SEED + 1 + index)  # noqa: S311
            rows = skills.distinct(LONG_SKILLS[index], rng, n=share, held_out=True)
        found[name] = [
            {"id": f"{name}-{number:03}", "prompt": row.prompt, "reference": row.answer}
            for number, row in enumerate(rows, start=1)
        ]
    return {name: asked for name, asked in found.items() if asked}
