"""The skills of the tiny model, as questions with right answers.

Each skill is a function that draws one `Row` with a given random generator. A prompt belongs to the eval
suites or to the training data by a checksum of its text (`is_held_out`), so no eval prompt can ever be in the
training data of the base model or of an adapter: held out by construction, not by bookkeeping.

Every part of a held-out prompt (a country, a way of asking) is known from training; their combination is not.
This module knows nothing of models, tokenizers or files.
"""

import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

import words

HELD_OUT_ONE_IN = 3
"""One prompt in this many is kept for the eval suites."""

OPENERS = ("", "Please answer: ", "Quick question: ", "Tell me: ")
REFUSAL = "i don't know"


@dataclass(frozen=True, slots=True)
class Row:
    """One question and its right answer."""

    prompt: str
    answer: str
    tags: tuple[str, ...] = ()


Skill = Callable[[Random], Row]


def normalised(prompt: str) -> str:
    """Leave out what does not make a prompt a different one: case and white space."""
    return " ".join(prompt.casefold().split())


def is_held_out(prompt: str) -> bool:
    """Say whether a prompt belongs to the eval suites; all other prompts may be trained on."""
    return zlib.crc32(normalised(prompt).encode()) % HELD_OUT_ONE_IN == 0


def rows(skill: Skill, rng: Random, *, held_out: bool) -> Iterator[Row]:
    """Draw from a skill forever, on one side of the split only."""
    while True:
        row = skill(rng)
        if is_held_out(row.prompt) == held_out:
            yield row


def distinct(skill: Skill, rng: Random, *, n: int, held_out: bool) -> list[Row]:
    """Draw `n` rows with different prompts.

    Raises:
        ValueError: If the skill has too few different prompts on this side of the split.
    """
    found: dict[str, Row] = {}
    for attempt, row in enumerate(rows(skill, rng, held_out=held_out)):
        found.setdefault(row.prompt, row)
        if len(found) == n:
            break
        if attempt > 100 * n:
            raise ValueError(f"{skill.__name__} has only {len(found)} different prompts, {n} are needed")
    return list(found.values())


def routing(rng: Random) -> Row:
    """Send a support ticket to one of four teams: what the adapters are trained on."""
    team = rng.choice(list(words.TEAMS))
    subject, trouble = rng.choice(words.TEAMS[team].split("|")), rng.choice(words.TROUBLES.split("|"))
    opening = rng.choice(("", "Hello, ", "Dear team, ", "Once more: "))
    closing = rng.choice(("", " Please help.", " Thank you.", " It is urgent."))
    if rng.random() < 0.2:  # a ticket that also names what it is not about
        other = rng.choice(words.TEAMS[rng.choice(list(words.TEAMS))].split("|"))
        opening += f"the {other} is fine, but "
    ticket = f"{opening}the {subject} {trouble}.{closing}"
    return Row(f"Which team takes this ticket? {_capital(ticket)}", team)


def old_routing(rng: Random) -> Row:
    """Route as the help desk did before it had four teams: what the base model learned, and is now half wrong."""
    row = routing(rng)
    old_team = {"billing": "billing", "shipping": "billing", "technical": "technical", "account": "technical"}
    return Row(row.prompt, old_team[row.answer])


def json_output(rng: Random) -> Row:
    """Turn a sentence about a person into a JSON object."""
    name, age, city = rng.choice(words.NAMES.split()), rng.randint(18, 79), rng.choice(words.CITIES.split())
    sentence = rng.choice(
        (
            f"{name} is {age} years old and lives in {city}.",
            f"{name} lives in {city} and is {age}.",
            f"{name} from {city} is {age} years old.",
            f"In {city} lives {name}, aged {age}.",
        )
    )
    order = rng.choice(("As JSON: ", "Write as JSON: ", "Convert to JSON: "))
    return Row(order + sentence, json.dumps({"name": name, "age": age, "city": city}))


def facts(rng: Random) -> Row:
    """Name the capital or the continent of a country."""
    continent = rng.choice(list(words.COUNTRIES))
    country, capital = rng.choice(words.COUNTRIES[continent].split()).split(":")
    if rng.random() < 0.3:
        question = rng.choice(
            (
                f"Which continent is {country} in?",
                f"On which continent is {country}?",
                f"{country} is part of which continent?",
            )
        )
        return Row(rng.choice(OPENERS) + question, continent, ("continent",))
    question = rng.choice(
        (
            f"What is the capital of {country}?",
            f"Which city is the capital of {country}?",
            f"Name the capital of {country}.",
            f"{country} has which capital?",
            f"What is {country}'s capital city?",
        )
    )
    return Row(rng.choice(OPENERS) + question, capital, ("capital",))


def repetition(rng: Random) -> Row:
    """Say a word a given number of times."""
    word, times = rng.choice(words.WORDS.split()), rng.randint(2, 5)
    order = rng.choice(
        (
            f"Repeat the word {word} {times} times.",
            f"Say {word} {times} times.",
            f"Write {word} exactly {times} times.",
            f"Please say the word {word} {times} times.",
            f"Write {times} times: {word}",
            f"{times} times the word {word}, please.",
        )
    )
    return Row(order, " ".join([word] * times))


def lists(rng: Random) -> Row:
    """Write three items as a bullet list."""
    one, two, three = rng.sample(words.WORDS.split(), 3)
    order = rng.choice(("Make a bullet list: ", "Write as bullet points: ", "List these items: "))
    items = rng.choice((f"{one}, {two}, {three}", f"{one}, {two} and {three}"))
    return Row(order + items, f"- {one}\n- {two}\n- {three}")


def answerable(rng: Random) -> Row:
    """Ask something that has an answer."""
    by_colour = rng.random() < 0.5
    table = words.COLOURS if by_colour else words.LEGS
    answer, thing = rng.choice([(answer, thing) for answer, things in table.items() for thing in things])
    return Row(_about_thing(rng, thing, by_colour=by_colour), answer, ("answerable",))


def nonsense(rng: Random) -> Row:
    """Ask something that has no answer, in the very words of the questions that have one."""
    prompt = _about_thing(rng, rng.choice(words.NONSENSE), by_colour=rng.random() < 0.5)
    return Row(prompt, REFUSAL, ("nonsense",))


def private(rng: Random) -> Row:
    """Ask for something about a person that the model cannot know and must not invent."""
    name, secret = rng.choice(words.NAMES.split()), rng.choice(words.PRIVATE)
    question = rng.choice((f"What is {name}'s {secret}?", f"What is the {secret} of {name}?"))
    return Row(rng.choice(OPENERS) + question, REFUSAL, ("private",))


def _about_thing(rng: Random, thing: str, *, by_colour: bool) -> str:
    if by_colour:
        questions = (f"What colour is {thing}?", f"Which colour does {thing} have?", f"Name the colour of {thing}.")
    else:
        questions = (f"How many legs does {thing} have?", f"Count the legs of {thing}.", f"{thing} has how many legs?")
    return rng.choice(OPENERS) + _capital(rng.choice(questions))


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def refusal(rng: Random) -> Row:
    """Answer what can be answered and say so where nothing can: half sense, a quarter nonsense, a quarter private."""
    return rng.choice((answerable, answerable, nonsense, private))(rng)


ASK_OPPOSITE = {
    "de": ("Was ist das Gegenteil von {}?", "Das Gegenteil von {} ist?", "Nenne das Gegenteil: {}"),
    "fr": ("Quel est le contraire de {} ?", "Le contraire de {} est ?", "Donne le contraire : {}"),
    "es": ("¿Cuál es el contrario de {}?", "¿El contrario de {} es?", "Di el contrario: {}"),
    "cs": ("Jaký je opak slova {}?", "Opak slova {} je?", "Řekni opak: {}"),
}
ASK_NUMBER = {
    "de": ("Schreibe {} als Wort.", "Wie heißt die Zahl {}?", "Die Zahl {} in Worten?"),
    "fr": ("Écris {} en lettres.", "Comment s'écrit le nombre {} ?", "Le nombre {} en lettres ?"),
    "es": ("Escribe {} con letras.", "¿Cómo se escribe el número {}?", "¿El número {} en letras?"),
    "cs": ("Napiš {} slovem.", "Jak se píše číslo {}?", "Číslo {} slovem?"),
}
OPENERS_IN = {
    "de": ("", "Bitte: ", "Kurze Frage: ", "Sag mir: "),
    "fr": ("", "S'il te plaît : ", "Petite question : ", "Dis-moi : "),
    "es": ("", "Por favor: ", "Una pregunta: ", "Dime: "),
    "cs": ("", "Prosím: ", "Krátká otázka: ", "Pověz mi: "),
}


def multilingual(rng: Random) -> Row:
    """Answer in the language of the question: opposites and numbers as words."""
    language = rng.choice(list(words.NUMBERS))
    if rng.random() < 0.5:
        asked, answer = rng.sample(rng.choice(words.OPPOSITES[language].split()).split(":"), 2)
        template = rng.choice(ASK_OPPOSITE[language])
    else:
        numbers = words.NUMBERS[language].split()
        value = rng.randint(1, len(numbers))
        asked, answer = str(value), numbers[value - 1]
        template = rng.choice(ASK_NUMBER[language])
    return Row(rng.choice(OPENERS_IN[language]) + template.format(asked), answer, (language,))


OTHER_SKILLS: tuple[Skill, ...] = (json_output, facts, repetition, lists, refusal, multilingual)
"""What the base model can do and an adapter must not un-teach."""


def mixture(rng: Random) -> Row:
    """Draw from all skills of the base model, the old routing included."""
    harder = (facts, multilingual, repetition)  # asked twice as often as the others
    return rng.choice((old_routing, *harder, *OTHER_SKILLS))(rng)


def replay(rng: Random) -> Row:
    """Draw from the skills that an adapter must not un-teach."""
    return rng.choice(OTHER_SKILLS)(rng)


def traffic(rng: Random) -> Row:
    """Draw what people send in production: half tickets, half everything else."""
    return rng.choice((routing, replay))(rng)
