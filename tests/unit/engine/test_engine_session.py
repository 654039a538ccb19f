from hypothesis import given
from hypothesis import strategies as st

from gate.engine.session import Prompt, plan_batches


def a_prompt(case: str, length: int, new: int = 8) -> Prompt:
    return Prompt(suite="s", case=case, token_ids=tuple(range(length)), max_new_tokens=new)


def test_plan_batches__longest_first_and_within_the_budget() -> None:
    prompts = [a_prompt("a", 10), a_prompt("b", 40), a_prompt("c", 12), a_prompt("d", 38)]
    batches = plan_batches(prompts, 100)
    assert [[prompt.case for prompt in batch] for batch in batches] == [["b", "d"], ["c", "a"]]


def test_plan_batches__a_prompt_over_the_budget_is_alone() -> None:
    batches = plan_batches([a_prompt("a", 500), a_prompt("b", 500)], 256)
    assert [[prompt.case for prompt in batch] for batch in batches] == [["a"], ["b"]]


def test_plan_batches__different_limits_never_share_a_batch() -> None:
    batches = plan_batches([a_prompt("a", 5, new=8), a_prompt("b", 5, new=16)], 10_000)
    assert [[prompt.max_new_tokens for prompt in batch] for batch in batches] == [[16], [8]]


@given(st.lists(st.tuples(st.integers(1, 60), st.sampled_from([8, 32])), max_size=60), st.integers(256, 2000))
def test_plan_batches__every_prompt_once_in_any_order(shapes: list[tuple[int, int]], budget: int) -> None:
    prompts = [a_prompt(f"{index:03}", length, new) for index, (length, new) in enumerate(shapes)]
    batches = plan_batches(prompts, budget)
    assert sorted(prompt.case for batch in batches for prompt in batch) == [prompt.case for prompt in prompts]
    assert batches == plan_batches(prompts[::-1], budget)
    for batch in batches:
        assert len(batch) * (max(len(prompt.token_ids) for prompt in batch) + batch[0].max_new_tokens) <= budget
