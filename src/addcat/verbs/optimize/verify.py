"""Verify: what was found, as a model that is held against the original; what changes the outputs is taken out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from addcat.verbs.optimize.candidates import Kept, again
from addcat.verbs.optimize.check import Checker
from addcat.verbs.optimize.result import Verification
from addcat.verbs.optimize.task import Task


@dataclass(frozen=True, slots=True)
class Verified:
    """A model that gives the original's outputs.

    Attributes:
        kept: The rewrites that are in it, in order.
        model: The model; the original where none is.
        verification: How it was checked; None for the original.
        wrong: Rewrites that changed the outputs and were dropped.
        unwritten: Rewrites with which the model could not be written or run, and which were dropped, with the reason.
    """

    kept: tuple[Kept, ...]
    model: Any
    verification: Verification | None
    wrong: tuple[Kept, ...] = ()
    unwritten: tuple[tuple[Kept, str], ...] = ()

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
        return found


def verify(task: Task, kept: Sequence[Kept], checker: Checker) -> Verified:
    """Check what was found; take out what changes the outputs until it passes.

    Args:
        task: The goal and the model.
        kept: What was found, in order.
        checker: Runs models against the original.

    Returns:
        What passes.
    """
    wrong: list[Kept] = []
    unwritten: list[tuple[Kept, str]] = []
    while kept:
        written = checker.written(kept[-1].graph)
        if written.verification is not None and written.verification.passed:
            return Verified(tuple(kept), written.model, written.verification, tuple(wrong), tuple(unwritten))
        position = checker.guilty(kept)
        if problem := checker.written(kept[position].graph).problem:
            unwritten.append((kept[position], problem))
        else:
            wrong.append(kept[position])
        before = kept[position - 1].graph if position else task.bench.graph
        kept = [*kept[:position], *again(before, kept[position + 1 :], task.by_name)]
    return Verified((), task.bench.original, None, tuple(wrong), tuple(unwritten))
