"""Options of `optimize` and `estimate` that have a range."""

from addcat.errors import OptionError, check_seed
from addcat.machine import check_at_once, cores
from addcat.report.rows import counted
from addcat.rules import Goal

GOALS: tuple[Goal, ...] = ("latency", "memory", "parameters")


def check_options(
    goal: str = "latency", threads: int = 1, tolerance: float = 0.0, time_limit: float = 0.0, seed: int = 0
) -> None:
    """Refuse options that are outside their choices or range.

    Raises:
        OptionError: with the first of them.
    """
    if goal not in (*GOALS, "all"):
        raise OptionError(f"goal must be one of {', '.join(map(repr, (*GOALS, 'all')))}. Got {goal!r}.")
    for name, value, least in (("threads", threads, 1), ("tolerance", tolerance, 0), ("time_limit", time_limit, 0)):
        if not value >= least:
            raise OptionError(f"{name} must be {least} or more. Got {value}.")
    check_at_once("threads", threads)
    check_seed(seed)


def more_threads(threads: int) -> list[str]:
    """What there is to say where more threads are asked for than there are cores."""
    if threads <= cores():
        return []
    return [
        f"{threads} threads were asked for, of a process that has {counted(cores(), 'core')}; times say little then."
    ]
