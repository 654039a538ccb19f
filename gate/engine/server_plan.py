"""Who is asked what behind a server: arms by their names there, questions as they are sent, nothing of how.

Pure but for making a path absolute.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path, PurePosixPath

from gate.domain import Arm, ArmName
from gate.engine.prompts import continuous, single_message
from gate.engine.session import Prompt, Question, Request

_BATCHES_WIDTH = 4
"""Requests in a batch for each that may be under way: few wait for the slowest, few are lost with a batch."""
_NAME_CHARACTERS = 12


def adapter_name(digest: str) -> str:
    """What an adapter is called on a server: by its content, so that no other is ever meant."""
    return f"gate-{digest[:_NAME_CHARACTERS]}"


def path_there(path: Path, paths: Mapping[str, str]) -> str:
    """A folder as the server sees it.

    Args:
        path: As this process sees it.
        paths: Folder here -> the same folder there; the longest that fits counts.
    """
    here = path.resolve()
    for mine, theirs in sorted(paths.items(), key=lambda pair: -len(pair[0])):
        root = Path(mine).resolve()
        if here.is_relative_to(root):
            return str(PurePosixPath(theirs, *here.relative_to(root).parts))
    return str(here)


def plan_requests(request: Request, width: int) -> Mapping[ArmName, tuple[tuple[Prompt, ...], ...]]:
    """Every arm's prompts in batches, in the order of the cases, each batch within one stage.

    Args:
        request: What is asked of whom.
        width: Most requests at once.

    Raises:
        CasesError: If a conversation is to be asked without a template.
    """
    raw = request.settings.template == "raw"
    for one in request.questions if raw else ():
        single_message(one)
    common = _batches(request.questions, width * _BATCHES_WIDTH)
    prompted = common
    if request.prompted is not None:
        questions = request.prompted
        if raw:
            questions = [replace(one, messages=(continuous(one.messages),)) for one in questions]
        prompted = _batches(questions, width * _BATCHES_WIDTH)
    return {arm: prompted if arm == "prompted" else common for arm in request.arms}


def describe_arm(name: ArmName, request: Request, *, base: str, model: str) -> Arm:
    """What an arm is made of, as far as it is known.

    Args:
        name: Which arm.
        request: What is asked of whom.
        base: What the server calls the base.
        model: What the server calls the arm.
    """
    files, whole = request.adapters.get(name), request.models.get(name)
    description, digest = f"{base} as served", None
    if files is not None:
        description = f"{files.description}, served as {model}"
        # Not the base's: that is known to the server alone.
        digest = files.digest
    elif whole is not None:
        description, digest = f"{whole.description}, served as {model}", whole.digest
    elif name == "prompted":
        description = f"{base} as served, with a prompt"
    return Arm(
        name=name,
        model=whole.name if whole is not None else request.base_name or base,
        revision=whole.revision if whole is not None else request.base_revision,
        adapter=files.name if files is not None else None,
        description=description,
        digest=digest,
    )


def _batches(questions: Sequence[Question], size: int) -> tuple[tuple[Prompt, ...], ...]:
    prompts = [
        Prompt(
            suite=one.suite,
            case=one.case,
            token_ids=(),
            max_new_tokens=one.max_new_tokens,
            stage=one.stage,
            messages=one.messages,
        )
        for one in questions
    ]
    batches: list[tuple[Prompt, ...]] = []
    for _, stage in groupby(sorted(prompts, key=lambda one: one.stage), key=lambda one: one.stage):
        of_stage = tuple(stage)
        batches += [of_stage[start : start + size] for start in range(0, len(of_stage), size)]
    return tuple(batches)
