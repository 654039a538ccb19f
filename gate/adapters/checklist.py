"""The preflight checks that need no model: their names, and what becomes of one that fails.

Knows neither files nor tensors; who looks at those says here what was seen.
"""

from collections.abc import Mapping, Set
from typing import Literal

from gate.domain import Check
from gate.errors import AdapterRefused

TITLES: Mapping[str, str] = {
    "P01": "weights, not a stub of them",
    "P02": "files are whole",
    "P03": "finite numbers that change something",
    "P04": "scale of the update",
    "P05": "tensors fit the configuration",
    "P06": "every setting is understood",
    "P07": "trained on the configured base",
    "P32": "nothing can run code or load anything else",
    "P36": "a full fine-tune is not its base",
}
"""Id of a check -> what is checked."""

CAN_BE_ALLOWED = frozenset({"P03", "P04", "P06"})
"""Checks whose failure may be passed over on purpose, where the failure leaves something that can be judged."""


def refusal(check: str, message: str, *, fix: str | None = None) -> AdapterRefused:
    """The error of a failed check; its text ends with the check's id."""
    return AdapterRefused(f"{message} ({check})", fix=fix)


class Checklist:
    """What was looked at, and what was seen."""

    def __init__(self, allow: Set[str] = frozenset()) -> None:
        self._allow = allow & CAN_BE_ALLOWED
        self._seen: dict[str, Check] = {}

    def fail(self, check: str, message: str, *, fix: str | None = None) -> None:
        """Note a failure that may be passed over.

        Raises:
            AdapterRefused: Unless this check is allowed to fail.
        """
        if check not in self._allow:
            advice = f"If that is meant: `allow: [{check}]`."
            raise refusal(check, message, fix=advice if fix is None else f"{fix} {advice}")
        self._note(check, "allowed", message)

    def warn(self, check: str, message: str) -> None:
        """Note what a reader must know; the check passes."""
        self._note(check, "warn", message)

    def passed(self, *checks: str) -> tuple[Check, ...]:
        """All of these checks, those of which nothing was noted as passed; by id."""
        fine = {one: Check(id=one, title=TITLES[one], outcome="ok", message="") for one in checks}
        return tuple(check for _, check in sorted((fine | self._seen).items()))

    def _note(self, check: str, outcome: Literal["allowed", "warn"], message: str) -> None:
        earlier = self._seen.get(check)
        if earlier is not None:
            outcome = "allowed" if "allowed" in (earlier.outcome, outcome) else outcome
            message = f"{earlier.message}; {message}"
        self._seen[check] = Check(id=check, title=TITLES[check], outcome=outcome, message=message)
