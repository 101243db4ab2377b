"""Is a schedule stepped after every batch, or after every pass over the data? Torch leaves that to the loop."""

import math
from typing import Any

from addcat.doors.torch.examples import is_dict
from addcat.errors import OptionError

BY_STEP = ("OneCycleLR", "CyclicLR", "CosineAnnealingWarmRestarts")
"""Schedules that torch's documentation steps after every batch."""
UNITS = ("epoch", "step")


def interval(given: object, epochs: int, steps: int) -> tuple[Any, str]:
    """A schedule, and what it counts.

    Args:
        given: The schedule; or, as Lightning has it, {"scheduler": it, "interval": "step" or "epoch"}.
        epochs: Passes of a whole training.
        steps: Its optimiser steps.

    Returns:
        The schedule and "step" or "epoch": as said; else "step" for those that torch steps so, and for those whose own
        length is nearer, as a ratio, to the training's steps than to its passes.

    Raises:
        OptionError: if a dict says something else.

    Examples:
        >>> class Cosine:
        ...     def __init__(self, T_max):
        ...         self.T_max = T_max
        >>> [interval(Cosine(length), 100, 1600)[1] for length in (100, 200, 1600)]
        ['epoch', 'epoch', 'step']
    """
    if is_dict(given):
        said: dict[str, Any] = dict(given)
        if "scheduler" not in said or said.get("interval", "epoch") not in UNITS:
            words = ", ".join(f"{key!r}: {value!r}" for key, value in said.items())
            raise OptionError(
                f"scheduler= gave {{{words}}}. Expected a schedule, or "
                '{"scheduler": it, "interval": "step" or "epoch"}.'
            )
        return said["scheduler"], said.get("interval", "epoch")
    length = _length(given)
    if type(given).__name__ in BY_STEP:
        return given, "step"
    if length is None:
        return given, "epoch"
    return given, min(UNITS, key=lambda unit: abs(math.log(length / (epochs if unit == "epoch" else steps))))


def _length(schedule: object) -> int | None:
    """When a schedule ends or last changes, in its own steps; None where it does not say."""
    for name in ("T_max", "total_iters", "total_steps"):
        if isinstance(length := getattr(schedule, name, None), int) and length > 0:
            return length
    milestones: Any = getattr(schedule, "milestones", None) or getattr(schedule, "_milestones", None)
    return max(1, *milestones) if milestones else None
