"""The second way in: the user's own training code, `build(arm) -> model` and `train(model, seed) -> result`."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from addcat.data.examples import Arrays, Examples
from addcat.data.metrics import Metric, measured
from addcat.doors.base import Laboratory
from addcat.errors import DataError
from addcat.trials.execute import Unit, in_singles, seed_everything, with_metrics
from addcat.trials.trial import Key, Losses, Trial, of_curve, of_value

EXPECTED = "a number, an array with one loss for each held-out example, or a dict of numbers"


@dataclass(frozen=True, slots=True)
class Judge:
    """Measures a model that the user's code has trained.

    Attributes:
        door: Of its framework.
        metrics: Which.
        held: To measure on.
        loss: Says how outputs are to be read; as the user gave it.
    """

    door: Laboratory
    metrics: tuple[Metric, ...]
    held: Examples
    loss: Any = None

    def __call__(self, model: Any, before: Arrays) -> tuple[dict[str, float], str]:
        """See `addcat.data.metrics.measured`.

        Args:
            model: After its training.
            before: Its state before.

        Raises:
            DataError: if its training has left it as it was, so that it is not what was trained.
        """
        if all(np.array_equal(*pair) for pair in zip(before, self.door.state(model), strict=True)):
            raise DataError(
                "train leaves the model as it was, so its metrics would be those of an untrained one. Train the model "
                "in place, or leave validation out and return the metrics in a dict."
            )
        return measured(self.metrics, *self._judged(model))

    def check(self, model: Any) -> None:
        """Compute every metric once, before anything is trained.

        Raises:
            DataError: if one cannot be computed.
        """
        judged = self._judged(model)
        for metric in self.metrics:
            metric.value(*judged)

    def _judged(self, model: Any) -> tuple[Any, Any, Any]:
        losses, _ = self.door.resolve_loss(model, self.loss, self.held.targets)
        return self.held.targets, self.door.predictions(model, self.held), self.door.forms(losses)


@dataclass(frozen=True, slots=True)
class FunctionTrial:
    """Builds and trains in this process; see `addcat.trials.execute.Execute`.

    Attributes:
        build: Makes the untrained model of an arm for a seed.
        train: Trains it and gives what decides.
        metric: The entry of a dict that decides; "" for the loss.
        lower: Whether less is better.
        judge: Measures the model after its training; None where only `train` says what it gave.
        threads: Frameworks keep global state: one trial at a time in a process.
    """

    build: Callable[[str, int], Any]
    train: Callable[[Any, int], Any]
    metric: str = ""
    lower: bool = True
    judge: Judge | None = None
    threads: bool = False

    def units(self, keys: Sequence[Key], workers: int) -> list[Unit]:
        """Every trial alone."""
        return in_singles(keys)

    def __call__(self, unit: Unit) -> list[Trial]:
        """Train every arm of a unit, all generators seeded alike before its network is built."""
        return [self._one(key) for key in unit]

    def stop(self) -> None:
        """Nothing runs outside."""

    def _one(self, key: Key) -> Trial:
        seed_everything(key.seed)
        model = self.build(key.arm, key.seed)
        before = None if self.judge is None else self.judge.door.state(model)
        trial = trial_of(key, self.train(model, key.seed), metric=self.metric, lower=self.lower)
        if self.judge is None or before is None or trial.status != "done":
            return trial
        values, why = self.judge(model, before)
        return replace(with_metrics(trial, values), detail=why)


def trial_of(key: Key, result: Any, *, metric: str, lower: bool) -> Trial:
    """A trial from whatever a training function gave.

    Args:
        key: Arm and seed.
        result: A number; one loss an example; or a dict of numbers (and arrays), one of which decides.
        metric: Which entry of a dict decides; "" for "loss", or the only one.
        lower: Whether less is better.

    Returns:
        The trial; "diverged" where what decides is not finite.

    Raises:
        DataError: if the result is something else, or a dict without the entry that decides.
    """
    metrics: dict[str, float] = {}
    sign = 1.0 if lower else -1.0
    if isinstance(result, float | int):  # without a detour over arrays
        return of_value(key, sign * result)
    if isinstance(result, Mapping):
        entries = {str(name): value for name, value in cast("Mapping[Any, Any]", result).items()}
        name = metric or ("loss" if "loss" in entries or len(entries) != 1 else next(iter(entries)))
        if name not in entries:
            known = ", ".join(map(repr, entries)) or "nothing"
            raise DataError(
                f"train gives a dict with {known}, and {name!r} decides. Return it, or name another metric."
            )
        metrics = {other: _number(value, other) for other, value in entries.items() if other != name}
        result = entries[name]
    array = _array(result)
    if array.ndim == 0:
        return with_metrics(of_value(key, sign * float(array)), metrics)
    if array.ndim != 1 or array.size < 2:
        raise DataError(f"train gives an array of shape {array.shape}. Expected {EXPECTED}.")
    return with_metrics(of_curve(key, sign * array[None]), metrics)


def _array(given: object) -> Losses:
    value: Any = given
    for method in ("detach", "cpu"):  # a tensor of torch, on whatever device
        value = getattr(value, method)() if hasattr(value, method) else value
    try:
        return np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise DataError(f"train gives {type(given).__name__}. Expected {EXPECTED}.") from None


def _number(value: Any, name: str) -> float:
    array = _array(value)
    if array.size != 1:
        raise DataError(
            f"train gives {name!r} as an array of shape {array.shape}. Metrics beside the loss are numbers."
        )
    return float(array.reshape(()))


def source_of(function: Any) -> str:
    """The text of a function, to tell whether it is the same one as before; its name where there is no text."""
    name = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__qualname__)}"
    try:
        return f"{name}\n{inspect.getsource(function)}"
    except (OSError, TypeError):
        return name
