"""The plain way to answers: the library's own `generate`, for every kind of arm, greedy or drawn.

What is faster is held against this. Torch is imported when a model is there.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from gate import wording
from gate.engine.contestants import Contestant
from gate.engine.padding import pad_left, set_generation
from gate.engine.session import Prompt, Settings
from gate.errors import BrokenRun


class PlainPath:
    """How the library is asked."""

    def __init__(self, *, settings: Settings, device: str, stop_ids: Sequence[int], halved: Callable[[], None]) -> None:
        """Settle what is the same for all arms.

        Args:
            settings: How answers are drawn.
            device: Where the arms are.
            stop_ids: The base's tokens that end an answer; the first pads.
            halved: Told when memory was too small for a batch.
        """
        self._settings, self._device, self._stop_ids, self._halved = settings, device, stop_ids, halved

    def answers(self, contestant: Contestant, prompts: Sequence[Prompt], repeat: int) -> list[list[int]]:
        """Answer one batch.

        Args:
            contestant: Who answers.
            prompts: The batch; all have the same limit.
            repeat: Counts from 0.

        Returns:
            New tokens of each prompt, the one that ended the answer and padding behind it included. Where memory is
            too small, halves of the batch are answered one after the other.

        Raises:
            BrokenRun: If memory does not hold one prompt, or drawn answers, which depend on their batch.
        """
        import torch

        stops = contestant.stop_ids or self._stop_ids
        ids, mask = pad_left([prompt.token_ids for prompt in prompts], stops[0])
        how = self._generation_config(prompts[0].max_new_tokens, stops)
        if self._settings.temperature:
            # Every arm draws with the same random numbers, so that equal weights give equal answers.
            torch.manual_seed(draw_seed(self._settings.seed, prompts[0], repeat))
        try:
            with contestant.switched() as model, torch.inference_mode():
                set_generation(model, how)
                output = model.generate(
                    input_ids=ids.to(self._device), attention_mask=mask.to(self._device), generation_config=how
                )
        except torch.OutOfMemoryError:
            if len(prompts) == 1 or self._settings.temperature:
                raise _out_of_memory(len(prompts), ids.shape[1]) from None
        else:
            answers: list[list[int]] = output[:, ids.shape[1] :].tolist()
            return answers
        self._halved()
        half = len(prompts) // 2
        return [row for part in (prompts[:half], prompts[half:]) for row in self.answers(contestant, part, repeat)]

    def answer(self, contestant: Contestant, prompt: Prompt) -> list[int]:
        """Answer one prompt, alone in its batch; the tokens end with the one that ended the answer, if any did."""
        stops = contestant.stop_ids or self._stop_ids
        (ids,) = self.answers(contestant, [prompt], 0)
        end = next((index + 1 for index, token in enumerate(ids) if token in stops), None)
        return ids[:end]

    def _generation_config(self, max_new_tokens: int, stops: Sequence[int]) -> Any:
        from transformers import GenerationConfig

        temperature = self._settings.temperature
        drawing = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0} if temperature else {}
        return GenerationConfig(
            **({"do_sample": False} | drawing),
            max_new_tokens=max_new_tokens,
            eos_token_id=list(stops),
            pad_token_id=stops[0],
        )


def draw_seed(seed: int, first: Prompt, repeat: int) -> int:
    """The seed for one batch: the same for every arm, another for every repeat, whatever was answered before."""
    text = json.dumps([seed, first.suite, first.case, repeat])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


def _out_of_memory(rows: int, longest: int) -> BrokenRun:
    return BrokenRun(
        f"out of GPU memory on {wording.count(rows, 'prompt')} of up to {longest} tokens",
        fix="Use a larger GPU, a smaller number format or shorter answers, or lower `engine: {batch_tokens: ...}`; "
        "finished answers are kept, the same command continues.",
    )
