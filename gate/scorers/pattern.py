"""The `regex` scorer. Knows only text, and the library that can stop a search after a given time."""

from typing import Annotated, ClassVar, Literal

import regex
from pydantic import AfterValidator, Field, StrictBool, StrictStr

from gate.domain import Case
from gate.scorers.base import Reading, Scorer
from gate.scorers.text import composed, quoted, quoted_list

LONGEST_SEARCH_SECONDS = 60.0


def checked_pattern(pattern: str) -> str:
    """Return the pattern unchanged if it is a regular expression.

    Raises:
        ValueError: It is not; the message says at which character.
    """
    try:
        regex.compile(pattern)
    except (regex.error, ValueError, OverflowError, RecursionError, KeyError) as broken:
        raise ValueError(f"{quoted(pattern)} is not a regular expression: {broken}") from None
    return pattern


Pattern = Annotated[StrictStr, Field(min_length=1), AfterValidator(checked_pattern)]
"""A regular expression in the syntax of the `regex` library."""

TimeLimitSeconds = Annotated[float, Field(strict=True, gt=0, le=LONGEST_SEARCH_SECONDS, allow_inf_nan=False)]


class Regex(Scorer):
    """Right if a regular expression matches the answer.

    Where `pattern` is left out, the case's references are the patterns and one match is enough. The answer is
    brought to NFC and loses its outer white space first. Flags are written inline: `(?m)` for lines, `(?s)` to
    let the dot match line breaks. A search that takes too long counts as no match.
    """

    binary: ClassVar[bool] = True

    kind: Literal["regex"] = "regex"
    pattern: Pattern | None = None
    """The expression; None: each case brings its own as its references."""
    mode: Literal["search", "fullmatch"] = "search"
    """`search`: a match anywhere. `fullmatch`: the expression describes the whole answer."""
    ignore_case: StrictBool = False
    timeout_seconds: TimeLimitSeconds = 1.0
    """Longest time for one search."""

    def read(self, case: Case, text: str) -> Reading:
        """Try each pattern until one matches."""
        answer = composed(text)
        patterns = self._patterns(case)
        try:
            matched = any(self._matches(pattern, answer) for pattern in patterns)
        except TimeoutError:
            return Reading(value=0.0, why=f"the search was given up after {self.timeout_seconds:g} s")
        if matched:
            return Reading(value=1.0, why="the pattern matches")
        return Reading(value=0.0, why=f"{quoted(text)} does not match {quoted_list(patterns)}")

    def problem(self, case: Case) -> str | None:
        """Without a pattern of its own the scorer needs references that are patterns."""
        if self.pattern is not None:
            return None
        if not case.references:
            return "has no reference, and the scorer has no pattern"
        try:
            for reference in case.references:
                checked_pattern(reference)
        except ValueError as broken:
            return f"has a reference that cannot be searched for: {broken}"
        return None

    def _patterns(self, case: Case) -> tuple[str, ...]:
        return case.references if self.pattern is None else (self.pattern,)

    def _matches(self, pattern: str, answer: str) -> bool:
        flags = regex.IGNORECASE if self.ignore_case else 0
        compiled = regex.compile(pattern, flags)
        method = compiled.fullmatch if self.mode == "fullmatch" else compiled.search
        return method(answer, timeout=self.timeout_seconds) is not None
