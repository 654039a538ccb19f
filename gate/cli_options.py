"""The options of the command line that several commands share, or that are many. It knows click and nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

_DEFAULT_CONFIG = "gate.yaml"

Command = TypeVar("Command", bound=Callable[..., object])


def config_argument(command: Command) -> Command:
    """The configuration, `gate.yaml` by default."""
    return click.argument("config", default=_DEFAULT_CONFIG, type=click.Path(path_type=Path))(command)


def config_ref_option(command: Command) -> Command:
    """Where the configuration is read from, of every command that decides by it."""
    return click.option(
        "--config-ref", metavar="REF",
        help="Read the configuration, and every file that it names, from this commit, tag or branch; never from the "
             "checkout.",
    )(command)  # fmt: skip


def common_options(command: Command) -> Command:
    """Where results go, which suites, how loud: of every command that works on a run."""
    for option in reversed((
        click.option("--output", type=click.Path(path_type=Path), default=Path("gate-out"), show_default=True,
                     help="Folder for everything that the run leaves."),
        click.option("--suite", "suites", multiple=True, metavar="NAME", help="Only this suite; repeatable."),
        click.option("--quiet", is_flag=True, help="No progress on stderr."),
    )):  # fmt: skip
        command = option(command)
    return command


def deciding_options(command: Command) -> Command:
    """What changes the decision."""
    for option in reversed((
        click.option("--fail-on", type=click.Choice(["regression", "inconclusive", "never"]),
                     help="Which verdicts close the gate; overrides the configuration."),
        click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Seed; overrides the configuration."),
    )):  # fmt: skip
        command = option(command)
    return command


def answering_options(command: Command) -> Command:
    """What changes who answers what."""
    for option in reversed((
        click.option("--adapter", type=click.Path(path_type=Path),
                     help="Judge this adapter instead of candidate.adapter; relative to the current directory."),
        click.option("--candidate-ref", metavar="SHA",
                     help="Read candidate and base from this commit, without a checkout; tags and branches will do."),
        click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N cases of each suite."),
        click.option("--no-cache", is_flag=True, help="Answer everything anew, and keep no answer for another run."),
    )):  # fmt: skip
        command = option(command)
    return command


def power_options(command: Command) -> Command:
    """What is assumed when nothing has been answered yet."""
    for option in reversed((
        click.option("--flips", multiple=True, metavar="SHARE",
                     help="Share of cases that an unchanged model answers differently, half of them worse, for example "
                          "10%. Repeatable; default: 5%, 10% and 20%."),
        click.option("--round", "round_file", type=click.Path(path_type=Path), metavar="ROUND.json",
                     help="Take the flips of each suite from a finished round instead."),
        click.option("--cases", type=click.IntRange(1, 10_000_000), metavar="N",
                     help="What if every suite had N cases."),
    )):  # fmt: skip
        command = option(command)
    return command
