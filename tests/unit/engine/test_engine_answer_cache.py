"""What an answer's name is made of, what is believed of a cached one, and when all are thrown away."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import pytest
from builders import a_response, an_arm
from hypothesis import given
from hypothesis import strategies as st

import gate.engine.answer_cache
from gate.domain import Arm, ArmName, Response
from gate.engine.answer_cache import (
    CachedAnswers,
    answer_key,
    circumstances,
    disagreements,
    is_pinned,
    is_stale,
    pack,
    to_ask_again,
    unpack,
)
from gate.engine.base_model import BaseFolder
from gate.engine.session import Prompt, Settings, plan_batches
from gate.transport.answer_store import AnswerStore

SETTINGS = Settings(dtype="auto", template="chat", template_kwargs={})
ENVIRONMENT = {"torch": "2.6", "transformers": "5.23", "device": "cpu", "dtype": "float32"}


def a_prompt(**fields: Any) -> Prompt:
    return replace(Prompt(suite="facts", case="c1", token_ids=(1, 2, 3), max_new_tokens=8), **fields)


def prompts_of(sizes: Mapping[str, int]) -> list[Prompt]:
    return [
        a_prompt(suite=suite, case=f"c{index}", token_ids=(len(suite), index, 5))
        for suite, size in sizes.items()
        for index in range(size)
    ]


@dataclass
class Rehearsed:
    """A session whose model writes its prompt's token ids down."""

    batches: Mapping[ArmName, Sequence[tuple[Prompt, ...]]]
    arms: Mapping[ArmName, Arm] = field(
        default_factory=lambda: {"base": an_arm(), "candidate": an_arm(name="candidate", digest="ad" * 32)}
    )
    environment: Mapping[str, str] = field(default_factory=lambda: ENVIRONMENT)
    settings: Settings = SETTINGS
    warnings: Sequence[str] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None: ...

    def answer(self, arm: ArmName, batch: Sequence[Prompt], *, repeat: int) -> tuple[Response, ...]:
        assert len({prompt.max_new_tokens for prompt in batch}) == 1
        return tuple(
            Response(
                suite=one.suite, case=one.case, arm=arm, repeat=repeat, text=f"{one.token_ids}", finish="stop", tokens=3
            )
            for one in batch
        )

    def all_answers(self, arm: ArmName) -> tuple[Response, ...]:
        return tuple(one for batch in self.batches[arm] for one in self.answer(arm, batch, repeat=0))


def a_session(prompts: Sequence[Prompt] = (), **fields: Any) -> Rehearsed:
    batches = plan_batches(prompts or [a_prompt()], 256)
    return replace(Rehearsed(batches={"base": batches, "candidate": batches}), **fields)


def a_store(folder: Path) -> AnswerStore:
    opened = AnswerStore.open(folder / "answers.sqlite")
    assert opened is not None
    return opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AnswerStore]:
    with a_store(tmp_path) as opened:
        yield opened


def cached(session: Rehearsed, store: AnswerStore, *, pinned: bool = True) -> CachedAnswers:
    return CachedAnswers(session, store, pinned=pinned, used_at=1)


def test_circumstances__everything_that_moves_an_answer_moves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    session = a_session()
    arms = session.arms
    seen = [
        circumstances(session, "base"),
        circumstances(session, "candidate"),
        circumstances(replace(session, arms={**arms, "base": an_arm(digest="ff" * 32)}), "candidate"),
        circumstances(replace(session, arms={**arms, "candidate": an_arm(digest="ff" * 32)}), "candidate"),
        *(circumstances(replace(session, environment={**ENVIRONMENT, name: "other"}), "base") for name in ENVIRONMENT),
        circumstances(replace(session, environment={**ENVIRONMENT, "attention": "eager"}), "base"),
        circumstances(session, "base", stop_ids=()),
        circumstances(session, "base", stop_ids=(2,)),
        circumstances(session, "base", stop_ids=(2, 7)),
    ]
    monkeypatch.setattr(gate.engine.answer_cache, "__version__", "99")
    seen.append(circumstances(session, "base"))
    assert None not in seen
    assert len(set(seen)) == len(seen)


def test_circumstances__order_and_names_do_not_matter() -> None:
    session = a_session()
    turned = replace(session, environment=dict(reversed(ENVIRONMENT.items())))
    renamed = replace(session, arms={**session.arms, "base": an_arm(model="elsewhere", description="the same")})
    assert circumstances(turned, "base") == circumstances(renamed, "base") == circumstances(session, "base")
    assert circumstances(session, "base", stop_ids=(7, 2, 7)) == circumstances(session, "base", stop_ids=(2, 7))


def test_circumstances__drawn_answers_and_unknown_weights_are_not_kept() -> None:
    session = a_session()
    assert circumstances(replace(session, settings=replace(SETTINGS, temperature=0.7)), "base") is None
    unknown = replace(session, arms={**session.arms, "base": an_arm(digest=None)})
    assert circumstances(unknown, "base") is None
    assert circumstances(unknown, "candidate") is None
    assert (
        circumstances(replace(session, arms={"base": an_arm(), "candidate": an_arm(digest=None)}), "candidate") is None
    )


def test_answer_key__tokens_and_limit_but_no_names() -> None:
    key = answer_key("x", a_prompt())
    assert len(key) == 64
    assert key == answer_key("x", a_prompt(suite="other", case="c9", stage=3))
    others = [
        answer_key("y", a_prompt()),
        answer_key("x", a_prompt(token_ids=(1, 2))),
        answer_key("x", a_prompt(token_ids=(12, 3))),
        answer_key("x", a_prompt(token_ids=(1, 23))),
        answer_key("x", a_prompt(max_new_tokens=9)),
    ]
    assert len({key, *others}) == 6


def test_is_pinned__a_folder_or_a_commit(tmp_path: Path) -> None:
    (tmp_path / "models" / "tiny").mkdir(parents=True)
    base = BaseFolder(path=tmp_path, name="models/tiny", revision=None, description="", digest="ab" * 32)
    assert is_pinned(base, tmp_path)
    assert is_pinned(replace(base, name=str(tmp_path / "models")), Path("elsewhere"))
    assert not is_pinned(base, tmp_path / "models")  # found on the hub, without a commit
    assert is_pinned(replace(base, revision="c0" * 20), tmp_path / "models")


@given(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from(["stop", "length"]),
    st.none() | st.integers(0, 9),
)
def test_unpack__gives_back_what_was_packed(text: str, finish: Any, tokens: int | None) -> None:
    response = a_response(text=text, finish=finish, tokens=tokens)
    assert unpack(pack(response), suite="facts", case="c1", arm="base") == response


def test_unpack__the_asking_case_names_the_answer() -> None:
    packed = pack(a_response(text="Oslo"))
    assert b"facts" not in packed
    assert unpack(packed, suite="s", case="c", arm="prompted") == a_response(
        suite="s", case="c", arm="prompted", text="Oslo"
    )


def test_pack__an_error_is_no_answer() -> None:
    with pytest.raises(ValueError, match="an error is no answer"):
        pack(a_response(finish="error", error="timed out"))


HOSTILE = [
    b"",
    b"null",
    b"[]",
    b"\xff\xfe",
    b"\x80\x04\x95",
    b'{"text": "a", "finish": "stop"}',
    b'{"text": "a", "finish": "stop", "tokens": 1} and more',
    b'{"text": "a", "finish": "stop", "tokens": 1, "score": 1}',
    b'{"text": "a", "finish": "error", "tokens": 1}',
    b'{"text": "a", "finish": "stop", "tokens": -1}',
    b'{"text": "a", "finish": "stop", "tokens": 1.5}',
    b'{"text": "a", "finish": "stop", "tokens": true}',
    b'{"text": "a", "finish": "stop", "tokens": 1e999}',
    b'{"text": "a", "finish": "stop", "tokens": 100000000000000000000000000}',
    b'{"text": "\\ud800", "finish": "stop", "tokens": 1}',
    b'{"text": null, "finish": "stop", "tokens": 1}',
    b'{"text": ["a"], "finish": "stop", "tokens": 1}',
    b'{"text": ' + b"[" * 100_000,
]


@pytest.mark.parametrize("packed", HOSTILE)
def test_unpack__anything_else_is_nothing(packed: bytes) -> None:
    assert unpack(packed, suite="s", case="c", arm="base") is None


def test_known__finds_the_same_prompts_under_other_names_and_batches(store: AnswerStore) -> None:
    session = a_session(prompts_of({"facts": 4, "style": 3}))
    answers = session.all_answers("base")
    cached(session, store).remember(answers)
    assert cached(session, store).known("base") == answers
    assert cached(session, store).known("candidate") == ()
    other = [a_prompt(suite="renamed", case=f"x{index}", token_ids=(5, index, 5)) for index in range(6)]
    found = cached(a_session(other), store).known("base")
    assert {(one.suite, one.case, one.text) for one in found} == {
        ("renamed", f"x{index}", f"(5, {index}, 5)") for index in range(4)
    }


def test_known__equal_prompts_share_one_answer(store: AnswerStore) -> None:
    session = a_session([a_prompt(), a_prompt(case="again"), a_prompt(suite="elsewhere")])
    cache = cached(session, store)
    cache.remember(session.all_answers("base")[:1])
    assert cache.known("base") == session.all_answers("base")


def test_known__errors_and_strangers_are_not_remembered(store: AnswerStore) -> None:
    session = a_session([a_prompt(), a_prompt(case="c2", token_ids=(9,))])
    cache = cached(session, store)
    cache.remember(
        [
            a_response(finish="error", text="", error="timed out"),
            a_response(case="no such case"),
            a_response(arm="incumbent"),
            a_response(case="c2"),
        ]
    )
    assert cache.known("base") == (a_response(case="c2"),)


@pytest.mark.parametrize(
    ("fields", "pinned"),
    [
        ({}, False),
        ({"settings": replace(SETTINGS, temperature=1.0)}, True),
        ({"arms": {"base": an_arm(digest=None)}}, True),
    ],
)
def test_known__nothing_of_an_arm_that_may_change(store: AnswerStore, fields: dict[str, Any], pinned: bool) -> None:
    session = a_session(**fields)
    cache = cached(session, store, pinned=pinned)
    cache.remember(session.all_answers("base"))
    cache.forget("base")
    assert cache.known("base") == ()
    assert cached(a_session(), store).known("base") == ()


@pytest.mark.parametrize("bad", [*HOSTILE[:3], json.dumps({"text": "a", "finish": "stop", "tokens": 9}).encode()])
def test_known__what_cannot_be_an_answer_makes_room_for_one(store: AnswerStore, bad: bytes) -> None:
    session = a_session([a_prompt(), a_prompt(case="c2", token_ids=(9,))])
    settled = circumstances(session, "base")
    assert settled is not None
    store.write({answer_key(settled, a_prompt()): bad}, used_at=1)
    cache = cached(session, store)
    assert cache.known("base") == ()
    cache.remember(session.all_answers("base"))
    assert cache.known("base") == session.all_answers("base")


def test_forget__lets_new_answers_in_and_leaves_other_arms_alone(store: AnswerStore) -> None:
    session = a_session(prompts_of({"facts": 5}))
    cache = cached(session, store)
    stale = tuple(replace(one, text="stale") for one in session.all_answers("base"))
    cache.remember([*stale, *session.all_answers("candidate")])
    cache.remember(session.all_answers("base"))
    assert cache.known("base") == stale
    cache.forget("base")
    assert cache.known("base") == ()
    cache.remember(session.all_answers("base"))
    assert cache.known("base") == session.all_answers("base")
    assert cache.known("candidate") == session.all_answers("candidate")


@pytest.mark.parametrize(
    "wrong",
    [
        {"tokens": 0},
        {"finish": "length"},
        {"tokens": 9},
        {"text": "x" * 900_000},
        {"text": "x" * 900_000, "tokens": None},
    ],
)
def test_known__what_cannot_be_an_answer_is_thrown_away(store: AnswerStore, wrong: dict[str, Any]) -> None:
    session = a_session([a_prompt()])
    cache = cached(session, store)
    cache.remember([replace(one, text="Oslo", tokens=2) for one in session.all_answers("base")])
    assert [one.text for one in cache.known("base")] == ["Oslo"]
    cache.forget("base")
    cache.remember([replace(one, **{"text": "Oslo", "tokens": 2} | wrong) for one in session.all_answers("base")])
    assert cache.known("base") == ()


def chosen(session: Any, known: Sequence[Response], **how: int) -> list[tuple[str, str]]:
    return [(prompt.suite, prompt.case) for batch in to_ask_again(session, known, **how) for prompt in batch]


def test_to_ask_again__spread_over_suites_and_repeatable() -> None:
    session = a_session(prompts_of({"large": 60, "mid": 20, "one": 1}))
    known = session.all_answers("base")
    names = chosen(session, known, seed=1)
    suites = [suite for suite, _ in names]
    assert len(set(names)) == 8
    assert suites.count("one") == 1
    assert {suites.count("large"), suites.count("mid")} == {3, 4}
    assert names == chosen(session, known[::-1], seed=1)
    assert {name for seed in range(40) for name in chosen(session, known, seed=seed)} > set(names)
    assert chosen(session, (), seed=1) == []


def test_to_ask_again__more_suites_than_places_and_fewer_answers_than_places() -> None:
    session = a_session(prompts_of({"s" * size: 3 for size in range(1, 21)}))
    known = session.all_answers("base")
    assert len({suite for suite, _ in chosen(session, known, seed=4)}) == 8
    assert len(chosen(session, known, seed=4, count=3)) == 3
    assert sorted(chosen(session, known[:2], seed=4)) == sorted((one.suite, one.case) for one in known[:2])


@given(
    shapes=st.lists(st.tuples(st.integers(1, 400), st.sampled_from([8, 32])), min_size=1, max_size=30),
    seed=st.integers(0, 9),
)
def test_to_ask_again__batches_that_the_session_takes(shapes: list[tuple[int, int]], seed: int) -> None:
    prompts = [
        a_prompt(case=f"c{index}", token_ids=tuple(range(length)), max_new_tokens=new, stage=index % 2)
        for index, (length, new) in enumerate(shapes)
    ]
    session = a_session(prompts)

    def tokens(batch: Sequence[Prompt]) -> int:
        return len(batch) * (max(len(prompt.token_ids) for prompt in batch) + batch[0].max_new_tokens)

    largest = max(tokens(batch) for batch in session.batches["base"])
    batches = to_ask_again(session, session.all_answers("base"), seed=seed)
    assert sum(len(batch) for batch in batches) == min(8, len(prompts))
    for batch in batches:
        assert tokens(batch) <= largest
        session.answer("base", batch, repeat=0)


def test_disagreements__texts_of_the_same_case_and_arm() -> None:
    known = [a_response(case=f"c{index}", text=str(index)) for index in range(4)]
    fresh = [
        a_response(case="c0", text="0"),
        a_response(case="c1", text="other"),
        a_response(case="c2", text="", finish="error", error="timed out"),
        a_response(case="c3", text="other", arm="candidate"),
        a_response(case="c9", text="other"),
    ]
    assert disagreements(known, fresh) == 1
    assert disagreements(known, known) == 0
    assert disagreements(known, [a_response(case="c0", text="0", tokens=7)]) == 1
    assert disagreements(known, [a_response(case="c0", text="0", finish="length")]) == 1
    assert disagreements(known, []) == 0


@pytest.mark.parametrize(
    ("disagreeing", "checked", "stale"),
    [
        (0, 8, False),
        (1, 8, False),
        (2, 8, True),
        (8, 8, True),
        (1, 7, True),
        (0, 0, False),
        (2, 16, False),
        (3, 16, True),
    ],
)
def test_is_stale__one_in_eight_may_disagree(disagreeing: int, checked: int, stale: bool) -> None:
    assert is_stale(disagreeing, checked=checked) is stale


def test_recheck__a_wrong_cache_is_replaced_and_a_tie_is_not(store: AnswerStore) -> None:
    session = a_session(prompts_of({"facts": 30, "style": 30}))
    right = session.all_answers("base")
    cache = cached(session, store)
    for wrong_share, expected in ((1, True), (0, False)):
        cache.forget("base")
        first = to_ask_again(session, right, seed=3)[0][0]
        tie = (first.suite, first.case)
        cache.remember(replace(one, text="x") if wrong_share or (one.suite, one.case) == tie else one for one in right)
        known = cache.known("base")
        fresh = [
            one for batch in to_ask_again(session, known, seed=3) for one in session.answer("base", batch, repeat=0)
        ]
        assert disagreements(known, fresh) == (8 if wrong_share else 1)
        assert is_stale(disagreements(known, fresh), checked=len(fresh)) is expected
