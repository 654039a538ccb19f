"""Everything about a run that can be known without a model: suites, scorers, rules, and what is wrong with them.

`gate check` prints a plan's notes; `gate run` refuses to start on a plan that cannot be made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gate import wording
from gate.config.load import LoadedConfig
from gate.config.schema import SuiteConfig
from gate.data import load_cases, suite_digest
from gate.domain import CORPUS_METRICS, ArmName, Case, Pair, Suite
from gate.errors import CasesError, ConfigError, UsageError
from gate.forecast import hopeless
from gate.rules import default_rules
from gate.rules.base import Scope, SuiteFacts
from gate.rules.decide import Declared
from gate.rules.verdict import FailOn
from gate.scorers import AnyScorer, Classification

ARM_ORDER: tuple[ArmName, ...] = ("base", "incumbent", "prompted", "candidate")
"""The order of the arms in a report: what the candidate is compared with, then the candidate."""

_SHOWN_AT_MOST = 20
_FEW_CASES, _SOME_CASES, _ENOUGH_BINARY_CASES = 50, 100, 300

_Recorded = Mapping[str, tuple[Case, ...]]
"""Suite -> the cases that came with recorded answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line changes about a run."""

    output: Path = Path("gate-out")
    suites: tuple[str, ...] = ()
    """Only these; empty: all."""
    fail_on: FailOn | None = None
    seed: int | None = None
    adapter: Path | None = None
    """Replaces `candidate.adapter`; relative to `start`."""
    start: Path = Path()
    candidate_ref: str | None = None
    """The commit, tag or branch that candidate and base are read from; None: they are read as they lie there."""
    limit: int | None = None
    """Only the first cases of each suite."""
    cache: Path | None = None
    """File with answers that reference arms have given before; None: there is none."""

    @property
    def partial(self) -> bool:
        """Whether something of the configuration is left out."""
        return bool(self.suites) or self.limit is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSuite:
    """A suite with what scores it."""

    suite: Suite
    scorer: AnyScorer | None
    """None: unlabelled inputs."""
    metric: str

    @property
    def binary(self) -> bool:
        """Whether every score is 0 or 1."""
        return self.scorer is not None and self.scorer.binary


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something a person should know before a run."""

    level: Literal["note", "warning"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run that can start."""

    arms: tuple[ArmName, ...]
    suites: tuple[PlannedSuite, ...]
    declared: tuple[Declared, ...]
    """The rules in their places, before anything was answered."""
    notes: tuple[Note, ...]
    alpha: float
    seed: int
    fail_on: FailOn

    @property
    def warnings(self) -> tuple[str, ...]:
        """The notes that the reader of a report must know as well."""
        return tuple(note.text for note in self.notes if note.level == "warning")


def make_plan(
    loaded: LoadedConfig,
    options: Options,
    *,
    arms: Sequence[ArmName] = (),
    recorded: Mapping[str, tuple[Case, ...]] | None = None,
) -> Plan:
    """Read the cases and check that suites, scorers and rules fit each other.

    Args:
        loaded: The configuration.
        options: What the command line changes.
        arms: Who answers besides the configured arms.
        recorded: Suite -> the cases that came with recorded answers, for suites that have no file of cases. None
            before there are answers: then such suites are left out.

    Raises:
        UsageError: If a suite named on the command line does not exist.
        ConfigError: If a rule can never work where it stands.
        CasesError: If case files are bad, or cases do not fit their scorer. All files are read first.
    """
    config = loaded.config
    unknown = [name for name in options.suites if name not in config.suites]
    if unknown:
        raise UsageError(f"--suite: no suite is called {unknown[0]!r}; there are {', '.join(config.suites)}")
    chosen = {name: suite for name, suite in config.suites.items() if not options.suites or name in options.suites}
    suites = _load_suites(loaded, chosen, limit=options.limit, recorded=recorded)
    everyone = tuple(arm for arm in ARM_ORDER if arm in config.arms or arm in arms)
    left_out = options.limit is not None or len(suites) < len(config.suites)
    declared = _declare_rules(loaded, suites, arms=everyone, partial=left_out)
    _refuse_impossible(loaded, declared)
    return Plan(
        arms=everyone,
        suites=suites,
        declared=declared,
        notes=(*_notes(chosen, suites, declared), *(_recorded_notes(chosen) if recorded is None else ())),
        alpha=config.statistics.alpha,
        seed=config.statistics.seed if options.seed is None else options.seed,
        fail_on=options.fail_on or config.fail_on,
    )


def suite_facts(
    suites: Sequence[PlannedSuite], pairs: Mapping[tuple[str, ArmName], tuple[Pair, ...]]
) -> dict[str, SuiteFacts]:
    """What rules may know of each suite.

    Args:
        suites: The suites of the run.
        pairs: Suite and reference arm -> the candidate against it; empty before anything was answered.
    """
    return {
        planned.suite.name: SuiteFacts(
            name=planned.suite.name,
            role=planned.suite.role,
            scorer=planned.scorer.kind if planned.scorer is not None else None,
            binary=planned.binary,
            metric=planned.metric,
            cases=planned.suite.cases,
            pairs={against: mine for (name, against), mine in pairs.items() if name == planned.suite.name},
        )
        for planned in suites
    }


def _declare_rules(
    loaded: LoadedConfig, suites: Sequence[PlannedSuite], *, arms: Sequence[ArmName], partial: bool
) -> tuple[Declared, ...]:
    """Put every rule in its place: those of the suites, defaults where there are none, then those of the run.

    With `partial`, rules that are about nothing are dropped, because what they are about was left out on purpose.
    """
    config, facts = loaded.config, suite_facts(suites, {})
    alpha, present = config.statistics.alpha, frozenset(arms)
    declared = []
    for name, suite in facts.items():
        written = config.suites[name].rules
        for index, rule in enumerate(default_rules(suite.role, suite.scorer) if written is None else written):
            scope = Scope(suite=suite, suites=facts, arms=present, alpha=alpha, default=written is None)
            place = ("suites", name) if written is None else ("suites", name, "rules", index)
            declared.append(Declared(rule=rule, scope=scope, line=loaded.line(*place)))
    whole = Scope(suite=None, suites=facts, arms=present, alpha=alpha)
    declared += [Declared(rule=one, scope=whole, line=loaded.line("rules", i)) for i, one in enumerate(config.rules)]
    absent = {one.rule.against for one in declared} - present
    return tuple(
        one for one in declared if not partial or one.rule.against in absent or one.rule.problem(one.scope) is None
    )


def _load_suites(
    loaded: LoadedConfig, chosen: dict[str, SuiteConfig], *, limit: int | None, recorded: _Recorded | None
) -> tuple[PlannedSuite, ...]:
    suites, problems = [], []
    for name, config in chosen.items():
        if config.cases is None and recorded is None:
            continue
        try:
            cases = _read_cases(loaded, name, config.cases, recorded=recorded or {})[:limit]
            _check_cases(name, config, cases)
        except CasesError as problem:
            problems.append(problem)
            continue
        suite = Suite(name=name, role=config.role, cases=cases, digest=suite_digest(cases))
        suites.append(PlannedSuite(suite=suite, scorer=config.scorer, metric=config.metric))
    if problems:
        raise CasesError("\n".join(str(problem) for problem in problems))
    return tuple(suites)


def _read_cases(loaded: LoadedConfig, name: str, file: str | None, *, recorded: _Recorded) -> tuple[Case, ...]:
    if file is not None:
        return load_cases(loaded.resolve(file), label=file)
    if name not in recorded:
        known = f"; they are of {', '.join(recorded)}" if recorded else ""
        raise CasesError(f"suites.{name}: it has no `cases`, and the recorded answers bring none{known}")
    return recorded[name]


def _check_cases(name: str, config: SuiteConfig, cases: Sequence[Case]) -> None:
    scorer = config.scorer
    if scorer is None:
        return
    found = [(case.id, problem) for case in cases if (problem := scorer.problem(case)) is not None]
    if isinstance(scorer, Classification) and config.metric in CORPUS_METRICS:
        found += [
            (case.id, f"has references for different labels; {config.metric} needs one right label")
            for case in cases
            if len({scorer.label(reference) for reference in case.references}) > 1
        ]
    if found:
        lines = [f"suites.{name}: case {case} {problem}" for case, problem in found[:_SHOWN_AT_MOST]]
        more = [f"and {wording.count(len(found) - _SHOWN_AT_MOST, 'more case')}"] if len(found) > _SHOWN_AT_MOST else []
        raise CasesError("\n".join(lines + more))


def _refuse_impossible(loaded: LoadedConfig, declared: Sequence[Declared]) -> None:
    """Refuse rules about nothing: a misspelt tag must not look like a rule that passed."""
    lines = []
    for one in declared:
        problem = one.rule.problem(one.scope)
        if problem is not None:
            where = f"suites.{one.scope.suite.name}.rules" if one.scope.suite else "rules"
            lines.append(f"{loaded.path.name}: {where}: {one.rule.kind}: {problem}")
    if lines:
        raise ConfigError("\n".join(lines))


def _recorded_notes(suites: Mapping[str, SuiteConfig]) -> list[Note]:
    """Suites whose cases are not known before there are answers."""
    return [
        Note(level="note", text=f"{name}: its cases come with the recorded answers; see gate compare.")
        for name, suite in suites.items()
        if suite.cases is None
    ]


def _notes(
    chosen: Mapping[str, SuiteConfig], suites: Sequence[PlannedSuite], declared: Sequence[Declared]
) -> list[Note]:
    notes = []
    roles = {suite.role for suite in chosen.values()}
    if "regression" not in roles:
        text = "No regression suite: whatever the task gains, the verdict cannot be `pass`, nothing protects the rest."
        notes.append(Note(level="warning", text=text))
    unguarded = [
        name
        for name, suite in chosen.items()
        if suite.role == "regression"
        and not any(one.rule.guards and one.rule.blocking and one.rule.slice is None and _is_under(one, name)
                    for one in declared)
    ]  # fmt: skip
    if unguarded and any(planned.suite.name in unguarded for planned in suites):
        text = f"No blocking rule guards {wording.listing(unguarded)} as a whole: whatever is lost there, it can pass."
        notes.append(Note(level="warning", text=text))
    if "task" not in roles:
        notes.append(Note(level="note", text="No task suite: regressions are checked, a gain is not."))
    texts = [*(_size_note(planned) for planned in suites), *(hopeless(one) for one in declared)]
    return notes + [Note(level="warning", text=text) for text in texts if text is not None]


def _is_under(one: Declared, suite: str) -> bool:
    return one.scope.suite is not None and one.scope.suite.name == suite


def _size_note(planned: PlannedSuite) -> str | None:
    """Size bands of practice: 50, 100 and, for right-or-wrong scores, 300 cases. They only warn: the test decides."""
    n, name = len(planned.suite.cases), planned.suite.name
    if planned.scorer is None or n == 0:
        return None
    half_width_pp = 100 * 1.96 * (0.25 / n) ** 0.5
    width = f"a score near 50 % is known to +-{half_width_pp:.1f} pp"
    if n < _FEW_CASES:
        return f"{name}: {wording.count(n, 'case')} are too few for most decisions ({width})."
    if n < _SOME_CASES:
        return f"{name}: {n} cases give low reliability ({width})."
    if planned.binary and n < _ENOUGH_BINARY_CASES:
        return f"{name}: {n} cases; for right-or-wrong scores 300 to 500 are a reasonable lower bound ({width})."
    return None
