"""The pure parts of the server backend: what is read, what is judged, what runs side by side."""

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.engine.server_plan import adapter_name, path_there
from gate.engine.server_probe import Probed, distance, judge_probes
from gate.engine.server_wire import Completion, Dialect
from gate.engine.session import Settings
from gate.engine.side_by_side import side_by_side


def a_dialect(template: str = "chat") -> Dialect:
    settings = Settings(dtype="auto", template=template, template_kwargs={})  # type: ignore[arg-type]
    return Dialect(settings=settings, max_tokens_field="max_tokens")


def a_completion(text: str, *logprobs: dict[str, float]) -> Completion:
    return Completion(
        text=text, finish="stop", tokens=None, logprobs=logprobs, chosen=tuple(max(one, key=one.__getitem__) for one in logprobs)
    )  # fmt: skip


def probed(before: Completion, adapter: Completion, after: Completion | None = None) -> Probed:
    return Probed(before=before, adapter=adapter, after=after or before)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "message", "content", "text", "finish_reason", "usage", "logprobs", "tokens", "token",
                 "logprob", "token_logprobs", "top_logprobs", "completion_tokens"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)  # fmt: skip


@given(JSON, st.sampled_from(["chat", "raw"]))
def test_read__anything_is_an_answer_or_a_value_error(said: object, template: str) -> None:
    for wrapped in (
        said,
        {"choices": [said]},
        {"choices": [{"text": "x", "message": {"content": "x"}, "logprobs": said}]},
    ):
        try:
            completion = a_dialect(template).read(wrapped)
        except ValueError:
            continue
        assert len(completion.logprobs) == len(completion.chosen)
        completion.text.encode()


def test_read__both_shapes_of_log_probabilities() -> None:
    tops = [{"token": "a", "logprob": -0.1}, {"token": "b", "logprob": -2.0}]
    content = [{"token": "a", "logprob": -0.1, "top_logprobs": tops}, {"token": "c", "logprob": -0.3}]
    chat = {"choices": [{"message": {"content": "ac"}, "finish_reason": "stop", "logprobs": {"content": content}}]}
    texts = {"tokens": ["a", "c"], "token_logprobs": [-0.1, -0.3], "top_logprobs": [{"a": -0.1, "b": -2.0}, None]}
    raw = {"choices": [{"text": "ac", "finish_reason": "stop", "logprobs": texts}]}
    expected = (({"a": -0.1, "b": -2.0}, {"c": -0.3}), ("a", "c"))
    for dialect, said in ((a_dialect(), chat), (a_dialect("raw"), raw)):
        completion = dialect.read(said)
        assert (completion.logprobs, completion.chosen) == expected


def test_read__a_refusal_is_the_answer() -> None:
    said = {"choices": [{"message": {"content": None, "refusal": "I cannot."}, "finish_reason": "stop"}]}
    assert a_dialect().read(said).text == "I cannot."


def test_distance__a_token_that_only_one_side_names_counts() -> None:
    one, other = a_completion("a", {"a": -0.1, "x": -3.0}), a_completion("b", {"b": -0.2, "x": -3.0})
    assert distance(one, other) == pytest.approx(2.9)
    assert distance(one, one) == 0


def test_distance__nothing_counts_after_the_answers_part() -> None:
    one = a_completion("ab", {"a": -0.1, "x": -0.2}, {"b": -0.1})
    other = a_completion("xb", {"a": -0.2, "x": -0.1}, {"b": -9.0})
    assert distance(one, other) == pytest.approx(0.1)


def test_judge_probes__one_prompt_that_moved_is_enough() -> None:
    same = a_completion("a", {"a": -0.1})
    moved = a_completion("a", {"a": -0.11})
    assert not judge_probes([probed(same, same)] * 8).applied
    assert judge_probes([probed(same, same)] * 7 + [probed(same, moved)]).applied


def test_judge_probes__what_the_base_does_by_itself_proves_nothing() -> None:
    before, after = a_completion("a", {"a": -0.10}), a_completion("a", {"a": -0.12})
    for value in (-0.09, -0.11, -0.13, -0.15):
        assert not judge_probes([probed(before, a_completion("b", {"a": value}), after)]).applied
    assert judge_probes([probed(before, a_completion("a", {"a": -0.2}), after)]).applied


def test_judge_probes__texts_count_where_the_base_repeats_itself() -> None:
    base, other = a_completion("base"), a_completion("other")
    assert judge_probes([probed(base, other)]).applied
    assert not judge_probes([probed(base, base), probed(base, other, after=other)]).applied


def test_path_there__the_longest_folder_that_fits(tmp_path: Path) -> None:
    paths = {str(tmp_path): "/mnt", str(tmp_path / "deep"): "/deep", "/nowhere": "/x"}
    assert path_there(tmp_path / "a" / "b", paths) == "/mnt/a/b"
    assert path_there(tmp_path / "deep" / "b", paths) == "/deep/b"
    assert path_there(tmp_path / "deeper", paths) == "/mnt/deeper"
    assert path_there(tmp_path, {}) == str(tmp_path.resolve())


def test_adapter_name__is_its_content() -> None:
    assert adapter_name("0123456789abcdef") == "gate-0123456789ab"


def test_side_by_side__in_order_and_never_more_than_its_width() -> None:
    together, barrier = threading.Semaphore(3), threading.Barrier(3)

    def work(item: int) -> int:
        assert together.acquire(blocking=False)
        barrier.wait(10)
        together.release()
        return item * item

    assert side_by_side(work, range(9), width=3) == [item * item for item in range(9)]
    assert side_by_side(work, [], width=3) == []


def test_side_by_side__nothing_is_begun_after_a_failure() -> None:
    begun: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        if item == 2:
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        side_by_side(work, range(100), width=1)
    assert begun == [0, 1, 2]
