"""What passes for the full id of a commit."""

import pytest

from gate.transport.commit_id import is_full_id


@pytest.mark.parametrize("digits", [40, 64])
def test_is_full_id__both_of_gits_hashes_make_one(digits: int) -> None:
    assert is_full_id("0a" * (digits // 2))


@pytest.mark.parametrize("text", ["", "main", "a" * 39, "a" * 41, "a" * 65, "A" * 40, "g" * 40, "a" * 40 + "\n"])
def test_is_full_id__nothing_else_is_one(text: str) -> None:
    assert not is_full_id(text)
