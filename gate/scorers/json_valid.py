"""The `json_valid` scorer. Knows only text."""

from typing import ClassVar, Literal

from gate.domain import Case
from gate.scorers.base import Reading, Scorer
from gate.scorers.json_text import Mode, NotJson, read_document


class JsonValid(Scorer):
    """Right if the answer is a JSON document (RFC 8259); NaN, Infinity and repeated keys are refused.

    A bare number or string is a document too. A case needs no reference.
    """

    binary: ClassVar[bool] = True

    kind: Literal["json_valid"] = "json_valid"
    mode: Mode = "strict"
    """`strict`: the whole answer is the document. `lenient`: its only fenced block is, or, where there is not exactly
    one fence, the first object or array that reads as JSON."""

    def read(self, case: Case, text: str) -> Reading:
        """Parse the answer."""
        del case
        try:
            read_document(text, mode=self.mode)
        except NotJson as broken:
            return Reading(value=0.0, why=str(broken))
        return Reading(value=1.0, why="valid JSON")
