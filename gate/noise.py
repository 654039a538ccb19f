"""The A/A noise floor: how often the base, asked the same again in other batches, gives another answer.

Rounding depends on what is computed together; where two tokens tie to within it, an answer takes another turn although
nothing changed. A rule that tolerates less than that is judged by noise.
"""

from collections.abc import Iterable, Sequence

from gate.domain import Check, Comparison, Response
from gate.engine.session import Session
from gate.reuse import ask_again

_ASKED = 8
_ASKED_IN_HALF = 32
"""16-bit number formats round coarsely, so more is asked again."""
_BEARABLE = 0.02
_TITLE = "the base answers alike in other batches"


def measure_noise(
    session: Session, answers: Sequence[Response], *, seed: int, before: tuple[int, int] = (0, 0)
) -> tuple[Check, float | None]:
    """Ask the base a few questions again, unless that was done before.

    Args:
        session: The loaded arms.
        answers: What was answered so far.
        seed: Seed of the choice.
        before: How many answers changed of how many that were asked again already.

    Returns:
        The check P30, and the share of changed answers; None where it cannot be measured.
    """
    known = [one for one in answers if one.arm == "base" and one.repeat == 0 and one.finish != "error"]
    if session.settings.temperature or not known:
        why = "answers are drawn at random" if known else "the base has no answers"
        return Check(id="P30", title=_TITLE, outcome="skipped", message=why), None
    count = _ASKED if session.environment.get("dtype") in ("float32", "float64") else _ASKED_IN_HALF
    changed, asked = before
    if asked < count:
        more_changed, more_asked = ask_again(session, known, seed=seed, count=count - asked)
        changed, asked = changed + more_changed, asked + more_asked
    if not asked:
        return Check(id="P30", title=_TITLE, outcome="skipped", message="no question was answered again"), None
    floor = changed / asked
    message = f"A/A noise floor: {changed} of {asked} answers changed"
    return Check(id="P30", title=_TITLE, outcome="ok" if floor <= _BEARABLE else "warn", message=message), floor


def noise_warnings(comparisons: Iterable[Comparison], floor: float | None) -> tuple[str, ...]:
    """Name the rules whose margin is below the noise floor."""
    if not floor:
        return ()
    places = {
        f"{one.rule} on {one.suite}": one.margin
        for one in comparisons
        if one.rule is not None and one.measure == "delta" and 0 < one.margin < floor
    }
    return tuple(
        f"{place} tolerates {100 * margin:.1f} pp, less than the A/A noise floor of "
        f"{100 * floor:.1f} %: rounding alone may change so many answers."
        for place, margin in places.items()
    )
