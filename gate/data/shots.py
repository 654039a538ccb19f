"""What the prompted arm is asked: a system prompt and a few worked examples in front of each case.

The examples come from the rows that the candidate was trained on and from nowhere else: an example that is also a case
would show the base an answer that it is then asked for. This module must not know files, models or scores.
"""

import random
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gate import wording
from gate.data.training import TrainingRow
from gate.domain import Case, Message
from gate.errors import CasesError

_BLANK_LINE = "\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One worked example."""

    user: str
    assistant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shots:
    """The examples that every prompt of the prompted arm carries."""

    examples: tuple[Shot, ...]
    left_out: int
    """Training rows that would have served but ask what a case of a suite asks."""


def choose_shots(rows: Sequence[TrainingRow], *, count: int, seed: int, suites: Mapping[str, Sequence[Case]]) -> Shots:
    """Draw examples from the training rows.

    A row can serve if it is one question of the user with an answer that is not blank (a system turn is dropped: the
    prompted arm has its own) and if no case of any suite ends in the same question. Questions are the same if they are
    equal after NFKC, case folding and collapsing white space. Of rows with the same question the first counts.

    Args:
        rows: In the order of their file; the draw depends on it.
        count: How many to draw, at least 0.
        seed: Of the draw; equal arguments give equal examples in equal order.
        suites: Name -> cases, of all suites of the run.

    Raises:
        CasesError: Fewer rows can serve than are to be drawn.
    """
    asked = {
        _normal(question): name
        for name, cases in suites.items()
        for case in cases
        if (question := _last_question(case)) is not None
    }
    usable: dict[str, Shot] = {}
    in_suite: Counter[str] = Counter()
    other_shape = repeated = 0
    for row in rows:
        shot = _shot(row)
        if shot is None:
            other_shape += 1
            continue
        key = _normal(shot.user)
        if key in asked:
            in_suite[asked[key]] += 1
        elif key in usable:
            repeated += 1
        else:
            usable[key] = shot
    if len(usable) < count:
        reasons = [
            f"{other_shape:,} not one question with an answer" if other_shape else "",
            f"{repeated:,} repeating a question" if repeated else "",
            *(f"{number:,} also asked in the suite {name!r:.80}" for name, number in in_suite.items()),
        ]
        raise CasesError(_too_few(count, found=len(usable), of=len(rows), reasons=reasons), fix=_FIX)
    drawn = random.Random(seed).sample(list(usable.values()), count)  # noqa: S311 - a repeatable draw, not a secret
    return Shots(examples=tuple(drawn), left_out=in_suite.total())


def with_prompt(messages: Sequence[Message], *, system: str | None, shots: Sequence[Shot]) -> tuple[Message, ...]:
    """Put a system prompt and examples in front of a case's conversation.

    Args:
        messages: The case's own; system turns at its beginning join the system prompt, behind a blank line.
        system: The system prompt; line feeds at its end are dropped, None or blank: there is none.
        shots: The examples, in the order in which they are shown.
    """
    own = 0
    while own < len(messages) and messages[own].role == "system":
        own += 1
    texts = [(system or "").rstrip("\r\n"), *(message.content for message in messages[:own])]
    instructions = _BLANK_LINE.join(text for text in texts if text.strip())
    head = (Message(role="system", content=instructions),) if instructions else ()
    examples = tuple(
        turn
        for shot in shots
        for turn in (Message(role="user", content=shot.user), Message(role="assistant", content=shot.assistant))
    )
    return (*head, *examples, *messages[own:])


def fold_system(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Say the same without system turns, for a chat template that knows none.

    What a system turn says is put in front of the user's next turn, with a blank line between; at the end of a
    conversation it becomes a turn of the user's.
    """
    folded: list[Message] = []
    waiting: list[str] = []
    for message in messages:
        if message.role == "system":
            waiting.append(message.content)
        elif message.role == "user" and waiting:
            folded.append(Message(role="user", content=_BLANK_LINE.join([*waiting, message.content])))
            waiting = []
        else:
            folded.append(message)
    if waiting:
        folded.append(Message(role="user", content=_BLANK_LINE.join(waiting)))
    return tuple(folded)


_FIX = "Add training rows, or lower `prompted.num_shots`."


def _shot(row: TrainingRow) -> Shot | None:
    match [turn for turn in row.messages if turn.role != "system"], row.answer:
        case [Message(role="user", content=question)], str(answer) if question.strip() and answer.strip():
            return Shot(user=question, assistant=answer)
        case _:
            return None


def _last_question(case: Case) -> str | None:
    return next((turn.content for turn in reversed(case.messages) if turn.role == "user"), None)


def _normal(text: str) -> str:
    # Case folding can undo the normal form, hence once more behind it (Unicode 3.13, identifier caseless matching).
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split())


def _too_few(count: int, *, found: int, of: int, reasons: Sequence[str]) -> str:
    because = wording.listing([reason for reason in reasons if reason])
    rows = wording.count(of, "training row")
    have = f"{found:,} of {rows} can serve" if of else "there are no training rows"
    return f"the prompted arm needs {wording.count(count, 'example')}, but {have}{f': {because}' if because else ''}."
