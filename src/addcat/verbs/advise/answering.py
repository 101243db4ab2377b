"""One question answered: a climb under one budget, or under two where both were asked for.

A second ladder costs as much as the first, so it is climbed only where it was asked for, and only where the first
recommends Concatenate: the question is then whether the gain is its parameters'. Else the readings of the first ladder
are read again for the other budget, which costs nothing.
"""

import math
import time
from collections.abc import Callable
from dataclasses import replace

from addcat.evidence.budgets import believed_under, other_match
from addcat.evidence.meter import Meter
from addcat.evidence.problem import Problem
from addcat.merges import Merge
from addcat.verbs.advise.climbed import Climb, recommended
from addcat.verbs.advise.prepared import Prepared
from addcat.verbs.advise.result import OtherBudget, Verdict
from addcat.verbs.advise.verdict import verdict_of


def answer(ready: Prepared, name: str, merges: tuple[Merge, ...], share: Meter, tell: Callable[[str], None]) -> Verdict:
    """Recommend for one question.

    Args:
        ready: What every question shares.
        name: Of the family, or of the merge.
        merges: That switch together.
        share: What may be spent; charged with what was.
        tell: Called with what is being done.
    """
    asked = ready.asked
    problem = ready.problem(merges, share, tell)
    first = _half(share) if asked.both else share
    made = _climbed(ready, problem, first)
    share.spent = first.spent
    verdict = _verdict(ready, problem, made, name)
    if verdict.gain is None or asked.effort != "auto":
        return verdict
    if not asked.both or verdict.choice == "add":
        return replace(verdict, other=_reckoned(problem, made, asked.wanted.margin))
    matched = replace(problem, match=other_match(problem.match))
    share.begun = time.monotonic()  # another question, with least seconds of its own
    second = _verdict(ready, matched, _climbed(ready, matched, share), name)
    other = OtherBudget(matched.match, second.choice, second.probability, second.certain, measured=True)
    return replace(verdict, other=other)


def _climbed(ready: Prepared, problem: Problem, share: Meter) -> Climb:
    climber, effort = ready.climber(problem, share), ready.asked.effort
    return climber.automatic() if effort == "auto" else climber.only(effort, named=ready.asked.named)


def _verdict(ready: Prepared, problem: Problem, made: Climb, name: str) -> Verdict:
    whole = name if len(problem.merges) > 1 else ""
    return verdict_of(problem, made, ready.asked.wanted.margin, ready.first.loss, name=whole)


def _half(share: Meter) -> Meter:
    """Half of what is left."""
    left = share.seconds_left / 2
    deadline = share.deadline - left if math.isfinite(left) else share.deadline
    return replace(share, trainings=share.spent + share.left / 2, deadline=deadline)


def _reckoned(problem: Problem, made: Climb, margin: float) -> OtherBudget:
    """The other budget, as the readings of this one tell it."""
    wanted = other_match(problem.match)
    shared = bool(made.evidence[0].shared_branches)
    belief = believed_under(wanted, problem.match, made.readings, shared=shared)
    choice = recommended(belief, margin)
    return OtherBudget(wanted, choice, belief.sure(choice), certain=False, measured=False)
