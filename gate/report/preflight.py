"""The preflight checks of a round as rows and sentences: what was not in order first, the rest in short.

Like `gate.report.view`, this module knows no markup; what it returns is untrusted.
"""

from collections.abc import Sequence

from gate import wording
from gate.domain import Check

_ORDER = ("fail", "allowed", "warn", "ok", "skipped")
_NOISE = "P30"
_NOTABLE = ("fail", "allowed", "warn")


def summary(checks: Sequence[Check]) -> str | None:
    """Say how many of the checks that could be made were in order; None if there were none."""
    if not checks:
        return None
    number = {outcome: sum(check.outcome == outcome for check in checks) for outcome in _ORDER}
    parts = [f"Preflight {number['ok']} of {len(checks) - number['skipped']}"]
    parts += [wording.count(number["warn"], "warning")] * bool(number["warn"])
    parts += [f"{number['allowed']} passed over on purpose"] * bool(number["allowed"])
    parts += [f"{number['fail']} failed"] * bool(number["fail"])
    parts += [f"{number['skipped']} could not be made"] * bool(number["skipped"])
    return ", ".join(parts)


def notable(checks: Sequence[Check]) -> tuple[Check, ...]:
    """Choose the checks that a reader must see, the worst first."""
    return tuple(sorted((one for one in checks if one.outcome in _NOTABLE), key=lambda one: _ORDER.index(one.outcome)))


def quiet(checks: Sequence[Check]) -> tuple[Check, ...]:
    """Choose the checks that were in order, then those that could not be made; noise has a sentence of its own."""
    rest = (one for one in checks if one.outcome not in _NOTABLE and (one.id, one.outcome) != (_NOISE, "ok"))
    return tuple(sorted(rest, key=lambda one: _ORDER.index(one.outcome)))


def noise(checks: Sequence[Check]) -> str | None:
    """Say how often the base, asked again, answered otherwise; None if that was not measured."""
    measured = (one.message for one in checks if one.id == _NOISE and one.outcome in ("ok", "warn"))
    return next((message.strip().removesuffix(".") for message in measured if message.strip()), None)


def in_short(check: Check) -> str:
    """Write a check on one line, what was seen in brackets."""
    seen = check.message.strip().removesuffix(".")
    state = "not made" if check.outcome == "skipped" else ""
    inside = ": ".join(part for part in (state, seen) if part)
    return f"{check.id} {check.title} ({inside})" if inside else f"{check.id} {check.title}"


def sentence(check: Check) -> str:
    """Write a check that was not in order as a line of a log."""
    states = {"allowed": "passed over on purpose (`allow`)", "warn": "warning"}
    return f"{check.id} {check.title}: {states.get(check.outcome, check.outcome)}: {check.message}"


def allowed_warnings(checks: Sequence[Check]) -> tuple[str, ...]:
    """Say of each check that was downgraded that it was, as a warning of the run."""
    return tuple(
        f"{check.id} was passed over on purpose (`allow`): {check.message}"
        for check in checks
        if check.outcome == "allowed"
    )
