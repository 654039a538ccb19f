"""A round as the Markdown of `report.md`: the comment on a pull request with this one round and no links.

This module only chooses; `gate.report.comment` lays the page out.
"""

from gate.domain import Round
from gate.report.comment import LIMIT_CHARACTERS, comment
from gate.report.judged import Judged
from gate.report.marker import MARKER


def markdown(round_: Round) -> str:
    """Render a round as GitHub-flavoured Markdown.

    Args:
        round_: A finished round.

    Returns:
        The report, at most `LIMIT_CHARACTERS` long, ending in a line feed.
    """
    return comment((Judged(adapter=None, result=round_),), marker=MARKER, limit=LIMIT_CHARACTERS)
