"""The command line without a model: exit codes, messages, and deciding from recorded answers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Gate, Ran, read_round

CONFIG = """\
version: 1
base: {model: base}
candidate: {adapter: adapter}
suites:
  facts:
    role: regression
    cases: facts.jsonl
    scorer: {kind: exact_match}
    rules: [{kind: max_drop, drop: DROP}]
  routing:
    role: task
    cases: routing.jsonl
    scorer: {kind: classification, labels: [a, b]}
"""


def write_project(folder: Path, *, n: int = 150, drop: str = "2pp") -> Path:
    """A configuration with two suites of n cases; there is no model anywhere."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("facts", "routing"):
        rows = [{"id": f"{name}-{index}", "prompt": f"question {index}", "reference": "a"} for index in range(n)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "gate.yaml").write_text(CONFIG.replace("DROP", drop))
    return folder / "gate.yaml"


def write_answers(path: Path, *, n: int = 150, broke: int = 0, learned: int = 80, missing: int = 0) -> Path:
    """Both arms' answers: the base gets every fact and no routing right."""
    rows = []
    for index in range(n):
        fact = "x" if index < broke else "a"
        route = "a" if index < learned else "b"
        for suite, arm, text in (
            ("facts", "base", "a"), ("facts", "candidate", fact), ("routing", "base", "b"), ("routing", "candidate", route),
        ):  # fmt: skip
            row = {"suite": suite, "case": f"{suite}-{index}", "arm": arm, "text": text}
            if suite == "facts" and arm == "candidate" and index >= n - missing:
                row = {**row, "text": "", "finish": "error", "error": "the server closed the connection"}
            rows.append(row)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def compare(gate: Gate, config: Path, answers: Path, *more: object) -> Ran:
    files = ("--responses", f"base={answers}", "--responses", f"candidate={answers}")
    return gate("compare", config, *files, "--output", config.parent / "out", *more)


def test_compare__passes_fails_and_cannot_tell(gate: Gate, tmp_path: Path) -> None:
    config = write_project(tmp_path)
    passed = compare(gate, config, write_answers(tmp_path / "same.jsonl"))
    assert (passed.code, passed.err) == (0, "")
    assert passed.out.startswith("Yes, open: Task: routing +53.3 pp (proven). Drops beyond the limits are ruled out")
    failed = compare(gate, config, write_answers(tmp_path / "worse.jsonl", broke=40))
    assert failed.code == 1
    assert failed.out.startswith("No, blocked: 1 of 1 protected suite got worse beyond the limit: facts -26.7 pp.")
    unclear = write_answers(tmp_path / "unclear.jsonl", broke=3)
    assert compare(gate, config, unclear).code == 0
    assert compare(gate, config, unclear, "--fail-on", "inconclusive").code == 2
    assert compare(gate, config, unclear).out.startswith("Cannot tell: nothing failed, but facts could not be decided.")
    assert compare(gate, config, write_answers(tmp_path / "w.jsonl", broke=40), "--fail-on", "never").code == 0


def test_compare__a_hundred_cases_without_a_flip_do_not_rule_out_2pp(gate: Gate, tmp_path: Path) -> None:
    hundred = write_project(tmp_path / "hundred", n=100)
    ran = compare(gate, hundred, write_answers(tmp_path / "hundred" / "a.jsonl", n=100))
    finding = read_round(hundred.parent / "out")["findings"][0]
    assert (finding["outcome"], finding["reason"]) == ("inconclusive", "underpowered")
    assert "about 149 cases would decide" in ran.out.replace("\n      ", " ")
    comparison = read_round(hundred.parent / "out")["comparisons"][0]
    assert comparison["p_noninferior"] == pytest.approx(0.98**100, abs=1e-6)
    enough = write_project(tmp_path / "enough", n=149)
    compare(gate, enough, write_answers(tmp_path / "enough" / "a.jsonl", n=149))
    assert read_round(enough.parent / "out")["findings"][0]["outcome"] == "pass"


def test_compare__answers_that_could_not_be_had_are_missing_not_wrong(gate: Gate, tmp_path: Path) -> None:
    config = write_project(tmp_path, drop="5pp")
    ran = compare(gate, config, write_answers(tmp_path / "a.jsonl", missing=10))
    content = read_round(tmp_path / "out")
    assert (content["findings"][0]["outcome"], content["findings"][0]["reason"]) == ("inconclusive", "missing_cases")
    assert content["comparisons"][0]["n"] == 140
    assert content["comparisons"][0]["dropped"] == 10
    assert content["suites"]["facts"]["errors"] == {"base": 0, "candidate": 10}
    assert ran.code == 0


def test_compare__a_suite_without_any_answer_is_an_error(gate: Gate, tmp_path: Path) -> None:
    config = write_project(tmp_path)
    ran = compare(gate, config, write_answers(tmp_path / "a.jsonl", missing=150))
    assert ran.code == 4
    assert "this is an error, not a verdict" in ran.out.replace("\n", " ")


def test_compare__other_cases_refuse_to_pair(gate: Gate, tmp_path: Path) -> None:
    config = write_project(tmp_path)
    short = write_answers(tmp_path / "short.jsonl", n=140)
    ran = compare(gate, config, short)
    assert ran.code == 3
    assert "the answers of the arm 'base' are not those of the suite 'facts': 10 cases missing (facts-140" in ran.err
    assert not (tmp_path / "out" / "round.json").exists()


def test_compare__a_length_that_no_answer_has_is_refused(gate: Gate, tmp_path: Path) -> None:
    config = write_project(tmp_path)
    answers = write_answers(tmp_path / "a.jsonl")
    answers.write_text(answers.read_text().replace('"arm": "base"', '"arm": "base", "tokens": 1' + "0" * 400))
    ran = compare(gate, config, answers)
    assert ran.code == 3
    assert "tokens" in ran.err


def test_compare__the_headline_blames_no_suite_for_an_undecided_tradeoff(gate: Gate, tmp_path: Path) -> None:
    config = write_project(tmp_path, drop="5pp")
    config.write_text(config.read_text() + "rules: [{kind: tradeoff}]\n")
    ran = compare(gate, config, write_answers(tmp_path / "a.jsonl", learned=1))
    assert ran.out.replace("\n", " ").startswith(
        "Cannot tell: nothing failed, but routing and tradeoff could not be decided."
    )


def test_check__what_a_file_holds_cannot_reach_the_terminal_raw(gate: Gate, tmp_path: Path) -> None:
    config = write_project(tmp_path)
    config.write_text(config.read_text().replace("{adapter: adapter}", '{adapter: "a\\e[31mb\\x00"}'))
    ran = gate("check", config)
    assert "\x1b" not in ran.out
    assert "\x00" not in ran.out


def test_compare__one_suite_alone_is_a_partial_run(gate: Gate, tmp_path: Path) -> None:
    config = write_project(tmp_path)
    ran = compare(gate, config, write_answers(tmp_path / "a.jsonl"), "--suite", "routing")
    assert ran.code == 0
    assert ran.out.startswith("Cannot tell: nothing was checked for regressions")
    assert "A partial run: only the suites routing." in ran.out.replace("\n  ", " ")


def test_compare__model_text_in_a_report_is_inert(gate: Gate, tmp_path: Path) -> None:
    config = write_project(tmp_path)
    answers = write_answers(tmp_path / "a.jsonl", broke=40)
    hostile = r"@everyone \u001b[31m<script>alert(1)</script> ::error::x ![x](http://x.y) \u202e"
    answers.write_text(answers.read_text().replace('"text": "x"', f'"text": "{hostile}"'))
    ran = compare(gate, config, answers)
    assert "\x1b" not in ran.out
    assert "\u202e" not in ran.out
    assert "\n::error" not in ran.out
    report = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "\x1b" not in report
    assert "\u202e" not in report


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "No such command"),
        (["run", "--nonsense"], "No such option"),
        (["run", "nowhere.yaml"], "nowhere.yaml: no such file"),
        (["compare", "gate.yaml", "--responses", "nonsense"], "expected ARM=FILE, with ARM one of base, incumbent"),
        (["compare", "gate.yaml", "--responses", "other=x"], "expected ARM=FILE, with ARM one of base, incumbent"),
        (["compare", "gate.yaml", "--responses", "base=nowhere.jsonl"], "nowhere.jsonl"),
        (["compare", "gate.yaml"], "responses.jsonl"),
        (["run", "gate.yaml", "--suite", "fact"], "no suite is called 'fact'; there are facts, routing"),
        (["run", "gate.yaml", "--fail-on", "always"], "Invalid value for '--fail-on'"),
        (["run", "gate.yaml", "--limit", "0"], "Invalid value for '--limit'"),
        (["run", "gate.yaml", "--seed", "-1"], "Invalid value for '--seed'"),
        (["run", "gate.yaml"], "base: no such folder"),
        (["run", "gate.yaml", "--output", "facts.jsonl"], "cannot be used as a folder"),
        (["report"], "Missing argument"),
        (["report", "nowhere.json"], "nowhere.json: cannot be read"),
        (["report", "facts.jsonl"], "not valid JSON"),
    ],
)  # fmt: skip
def test_cli__a_wrong_request_is_3_with_one_clear_sentence(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    ran = gate(*arguments)
    assert ran.code == 3
    assert message in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""


def test_check__names_everything_that_is_wrong_at_once(gate: Gate, tmp_path: Path) -> None:
    config = write_project(tmp_path)
    (tmp_path / "facts.jsonl").write_text(
        '{"id": "1", "prompt": "x"}\n{"id": "1", "prompt": "y", "reference": "z"}\nnot json\n'
    )
    (tmp_path / "routing.jsonl").write_text('{"id": "1", "prompt": "x", "reference": "c"}\n')
    ran = gate("check", config)
    assert ran.code == 3
    for part in ("facts.jsonl", "line 2", "line 3", "suites.routing: case 1 "):
        assert part in ran.err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "facts.jsonl"),
        (b"\n\n", "facts.jsonl"),
        (b'{"id": "1", "prompt": "\xff"}', "facts.jsonl"),
        ('{"id": "1", "prompt": "x", "reference": "y"}'.encode("utf-16"), "facts.jsonl"),
        (b'{"id": "1", "prompt": "x"}', "case 1 has no reference"),
    ],
)  # fmt: skip
def test_check__unusable_cases_are_refused(gate: Gate, tmp_path: Path, content: bytes, message: str) -> None:
    config = write_project(tmp_path)
    (tmp_path / "facts.jsonl").write_bytes(content)
    ran = gate("check", config)
    assert ran.code == 3
    assert message in ran.err
    assert "Traceback" not in ran.err


def test_check__says_which_rules_can_never_pass(gate: Gate, tmp_path: Path) -> None:
    ran = gate("check", write_project(tmp_path / "small", n=40, drop="2pp"))
    assert ran.code == 0
    assert (
        "facts: max_drop of 2 pp cannot pass on 40 cases, even if no answer changes; at least 149 are needed."
        in ran.out
    )
    assert "facts: 40 cases are too few for most decisions (a score near 50 % is known to +-15.5 pp)." in ran.out
    zero = gate("check", write_project(tmp_path / "zero", drop="0pp"))
    assert "max_drop of 0 pp can pass only on a proven gain" in zero.out
    assert "base.model: base is not a folder here" in zero.out
    assert "candidate.adapter: adapter is not here (yet)." in zero.out


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("{kind: critical}", "gate.yaml: rules: critical: no case is marked critical"),
        ("{kind: critical, tag: safty}", "gate.yaml: rules: critical: no case has the tag 'safty'"),
    ],
)
def test_check__a_rule_about_nothing_is_wrong(gate: Gate, tmp_path: Path, rule: str, message: str) -> None:
    config = write_project(tmp_path)
    config.write_text(config.read_text() + f"rules: [{rule}]\n")
    ran = gate("check", config)
    assert ran.code == 3
    assert message in ran.err


@pytest.mark.parametrize("command", [["check", "--schema"], ["report", "--schema"]])
def test_cli__schemas_are_json_schemas(gate: Gate, command: list[str]) -> None:
    ran = gate(*command)
    assert ran.code == 0
    assert json.loads(ran.out)["type"] == "object"


@pytest.mark.parametrize(
    "command", [[], ["run"], ["answer"], ["compare"], ["check"], ["power"], ["report"], ["publish"]]
)
def test_cli__help_is_there_for_everything(gate: Gate, command: list[str]) -> None:
    ran = gate(*command, "--help")
    assert ran.code == 0
    assert ran.out.startswith("Usage: gate")


def test_cli__version(gate: Gate) -> None:
    assert gate("--version").out.startswith("gate, version 0.")


def test_cli__a_reader_that_goes_away_is_no_traceback(gate: Gate, tmp_path: Path) -> None:
    config = write_project(tmp_path)
    compare(gate, config, write_answers(tmp_path / "a.jsonl"))
    command = f"{sys.executable} -m gate report {tmp_path}/out/round.json --format json | head -c 1"
    ran = subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True, check=False)
    assert ran.stdout == "{"
    assert ran.stderr == ""


def test_cli__an_unknown_problem_is_a_broken_run(gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug\nwith details")

    monkeypatch.setattr("gate.pipeline.compare", explode)
    ran = compare(gate, write_project(tmp_path), tmp_path / "x")
    assert ran.code == 4
    assert "unexpected ZeroDivisionError: a bug\n" in ran.err
    assert "This is a bug in gate" in ran.err
