from pathlib import Path

from gate.config.load import load_config
from gate.plan import Options, make_plan

CONFIG = """\
version: 1
base: {model: base}
candidate: {adapter: adapter}
suites:
  json:
    role: regression
    cases: cases.jsonl
    scorer: {kind: exact_match}
    rules:
      - {kind: max_drop, drop: 2pp}
      - kind: min_score
        score: 80%
  routing:
    role: task
    cases: cases.jsonl
    scorer: {kind: exact_match}
rules: [{kind: tradeoff}]
"""


def test_make_plan__every_rule_knows_its_line_and_a_default_one_that_of_its_suite(tmp_path: Path) -> None:
    (tmp_path / "gate.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "cases.jsonl").write_text('{"id": "a", "prompt": "p", "reference": "r"}\n', encoding="utf-8")
    declared = make_plan(load_config(tmp_path / "gate.yaml"), Options()).declared
    assert [(one.rule.kind, one.line) for one in declared] == [
        ("max_drop", 10),
        ("min_score", 11),
        ("min_gain", 13),
        ("tradeoff", 17),
    ]
