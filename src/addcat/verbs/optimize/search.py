"""Search: what leaves less to do wherever it applies, then round after round what improves the goal."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from addcat.doors.bench import Timer
from addcat.doors.timing import Ratio
from addcat.graph import Graph, Refusal
from addcat.graph.peak import near_peak
from addcat.rules import Role
from addcat.verbs.optimize.candidates import Kept, again, find, memory_slack, tidy
from addcat.verbs.optimize.measured import Measured, cache_file
from addcat.verbs.optimize.objectives import (
    WORTH,
    ByMemory,
    ByTime,
    Objective,
    by_expected_time,
    by_parameters,
    by_time_at_no_memory,
)
from addcat.verbs.optimize.result import KEPT, REFUSED, Attempt
from addcat.verbs.optimize.rounds import Rounds
from addcat.verbs.optimize.task import Task
from addcat.verbs.optimize.trimming import worthwhile

CLOSE_SECONDS = 4.0
"""Seconds that a measurement may take where the first one left a doubt."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Attributes:
        tidied: Rewrites that leave less to do, in order.
        kept: Those that improve the goal, in order, behind them.
        attempts: Every candidate tried.
        refusals: Near misses of the rules on the original graph, and what the framework has no form for.
        notes: What else there is to say.
    """

    tidied: tuple[Kept, ...]
    kept: tuple[Kept, ...]
    attempts: tuple[Attempt, ...]
    refusals: tuple[Refusal, ...]
    notes: tuple[str, ...]


def search(task: Task) -> Found:
    """Look for rewrites that improve the goal.

    Args:
        task: The goal, the model and the rules.

    Returns:
        What was found, as rewrites of the model's own graph.
    """
    start, sized = task.bench.graph, task.bench.sized
    objective = objective_of(task)
    tidied, attempts = _tidied(task, sized, objective)
    searches = _searches(task, objective)
    graph, kept = tidied[-1].graph if tidied else sized, list[Kept]()
    for one in searches:
        graph = one.run(graph)
        kept += worthwhile(one) if one.focus is near_peak else one.kept
        attempts += one.attempts
    refusals = [*find(start, task.rules)[1], *(r for one in searches for r in one.refusals.values())]
    notes: list[str] = []
    if isinstance(objective, ByTime) and (count := objective.known.remembered):
        notes.append(
            f"Times of {count} {'part' if count == 1 else 'parts'} were measured in earlier runs on this machine "
            "(--no-cache measures them anew)."
        )
    if sized is not start:  # what holds for the sizes of the run need not hold for all
        wanted = len(tidied) + len(kept)
        tidied = again(start, tidied, task.by_name)
        kept = again(tidied[-1].graph if tidied else start, kept, task.by_name)
        lost = wanted - len(tidied) - len(kept)
        if lost:
            notes.append(f"{lost} of {wanted} rewrites hold only at the sizes of the run and were left out.")
    return Found(tuple(tidied), tuple(kept), tuple(attempts), tuple(dict.fromkeys(refusals)), tuple(notes))


def objective_of(task: Task) -> Objective:
    """What says whether a candidate improves the goal."""
    if task.goal == "memory":
        return ByMemory()
    if task.goal == "parameters":
        return by_parameters
    if (timer := task.timer) is not None:
        known = Measured(cache_file() if task.settings.cache else None, timer.conditions)
        closely = partial(_compared, task, timer, limit=CLOSE_SECONDS, anew=True)
        return ByTime(partial(_compared, task, timer), closely, timer.signature, known)
    return by_expected_time


def _compared(task: Task, timer: Timer, old: Graph, new: Graph, **more: Any) -> Ratio:
    """A comparison that ends with the search, whatever it has seen by then."""
    return timer.compare(old, new, worth=WORTH, most=task.patience, **more)


def _searches(task: Task, objective: Objective) -> list[Rounds]:
    """For memory, what saves time at no cost of memory comes first, and opens the way."""
    progress, missing = task.settings.progress, task.bench.missing
    if task.goal != "memory":
        return [Rounds(task.rules, objective, task.until, progress=progress, missing=missing)]
    saving = [rule for rule in task.rules if rule.role is Role.SAVING]
    narrowed = Rounds(
        task.rules,
        objective,
        task.until,
        progress=progress,
        missing=missing,
        slack=memory_slack,
        local=False,
        focus=near_peak,
    )
    return [Rounds(saving, by_time_at_no_memory, task.until, progress=progress, missing=missing), narrowed]


def _tidied(task: Task, graph: Graph, objective: Objective) -> tuple[list[Kept], list[Attempt]]:
    """Rewrites that leave less to do, as a whole: kept unless the objective finds them to lose."""
    kept = tidy(graph, task.rules, task.bench.missing)
    if not kept:
        return [], []
    judgement = objective(graph, kept[-1].graph)
    lost = judgement.ratio is not None and judgement.ratio.slower
    outcome, reason = (REFUSED, "slower") if lost else (KEPT, "leaves less to do")
    attempt = replace(as_one(kept, outcome, reason), ratio=judgement.ratio)
    return [] if lost else [replace(one, attempt=attempt) for one in kept], [attempt]


def as_one(kept: Sequence[Kept], outcome: str, reason: str) -> Attempt:
    """Several rewrites as one attempt, of no measured time."""
    steps = [step for one in kept for step in one.steps]
    names, words = tuple(dict.fromkeys(step.rule for step in steps)), tuple(step.words for step in steps)
    return Attempt(f"{len(steps)} place{'' if len(steps) == 1 else 's'}", names, words, outcome, None, reason)
