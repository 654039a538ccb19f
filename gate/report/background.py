"""Where a round comes from and how it was decided: arms, provenance, time taken and the methods in sentences.

Like `gate.report.view`, whose wording it continues, this module knows no markup; what it returns is untrusted.
"""

from collections.abc import Iterable

from gate import wording
from gate.domain import REUSED, Arm, Comparison, Round
from gate.report import view

_DIGEST_CHARACTERS = 12
_COMMIT_CHARACTERS = 7


def made_of(arm: Arm) -> str:
    """Say what an arm consists of: model, revision and adapter as configured."""
    revision = f"@{arm.revision[:_DIGEST_CHARACTERS]}" if arm.revision else ""
    model = f"{arm.model}{revision}" if arm.model else "recorded answers"
    return f"{model} + {arm.adapter}" if arm.adapter else model


def short_digest(digest: str | None) -> str:
    """Shorten a digest to its leading characters."""
    return view.DASH if digest is None else digest[:_DIGEST_CHARACTERS]


def provenance(round_: Round) -> tuple[str, ...]:
    """Say which commit, shortened, which version of the program, how long the run took where, and what was known."""
    commit = "no commit" if round_.commit is None else round_.commit[:_COMMIT_CHARACTERS]
    device, reused = round_.environment.get("device"), round_.environment.get(REUSED)
    took = f"{duration(sum(round_.timings.values()))}{f' on {device}' if device else ''}"
    return commit, f"gate {round_.gate_version}", took, *([f"{reused} {REUSED}"] if reused else [])


def duration(seconds: float) -> str:
    """Write a time as people say it: `48 s`, `3 min 12 s`, `1 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if whole else "under 1 s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def method_sentences(round_: Round) -> tuple[str, ...]:
    """How the verdict came about, for a reader who knows some statistics."""
    judged = [comparison for comparison in round_.comparisons if comparison.rule is not None]
    sentences = []
    if methods := _unique(comparison.method for comparison in judged):
        sentences.append(f"Tests: {'; '.join(methods)}.")
    if levels := sorted({comparison.level for comparison in judged}):
        alphas = wording.listing([f"{round((1 - level) / 2, 6):g}" for level in levels])
        shown = wording.listing([view.level_text(level) for level in levels])
        sentences.append(f"Alpha {alphas}, one-sided; the ends of an interval at {shown} are the two one-sided bounds.")
        sentences.append(
            "p is the chance of seeing a result at least this bad if the limit were just kept, adjusted by Holm's "
            "method for the number of rules tested, so that many rules together raise a false alarm no more often "
            "than one. A rule passes only when breaking the limit is itself ruled out; what is neither proven nor "
            "ruled out is inconclusive."
        )
    if drops := _detectable(judged):
        sentences.append(
            f"Smallest drop that would be proven four times in five, by one rule alone: {wording.listing(drops)}."
        )
    return tuple(sentences)


def _detectable(judged: Iterable[Comparison]) -> list[str]:
    drops = {
        one.suite: one.smallest_detectable_drop
        for one in judged
        if one.smallest_detectable_drop is not None and one.slice is None and one.measure == "delta"
    }
    return [f"`{suite}` {wording.amount(round(drop, 3))} pp" for suite, drop in drops.items()]


def _unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))
