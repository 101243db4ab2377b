"""One training run, and what it gave."""

import math
import platform
import sys
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from addcat.doors.judged import cross_fitted

Losses = NDArray[np.float64]

Status = Literal["done", "diverged", "failed", "timed out", "no metric"]
FINISHED: tuple[Status, ...] = ("done", "diverged")
"""Ends that speak of the arm. The others speak of the machine or the script, and such a trial is run again."""

PACKAGES = ("addcat", "numpy", "jax", "keras", "torch", "joblib", "ray", "dask")
MOST_DETAIL = 2_000
"""Characters kept of what a failed trial said last."""


class Key(NamedTuple):
    """Which trial: the arm, and the seed that pairs it with the other arms' trials.

    Attributes:
        arm: Name of the arm.
        seed: Of the start, of the order of batches, and of everything else that is drawn.
    """

    arm: str
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One training run.

    Attributes:
        arm: Name of its arm.
        seed: Its seed.
        status: "done"; "diverged" where the loss is no finite number; "failed", "timed out" or "no metric" where there
            is none.
        loss: What decides, lower is better; NaN where there is none.
        losses: The same for each held-out example, of shape (examples,), where it is known.
        curve: Mean held-out loss at each evaluation, of shape (evaluations,); empty where it is not known.
        metrics: Further figures by name, in their own direction.
        seconds: What it took.
        host: Where it ran.
        versions: Of the packages that were loaded.
        detail: The end of what it said, where it failed.
    """

    arm: str
    seed: int
    status: Status
    loss: float
    losses: Losses | None = None
    curve: Losses = field(default_factory=lambda: np.empty(0))
    metrics: dict[str, float] = field(default_factory=dict[str, float])
    seconds: float = 0.0
    host: str = ""
    versions: dict[str, str] = field(default_factory=dict[str, str])
    detail: str = ""

    @property
    def key(self) -> Key:
        """Its arm and seed."""
        return Key(self.arm, self.seed)

    @property
    def finished(self) -> bool:
        """Whether it speaks of its arm, so that it is never run again."""
        return self.status in FINISHED

    def __reduce__(self) -> tuple[Any, ...]:
        """By place: by name, and with an array that is empty, a short trial would notice its way between processes."""
        parts = (self.arm, self.seed, self.status, self.loss, self.losses, self.curve if self.curve.size else None)
        return _of_parts, (*parts, self.metrics, self.seconds, self.host, self.versions, self.detail)

    def stamped(self, seconds: float) -> "Trial":
        """The trial with its time, its place and what was loaded there."""
        place = platform.node(), loaded_versions()  # `replace` would go through every field by name
        parts = self.arm, self.seed, self.status, self.loss, self.losses, self.curve, self.metrics
        return Trial(*parts, seconds, *place, self.detail)


def _of_parts(
    arm: str, seed: int, status: Status, loss: float, losses: Losses | None, curve: Losses | None, *others: Any
) -> Trial:
    return Trial(arm, seed, status, loss, losses, np.empty(0) if curve is None else curve, *others)


def of_curve(key: Key, curve: Losses, metrics: dict[str, float] | None = None) -> Trial:
    """A trial from its held-out losses.

    Args:
        key: Arm and seed.
        curve: Losses of shape (evaluations, examples).
        metrics: Further figures.

    Returns:
        "diverged" where the last evaluation is no finite number, whatever came before: this recipe does not train this
        arm. Else each example's loss at the evaluation that was best on the other half of them.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        means = curve.mean(axis=1)
    if not np.isfinite(means[-1]):
        return Trial(*key, "diverged", float("nan"), None, means, metrics or {})
    losses = cross_fitted(curve)
    return Trial(*key, "done", float(losses.mean()), losses, means, metrics or {})


def of_value(key: Key, value: float, metrics: dict[str, float] | None = None) -> Trial:
    """A trial from the one figure that it gave, lower is better."""
    status: Status = "done" if math.isfinite(value) else "diverged"
    return Trial(*key, status, float(value), metrics=metrics or {})


def failed(key: Key, status: Status, detail: str) -> Trial:
    """A trial that gave no figure, and the end of what it said."""
    return Trial(*key, status, float("nan"), detail=detail.strip()[-MOST_DETAIL:])


def loaded_versions() -> dict[str, str]:
    """Versions of Python and of the packages that this process has loaded."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        if package in sys.modules:
            found[package] = _version(package)
    return found


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return str(getattr(sys.modules[package], "__version__", "?"))
