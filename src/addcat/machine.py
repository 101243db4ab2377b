"""What this process may use of its machine, and what is too much for any."""

import os

from addcat.errors import OptionError

LEAST = 64
"""So many threads or processes may be asked for on any machine."""
PER_CORE = 4


def cores() -> int:
    """Cores that this process may run on, 1 at least."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_at_once(name: str, count: int, *, more: str = "") -> None:
    """Refuse more threads or processes than a machine can start: it would stand still, and nobody would know why.

    Args:
        name: What they are called where they were asked for.
        count: How many were.
        more: What to do instead, a sentence.

    Raises:
        OptionError: if there are fewer than 1, or far more than cores.
    """
    have = cores()
    most = max(LEAST, PER_CORE * have)
    if count < 1:
        raise OptionError(f"{name}={count} is out of range. Expected 1 or more.")
    if count > most:
        words = f"this process has {have} core{'' if have == 1 else 's'}"
        raise OptionError(f"{name}={count} is out of range: {words}. Expected {most} or fewer.{more and ' '}{more}")
