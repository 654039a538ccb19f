"""`gate publish`: the command line of publishing. It knows click and nothing heavy."""

import os
from pathlib import Path
from typing import Literal

import click

from gate.errors import EXIT_OPEN


@click.command("publish")
@click.argument("round_files", metavar="ROUND.json...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--comment",
    type=click.Choice(["sticky", "new", "off"]),
    help="One comment that is always current (the default), one for each run, or none.",
)
@click.option("--comment-id", metavar="ID", help="Tells apart the comments of several gates on one pull request.")
@click.option("--pr-number", type=click.IntRange(1), metavar="N", help="The pull request, if the event names none.")
@click.option("--check-run", is_flag=True, help="Also put a check run beside the commit.")
@click.option("--config", metavar="PATH", help="gate.yaml in the repository, to remark on its lines.")
@click.option(
    "--comment-file",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Leave the comment here unless it is posted.",
)
def publish_command(
    round_files: tuple[Path, ...],
    comment: Literal["sticky", "new", "off"] | None,
    comment_id: str | None,
    pr_number: int | None,
    check_run: bool,
    config: str | None,
    comment_file: Path | None,
) -> int:
    """Post finished rounds to GitHub: comment, summary, outputs, check.

    Reads what started the workflow from GITHUB_* variables and the token from GITHUB_TOKEN. Exit code 0 also if the
    token may not comment or there is no pull request; the verdict belongs to the step that decided.
    """
    from gate.publishing import Channels, Wishes, publish
    from gate.report.escape import terminal
    from gate.stored_round import judged_rounds

    wishes = Wishes(
        comment=comment,
        comment_id=comment_id,
        pull_request=pr_number,
        check_run=check_run,
        config=config,
        comment_file=comment_file,
    )
    channels = Channels(out=click.echo, say=lambda line: click.echo(f"gate: {terminal(line)}", err=True))
    publish(judged_rounds(round_files), wishes, environ=os.environ, channels=channels)
    return EXIT_OPEN
