"""A trial: attach an adapter's configuration to the base without any weights, in a child process that may fail.

What PEFT makes of a configuration is only known by letting it: it may hang, take all memory, or build something else
than the weights are for. So a fork of this process does it first, on the base's shapes alone (the meta device), with
a limit on time and memory. Must not touch weights, devices or the network.
"""

import json
import multiprocessing
import os
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from gate.engine.base_model import BaseFolder
from gate.engine.session import AdapterFiles
from gate.errors import AdapterRefused

_LIMIT_SECONDS = 20
_MEMORY_BYTES = 3 * 1024**3
_NAMED_AT_MOST = 3
_SAID_AT_MOST = 300
_ADVICE = "The adapter was trained on another base model, or its configuration was changed afterwards."
_HEADS = ("score.weight", "classifier.weight")

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """Where an adapter's tensors go."""

    own: Shapes
    """Every one needs its tensor."""
    others: frozenset[str]
    """Names of the base's own weights, which some adapters bring along; whether that is right is seen later."""


def try_attach(base: BaseFolder, files: AdapterFiles) -> None:
    """See whether an adapter fits the base, name by name and shape by shape, before any weights are loaded.

    Where a process cannot be forked, and where PEFT cannot work without weights, nothing is said: attaching the real
    weights comes later and is checked as well.

    Raises:
        AdapterRefused: If it does not fit, or PEFT hangs, crashes or takes too much memory with it.
    """
    import peft  # noqa: F401  # in this process, so that the child has nothing left to import
    import torch  # noqa: F401
    import transformers  # noqa: F401

    if sys.platform == "win32" or "fork" not in multiprocessing.get_all_start_methods():
        return
    said = _in_child(base, files)
    if said is not None:
        raise AdapterRefused(f"{files.path}: {said}", fix=_ADVICE)


def _in_child(base: BaseFolder, files: AdapterFiles) -> str | None:
    """What is wrong, in one sentence; None if nothing is."""
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=_work, args=(sending, base, files), daemon=True)
    with warnings.catch_warnings(action="ignore"):  # Python 3.12 warns of forking beside threads; the child uses none
        child.start()
    sending.close()
    try:
        if not receiving.poll(_LIMIT_SECONDS):
            return f"attaching it was given up after {_LIMIT_SECONDS} s: PEFT hangs on its configuration (P05)"
        answer = receiving.recv()
    except EOFError:
        return "attaching it crashed or took more memory than is reasonable, without any weights (P05)"
    finally:
        child.kill()
        child.join()
        receiving.close()
    return answer if isinstance(answer, str) else None


def _work(sending: Connection, base: BaseFolder, files: AdapterFiles) -> None:
    """The child: answer with what is wrong, or None."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(quiet, stream)
    try:
        _limit_memory()
        sending.send(_what_is_wrong(base, files))
    except MemoryError:
        os._exit(1)
    except Exception as problem:  # noqa: BLE001 - the parent waits for an answer
        # Whatever else goes wrong with shapes alone may go right with weights; the real attempt will tell.
        sending.send(f"does not fit the base model: {_first_line(problem)} (P05)" if _is_telling(problem) else None)


def _limit_memory() -> None:
    import resource

    pages = int(Path("/proc/self/statm").read_bytes().split()[0]) if sys.platform == "linux" else 0
    limit = pages * resource.getpagesize() + _MEMORY_BYTES if pages else resource.RLIM_INFINITY
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _what_is_wrong(base: BaseFolder, files: AdapterFiles) -> str | None:
    import torch

    torch.set_num_threads(1)  # threads of the parent are not here
    weights = _shapes_in(files.path / "adapter_model.safetensors")
    unknown = _settings_of_another_peft(files.path)
    if unknown:
        return f"its configuration has {', '.join(unknown)}, which the installed PEFT does not know (P06)"
    try:
        places = _places(base, files, weights, device="meta")
    except (RuntimeError, NotImplementedError):
        places = _places(base, files, weights, device="cpu")  # some types compute with their first values
    extra = sorted(
        name for name in weights if name not in places.own and name.replace(".base_layer.", ".") not in places.others
    )
    missing = sorted(name for name in places.own if name not in weights)
    for names, what in ((extra, "has no place in the base model"), (missing, "is missing")):
        if names:
            return f"{len(names)} tensors: {', '.join(names[:_NAMED_AT_MOST]):.{_SAID_AT_MOST}}: {what} (P05)"
    for name, shape in places.own.items():
        if weights[name] != shape:
            return (
                f"does not fit the base model: size mismatch for {name:.160}: "
                f"it has {list(weights[name])}, the base needs {list(shape)} (P05)"
            )
    return None


def _shapes_in(path: Path) -> Shapes:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping


def _settings_of_another_peft(folder: Path) -> list[str]:
    """Settings that are set and that the installed PEFT would leave out with a warning."""
    from dataclasses import fields

    from peft import PEFT_TYPE_TO_CONFIG_MAPPING

    content = json.loads((folder / "adapter_config.json").read_bytes())
    known = {field.name for field in fields(PEFT_TYPE_TO_CONFIG_MAPPING[content["peft_type"]])}
    return sorted(key for key, value in content.items() if key not in known and value not in (None, False, {}, [], ""))


def _places(base: BaseFolder, files: AdapterFiles, weights: Shapes, *, device: str) -> _Places:
    """Attach the configuration, its new weights on a device, and list where tensors go."""
    import torch
    from peft import PeftConfig, get_peft_model, get_peft_model_state_dict

    model = _empty_model(base, files, weights)
    own_names = frozenset(model.state_dict())
    config: Any = PeftConfig.from_pretrained(str(files.path))
    config.inference_mode = True
    if isinstance(getattr(config, "init_lora_weights", None), str):
        config.init_lora_weights = True  # how it began has no influence on names and shapes, and needs the weights
    with torch.device(device), warnings.catch_warnings(action="ignore"):
        attached = get_peft_model(model, config, low_cpu_mem_usage=True)
        found = get_peft_model_state_dict(attached, save_embedding_layers=False)
    return _Places(
        own={name: tuple(tensor.shape) for name, tensor in found.items()},
        others=frozenset(f"base_model.model.{name}" for name in own_names),
    )


def _empty_model(base: BaseFolder, files: AdapterFiles, weights: Shapes) -> Any:
    """The base's shapes, with a head of as many labels as the adapter's."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

    config = AutoConfig.from_pretrained(base.path, trust_remote_code=False, local_files_only=True)
    with torch.device("meta"), warnings.catch_warnings(action="ignore"):
        if files.task_type == "CAUSAL_LM":
            return AutoModelForCausalLM.from_config(config, trust_remote_code=False)
        head = next((shape for name, shape in weights.items() if name.endswith(_HEADS)), None)
        if head:
            config.num_labels = head[0]
        return AutoModelForSequenceClassification.from_config(config, trust_remote_code=False)


def _is_telling(problem: Exception) -> bool:
    """Whether it says that the adapter does not fit, and not that shapes alone were too little."""
    return isinstance(problem, ValueError | TypeError | KeyError | AttributeError) and "meta" not in str(problem)


def _first_line(problem: Exception) -> str:
    text = str(problem).strip()
    return text.splitlines()[0][:_SAID_AT_MOST] if text else type(problem).__name__
