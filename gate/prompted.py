"""The prompted arm's prompt: read from the files that the configuration names, the examples drawn from training data.

A fine-tune has to beat a good prompt, so this arm gets one; but never with the answers it will be asked for.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from gate import wording
from gate.config.load import LoadedConfig
from gate.data import load_cases
from gate.data.lines import decode, read_bytes
from gate.data.shots import Shots, choose_shots, with_prompt
from gate.data.training import load_training
from gate.domain import Message
from gate.errors import ConfigError

_LARGEST_PROMPT_MIB = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyPrompt:
    """What is put in front of every case."""

    system: str | None
    shots: Shots

    @property
    def digest(self) -> str:
        """SHA-256 over the prompt, hexadecimal."""
        content = [self.system, [[shot.user, shot.assistant] for shot in self.shots.examples]]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    @property
    def note(self) -> str | None:
        """What a reader should know of how the examples were drawn."""
        if not self.shots.left_out:
            return None
        rows = wording.count(self.shots.left_out, "training row")
        return f"prompted: {rows} ask what a suite asks and were not drawn as examples; is the training data leaking?"

    def around(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """The conversation that the prompted arm is asked."""
        return with_prompt(messages, system=self.system, shots=self.shots.examples)


def ready_prompt(loaded: LoadedConfig, *, seed: int) -> ReadyPrompt | None:
    """Read the prompt and draw the examples; None if no prompted arm is configured.

    Args:
        loaded: The configuration.
        seed: Seed of the draw.

    Raises:
        ConfigError: If a file cannot be read, or the examples were to come from a suite.
        CasesError: If the training data cannot be read or holds too few rows that can serve.
    """
    prompted = loaded.config.prompted
    if prompted is None:
        return None
    system, shots = None, Shots(examples=(), left_out=0)
    if prompted.system is not None:
        label = f"prompted.system: {prompted.system}"
        data = read_bytes(
            loaded.resolve(prompted.system), label=label, largest_mib=_LARGEST_PROMPT_MIB, error=ConfigError
        )
        system = decode(data, label=label, error=ConfigError).strip()
        if not system:
            raise ConfigError(f"{label} is empty; write a system prompt, or leave `system` out")
    if prompted.shots is not None:
        source = loaded.resolve(prompted.shots)
        for name, suite in loaded.config.suites.items():
            if suite.cases is not None and loaded.resolve(suite.cases).resolve() == source.resolve():
                raise ConfigError(
                    f"prompted.shots: {prompted.shots} holds the cases of the suite {name!r}",
                    fix="Draw the examples from training data: an arm must not be shown the answers it is asked for.",
                )
        rows = load_training(source, label=f"prompted.shots: {prompted.shots}")
        # All cases of all suites, whatever part of them is asked today.
        cases = {
            name: load_cases(loaded.resolve(suite.cases), label=suite.cases)
            for name, suite in loaded.config.suites.items()
            if suite.cases is not None
        }
        shots = choose_shots(rows, count=prompted.num_shots, seed=seed, suites=cases)
    return ReadyPrompt(system=system, shots=shots)
