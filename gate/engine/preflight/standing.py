"""Checks on how the arms were found to stand: next to each other on one base, and next to other prompts in a batch.

What is not as it should be was refused or worked around when the arms were opened; here it is written down. Knows no
model.
"""

from collections.abc import Mapping

from gate import wording
from gate.domain import ArmName, Check
from gate.engine.lengths import Batching
from gate.engine.preflight.subject import passed


def check_standing(batching: Mapping[ArmName, Batching], *, is_apart: bool) -> tuple[Check, ...]:
    """Write down what was seen when the arms were tried on a few prompts.

    Args:
        batching: Arm -> which prompts may share a batch.
        is_apart: Whether an adapter, switched off, did not give back the base, which was loaded separately.
    """
    alone: list[str] = [name for name, one in batching.items() if one == "alone"]
    alike: list[str] = [name for name, one in batching.items() if one == "same_length"]
    return (
        passed("P11", "loaded separately: with the adapter switched off it would be another" if is_apart else ""),
        passed("P12"),
        passed("P13", f"{wording.listing(alone)}: prompts are computed one by one" if alone else ""),
        passed("P15", f"{wording.listing(alike)}: only prompts of equal length share a batch" if alike else ""),
    )
