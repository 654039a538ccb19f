"""What every scorer is: a frozen piece of configuration with one method that reads an answer.

A scorer knows one case and one text. It must not know arms, other cases, files, the clock or any model.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from gate.domain import Case


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one text is worth as an answer to one case."""

    value: float
    """In [0, 1]."""
    why: str
    """One short sentence for a person reading the case."""
    invalid: bool = False
    """The text is none of the answers that the question allows: empty, or outside a closed set."""
    label: str | None = None
    """The label that was read, by scorers that know labels."""


class Scorer(BaseModel, ABC):
    """The common part of all kinds: unknown keys are refused, an empty answer is worth 0."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    binary: ClassVar[bool]
    """Whether every value is 0 or 1. Declared, never inferred from the values seen."""
    needs: ClassVar[Literal["text"]] = "text"
    """What a scorer must be handed besides the case."""

    kind: str

    def score(self, case: Case, text: str) -> Reading:
        """Read one answer; any text whatever is readable.

        Args:
            case: A case for which `problem` returned None.
            text: The answer, without a thinking block.

        Returns:
            The value in [0, 1] with its reason.
        """
        if not text.strip():
            return Reading(value=0.0, why="the answer is empty", invalid=True)
        return self.read(case, text)

    @abstractmethod
    def read(self, case: Case, text: str) -> Reading:
        """Read an answer that is not empty; the part in which the kinds differ."""

    def problem(self, case: Case) -> str | None:
        """Say why this case cannot be scored, so that a bad suite is refused before any model is loaded.

        Returns:
            A reason that continues "case X ...", for example `has no reference`; None if it can be scored.
        """
        del case
        return None
