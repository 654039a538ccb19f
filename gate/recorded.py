"""Recorded answers as the second half of a run takes them in: the files, and what lies beside them.

Knows no model: an arm of which only answers are known is described by the file that they came from.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gate.data.responses import read_responses
from gate.domain import Arm, ArmName, Response
from gate.errors import UsageError
from gate.run_folder import RESPONSES, Manifest, RunFolder

_DIFFERENT = ("The two arms were answered with different software, device or number format; see their manifests.",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The answers to be compared, and what is known of how they were made."""

    responses: tuple[Response, ...]
    arms: Mapping[str, Arm]
    environment: Mapping[str, str]
    warnings: tuple[str, ...]
    timings: Mapping[str, float]
    limit: int | None


def read_recorded(folder: RunFolder, files: Mapping[ArmName, Path]) -> Recorded:
    """Gather each arm's answers, with the manifest that lies beside them."""
    arms: dict[str, Arm] = {}
    responses: list[Response] = []
    manifests: list[Manifest] = []
    for arm in ("base", "candidate"):
        path = files.get(arm, folder.path / RESPONSES)
        responses += [one for one in read_responses(path) if one.arm == arm]
        manifest = RunFolder(path.parent).read_manifest() if path.name == RESPONSES else None
        if manifest is not None and arm in manifest.arms:
            manifests.append(manifest)
            arms[arm] = manifest.arms[arm]
        else:
            arms[arm] = _unknown_arm(arm, path)
    known = manifests[-1] if len(manifests) == 2 else None
    different = known is not None and manifests[0].environment != known.environment
    return Recorded(
        responses=tuple(responses),
        arms=arms,
        environment=known.environment if known else {},
        warnings=(*dict.fromkeys(text for one in manifests for text in one.warnings), *_DIFFERENT[:different]),
        timings=known.timings if known else {},
        limit=known.limit if known else None,
    )


def _unknown_arm(arm: ArmName, path: Path) -> Arm:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Arm(
        name=arm, model=None, revision=None, adapter=None, description=f"answers recorded in {path.name}", digest=digest
    )


def read_arm_files(given: tuple[str, ...]) -> dict[ArmName, Path]:
    """Read `--responses ARM=FILE` options.

    Raises:
        UsageError: If one is not of that form, or names an arm twice.
    """
    files: dict[ArmName, Path] = {}
    for text in given:
        name, equals, file = text.partition("=")
        if not equals or not file or name not in ("base", "candidate"):
            raise UsageError(f"--responses {text!r}: expected base=FILE or candidate=FILE")
        arm: ArmName = "base" if name == "base" else "candidate"
        if arm in files:
            raise UsageError(f"--responses: the arm {arm} is given twice")
        files[arm] = Path(file)
    return files
