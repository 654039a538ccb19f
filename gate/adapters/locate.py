"""Which of several folders holds the adapter: the named one, a named sub-folder, or the latest checkpoint.

PEFT writes an adapter that is not called "default" to a sub-folder of its name, and a trainer leaves one
`checkpoint-<step>` after another. Knows nothing of where folders are kept: on a disk, in a commit or on a hub.
"""

import re
from collections.abc import Callable, Sequence

from gate.adapters.checklist import refusal
from gate.adapters.peft_config import CONFIG_FILE
from gate.errors import AdapterRefused

WEIGHTS_FILE = "adapter_model.safetensors"
PICKLE_FILE = "adapter_model.bin"

CHECKPOINT = re.compile(r"checkpoint-([0-9]{1,12})")
"""The folder that a trainer leaves after so many steps."""
_NAMED_AT_MOST = 5


def locate(
    place: str, files: Callable[[str], Sequence[str]], folders: Callable[[str], Sequence[str]]
) -> tuple[str, str | None]:
    """Find the adapter below a folder.

    Args:
        place: What messages call the folder.
        files: Path of a folder, from this one and empty for itself -> the names of its files.
        folders: The same -> the names of its sub-folders.

    Returns:
        The path of the adapter's folder, empty for the folder itself; and what was chosen, where there was a choice.

    Raises:
        AdapterRefused: Several sub-folders hold adapters.
    """
    if {CONFIG_FILE, WEIGHTS_FILE, PICKLE_FILE} & set(files("")):
        return "", None
    names = folders("")
    steps = {int(found[1]): found[0] for name in names if (found := CHECKPOINT.fullmatch(name))}
    named = [name for name in names if name not in steps.values() and CONFIG_FILE in files(name)]
    if len(named) == 1:
        return named[0], f"{place}: the adapter is in {named[0]!r:.80}"
    if named:
        raise _several(place, named)
    for step in sorted(steps, reverse=True):
        checkpoint = steps[step]
        found_in = _in_checkpoint(place, checkpoint, files=files, folders=folders)
        if found_in is not None:
            return found_in, f"{place}: the adapter is the checkpoint with the highest step, {found_in!r:.120}"
    return "", None


def _in_checkpoint(
    place: str, checkpoint: str, *, files: Callable[[str], Sequence[str]], folders: Callable[[str], Sequence[str]]
) -> str | None:
    if CONFIG_FILE in files(checkpoint):
        return checkpoint
    named = [path for name in folders(checkpoint) if CONFIG_FILE in files(path := f"{checkpoint}/{name}")]
    if len(named) > 1:
        raise _several(place, named)
    return named[0] if named else None


def _several(place: str, named: Sequence[str]) -> AdapterRefused:
    shown = ", ".join(f"{name!r:.80}" for name in sorted(named)[:_NAMED_AT_MOST])
    more = ", ..." if len(named) > _NAMED_AT_MOST else ""
    return refusal(
        "P02",
        f"{place}: holds {len(named)} adapters, in {shown}{more}, and which one is meant is unknown",
        fix="Name one of these folders.",
    )
