"""Reports: pure functions of a round. They read no file, clock, environment or terminal, and compute no figure.

Importing this package loads neither rich nor pydantic; each loads with the first report that needs it.
"""

from gate.report.markdown import LIMIT_CHARACTERS, MARKER, markdown
from gate.report.round_json import MAX_BYTES, dump, json_schema, load
from gate.report.terminal import terminal

__all__ = ["LIMIT_CHARACTERS", "MARKER", "MAX_BYTES", "dump", "json_schema", "load", "markdown", "terminal"]
