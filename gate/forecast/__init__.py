"""What the rules of a run can decide, before anything is answered: chances to pass, and what would be proven.

An assumed share of flips (`churn`) stands for how differently an equally good candidate answers: half of the flips
are gains, half losses. Every suite is planned for as if its answers were right or wrong and every case independent;
of clusters each counts as one case, which is near the cautious end: the truth lies between clusters and cases. (The
tests of clusters and of partial scores pass a few per cent less often than the exact test that is planned with.)

This room knows rules and rates; it reads no file and lays out no table.
"""

from gate.forecast.numbers import DEFAULT_CHURN, family_sizes, forecasts
from gate.forecast.places import hopeless
from gate.forecast.value import Forecast, Measured, MeasuredSuites, measured_in

__all__ = [
    "DEFAULT_CHURN",
    "Forecast",
    "Measured",
    "MeasuredSuites",
    "family_sizes",
    "forecasts",
    "hopeless",
    "measured_in",
]
