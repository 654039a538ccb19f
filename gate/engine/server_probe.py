"""Whether a server really applies an adapter: some take one and go on to answer with the base, without a word.

Compares what the base and the adapter begin to answer. Pure: who asks the server is for the caller to say.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gate.engine.server_wire import Completion

PROBES_AT_MOST = 8

_LEAST_MOVE = 1e-4
"""Of a log-probability, in nats: servers round what they send."""
_NOISE_FACTOR = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """One prompt, asked of the base, of the adapter, and of the base again."""

    before: Completion
    adapter: Completion
    after: Completion


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the probes show."""

    applied: bool
    seen: str
    """In words."""


def judge_probes(probes: Sequence[Probed]) -> Finding:
    """Say whether the adapter answers otherwise than the base.

    The same request twice may give log-probabilities that differ a little, because of what else shared its batch or
    was in a cache. So the base is asked twice, and the adapter must be further from both replies than they are from
    each other. Log-probabilities decide where they are given; a text may change by rounding where two tokens tie.

    Args:
        probes: At least one.
    """
    with_logprobs = [one for one in probes if one.before.logprobs and one.adapter.logprobs and one.after.logprobs]
    if with_logprobs:
        noise = max(distance(one.before, one.after) for one in with_logprobs)
        moved = max(min(distance(one.before, one.adapter), distance(one.after, one.adapter)) for one in with_logprobs)
        seen = (
            f"log-probabilities of the first tokens differ from the base's by up to {moved:.2g} on "
            f"{len(with_logprobs)} prompts (the base's own by {noise:.2g} when asked twice)"
        )
        return Finding(applied=moved > max(_LEAST_MOVE, _NOISE_FACTOR * noise), seen=seen)
    steady = [one for one in probes if one.before.text == one.after.text]
    changed = sum(one.adapter.text != one.before.text for one in steady)
    seen = f"{changed} of {len(steady)} answers begin otherwise than the base's; the server gives no log-probabilities"
    return Finding(applied=changed > 0, seen=seen)


def distance(one: Completion, other: Completion) -> float:
    """Largest difference of a log-probability, in nats, as long as both answers are the same so far.

    Of a token that only one side names among its likeliest, the other side's is at most that of the least likely it
    names; the difference is at least that.
    """
    largest = 0.0
    for place, (mine, theirs) in enumerate(zip(one.logprobs, other.logprobs, strict=False)):
        for here, there in ((mine, theirs), (theirs, mine)):
            floor = min(there.values())
            apart = [abs(value - there[token]) if token in there else value - floor for token, value in here.items()]
            largest = max(largest, *apart)
        if one.chosen[place] != other.chosen[place]:
            break
    return largest
