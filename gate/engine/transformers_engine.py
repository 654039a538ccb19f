"""The transformers backend: arms that share one base where that is exact, answered the fast way where that is."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal, Self

from pydantic import Field

from gate.domain import Arm, ArmName, Check, Response
from gate.engine.base_model import BaseFolder
from gate.engine.chat_template import BEGUN_BY_PROMPT, REASONING
from gate.engine.classifier import classify, labels_of
from gate.engine.contestants import SEPARATE_WARNING, Contestant
from gate.engine.lengths import rows_together, strictest
from gate.engine.loading import limit_threads, load_tokenizer, pick_device, silence, stop_ids, surroundings
from gate.engine.opening import Opening, base_loader, open_arms
from gate.engine.plain import PlainPath
from gate.engine.preflight import begins_reasoning, check_arms, check_prompts, check_standing, look_at
from gate.engine.prompts import FOLDED_WARNING, fit_template, render
from gate.engine.quick import QuickPath, probe_of
from gate.engine.session import NO_DRAFTS, Drafts, Engine, Prompt, Question, Request, Session, plan_batches
from gate.engine.trial import try_attach

_HELD_TOKENS = 32_768
"""Tokens whose keys and values are in memory at a time."""
_CPU_BATCH_TOKENS = 8_192
"""Tokens of a batch that the library decodes on a CPU, which gains nothing from batches that leave its caches."""


class TransformersEngine(Engine):
    """Runs the model in this process with transformers and PEFT."""

    kind: Literal["transformers"] = "transformers"
    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|cuda(:\d{1,2})?)$")
    """`auto`: the GPU if there is one, else the CPU. Or `cpu`, `cuda`, `cuda:1`, `mps`."""
    batch_tokens: int | None = Field(default=None, ge=256, le=4_194_304)
    """Tokens a batch may hold, prompts and answers together; default: 32,768; on a CPU fewer
    where they would take more than 2 GiB, and 8,192 where the library decodes. Lower it when memory runs out."""

    def open(self, base: BaseFolder | None, request: Request) -> Session:
        """Load the arms; see `Engine.open`."""
        assert base is not None  # noqa: S101  # `reads_model`
        return _TransformersSession(self, base, request)


class _TransformersSession:
    """The loaded arms. See `Session`."""

    def __init__(self, engine: TransformersEngine, base: BaseFolder, request: Request) -> None:
        silence()
        self._device = pick_device(engine.device)
        for files in request.adapters.values():
            try_attach(base, files)
        self.settings = request.settings
        self._tokenizer = load_tokenizer(base.path)
        self._labels = labels_of(base, request.adapters)
        load_base = base_loader(base, self.settings, self._device, labels=self._labels)
        first = load_base()
        limit_threads(first, self._device)
        dtype = str(first.dtype).removeprefix("torch.")
        self.batches, folded = self._plan(
            engine, request, getattr(first.config.get_text_config(), "max_position_embeddings", None)
        )
        self._stop_ids = stop_ids(first, self._tokenizer) if self._labels is None else (0,)
        self._plain = PlainPath(
            settings=self.settings, device=self._device, stop_ids=self._stop_ids, halved=self._note_halving
        )
        self._quick = QuickPath(first, device=self._device, batch_tokens=engine.batch_tokens or _HELD_TOKENS)
        subject = look_at(first, self._tokenizer, base=base, request=request, batches=self.batches, folded=folded)
        checks = check_prompts(subject)
        ready = [first]
        del first
        opening = Opening(
            base=base,
            load=lambda: ready.pop() if ready else load_base(),
            tokenizer=self._tokenizer,
            prompts=[prompt for batch in self.batches["base"] for prompt in batch],
            pad_id=self._stop_ids[0],
            labels=self._labels,
            dtype=dtype,
            device=self._device,
        )
        opened = open_arms(request, opening)
        self._shelf = opened.shelf
        self._contestants = opened.contestants
        if request.prompted is not None:
            self._contestants["prompted"] = self._contestants["base"]
        self.arms: Mapping[ArmName, Arm] = {name: _arm(name, base, request) for name in request.arms}
        switches = {name: arm.switched for name, arm in self._contestants.items()}
        batching = {name: arm.batching for name, arm in self._contestants.items()}
        standing = check_standing(batching, is_apart=SEPARATE_WARNING in opened.warnings)
        self.checks = [*checks, *standing, *check_arms(subject, switches)]
        self._fast = self._trusted_arms()
        self._said: dict[tuple[str, str], tuple[int, ...]] = {}
        self.warnings = [*opened.warnings, *([FOLDED_WARNING] if folded else [])]
        self.environment = {
            **surroundings(self._device),
            "dtype": dtype,
            **({"quantization": self.settings.quantization} if self.settings.quantization != "none" else {}),
            **({REASONING: BEGUN_BY_PROMPT} if begins_reasoning(subject) else {}),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._contestants.clear()
        self._shelf.clear()

    def answer(
        self, arm: ArmName, batch: Sequence[Prompt], *, repeat: int, drafts: Drafts = NO_DRAFTS
    ) -> tuple[Response, ...]:
        finished = {
            (one.suite, one.case): one
            for answers in self.answer_many(arm, [batch], repeat=repeat, drafts=drafts)
            for one in answers
        }
        return tuple(finished[prompt.suite, prompt.case] for prompt in batch)

    def answer_many(
        self, arm: ArmName, batches: Sequence[Sequence[Prompt]], *, repeat: int, drafts: Drafts = NO_DRAFTS
    ) -> Iterator[tuple[Response, ...]]:
        contestant = self._contestants[arm]
        if arm in self._fast:
            yield from self._answer_fast(arm, [prompt for batch in batches for prompt in batch], drafts)
            return
        for batch in batches:
            if self._labels is not None:
                with contestant.switched() as model:
                    words = classify(model, batch, self._labels, batching=contestant.batching)
                yield tuple(_label(arm, prompt, word, repeat=repeat) for prompt, word in zip(batch, words, strict=True))
                continue
            rows: dict[int, list[int]] = {}
            for group in self._groups(contestant, batch):
                ids = self._plain.answers(contestant, [batch[row] for row in group], repeat)
                rows |= dict(zip(group, ids, strict=True))
            yield tuple(self._response(arm, prompt, rows[row], repeat=repeat) for row, prompt in enumerate(batch))

    def _answer_fast(self, arm: ArmName, prompts: Sequence[Prompt], drafts: Drafts) -> Iterator[tuple[Response, ...]]:
        stops = self._contestants[arm].stop_ids or self._stop_ids
        guesses = {key: ids for key, one in drafts.items() if (ids := self._draft_ids(one))}
        with self._contestants[arm].switched() as model:
            halved = self._note_halving
            for rows in self._quick.answers(arm, model, prompts, stop_ids=stops, drafts=guesses, halved=halved):
                if arm == "base":
                    self._said |= {(row.prompt.suite, row.prompt.case): tuple(row.answer) for row in rows}
                # Only the candidate never comes from the cache, which keeps no probes.
                yield tuple(
                    replace(
                        self._response(arm, row.prompt, row.answer, repeat=0),
                        probe=probe_of(row) if arm == "candidate" else None,
                    )
                    for row in rows
                )

    def _draft_ids(self, answer: Response) -> tuple[int, ...]:
        """The tokens of an earlier answer; where only its text is known, those that the tokenizer makes of it."""
        said = self._said.get((answer.suite, answer.case)) if answer.arm == "base" else None
        if said is not None or answer.finish == "error":
            return said or ()
        end = [self._stop_ids[0]] if answer.finish == "stop" else []
        return (*self._tokenizer(answer.text, add_special_tokens=False)["input_ids"], *end)

    def _trusted_arms(self) -> frozenset[ArmName]:
        """The arms that may be answered the fast way, because there it gives what plain decoding gives."""
        trusted: list[ArmName] = []
        if self.settings.temperature or self._labels is not None:
            return frozenset()
        for arm, contestant in self._contestants.items():
            prompts = [prompt for batch in self.batches[arm] for prompt in batch]
            stops = contestant.stop_ids or self._stop_ids
            problem: str | None = "its prompts cannot share a batch, or it can only be driven by the library"
            if contestant.cache_is_plain and contestant.batching == "any" and prompts:
                with contestant.switched() as model:
                    problem = self._quick.problem(
                        model, prompts, partial(self._plain.answer, contestant), stop_ids=stops
                    )
            if problem is None:
                trusted.append(arm)
            self.checks.append(
                Check(
                    id="P14",
                    title=f"fast decoding of {arm} gives what plain decoding gives",
                    outcome="ok" if problem is None else "warn",
                    message="" if problem is None else f"{arm} is decoded plainly, which takes longer: {problem}",
                )
            )
        return frozenset(trusted)

    def _groups(self, contestant: Contestant, batch: Sequence[Prompt]) -> tuple[tuple[int, ...], ...]:
        """Which prompts of a batch are computed together."""
        # Arms draw with the same random numbers only if all of them group alike.
        asked = self._contestants.values() if self.settings.temperature else [contestant]
        return rows_together(batch, strictest([one.batching for one in asked]))

    def _note_halving(self) -> None:
        if all(check.id != "P33" for check in self.checks):
            self.checks.append(
                Check(
                    id="P33",
                    title="memory holds a batch",
                    outcome="warn",
                    message="memory was too small for a batch, so smaller ones were computed, which takes longer",
                )
            )

    def _plan(
        self, engine: TransformersEngine, request: Request, max_positions: int | None
    ) -> tuple[dict[ArmName, tuple[tuple[Prompt, ...], ...]], bool]:
        """Every arm's batches, and whether system turns had to be folded into the user's."""
        batch_tokens = engine.batch_tokens or (_CPU_BATCH_TOKENS if self._device == "cpu" else _HELD_TOKENS)

        def batches(questions: Sequence[Question]) -> tuple[tuple[Prompt, ...], ...]:
            if self._labels is not None:  # a label takes no tokens
                questions = [replace(one, max_new_tokens=0) for one in questions]
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

    def _response(self, arm: ArmName, prompt: Prompt, ids: list[int], *, repeat: int) -> Response:
        contestant = self._contestants[arm]
        stops, tokenizer = contestant.stop_ids or self._stop_ids, contestant.tokenizer or self._tokenizer
        end = next((index for index, token in enumerate(ids) if token in stops), None)
        answer = ids if end is None else ids[:end]
        return Response(
            suite=prompt.suite,
            case=prompt.case,
            arm=arm,
            repeat=repeat,
            text=tokenizer.decode(answer, skip_special_tokens=True, clean_up_tokenization_spaces=False),
            finish="length" if end is None else "stop",
            tokens=len(answer),
        )


def _label(arm: ArmName, prompt: Prompt, label: str, *, repeat: int) -> Response:
    return Response(
        suite=prompt.suite, case=prompt.case, arm=arm, repeat=repeat, text=label, finish="stop", tokens=None
    )


def _arm(name: ArmName, base: BaseFolder, request: Request) -> Arm:
    files, model = request.adapters.get(name), request.models.get(name, base)
    description, digest = model.description, model.digest
    if files is not None:
        description, digest = files.description, files.digest
    elif name == "prompted":
        description = f"{base.description}, with a prompt"
        digest = hashlib.sha256(f"{base.digest} {request.prompted_digest}".encode()).hexdigest()
    return Arm(
        name=name,
        model=model.name,
        revision=model.revision,
        adapter=files.name if files is not None else None,
        description=description,
        digest=digest,
    )
