"""One sample of an Inspect log: what was asked, what was answered, what the scorers said.

References:
    src/inspect_ai/log/_log.py (EvalSample), scorer/_metric.py (value_to_float) and model/_model_output.py of
    github.com/UKGovernmentBEIS/inspect_ai at 499e6152e.
"""

from pydantic import JsonValue

from gate.data.lines import Row, shown
from gate.domain import Case, Finish, Message
from gate.importers.base import Answer, case_id, conversation
from gate.importers.tolerant_json import compact, digest, items, member, members, mended, number_of, text_of

_ATTACHMENT = "attachment://"
_LETTERS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
_WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
_CUT = frozenset({"max_tokens", "model_length", "length"})


def read_case(sample: Row) -> Case:
    """Read what was asked, as the data set has it; what solvers add to the prompt is part of the log's setup.

    Raises:
        ValueError: It has no usable id.
    """
    if "id" not in sample:
        raise ValueError("'id' is missing")
    try:
        case = case_id(sample["id"])
    except ValueError as refused:
        raise ValueError(f"'id' {refused}") from None
    attachments = members(sample.get("attachments"))
    return Case(
        id=case,
        messages=_input(sample.get("input"), attachments),
        references=_texts(sample.get("target"), attachments),
        choices=_texts(sample.get("choices"), attachments),
    )


def read_definition(sample: Row) -> str | None:
    """Digest what else makes the question: files and the place where tools run. None if there is none."""
    parts: list[JsonValue] = [sample.get("sandbox"), sample.get("files"), sample.get("setup")]
    return digest(parts) if any(parts) else None


def read_answer(sample: Row) -> Answer:
    """Read what was answered in which epoch, and its scores; an error has none, whatever the scorers made of it.

    Raises:
        ValueError: The epoch is none.
    """
    epoch = sample.get("epoch", 1)
    if isinstance(epoch, bool) or not isinstance(epoch, int) or epoch < 1:
        raise ValueError(f"'epoch' must be a whole number from 1 on, not {shown(epoch)}")
    output = sample.get("output")
    error = _error(sample, output)
    if error is not None:
        return Answer(text="", repeat=epoch - 1, finish="error", error=error, scores={})
    attachments = members(sample.get("attachments"))
    choices = items(member(output, "choices"))
    text = text_of(member(output, "completion"))
    if text is None:
        text = _content(member(choices[0], "message", "content"), attachments) if choices else ""
    cut = sample.get("limit") is not None or (bool(choices) and _stop_reason(choices[0]) in _CUT)
    finish: Finish = "length" if cut else "stop"
    return Answer(
        text=_resolved(text, attachments),
        repeat=epoch - 1,
        finish=finish,
        scores=_scores(members(sample.get("scores"))),
    )


def _stop_reason(choice: JsonValue) -> str | None:
    return text_of(member(choice, "stop_reason"))


def _error(sample: Row, output: JsonValue) -> str | None:
    if sample.get("error") is not None:
        return text_of(member(sample, "error", "message")) or "the sample ended with an error"
    if sample.get("invalidation") is not None:
        return text_of(member(sample, "invalidation", "reason")) or "marked as invalid in Inspect"
    if not items(member(output, "choices")) and text_of(member(output, "completion")) is None:
        return text_of(member(output, "error"))
    return None


def _scores(scores: Row) -> dict[str, float]:
    """Metric -> value. A score of several values becomes several metrics, `SCORER.KEY`; no number is no score."""
    values: dict[str, float] = {}
    for name, score in scores.items():
        value = member(score, "value")
        for label, part in (
            {f"{name}.{key}": part for key, part in value.items()} if isinstance(value, dict) else {name: value}
        ).items():
            number = _number(part)
            if number is not None:
                values[label] = number
    return values


def _number(value: JsonValue) -> float | None:
    if not isinstance(value, str):
        return number_of(value)
    if value in _LETTERS:
        return _LETTERS[value]
    if value.lower() in _WORDS:
        return _WORDS[value.lower()]
    try:
        return number_of(float(value))
    except ValueError:
        return None


def _input(value: JsonValue, attachments: Row) -> tuple[Message, ...]:
    if not isinstance(value, list):
        return conversation(_content(value, attachments))
    turns = [
        Message(role=text_of(member(turn, "role")) or "user", content=_content(member(turn, "content"), attachments))
        for turn in value
    ]
    return tuple(turns) or conversation("")


def _texts(value: JsonValue, attachments: Row) -> tuple[str, ...]:
    several = value if isinstance(value, list) else [value]
    return tuple(_content(one, attachments) for one in several if one is not None)


def _content(value: JsonValue, attachments: Row) -> str:
    """A text, or the text parts of a message."""
    match value:
        case None:
            return ""
        case str():
            return mended(_resolved(value, attachments))
        case list():
            parts = [member(part, "text") for part in value if member(part, "type") == "text"]
            return mended("\n".join(_resolved(part, attachments) for part in parts if isinstance(part, str)))
        case _:
            return compact(value)


def _resolved(text: str, attachments: Row) -> str:
    """Long texts may be kept once and referred to by their hash."""
    if not text.startswith(_ATTACHMENT):
        return text
    kept = attachments.get(text.removeprefix(_ATTACHMENT))
    return kept if isinstance(kept, str) else text
