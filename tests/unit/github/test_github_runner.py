"""What the runner reads: commands in the output, and files. Read back here as the runner reads them."""

import re
from pathlib import Path

import pytest

from gate.errors import BrokenRun
from gate.github.files import SUMMARY_BYTES, add_summary, summary_room, write_outputs
from gate.github.workflow_commands import annotation, commands_stopped

HOSTILE = [
    "hello ##[set-output name=passed]true",
    "x\r::set-output name=passed::true",
    "\u3000::error::x",
    "x\n::add-mask::a",
    "::stop-commands::zz",
    "a%0A::error::b",
    "title=x,file=/etc/passwd::y",
    "\u2028::error::x",
    "\x1b[31m::error::x",
]


def as_the_runner(line: str) -> tuple[str, dict[str, str], str]:
    """Take a command apart: its name, its properties, its message."""
    found = re.fullmatch(r"::([a-z-]+)(?: (.*?))?::(.*)", line)
    assert found is not None

    def plain(text: str) -> str:
        for code, char in {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}.items():
            text = text.replace(code, char)
        return text

    pairs = (pair.split("=", 1) for pair in (found[2] or "").split(",") if pair)
    return found[1], {name: plain(value) for name, value in pairs}, plain(found[3])


@pytest.mark.parametrize("text", HOSTILE)
def test_annotation__no_text_adds_a_command_or_a_property(text: str) -> None:
    line = annotation("error", text, title=text, file="gate.yaml", line=3)
    assert line.startswith("::error file=gate.yaml,line=3,title=")
    assert len(re.split("[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]", line)) == 1
    assert "##[" not in line
    assert set(as_the_runner(line)[1]) == {"file", "line", "title"}


def test_annotation__reads_back_as_it_was_meant() -> None:
    text = "100 %, see: a\nb"
    line = annotation("warning", text, title="a, b: 5 %", file="dir,x/gate.yaml", line=7)
    place = {"file": "dir,x/gate.yaml", "line": "7", "title": "a, b: 5 %"}
    assert as_the_runner(line) == ("warning", place, text)
    assert annotation("notice", "just this", line=7) == "::notice::just this"


def test_commands_stopped__a_fresh_token_each_time() -> None:
    said: list[str] = []
    for _ in range(2):
        with commands_stopped(said.append):
            said.append("::error::no command")
    tokens = [line.removeprefix("::stop-commands::") for line in said[::3]]
    assert all(re.fullmatch("[0-9a-f]{32}", token) for token in tokens)
    assert tokens[0] != tokens[1]
    assert said[2::3] == [f"::{token}::" for token in tokens]


def read_outputs(path: Path) -> dict[str, str]:
    """As the runner does: line feeds alone end lines, the last value of a name counts."""
    outputs, lines = {}, path.read_bytes().decode().split("\n")
    while lines:
        line = lines.pop(0)
        equal, heredoc = line.find("="), line.find("<<")
        if equal >= 0 and (heredoc < 0 or equal < heredoc):
            outputs[line[:equal]] = line[equal + 1 :]
        elif heredoc >= 0:
            name, delimiter = line[:heredoc], line[heredoc + 2 :]
            end = lines.index(delimiter)
            outputs[name] = "\n".join(lines[:end])
            del lines[: end + 1]
        else:
            assert line == ""
    return outputs


def test_write_outputs__a_value_stays_one_value(tmp_path: Path) -> None:
    path = tmp_path / "output"
    path.write_text("earlier=1\n")
    hostile = {
        "a": "a\nEOF\npassed=true\nx<<EOF", "b": "x\r\npassed=true", "c": "<<EOF", "d": "a=b", "e": "", "f": "x\u2028y",
    }  # fmt: skip
    write_outputs(path, {"passed": "false", **hostile})
    assert read_outputs(path) == {"earlier": "1", "passed": "false", **hostile}


@pytest.mark.parametrize("name", ["passed=true\nx", "", "Passed", "a<<b"])
def test_write_outputs__a_name_is_a_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is no name of an output"):
        write_outputs(tmp_path / "output", {name: "x"})


def test_add_summary__never_more_than_the_runner_keeps(tmp_path: Path) -> None:
    path = tmp_path / "summary"
    assert summary_room(path) == SUMMARY_BYTES - 1
    add_summary(path, "ü" * 1000)
    assert summary_room(path) == SUMMARY_BYTES - 1 - 2000
    with pytest.raises(ValueError, match="dropped as a whole"):
        add_summary(path, "ü" * (SUMMARY_BYTES // 2))
    assert path.read_text() == "ü" * 1000


def test_write_outputs__a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(BrokenRun, match="cannot be written: Is a directory"):
        write_outputs(tmp_path, {"passed": "false"})
    assert not list(tmp_path.iterdir())
