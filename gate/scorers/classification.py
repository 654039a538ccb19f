"""The `classification` scorer: one label out of a closed set. Knows only text."""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StrictStr, model_validator

from gate.domain import Case
from gate.scorers.base import Reading, Scorer
from gate.scorers.text import composed, quoted, quoted_list

_PREFIX = re.compile(r"(?:label|class|category|answer)\s*[:=]\s*")
_WRAPPING = " \t\r\n\"'`*_“”‘’«».,;:!?…()[]{}<>。、！？：；「」"  # noqa: RUF001 - the marks of several scripts are meant


class Classification(Scorer):
    """Right if the answer is the label that the reference names.

    The answer must be one of `labels` or `aliases` and nothing else: upper and lower case, white space, quotes,
    brackets, asterisks and punctuation around it, and a leading `Label:`, `Class:`, `Category:` or `Answer:` do not
    count. Any other answer is invalid, which is counted apart and worth 0.
    """

    binary: ClassVar[bool] = True

    kind: Literal["classification"] = "classification"
    labels: Annotated[tuple[Annotated[StrictStr, Field(min_length=1)], ...], Field(min_length=2)]
    """The closed set; at least two."""
    aliases: Mapping[StrictStr, StrictStr] = Field(default_factory=dict)
    """Other spelling -> label."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        seen: dict[str, str] = {}
        for name, label in [*((label, label) for label in self.labels), *self.aliases.items()]:
            key = _normal(name)
            if not key:
                raise ValueError(f"{quoted(name)} has nothing to compare but punctuation")
            if label not in self.labels:
                raise ValueError(f"the alias {quoted(name)} stands for {quoted(label)}, which is not one of the labels")
            if key in seen and (seen[key] != label or name in self.labels):
                raise ValueError(f"{quoted(name)} and {quoted(seen[key])} cannot be told apart")
            seen[key] = label
        return self

    def read(self, case: Case, text: str) -> Reading:
        """Find the label and compare it with each reference's."""
        answer = self.label(text)
        if answer is None:
            return Reading(value=0.0, why=f"{quoted(text)} is not one of the labels", invalid=True)
        if any(answer == self.label(reference) for reference in case.references):
            return Reading(value=1.0, why=f"{quoted(answer)} is the right label", label=answer)
        return Reading(value=0.0, why=f"{quoted(answer)} is not {quoted_list(case.references)}", label=answer)

    def label(self, text: str) -> str | None:
        """Return the label that a text names, as written in `labels`; None if it names none."""
        key = _normal(text)
        return self._by_key.get(key) or self._by_key.get(_normal(_PREFIX.sub("", key, count=1)))

    def problem(self, case: Case) -> str | None:
        """A case needs references, each of them a label or an alias."""
        if not case.references:
            return "has no reference"
        for reference in case.references:
            if self.label(reference) is None:
                return (
                    f"has the reference {quoted(reference)}, which is not one of the labels {quoted_list(self.labels)}"
                )
        return None

    @cached_property
    def _by_key(self) -> dict[str, str]:
        return {_normal(name): label for name, label in [*((x, x) for x in self.labels), *self.aliases.items()]}


def _normal(text: str) -> str:
    return " ".join(composed(text.casefold()).strip(_WRAPPING).split())
