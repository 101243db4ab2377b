"""What became of each attempt in the end: what the result does not hold was not kept."""

from collections.abc import Sequence
from dataclasses import replace

from addcat.verbs.optimize.candidates import Kept
from addcat.verbs.optimize.confirm import Confirmed
from addcat.verbs.optimize.result import KEPT, REFUSED, UNSURE, UNWRITTEN, WRONG, Attempt
from addcat.verbs.optimize.search import Found, as_one
from addcat.verbs.optimize.verify import Verified

ELSEWHERE = "holds only at the sizes of the run"
REASONS = {
    WRONG: "the outputs are not the original's",
    UNWRITTEN: "the model with it cannot be written or run",
    UNSURE: "it or another changed the outputs, and the time was up before it was seen which",
    REFUSED: "left out, since the whole gains no more by it",
}


def settled(found: Found, verified: Verified, confirmed: Confirmed) -> list[Attempt]:
    """The attempts of a search with what became of them.

    Args:
        found: What the search kept.
        verified: What of it passed, and what was dropped.
        confirmed: What the result holds.

    Returns:
        The same attempts; one that was kept and is not in the result is refused, wrong, not written or not verified.
        One that stands for several rewrites, of which some are in the result, becomes one for each outcome.
    """
    ends: dict[int, dict[str, list[Kept]]] = {}
    for one in (*found.tidied, *found.kept):
        unwritten = [other for other, _ in verified.unwritten]
        ways = {KEPT: confirmed.kept, WRONG: verified.wrong, UNWRITTEN: unwritten, UNSURE: verified.unsure}
        outcome = next((outcome for outcome, others in ways.items() if _among(one, others)), REFUSED)
        ends.setdefault(id(one.attempt), {}).setdefault(outcome, []).append(one)
    return [new for old in found.attempts for new in _ended(old, ends.get(id(old), {}))]


def _among(one: Kept, others: Sequence[Kept]) -> bool:
    return any(one.attempt is other.attempt and one.steps == other.steps for other in others)


def _ended(attempt: Attempt, ends: dict[str, list[Kept]]) -> list[Attempt]:
    if attempt.outcome != KEPT:
        return [attempt]
    if not ends:
        return [replace(attempt, outcome=REFUSED, reason=ELSEWHERE)]
    held = sum(len(one.steps) for kept in ends.values() for one in kept)
    if len(ends) == 1 and held == len(attempt.words):
        (outcome,) = ends
        return [replace(attempt, outcome=outcome, reason=REASONS.get(outcome, attempt.reason))]
    return [as_one(kept, outcome, REASONS.get(outcome, attempt.reason)) for outcome, kept in ends.items()]
