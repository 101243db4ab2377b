"""Metrics beside the loss: what a user may give, understood once, and computed from targets and outputs.

A metric is a known name (`addcat.data.scores`; of a Keras model also what `keras.metrics.get` knows), a Keras metric,
or a function f(y_true, y_pred) -> float on numpy arrays. Several are a sequence of these, or a dict that names them; of
a model with several outputs the names may be those of the outputs.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from addcat.data.dataset import UNNAMED, Outputs
from addcat.data.examples import Arrays
from addcat.data.scores import NAMES, Form, score
from addcat.errors import AddcatError, DataError, OptionError, nearest
from addcat.graph import Array

CHUNK = 256
"""Examples that a Keras metric sees at a time."""
EXPECTED = "a known name, a Keras metric, a function of (y_true, y_pred), or several of these"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric, understood.

    Attributes:
        name: As it is reported.
        given: A known name, a maker of a Keras metric, or a function.
        output: Place of the output that it is of; None for all of them, as tuples where there are several.
    """

    name: str
    given: "str | KerasMetric | Callable[..., Any]"
    output: int | None = 0

    def value(self, targets: Arrays, outputs: Arrays, forms: Sequence[Form]) -> float:
        """Compute it.

        Args:
            targets: One array for each output, examples first.
            outputs: The same, as the network gives them.
            forms: How each output is to be read.

        Raises:
            DataError: if it cannot be computed; says why.
        """
        place = self.output
        try:
            if isinstance(self.given, str):
                at = place or 0
                found: Any = score(self.given, targets[at], outputs[at], forms[at])
            elif place is None:
                found = self.given(_one_or_all(targets), _one_or_all(outputs))
            else:
                found = self.given(targets[place], outputs[place])
            number = np.asarray(found, np.float64)
        except AddcatError as error:
            advice = _BY_OUTPUT if place is not None and len(targets) > 1 else _ADVICE
            raise DataError(f"The metric {self.name!r} cannot be computed: {error}. {advice}") from error
        except Exception as error:
            raise DataError(
                f"The metric {self.name!r} cannot be computed: {type(error).__name__}: {error}. {_ADVICE}"
            ) from error
        if number.size != 1:
            raise DataError(f"The metric {self.name!r} gives an array of shape {number.shape}. Expected one number.")
        return float(number.reshape(()))


def _one_or_all(arrays: Arrays) -> Any:
    return arrays[0] if len(arrays) == 1 else tuple(arrays)


_ADVICE = "Pass one that fits, or a function of (y_true, y_pred)."
_BY_OUTPUT = "Pass one that fits, or a dict that has those of each output by its name: metric={'output': 'mae'}."


@dataclass(frozen=True, slots=True)
class KerasMetric:
    """Makes a Keras metric anew, so that the user's own is never moved.

    Attributes:
        made_by: Its class.
        config: What it is made from.
    """

    made_by: Any
    config: Mapping[str, Any]

    def __call__(self, target: Array, output: Array) -> Array:
        """What the metric gives for all examples."""
        metric = self.made_by.from_config(dict(self.config))
        for start in range(0, len(target), CHUNK):
            metric.update_state(target[start : start + CHUNK], output[start : start + CHUNK])
        found = metric.result()
        return np.asarray(found.detach().cpu() if hasattr(found, "detach") else found, np.float64)


Named = Callable[[str], Any]
"""The framework's own metric of a name; None where it has none."""


def metrics_of(given: Any, *, outputs: Outputs = UNNAMED, named: Named = lambda _: None) -> tuple[Metric, ...]:
    """Understand what a user gave as `metric`.

    Args:
        given: See the top of this module; None or "" for none.
        outputs: Of the model.
        named: Finds the framework's metrics by name.

    Returns:
        Each once, in the order given.

    Raises:
        OptionError: if one is none, or two have one name.

    Examples:
        >>> def off(y_true, y_pred):
        ...     return float(abs(y_true - y_pred).max())
        >>> [metric.name for metric in metrics_of(["mae", off])]
        ['mae', 'off']
    """
    found = [
        metric for name, one, place in _listed(given, outputs) for metric in _metrics(name, one, place, outputs, named)
    ]
    names = [metric.name for metric in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise OptionError(f"Two metrics are called {twice!r}. Pass a dict that names them apart.")
    return tuple(found)


def _listed(given: Any, outputs: Outputs) -> Iterator[tuple[str, Any, int | None]]:
    """Name, metric and output of each that was given; "" and None where that is left to them."""
    if given is None or (isinstance(given, str) and not given):
        return
    if isinstance(given, Mapping):
        entries = {str(name): one for name, one in cast("Mapping[Any, Any]", given).items()}
        by_output = len(outputs.names) > 1 and set(entries) <= set(outputs.names)
        for name, one in entries.items():
            if not by_output:
                yield name, one, None
                continue
            for single in _several(one):
                yield "", single, outputs.names.index(name)
        return
    for one in _several(given):
        yield "", one, None


def _several(given: Any) -> Sequence[Any]:
    return cast("Sequence[Any]", given) if isinstance(given, list | tuple) else [given]


def _metrics(name: str, given: Any, place: int | None, outputs: Outputs, named: Named) -> list[Metric]:
    """One metric; of several outputs, one for each unless it takes them all."""
    metric = _metric(given, named)
    if name:
        metric = replace(metric, name=name)
    if place is not None:
        return [replace(metric, name=f"{outputs.names[place]} {metric.name}", output=place)]
    if callable(metric.given) and not isinstance(metric.given, KerasMetric):
        return [replace(metric, output=None)]
    if len(outputs.names) < 2:
        return [metric]
    return [replace(metric, name=f"{one} {metric.name}", output=at) for at, one in enumerate(outputs.names)]


def _metric(given: Any, named: Named) -> Metric:
    if isinstance(given, str):
        if given in NAMES:
            return Metric(given, given)
        theirs = named(given)
        if theirs is None:
            raise OptionError(
                f"{given!r} is not a metric that addcat knows. Nearest: {nearest(given, NAMES)}. Expected one of "
                f"{', '.join(NAMES)}, or a function of (y_true, y_pred)."
            )
        return _metric(theirs, named)
    if isinstance(given, type):
        raise OptionError(f"metric={given.__name__} is a class. Pass an instance of it: {given.__name__}(...).")
    if hasattr(given, "update_state") and hasattr(given, "get_config"):
        return Metric(str(given.name), KerasMetric(type(given), given.get_config()))
    if hasattr(given, "compute") and hasattr(given, "update"):
        raise OptionError(
            f"metric={type(given).__name__} takes (y_pred, y_true), in this order. Pass a function of (y_true, y_pred)."
        )
    if not callable(given):
        raise OptionError(f"metric={given!r} is not a metric. Expected {EXPECTED}.")
    name = str(getattr(given, "__name__", type(given).__name__))
    if name == "<lambda>":
        raise OptionError("A metric without a name cannot be reported. Pass a dict that names it.")
    return Metric(name, given)


def measured(
    metrics: Sequence[Metric], targets: Arrays, outputs: Arrays, forms: Sequence[Form]
) -> tuple[dict[str, float], str]:
    """Metrics of one network.

    Args:
        metrics: Which.
        targets: One array for each output, examples first.
        outputs: The same, as the network gives them.
        forms: How each output is to be read.

    Returns:
        Each by name, NaN where it could not be computed; and why the first of those could not, else "".
    """
    found: dict[str, float] = {}
    why = ""
    for metric in metrics:
        try:
            found[metric.name] = metric.value(targets, outputs, forms)
        except DataError as error:
            found[metric.name], why = math.nan, why or str(error)
    return found, why
