"""What turns one answer into a value in [0, 1] with a reason: one frozen class per kind.

The registry is the union: a new kind is a class and its name in `AnyScorer`. Scorers are pure; files that a
scorer's settings name are read by whoever loads the configuration, through the validation context.
"""

from typing import Annotated

from pydantic import Field

from gate.scorers.base import Reading, Scorer
from gate.scorers.classification import Classification
from gate.scorers.contains import Contains
from gate.scorers.exact_match import ExactMatch
from gate.scorers.json_schema import JsonSchema
from gate.scorers.json_valid import JsonValid
from gate.scorers.numeric import Numeric
from gate.scorers.pattern import Regex
from gate.scorers.recorded import Recorded
from gate.scorers.refusal import Refusal, reaction
from gate.scorers.text import strip_thinking

AnyScorer = Annotated[
    ExactMatch | Contains | Regex | Numeric | Classification | JsonValid | JsonSchema | Refusal | Recorded,
    Field(discriminator="kind"),
]
"""Any scorer, chosen by its `kind`."""

__all__ = [
    "AnyScorer",
    "Classification",
    "Contains",
    "ExactMatch",
    "JsonSchema",
    "JsonValid",
    "Numeric",
    "Reading",
    "Recorded",
    "Refusal",
    "Regex",
    "Scorer",
    "reaction",
    "strip_thinking",
]
