"""What the step that runs the model must not see, and what it must have: looked at before anything is loaded.

Must not know which commit is judged.
"""

from collections.abc import Mapping
from pathlib import Path

from gate.config.schema import GateConfig
from gate.engine import TransformersEngine
from gate.engine.ray_engine import RayEngine
from gate.errors import BrokenRun, UsageError
from gate.transport.git_credentials import stored_credentials

SECRETS = (
    "GITHUB_TOKEN",
    "GH_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "JUDGE_API_KEY",
)
"""Variables that nothing beside a model may read."""


def refuse_secrets(environ: Mapping[str, str], top: Path) -> None:
    """Refuse to run a model where secrets can be read.

    Args:
        environ: The environment of this process, which the model's process shares.
        top: The top of the repository.

    Raises:
        UsageError: There is one; it is named, never shown.
    """
    found = next((name for name in SECRETS if environ.get(name)), None)
    if found is not None:
        raise UsageError(
            f"{found} is set in the step that runs the model, which must see no secret but a token of the hub.",
            fix=f"Leave {found} out of the environment of the job, or give it to the step that needs it only.",
        )
    setting = stored_credentials(top)
    if setting is not None:
        raise UsageError(
            f"The clone at {top} keeps credentials (`{setting}` in git's configuration), which the step that runs the "
            "model could read.",
            fix="Let actions/checkout not keep them: `with: {persist-credentials: false}`.",
        )


def refuse_missing_gpu(config: GateConfig, gpus: str) -> None:
    """Refuse to compute on a CPU what was meant for a GPU.

    Args:
        config: What answers.
        gpus: The input; `none` means that a CPU is meant.

    Raises:
        BrokenRun: GPUs are asked for and torch sees none, or fewer.
    """
    engine = config.engine
    if gpus == "none" or not isinstance(engine, TransformersEngine | RayEngine):
        return
    if engine.device != "auto" and not engine.device.startswith("cuda"):
        return
    import torch

    if not torch.cuda.is_available():
        raise BrokenRun(
            f"A GPU is asked for (input `gpus`: {gpus}), and torch {torch.__version__} sees none.",
            fix="See whether nvidia-smi works on the runner and whether Docker has the NVIDIA container toolkit; "
            "to compute on a CPU on purpose, set the input `gpus: none`.",
        )
    if torch.cuda.device_count() < _asked_for(gpus):
        raise BrokenRun(
            f"{_asked_for(gpus)} GPUs are asked for (input `gpus`: {gpus}), and torch sees "
            f"{torch.cuda.device_count()}.",
            fix="Ask for as many as the runner has, or for `all`.",
        )


def _asked_for(gpus: str) -> int:
    """How many GPUs an input asks for at least."""
    if gpus.isdigit():
        return int(gpus)
    return len([one for one in gpus.removeprefix("device=").split(",") if one]) if gpus.startswith("device=") else 1
