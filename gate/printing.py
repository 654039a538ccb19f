"""What the program says on stdout and stderr: rounds, plain text, complaints. All of it inert, whatever it quotes.

Importing this module loads click and nothing heavy. Must not know what is said or why.
"""

import os
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gate.domain import Round

_MAX_WIDTH = 160
_FILE_WIDTH = 100  # where stdout is no terminal, the same round gives the same bytes everywhere


def print_inert(text: str) -> None:
    """Print what may quote a file: nothing in it may move a cursor."""
    from gate.report.escape import terminal

    click.echo("\n".join(terminal(line) for line in text.split("\n")))


def print_round(result: "Round") -> None:
    """Print the report of a round for a terminal, or for the file that stdout is."""
    from shutil import get_terminal_size

    from gate import report

    terminal = sys.stdout.isatty()
    width = min(get_terminal_size().columns, _MAX_WIDTH) if terminal else _FILE_WIDTH
    click.echo(report.terminal(result, width=width, color=terminal and "NO_COLOR" not in os.environ), nl=False)


def complain(text: str) -> None:
    """Say on stderr what went wrong; lines after the first are indented advice."""
    from gate.report.escape import terminal

    for line in text.splitlines():
        click.echo(f"gate: {terminal(line)}" if not line.startswith("  ") else terminal(line), err=True)
