"""Checks of the chat template: which turns it writes, on which day, with which arguments, and where an answer ends.

Each renders conversations of words that occur nowhere else and looks where they end up; no weights are needed.
"""

import re
from datetime import date

from gate import wording
from gate.domain import Check, Message
from gate.engine.chat_template import TODAY, opens_reasoning, template_source, without_reasoning
from gate.engine.preflight.subject import Subject, answers_with_labels, failed, passed, quoted, skipped, warned

_RAW = "Prompts are raw text (`generation.template: raw`)."
_SYSTEM = Message(role="system", content="gatesystemsentinel")
_USER = Message(role="user", content="gateusersentinel")
_ANSWER = Message(role="assistant", content="gateanswersentinel")
_OTHER_DAY = date(2031, 12, 6)
_RENDERED_AGAIN = 6
"""Times that a prompt is written to see whether it comes out the same; a coin in it is caught in 31 of 32 runs."""


def turns(subject: Subject) -> Check:
    """P19: the user's turn is written, the system's too where it is needed, and the assistant's is begun."""
    if not subject.is_chat:
        return skipped("P19", _RAW)
    opened = subject.render(_USER)
    if opened is None or _USER.content not in opened:
        how = "refuses" if opened is None else "leaves out"
        return failed("P19", f"The chat template {how} what the user says in a conversation of one turn.")
    notes = [*_answer_notes(subject, opened), *_system_notes(subject)]
    if notes:
        return warned("P19", " ".join(notes))
    return passed("P19")


def _answer_notes(subject: Subject, opened: str) -> list[str]:
    """What is odd about the beginning of the assistant's turn."""
    answered = subject.render(_USER, _ANSWER, open_answer=False)
    if answered is None or _ANSWER.content not in answered:
        return ["The chat template writes no turn of the assistant, so worked examples and histories lose theirs."]
    before = answered[: answered.index(_ANSWER.content)]
    if without_reasoning(before).rstrip() == without_reasoning(opened).rstrip():
        return []
    if opened == subject.render(_USER, open_answer=False):
        return ["The chat template has no generation prompt: the model is not told that it is its turn."]
    ends = f"{quoted(opened[-30:])} against {quoted(before[-30:])}"
    return [f"The chat template begins the assistant's turn in another way when it asks for one ({ends})."]


def _system_notes(subject: Subject) -> list[str]:
    """What becomes of system turns, if there are any in the cases or the prompt."""
    asked = [one for one in subject.asked if any(turn.role == "system" for turn in one.messages)]
    if not asked:
        return []
    text = subject.render(_SYSTEM, _USER)
    if text is not None and _SYSTEM.content in text and _USER.content in text:
        return []
    does = "refuses" if text is None else "drops"
    say = "has one" if len(asked) == 1 else "have one"
    becomes = "it was put in front of the user's next turn" if subject.folded else "what it says reaches no arm"
    return [f"The chat template {does} system turns, and {wording.count(len(asked), 'prompt')} {say}: {becomes}."]


def same_every_day(subject: Subject) -> Check:
    """P20: a prompt depends neither on the day nor on chance."""
    if not subject.is_chat:
        return skipped("P20", _RAW)
    messages = subject.request.questions[0].messages if subject.request.questions else (_USER,)
    texts = {subject.render(*messages) for _ in range(_RENDERED_AGAIN)}
    if len(texts) > 1:
        return warned("P20", "The chat template writes another prompt each time: rounds cannot be compared exactly.")
    if {subject.render(*messages, today=_OTHER_DAY)} != texts:
        return warned(
            "P20",
            f"The chat template writes the date into the prompt; it is told {TODAY.isoformat()} on every day, so that "
            "rounds can be compared.",
        )
    return passed("P20")


def arguments(subject: Subject) -> Check:
    """P21: the template knows the arguments it is given, and reasoning that it begins is known of."""
    if not subject.is_chat:
        return skipped("P21", _RAW)
    source = template_source(subject.tokenizer) or ""
    names = subject.request.settings.template_kwargs
    unknown = [name for name in names if not re.search(rf"\b{re.escape(name)}\b", source)]
    if unknown:
        listed = wording.listing([quoted(name) for name in unknown])
        return warned("P21", f"`generation.template_kwargs`: the chat template knows no {listed}.")
    if begins_reasoning(subject):
        return passed(
            "P21", "The prompt opens a block of reasoning: what the model says before it closes the block is no answer."
        )
    return passed("P21")


def begins_reasoning(subject: Subject) -> bool:
    """Whether prompts end inside a block of reasoning."""
    return subject.is_chat and opens_reasoning(subject.render(_USER) or "")


def end_of_turn(subject: Subject) -> Check:
    """P22: what the template writes behind an answer is a token that stops one."""
    if not subject.is_chat:
        return skipped("P22", _RAW)
    if answers_with_labels(subject.request):
        return skipped("P22", "The arms answer with labels.")
    text = subject.render(_USER, _ANSWER, open_answer=False)
    if text is None or _ANSWER.content not in text:
        return skipped("P22", "The chat template writes no turn of the assistant.")
    # White space before the end is part of the answer for some templates; a model says it and then stops.
    rest = text.partition(_ANSWER.content)[2].lstrip()
    stops = wording.listing([quoted(subject.tokenizer.decode([token])) for token in subject.stop_ids])
    if not rest:
        return warned("P22", f"The chat template writes nothing behind an answer, so {stops} may never be said.")
    first = subject.ids(rest)[0]
    if first in subject.stop_ids:
        return passed("P22", quoted(subject.tokenizer.decode([first])))
    return failed(
        "P22",
        f"The chat template ends an answer with {quoted(subject.tokenizer.decode([first]))}, which stops none "
        f"(only {stops} does): every answer would run on to the token limit.",
    )
