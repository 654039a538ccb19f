"""What `gate check` says: the plan of a run in words, and everything wrong with it that shows without a model."""

from gate import wording
from gate.config.load import LoadedConfig
from gate.plan import Note, Options, Plan, make_plan


def check(loaded: LoadedConfig) -> str:
    """Describe the run that a configuration asks for.

    Raises:
        RequestError: With everything that is wrong.
    """
    plan = make_plan(loaded, Options())
    notes = [*plan.notes, *_places(loaded)]
    lines = [f"{loaded.path.name}: {wording.count(len(plan.suites), 'suite')}, alpha {plan.alpha:g}", ""]
    lines += _suites(plan)
    lines += ["", *_rules(plan)]
    lines += ["", *(f"{note.level}: {note.text}" for note in notes)] if notes else []
    warnings = sum(note.level == "warning" for note in notes)
    lines += ["", f"Nothing is wrong; {wording.count(warnings, 'warning')}."]
    return "\n".join(lines)


def _suites(plan: Plan) -> list[str]:
    width = max(len(one.suite.name) for one in plan.suites)
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
        default = " (default)" if one.scope.default else ""
        lines.append(
            f"  {where}: {one.rule.kind}, {one.rule.limit[1]}{default}{'' if one.rule.blocking else ', not blocking'}"
        )
    return lines


def _places(loaded: LoadedConfig) -> list[Note]:
    """Notes on model and adapter, which a check does not need."""
    config, notes = loaded.config, []
    if not loaded.resolve(config.candidate.adapter).is_dir():
        notes.append(Note(level="note", text=f"candidate.adapter: {config.candidate.adapter} is not here (yet)."))
    if not loaded.resolve(config.base.model).is_dir():
        notes.append(
            Note(
                level="note", text=f"base.model: {config.base.model} is not a folder here; it would come from the hub."
            )
        )
    return notes
