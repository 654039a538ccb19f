"""The fast way to greedy answers, and the proof that it is the slow way's: used only where both agree.

Holds what outlasts a batch: how drafts fare in each suite, and how much memory a batch may take. Torch is imported when
a model is there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gate.domain import ArmName, Probe
from gate.engine.decoding.drafts import DraftWatch
from gate.engine.session import Prompt
from gate.errors import BrokenRun

if TYPE_CHECKING:
    from gate.engine.decoding.greedy import Pace
    from gate.engine.decoding.lane import Row

Tokens = Mapping[tuple[str, str], Sequence[int]]
"""Suite and case -> token ids of an answer, end-of-turn included."""

_CHECKED_PROMPTS = 4
_CHECKED_TOKENS = 6
_AGREED_TOKENS = 2
"""Tokens of the checked drafts that are right, so that acceptance and rejection are both seen."""
_HALF_MAY_DIFFER = 1
"""Checked prompts that may tie to within the rounding of a 16-bit number format."""

_PROBE_DIGITS = 3
"""Decimal places of a probe that rounding in other batches hardly ever reaches."""

_SMALL_PARAMETERS = 20_000_000
_LARGEST_LOGITS_BYTES = 2**30
_LARGEST_CPU_CACHE_BYTES = 2**31
_CACHED_BYTES = 12 * 2**20


class QuickPath:
    """How fast answers are made on one device."""

    def __init__(self, model: Any, *, device: str, batch_tokens: int) -> None:
        """Fit the pace to a model.

        Args:
            model: The base.
            device: Where it runs.
            batch_tokens: Tokens whose keys and values may be in memory.
        """
        self._pace = _pace(model, device, batch_tokens)
        self._price = 0.2 if device != "cpu" else 0.5 if model.num_parameters() >= _SMALL_PARAMETERS else 0.3
        self._watches: dict[ArmName, DraftWatch] = {}

    def answers(
        self,
        arm: ArmName,
        model: Any,
        prompts: Sequence[Prompt],
        *,
        stop_ids: Sequence[int],
        drafts: Tokens,
        halved: Callable[[], None],
    ) -> Iterator[list["Row"]]:
        """Answer prompts; see `GreedyDecoder.answers`. Where memory gives out, the rest is answered with half as much.

        Args:
            arm: Who answers.
            model: In this arm's state.
            prompts: What to answer.
            stop_ids: Tokens that end an answer.
            drafts: What the answers may be.
            halved: Told when memory was too small.

        Raises:
            BrokenRun: If memory does not even hold one answer.
        """
        from dataclasses import replace

        import torch

        from gate.engine.decoding.fast_layers import fast_layers
        from gate.engine.decoding.greedy import GreedyDecoder

        left = {(one.suite, one.case): one for one in prompts}
        watch = self._watches.setdefault(arm, DraftWatch(self._price))
        while left:
            decoder = GreedyDecoder(model, stop_ids=stop_ids, pace=self._pace, watch=watch)
            try:
                with torch.inference_mode(), fast_layers(model):
                    for rows in decoder.answers(list(left.values()), drafts):
                        for row in rows:
                            del left[row.prompt.suite, row.prompt.case]
                        yield rows
            except torch.OutOfMemoryError:
                longest = max(map(_total, left.values()))
                if self._pace.cache_tokens <= longest:
                    raise BrokenRun(
                        f"out of GPU memory on one answer of up to {longest} tokens, the prompt included",
                        fix="Use a larger GPU, a smaller number format or shorter answers; finished answers are kept.",
                    ) from None
                halved()
                failed = True
                self._pace = replace(
                    self._pace,
                    cache_tokens=self._pace.cache_tokens // 2,
                    forward_tokens=max(1, self._pace.forward_tokens // 2),
                )
            else:
                failed = False
            if failed:  # outside the handler, whose traceback holds what the rows held
                del decoder
                torch.cuda.empty_cache()

    def problem(
        self,
        model: Any,
        prompts: Sequence[Prompt],
        slowly: Callable[[Prompt], Sequence[int]],
        *,
        stop_ids: Sequence[int],
    ) -> str | None:
        """Hold the fast way against the slow one on a few prompts, every other with a draft that soon goes wrong.

        Args:
            model: In an arm's state.
            prompts: Of different lengths, if there are such; a few are used.
            slowly: The plain answer to one prompt, alone in its batch, as token ids with the end-of-turn token.
            stop_ids: Tokens that end an answer.

        Returns:
            What differs; None if nothing does, or, in a 16-bit number format, one of four answers, which may tie.
        """
        from dataclasses import replace

        import torch

        from gate.engine.decoding.fast_layers import fast_layers
        from gate.engine.decoding.greedy import GreedyDecoder

        short = [
            replace(one, max_new_tokens=min(one.max_new_tokens, _CHECKED_TOKENS), suite="", case=str(number))
            for number, one in enumerate(_of_all_lengths(prompts))
        ]
        expected = {one.case: list(slowly(one)) for one in short}
        drafts = {
            ("", case): [*tokens[:_AGREED_TOKENS], *[_other(token) for token in tokens[_AGREED_TOKENS:]]]
            for case, tokens in expected.items()
            if int(case) % 2 == 0
        }
        decoder = GreedyDecoder(model, stop_ids=stop_ids, pace=self._pace, watch=DraftWatch(self._price))
        try:
            with torch.inference_mode(), fast_layers(model):
                found = {row.prompt.case: row.answer for rows in decoder.answers(short, drafts) for row in rows}
        except torch.OutOfMemoryError:
            return "memory is too small for the fast way, even for a few prompts"
        except (RuntimeError, TypeError, ValueError, AttributeError, IndexError, KeyError) as problem:
            text = str(problem).strip().splitlines()
            return f"the model cannot be driven token by token ({text[0] if text else type(problem).__name__:.120})"
        differing = [case for case, tokens in expected.items() if found[case] != tokens]
        is_half = model.dtype in (torch.bfloat16, torch.float16)
        bearable = _HALF_MAY_DIFFER if is_half and len(short) == _CHECKED_PROMPTS else 0
        if len(differing) > bearable:
            return f"{len(differing)} of {len(short)} answers differ from plain decoding"
        return None


def probe_of(row: "Row") -> Probe | None:
    """How far a row's answer is from its draft; None where it had none, or none was guessed."""
    if row.follower is None or not row.compared:
        return None
    return Probe(
        compared=row.compared,
        agreed=row.agreed,
        first_divergence=row.left_at,
        mean_log_loss=round(max(0.0, row.log_loss / row.compared), _PROBE_DIGITS),
    )


def _pace(model: Any, device: str, batch_tokens: int) -> "Pace":
    from gate.engine.decoding.greedy import Pace

    config = model.config.get_text_config()
    if device == "cpu":
        # Wide passes are the faster the wider they are, as long as what a layer hands on stays in the caches.
        width = int(getattr(config, "intermediate_size", None) or 4 * config.hidden_size)
        forward = max(64, min(512, _CACHED_BYTES // (model.dtype.itemsize * width)))
        most = max(1, _LARGEST_CPU_CACHE_BYTES // _token_bytes(model))
        return Pace(cache_tokens=min(batch_tokens, most), forward_tokens=forward, first_guess=16, again_share=0.5)
    forward = max(64, min(8192, _LARGEST_LOGITS_BYTES // (4 * int(config.vocab_size))))
    return Pace(cache_tokens=batch_tokens, forward_tokens=forward, first_guess=64, again_share=0.125)


def _token_bytes(model: Any) -> int:
    """Bytes of one token's keys and values."""
    config = model.config.get_text_config()
    heads = int(getattr(config, "num_key_value_heads", None) or config.num_attention_heads)
    size = int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)
    return max(1, 2 * int(config.num_hidden_layers) * heads * size * int(model.dtype.itemsize))


def _of_all_lengths(prompts: Sequence[Prompt]) -> list[Prompt]:
    by_length = sorted(prompts, key=lambda one: len(one.token_ids))
    last = len(by_length) - 1
    places = sorted({round(last * step / (_CHECKED_PROMPTS - 1)) for step in range(_CHECKED_PROMPTS)})
    return [by_length[place] for place in places]


def _other(token: int) -> int:
    return token - 1 if token else 1


def _total(prompt: Prompt) -> int:
    return len(prompt.token_ids) + prompt.max_new_tokens
