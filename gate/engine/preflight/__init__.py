"""Preflight: what must hold for a comparison to mean anything, looked at before the first question is asked.

A check is a function that returns a `Check`. What an adapter's files say of themselves is looked at in
`gate.adapters`, what the arms answer in `gate.round_parts`; here is what needs tokenizer, template or weights.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from gate import wording
from gate.domain import ArmName, Check
from gate.engine.preflight import folders, template, tokens, weights
from gate.engine.preflight.standing import check_standing
from gate.engine.preflight.subject import Subject, look_at
from gate.engine.preflight.template import begins_reasoning
from gate.engine.preflight.weights import Switched
from gate.errors import ConfigError


def check_prompts(subject: Subject) -> tuple[Check, ...]:
    """Look at everything that can be seen before an adapter is attached or a model is run.

    Args:
        subject: The loaded base and what it will be asked.

    Raises:
        ConfigError: If a check fails and the request does not allow that, or a prompt cannot be computed at all.
    """
    made = (
        folders.quantisation(subject),
        folders.number_format(subject),
        tokens.beginnings(subject),
        folders.same_tokenizer(subject),
        template.turns(subject),
        template.same_every_day(subject),
        template.arguments(subject),
        template.end_of_turn(subject),
        folders.own_settings(subject),
        tokens.vocabulary(subject),
        tokens.control_tokens(subject),
        tokens.lengths(subject),
    )
    return settle(made, subject.request.allow)


def check_arms(subject: Subject, arms: Mapping[ArmName, Switched]) -> tuple[Check, ...]:
    """Look at the arms as they were loaded.

    Args:
        subject: The loaded base and what it will be asked.
        arms: What holds the model in each arm's state.

    Raises:
        ConfigError: If a check fails and the request does not allow that.
    """
    made = (weights.training_rows(subject, arms), weights.evaluation_mode(arms))
    return settle(made, subject.request.allow)


def settle(checks: Iterable[Check], allow: frozenset[str]) -> tuple[Check, ...]:
    """Call what failed and may fail by its name, and end the run on what may not.

    Args:
        checks: As they were made.
        allow: Ids of checks that may fail.

    Raises:
        ConfigError: With one sentence for each failure that is not allowed; each ends with the check's id.
    """
    settled = tuple(
        replace(check, outcome="allowed") if check.outcome == "fail" and check.id in allow else check
        for check in checks
    )
    if failures := [check for check in settled if check.outcome == "fail"]:
        ids = [check.id for check in failures]
        raise ConfigError(
            "\n".join(f"{check.message.removesuffix('.')} ({check.id})" for check in failures),
            fix=f"If {'this is' if len(ids) == 1 else 'these are'} as it should be, write "
            f"`allow: [{', '.join(ids)}]` into the configuration; every report says that "
            f"{wording.listing(ids)} {'was' if len(ids) == 1 else 'were'} passed over.",
        )
    return settled


__all__ = ["Subject", "begins_reasoning", "check_arms", "check_prompts", "check_standing", "look_at", "settle"]
