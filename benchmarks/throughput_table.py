"""What was measured, in Markdown. Measures nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from contenders import Answers
from measured import Measured
from subjects import Subjects
from tables import markdown

ARMS = ("base", "candidate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """The forward passes of one arm, counted in a run of their own."""

    passes: int
    positions: int
    """Rows times tokens of all passes, padding included."""
    seconds: float
    """Decoding apart from start-up: from an arm's first pass to its last, what it does between them included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What it took to answer all cases with base and candidate."""

    name: str
    processes: tuple[Measured, ...]
    """One after the other."""
    arms: Mapping[str, Passes]
    stages: Mapping[str, float] = field(default_factory=dict)
    """What the process says of itself: seconds by stage, imports left out."""

    @property
    def wall_seconds(self) -> float:
        """Of all processes together, start-up included."""
        return sum(one.wall_seconds for one in self.processes)

    @property
    def cpu_seconds(self) -> float:
        """Of all processes together."""
        return sum(one.cpu_seconds for one in self.processes)

    @property
    def peak_bytes(self) -> int:
        """Of the largest process."""
        return max(one.peak_bytes for one in self.processes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How the answers compare."""

    variant: str
    cases: int
    differing: Mapping[str, tuple[str, ...]]
    """Arm -> cases that harness and gate answer differently."""
    changed: int
    """Cases that the candidate answers differently from the base, by the gate's own answers."""
    shared_start: float | None
    """Of those, the mean share of the base's tokens before the first that differs; None where nothing changed."""
    tokens: Mapping[str, int]
    """Arm -> tokens of the gate's answers, stop tokens left out."""


def shared_start(pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> float | None:
    """Mean share of an answer's tokens before the first that differs in another answer; None without any pair."""
    shares = []
    for before, after in pairs:
        same = [one == other for one, other in zip(before, after, strict=False)]
        shares.append((same.index(False) if False in same else len(same)) / max(len(before), 1))
    return fmean(shares) if shares else None


def differing(ours: Answers, theirs: Answers) -> tuple[str, ...]:
    """Cases with different answers, or an answer of one side only."""
    return tuple(sorted(case for case in ours.keys() | theirs.keys() if ours.get(case) != theirs.get(case)))


Pairs = Sequence[tuple[Row | None, Row]]
"""The harness's run and ours on the same cases; None: the harness was not measured."""


def wall_table(pairs: Pairs) -> str:
    """Time and memory of whole processes, each of ours with its ratio to the harness."""
    lines = [
        [
            row.name,
            f"{row.wall_seconds:.1f}",
            _ratio(row.wall_seconds, against.wall_seconds if against else None),
            f"{row.cpu_seconds:.1f}",
            f"{row.peak_bytes / 1e6:,.0f}",
            ", ".join(f"{name} {seconds:.1f}" for name, seconds in row.stages.items()) or "-",
        ]
        for against, row in _each_once(pairs)
    ]
    return markdown(("run", "wall s", "faster", "CPU s", "peak MB", "of it, s"), lines)


def decode_table(pairs: Pairs) -> str:
    """Decoding alone, arm by arm."""
    head = [f"{what} {arm}" for arm in ARMS for what in ("s", "faster", "passes", "positions")]
    return markdown(("decoding", *head), [_decoding(row, against) for against, row in _each_once(pairs)])


def _each_once(pairs: Pairs) -> list[tuple[Row | None, Row]]:
    """The harness's rows, each before the first of ours that is held against it."""
    rows: list[tuple[Row | None, Row]] = []
    for theirs, mine in pairs:
        if theirs is not None and all(row is not theirs for _, row in rows):
            rows.append((None, theirs))
        rows.append((theirs, mine))
    return rows


def _decoding(row: Row, against: Row | None) -> list[str]:
    cells = [row.name]
    for arm in ARMS:
        seen, theirs = row.arms.get(arm), against.arms.get(arm) if against is not None else None
        if seen is None:
            cells += ["0.0", "-", "0", "0"]
        else:
            ratio = _ratio(seen.seconds, theirs.seconds if theirs else None)
            cells += [f"{seen.seconds:.1f}", ratio, f"{seen.passes:,}", f"{seen.positions:,}"]
    return cells


def _ratio(mine: float, theirs: float | None) -> str:
    return "-" if theirs is None or mine == 0 else f"{theirs / mine:.2f} x"


def agreement_table(found: Sequence[Agreement], subjects: Subjects) -> str:
    """How much each adapter changes, and whether both sides give the same answers."""
    lines = [
        [
            one.variant,
            f"{subjects.scales[one.variant]:.4f}" if one.variant in subjects.scales else "-",
            f"{one.changed} of {one.cases} ({one.changed / one.cases:.1%})",
            "-" if one.shared_start is None else f"{one.shared_start:.0%}",
            *(f"{one.tokens[arm]:,}" for arm in ARMS),
            *(f"{len(one.differing[arm])}" if arm in one.differing else "not compared" for arm in ARMS),
        ]
        for one in found
    ]
    head = ("adapter", "strength", "answers changed", "same before the first change", "tokens base", "candidate")
    return markdown((*head, "unlike the harness: base", "candidate"), lines)


def memory_line(rows: Sequence[Row], *, load: Measured, cache_bytes: int) -> str:
    """The largest peak of ours against a process that only loads the model.

    Args:
        rows: Ours.
        load: What loading the model alone takes.
        cache_bytes: Of keys and values, a token.
    """
    peak = max(row.peak_bytes for row in rows)
    return (
        f"Largest peak of the gate: {peak / 1e6:,.0f} MB; of a process that only loads base and adapter: "
        f"{load.peak_bytes / 1e6:,.0f} MB; keys and values take {cache_bytes / 1e3:,.1f} MB for 1,000 tokens."
    )


def bandwidth_line(rows: Sequence[Row], subjects: Subjects, weight_bytes: int) -> str:
    """What share of the GPU memory's bandwidth reading the weights once a pass takes."""
    if subjects.bandwidth_bytes is None:
        return "Share of the memory-bandwidth limit: not measured, there is no GPU here."
    parts = [
        f"{row.name}, {arm}: {seen.passes * weight_bytes / seen.seconds / subjects.bandwidth_bytes:.0%}"
        for row in rows
        for arm, seen in row.arms.items()
        if seen.seconds > 0
    ]
    return f"Share of {subjects.bandwidth_bytes / 1e9:,.0f} GB/s, weights read once a pass: {'; '.join(parts)}."
