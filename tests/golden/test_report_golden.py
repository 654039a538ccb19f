"""Whole reports, held against the files beside this one.

After a deliberate change, write the files anew with `GATE_UPDATE_GOLDEN=1 pytest tests/golden` and read the difference.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from builders import (
    a_comparison,
    a_failing_round,
    a_finding,
    a_hostile_round,
    a_round,
    a_suite_summary,
    a_verdict,
    an_answer,
    an_evidence,
)

from gate.domain import Round
from gate.report import dump, markdown, terminal

HERE = Path(__file__).parent


def an_inconclusive_round() -> Round:
    """Too few cases to say anything, in clusters, with a warning that matters."""
    return a_round(
        suites={"routing": a_suite_summary(role="task", n=60), "facts": a_suite_summary(n=60, errors={"candidate": 2})},
        comparisons=(
            a_comparison(
                rule="min_gain", suite="routing", n=60, delta=0.033, low=-0.021, high=0.094, regressed=1, fixed=3,
            ),
            a_comparison(n=58, clusters=9, dropped=2, delta=-0.034, low=-0.11, high=0.03, p_regression_adjusted=0.61),
        ),
        findings=(
            a_finding(
                rule="min_gain", suite="routing", outcome="inconclusive", reason="no_gain_shown", observed=0.033,
                limit=0.0, limit_text="gain over 0 pp (default)", p_value=0.9,
                message="No gain shown: +3.3 pp (1 broke, 3 fixed) on 60 cases may be chance.",
                advice=("Labels: read 20 training rows; wrong or inconsistent references teach nothing.",),
            ),
            a_finding(
                outcome="inconclusive", reason="too_few_clusters", observed=-0.034, p_value=0.61,
                message="A drop over 5 pp is neither proven nor ruled out. Seen: -3.4 pp on 58 cases in 9 clusters; "
                "fewer than 10 independent clusters prove nothing.",
            ),
        ),
        verdict=a_verdict(
            outcome="inconclusive",
            headline="Cannot tell: nothing failed, but facts and routing could not be decided. "
            "Task: routing +3.3 pp (not proven).",
        ),
        evidence=(an_evidence(),),
        warnings=("The suite `facts` has 60 cases; 149 are needed to pass an unchanged model at 5 pp.",),
    )  # fmt: skip


def an_error_round() -> Round:
    """Not one case of a suite could be scored."""
    return a_round(
        suites={"facts": a_suite_summary(errors={"candidate": 300})},
        comparisons=(
            a_comparison(n=0, dropped=300, estimate=None, delta=None, low=None, high=None, p_regression_adjusted=None),
        ),
        findings=(
            a_finding(
                outcome="error",
                reason="degenerate",
                observed=None,
                p_value=None,
                message="No case could be compared: 300 cases without a score on one arm or both.",
            ),
        ),
        verdict=a_verdict(
            outcome="error",
            exit_code=4,
            headline="Cannot tell: no score could be had for facts; this is an error, not a verdict.",
        ),
        evidence=(
            an_evidence(
                answers={
                    "candidate": an_answer(text="", score=None, why="the server closed the connection", finish="error")
                }
            ),
        ),
        commit=None,
    )


ROUNDS: dict[str, Callable[[], Round]] = {
    "failing": a_failing_round,
    "passing": a_round,
    "inconclusive": an_inconclusive_round,
    "error": an_error_round,
    "hostile": partial(a_hostile_round, "@org/team `a|b` </details>\n::error::x \u202e#1 www.evil.example"),
}
RENDERERS: dict[str, Callable[[Round], str]] = {
    "md": markdown,
    "txt": terminal,
    "80.txt": partial(terminal, width=80),
    "json": dump,
}


@pytest.mark.parametrize("suffix", RENDERERS)
@pytest.mark.parametrize("name", ROUNDS)
def test_report__reads_as_before(name: str, suffix: str) -> None:
    path = HERE / f"report_{name}.{suffix}"
    rendered = RENDERERS[suffix](ROUNDS[name]()).encode()
    if os.environ.get("GATE_UPDATE_GOLDEN"):
        path.write_bytes(rendered)
    assert rendered.decode() == path.read_bytes().decode()
