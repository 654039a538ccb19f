"""Training files: every form that trainers write, and one clear message for the rest."""

import json
from pathlib import Path

import pytest

from gate.data.training import TrainingRow, load_training
from gate.domain import Message
from gate.errors import CasesError


def load(tmp_path: Path, content: str | bytes, name: str = "train.jsonl") -> tuple[TrainingRow, ...]:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return load_training(path, label=name)


def refusal(tmp_path: Path, content: str | bytes, name: str = "train.jsonl") -> str:
    with pytest.raises(CasesError) as caught:
        load(tmp_path, content, name)
    return caught.value.message


def asked(text: str) -> tuple[Message, ...]:
    return (Message(role="user", content=text),)


SYSTEM, USER, SAID, AGAIN = (
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Größe?"},
    {"role": "assistant", "content": "1 m", "weight": 1},
    {"role": "user", "content": "Sure?"},
)


@pytest.mark.parametrize(
    ("row", "messages", "answer", "text"),
    [
        ({"prompt": "p", "reference": "r"}, asked("p"), "r", "p\nr"),
        ({"prompt": "p", "completion": "c", "id": 3, "tags": ["x"]}, asked("p"), "c", "p\nc"),
        ({"prompt": "p", "references": ["r", "s"]}, asked("p"), "r", "p\nr"),
        ({"prompt": "p", "completion": ""}, asked("p"), "", "p\n"),
        ({"prompt": "p", "completion": None, "reference": "r", "text": None}, asked("p"), "r", "p\nr"),
        ({"instruction": "i", "output": "o"}, asked("i"), "o", "i\no"),
        ({"instruction": "i", "input": " ", "output": "o"}, asked("i"), "o", "i\no"),
        ({"instruction": "i", "input": None, "output": "o", "text": "i o"}, asked("i"), "o", "i\no"),
        ({"instruction": "i", "input": "n", "output": "o"}, asked("i\n\nn"), "o", "i\n\nn\no"),
        ({"text": "Once upon a time."}, (), None, "Once upon a time."),
        ({"messages": [USER, SAID], "prompt": ["not", "read"]}, asked("Größe?"), "1 m", "Größe?\n1 m"),
        ({"messages": [SYSTEM, USER, SAID, AGAIN]},
         (Message(role="system", content="Be brief."), *asked("Größe?")), "1 m", "Be brief.\nGröße?\n1 m\nSure?"),
        ({"messages": [USER, SAID, AGAIN], "reference": "yes"},
         (*asked("Größe?"), Message(role="assistant", content="1 m"), *asked("Sure?")),
         "yes", "Größe?\n1 m\nSure?\nyes"),
        ({"messages": [USER], "completion": "2 m"}, asked("Größe?"), "2 m", "Größe?\n2 m"),
        ({"messages": [USER, SAID], "reference": "left aside"}, asked("Größe?"), "1 m", "Größe?\n1 m"),
        ({"messages": [USER, {"role": "assistant", "content": None, "tool_calls": []}]}, asked("Größe?"), "", "Größe?\n"),
    ],
)  # fmt: skip
def test_load_training__forms(
    tmp_path: Path, row: dict[str, object], messages: tuple[Message, ...], answer: str | None, text: str
) -> None:
    expected = TrainingRow(line=2, messages=messages, answer=answer, text=text)
    assert load(tmp_path, "\n" + json.dumps(row)) == (expected,)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON: Expecting property name"),
        ("[]", "not a JSON object"),
        ('{"text": "a", "text": "b"}', "the key 'text' occurs twice"),
        ('{"id": 1}', "has none of 'messages', 'prompt', 'instruction' or 'text'"),
        ('{"text": null}', "has none of 'messages', 'prompt', 'instruction' or 'text'"),
        ('{"text": " "}', "'text' must not be empty"),
        ('{"text": ["a"]}', "'text' must be text, not ['a']"),
        ('{"prompt": "p"}', "has a 'prompt' but neither 'reference' nor 'completion'"),
        ('{"prompt": "", "completion": "c"}', "'prompt' must not be empty"),
        ('{"prompt": "p", "completion": 4}', "'completion' must be text, not 4"),
        ('{"prompt": "p", "references": []}', "'references' List should have at least 1 item"),
        ('{"instruction": "i"}', "'output' is missing"),
        ('{"instruction": 1, "output": null}', "'instruction' must be text, not 1; 'output' is missing"),
        ('{"messages": []}', "'messages' List should have at least 1 item"),
        ('{"messages": "hi"}', "'messages' must be a list, not 'hi'"),
        ('{"messages": [{"content": "hi"}]}', "'messages.0.role' is missing"),
        ('{"messages": [{"role": "assistant", "content": " "}]}', "'messages' says nothing"),
        ('{"messages": [{"role": "user", "content": "hi"}]}', "'messages' has no turn of the assistant"),
    ],
)
def test_load_training__bad_line(tmp_path: Path, line: str, reason: str) -> None:
    message = refusal(tmp_path, '{"text": "good"}\n' + line)
    assert message.startswith("train.jsonl has 1 bad line:\n  line 2: ")
    assert reason in message


def test_load_training__all_bad_lines_at_once(tmp_path: Path) -> None:
    lines = refusal(tmp_path, '{"text": ""}\n{"text": "good"}\n{\n{"id": 1}').splitlines()
    assert lines[0] == "train.jsonl has 3 bad lines:"
    assert [line.split(":")[0] for line in lines[1:]] == ["  line 1", "  line 3", "  line 4"]


def test_load_training__list_of_rows(tmp_path: Path) -> None:
    text = '\n[{"text": "a, [b]"},\n\n{"text":\n"c"} , {"text": "d", "n": 1e999, "m": %s}\n]\n' % ("1" * 20)
    rows = load(tmp_path, text, "train.json")
    assert [(row.line, row.text) for row in rows] == [(2, "a, [b]"), (4, "c"), (5, "d")]


@pytest.mark.parametrize(
    ("content", "reasons"),
    [
        ('{"data": []}', ["line 1: not a list of rows"]),
        ("", ["line 1: not JSON: Expecting value"]),
        ('[{"text": "a"},\n{"text": "b"}\n{"text": "c"}]', ["line 3: not JSON: Expecting ',' delimiter"]),
        ('[{"text": "a"}]\n[]', ["line 2: not JSON: Extra data"]),
        ("[" * 200_000, ["line 1: not JSON: nested too deeply"]),
        ('[{"text": "a"},\n 7,\n{"text": NaN},\n{"x": %s}]' % ("1" * 5000),
         ["line 2: not a JSON object", "line 3: NaN is not JSON", "line 4: the number"]),
    ],
)  # fmt: skip
def test_load_training__list_is_broken(tmp_path: Path, content: str, reasons: list[str]) -> None:
    lines = refusal(tmp_path, content, "train.json").splitlines()[1:]
    assert len(lines) == len(reasons)
    for line, reason in zip(lines, reasons, strict=True):
        assert line.startswith(f"  {reason}")


def test_load_training__table(tmp_path: Path) -> None:
    table = (
        "\ufeff,prompt ,completion,messages,references\r\n"
        '0,"Say ""hi"",\nplease",hi,,\r\n'
        "\r\n"
        "1,Bye,,,\r\n"
        '2,,,"[{""role"": ""user"", ""content"": ""q""}, {""role"": ""assistant"", ""content"": ""a""}]",\r\n'
    )
    assert load(tmp_path, table, "train.csv") == (
        TrainingRow(line=2, messages=asked('Say "hi",\nplease'), answer="hi", text='Say "hi",\nplease\nhi'),
        TrainingRow(line=5, messages=asked("Bye"), answer="", text="Bye\n"),
        TrainingRow(line=6, messages=asked("q"), answer="a", text="q\na"),
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("id,question\n1,q\n", "line 1: there is no column 'messages', 'prompt', 'instruction' or 'text'"),
        ("text,text\n1,q\n", "line 1: the column 'text' occurs twice"),
        ("prompt,completion\np,c\np\n", "line 3: has 1 cells where the header has 2"),
        ('text\n"a"b\n', "line 2: not CSV"),
        ("messages\n[{]\n", "line 2: 'messages' is no JSON array: not JSON"),
        ("prompt,completion\n,c\n", "line 2: has none of 'messages', 'prompt'"),
        ("prompt\np\n", "line 2: has a 'prompt' but neither"),
    ],
)
def test_load_training__table_is_broken(tmp_path: Path, content: str, reason: str) -> None:
    assert refusal(tmp_path, content, "train.csv").startswith(f"train.csv has 1 bad line:\n  {reason}")


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        ("\n \n", "train.jsonl", "train.jsonl holds no training row."),
        (" [ ] ", "train.json", "train.json holds no training row."),
        ("", "train.csv", "train.csv holds no training row."),
        ("text\n", "train.csv", "train.csv holds no training row."),
        (b"\xff\xfea\0", "train.jsonl", "train.jsonl is UTF-16, not UTF-8."),
        ("x", "train.parquet", "training rows must be in a .jsonl, .json or .csv file, not '.parquet'."),
    ],
)
def test_load_training__nothing_to_read(tmp_path: Path, content: str | bytes, name: str, message: str) -> None:
    assert message in refusal(tmp_path, content, name)


def test_load_training__absent_file(tmp_path: Path) -> None:
    with pytest.raises(CasesError, match="t does not exist"):
        load_training(tmp_path / "none.jsonl", label="t")
