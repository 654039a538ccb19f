"""Recorded answers as the second half of a run takes them in: the files, and what lies beside them.

Our own files and those of other tools end up the same. Files that were not made in the same way are not compared.
Knows no model: an arm of which only answers are known is described by the files that they came from.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from gate import wording
from gate.data.digest import asked_digest
from gate.data.responses import read_responses
from gate.domain import Arm, ArmName, Case, Check, Response
from gate.errors import RecordsError, UsageError
from gate.importers import Foreign, Format, ImportedSuite, detect, differences, import_answers
from gate.plan import ARM_ORDER, Plan
from gate.run_folder import RESPONSES, Manifest, RunFolder
from gate.stages import Schedule

ReadAs = Literal["auto"] | Format

_DIFFERENT = ("The arms were answered with different software, device or number format; see their manifests.",)
_NAMED_AT_MOST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The answers to be compared, and what is known of how they were made."""

    responses: tuple[Response, ...]
    arms: Mapping[ArmName, Arm]
    cases: Mapping[str, tuple[Case, ...]]
    """Suite -> the cases that came with the answers."""
    asked: Mapping[str, str]
    """Suite -> digest of what was asked, where that is known."""
    environment: Mapping[str, str]
    warnings: tuple[str, ...]
    timings: Mapping[str, float]
    limit: int | None
    schedule: Schedule | None
    """How far a run came that may stop early; None: all was asked at once."""
    commit: str | None
    """The commit that was answered for; None: not known."""
    preflight: tuple[Check, ...]
    """The checks that were made, each once; two runs may have seen different things."""
    noise_floor: float | None
    """The largest of the runs; None: measured by none."""
    reused: int
    """Answers of reference arms that were taken over from earlier runs."""


def read_recorded(
    folder: RunFolder,
    files: Mapping[ArmName, Sequence[Path]],
    *,
    arms: Sequence[ArmName],
    suites: Sequence[str],
    read_as: ReadAs,
) -> Recorded:
    """Gather each arm's answers, with the manifest that lies beside them.

    Args:
        folder: Where the answers of arms without files are looked for.
        files: Arm -> files with its answers.
        arms: Who has to have answered.
        suites: The configured suites.
        read_as: The format of the files; `auto`: each as its content looks.

    Raises:
        RecordsError: If a file cannot be read, or the arms were not asked the same in the same way.
    """
    gathered = {
        arm: _gather(arm, files.get(arm, (folder.path / RESPONSES,)), suites=suites, read_as=read_as) for arm in arms
    }
    _refuse_mixed(gathered)
    _refuse_different({arm: one.imported for arm, one in gathered.items()})
    manifests = [one.manifest for one in gathered.values() if one.manifest is not None]
    _refuse_unlike(manifests)
    cases: dict[str, tuple[Case, ...]] = {}
    for suite in (suite for one in gathered.values() for suite in one.imported.values()):
        # Not every tool records the prompts; whoever did tells what was asked.
        if suite.name not in cases or not _tells_prompts(cases[suite.name]):
            cases[suite.name] = suite.cases
    known = manifests[-1] if len(manifests) == len(arms) else None
    different = any(one.environment != manifests[0].environment for one in manifests)
    return Recorded(
        responses=tuple(response for one in gathered.values() for response in one.responses),
        arms={arm: one.made for arm, one in gathered.items()},
        cases=cases,
        asked={name: digest for one in manifests for name, digest in one.asked.items()},
        environment=known.environment if known else {},
        warnings=(*dict.fromkeys(text for one in manifests for text in one.warnings), *_DIFFERENT[:different]),
        timings=known.timings if known else {},
        limit=known.limit if known else None,
        schedule=known.schedule if known else None,
        commit=known.commit if known else None,
        preflight=tuple(dict.fromkeys(check for one in manifests for check in one.preflight)),
        noise_floor=max((one.noise_floor for one in manifests if one.noise_floor is not None), default=None),
        reused=known.reused if known else 0,
    )


def refuse_changed(plan: Plan, asked: Mapping[str, str]) -> None:
    """Refuse answers to other questions than the plan's.

    Args:
        plan: What is asked now.
        asked: Suite -> digest of what was asked when it was answered; suites that are not in it are believed.

    Raises:
        RecordsError: If a suite asks something else.
    """
    for one in plan.suites:
        name = one.suite.name
        if name in asked and asked_digest(one.suite.cases) != asked[name]:
            raise RecordsError(
                f"{name}: its cases ask something else than when they were answered",
                fix="Answer the suite again (references and tags may be changed afterwards, questions may not).",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gathered:
    """What the files of one arm hold."""

    responses: tuple[Response, ...]
    imported: Mapping[str, ImportedSuite]
    manifest: Manifest | None
    made: Arm


def _gather(arm: ArmName, paths: Sequence[Path], *, suites: Sequence[str], read_as: ReadAs) -> _Gathered:
    formats = {path: _format(path, read_as) for path in paths}
    own = [path for path, kind in formats.items() if kind == "gate"]
    imported = _import({path: kind for path, kind in formats.items() if kind != "gate"}, arm, suites=suites)
    responses = [one for path in own for one in read_responses(path) if one.arm == arm]
    responses += [one for suite in imported.values() for one in suite.responses]
    seen: set[tuple[str, str, int]] = set()
    for one in responses:
        if (one.suite, one.case, one.repeat) in seen:
            names = wording.listing([path.name for path in paths])
            raise RecordsError(f"{arm}: the files {names} both answer {one.suite}/{one.case}, repeat {one.repeat}")
        seen.add((one.suite, one.case, one.repeat))
    manifest = RunFolder(own[0].parent).read_manifest() if len(own) == 1 and own[0].name == RESPONSES else None
    if manifest is not None and arm in manifest.arms:
        return _Gathered(responses=tuple(responses), imported=imported, manifest=manifest, made=manifest.arms[arm])
    models = {suite.model for suite in imported.values()}
    made = _unknown_arm(arm, paths, model=models.pop() if len(models) == 1 else None)
    return _Gathered(responses=tuple(responses), imported=imported, manifest=None, made=made)


def _refuse_mixed(gathered: Mapping[ArmName, _Gathered]) -> None:
    """Nothing shows that two tools asked the same. Plain JSON Lines are nobody's, and are taken at their word."""
    tools: dict[str, dict[str, ArmName]] = {}
    for arm, one in gathered.items():
        for name in {response.suite for response in one.responses}:
            kind = one.imported[name].kind if name in one.imported else "gate"
            if kind != "jsonl":
                tools.setdefault(name, {}).setdefault(kind, arm)
    for name, by_tool in tools.items():
        if len(by_tool) > 1:
            made = wording.listing([f"{arm} by {kind}" for kind, arm in by_tool.items()])
            raise RecordsError(
                f"{name}: not comparable: answered {made}", fix="Have every arm answered by the same tool."
            )


def _refuse_unlike(manifests: Sequence[Manifest]) -> None:
    """Refuse runs of our own that asked something else, in another way, or did not ask at all."""
    for one in manifests:
        if one.schedule is not None and one.schedule.asked == 0:
            raise RecordsError("the run was interrupted before its first look", fix="Run it again; it continues.")
        first = manifests[0]
        unlike = [name for name in one.asked.keys() & first.asked.keys() if one.asked[name] != first.asked[name]]
        if unlike and one.limit == first.limit:
            raise RecordsError(f"not comparable: the arms were asked other cases in {wording.listing(sorted(unlike))}")
        if one.generation != first.generation:
            raise RecordsError("not comparable: the arms answered with other `generation` settings")
        if one.schedule != first.schedule:
            raise RecordsError("not comparable: one arm's run stopped early, at another place than the other's")


def _format(path: Path, read_as: ReadAs) -> Format:
    if read_as != "auto":
        return read_as
    found = detect(path)
    if found is None:
        # Our own reader says best what is wrong with a file that nobody recognises.
        return "gate"
    return found


def _import(paths: Mapping[Path, Foreign], arm: ArmName, *, suites: Sequence[str]) -> dict[str, ImportedSuite]:
    """Read the files of other tools; suites that are not configured are left aside, unless none is."""
    found: dict[str, ImportedSuite] = {}
    offered: list[ImportedSuite] = []
    for path, kind in paths.items():
        for suite in import_answers(path, kind=kind, arm=arm):
            if suite.name in found:
                raise RecordsError(
                    f"{arm}: the suite {suite.name!r} is in {found[suite.name].source} and {suite.source}"
                )
            offered.append(suite)
            if suite.name in suites:
                found[suite.name] = suite
    if len(offered) == 1 and len(suites) == 1 and not found:
        # One suite there, one here: no name is needed to know what is meant. Tools name theirs in free text.
        found = {suites[0]: _renamed(offered[0], suites[0])}
    if offered and not found:
        names = ", ".join(one.name or f"without a name ({one.source})" for one in offered[:_NAMED_AT_MOST])
        raise RecordsError(
            f"{arm}: the files hold the suites {names}; the configuration has {', '.join(suites[:_NAMED_AT_MOST])}",
            fix="Name a suite in the configuration as the task is named in the file, or leave only one with --suite.",
        )
    return found


def _renamed(suite: ImportedSuite, name: str) -> ImportedSuite:
    return replace(suite, name=name, responses=tuple(replace(one, suite=name) for one in suite.responses))


def _tells_prompts(cases: Sequence[Case]) -> bool:
    return any(message.content for case in cases for message in case.messages)


def _refuse_different(imported: Mapping[ArmName, Mapping[str, ImportedSuite]]) -> None:
    candidate = imported.get("candidate", {})
    lines = [
        f"{name}: {arm} and candidate are not comparable: {sentence}"
        for arm, by_name in imported.items()
        if arm != "candidate"
        for name, suite in by_name.items()
        if name in candidate
        for sentence in differences(suite, candidate[name])
    ]
    if lines:
        raise RecordsError(
            "\n".join(lines), fix="Answer again with the same cases, prompts and settings for every arm."
        )


def _unknown_arm(arm: ArmName, paths: Sequence[Path], *, model: str | None) -> Arm:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode())  # it may name a column of the file, behind a #
        place = path if path.exists() else path.with_name(path.name.partition("#")[0])
        for file in sorted(place.iterdir()) if place.is_dir() else [place]:
            if file.is_file():
                digest.update(file.read_bytes())
    names = wording.listing([path.name for path in paths])
    return Arm(
        name=arm,
        model=model,
        revision=None,
        adapter=None,
        description=f"answers recorded in {names}",
        digest=digest.hexdigest(),
    )


def read_arm_files(given: tuple[str, ...]) -> dict[ArmName, tuple[Path, ...]]:
    """Read `--responses ARM=FILE` options; an arm may have several files.

    Raises:
        UsageError: If one is not of that form.
    """
    files: dict[ArmName, tuple[Path, ...]] = {}
    for text in given:
        name, equals, file = text.partition("=")
        arm = next((known for known in ARM_ORDER if known == name), None)
        if not equals or not file or arm is None:
            raise UsageError(f"--responses {text!r}: expected ARM=FILE, with ARM one of {', '.join(ARM_ORDER)}")
        files[arm] = (*files.get(arm, ()), Path(file))
    return files
