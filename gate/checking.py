"""What `gate check` and `gate power` say: the plan of a run in words, what is wrong with it, and what it can decide.

Everything here shows without a model. The numbers are made in `gate.forecast`.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import wrap

from gate import wording
from gate.adapters.commit import adapter_at, model_at
from gate.adapters.folder import read_adapter
from gate.adapters.full_model import check_model
from gate.config.load import LoadedConfig
from gate.domain import Round
from gate.errors import UsageError
from gate.forecast import DEFAULT_CHURN, Forecast, family_sizes, forecasts, measured_in
from gate.origins import Wanted, base_is_here, wanted_candidate, wanted_incumbent
from gate.plan import Note, Options, Plan, make_plan
from gate.prompted import ready_prompt
from gate.rules.amount import parse_share
from gate.stats.sequential import EARLY_SHARE

SHOWN_FLIPS = ("5%", "10%", "20%")
"""Shares of flips that are shown side by side where nobody names one."""

_WIDTH = 100
_UNLIKELY = 0.5
"""With a smaller chance to pass an unchanged candidate `gate check` says what would help."""
_HEADINGS = (
    ("", "", "", "", "passes", "proves", "cases"),
    ("suite", "rule", "cases", "flips", "unchanged", "4 times in 5", "for 80 %"),
)
_WITHOUT_NUMBERS = ("observed", "length")
_PLACE, _FLIPS, _RIGHT_ALIGNED = slice(0, 3), 3, {2, 3, 6}
"""Columns of the table: what says where a row belongs, the flips, and those of numbers."""


def check(loaded: LoadedConfig) -> str:
    """Describe the run that a configuration asks for.

    Raises:
        RequestError: With everything that is wrong.
    """
    plan = make_plan(loaded, Options())
    expected = forecasts(plan.declared, spent_early=_spent_early(loaded))
    notes = [*plan.notes, *_unlikely(expected), *_places(loaded), *_other_arms(loaded, plan)]
    lines = [f"{loaded.path.name}: {wording.count(len(plan.suites), 'suite')}, alpha {plan.alpha:g}", ""]
    lines += _suites(plan)
    lines += ["", *_rules(plan)]
    lines += ["", f"If {_share(DEFAULT_CHURN)} of the answers flip though nothing got worse (half gains, half losses):"]
    lines += ["", *_table(expected, show_flips=False), *_remarks(plan, expected, loaded)]
    lines += ["", *(f"{note.level}: {note.text}" for note in notes)] if notes else []
    warnings = sum(note.level == "warning" for note in notes)
    lines += ["", f"Nothing is wrong; {wording.count(warnings, 'warning')}."]
    return "\n".join(lines)


def power(
    loaded: LoadedConfig, *, flips: Sequence[str] = (), measured: Round | None = None, cases: int | None = None
) -> str:
    """Say what the rules of a configuration can decide.

    Args:
        loaded: The configuration.
        flips: Shares of flips to assume, as written by a person (`10%`); none: `SHOWN_FLIPS`, or 10 % for what a
            round does not tell.
        measured: A finished round whose flips and scores replace the assumption.
        cases: What if every suite had so many cases.

    Raises:
        RequestError: If the request is wrong, the configuration or its cases cannot be used, or the round is about
            other suites.
    """
    churns = _churns(flips, default=SHOWN_FLIPS if measured is None else (_share(DEFAULT_CHURN),))
    plan = make_plan(loaded, Options())
    known = {} if measured is None else measured_in(measured)
    if measured is not None and not {one.suite.name for one in plan.suites} & {suite for suite, _ in known}:
        there = wording.listing(sorted({suite for suite, _ in known})) or "none"
        raise UsageError(f"--round: it compares no suite of {loaded.path.name}; its suites are {there}")
    columns = [
        forecasts(plan.declared, churn=churn, measured=known, cases=cases, spent_early=_spent_early(loaded))
        for churn in churns
    ]
    # Where flips have no influence, or were measured, one row says it all.
    grouped = [list(dict.fromkeys(group)) for group in zip(*columns, strict=True)]
    everything = [forecast for group in grouped for forecast in group]
    supposed = "" if cases is None else f", if every suite had {wording.count(cases, 'case')}"
    source = "" if measured is None else " (as measured; ~: assumed)"
    lines = [
        f"{loaded.path.name}: what the rules can decide, alpha {plan.alpha:g}{supposed}",
        f"Flips: cases that a model answers differently though it got no worse{source}.",
        "",
        *_table(everything, show_flips=True, mark_assumed=measured is not None),
        *_remarks(plan, everything, loaded),
    ]
    unlikely = [next((one for one in group if one.is_unlikely), None) for group in grouped]
    said = _grouped((one.place, one.sentence) for one in unlikely if one is not None)
    wrapped = [line for text in said for line in wrap(text, _WIDTH, subsequent_indent="  ", break_on_hyphens=False)]
    return "\n".join([*lines, *(["", *wrapped] if said else [])])


def _churns(flips: Sequence[str], *, default: Sequence[str]) -> list[float]:
    try:
        return sorted({parse_share(share) for share in flips or default})
    except ValueError as problem:
        raise UsageError(f"--flips: {problem}") from None


def _suites(plan: Plan) -> list[str]:
    width = max((len(one.suite.name) for one in plan.suites), default=0)
    return [
        f"  {one.suite.name:<{width}}  {one.suite.role:<12}  {len(one.suite.cases):>6,} cases  "
        f"{one.scorer.kind if one.scorer else 'not scored'}"
        for one in plan.suites
    ]


def _rules(plan: Plan) -> list[str]:
    lines = []
    for one in plan.declared:
        where = one.scope.suite.name if one.scope.suite else "whole run"
        where += f" [{one.rule.slice}]" if one.rule.slice else ""
        where += f" against {one.rule.against}" if one.rule.against != "base" else ""
        default = " (default)" if one.scope.default else ""
        lines.append(
            f"  {where}: {one.rule.kind}, {one.rule.limit[1]}{default}{'' if one.rule.blocking else ', not blocking'}"
        )
    return lines


def _table(expected: Sequence[Forecast], *, show_flips: bool, mark_assumed: bool = False) -> list[str]:
    """One aligned line for each forecast; what would repeat the line above is left out."""
    rows = [_row(one, mark_assumed=mark_assumed) for one in expected if one.subject not in _WITHOUT_NUMBERS]
    if not rows:
        return ["  (no rule with a number to forecast)"]
    for row, above in zip(reversed(rows), reversed(rows[:-1]), strict=False):
        if row[_PLACE] == above[_PLACE]:
            row[_PLACE] = ["", "", ""]
    columns = []
    for number, cells in enumerate(zip(*_HEADINGS, *rows, strict=True)):
        width = max(map(len, cells))
        if show_flips or number != _FLIPS:
            columns.append([cell.rjust(width) if number in _RIGHT_ALIGNED else cell.ljust(width) for cell in cells])
    return [f"  {'  '.join(cells)}".rstrip() for cells in zip(*columns, strict=True)]


def _row(one: Forecast, *, mark_assumed: bool) -> list[str]:
    needed, clusters = "-", "" if one.clusters is None else " cl."
    if one.cases_needed is not None:
        needed = f"{one.cases_needed:,}{clusters}"
    cases = "-" if one.subject == "net" else f"{one.units:,}{clusters}"
    flips = "-" if one.churn is None else ("~" if mark_assumed and not one.is_measured else "") + _share(one.churn)
    return [one.place, one.label, cases, flips, one.chance, _proves(one), needed]


def _proves(one: Forecast) -> str:
    """What is decided four times in five: what passes where a gain or a score is demanded, else what fails."""
    size = one.passes_at if one.subject in ("gain", "score") else one.fails_at
    if one.subject == "net":
        return "-"
    if size is None:
        return "nothing"
    match one.subject:
        case "score":
            return f"score {wording.percent(size)}"
        case "flips":
            return f"{wording.percent(size)} broken"
        case _:
            return f"{one.subject} {100 * size:.1f} pp"


def _remarks(plan: Plan, expected: Sequence[Forecast], loaded: LoadedConfig) -> list[str]:
    """What must be known to read the table, each once."""
    sizes, remarks = family_sizes(plan.declared), []
    for blocks, what in ((True, "can block"), (False, "cannot block")):
        if (size := sizes.get(blocks, 0)) > 1:
            text = (
                f"A lone failure among the {size} tested hypotheses that {what} needs proof at alpha / {size} (Holm)."
            )
            remarks.append(text)
    if loaded.config.statistics.sequential:
        remarks.append(f"Of alpha, {_share(EARLY_SHARE)} pays for stopping early; what that saves is not counted here.")
    if any(one.as_if_binary for one in expected) or loaded.config.generation.repeats > 1:
        remarks.append("Scores that are parts, averages or F1 are planned for as if each answer were right or wrong.")
    if any(one.clusters is not None for one in expected):
        remarks.append(
            "cl.: a cluster counts as one case, near the cautious end; the truth is between clusters and cases."
        )
    if any(one.is_relative and one.subject == "drop" and not one.is_measured for one in expected):
        remarks.append("Limits in % are of a base score of 100 %, the best case: of a lower one they are smaller.")
    if any(one.is_measured for one in expected):
        remarks.append("A round whose candidate got worse has more flips than an unchanged model would.")
    if any(one.subject == "shift" for one in expected):
        remarks.append("Of a property, flips are inputs on which it changed.")
    silent = list(
        dict.fromkeys(f"{one.place}: {one.sentence}." for one in expected if one.subject in ("observed", "length"))
    )
    return ["", *(f"  {remark}" for remark in remarks + silent)] if remarks or silent else []


def _unlikely(expected: Sequence[Forecast]) -> list[Note]:
    """Rules under which an unchanged candidate would more often than not stay undecided, though it could pass."""
    texts = _grouped(
        (one.place, one.sentence)
        for one in expected
        if one.passes_unchanged is not None and one.passes_unchanged < _UNLIKELY
        if not one.by_chance and not one.is_hopeless
    )
    return [Note(level="note", text=text) for text in texts]


def _grouped(said: Iterable[tuple[str, str]]) -> list[str]:
    """Say the same sentence once, of all places for which it holds."""
    places: dict[str, list[str]] = {}
    for place, sentence in said:
        places.setdefault(sentence, []).append(place)
    return [f"{wording.listing(where)}: {sentence}." for sentence, where in places.items()]


def _spent_early(loaded: LoadedConfig) -> float:
    return EARLY_SHARE if loaded.config.statistics.sequential else 0.0


def _share(churn: float) -> str:
    return f"{round(100 * churn, 1):g} %"


def _other_arms(loaded: LoadedConfig, plan: Plan) -> list[Note]:
    """Read what the further arms are made of, as far as that needs no model."""
    notes = []
    prompt, incumbent = ready_prompt(loaded, seed=plan.seed), loaded.config.incumbent
    if prompt is not None and prompt.note is not None:
        notes.append(Note(level="warning", text=prompt.note))
    if incumbent is not None:
        notes += _tune(wanted_incumbent(loaded, incumbent), loaded)
    return notes


def _tune(wanted: Wanted, loaded: LoadedConfig) -> list[Note]:
    """Inspect a fine-tune that is here, as far as that takes no time and no network."""
    shown = wanted.folder / Path(wanted.written).expanduser()
    if wanted.ref is not None:
        with TemporaryDirectory(prefix="gate-") as temporary:
            take = model_at if wanted.adapter is None else adapter_at
            taken = take(wanted.folder, wanted.written, wanted.ref, into=Path(temporary))
            return _inspect(wanted, taken.path, loaded)
    if wanted.revision is not None:
        return [Note(level="note", text=f"{wanted.place}: {wanted.written} would come from the hub.")]
    if not shown.exists():
        return [Note(level="note", text=f"{wanted.place}: {wanted.written} is not here (yet).")]
    return _inspect(wanted, shown, loaded)


def _inspect(wanted: Wanted, shown: Path, loaded: LoadedConfig) -> list[Note]:
    if wanted.adapter is None:
        check_model(shown, scan=False)
        return []
    adapter = read_adapter(shown, base=loaded.config.base.model, allow=frozenset(loaded.config.allow))
    odd = [check for check in adapter.checks if check.outcome == "warn"]
    return [Note(level="warning", text=f"{wanted.key}: {check.message} ({check.id})") for check in odd]


def _places(loaded: LoadedConfig) -> list[Note]:
    """Notes on model, adapter and training data, which a check does not need."""
    config = loaded.config
    notes = _tune(wanted_candidate(loaded, adapter=None, ref=None), loaded)
    if not base_is_here(loaded):
        notes.append(
            Note(
                level="note", text=f"base.model: {config.base.model} is not a folder here; it would come from the hub."
            )
        )
    data = config.training.data
    if data is not None and not loaded.holds(data):
        notes.append(Note(level="note", text=f"training.data: {data} is not here (yet)."))
    return notes
