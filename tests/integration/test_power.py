"""`gate power`, and what `gate check` says of the same: from the command line, without a model."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from builders import a_comparison, a_round
from conftest import QUICKSTART, Gate, Ran

from gate import report

CONFIG = """\
version: 1
base: {model: base}
candidate: {adapter: adapter}
suites:
  facts:
    role: regression
    cases: facts.jsonl
    scorer: {kind: exact_match}
    rules: [{kind: max_drop, drop: 2pp}, {kind: max_drop, drop: 5pp, slice: de, blocking: false}]
  turns:
    role: regression
    cases: turns.jsonl
    scorer: {kind: exact_match}
  routing:
    role: task
    cases: routing.jsonl
    scorer: {kind: classification, labels: [a, b]}
  production:
    role: distribution
    cases: production.jsonl
    rules: [{kind: max_shift, measure: length, shift: 25%}, {kind: max_shift, measure: refusal, shift: 5pp}]
rules: [{kind: tradeoff}]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Suites of 500 cases: one with a slice of 100, one in 100 clusters, a task, and unlabelled inputs."""
    for name in ("facts", "turns", "routing", "production"):
        rows = []
        for index in range(500):
            row = {"id": f"{name}-{index}", "prompt": f"question {index}", "reference": "a"}
            row |= {"cluster": f"k{index % 100}"} if name == "turns" else {}
            row |= {"tags": ["de"]} if name == "facts" and index < 100 else {}
            rows.append(json.dumps(row) + "\n")
        (tmp_path / f"{name}.jsonl").write_text("".join(rows))
    (tmp_path / "gate.yaml").write_text(CONFIG)
    return tmp_path / "gate.yaml"


def words(line: str) -> str:
    return " ".join(line.split())


def lines(ran: Ran) -> list[str]:
    assert (ran.code, ran.err) == (0, "")
    return [words(line) for line in ran.out.splitlines()]


def prose(ran: Ran) -> str:
    return words(ran.out)


def test_power__one_line_for_each_rule_and_share_of_flips(gate: Gate) -> None:
    ran = gate("power", QUICKSTART / "gate.yaml")
    said = lines(ran)
    assert said[0] == "gate.yaml: what the rules can decide, alpha 0.05"
    assert "suite rule cases flips unchanged 4 times in 5 for 80 %" in said
    start = said.index("json_output max_drop of 5 pp 300 5 % 97 % drop 13.5 pp 167")
    assert said[start + 1 : start + 3] == ["10 % 83 % drop 15.3 pp 274", "20 % 60 % drop 17.9 pp 507"]
    assert "refusal max_drop of 5 pp (any) 300 5 % 97 % drop 6.8 pp 167" in said
    assert "routing min_gain of 3 pp 300 5 % at most 5 % gain 7.9 pp -" in said
    assert "routing min_score of 80 % 300 - - score 85.5 % -" in said
    assert "whole run tradeoff - - at most 5 % - -" in said
    assert "A lone failure among the 14 tested hypotheses that can block needs proof at alpha / 14 (Holm)." in said
    assert max(map(len, ran.out.splitlines())) <= 100


def test_power__a_sentence_for_every_rule_that_is_likely_to_stay_undecided(gate: Gate) -> None:
    said = prose(gate("power", QUICKSTART / "gate.yaml"))
    assert (
        "json_output, facts, repetition, lists and multilingual: with 300 cases and 20 % flips, max_drop of 5 pp "
        "passes an unchanged model 60 % of the time and proves a drop of 17.9 pp four times in five; about 507 cases "
        "would pass it 80 % of the time." in said
    )
    enough = prose(gate("power", QUICKSTART / "gate.yaml", "--flips", "10%"))
    assert "facts: with 300 cases" not in enough
    assert "routing: with 300 cases and 10 % flips, min_gain of 3 pp passes a gain of 9.2 pp four times in" in enough


def test_power__what_if_there_were_more_cases(gate: Gate, project: Path) -> None:
    few = lines(gate("power", project, "--flips", "10%"))
    many = lines(gate("power", project, "--flips", "10%", "--cases", 2_000))
    assert "facts max_drop of 2 pp 500 10 % 40 % drop 8.3 pp 1,578" in few
    assert "facts [de] max_drop of 5 pp 100 10 % 41 % drop 18.3 pp 274" in few
    assert "turns max_drop of 5 pp 100 cl. 10 % about 41 % drop 23.3 pp 274 cl." in few
    assert many[0] == "gate.yaml: what the rules can decide, alpha 0.05, if every suite had 2,000 cases"
    assert "facts max_drop of 2 pp 2,000 10 % about 88 % drop 4.8 pp 1,578" in many
    assert "facts [de] max_drop of 5 pp 400 10 % 92 % drop 10.5 pp 274" in many
    assert "turns max_drop of 5 pp 400 cl. 10 % about 92 % drop 12.6 pp 274 cl." in many


def test_power__broken_answers_and_what_is_out_of_reach(gate: Gate, project: Path) -> None:
    rules = "rules: [{kind: max_flips, rate: 8pp}, {kind: min_score, score: 99.9%}]\n  turns:"
    project.write_text(
        CONFIG.replace(
            "rules: [{kind: max_drop, drop: 2pp}, {kind: max_drop, drop: 5pp, slice: de, blocking: false}]\n  turns:",
            rules,
        )
    )
    said = lines(gate("power", project, "--flips", "10%"))
    assert "facts max_flips of 8 pp 500 10 % 82 % 12.6 % broken 432" in said
    assert "facts min_score of 99.9 % 500 - - nothing -" in said


def test_power__what_cannot_be_forecast_is_said_once(gate: Gate, project: Path) -> None:
    said = lines(gate("power", project))
    told = "production: max_shift of length by 25 %: how far lengths vary shows only in answers, nothing can be said before."
    assert said.count(told) == 1
    assert "cl.: a cluster counts as one case, near the cautious end; the truth is between clusters and cases." in said
    assert "Of a property, flips are inputs on which it changed." in said


def test_power__flips_and_scores_from_a_round(gate: Gate, project: Path, tmp_path: Path) -> None:
    measured = a_comparison(
        suite="facts", slice=None, against="base", n=500, regressed=2, fixed=2, against_estimate=0.9
    )
    stored = tmp_path / "round.json"
    stored.write_text(report.dump(a_round(comparisons=(measured,))), encoding="utf-8")
    said = lines(gate("power", project, "--round", stored))
    assert "facts max_drop of 2 pp 500 1 % 98 % drop 5.4 pp 297" in said
    assert "routing min_gain of 0 pp 500 ~10 % at most 5 % gain 4.2 pp -" in said
    assert "Flips: cases that a model answers differently though it got no worse (as measured; ~: assumed)." in said
    assert "A round whose candidate got worse has more flips than an unchanged model would." in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--flips", "0.1"], "--flips: a share is written with its per cent sign, for example '80%'"),
        (["--flips", "120%"], "--flips: 120% is more than 100%"),
        (["--flips", "10%", "--round", "round.json"], "--flips and --round exclude each other"),
        (["--round", "nowhere.json"], "nowhere.json: cannot be read"),
        (["--round", "gate.yaml"], "The stored round cannot be read: not valid JSON"),
        (["--round", "."], ".: not a file"),
        (["--round", "latin.json"], "latin.json: not UTF-8 text"),
        (["--round", "round.json"], "--round: it compares no suite of gate.yaml; its suites are elsewhere"),
        (["--cases", "0"], "Invalid value for '--cases'"),
        (["--suite", "facts"], "No such option"),
    ],
)  # fmt: skip
def test_power__a_wrong_request_is_3(
    gate: Gate, project: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(project.parent)
    Path("latin.json").write_bytes(b'"\xff"')
    stored = report.dump(a_round(comparisons=(a_comparison(suite="elsewhere"),)))
    Path("round.json").write_text(stored, encoding="utf-8")
    ran = gate("power", *arguments)
    assert (ran.code, ran.out) == (3, "")
    assert message in ran.err
    assert "Traceback" not in ran.err


def test_check__forecasts_every_rule_at_ten_per_cent_flips(gate: Gate, project: Path) -> None:
    said = lines(gate("check", project))
    assert "If 10 % of the answers flip though nothing got worse (half gains, half losses):" in said
    assert "facts max_drop of 2 pp 500 40 % drop 8.3 pp 1,578" in said
    assert "production max_shift of refusal by 5 pp 500 93 % shift 12.0 pp 374" in said


def test_check__notes_rules_that_will_more_often_than_not_stay_undecided(gate: Gate, project: Path) -> None:
    ran = gate("check", project)
    assert (
        "note: facts: with 500 cases and 10 % flips, max_drop of 2 pp passes an unchanged model 40 % of the time and "
        "proves a drop of 8.3 pp four times in five; about 1,578 cases would pass it 80 % of the time.\n" in ran.out
    )
    assert "note: production" not in ran.out
    quick = gate("check", QUICKSTART / "gate.yaml")
    assert "note:" not in quick.out
    assert "json_output max_drop of 5 pp 300 83 % drop 15.3 pp 274" in lines(quick)


def test_check__a_rule_that_cannot_pass_is_a_warning_and_no_note(gate: Gate, project: Path) -> None:
    project.write_text(CONFIG.replace("drop: 2pp", "drop: 0.5pp").replace("tradeoff", "critical, tag: de"))
    said = prose(gate("check", project))
    assert "warning: facts: max_drop of 0.5 pp cannot pass on 500 cases, even if no answer changes" in said
    assert "note: facts: with" not in said
    assert "whole run: critical goes by what is observed" in said


def test_check__stopping_early_and_partial_scores_are_mentioned_once(gate: Gate, project: Path) -> None:
    config = CONFIG.replace("labels: [a, b]}", "labels: [a, b]}\n    metric: macro_f1")
    config += "statistics: {sequential: true}\n"
    project.write_text(config.replace("drop: 2pp", "drop: 2%"))
    said = lines(gate("check", project))
    assert "Scores that are parts, averages or F1 are planned for as if each answer were right or wrong." in said
    assert "Of alpha, 20 % pays for stopping early; what that saves is not counted here." in said
    assert "Limits in % are of a base score of 100 %, the best case: of a lower one they are smaller." in said


def test_check__without_any_rule_to_forecast(gate: Gate, project: Path) -> None:
    head, _, _ = CONFIG.partition("  facts:")
    project.write_text(head + "  production: {role: distribution, cases: production.jsonl}\n")
    assert "(no rule with a number to forecast)" in lines(gate("check", project))


def test_power__help(gate: Gate) -> None:
    ran = gate("power", "--help")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Usage: gate power [OPTIONS] [CONFIG]")


@pytest.mark.parametrize("command", ["check", "power"])
def test_forecasts__load_no_model_library(command: str) -> None:
    code = (
        "import sys; from gate.cli import execute; assert execute(sys.argv[1:]) == 0; "
        "assert not {'torch', 'transformers', 'peft'} & set(sys.modules)"
    )
    arguments = [sys.executable, "-c", code, command, str(QUICKSTART / "gate.yaml")]
    ran = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
