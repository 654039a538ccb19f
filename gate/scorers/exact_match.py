"""The `exact_match` scorer. Knows only text."""

import unicodedata
from typing import ClassVar, Literal

from pydantic import StrictBool

from gate.domain import Case
from gate.scorers.base import Reading, Scorer
from gate.scorers.text import composed, quoted, quoted_list


class ExactMatch(Scorer):
    """Right if the whole answer equals any of the case's references.

    Both sides are brought to NFC and lose their outer white space; case counts unless `ignore_case`.
    """

    binary: ClassVar[bool] = True

    kind: Literal["exact_match"] = "exact_match"
    ignore_case: StrictBool = False
    """Compare without regard to upper and lower case (Unicode case folding)."""
    ignore_punctuation: StrictBool = False
    """Drop punctuation marks (not symbols such as `+` or `$`) and count any white space as one space."""

    def read(self, case: Case, text: str) -> Reading:
        """Compare with each reference."""
        answer = self._normal(text)
        if any(answer == self._normal(reference) for reference in case.references):
            return Reading(value=1.0, why="equals the reference")
        return Reading(value=0.0, why=f"{quoted(text)} is not {quoted_list(case.references)}")

    def problem(self, case: Case) -> str | None:
        """A case needs a reference of which something is left to compare."""
        if not case.references:
            return "has no reference"
        empty = [reference for reference in case.references if not self._normal(reference)]
        return f"has the reference {quoted(empty[0])}, of which nothing is left to compare" if empty else None

    def _normal(self, text: str) -> str:
        text = composed(text)
        if self.ignore_case:
            text = composed(text.casefold())
        if self.ignore_punctuation:
            text = "".join(char for char in text if not unicodedata.category(char).startswith("P"))
            text = " ".join(text.split())
        return text
