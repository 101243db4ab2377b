"""Examples of a task, where they come from, and their one fixed division into some to train on and some to judge on."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]

MOST_FIT, MOST_HELD, HELD_SHARE = 1200, 600, 1 / 3
SEED = 20


@dataclass(frozen=True, slots=True)
class Source:
    """Where examples come from.

    Attributes:
        title: What they are.
        package: That ships them; "" where they are generated here.
        licence: Of the data, as the package or its authors state it.
    """

    title: str
    package: str
    licence: str

    @property
    def generated(self) -> bool:
        """Whether the examples are made up, so that the answer is known."""
        return not self.package


@dataclass(frozen=True, slots=True)
class Data:
    """Examples.

    Attributes:
        inputs: One array or several, of shape (examples, ...).
        targets: Numbers of shape (examples,) or (examples, ...); classes as integers of shape (examples,).
        classes: How many classes there are; 0 for a regression.
        source: Where they come from.
        scale: Whether inputs, and the targets of a regression, are to be brought to mean 0 and variance 1, by what
            the examples to train on show.
    """

    inputs: tuple[Array, ...]
    targets: Array
    classes: int
    source: Source
    scale: bool = False

    def __len__(self) -> int:
        return len(self.targets)

    def rows(self, index: Array) -> "Data":
        """The examples at some places."""
        return replace(self, inputs=tuple(values[index] for values in self.inputs), targets=self.targets[index])

    @property
    def pair(self) -> tuple[Array | list[Array], Array]:
        """(x, y), as Keras takes them."""
        return (self.inputs[0] if len(self.inputs) == 1 else list(self.inputs)), self.targets


def split(data: Data) -> tuple[Data, Data]:
    """Divide examples, always alike.

    A third of them judges, 600 at most; of the others 1,200 at most are trained on.

    Returns:
        Examples to train on and examples to judge on, scaled where they ask for it.
    """
    order = np.random.default_rng(SEED).permutation(len(data))
    held = min(MOST_HELD, round(HELD_SHARE * len(data)))
    fit, judge = data.rows(order[held : held + MOST_FIT]), data.rows(order[:held])
    return (_scaled(fit, fit), _scaled(judge, fit)) if data.scale else (fit, judge)


def _scaled(data: Data, like: Data) -> Data:
    inputs = tuple(_standard(mine, theirs) for mine, theirs in zip(data.inputs, like.inputs, strict=True))
    return replace(data, inputs=inputs, targets=data.targets if data.classes else _standard(data.targets, like.targets))


def _standard(values: Array, like: Array) -> Array:
    """Each channel, the last axis of arrays that have several, by the mean and deviation of `like`; integers stay."""
    if values.dtype.kind != "f":
        return values
    axes = tuple(range(max(1, like.ndim - 1)))
    mean, deviation = like.mean(axis=axes), like.std(axis=axes)
    return ((values - mean) / np.where(deviation > 0, deviation, 1)).astype("float32")
