"""Reports: pure functions of a round. They read no file, clock, environment or terminal, and compute no figure.

Importing this package loads neither rich nor pydantic; each loads with the first report that needs it.
"""

from gate.report.annotations import Annotation, annotations
from gate.report.comment import LIMIT_CHARACTERS, SUMMARY_LIMIT_BYTES, comment, summary
from gate.report.judged import Judged, Links, Problem
from gate.report.markdown import markdown
from gate.report.marker import MARKER, marker
from gate.report.round_json import MAX_BYTES, dump, json_schema, load
from gate.report.terminal import terminal

__all__ = [
    "LIMIT_CHARACTERS",
    "MARKER",
    "MAX_BYTES",
    "SUMMARY_LIMIT_BYTES",
    "Annotation",
    "Judged",
    "Links",
    "Problem",
    "annotations",
    "comment",
    "dump",
    "json_schema",
    "load",
    "markdown",
    "marker",
    "summary",
    "terminal",
]
