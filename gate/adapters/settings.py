"""What a setting of `adapter_config.json` may hold: numbers within bounds, words of a list, plain names.

PEFT takes names for regular expressions, and some texts for files, modules or repositories to load. So a text is
accepted only where it is a plain name or one of a few words. Must not know which type of adapter has which setting.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeGuard

LARGEST_RANK = 8_192
LARGEST_ALPHA = 65_536
LARGEST_COUNT = 4_000_000
MOST_NAMES = 20_000

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.]{1,512}")
_BIAS = re.compile(r"none|all|[A-Za-z0-9]{1,20}_only")
_ADALORA_LONGEST = 4_096
_LONGEST_TEXT = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One kind of setting. null is accepted everywhere: it means that nothing was set."""

    wanted: str
    """What is accepted, for a message: `<key> must be ...`."""
    accepts: Callable[[object], bool]
    check: str = "P32"
    """The preflight check that fails on anything else."""


def is_plain_name(value: object) -> TypeGuard[str]:
    """Whether it is a module's name, which no regular expression can hide in."""
    return isinstance(value, str) and _PLAIN_NAME.fullmatch(value) is not None


def is_number(value: object, low: float = -math.inf, high: float = math.inf) -> TypeGuard[float]:
    """Whether it is a finite number in a range, bounds included."""
    return isinstance(value, int | float) and not isinstance(value, bool) and _is_within(value, low, high)


def _is_within(value: float, low: float, high: float) -> bool:
    return low <= value <= high and value not in {math.inf, -math.inf}


def is_integer(value: object, low: int, high: int) -> TypeGuard[int]:
    """Whether it is a whole number in a range, bounds included."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _are_names(value: object) -> bool:
    return isinstance(value, list) and len(value) <= MOST_NAMES and all(is_plain_name(name) for name in value)


def _each(accepts: Callable[[object], bool]) -> Callable[[object], bool]:
    """Of a mapping from plain names."""
    return lambda value: (
        isinstance(value, dict)
        and len(value) <= MOST_NAMES
        and all(is_plain_name(name) and accepts(one) for name, one in value.items())
    )


def _are_integers(value: object, high: int = LARGEST_COUNT) -> bool:
    return isinstance(value, list) and len(value) <= high and all(is_integer(one, 0, high) for one in value)


def _is_mask(value: object) -> bool:
    return isinstance(value, list) and len(value) <= _ADALORA_LONGEST and all(isinstance(one, bool) for one in value)


def word(*words: str) -> Setting:
    """One of a few words."""
    return Setting(wanted=f"one of {', '.join(words)}", accepts=lambda value: isinstance(value, str) and value in words)


def flag_or(*words: str) -> Setting:
    """true, false, or one of a few words."""
    return Setting(
        wanted=f"true, false or one of {', '.join(words)}",
        accepts=lambda value: isinstance(value, bool) or (isinstance(value, str) and value in words),
    )


FLAG = Setting(wanted="true or false", accepts=lambda value: isinstance(value, bool))
BIAS = Setting(
    wanted="none, all, or the type's own biases such as lora_only",
    accepts=lambda value: isinstance(value, str) and _BIAS.fullmatch(value) is not None,
)
RANK = Setting(
    wanted=f"a whole number from 0 to {LARGEST_RANK:,}", accepts=lambda value: is_integer(value, 0, LARGEST_RANK)
)
COUNT = Setting(
    wanted=f"a whole number from -1 to {LARGEST_COUNT:,}", accepts=lambda value: is_integer(value, -1, LARGEST_COUNT)
)
SEED = Setting(wanted="a whole number", accepts=lambda value: is_integer(value, 0, 2**63 - 1))
ALPHA = Setting(
    wanted=f"a number from -{LARGEST_ALPHA:,} to {LARGEST_ALPHA:,}",
    accepts=lambda value: is_number(value, -LARGEST_ALPHA, LARGEST_ALPHA),
    check="P04",
)
NUMBER = Setting(wanted="a number", accepts=lambda value: is_number(value, -1e9, 1e9))
NAMES = Setting(
    wanted="a list of plain module names (letters, digits, `_`, `.`); a pattern is not accepted", accepts=_are_names
)
TARGETS = Setting(
    wanted="`all-linear` or a list of module names (letters, digits, `_`, `.`); a pattern is not accepted",
    accepts=lambda value: value == "all-linear" or _are_names(value),
)
NAME = Setting(wanted="a plain module name", accepts=is_plain_name)
NAME_OR_NAMES = Setting(wanted=NAMES.wanted, accepts=lambda value: is_plain_name(value) or _are_names(value))
LAYERS = Setting(
    wanted="a layer's number or a list of them",
    accepts=lambda value: is_integer(value, 0, LARGEST_RANK) or _are_integers(value, LARGEST_RANK),
)
RANKS = Setting(
    wanted=f"a mapping from plain module names to whole numbers up to {LARGEST_RANK:,}; a pattern is not accepted",
    accepts=_each(lambda value: is_integer(value, 0, LARGEST_RANK)),
)
COUNTS = Setting(
    wanted="a mapping from plain module names to whole numbers; a pattern is not accepted",
    accepts=_each(lambda value: is_integer(value, 0, LARGEST_COUNT)),
)
ALPHAS = Setting(
    wanted=f"a mapping from plain module names to numbers up to {LARGEST_ALPHA:,}; a pattern is not accepted",
    accepts=_each(lambda value: is_number(value, -LARGEST_ALPHA, LARGEST_ALPHA)),
)
SHARES = Setting(
    wanted="a mapping from plain module names to numbers; a pattern is not accepted",
    accepts=_each(lambda value: is_number(value, 0, LARGEST_RANK)),
)
MASKS = Setting(
    wanted="a mapping from plain module names to lists of flags", accepts=_each(_is_mask)
)  # which of AdaLora's ranks were kept
TOKENS = Setting(
    wanted="a list of token ids, or a mapping from plain module names to such lists",
    accepts=lambda value: _are_integers(value) or _each(_are_integers)(value),
)
TEXT = Setting(
    wanted=f"a text of at most {_LONGEST_TEXT:,} characters",
    accepts=lambda value: isinstance(value, str) and len(value) <= _LONGEST_TEXT,
)
"""For what is only recorded: nothing loads it."""
LORA_INIT = Setting(
    wanted="true, false, or a way to start that needs no other file (gaussian, orthogonal, olora, pissa, eva, mica)",
    accepts=lambda value: (
        isinstance(value, bool)
        or (
            isinstance(value, str)
            and re.fullmatch(r"gaussian|orthogonal|olora|eva|mica|pissa(_niter_[0-9]{1,2})?", value) is not None
        )
    ),
)
