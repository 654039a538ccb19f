"""Cases and recorded answers: from files to the values of `gate.domain`, and back.

Reads and writes files that people and other programs made; must not know models, scorers or rules.
"""

from gate.data.cases import load_cases
from gate.data.digest import suite_digest
from gate.data.responses import read_responses, response_row

__all__ = ["load_cases", "read_responses", "response_row", "suite_digest"]
