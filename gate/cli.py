"""The command line: parse, call, print, exit. Every exit code of the program is decided in `main`.

Importing this module loads click and nothing heavy; each command imports what it needs.
"""

import gc
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn

import click

from gate import __version__
from gate.cli_action import action_group
from gate.cli_options import (
    answering_options,
    common_options,
    config_argument,
    config_ref_option,
    deciding_options,
    power_options,
)
from gate.cli_publish import publish_command
from gate.errors import EXIT_BROKEN, EXIT_INTERRUPTED, EXIT_OPEN, EXIT_REQUEST, GateError
from gate.printing import complain, print_inert, print_round

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from gate.config.load import LoadedConfig
    from gate.domain import Round

_TRACEBACK_VARIABLE = "GATE_TRACEBACK"
_COLLECTED_EVERY = 100_000
"""New objects between two looks for garbage. Importing torch and transformers makes millions that stay: with
Python's own number, 700, that takes a sixth longer."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="gate")
def cli() -> None:
    r"""A regression gate for fine-tuned language models.

    \b
    Exit codes:
      0    the gate is open
      1    a blocking rule failed
      2    inconclusive, and fail_on is inconclusive
      3    the request is wrong: usage, configuration, cases, adapter
      4    the run broke: never a pass, never a fail
      130  interrupted
    """


@cli.command("run")
@config_argument
@config_ref_option
@common_options
@deciding_options
@answering_options
def run_command(
    config: Path,
    config_ref: str | None,
    output: Path,
    suites: tuple[str, ...],
    quiet: bool,
    fail_on: Literal["regression", "inconclusive", "never"] | None,
    seed: int | None,
    adapter: Path | None,
    candidate_ref: str | None,
    limit: int | None,
    no_cache: bool,
) -> int:
    """Answer all cases with every arm, compare, decide.

    CONFIG is the configuration, gate.yaml by default. The report goes to stdout, the files to --output.
    """
    from gate import pipeline
    from gate.plan import Options
    from gate.progress import ProgressDisplay

    wanted = Options(output=output, suites=suites, fail_on=fail_on, seed=seed, limit=limit, cache=_cache(no_cache))
    options = replace(wanted, adapter=adapter, candidate_ref=candidate_ref)
    with _open(config, config_ref) as loaded, ProgressDisplay(quiet=quiet) as display:
        result = pipeline.run(loaded, options, display, now=datetime.now(UTC))
    return _conclude(result)


@cli.command("answer")
@config_argument
@config_ref_option
@common_options
@answering_options
def answer_command(
    config: Path,
    config_ref: str | None,
    output: Path,
    suites: tuple[str, ...],
    quiet: bool,
    adapter: Path | None,
    candidate_ref: str | None,
    limit: int | None,
    no_cache: bool,
) -> int:
    """The first half of run: all arms answer all cases. Leaves responses.jsonl; needs the model."""
    from gate import pipeline
    from gate.plan import Options
    from gate.progress import ProgressDisplay

    wanted = Options(output=output, suites=suites, limit=limit, cache=_cache(no_cache))
    options = replace(wanted, adapter=adapter, candidate_ref=candidate_ref)
    with _open(config, config_ref) as loaded, ProgressDisplay(quiet=quiet) as display:
        pipeline.answer(loaded, options, display)
    return EXIT_OPEN


@cli.command("compare")
@config_argument
@config_ref_option
@common_options
@deciding_options
@click.option(
    "--responses",
    multiple=True,
    metavar="ARM=FILE",
    help="Recorded answers of an arm (base, candidate, incumbent, prompted); default: responses.jsonl in --output. "
    "Repeatable, also for one arm.",
)
@click.option(
    "--format",
    "read_as",
    type=click.Choice(["auto", "gate", "lm-eval", "inspect", "promptfoo", "jsonl"]),
    default="auto",
    show_default=True,
    help="What wrote the recorded answers.",
)
def compare_command(
    config: Path,
    config_ref: str | None,
    output: Path,
    suites: tuple[str, ...],
    quiet: bool,
    fail_on: Literal["regression", "inconclusive", "never"] | None,
    seed: int | None,
    responses: tuple[str, ...],
    read_as: Literal["auto", "gate", "lm-eval", "inspect", "promptfoo", "jsonl"],
) -> int:
    """The second half of run: score, compare, decide, report. Needs no model.

    Reads answers that gate recorded, and those of lm-evaluation-harness, Inspect, promptfoo, or plain JSON Lines.
    """
    from gate import pipeline
    from gate.plan import Options
    from gate.recorded import read_arm_files

    files = read_arm_files(responses)
    options = Options(output=output, suites=suites, fail_on=fail_on, seed=seed)
    with _open(config, config_ref) as loaded:
        return _conclude(pipeline.compare(loaded, options, files, now=datetime.now(UTC), read_as=read_as))


@cli.command("check")
@config_argument
@config_ref_option
@click.option("--schema", is_flag=True, help="Print the JSON Schema of gate.yaml and nothing else.")
def check_command(config: Path, config_ref: str | None, schema: bool) -> int:
    """Check everything that can be known without a model: configuration, cases, rules, sizes.

    Exit code 3 if anything is wrong, else 0.
    """
    import json

    from gate.config.load import json_schema

    if schema:
        click.echo(json.dumps(json_schema(), indent=2))
        return EXIT_OPEN
    from gate.checking import check

    with _open(config, config_ref) as loaded:
        print_inert(check(loaded))
    return EXIT_OPEN


@cli.command("power")
@config_argument
@power_options
def power_command(config: Path, flips: tuple[str, ...], round_file: Path | None, cases: int | None) -> int:
    """Say what the rules can decide: before anything is run, and without a model.

    How often each rule passes an unchanged model, what it proves four times in five, and how many cases it would take.
    """
    from gate.checking import power
    from gate.stored_round import read_round

    if flips and round_file is not None:
        raise click.UsageError("--flips and --round exclude each other: assume the flips, or take them from a round.")
    measured = None if round_file is None else read_round(round_file)
    with _open(config, None) as loaded:
        print_inert(power(loaded, flips=flips, measured=measured, cases=cases))
    return EXIT_OPEN


@cli.command("report")
@click.argument("round_file", metavar="ROUND.json", type=click.Path(path_type=Path), required=False)
@click.option(
    "--format", "kind", type=click.Choice(["terminal", "markdown", "json"]), default="terminal", show_default=True
)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of round.json and nothing else.")
def report_command(round_file: Path | None, kind: Literal["terminal", "markdown", "json"], schema: bool) -> int:
    """Render a finished round again."""
    import json

    from gate import report
    from gate.stored_round import read_round

    if schema:
        click.echo(json.dumps(report.json_schema(), indent=2))
        return EXIT_OPEN
    if round_file is None:
        raise click.UsageError("Missing argument 'ROUND.json'.")
    result = read_round(round_file)
    if kind == "terminal":
        print_round(result)
    else:
        click.echo(report.markdown(result) if kind == "markdown" else report.dump(result), nl=False)
    return EXIT_OPEN


cli.add_command(action_group)
cli.add_command(publish_command)


def _cache(no_cache: bool) -> "Path | None":
    from gate.transport.answer_store import default_path

    return None if no_cache else default_path(os.environ)


def _open(config: Path, ref: str | None) -> "AbstractContextManager[LoadedConfig]":
    from gate.config.trusted import open_config

    return open_config(config, ref, start=Path.cwd())


def _conclude(result: "Round") -> int:
    print_round(result)
    return result.verdict.exit_code


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with a code of the contract, whatever happens."""
    signal.signal(signal.SIGTERM, _stop)
    gc.set_threshold(_COLLECTED_EVERY)
    code = execute(arguments)
    gc.freeze()  # whatever is alive ends with the process; looking for garbage among it would take a second
    sys.exit(code)


def execute(arguments: Sequence[str] | None) -> int:
    """Run the command line and say with which code the process should exit; print what went wrong."""
    try:
        code = cli.main(args=arguments, prog_name="gate", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as problem:
        problem.show()
        return EXIT_REQUEST
    except GateError as problem:
        complain(str(problem))
        return problem.exit_code
    except (KeyboardInterrupt, click.Abort):
        complain("interrupted. Finished answers are kept: the same command continues.")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read the report has gone. Without this, Python complains again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN
    except MemoryError:
        complain("out of memory. Lower `engine: {batch_tokens: ...}` or use a larger machine.")
        return EXIT_BROKEN
    except Exception as problem:
        if os.environ.get(_TRACEBACK_VARIABLE):
            raise
        text = str(problem).strip().splitlines()
        complain(
            f"unexpected {type(problem).__name__}: {text[0] if text else 'no message'}\n"
            f"  This is a bug in gate. Set {_TRACEBACK_VARIABLE}=1 and run again to see where."
        )
        return EXIT_BROKEN
    return code if isinstance(code, int) else EXIT_OPEN


def _stop(signum: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt
