"""The values that flow through a run, in the order in which they come into being.

Every type is frozen; every collection in them is a tuple or is treated as read-only. Nothing unknown looks
like a number: a value that could not be had is None beside a reason, never NaN, -1 or 0.

This package knows no file format, no library and no other module of the project.
"""

from gate.domain.answers import (
    CHECK_IDS,
    Arm,
    ArmName,
    Case,
    Check,
    Finish,
    Message,
    Probe,
    Response,
    Role,
    Score,
    Suite,
)
from gate.domain.comparisons import CORPUS_METRICS, Comparison, Distribution, Hypothesis, Measure, Metric, Pair
from gate.domain.rounds import (
    REUSED,
    ArmAnswer,
    Evidence,
    Finding,
    Outcome,
    Reason,
    Round,
    SuiteSummary,
    Verdict,
    VerdictOutcome,
)

__all__ = [
    "CHECK_IDS",
    "CORPUS_METRICS",
    "REUSED",
    "Arm",
    "ArmAnswer",
    "ArmName",
    "Case",
    "Check",
    "Comparison",
    "Distribution",
    "Evidence",
    "Finding",
    "Finish",
    "Hypothesis",
    "Measure",
    "Message",
    "Metric",
    "Outcome",
    "Pair",
    "Probe",
    "Reason",
    "Response",
    "Role",
    "Round",
    "Score",
    "Suite",
    "SuiteSummary",
    "Verdict",
    "VerdictOutcome",
]
