"""How numbers read, in one place: rules' sentences and every report use these and nothing else.

Pure text from numbers; it knows no rule, no report and no markup. Fractions come in, people's units go out.
"""

_TINY_P = 1e-9


def signed(value: float, digits: int = 1) -> str:
    """Write a number with its sign; what rounds to zero has none.

    Args:
        value: Any finite number.
        digits: Digits after the point.
    """
    rounded = round(value, digits)
    return f"{rounded:+.{digits}f}" if rounded else f"{0:.{digits}f}"


def points(value: float) -> str:
    """Write a difference of scores in percentage points: 0.1143 -> `+11.4 pp`."""
    return f"{signed(100 * value)} pp"


def percent(value: float) -> str:
    """Write a share: 0.8125 -> `81.2 %`, with no sign unless it is negative."""
    rounded = round(100 * value, 1)
    return f"{rounded or 0.0:.1f} %"


def relative(value: float) -> str:
    """Write a relative change in whole per cent: -0.453 -> `-45 %`."""
    return f"{signed(100 * value, 0)} %"


def amount(value: float) -> str:
    """Write a limit without padding zeros and without a unit: 0.05 -> `5`, 0.025 -> `2.5`."""
    return f"{round(100 * value, 6):g}"


def p_value(value: float) -> str:
    """Write a p-value with two leading digits, and as a bound where it is tiny: `0.13`, `0.0042`, `< 1e-9`."""
    if value < _TINY_P:
        return f"< {_TINY_P:.0e}".replace("e-0", "e-")
    return f"{value:.2g}" if value < 0.995 else "1"


def count(number: int, noun: str) -> str:
    """Write a number with its noun: `1 case`, `2 cases`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listing(words: list[str]) -> str:
    """Join words as in a sentence: `a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""
