"""The command line of the Action's steps, which nobody types. It knows click and nothing heavy."""

import os
from datetime import UTC, datetime

import click


@click.group("action", hidden=True)
def action_group() -> None:
    """The steps of the GitHub Action. Inputs and event come from the environment; see action.yml."""


@action_group.command("fetch")
def fetch_command() -> int:
    """Bring what the hub has of the arms to this machine."""
    from gate.action.steps import fetch

    return fetch(os.environ)


@action_group.command("answer")
def answer_command() -> int:
    """Have every changed adapter answer all cases."""
    from gate.action.steps import answer

    return answer(os.environ)


@action_group.command("compare")
def compare_command() -> int:
    """Decide about every adapter that was asked."""
    from gate.action.steps import compare

    return compare(os.environ, now=datetime.now(UTC))


@action_group.command("publish")
def publish_command() -> int:
    """Tell the pull request what became of it."""
    from gate.action.telling import tell

    return tell(os.environ)
