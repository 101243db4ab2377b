"""Tie a Concatenate by regression, and see what the loss minds, before any training.

The closest Add network is fitted to what the consumers computed. Where it loses nothing, the Concatenate did not use
what Add would forget. Where it loses much, nothing is decided: branches that were never asked to agree can learn to.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import replace

from addcat.errors import DataError
from addcat.evidence.arms import switched_arms
from addcat.evidence.problem import Problem
from addcat.evidence.result import Evidence
from addcat.graph import Refusal
from addcat.graph.nested import subgraph
from addcat.merges import Merge
from addcat.report import rows
from addcat.statistics import t_interval

MOST_SITES = 16
"""Merges of a family are tied one behind the other, each of them compiled anew; of more, so many are tied at most, from
the first to the last in even steps."""
LONGEST = 60.0
"""Seconds that tying may take, beyond the first merge: a budget in trainings has no clock of its own, and a tie is one
look among others. Merges that are left stay as they are, and the words say how many were tied."""
CAREFUL = 1.5
"""Seconds that judging will take are stretched so much."""
FITTING = 0.8
"""Share of the examples that fit; the others judge the fit."""


def tying(merges: int) -> float:
    """Passes that tying makes over an example: both networks up to each merge's consumers, and two that judge.

    Examples:
        >>> tying(1), tying(4)
        (4.0, 10.0)
    """
    return 2.0 + 2.0 * merges


def spread_over(merges: Sequence[Merge], members: int) -> tuple[Merge, ...]:
    """So many of some merges, in even steps from the first to the last.

    Examples:
        >>> spread_over("abcdefg", 3), spread_over("abc", 1), spread_over("abc", 5)
        (('a', 'd', 'g'), ('b',), ('a', 'b', 'c'))
    """
    last = len(merges) - 1
    if members > last:
        return tuple(merges)
    places = [last // 2] if members == 1 else [round(number * last / (members - 1)) for number in range(members)]
    return tuple(merges[place] for place in places)


def fitted_by(merges: Sequence[Merge], examples: int) -> tuple[Merge, ...]:
    """Merges whose readers have more positions than inputs to fit by; the first where there are none."""
    found = [
        merge for merge in merges if FITTING * examples * _positions(merge) > (merge.shape[merge.channel_axis] or 0)
    ]
    return tuple(found or merges[:1])


def _positions(merge: Merge) -> int:
    sizes = [size for axis, size in enumerate(merge.shape) if axis not in (0, merge.channel_axis)]
    return math.prod(size or 1 for size in sizes)


def tie(problem: Problem, *, most: int | None = None, members: int | None = None) -> Evidence:
    """Measure the rise of the held-out loss where Concatenates are tied.

    Args:
        problem: A Concatenate, or a family of them.
        most: Examples to fit on and to judge on, at most.
        members: Of a family, how many to tie at most, the others staying as they are; all where left out.

    Returns:
        Evidence whose estimate is the loss of the tied network minus that of the network as it is.

    Raises:
        DataError: if the merge is an Add, or cannot be tied.
    """
    start = time.perf_counter()
    site, door = problem.merge.site, problem.door
    if problem.now == "add":
        raise DataError(f"{site!r} is an Add, which is tied already; 'tie' asks Concatenates.")
    problem.require_singles("tie")
    whole = problem.merges
    if members is not None and members < len(whole):
        examples = problem.data.count if most is None else min(most, problem.data.count)
        some = spread_over(fitted_by(whole, examples), members)
        problem = replace(problem, merge=some[0], graph=subgraph(problem.root, some[0].site)[0], family=some)
    taken = problem.data.count if most is None else most
    held = problem.held if most is None else problem.held.first(most)
    before = problem.losses_on(held)
    judged = time.perf_counter() - start if problem.given is None else problem.given.seconds
    judged *= CAREFUL  # the tied network has to be written, and compiled, as well
    arms = switched_arms(problem, taken, until=min(problem.deadline - judged, time.monotonic() + LONGEST))
    if arms is None:
        raise DataError(f"{site!r}: the time does not allow to tie it.")
    if isinstance(arms, Refusal):
        raise DataError(f"{site!r} cannot be tied: {arms.reason}.")
    after = door.losses_of(door.write(arms[0]["add"]), problem.losses, held)
    rise, some = t_interval(after - before), arms[2]
    where = "" if some == len(whole) else f" at {rows.integer(some)} of {rows.integer(len(whole))} merges"
    words = (
        f"Tied by regression{where}, without training, the loss changes by {rows.signed(rise.estimate)} "
        f"{rows.interval_text(rise.low, rise.high)}, from {rows.decimal(float(before.mean()))}."
    )
    tied, loss = float(after.mean()), float(before.mean())
    log_rise = math.log(tied / loss) if tied > 0 and loss > 0 else rise.estimate / (abs(loss) or 1.0)
    facts = {"loss": loss, "log_rise": log_rise, "rule": arms[1], "tied": some, "merges": len(whole)}
    return Evidence.of(rise, start=start, method="tie", question="from here", words=words, facts=facts)
