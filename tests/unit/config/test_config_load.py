from pathlib import Path

import pytest

from gate.config.load import load_config
from gate.config.schema import GateConfig
from gate.errors import ConfigError
from gate.rules import Amount, MaxDrop, MinGain

MINIMAL = """\
version: 1
base: {model: base}
candidate: {adapter: adapter}
suites:
  json:
    role: regression
    cases: json.jsonl
    scorer: {kind: exact_match}
"""


def load(folder: Path, text: str) -> object:
    path = folder / "gate.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path).config


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    return str(caught.value)


def test_load_config__minimal_file_has_defaults(tmp_path: Path) -> None:
    path = tmp_path / "gate.yaml"
    path.write_text(MINIMAL)
    loaded = load_config(path)
    assert loaded.config.statistics.alpha == 0.05
    assert loaded.config.suites["json"].rules is None
    assert loaded.resolve("x/y") == tmp_path / "x/y"
    assert loaded.resolve("/x/y") == Path("/x/y")


def test_load_config__rules_carry_their_amounts(tmp_path: Path) -> None:
    path = tmp_path / "gate.yaml"
    path.write_text(
        MINIMAL + "    rules: [{kind: max_drop, drop: 5%}, {kind: min_gain, gain: 3pp}, {kind: max_drop, drop: 2pp}]\n"
    )
    rules = load_config(path).config.suites["json"].rules
    assert rules == (
        MaxDrop(drop=Amount(0.05, "%")),
        MinGain(gain=Amount(0.03, "pp")),
        MaxDrop(drop=Amount(0.02, "pp")),
    )


def test_load_config__unknown_key_names_the_nearest(tmp_path: Path) -> None:
    text = MINIMAL.replace("{kind: exact_match}", "{kind: exact_match, ignorecase: true}")
    assert (
        refusal(tmp_path, text)
        == "gate.yaml:8:33: suites.json.scorer.ignorecase: unknown key, did you mean 'ignore_case'?"
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version: 1", "versoin: 1", "gate.yaml:1:1: versoin: unknown key, did you mean 'version'?"),
        ("version: 1", "version: 2", "gate.yaml:1:10: version: input should be 1 (found 2)"),
        ("version: 1\n", "", "gate.yaml:1:1: version: this key is required"),
        ("{model: base}", "{modle: base}", "gate.yaml:2:8: base.modle: unknown key, did you mean 'model'?"),
        ("{model: base}", "{}", "gate.yaml:2:7: base.model: this key is required"),
        ("{model: base}", "{model: 7}", "gate.yaml:2:15: base.model: expected text, found 7; put it in quotes if text is meant"),
        ("role: regression", "role: regresion", "suites.json.role: input should be 'task', 'regression' or 'distribution'"),
        ("exact_match", "exactmatch", "gate.yaml:8:13: suites.json.scorer: unknown kind 'exactmatch', did you mean 'exact_match'?"),
        ("{kind: exact_match}", "{}", "gate.yaml:8:13: suites.json.scorer: needs a `kind`"),
        ("    scorer: {kind: exact_match}\n", "", "gate.yaml:6:5: suites.json: a regression suite needs a scorer"),
        ("role: regression", "role: distribution", "a distribution suite has no right answers"),
        ("  json:", "  a/b:", "gate.yaml:5:3: suites.a/b"),
    ],
)  # fmt: skip
def test_load_config__says_where_and_what(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert message in refusal(tmp_path, MINIMAL.replace(old, new))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("{kind: max_drop, drop: 5}", "gate.yaml:9:36: suites.json.rules.0.drop: an amount needs its unit, for example 5pp"),
        ("{kind: max_drop, drop: 0.02}", "an amount needs its unit, for example 0.02pp"),
        ("{kind: max_drop, drop: \u0665pp}", "is no amount: a number from 0 to 100"),
        ("{kind: max_drop, drop: -2pp}", "is no amount: a number from 0 to 100"),
        ("{kind: max_drop, drop: 101pp}", "101pp is more than 100"),
        ("{kind: min_gain, gain: 3%}", "only percentage points make sense here: write '3pp'"),
        ("{kind: min_score, score: 0.8}", "a share is written with its per cent sign, for example '80%'"),
        ("{kind: min_score}", "suites.json.rules.0.score: this key is required"),
        ("{kind: max_drop, allpha: 0.01}", "gate.yaml:9:30: suites.json.rules.0.allpha: unknown key, did you mean 'alpha'?"),
        ("{kind: max_drop, alpha: 0}", "suites.json.rules.0.alpha: input should be greater than 0 (found 0)"),
        ("{kind: tradeoff}", "suites.json.rules.0: unknown kind 'tradeoff'"),
        ("{kind: max_drop, against: candidate}", "input should be 'base', 'incumbent' or 'prompted'"),
    ],
)  # fmt: skip
def test_load_config__bad_rules_are_errors(tmp_path: Path, rule: str, message: str) -> None:
    assert message in refusal(tmp_path, MINIMAL + f"    rules: [{rule}]\n")


def test_load_config__all_problems_at_once(tmp_path: Path) -> None:
    text = MINIMAL.replace("version: 1", "version: 3").replace("{adapter: adapter}", "{adaptor: x}")
    lines = refusal(tmp_path, text).splitlines()
    assert [line.split(": ")[0] for line in lines] == ["gate.yaml:1:10", "gate.yaml:3:13"]


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        ("{}", "it has either an `adapter` or, for a full fine-tune, a `model`"),
        ("{adapter: a, model: b}", "it has either an `adapter` or, for a full fine-tune, a `model`"),
        ("{revision: main}", "it has either an `adapter` or, for a full fine-tune, a `model`"),
    ],
)
def test_load_config__a_candidate_is_one_thing(tmp_path: Path, candidate: str, message: str) -> None:
    assert message in refusal(tmp_path, MINIMAL.replace("{adapter: adapter}", candidate))


def test_load_config__a_folder_a_missing_file_and_a_list_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="this is a folder"):
        load_config(tmp_path)
    with pytest.raises(ConfigError, match="no such file"):
        load_config(tmp_path / "nothing.yaml")
    assert "a configuration is a mapping" in refusal(tmp_path, "- a\n")
    assert "it is empty" in refusal(tmp_path, "")


def test_load_config__json_schema_file_is_read_relative_to_the_config(tmp_path: Path) -> None:
    folder = tmp_path / "größe mit Leerzeichen"
    folder.mkdir()
    (folder / "person.json").write_text('{"type": "object", "required": ["name"]}')
    load(folder, MINIMAL.replace("{kind: exact_match}", "{kind: json_schema, schema: person.json}"))


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), ("{", "not valid JSON"), ('{"type": "objekt"}', "suites.json.scorer.schema")],
)
def test_load_config__bad_json_schema_is_an_error_at_its_key(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "person.json").write_text(content)
    text = refusal(tmp_path, MINIMAL.replace("{kind: exact_match}", "{kind: json_schema, schema: person.json}"))
    assert message in text
    assert text.startswith("gate.yaml:8:")


def test_load_config__allow_names_known_checks_once(tmp_path: Path) -> None:
    assert load_config_of(tmp_path, "allow: [P22, P18]\n").allow == ("P22", "P18")
    assert load_config_of(tmp_path, "").allow == ()
    assert (
        refusal(tmp_path, MINIMAL + "allow: [P9]\n")
        == "gate.yaml:9:9: allow.0: no preflight check is called 'P9', did you mean 'P09'?"
    )
    assert refusal(tmp_path, MINIMAL + "allow: [everything]\n").endswith(
        "no preflight check is called 'everything'; they are P01 to P36"
    )
    assert refusal(tmp_path, MINIMAL + "allow: [P22, P18, P22]\n") == "gate.yaml:9:8: allow: P22 is named twice"


def test_load_config__training_takes_its_four_keys(tmp_path: Path) -> None:
    text = "training: {data: d.jsonl, log: s.json, date: 2026-11-20, source: tickets}\n"
    training = load_config_of(tmp_path, text).training
    assert (training.data, training.log, training.date, training.source) == (
        "d.jsonl",
        "s.json",
        "2026-11-20",
        "tickets",
    )
    assert "training.file: unknown key" in refusal(tmp_path, MINIMAL + "training: {file: x}\n")


def test_load_config__texts_are_published_unless_somebody_says_no(tmp_path: Path) -> None:
    assert load_config_of(tmp_path, "").publish.texts
    assert not load_config_of(tmp_path, "publish: {texts: false}\n").publish.texts
    assert "publish.text: unknown key, did you mean 'texts'?" in refusal(tmp_path, MINIMAL + "publish: {text: false}\n")


def test_load_config__says_where_things_stand(tmp_path: Path) -> None:
    path = tmp_path / "gate.yaml"
    path.write_text(MINIMAL, encoding="utf-8")
    loaded = load_config(path)
    assert loaded.line("base") == 1 + MINIMAL.splitlines().index("base: {model: base}")
    assert loaded.line("suites", "nowhere") is None


def load_config_of(folder: Path, more: str) -> GateConfig:
    path = folder / "gate.yaml"
    path.write_text(MINIMAL + more, encoding="utf-8")
    return load_config(path).config


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version: 1", "version: 0x" + "f" * 5000, "gate.yaml:1:10: a number of 5,002 characters is out of range"),
        ("version: 1", "version: 1" + ":59" * 4000, "gate.yaml:1:10: a number of 12,001 characters is out of range"),
        ("version: 1", "version: 1" + ":59" * 4000 + ".5", "a number of 12,003 characters is out of range"),
        ("suites:", "generation: {max_new_tokens: 0x" + "f" * 5000 + "}\nsuites:", "gate.yaml:4:30: a number of 5,002"),
        ("model: base", 'model: "\\ud800"', "gate.yaml:2:15: half of a surrogate pair is no text"),
        ("  json:", '  "\\udc00":', "gate.yaml:5:3: half of a surrogate pair is no text"),
        ("{kind: exact_match}", f"{{kind: json_schema, schema: {'x' * 300}.json}}", "File name too long"),
        ("{kind: exact_match}", '{kind: json_schema, schema: "a\\0b"}', "null"),
    ],
)  # fmt: skip
def test_load_config__what_cannot_be_shown_stored_or_opened_is_refused(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert said in refusal(tmp_path, MINIMAL.replace(old, new, 1))


def test_load_config__the_home_of_nobody_is_no_folder(tmp_path: Path) -> None:
    scorer = "{kind: json_schema, schema: ~no-such-user/s.json}"
    told = refusal(tmp_path, MINIMAL.replace("{kind: exact_match}", scorer))
    assert "~no-such-user/s.json: there is no such user" in told
    (tmp_path / "gate.yaml").write_text(MINIMAL)
    with pytest.raises(ConfigError, match="no such user"):
        load_config(tmp_path / "gate.yaml").resolve("~no-such-user/cases.jsonl")


def test_load_config__a_schema_with_an_endless_number(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"minimum": ' + "1" * 5000 + "}")
    told = refusal(tmp_path, MINIMAL.replace("{kind: exact_match}", "{kind: json_schema, schema: s.json}"))
    assert "s.json: not valid JSON: a number of 5,000 characters is out of range" in told


def test_load_config__a_pointer_of_git_lfs_is_named_as_such(tmp_path: Path) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 1234\n"
    assert refusal(tmp_path, pointer).startswith("gate.yaml: a git-LFS pointer, and not the configuration itself")


@pytest.mark.parametrize(
    ("revision", "reason"),
    [
        ("../../../written-outside", "'..' and '@{' are not accepted"),
        ("main@{1}", "'..' and '@{' are not accepted"),
        ("/etc/passwd", "a part between slashes is empty"),
        ("a//b", "a part between slashes is empty"),
        ("a/", "a part between slashes is empty"),
        ("./a", "begins or ends with '.'"),
        ("a/.b", "begins or ends with '.'"),
        ("a.lock", "or ends with '.lock'"),
        ("-rf", "it begins with '-'"),
        ("a b", "a space, a control character"),
        ("a\\u0007b", "a space, a control character"),
        ("a\\\\b", "a space, a control character"),
        ("main:x", "a space, a control character"),
        ("a" * 251, "at most 250 characters"),
        ("", "at least 1 character"),
    ],
)
@pytest.mark.parametrize("key", ["base", "candidate", "incumbent"])
def test_load_config__a_revision_is_a_name_in_git(tmp_path: Path, key: str, revision: str, reason: str) -> None:
    text = MINIMAL + "incumbent: {adapter: a/b}\n"
    start = {"base": "{model: base", "candidate": "{adapter: adapter", "incumbent": "{adapter: a/b"}[key]
    refused = refusal(tmp_path, text.replace(start, f'{start}, revision: "{revision}"'))
    assert f": {key}.revision: " in refused
    assert reason in refused


@pytest.mark.parametrize(
    "revision", ["main", "v1.0-rc.1", "refs/pr/1", "release/2026_11+a", "\u00fcber", "0" * 40, "a@b"]
)
def test_load_config__revisions_of_the_hub(tmp_path: Path, revision: str) -> None:
    path = tmp_path / "gate.yaml"
    path.write_text(MINIMAL.replace("{model: base}", f'{{model: a/b, revision: "{revision}"}}'), encoding="utf-8")
    assert load_config(path).config.base.revision == revision
