"""Which prompts share a batch."""

import pytest

from gate.engine.lengths import Batching, rows_together, strictest
from gate.engine.session import Prompt

BATCH = [
    Prompt(suite="s", case=str(row), token_ids=tuple(range(length)), max_new_tokens=4)
    for row, length in enumerate([5, 3, 5, 4, 3])
]


@pytest.mark.parametrize(
    ("batching", "groups"),
    [
        ("any", ((0, 1, 2, 3, 4),)),
        ("same_length", ((0, 2), (1, 4), (3,))),
        ("alone", ((0,), (1,), (2,), (3,), (4,))),
    ],
)
def test_rows_together__every_row_once(batching: Batching, groups: tuple[tuple[int, ...], ...]) -> None:
    assert rows_together(BATCH, batching) == groups


def test_strictest__the_most_careful_decides() -> None:
    assert strictest(["any", "same_length"]) == "same_length"
    assert strictest(["any", "alone", "same_length"]) == "alone"
    assert strictest(["any"]) == "any"
