"""The transformers backend: the base loaded once, the adapter switched on and off, greedy answers in batches."""

import gc
import platform
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from gate.domain import Arm, ArmName, Response
from gate.engine.base_model import BaseFolder
from gate.engine.loading import (
    device_name,
    limit_threads,
    load_model,
    load_tokenizer,
    pick_device,
    silence,
    stop_ids,
    versions,
)
from gate.engine.prompts import render
from gate.engine.session import CandidateFiles, Prompt, Question, Session, Settings, plan_batches
from gate.engine.switch import attach, is_same, probe_logits
from gate.errors import AdapterRefused, BrokenRun

_BATCH_TOKENS = {True: 8_192, False: 32_768}
"""Whether on a CPU -> tokens a batch. A CPU gains nothing from batches that leave its caches."""


class TransformersEngine(BaseModel):
    """Runs the model in this process with transformers and PEFT."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    kind: Literal["transformers"] = "transformers"
    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|cuda(:\d{1,2})?)$")
    """`auto`: the GPU if there is one, else the CPU. Or `cpu`, `cuda`, `cuda:1`, `mps`."""
    batch_tokens: int | None = Field(default=None, ge=256, le=4_194_304)
    """Tokens a batch may hold, prompts and answers together; default: 8,192 on a CPU, 32,768 on a GPU.
    Lower it when memory runs out."""

    def open(
        self,
        base: BaseFolder,
        candidate: CandidateFiles,
        questions: Sequence[Question],
        *,
        settings: Settings,
    ) -> Session:
        """Load the arms and plan the batches.

        Raises:
            ConfigError: If the device is not there, or the base cannot be loaded.
            AdapterRefused: If the adapter does not fit the base, or changes nothing.
        """
        return _TransformersSession(self, base, candidate, questions, settings)


class _TransformersSession:
    """The loaded arms. See `Session`."""

    def __init__(
        self,
        engine: TransformersEngine,
        base: BaseFolder,
        candidate: CandidateFiles,
        questions: Sequence[Question],
        settings: Settings,
    ) -> None:
        import torch

        silence()
        self.warnings: list[str] = []
        self._device = pick_device(engine.device)
        self._tokenizer = load_tokenizer(base.path)
        model = load_model(base, settings.dtype, self._device)
        limit_threads(model, self._device)
        self._dtype = str(model.dtype).removeprefix("torch.")
        prompts = render(
            questions,
            self._tokenizer,
            template=settings.template,
            template_kwargs=settings.template_kwargs,
            max_positions=getattr(model.config, "max_position_embeddings", None),
        )
        self.batches = plan_batches(prompts, engine.batch_tokens or _BATCH_TOKENS[self._device == "cpu"])
        self._stop_ids = stop_ids(model, self._tokenizer)
        self._separate_base: Any = None
        self._model = self._with_adapter(model, base, candidate, prompts, settings)
        self.arms: Mapping[ArmName, Arm] = _arms(base, candidate)
        self.environment = {
            "python": platform.python_version(),
            "torch": torch.__version__,
            **versions("transformers", "peft", "tokenizers"),
            "device": device_name(self._device),
            "dtype": self._dtype,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        import torch

        del self._model, self._separate_base
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def answer(self, arm: ArmName, batch: Sequence[Prompt]) -> tuple[Response, ...]:
        import torch
        from transformers import GenerationConfig

        longest = max(len(prompt.token_ids) for prompt in batch)
        pad_id = self._stop_ids[0]
        # Left padding: the answer must follow its prompt directly. The mask is explicit because the pad token
        # is often the end-of-turn token, which a guessed mask would hide inside the prompt as well.
        ids = torch.full((len(batch), longest), pad_id)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(batch):
            ids[row, longest - len(prompt.token_ids) :] = torch.tensor(prompt.token_ids)
            mask[row, longest - len(prompt.token_ids) :] = 1
        greedy = GenerationConfig(
            do_sample=False,
            max_new_tokens=batch[0].max_new_tokens,
            eos_token_id=list(self._stop_ids),
            pad_token_id=pad_id,
        )
        model, switched = self._arm(arm)
        # transformers merges the model folder's generation_config.json into the one that is passed: a repetition
        # penalty there would bend "greedy" answers. So the model's own is replaced.
        model.generation_config = greedy
        try:
            with switched, torch.inference_mode():
                output = model.generate(
                    input_ids=ids.to(self._device), attention_mask=mask.to(self._device), generation_config=greedy
                )
        except torch.OutOfMemoryError:
            raise BrokenRun(
                f"out of GPU memory on a batch of {len(batch)} prompts of up to {longest} tokens",
                fix="Lower `engine: {batch_tokens: ...}`; finished answers are kept, the same command continues.",
            ) from None
        return tuple(
            self._response(arm, prompt, row) for prompt, row in zip(batch, output[:, longest:].tolist(), strict=True)
        )

    def _response(self, arm: ArmName, prompt: Prompt, ids: list[int]) -> Response:
        end = next((index for index, token in enumerate(ids) if token in self._stop_ids), None)
        answer = ids if end is None else ids[:end]
        return Response(
            suite=prompt.suite,
            case=prompt.case,
            arm=arm,
            repeat=0,
            text=self._tokenizer.decode(answer, skip_special_tokens=True, clean_up_tokenization_spaces=False),
            finish="length" if end is None else "stop",
            tokens=len(answer),
        )

    def _arm(self, arm: ArmName) -> tuple[Any, AbstractContextManager[None]]:
        """The model that answers for an arm, and the switch to hold meanwhile."""
        if arm == "candidate":
            return self._model, nullcontext()
        if self._separate_base is not None:
            return self._separate_base, nullcontext()
        return self._model, self._model.disable_adapter()

    def _with_adapter(
        self,
        model: Any,
        base: BaseFolder,
        candidate: CandidateFiles,
        prompts: Sequence[Prompt],
        settings: Settings,
    ) -> Any:
        """Attach the adapter, and make sure that both arms are what they are called."""
        first_of_suite = {prompt.suite: prompt.token_ids for prompt in reversed(prompts)}
        probes = list(first_of_suite.values()) + [prompt.token_ids for prompt in prompts]
        pristine = probe_logits(model, probes)
        attached = attach(model, candidate.path, candidate.tensor_names)
        with attached.disable_adapter():
            off = probe_logits(attached, probes)
        if bool((probe_logits(attached, probes) == pristine).all()):
            raise AdapterRefused(
                f"{candidate.path}: the adapter changes nothing: the logits are those of the base",
                fix="Was it saved before training, or with a scale (lora_alpha) of zero?",
            )
        if not is_same(pristine, off, self._dtype):
            self.warnings.append(
                "Switched off, this adapter does not give back the base (trained biases, PiSSA and OLoRA do this), "
                "so the base was loaded separately."
            )
            self._separate_base = load_model(base, settings.dtype, self._device)
        return attached


def _arms(base: BaseFolder, candidate: CandidateFiles) -> dict[ArmName, Arm]:
    pristine = Arm(
        name="base",
        model=base.name,
        revision=base.revision,
        adapter=None,
        description=base.description,
        digest=base.digest,
    )
    tuned = Arm(
        name="candidate",
        model=base.name,
        revision=base.revision,
        adapter=candidate.name,
        description=candidate.description,
        digest=candidate.digest,
    )
    return {"base": pristine, "candidate": tuned}
