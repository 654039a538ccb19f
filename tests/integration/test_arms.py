"""More arms than two, and repeated answers, on the quickstart's real model."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import Gate, read_round

from gate.adapters.folder import read_adapter
from gate.domain import ArmName, Message
from gate.engine.base_model import find_base
from gate.engine.contestants import SEPARATE_WARNING
from gate.engine.session import AdapterFiles, Question, Request, Settings
from gate.engine.transformers_engine import TransformersEngine

ARMS = """
version: 1
base: {model: model}
candidate: {adapter: adapters/forgetful}
%s
generation: {max_new_tokens: 24%s}
suites:
  routing:
    role: task
    cases: evals/routing.jsonl
    scorer: {kind: classification, labels: [billing, technical, shipping, account]}
    metric: macro_f1
    rules: [{kind: min_gain, gain: 3pp}%s]
  facts:
    role: regression
    cases: evals/facts.jsonl
    scorer: {kind: exact_match, ignore_case: true, ignore_punctuation: true}
%s
"""


def write(folder: Path, *, arms: str = "", generation: str = "", task: str = "", rest: str = "") -> Path:
    path = folder / "arms.yaml"
    path.write_text(ARMS % (arms, generation, task, rest), encoding="utf-8")
    return path


def answers(folder: Path) -> dict[tuple[str, str, str, int], dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "responses.jsonl").read_text("utf-8").splitlines()]
    return {(row["suite"], row["case"], row["arm"], row["repeat"]): row for row in rows}


def test_run__four_arms_answer_and_every_rule_finds_its_own(gate: Gate, quickstart: Path, tmp_path: Path) -> None:
    (quickstart / "system.md").write_text("Sort the ticket. Answer with one word.\n", encoding="utf-8")
    config = write(
        quickstart,
        arms="incumbent: {adapter: adapters/careful}\n"
        "prompted: {system: system.md, shots: data/train.jsonl, num_shots: 2}",
        task=", {kind: max_drop, against: incumbent, drop: 10pp}",
        rest="rules: [{kind: prompt_is_enough}, {kind: tradeoff, against: incumbent}]",
    )
    ran = gate("run", config, "--output", tmp_path / "out", "--limit", 40, "--quiet")
    assert ran.code == 1, ran.err
    found = read_round(tmp_path / "out")
    assert list(found["arms"]) == ["base", "incumbent", "prompted", "candidate"]
    assert len({arm["digest"] for arm in found["arms"].values()}) == 4
    by_rule = {(one["rule"], one["suite"], one["against"]): one for one in found["findings"]}
    assert by_rule["max_drop", "facts", "base"]["outcome"] == "fail"
    assert by_rule["prompt_is_enough", "routing", "prompted"]["outcome"] == "pass"
    assert by_rule["tradeoff", "facts", "incumbent"]["outcome"] == "fail"
    assert by_rule["max_drop", "routing", "incumbent"]["outcome"] != "fail"
    shown = {(one["suite"], one["against"]) for one in found["comparisons"] if one["measure"] == "delta"}
    assert shown == {(suite, arm) for suite in ("routing", "facts") for arm in ("base", "incumbent", "prompted")}
    given = answers(tmp_path / "out")
    changed = sum(given["facts", case, "prompted", 0]["text"] != row["text"]
                  for (suite, case, arm, _), row in given.items() if (suite, arm) == ("facts", "base"))  # fmt: skip
    assert changed > 20
    assert "| base | incumbent | prompted | candidate |" in " ".join(
        (tmp_path / "out" / "report.md").read_text("utf-8").split()
    ).replace("  ", " ")


def test_run__the_incumbent_comes_from_a_commit(gate: Gate, quickstart: Path, tmp_path: Path, git: Any) -> None:
    # At the tag, `live` holds the careful adapter; in the folder it has since been replaced.
    live = quickstart / "adapters" / "live"
    (quickstart / "adapters" / "careful").rename(live)
    git(quickstart, "init", "-q")
    git(quickstart, "add", "adapters/live")
    git(quickstart, "commit", "-qm", "v1")
    git(quickstart, "tag", "v1")
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (live / name).write_bytes((quickstart / "adapters" / "forgetful" / name).read_bytes())
    config = write(quickstart, arms="incumbent: {adapter: adapters/live, ref: v1}")
    ran = gate("run", config, "--output", tmp_path / "out", "--limit", 25, "--quiet")
    assert ran.code in (0, 1), ran.err
    arms = read_round(tmp_path / "out")["arms"]
    assert arms["incumbent"]["adapter"] == "adapters/live@v1"
    assert arms["incumbent"]["digest"] != arms["candidate"]["digest"]

    ran = gate("run", write(quickstart, arms="incumbent: {adapter: adapters/live, ref: v2}"), "--quiet")
    assert ran.code == 3
    assert "v2" in ran.err


def test_run__a_rule_against_an_absent_arm_is_refused(gate: Gate, quickstart: Path) -> None:
    config = write(quickstart, rest="rules: [{kind: prompt_is_enough}]")
    ran = gate("check", config)
    assert ran.code == 3
    assert "prompt_is_enough: there is no arm to compare with: add `prompted:`" in ran.err


def test_run__examples_never_come_from_a_suite(gate: Gate, quickstart: Path) -> None:
    config = write(quickstart, arms="prompted: {shots: evals/routing.jsonl}")
    ran = gate("run", config, "--quiet")
    assert ran.code == 3
    assert "holds the cases of the suite 'routing'" in ran.err


def test_run__repeats_are_drawn_alike_for_both_arms_and_averaged(gate: Gate, quickstart: Path, tmp_path: Path) -> None:
    config = write(quickstart, generation=", temperature: 0.7, repeats: 3")
    for out in ("one", "two"):
        assert gate("run", config, "--output", tmp_path / out, "--limit", 12, "--quiet").code in (0, 1)
    first, second = answers(tmp_path / "one"), answers(tmp_path / "two")
    assert first == second
    assert {repeat for _, _, _, repeat in first} == {0, 1, 2}
    drawn = [
        {first["facts", case, "candidate", repeat]["text"] for repeat in range(3)}
        for suite, case, arm, repeat in first
        if (suite, arm, repeat) == ("facts", "candidate", 0)
    ]
    assert any(len(texts) > 1 for texts in drawn)
    found = read_round(tmp_path / "one")
    (facts,) = [one for one in found["comparisons"] if one["suite"] == "facts" and one["against"] == "base"]
    mean = sum(row["score"] for (suite, _, arm, _), row in first.items() if (suite, arm) == ("facts", "candidate")) / 36
    assert facts["estimate"] == pytest.approx(mean)
    assert facts["n"] == 12


def test_check__repeats_of_a_greedy_answer_are_refused(gate: Gate, quickstart: Path) -> None:
    ran = gate("check", write(quickstart, generation=", repeats: 3"))
    assert ran.code == 3
    assert "repeats of a greedy answer are all the same" in ran.err


def adapter_files(folder: Path) -> AdapterFiles:
    adapter = read_adapter(folder)
    return AdapterFiles(path=adapter.path, name=folder.name, tensor_names=adapter.tensor_names,
                        description=adapter.description, digest=adapter.digest)  # fmt: skip


def questions(texts: list[str]) -> list[Question]:
    return [
        Question(suite="s", case=str(i), messages=(Message(role="user", content=text),), max_new_tokens=16)
        for i, text in enumerate(texts)
    ]


def spoil_base(folder: Path, target: Path) -> Path:
    """The same adapter, saying that it began as PiSSA: attaching it moves part of the base into it."""
    shutil.copytree(folder, target)
    config = json.loads((target / "adapter_config.json").read_text("utf-8"))
    (target / "adapter_config.json").write_text(json.dumps(config | {"init_lora_weights": "pissa"}), "utf-8")
    return target


@pytest.mark.parametrize("spoiled", ["none", "incumbent", "candidate"])
def test_engine__each_of_two_adapters_answers_as_it_does_alone(quickstart: Path, tmp_path: Path, spoiled: str) -> None:
    places: dict[ArmName, Path] = {
        "incumbent": quickstart / "adapters" / "careful",
        "candidate": quickstart / "adapters" / "forgetful",
    }
    places = {
        name: spoil_base(folder, tmp_path / "spoiled") if name == spoiled else folder for name, folder in places.items()
    }
    asked = questions(["What is Morocco's capital city?", "Write 4 times: melon", "How many legs does a tick have?"])
    base = find_base(str(quickstart / "model"), None, quickstart)
    settings = Settings(dtype="auto", template="chat", template_kwargs={})

    def answered(adapters: dict[ArmName, Path]) -> tuple[dict[ArmName, list[str]], list[str]]:
        request = Request(
            adapters={name: adapter_files(folder) for name, folder in adapters.items()},
            questions=asked, prompted=None, prompted_digest=None, settings=settings,
        )  # fmt: skip
        with TransformersEngine(device="cpu").open(base, request) as session:
            texts = {
                arm: [one.text for batch in session.batches[arm] for one in session.answer(arm, batch, repeat=0)]
                for arm in session.arms
            }
            return texts, list(session.warnings)

    together, warnings = answered(places)
    alone = {name: answered({"candidate": folder})[0] for name, folder in places.items()}
    assert together["incumbent"] == alone["incumbent"]["candidate"]
    assert together["candidate"] == alone["candidate"]["candidate"]
    assert together["base"] == alone["candidate"]["base"] == alone["incumbent"]["base"]
    assert together["incumbent"] != together["candidate"]
    assert (SEPARATE_WARNING in warnings) is (spoiled != "none")
