"""The transformers backend: the base loaded once, the adapter switched on and off, greedy answers in batches."""

import gc
import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import Field

from gate.domain import Arm, ArmName, Check, Response
from gate.engine.base_model import BaseFolder
from gate.engine.chat_template import BEGUN_BY_PROMPT, REASONING
from gate.engine.contestants import SEPARATE_WARNING, line_up
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
from gate.engine.preflight import Subject, begins_reasoning, check_arms, check_prompts
from gate.engine.prompts import FOLDED_WARNING, fit_template, render
from gate.engine.session import NO_DRAFTS, Drafts, Engine, Prompt, Question, Request, Session, plan_batches
from gate.errors import BrokenRun

_BATCH_TOKENS = {True: 8_192, False: 32_768}
"""Whether on a CPU -> tokens a batch. A CPU gains nothing from batches that leave its caches."""


class TransformersEngine(Engine):
    """Runs the model in this process with transformers and PEFT."""

    kind: Literal["transformers"] = "transformers"
    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|cuda(:\d{1,2})?)$")
    """`auto`: the GPU if there is one, else the CPU. Or `cpu`, `cuda`, `cuda:1`, `mps`."""
    batch_tokens: int | None = Field(default=None, ge=256, le=4_194_304)
    """Tokens a batch may hold, prompts and answers together; default: 8,192 on a CPU, 32,768 on a GPU.
    Lower it when memory runs out."""

    def open(self, base: BaseFolder | None, request: Request) -> Session:
        """Load the arms; see `Engine.open`."""
        assert base is not None  # noqa: S101  # `reads_model`
        return _TransformersSession(self, base, request)


class _TransformersSession:
    """The loaded arms. See `Session`."""

    def __init__(self, engine: TransformersEngine, base: BaseFolder, request: Request) -> None:
        import torch

        silence()
        self.settings = request.settings
        self._device = pick_device(engine.device)
        self._tokenizer = load_tokenizer(base.path)
        first = load_model(base, self.settings.dtype, self._device)
        limit_threads(first, self._device)
        dtype = str(first.dtype).removeprefix("torch.")
        self.batches, folded = self._plan(engine, request, getattr(first.config, "max_position_embeddings", None))
        self._stop_ids = stop_ids(first, self._tokenizer)
        subject = self._subject(first, base, request, folded=folded)
        checks = check_prompts(subject)
        prompts = [prompt for batch in self.batches["base"] for prompt in batch]
        first_of_suite = {prompt.suite: prompt.token_ids for prompt in reversed(prompts)}
        ready = [first]

        def load() -> Any:
            return ready.pop() if ready else load_model(base, self.settings.dtype, self._device)

        del first
        self._contestants, shared = line_up(
            load,
            request.adapters,
            probes=[*first_of_suite.values(), *(prompt.token_ids for prompt in prompts)],
            dtype=dtype,
        )
        if request.prompted is not None:
            self._contestants["prompted"] = self._contestants["base"]
        self.arms: Mapping[ArmName, Arm] = {name: _arm(name, base, request) for name in request.arms}
        switches = {name: arm.switched for name, arm in self._contestants.items()}
        self.checks: tuple[Check, ...] = (*checks, *check_arms(subject, switches))
        self.warnings = [*([] if shared else [SEPARATE_WARNING]), *([FOLDED_WARNING] if folded else [])]
        self.environment = {
            "python": platform.python_version(),
            "torch": torch.__version__,
            **versions("transformers", "peft", "tokenizers"),
            "device": device_name(self._device),
            "dtype": dtype,
            **({REASONING: BEGUN_BY_PROMPT} if begins_reasoning(subject) else {}),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        import torch

        self._contestants.clear()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def answer(
        self, arm: ArmName, batch: Sequence[Prompt], *, repeat: int, drafts: Drafts = NO_DRAFTS
    ) -> tuple[Response, ...]:
        import torch

        longest = max(len(prompt.token_ids) for prompt in batch)
        # Left padding: the answer must follow its prompt directly. The mask is explicit because the pad token
        # is often the end-of-turn token, which a guessed mask would hide inside the prompt as well.
        ids = torch.full((len(batch), longest), self._stop_ids[0])
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(batch):
            ids[row, longest - len(prompt.token_ids) :] = torch.tensor(prompt.token_ids)
            mask[row, longest - len(prompt.token_ids) :] = 1
        how = self._generation_config(batch[0].max_new_tokens)
        if self.settings.temperature:
            # Every arm draws with the same random numbers, so that equal weights give equal answers.
            torch.manual_seed(draw_seed(self.settings.seed, batch[0], repeat))
        try:
            with self._contestants[arm].switched() as model, torch.inference_mode():
                # transformers merges the model folder's generation_config.json into the one that is passed: a
                # repetition penalty there would bend "greedy" answers. So the model's own is replaced.
                model.generation_config = how
                output = model.generate(
                    input_ids=ids.to(self._device), attention_mask=mask.to(self._device), generation_config=how
                )
        except torch.OutOfMemoryError:
            raise BrokenRun(
                f"out of GPU memory on a batch of {len(batch)} prompts of up to {longest} tokens",
                fix="Lower `engine: {batch_tokens: ...}`; finished answers are kept, the same command continues.",
            ) from None
        rows = zip(batch, output[:, longest:].tolist(), strict=True)
        return tuple(self._response(arm, prompt, row, repeat) for prompt, row in rows)

    def _plan(
        self, engine: TransformersEngine, request: Request, max_positions: int | None
    ) -> tuple[dict[ArmName, tuple[tuple[Prompt, ...], ...]], bool]:
        """Every arm's batches, and whether system turns had to be folded into the user's."""
        batch_tokens = engine.batch_tokens or _BATCH_TOKENS[self._device == "cpu"]

        def batches(questions: Sequence[Question]) -> tuple[tuple[Prompt, ...], ...]:
            prompts = render(
                questions,
                self._tokenizer,
                template=self.settings.template,
                template_kwargs=self.settings.template_kwargs,
                max_positions=max_positions,
            )
            return plan_batches(prompts, batch_tokens)

        asked, folded = request.questions, False
        if self.settings.template == "chat":  # raw text is asked as it stands, or refused
            asked, folded = fit_template(asked, self._tokenizer, self.settings)
        common, prompted = batches(asked), None
        if request.prompted is not None:
            with_prompt, prompt_folded = fit_template(request.prompted, self._tokenizer, self.settings)
            prompted, folded = batches(with_prompt), folded or prompt_folded
        return {arm: prompted if prompted is not None and arm == "prompted" else common for arm in request.arms}, folded

    def _subject(self, model: Any, base: BaseFolder, request: Request, *, folded: bool) -> Subject:
        return Subject(
            tokenizer=self._tokenizer,
            config=model.config,
            embedding_rows=model.get_input_embeddings().num_embeddings,
            dtype=str(model.dtype).removeprefix("torch."),
            stop_ids=self._stop_ids,
            base=base,
            request=request,
            batches=self.batches,
            folded=folded,
        )

    def _generation_config(self, max_new_tokens: int) -> Any:
        from transformers import GenerationConfig

        temperature = self.settings.temperature
        drawing = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0} if temperature else {}
        return GenerationConfig(
            **({"do_sample": False} | drawing),
            max_new_tokens=max_new_tokens,
            eos_token_id=list(self._stop_ids),
            pad_token_id=self._stop_ids[0],
        )

    def _response(self, arm: ArmName, prompt: Prompt, ids: list[int], repeat: int) -> Response:
        end = next((index for index, token in enumerate(ids) if token in self._stop_ids), None)
        answer = ids if end is None else ids[:end]
        return Response(
            suite=prompt.suite,
            case=prompt.case,
            arm=arm,
            repeat=repeat,
            text=self._tokenizer.decode(answer, skip_special_tokens=True, clean_up_tokenization_spaces=False),
            finish="length" if end is None else "stop",
            tokens=len(answer),
        )


def draw_seed(seed: int, first: Prompt, repeat: int) -> int:
    """The seed for one batch: the same for every arm, another for every repeat, whatever was answered before."""
    text = json.dumps([seed, first.suite, first.case, repeat])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


def _arm(name: ArmName, base: BaseFolder, request: Request) -> Arm:
    files = request.adapters.get(name)
    description, digest = base.description, base.digest
    if files is not None:
        description, digest = files.description, files.digest
    elif name == "prompted":
        description = f"{base.description}, with a prompt"
        digest = hashlib.sha256(f"{base.digest} {request.prompted_digest}".encode()).hexdigest()
    return Arm(
        name=name,
        model=base.name,
        revision=base.revision,
        adapter=files.name if files is not None else None,
        description=description,
        digest=digest,
    )
