"""Confirm: the whole is held against the original, and falls back on less where it does not gain."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from addcat.doors.bench import Timer
from addcat.doors.timing import Ratio, UndecidedError
from addcat.graph.cost import parameters
from addcat.graph.peak import memory
from addcat.report import rows
from addcat.verbs.optimize.candidates import Kept, again
from addcat.verbs.optimize.check import Checker
from addcat.verbs.optimize.objectives import CERTAIN, WORTH
from addcat.verbs.optimize.result import Verification
from addcat.verbs.optimize.task import Task
from addcat.verbs.optimize.totals import memory_of
from addcat.verbs.optimize.verify import Verified

FINAL_SECONDS = 10.0
"""Seconds that the last measurement, of the whole model, may take."""
MOST_SECONDS = 60.0
"""Seconds after which it is left undecided, on a busy machine, where the search was not allowed more."""
PROCESS_NOISE = 0.05
"""By how much the memory of a process differs from run to run."""
DEAR = "The peak of live activations grows by more than the time falls"
UNDECIDED = "Nothing is known to be faster"
SMALL = f"The whole gains less than {rows.percent(1 - WORTH)}, which where a model lies in memory makes as well"
LARGER_PROCESS = "Whatever lowers the peak makes the process grow"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The result.

    Attributes:
        kept: The rewrites that are in it.
        model: The model; the original where nothing gains.
        verification: How it was checked; None for the original.
        ratio: Its time as a share of the original's; None where that was not measured.
        notes: What was left out, and why.
    """

    kept: tuple[Kept, ...]
    model: Any
    verification: Verification | None
    ratio: Ratio | None
    notes: tuple[str, ...] = ()


def confirm(task: Task, verified: Verified, checker: Checker) -> Confirmed:
    """Hold a verified model against the original.

    Args:
        task: The goal and the model.
        verified: The model.
        checker: Verifies those with fewer rewrites.

    Returns:
        The first that keeps what the goal promises: the whole, the more promising half of it, what tidies alone, or
        the original.
    """
    why, undecided = "", ()
    for number, option in enumerate(_options(task, verified, checker)):
        reason, ratio, undecided = _against(task, option.model)
        why = LARGER_PROCESS if LARGER_PROCESS in (why, reason) else reason
        if not reason:
            fewer = ("The parts alone promised more than the whole kept; only some of them are in.",) if number else ()
            return Confirmed(option.kept, option.model, option.verification, ratio, (*fewer, *undecided))
        if undecided:  # nor would less of it be told from the original
            break
    notes = (*undecided, f"{why}, so the model is the original.") if verified.kept else ()
    return Confirmed((), task.bench.original, None, None, notes)


def _options(task: Task, verified: Verified, checker: Checker) -> Iterator[Verified]:
    """The whole; the more promising half of what was kept; the tidying alone."""
    if not verified.kept:
        return
    yield verified
    tidied = [one for one in verified.kept if one.tidies]
    rest = [one for one in verified.kept if not one.tidies]
    ranked = sorted(rest, key=lambda one: -one.gain)[: len(rest) // 2]
    half = [one for one in rest if any(one is other for other in ranked)]
    chosen = again(tidied[-1].graph if tidied else task.bench.graph, half, task.by_name)
    for fewer in ([*tidied, *chosen] if chosen else [], tidied if rest else []):
        if fewer:
            model = task.bench.write(fewer[-1].graph)
            verification = checker.check(model)
            if verification.passed:
                yield Verified(tuple(fewer), model, verification)


def _against(task: Task, model: Any) -> tuple[str, Ratio | None, tuple[str, ...]]:
    """Why a model does not keep what the goal promises, and "" where it does; its time; why that was not decided."""
    bench, timer = task.bench, task.timer
    if task.goal == "memory":
        before, after = (memory_of(bench, one) for one in (bench.original, model))
        if memory(bench.sized) is None or before is None or after is None:
            return "No peak can be counted where sizes are unknown", None, ()
        if not after.lower_than(before):
            return "Nothing lowers the peak", None, ()
        if timer is not None and _process_grows(timer, bench.original, model):
            return LARGER_PROCESS, None, ()
    if task.goal == "parameters" and parameters(bench.read(model)) >= parameters(bench.read(bench.original)):
        return "Nothing saves parameters in the whole", None, ()  # kernels that layers shared may have become several
    if timer is None:
        return "", None, ()
    try:
        ratio = _timed(task, timer, model)
    except UndecidedError as error:
        return (UNDECIDED if task.goal == "latency" else ""), None, (f"The time of the whole: {error}",)
    if task.goal != "latency":
        return "", ratio, ()
    if not ratio.faster:
        return "The whole is not faster beyond the noise", ratio, ()
    if ratio.estimate > WORTH:
        return SMALL, ratio, ()
    return (DEAR if _peak_grows(task, model) > 1 - ratio.estimate else ""), ratio, ()


def _timed(task: Task, timer: Timer, model: Any) -> Ratio:
    """The time of a model as a share of the original's.

    Where models lie in memory makes a percent or two as well, the same in all runs of their sessions: a small gain has
    to be seen in two pairs of these, and the smaller is what is said.
    """
    compare = partial(timer.compare_whole, task.bench.original, model, limit=FINAL_SECONDS)
    ratio = compare(most=max(MOST_SECONDS, task.limit))
    if task.goal != "latency" or not ratio.faster or ratio.estimate <= CERTAIN:
        return ratio
    return max(ratio, compare(most=max(MOST_SECONDS, task.limit)), key=lambda one: one.high)


def _peak_grows(task: Task, model: Any) -> float:
    """By which share the peak of live activations grows; none where sizes are unknown."""
    before, after = (memory_of(task.bench, one) for one in (task.bench.original, model))
    return 0.0 if before is None or after is None or not before.peak else after.peak / before.peak - 1


def _process_grows(timer: Timer, original: Any, model: Any) -> bool:
    """Whether a process that runs the model needs more than with the original, beyond the noise."""
    before = timer.known_peak(original)
    most = None if before is None else (1 + PROCESS_NOISE) * before
    peaks = (timer.process_peak(model) for _ in range(2))
    return most is not None and all(peak is not None and peak > most for peak in peaks)
