"""Checks that need the loaded arms: their mode, and whether the candidate knows what it was trained on.

Knows models as callables that give logits; not where they come from, and no file.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gate import wording
from gate.data.shots import fold_system
from gate.domain import ArmName, Check
from gate.engine.preflight.subject import Subject, answers_with_labels, failed, passed, skipped, warned

if TYPE_CHECKING:
    import torch

Switched = Callable[[], AbstractContextManager[Any]]
"""Holds a model in the state of one arm, as long as the context lasts."""

_FEWEST_ROWS = 8
_BATCH_ROWS = 4
_LONGEST_TOKENS = 1024
_LOWER_BY = 0.05
"""How much less surprised the candidate must be than the base, as a share; 0.05 is a proposal, not a law."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A training row in tokens."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]


def evaluation_mode(arms: Mapping[ArmName, Switched]) -> Check:
    """P29: no part of a model drops activations at random."""
    for name, switched in arms.items():
        with switched() as model:
            if any(module.training for module in model.modules()):
                return failed("P29", f"{name}: a part of the model is in training mode, where dropout is at work.")
    return passed("P29")


def training_rows(subject: Subject, arms: Mapping[ArmName, Switched]) -> Check:
    """P28: the candidate finds the answers that it was trained on likelier than the base does."""
    lessons = subject.request.lessons
    if not lessons:
        return skipped("P28", "No `training.data` is configured.")
    if answers_with_labels(subject.request):
        return skipped("P28", "The arms answer with labels.")
    rows = _rows(subject)
    if len(rows) < _FEWEST_ROWS:
        return skipped(
            "P28", f"Only {len(rows)} of {wording.count(len(lessons), 'training row')} could be written as prompts."
        )
    losses = {}
    for name in ("base", "candidate"):
        with arms[name]() as model:
            losses[name] = answer_loss(model, rows)
    seen = f"{losses['candidate']:.3g} against {losses['base']:.3g} nats a token on {len(rows)} rows"
    if losses["candidate"] <= (1 - _LOWER_BY) * losses["base"]:
        return passed("P28", f"{seen}.")
    return warned(
        "P28",
        f"The candidate is not less surprised than the base by answers that it was trained on ({seen}): template, "
        "base or adapter may be another than in training, or `training.data` is.",
    )


def _rows(subject: Subject) -> list[_Row]:
    """The rows that the template takes and that are short enough."""
    most = min(_LONGEST_TOKENS, getattr(subject.config, "max_position_embeddings", None) or _LONGEST_TOKENS)
    found = []
    for lesson in subject.request.lessons:
        messages = fold_system(lesson.messages) if subject.folded else lesson.messages
        text = subject.render(*messages) if subject.is_chat else "\n\n".join(turn.content for turn in messages)
        if text is None:
            continue
        prompt = subject.ids(text, special=not subject.is_chat)
        answer = subject.ids(lesson.answer)
        if prompt and answer and len(prompt) + len(answer) <= most and max(*prompt, *answer) < subject.embedding_rows:
            found.append(_Row(prompt=tuple(prompt), answer=tuple(answer)))
    return found


def answer_loss(model: Any, rows: Sequence[_Row]) -> float:
    """Mean of -ln p(token) over the answers' tokens, each after all of the row before it."""
    import torch

    total, count = 0.0, sum(len(row.answer) for row in rows)
    longest_first = sorted(rows, key=lambda row: -len(row.prompt) - len(row.answer))
    with torch.inference_mode():
        for start in range(0, len(rows), _BATCH_ROWS):
            total += _summed_loss(model, longest_first[start : start + _BATCH_ROWS])
    return total / count


def _summed_loss(model: Any, rows: Sequence[_Row]) -> float:
    import torch

    longest = max(len(row.prompt) + len(row.answer) for row in rows)
    # Padding on the right: no token of a row stands behind it, so it takes part in nothing.
    ids = torch.zeros((len(rows), longest), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        tokens = [*row.prompt, *row.answer]
        ids[number, : len(tokens)] = torch.tensor(tokens)
        mask[number, : len(tokens)] = 1
    output = model(input_ids=ids.to(model.device), attention_mask=mask.to(model.device), use_cache=False)
    logits = output.logits[:, -longest:]  # prompt learning puts tokens of its own in front
    return sum(_row_loss(logits[number], row) for number, row in enumerate(rows))


def _row_loss(logits: "torch.Tensor", row: _Row) -> float:
    import torch

    start, answer = len(row.prompt), torch.tensor(row.answer, device=logits.device)
    before = logits[start - 1 : start - 1 + len(row.answer)].float()
    return float(torch.nn.functional.cross_entropy(before, answer, reduction="sum"))
