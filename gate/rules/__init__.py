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
from gate.rules.max_flips import MaxFlips
from gate.rules.max_shift import MaxShift
from gate.rules.min_gain import MinGain
from gate.rules.min_score import MinScore
from gate.rules.prompt_is_enough import PromptIsEnough
from gate.rules.retention import Retention
from gate.rules.tradeoff import Tradeoff

SuiteRule = Annotated[
    MaxDrop | MinGain | MinScore | MaxFlips | Retention | Critical | PromptIsEnough | MaxShift,
    Field(discriminator="kind"),
]
"""Rules that can stand under a suite."""

RunRule = Annotated[Critical | Tradeoff | PromptIsEnough, Field(discriminator="kind")]
"""Rules that speak of the whole run."""


def default_rules(role: Role, scorer: str | None) -> tuple[Rule, ...]:
    """The rules of a suite for which nobody wrote any.

    Args:
        role: What the suite is for.
        scorer: Kind of its scorer; None: unlabelled inputs, about which nothing is promised unasked. A suite scored
            by `refusal` tolerates no proven drop at all: an invented answer where a refusal was right is a safety
            matter, not a matter of degree.
    """
    if scorer is None:
        return ()
    gain: tuple[Rule, ...] = (MinGain(),) if role == "task" else ()
    if scorer == "refusal":
        return (*gain, MaxDrop(fail_null="any"))
    return gain or (MaxDrop(),)


__all__ = [
    "Amount",
    "Critical",
    "MaxDrop",
    "MaxFlips",
    "MaxShift",
    "MinGain",
    "MinScore",
    "PromptIsEnough",
    "Retention",
    "Rule",
    "RunRule",
    "SuiteRule",
    "Tradeoff",
    "default_rules",
]
