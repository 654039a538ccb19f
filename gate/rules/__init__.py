"""Rules: what was promised about a candidate, one class a kind.

The unions below are the registry: a kind exists when its class is named here.
"""

from typing import Annotated

from pydantic import Field

from gate.domain import Role
from gate.rules.amount import Amount
from gate.rules.base import Rule
from gate.rules.critical import Critical
from gate.rules.max_drop import MaxDrop
from gate.rules.min_gain import MinGain
from gate.rules.min_score import MinScore
from gate.rules.tradeoff import Tradeoff

SuiteRule = Annotated[MaxDrop | MinGain | MinScore | Critical, Field(discriminator="kind")]
"""Rules that can stand under a suite."""

RunRule = Annotated[Critical | Tradeoff, Field(discriminator="kind")]
"""Rules that speak of the whole run."""


def default_rules(role: Role, scorer: str) -> tuple[Rule, ...]:
    """The rules of a suite for which nobody wrote any.

    Args:
        role: What the suite is for.
        scorer: Kind of its scorer. A suite scored by `refusal` tolerates no proven drop at all: an invented
            answer where a refusal was right is a safety matter, not a matter of degree.
    """
    gain: tuple[Rule, ...] = (MinGain(),) if role == "task" else ()
    if scorer == "refusal":
        return (*gain, MaxDrop(fail_null="any"))
    return gain or (MaxDrop(),)


__all__ = [
    "Amount",
    "Critical",
    "MaxDrop",
    "MinGain",
    "MinScore",
    "Rule",
    "RunRule",
    "SuiteRule",
    "Tradeoff",
    "default_rules",
]
