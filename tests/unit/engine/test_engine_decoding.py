"""The decoding loop on a small random model: whatever the drafts and the pace, answers are those of plain decoding."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from gate.engine.decoding.drafts import DraftWatch
from gate.engine.decoding.fast_layers import fast_layers
from gate.engine.decoding.greedy import GreedyDecoder, Pace
from gate.engine.decoding.memory import LaneCache
from gate.engine.quick import QuickPath, probe_of
from gate.engine.session import Prompt
from gate.errors import BrokenRun

VOCABULARY = 40
STOP = 3
LIMIT = 24
COUNT = 24
Key = tuple[str, str]


@pytest.fixture(scope="module")
def model() -> Iterator[Any]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(5)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128, initializer_range=0.6,
    )  # fmt: skip
    yield LlamaForCausalLM(config).eval()
    torch.set_num_threads(threads)


def prompts(count: int) -> list[Prompt]:
    draw = Random(count)  # noqa: S311
    return [
        Prompt(suite=f"s{number % 2}", case=str(number), max_new_tokens=LIMIT - number % 3,
               token_ids=tuple(draw.choices(range(4, VOCABULARY), k=draw.randint(1, 17))))
        for number in range(count)
    ]  # fmt: skip


def plain(model: Any, asked: Sequence[Prompt]) -> dict[Key, list[int]]:
    """One prompt at a time, by the library."""
    found = {}
    for one in asked:
        how = GenerationConfig(do_sample=False, max_new_tokens=one.max_new_tokens, eos_token_id=STOP, pad_token_id=0)
        model.generation_config = how
        ids = torch.tensor([one.token_ids])
        output = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=how)
        found[one.suite, one.case] = output[0, ids.shape[1] :].tolist()
    return found


class Counted:
    """A model, and how many tokens it read in how many passes."""

    def __init__(self, model: Any) -> None:
        self.model, self.device = model, model.device
        self.passes = self.tokens = self.largest = 0

    def __call__(self, **options: Any) -> Any:
        self.passes += 1
        self.tokens += options["input_ids"].numel()
        self.largest = max(self.largest, options["input_ids"].numel())
        return self.model(**options)


def decoded(
    model: Any, asked: Sequence[Prompt], drafts: dict[Key, list[int]], *, price: float = 0.1, **pace: float
) -> tuple[dict[Key, Any], Counted]:
    counted = Counted(model)
    how = {"cache_tokens": 2000, "forward_tokens": 64, "first_guess": 4, "again_share": 0.25, **pace}
    decoder = GreedyDecoder(counted, stop_ids=[STOP], pace=Pace(**how), watch=DraftWatch(price))  # type: ignore[arg-type]
    with torch.inference_mode():
        rows = [row for group in decoder.answers(asked, drafts) for row in group]
    assert len(rows) == len(asked)
    return {(row.prompt.suite, row.prompt.case): row for row in rows}, counted


def texts(rows: dict[Key, Any]) -> dict[Key, list[int]]:
    return {key: row.answer for key, row in rows.items()}


def spoilt(answers: dict[Key, list[int]], kind: str) -> dict[Key, list[int]]:
    draw = Random(kind)  # noqa: S311
    changed = {}
    for key, answer in answers.items():
        middle = len(answer) // 2
        changed[key] = {
            "right": answer,
            "one token changed": [*answer[:middle], 4 + draw.randrange(30), *answer[middle + 1 :]],
            "one token more": [*answer[:middle], 39, *answer[middle:]],
            "one token less": [*answer[: middle - 1], *answer[middle:]],
            "cut": answer[:middle],
            "too long": [*answer, *answer],
            "noise": [draw.randrange(VOCABULARY) for _ in answer],
            "ends at once": [STOP],
            "empty": [],
        }[kind]
    return changed


@pytest.fixture(scope="module")
def expected(model: Any) -> dict[Key, list[int]]:
    found = plain(model, prompts(COUNT))
    assert len({tuple(answer) for answer in found.values()}) > COUNT // 2  # the model says different things
    assert any(answer[-1] == STOP for answer in found.values())
    return found


@pytest.mark.parametrize(
    "pace",
    [{}, {"cache_tokens": 1}, {"cache_tokens": 350}, {"forward_tokens": 1}, {"forward_tokens": 7, "first_guess": 1},
     {"forward_tokens": 4096, "first_guess": 64}, {"again_share": 0.0}, {"again_share": 1.0}],
)  # fmt: skip
@pytest.mark.parametrize(
    "kind",
    [
        "right",
        "one token changed",
        "one token more",
        "one token less",
        "cut",
        "too long",
        "noise",
        "ends at once",
        "empty",
    ],
)
def test_answers__are_those_of_plain_decoding(
    model: Any, expected: dict[Key, list[int]], kind: str, pace: dict[str, float]
) -> None:
    rows, _ = decoded(model, prompts(COUNT), spoilt(expected, kind), **pace)
    assert texts(rows) == expected


def test_answers__a_right_draft_takes_a_fraction_of_the_passes(model: Any, expected: dict[Key, list[int]]) -> None:
    wide = {"cache_tokens": 100_000, "forward_tokens": 4096, "first_guess": 64}
    _, without = decoded(model, prompts(COUNT), {}, **wide)
    rows, drafted = decoded(model, prompts(COUNT), expected, **wide)
    assert drafted.passes == 1
    assert without.passes >= LIMIT
    for row in rows.values():
        probe = probe_of(row)
        assert probe is not None
        assert (probe.agreed, probe.first_divergence) == (probe.compared, None)


def test_answers__noise_costs_little_more_than_no_drafts(model: Any, expected: dict[Key, list[int]]) -> None:
    many = prompts(COUNT)
    _, without = decoded(model, many, {}, price=1.0)
    _, noisy = decoded(model, many, spoilt(expected, "noise"), price=1.0)
    assert noisy.tokens < 1.25 * without.tokens


def test_answers__memory_bounds_the_rows(model: Any, expected: dict[Key, list[int]]) -> None:
    # Room for two of the longest rows: no pass ever reads more than two rows.
    rows, counted = decoded(model, prompts(COUNT), {}, cache_tokens=2 * (17 + LIMIT + 64), forward_tokens=1)
    assert texts(rows) == expected
    assert counted.largest <= 2 * 17


def test_probe__counts_what_the_draft_and_the_answer_share(model: Any, expected: dict[Key, list[int]]) -> None:
    rows, _ = decoded(model, prompts(COUNT), spoilt(expected, "one token changed"), forward_tokens=4096, first_guess=64)
    for key, row in rows.items():
        draft = spoilt(expected, "one token changed")[key]
        probe = probe_of(row)
        assert probe is not None
        first = next(
            (i for i, (one, other) in enumerate(zip(draft, expected[key], strict=False)) if one != other), None
        )
        assert probe.first_divergence == first
        assert probe.compared == len(draft)
        # What the model says of the draft, token by token, computed in the plainest way.
        ids = torch.tensor([[*row.prompt.token_ids, *draft]])
        with torch.inference_mode():
            logits = model(input_ids=ids).logits[0, len(row.prompt.token_ids) - 1 : -1]
        losses = torch.nn.functional.cross_entropy(logits, torch.tensor(draft), reduction="mean")
        assert probe.mean_log_loss == pytest.approx(float(losses), abs=6e-4)  # three places are kept
        assert probe.agreed == sum(
            int(token == choice) for token, choice in zip(draft, logits.argmax(-1).tolist(), strict=True)
        )


def test_fast_layers__says_what_peft_says_and_leaves_no_trace(model: Any) -> None:
    torch.manual_seed(9)
    tuned = get_peft_model(
        LlamaForCausalLM(model.config),
        LoraConfig(r=4, lora_alpha=6, lora_dropout=0.3, target_modules=["q_proj", "down_proj"]),
    ).eval()
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    ids = torch.randint(4, VOCABULARY, (3, 11))
    with torch.inference_mode():
        before = tuned(input_ids=ids).logits
        with fast_layers(tuned):
            fused = tuned(input_ids=ids).logits
            assert sum("forward" in vars(module) for module in tuned.modules()) == 4
        assert not any("forward" in vars(module) for module in tuned.modules())
        assert torch.equal(tuned(input_ids=ids).logits, before)
        torch.testing.assert_close(fused, before, rtol=1e-4, atol=1e-5)
        with tuned.disable_adapter():
            off = tuned(input_ids=ids).logits
            with fast_layers(tuned):
                torch.testing.assert_close(tuned(input_ids=ids).logits, off, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(before, off, atol=1e-3)


@pytest.mark.filterwarnings("ignore:`lora_bias=True` was passed")  # merging is not what is tested
@pytest.mark.parametrize("options", [{"use_dora": True}, {"lora_bias": True}], ids=["dora", "bias"])
def test_fast_layers__more_than_plain_lora_is_left_to_peft(model: Any, options: dict[str, Any]) -> None:
    tuned = get_peft_model(LlamaForCausalLM(model.config), LoraConfig(r=4, target_modules=["q_proj"], **options)).eval()
    with fast_layers(tuned):
        assert not any("forward" in vars(module) for module in tuned.modules())


class Wide(torch.nn.Module):
    """A layer that is large enough to be worth it, and one that is not."""

    def __init__(self, *, bias: bool) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.large, self.small = torch.nn.Linear(200, 400, bias=bias), torch.nn.Linear(200, 8, bias=bias)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")
@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (8, 1), (64, 1), (65, 1), (4, 9), (5, 30)])
@pytest.mark.parametrize("bias", [False, True])
def test_fast_layers__says_what_torch_says_for_any_number_of_rows(shape: tuple[int, int], bias: bool) -> None:
    layers = Wide(bias=bias)
    x = torch.randn(*shape, 200)
    with torch.inference_mode():
        expected = layers.large(x)
        with fast_layers(layers):
            assert "forward" in vars(layers.large)
            assert "forward" not in vars(layers.small)
            found = layers.large(x)
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert "forward" not in vars(layers.large)


def test_fast_layers__other_number_formats_are_left_to_torch() -> None:
    layers = Wide(bias=False).to(torch.bfloat16)
    with fast_layers(layers):
        assert "forward" not in vars(layers.large)


def test_quick_path__memory_that_gives_out_is_halved_and_nothing_is_lost(
    model: Any, expected: dict[Key, list[int]]
) -> None:
    class Tight:
        """A device that cannot hold more than so many rows of a pass."""

        def __init__(self, rows: int) -> None:
            self.rows = rows
            self.device, self.dtype = model.device, model.dtype

        def __call__(self, **options: Any) -> Any:
            if options["input_ids"].shape[0] > self.rows:
                raise torch.OutOfMemoryError("too much")
            return model(**options)

        def modules(self) -> Iterator[Any]:
            return iter(())

    quick = QuickPath(model, device="cpu", batch_tokens=100_000)
    found = {}
    halvings: list[int] = []
    given = quick.answers(
        "base", Tight(12), prompts(COUNT), stop_ids=[STOP], drafts={}, halved=lambda: halvings.append(1)
    )
    for rows in given:
        found |= {(row.prompt.suite, row.prompt.case): row.answer for row in rows}
    assert found == expected
    assert halvings
    with pytest.raises(BrokenRun, match="out of GPU memory on one answer of up to"):
        list(quick.answers("base", Tight(0), prompts(COUNT), stop_ids=[STOP], drafts={}, halved=lambda: None))


def test_problem__a_model_that_answers_otherwise_in_steps_is_found_out(model: Any) -> None:
    quick = QuickPath(model, device="cpu", batch_tokens=10_000)

    def slowly(prompt: Prompt) -> list[int]:
        return plain(model, [prompt])[prompt.suite, prompt.case]

    asked = prompts(12)
    assert quick.problem(model, asked, slowly, stop_ids=[STOP]) is None

    class Forgetful(torch.nn.Module):
        """Forgets its memory in one layer: what a wrong position or mask would look like."""

        def __init__(self) -> None:
            super().__init__()
            self.device, self.dtype = model.device, model.dtype

        def forward(self, **options: Any) -> Any:
            options["position_ids"] = options["position_ids"] * 0
            return model(**options)

    said = quick.problem(Forgetful(), asked, slowly, stop_ids=[STOP])
    assert said is not None
    assert said.endswith("answers differ from plain decoding")

    class Narrow(Forgetful):
        """Does not know one of the arguments."""

        def forward(self, *, input_ids: torch.Tensor) -> Any:  # type: ignore[override]
            return model(input_ids=input_ids)

    said = quick.problem(Narrow(), asked, slowly, stop_ids=[STOP])
    assert said is not None
    assert said.startswith("the model cannot be driven token by token")


def test_lane_cache__rows_that_come_and_go_keep_what_they_hold() -> None:
    draw = torch.Generator().manual_seed(1)

    def memory(tokens: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        return [
            (torch.randn(2, tokens, 4, generator=draw), torch.randn(2, tokens, 4, generator=draw)) for _ in range(3)
        ]

    cache = LaneCache()
    first, second, long = memory(5), memory(9), memory(150)
    assert cache.put([first, second], places=3) == 9
    assert cache.columns == 9
    assert cache.put([long], places=3) == 141
    assert cache.columns == 150
    for place, kept in enumerate((first, second, long)):
        own = kept[0][0].shape[1]
        back = cache.take(place, skip=150 - own, keep=own)
        assert all(
            torch.equal(one, other)
            for pair, other_pair in zip(back, kept, strict=True)
            for one, other in zip(pair, other_pair, strict=True)
        )
    cache.drop(0)  # the last takes its place
    assert torch.equal(cache.take(0, skip=0, keep=150)[2][1], long[2][1])
    cache.drop(0)
    cache.trim(141)
    assert cache.columns == 9
    assert torch.equal(cache.take(0, skip=0, keep=9)[1][0], second[1][0])
