"""The `recorded` scorer: takes over what another tool said the answer is worth. Reads no text.

It is no `Scorer`: it has no `score(case, text)`, so that a caller who forgets to tell the two apart does not pass the
type checker.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, StrictBool

from gate.domain import Case
from gate.scorers.base import Reading
from gate.scorers.text import quoted, quoted_list

_LISTED_AT_MOST = 12


class Recorded(BaseModel):
    """Right or wrong, or a share, as the evaluation tool that wrote the file has scored it.

    For answers that were imported with their scores. Nothing is scored again, so the two files must have been made by
    the same tool with the same settings.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    needs: ClassVar[Literal["recorded"]] = "recorded"

    kind: Literal["recorded"] = "recorded"
    metric: str | None = None
    """Which of the recorded metrics, as the file names it; may be left out where there is only one."""
    right_or_wrong: StrictBool = True
    """Whether every value is 0 or 1. Set to false for a metric with values in between."""

    @property
    def binary(self) -> bool:
        """Whether every value is 0 or 1. Declared, never inferred from the values seen."""
        return self.right_or_wrong

    def problem(self, case: Case) -> str | None:
        """Every case can be scored: what is needed lies with the answers."""
        del case
        return None

    def read_recorded(self, scores: Mapping[str, float]) -> Reading | str:
        """Take one recorded score over.

        Args:
            scores: Metric -> value in [0, 1], of one answer.

        Returns:
            The value; or one sentence why this answer is unscored.
        """
        name = self.metric or (next(iter(scores)) if len(scores) == 1 else None)
        if name is None:
            return self._ambiguous(scores) if scores else "no score was recorded"
        value = scores.get(name)
        if value is None:
            return f"no score {quoted(name)} was recorded"
        if self.right_or_wrong and value not in (0.0, 1.0):
            return f"{quoted(name)} is {value:g}, which is neither right nor wrong"
        return Reading(value=value, why=f"recorded as {name} {value:g}")

    def objection(self, recorded: Iterable[Mapping[str, float]]) -> str | None:
        """Say why a whole file does not fit this scorer, so that it is refused rather than left unscored.

        Args:
            recorded: The recorded scores of every answer that is not an error.

        Returns:
            A sentence without its full stop that follows the suite's name; None if the scores fit.
        """
        answers = tuple(recorded)
        names = tuple(dict.fromkeys(name for scores in answers for name in scores))
        if not answers:
            return None
        if not names:
            return "no answer has a recorded score between 0 and 1"
        if self.metric is None and len(names) > 1:
            return self._ambiguous(names)
        name = self.metric or names[0]
        if name not in names:
            return f"no answer has a recorded score {quoted(name)}; there is {quoted_list(names[:_LISTED_AT_MOST])}"
        values = [scores[name] for scores in answers if name in scores]
        between = [value for value in values if value not in (0.0, 1.0)]
        if self.right_or_wrong and between:
            return (
                f"the recorded score {quoted(name)} has values between 0 and 1 in {len(between):,} of {len(values):,} "
                f"answers, for example {between[0]:g}; set 'right_or_wrong: false'"
            )
        return None

    def _ambiguous(self, names: Iterable[str]) -> str:
        return f"several scores were recorded; set 'metric' to one of {quoted_list(tuple(names)[:_LISTED_AT_MOST])}"
