"""A round as text for a terminal or a job log: the answer first, then the figures, then what to do.

Nothing in the output can move a cursor or be taken by a runner for a command. The environment is not consulted: width
and colour are arguments.
"""

from io import StringIO

from gate.domain import Round
from gate.report import escape

_NARROWEST = 40


def terminal(round_: Round, *, width: int = 100, color: bool = False) -> str:
    """Render a round for reading in a terminal.

    Args:
        round_: A finished round.
        width: Columns; at least 40 are used.
        color: Whether to write ANSI colours.

    Returns:
        Lines without trailing spaces, ending in a line feed; the last one holds the signature.
    """
    from rich.console import Console

    from gate.report import screen

    written = StringIO()
    console = Console(
        file=written,
        width=max(width, _NARROWEST),
        force_terminal=color,
        force_jupyter=False,
        color_system="standard" if color else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ={},
    )
    for part in screen.parts(round_, console):
        console.print(part)
    lines = (line.rstrip() for line in written.getvalue().split("\n"))
    return escape.log_lines("\n".join(lines).rstrip("\n") + "\n")
