"""The committed calibration is what the benchmark computes, and its rivals are the tests that they are called."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import bootstrap, ttest_1samp
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import exact_rules  # noqa: E402 - benchmarks are scripts, not a package
import one_rule  # noqa: E402
import other_rules  # noqa: E402
from rivals import Tables, mcnemar, mcnemar_p, paired_t, percentile  # noqa: E402
from tables import percent  # noqa: E402

DOCUMENT = (ROOT / "docs" / "calibration.md").read_text("utf-8")


def committed(first: str) -> list[list[str]]:
    """The rows of the document that begin with a cell, in order."""
    rows = [[cell.strip() for cell in line.strip("| \n").split("|")] for line in DOCUMENT.splitlines() if "|" in line]
    return [row[1:] for row in rows if row[0] == first]


@pytest.mark.parametrize(("n", "margin", "churn"), [(30, 0.0, 0.40), (50, 0.02, 0.10), (100, 0.05, 0.02)])
def test_calibration__rows_of_the_first_section_are_recomputed(n: int, margin: float, churn: float) -> None:
    ours, theirs = committed(one_rule.setting(n, margin, churn))
    assert ours == [percent(rate) for rate in one_rule.gate_rates(n, margin, churn)]
    assert theirs == [percent(rate) for rate in one_rule.rival_rates(n, margin, churn)]


def test_calibration__rows_of_other_rules_are_recomputed() -> None:
    for row in (exact_rules.max_flips(150, 0.03), exact_rules.min_score(150, 0.8)):
        first, *rest = other_rules._line(row)
        assert [first, *rest][1:] in committed(first)


def test_calibration__the_gate_keeps_its_promise_in_every_cell_of_the_summary() -> None:
    summary = DOCUMENT[DOCUMENT.index("## Summary") :]
    (gate,) = re.findall(r"^- gate: false block ([\d.]+) .*; false pass ([\d.]+) ", summary, re.MULTILINE)
    assert "more than three standard errors" not in summary
    assert max(map(float, gate)) < 7
    (t,) = re.findall(r"^- paired t: false block ([\d.]+) .*; false pass ([\d.]+) ", summary, re.MULTILINE)
    assert float(t[1]) > 50


TABLES = [(0, 3, 30), (2, 9, 30), (12, 5, 50), (1, 1, 40)]


def differences(gains: int, losses: int, n: int) -> np.ndarray:
    return np.array([1.0] * gains + [-1.0] * losses + [0.0] * (n - gains - losses))


@pytest.mark.parametrize(("gains", "losses", "n"), TABLES)
def test_paired_t__is_that_of_scipy(gains: int, losses: int, n: int) -> None:
    made = paired_t(Tables.up_to(n, (15, 15)), 0.05)
    found = {side: ttest_1samp(differences(gains, losses, n), -0.05, alternative=side) for side in ("less", "greater")}
    assert made.blocked[gains, losses] == (found["less"].pvalue <= 0.05)
    assert made.passed[gains, losses] == (found["greater"].pvalue <= 0.05)


@pytest.mark.parametrize(("gains", "losses", "n"), TABLES)
def test_mcnemar__is_that_of_statsmodels(gains: int, losses: int, n: int) -> None:
    tables = Tables.up_to(n, (15, 15))
    two_sided = float(statsmodels_mcnemar([[n, gains], [losses, 0]], exact=True).pvalue)
    if gains < losses:
        assert min(1.0, 2 * mcnemar_p(tables)[gains, losses]) == pytest.approx(two_sided)
    assert mcnemar(tables, 0.0).blocked[gains, losses] == (mcnemar_p(tables)[gains, losses] <= 0.05)


def test_percentile__is_the_limit_of_a_bootstrap() -> None:
    made = percentile(Tables.up_to(50, (15, 15)), 0.05)
    for gains, losses, blocked, passed in ((0, 14, True, False), (5, 5, False, False), (4, 1, False, True)):
        found = bootstrap(
            (differences(gains, losses, 50),), np.mean, confidence_level=0.9, method="percentile", rng=np.random.default_rng(0)
        ).confidence_interval  # fmt: skip
        assert (made.blocked[gains, losses], made.passed[gains, losses]) == (blocked, passed)
        assert (found.high < -0.05, found.low > -0.05) == (blocked, passed)
