"""Tie a Concatenate by regression, and see what the loss minds, before any training.

The closest Add network is fitted to what the consumers computed. Where it loses nothing, the Concatenate did not use
what Add would forget. Where it loses much, nothing is decided: branches that were never asked to agree can learn to.
"""

import math
import time

from addcat.errors import DataError
from addcat.evidence.arms import switched_arms
from addcat.evidence.problem import Problem
from addcat.evidence.result import Evidence
from addcat.graph import Refusal
from addcat.report import rows
from addcat.statistics import t_interval

MOST_SITES = 16
"""Merges of a family are tied one behind the other, each of them compiled anew; more are not worth their time."""
LONGEST = 60.0
"""Seconds after which no further merge is tied: a budget in trainings has no clock of its own, and a tie is one look
among others."""


def tying(merges: int) -> float:
    """Passes that tying makes over an example: both networks up to each merge's consumers, and two that judge.

    Examples:
        >>> tying(1), tying(4)
        (4.0, 10.0)
    """
    return 2.0 + 2.0 * merges


def tie(problem: Problem, *, most: int | None = None) -> Evidence:
    """Measure the rise of the held-out loss where Concatenates are tied.

    Args:
        problem: A Concatenate, or a family of them.
        most: Examples to fit on and to judge on, at most.

    Returns:
        Evidence whose estimate is the loss of the tied network minus that of the network as it is.

    Raises:
        DataError: if the merge is an Add, or cannot be tied.
    """
    start = time.perf_counter()
    site, door = problem.merge.site, problem.door
    if problem.now == "add":
        raise DataError(f"{site!r} is an Add, which is tied already; 'tie' asks Concatenates.")
    taken = problem.data.count if most is None else most
    arms = switched_arms(problem, taken, until=min(problem.deadline, time.monotonic() + LONGEST))
    if isinstance(arms, Refusal):
        raise DataError(f"{site!r} cannot be tied: {arms.reason}.")
    held = problem.held if most is None else problem.held.first(most)
    before = door.losses_of(door.write(problem.root), problem.losses, held)
    after = door.losses_of(door.write(arms[0]["add"]), problem.losses, held)
    rise = t_interval(after - before)
    words = (
        f"Tied by regression, without training, the loss changes by {rows.signed(rise.estimate)} "
        f"{rows.interval_text(rise.low, rise.high)}, from {rows.decimal(float(before.mean()))}."
    )
    tied, loss = float(after.mean()), float(before.mean())
    log_rise = math.log(tied / loss) if tied > 0 and loss > 0 else rise.estimate / (abs(loss) or 1.0)
    facts = {"loss": loss, "log_rise": log_rise, "rule": arms[1]}
    return Evidence.of(rise, start=start, method="tie", question="from here", words=words, facts=facts)
