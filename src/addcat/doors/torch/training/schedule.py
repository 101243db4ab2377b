"""Is a schedule stepped after every batch, or after every pass over the data, and is it told the loss?"""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from addcat.doors.torch.examples import is_dict
from addcat.doors.torch.raised import said as said_by
from addcat.errors import OptionError


@dataclass(frozen=True, slots=True)
class After:
    """Is called with the number of the step that was made and None; at a look, once more with the held-out loss.

    Attributes:
        call: What is done.
        looks: Whether it does something at looks.
    """

    call: Callable[[int, float | None], None]
    looks: bool = False

    def __call__(self, step: int, loss: float | None) -> None:
        """See above."""
        self.call(step, loss)


NOTHING = After(lambda _step, _loss: None)
"""Where there is no schedule."""
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


def paced(schedule: Any, ticks: int, steps: int) -> After:
    """What steps a schedule as a run goes on, so that it runs through in it.

    One that wants the loss, such as `ReduceLROnPlateau`, is stepped where a run is looked at, as often as it is due by
    then; a loss that is the lowest so far counts once, or passes that nobody looked at would count as no better.

    Args:
        schedule: The schedule.
        ticks: Its own steps in a whole training.
        steps: Of the run.

    Raises:
        OptionError: if it waits for something to rise: what it is told is a loss.
    """
    if not _wants_loss(schedule):
        return _blindly(schedule, ticks, steps)
    name = type(schedule).__name__
    if getattr(schedule, "mode", "min") != "min":
        raise OptionError(
            f"scheduler= gave a {name} with mode={schedule.mode!r}. "
            "It is told the held-out loss, so expected mode='min'."
        )
    done, best = 0, math.inf

    def after(step: int, loss: float | None) -> None:
        nonlocal done, best
        due = (step + 1) * ticks // steps
        if loss is None or done == due:
            return
        for _ in range(1 if loss < best else due - done):
            schedule.step(loss)
        done, best = due, min(best, loss)

    return After(after, looks=True)


def _blindly(schedule: Any, ticks: int, steps: int) -> After:
    """Steps a schedule that counts."""
    done = 0

    def after(step: int, _: float | None) -> None:
        nonlocal done
        due = (step + 1) * ticks // steps
        while done < due:
            try:
                schedule.step()
            except Exception as error:
                raise OptionError(
                    f"scheduler= gave a {type(schedule).__name__}, whose step {done + 1} raised "
                    f"{said_by(error)}. It is stepped {ticks} times in a whole training: expected one of that length."
                ) from error
            done += 1

    return After(after)


def _wants_loss(schedule: Any) -> bool:
    """Whether its step cannot be called without an argument."""
    try:
        wanted = inspect.signature(schedule.step).parameters.values()
    except (TypeError, ValueError):  # a builtin
        return False
    return any(one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD for one in wanted)


def _length(schedule: object) -> int | None:
    """When a schedule ends or last changes, in its own steps; None where it does not say."""
    for name in ("T_max", "total_iters", "total_steps"):
        if isinstance(length := getattr(schedule, name, None), int) and length > 0:
            return length
    milestones: Any = getattr(schedule, "milestones", None) or getattr(schedule, "_milestones", None)
    return max(1, *milestones) if milestones else None
