"""What runs trials: a small protocol for the three ways in, and the guard that turns a crash into a record."""

import random
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from addcat.errors import AddcatError
from addcat.machine import cores
from addcat.trials.trial import Key, Trial, failed

Unit = tuple[Key, ...]
"""Trials that run together: one, or all arms of a seed where they train at once."""


class Execute(Protocol):
    """Runs trials; can be sent to another process."""

    @property
    def threads(self) -> bool:
        """Whether several units may run in threads of one process."""
        ...

    def units(self, keys: Sequence[Key], workers: int) -> list[Unit]:
        """How to divide trials among workers."""
        ...

    def __call__(self, unit: Unit) -> list[Trial]:
        """Run a unit.

        Returns:
            One trial for each key, in order.
        """
        ...

    def stop(self) -> None:
        """End whatever is running outside of this process."""
        ...


def guarded(execute: Execute, unit: Unit) -> list[Trial]:
    """Run a unit; what goes wrong in the user's code or on the machine becomes a failed trial, with its last words.

    Raises:
        AddcatError: a mistake in what was asked for, which every trial would meet.
    """
    start = time.perf_counter()
    try:
        found = execute(unit)
    except AddcatError:
        raise
    except Exception:
        found = [failed(key, "failed", traceback.format_exc()) for key in unit]
    seconds = (time.perf_counter() - start) / len(unit)
    return [trial.stamped(trial.seconds or seconds) for trial in found]


def seed_everything(seed: int) -> None:
    """Seed every generator that is global in this process: Python's, numpy's, and those of loaded frameworks."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    framework: Any = sys.modules.get("keras")
    if framework is not None:
        framework.utils.set_random_seed(seed)
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)


def share_threads(workers: int) -> int:
    """Cores for each of some workers on this machine, 1 at least."""
    return max(1, cores() // workers)


def in_singles(keys: Sequence[Key]) -> list[Unit]:
    """Every trial alone."""
    return [(key,) for key in keys]


def by_seed(keys: Sequence[Key]) -> list[Unit]:
    """All arms of a seed together."""
    groups: dict[int, list[Key]] = {}
    for key in keys:
        groups.setdefault(key.seed, []).append(key)
    return [tuple(group) for group in groups.values()]


def with_metrics(trial: Trial, metrics: dict[str, float]) -> Trial:
    """A trial with further figures."""
    return replace(trial, metrics={**trial.metrics, **metrics})


class SelfCheck:
    """Runs an arm against itself: a second name stands for the same arm with other seeds; see `Execute`.

    Args:
        inner: Runs trials.
        same: The arm that each further name stands for.
        apart: Added to the seeds of such a name.
    """

    def __init__(self, inner: Execute, same: Mapping[str, str], apart: int) -> None:
        self.inner, self.same, self.apart = inner, dict(same), apart
        self.threads = inner.threads

    def units(self, keys: Sequence[Key], workers: int) -> list[Unit]:
        """Every trial alone."""
        return in_singles(keys)

    def __call__(self, unit: Unit) -> list[Trial]:
        """Run each trial as the arm that it stands for."""
        actual = tuple(Key(self.same[key.arm], key.seed + self.apart) if key.arm in self.same else key for key in unit)
        return [replace(trial, arm=key.arm, seed=key.seed) for key, trial in zip(unit, self.inner(actual), strict=True)]

    def stop(self) -> None:
        """End whatever the inner one runs."""
        self.inner.stop()
