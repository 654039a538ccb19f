"""Preflight through the real command: what is refused, what `allow` lets pass, and who gets to read it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Gate, Ran, read_round


def template(quickstart: Path, change: Callable[[str], str]) -> None:
    path = quickstart / "model" / "chat_template.jinja"
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


def configure(quickstart: Path, *lines: str) -> Path:
    path = quickstart / "gate.yaml"
    path.write_text("\n".join([path.read_text(encoding="utf-8"), *lines, ""]), encoding="utf-8")
    return path


def small(gate: Gate, quickstart: Path, out: Path, *more: object, command: str = "run") -> Ran:
    undecided = () if command == "answer" else ("--fail-on", "never")
    return gate(
        command, quickstart / "gate.yaml", "--limit", 12, "--suite", "facts", "--output", out, *undecided, *more
    )


def checks(out: Path) -> dict[str, dict[str, Any]]:
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    return {check["id"]: check for check in manifest["preflight"]}


def add_token(quickstart: Path) -> None:
    path = quickstart / "model" / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["added_tokens"].append({**content["added_tokens"][0], "id": 512, "content": "<|tool|>"})
    path.write_text(json.dumps(content), encoding="utf-8")


DAMAGES: dict[str, Callable[[Path], None]] = {
    "P17": lambda folder: template(folder, lambda text: "{{ bos_token }}" + text),
    "P19": lambda folder: template(folder, lambda text: text.replace("{{ message.content }}", "{{ message.role }}")),
    "P22": lambda folder: template(folder, lambda text: text.replace("<|im_end|>", "<|pad|>")),
    "P25": add_token,
}


@pytest.mark.parametrize("name", DAMAGES)
def test_run__refuses_and_says_which_check(gate: Gate, quickstart: Path, tmp_path: Path, name: str) -> None:
    DAMAGES[name](quickstart)
    ran = small(gate, quickstart, tmp_path / "out")
    assert ran.code == 3
    assert f"({name})" in ran.err
    assert f"`allow: [{name}]`" in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""
    assert not (tmp_path / "out" / "round.json").exists()


@pytest.mark.parametrize("name", DAMAGES)
def test_run__allow_goes_on_and_every_report_says_so(gate: Gate, quickstart: Path, tmp_path: Path, name: str) -> None:
    DAMAGES[name](quickstart)
    configure(quickstart, f"allow: [{name}]")
    out = tmp_path / "out"
    ran = small(gate, quickstart, out)
    assert ran.code == 0
    said = f"{name} was passed over on purpose (`allow`): "
    round_ = read_round(out)
    assert [warning for warning in round_["warnings"] if warning.startswith(said)]
    assert {check["id"] for check in round_["preflight"] if check["outcome"] == "allowed"} == {name}
    assert f"| ⚠️ allowed | {name} |" in (out / "report.md").read_text(encoding="utf-8")
    assert f"{name} " in ran.err
    assert "passed over on purpose" in ran.err
    assert "1 passed over on purpose" in ran.out
    quiet = small(gate, quickstart, out, "--quiet")
    assert (quiet.code, quiet.err) == (0, "")


def test_run__the_quickstart_has_nothing_to_warn_of(gate: Gate, quickstart: Path, tmp_path: Path) -> None:
    configure(quickstart, "training: {data: data/train.jsonl}")
    ran = small(gate, quickstart, tmp_path / "out")
    assert {check["outcome"] for check in checks(tmp_path / "out").values()} == {"ok"}
    count = len(read_round(tmp_path / "out")["preflight"])  # some are made for each arm
    assert f"Preflight {count} of {count}." in ran.out
    assert "warn" not in ran.err


def test_run__training_data_of_another_candidate_is_noticed(gate: Gate, quickstart: Path, tmp_path: Path) -> None:
    swapped = quickstart / "swapped.jsonl"
    rows = [{"prompt": f"say {number}", "reference": "zebra xylophone quartz"} for number in range(20)]
    swapped.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    configure(quickstart, "training: {data: swapped.jsonl}")
    ran = small(gate, quickstart, tmp_path / "out")
    seen = checks(tmp_path / "out")["P28"]
    assert seen["outcome"] == "warn", seen
    assert "P28 training rows are likelier: warning: " in ran.err
    assert "Preflight warns (P28)" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")


def test_run__missing_training_data_is_a_wrong_request(gate: Gate, quickstart: Path, tmp_path: Path) -> None:
    configure(quickstart, "training: {data: nowhere.jsonl}")
    ran = small(gate, quickstart, tmp_path / "out")
    assert (ran.code, "training.data: nowhere.jsonl" in ran.err) == (3, True)
    checked = gate("check", quickstart / "gate.yaml")
    assert (checked.code, "training.data: nowhere.jsonl is not here (yet)." in checked.out) == (0, True)


def test_run__an_adapter_with_another_template_is_shown(gate: Gate, quickstart: Path, tmp_path: Path) -> None:
    other = quickstart / "adapters" / "forgetful" / "chat_template.jinja"
    other.write_text("{{ '::error::' }}\x1b[31m", encoding="utf-8")
    ran = small(gate, quickstart, tmp_path / "out")
    assert ran.code == 0
    seen = checks(tmp_path / "out")["P18"]
    assert seen["outcome"] == "warn"
    assert "another chat template (it differs from line 1 on" in seen["message"]
    assert "\x1b" not in ran.err + ran.out


def test_run__the_date_in_a_template_is_the_same_every_day(gate: Gate, quickstart: Path, tmp_path: Path) -> None:
    template(quickstart, lambda text: text.replace("{{ bos_token }}", "{{ bos_token }}{{ strftime_now('%d %b %Y') }}"))
    small(gate, quickstart, tmp_path / "out")
    assert "it is told 2025-01-01 on every day" in checks(tmp_path / "out")["P20"]["message"]


def test_run__system_turns_that_a_template_refuses_are_folded_for_every_arm(
    gate: Gate, quickstart: Path, tmp_path: Path
) -> None:
    refuse = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    template(quickstart, lambda text: refuse + text)
    cases = quickstart / "evals" / "facts.jsonl"
    rows = [json.loads(line) for line in cases.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        row["messages"] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": row.pop("prompt")}]
    cases.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    ran = small(gate, quickstart, tmp_path / "out")
    assert ran.code == 0
    seen = checks(tmp_path / "out")["P19"]
    assert (seen["outcome"], "12 prompts have one: it was put in front" in seen["message"]) == ("warn", True)
    assert any("takes no system turn" in warning for warning in read_round(tmp_path / "out")["warnings"])


@pytest.mark.parametrize(("rule", "scored"), [("auto", 0.0), ("false", None)])
def test_run__reasoning_that_the_prompt_begins_and_nobody_ends_is_no_answer(
    gate: Gate, quickstart: Path, tmp_path: Path, rule: str, scored: float | None
) -> None:
    template(
        quickstart,
        lambda text: text.replace("<|im_start|>assistant\n{% endif", "<|im_start|>assistant\n<think>\n{% endif"),
    )
    path = quickstart / "gate.yaml"
    text = path.read_text(encoding="utf-8").replace("max_new_tokens: 48", f"max_new_tokens: 48, strip_thinking: {rule}")
    path.write_text(text, encoding="utf-8")
    out = tmp_path / "out"
    small(gate, quickstart, out)
    rows = [json.loads(line) for line in (out / "responses.jsonl").read_text(encoding="utf-8").splitlines()]
    assert read_round(out)["environment"]["reasoning"] == "begun by the prompt"
    assert all("</think>" not in row["text"] for row in rows)
    assert any(row["text"].strip() for row in rows)
    if scored is None:
        assert {row["why"] for row in rows} != {"the answer is empty"}
    else:
        assert {row["score"] for row in rows} == {scored}
        assert len({row["why"] for row in rows}) == 1


def test_compare__a_manifest_of_an_earlier_version_has_no_checks(gate: Gate, quickstart: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    small(gate, quickstart, out, command="answer")
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest.pop("preflight")
    (out / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    ran = gate("compare", quickstart / "gate.yaml", "--suite", "facts", "--output", out, "--fail-on", "never")
    assert ran.code == 0
    assert "Preflight" not in ran.out
    assert read_round(out)["preflight"] == []


def test_check__an_unknown_check_in_allow_is_an_error(gate: Gate, quickstart: Path) -> None:
    ran = gate("check", configure(quickstart, "allow: [p22]"))
    assert ran.code == 3
    assert "allow.0: no preflight check is called 'p22', did you mean 'P22'?" in ran.err
