"""Whole comments and a summary, held against the files beside this one.

After a deliberate change, write the files anew with `GATE_UPDATE_GOLDEN=1 pytest tests/golden` and read the difference.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from builders import REUSED, a_check, a_failing_round, a_round

from gate.domain import Round
from gate.report import Judged, Links, Problem, comment, summary

HERE = Path(__file__).parent
MARKER = "<!-- gate: support-bot -->"
LINKS = Links(
    run="https://github.com/octo-org/bot/actions/runs/1711",
    commit="https://github.com/octo-org/bot/commit/91ab33c091ab33c091ab33c091ab33c091ab33c0",
)
NOTES = (
    "This pull request changes `gate.yaml`; the change takes effect after the merge.",
    "The base branch has no `evals/new.jsonl` yet.",
)
REFUSED = Problem(
    step="answer",
    exit_code=3,
    message="adapters/sales/adapter_config.json: `base_model_name_or_path` names another base\n"
    "  Train it on the configured base, or change `base:` in gate.yaml.",
)


def one(result: Round | Problem, adapter: str = "adapters/support") -> Judged:
    return Judged(adapter=adapter, result=result)


def a_warm_round() -> Round:
    """One that failed, with the noise floor measured and the base's answers from the cache."""
    noise = a_check(
        id="P30", title="the base answers alike in other batches", message="A/A noise floor: 0 of 64 answers changed"
    )
    round_ = a_failing_round()
    return replace(round_, preflight=(*round_.preflight, noise), environment={**round_.environment, REUSED: "1,200"})


SEVERAL = (one(a_round(), "adapters/routing"), one(a_warm_round()), one(REFUSED, "adapters/sales"))
WITHOUT_TEXTS = replace(a_failing_round(), texts=False)


def written(rounds: Sequence[Judged], **fields: object) -> Callable[[], str]:
    return lambda: comment(rounds, marker=MARKER, links=LINKS, **fields)  # type: ignore[arg-type]


PAGES: dict[str, Callable[[], str]] = {
    "failing": written([one(a_warm_round())]),
    "several": written(SEVERAL, notes=NOTES),
    "problem": written([one(REFUSED, "adapters/sales")]),
    "nothing": written([]),
    "notes": written([one(a_round())], notes=NOTES),
    "without_texts": written([one(WITHOUT_TEXTS)]),
    "shortened": written(SEVERAL, notes=NOTES, limit=7_000),
    "verdicts": written(SEVERAL, notes=NOTES, limit=1_300),
    "summary": lambda: summary(SEVERAL, links=LINKS, notes=NOTES),
}


@pytest.mark.parametrize("name", PAGES)
def test_comment__reads_as_before(name: str) -> None:
    path = HERE / f"comment_{name}.md"
    rendered = PAGES[name]().encode()
    if os.environ.get("GATE_UPDATE_GOLDEN"):
        path.write_bytes(rendered)
    assert rendered.decode() == path.read_bytes().decode()
