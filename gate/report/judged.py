"""What a page about a commit is made of: each adapter with its round or with the problem that left none, and links.

Plain values. This module knows no markup.
"""

from dataclasses import dataclass

from gate import errors
from gate.domain import Round, VerdictOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why there is no round: a step broke off or refused to start."""

    step: str
    """The step that ended early, such as `answer`."""
    exit_code: int
    message: str
    """What happened and what to do, as the step printed it; untrusted, and may have several lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One adapter of a commit and what became of it."""

    adapter: str | None
    """Its path in the repository, untrusted; None: which adapter is not known."""
    result: Round | Problem

    @property
    def outcome(self) -> VerdictOutcome:
        """The verdict; whatever could not be judged is an error."""
        return "error" if isinstance(self.result, Problem) else self.result.verdict.outcome

    @property
    def severity(self) -> int:
        """Place in the order of what a reader must know first, the worst least; as the exit codes rank."""
        if isinstance(self.result, Problem):
            return -1 - errors.gravity(self.result.exit_code)
        # Not by its exit code: a gate that fails nothing still shows what was lost first.
        ranks: tuple[VerdictOutcome, ...] = ("error", "fail", "inconclusive", "pass")
        return ranks.index(self.result.verdict.outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Where a reader finds more. Every address is made of trusted parts only; None: there is no such page."""

    run: str | None = None
    """The workflow run, where its logs are, and report and `round.json` if the workflow keeps them."""
    commit: str | None = None
    """The commit that was judged."""
