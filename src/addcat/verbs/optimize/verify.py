"""Verify: what was found, as a model that is held against the original; what changes the outputs is taken out."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from addcat.report.rows import counted
from addcat.verbs.optimize.candidates import Kept, again
from addcat.verbs.optimize.check import Checker
from addcat.verbs.optimize.result import Verification
from addcat.verbs.optimize.task import Task

LEAST_SECONDS = 10.0
"""Seconds in which a rewrite that changes the outputs is looked for where the search has left fewer."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A model that gives the original's outputs.

    Attributes:
        kept: The rewrites that are in it, in order.
        model: The model; the original where none is.
        verification: How it was checked; None for the original.
        wrong: Rewrites that changed the outputs and were dropped.
        unwritten: Rewrites with which the model could not be written or run, and which were dropped, with the reason.
        unsure: Rewrites of which one at least is wrong or cannot be written, and which were all dropped, since the time
            was up before it was seen which.
    """

    kept: tuple[Kept, ...]
    model: Any
    verification: Verification | None
    wrong: tuple[Kept, ...] = ()
    unwritten: tuple[tuple[Kept, str], ...] = ()
    unsure: tuple[Kept, ...] = ()

    @property
    def notes(self) -> list[str]:
        """A sentence on each rewrite that was dropped."""
        steps = [one.steps[0] for one in self.wrong]
        found = [f"{step.rule} at {step.site!r} changed the outputs and was dropped." for step in steps]
        for one, why in self.unwritten:
            step = one.steps[0]
            found.append(
                f"With {step.rule} at {step.site!r} the model cannot be written or run, so it was dropped: {why}"
            )
        if self.unsure:
            found.append(
                f"With {counted(len(self.unsure), 'more rewrite')} the outputs changed, or the model could not be "
                "written or run, and the time was up before it was seen which is to blame, so none of these is in. A "
                "longer time limit finds it."
            )
        return found


def verify(task: Task, kept: Sequence[Kept], checker: Checker) -> Verified:
    """Check what was found; take out what changes the outputs until it passes.

    Args:
        task: The goal and the model.
        kept: What was found, in order.
        checker: Runs models against the original.

    Returns:
        What passes. Where the time is up before it is known what does not, all that may be to blame is left out.
    """
    until = max(task.until, time.perf_counter() + LEAST_SECONDS)
    wrong: list[Kept] = []
    unwritten: list[tuple[Kept, str]] = []
    unsure: list[Kept] = []
    good = -1  # the last of what is known to pass
    while kept:
        written = checker.written(kept[-1].graph)
        if written.verification is not None and written.verification.passed:
            dropped = tuple(wrong), tuple(unwritten), tuple(unsure)
            return Verified(tuple(kept), written.model, written.verification, *dropped)
        good, bad = checker.narrowed(kept, good, until)
        if bad - good > 1:
            kept, unsure = kept[: good + 1], [*kept[good + 1 :]]
            continue
        if problem := checker.written(kept[bad].graph).problem:
            unwritten.append((kept[bad], problem))
        else:
            wrong.append(kept[bad])
        before = kept[bad - 1].graph if bad else task.bench.graph
        kept, good = [*kept[:bad], *again(before, kept[bad + 1 :], task.by_name)], bad - 1
    return Verified((), task.bench.original, None, tuple(wrong), tuple(unwritten), tuple(unsure))
