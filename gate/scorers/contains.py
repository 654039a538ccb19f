"""The `contains` scorer. Knows only text."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StrictBool, StrictStr, model_validator

from gate.domain import Case
from gate.scorers.base import Reading, Scorer
from gate.scorers.text import composed, quoted, quoted_list

Literals = Annotated[tuple[Annotated[StrictStr, Field(min_length=1, pattern=r"\S")], ...], Field(min_length=1)]
"""Texts searched for letter by letter; never empty, never blank."""


class Contains(Scorer):
    """Right if the answer holds all of `all`, at least one of `any`, and none of `none`.

    Where none of the three is given, the case's references are the `any` list. Texts are compared in NFC; case
    counts unless `ignore_case`. A text is found inside words too: `art` is in `start`.
    """

    binary: ClassVar[bool] = True

    kind: Literal["contains"] = "contains"
    all: Literals | None = None
    """Every one of these must occur."""
    any: Literals | None = None
    """At least one of these must occur."""
    none: Literals | None = None
    """Not one of these may occur."""
    ignore_case: StrictBool = False
    """Compare without regard to upper and lower case (Unicode case folding)."""

    @model_validator(mode="after")
    def _satisfiable(self) -> Self:
        for banned in self.none or ():
            for wanted in self.all or ():
                if self._normal(banned) in self._normal(wanted):
                    raise ValueError(f"no answer can hold {quoted(wanted)} ('all') without {quoted(banned)} ('none')")
        return self

    def read(self, case: Case, text: str) -> Reading:
        """Search for every listed text; the reason names the first list that is not met."""
        answer = self._normal(text)
        missing = tuple(literal for literal in self.all or () if self._normal(literal) not in answer)
        if missing:
            return Reading(value=0.0, why=f"does not contain {quoted_list(missing)}")
        options = self._options(case)
        if options and not any(self._normal(literal) in answer for literal in options):
            return Reading(value=0.0, why=f"contains none of {quoted_list(options)}")
        found = tuple(literal for literal in self.none or () if self._normal(literal) in answer)
        if found:
            return Reading(value=0.0, why=f"contains {quoted_list(found)}, which it must not")
        return Reading(value=1.0, why="contains what it must and nothing that it must not")

    def problem(self, case: Case) -> str | None:
        """A scorer without lists of its own needs references."""
        if self.all or self.any or self.none:
            return None
        if not case.references:
            return "has no reference, and the scorer lists nothing to look for"
        blank = any(not reference.strip() for reference in case.references)
        return "has an empty reference, which every answer contains" if blank else None

    def _options(self, case: Case) -> tuple[str, ...]:
        if self.all or self.any or self.none:
            return self.any or ()
        return case.references

    def _normal(self, text: str) -> str:
        return composed(text.casefold() if self.ignore_case else text)
