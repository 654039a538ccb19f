"""Measure how often the gate is wrong, and how often others are; write docs/calibration.md.

    python benchmarks/calibration.py             write the document (about 12 minutes on one core)
    python benchmarks/calibration.py --check     compute and compare with the committed document
    python benchmarks/calibration.py --only simulated --rounds 100      try out one section; writes nothing

Exit code 1 where the document differs under --check, or where an error rate of the gate exceeds 5.0 % by more than
three standard errors of the simulation.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import one_rule
import other_rules
import whole_gate
from tables import GATE, Cell, Section, percent, worst

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "calibration.md"

SECTIONS: dict[str, Callable[[int | None], Section]] = {
    "one-rule": lambda _: one_rule.section(),
    "exact": lambda _: other_rules.exact_section(),
    "simulated": other_rules.simulated_section,
    "gate": whole_gate.section,
}
"""Name on the command line -> computes the section, in the order of the document."""

_HEAD = """# Calibration

Written by `python benchmarks/calibration.py`; the seeds are fixed, so every run gives the same numbers.

A run of the gate can be wrong in two ways: a *false block* (a limit that is kept is called broken) and a *false
pass* (a limit that is broken, or exactly met, is called kept). Each rule promises at most 5 % of either, at any
number of cases, and the whole gate does too. A third outcome, inconclusive, is no error. "Exact" rates are sums of
probabilities over all outcomes, each decided by the product itself; simulated ones give their rounds. Exact regions
are found along their edges: Tango's score orders tables, and more gains or fewer losses never make a table worse.
"""


def document(sections: list[Section]) -> str:
    """The sections and what they come to."""
    cells = [cell for section in sections for cell in section.cells]
    return "\n".join([_HEAD, *(section.text for section in sections), summary(cells)])


def summary(cells: list[Cell]) -> str:
    """The largest error rates of each procedure, and the cells of the gate that break its promise."""
    lines = ["## Summary\n", "Largest error rates over all cells above, per cent:\n"]
    for name in dict.fromkeys(cell.procedure for cell in cells):
        mine = [cell for cell in cells if cell.procedure == name]
        found = [worst(mine, error) for error in ("false block", "false pass")]
        said = [f"{cell.error} {percent(cell.rate)} ({cell.where})" for cell in found if cell is not None]
        lines.append(f"- {name}: {'; '.join(said)}")
    over = [cell for cell in cells if cell.procedure == GATE and cell.rate > 0.05 + 5e-7]
    lines.append(f"\nCells of the gate above 5.0 %: {len(over) or 'none'}.\n")
    for cell in over:
        said = "more than three standard errors above 5.0" if cell.exceeds else "within three standard errors of 5.0"
        lines.append(f"- {cell.error} {percent(cell.rate)}, {said}: {cell.where}")
    return "\n".join(lines).rstrip() + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Compute, and write, compare or print."""
    parser = argparse.ArgumentParser(description="Measure how often the gate is wrong; write docs/calibration.md.")
    parser.add_argument("--check", action="store_true", help="compare with the committed document instead of writing")
    parser.add_argument("--only", choices=sorted(SECTIONS), help="print one section; writes nothing")
    parser.add_argument("--rounds", type=int, help="simulated runs per rate, for trying out; writes nothing")
    given = parser.parse_args(arguments)
    chosen = list(SECTIONS) if given.only is None else [given.only]
    sections = [SECTIONS[name](given.rounds) for name in chosen]
    text = document(sections)
    wrong = any(cell.exceeds for section in sections for cell in section.cells if cell.procedure == GATE)
    if given.only is not None or given.rounds is not None:
        sys.stdout.write(text)
    elif given.check:
        if not DOCUMENT.is_file() or DOCUMENT.read_text(encoding="utf-8") != text:
            sys.stderr.write(f"{DOCUMENT} is not what was computed: run benchmarks/calibration.py and commit it.\n")
            return 1
    else:
        DOCUMENT.write_text(text, encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
