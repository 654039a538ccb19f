"""The hidden line by which a publisher finds its own comment."""

import pytest

from gate.errors import UsageError
from gate.report import marker
from gate.report.marker import is_marker


@pytest.mark.parametrize("comment_id", ["a--b", "-a", "a>b", "a b", "x" * 65, "ü", "a\nb"])
def test_marker__an_id_cannot_end_the_comment(comment_id: str) -> None:
    with pytest.raises(UsageError, match="comment-id"):
        marker(comment_id)


def test_marker__is_different_for_each_id() -> None:
    assert marker("support-bot_2.0") == "<!-- gate: support-bot_2.0 -->"
    assert marker("") == marker(None) == "<!-- gate -->"


@pytest.mark.parametrize(("line", "known"), [(marker(None), True), (marker("a-b"), True), ("<!-- other -->", False)])
def test_is_marker__is_what_marker_writes(line: str, known: bool) -> None:
    assert is_marker(line) is known
