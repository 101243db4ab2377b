"""One form for all data: batches of arrays, examples on axis 0, that can be read again and again."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from addcat.data.examples import Examples
from addcat.graph import Array, Shape

Inputs = Sequence[tuple[str, Shape]]
"""Name and shape of each input of a model, in the model's order, the batch first."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """The names by which targets may be given.

    Attributes:
        names: Of the outputs, in the model's flat order; none where they are not known.
        written: The same in the order in which the model's author wrote them. A framework that sorts the outputs of a
            dict makes another order of them.
    """

    names: tuple[str, ...] = ()
    written: tuple[str, ...] = ()

    def label(self, place: int, count: int) -> str:
        """What a target is called in messages."""
        if count == 1:
            return "target"
        return f"target {self.names[place]!r}" if count == len(self.names) else f"target {place}"

    def labels(self, count: int) -> list[str]:
        """What each of the targets is called in messages."""
        return [self.label(place, count) for place in range(count)]


UNNAMED = Outputs()


class Batch(NamedTuple):
    """Some examples.

    Attributes:
        inputs: One array for each input of the model, in the model's order.
        targets: One array for each output; none where the data have no labels.
    """

    inputs: tuple[Array, ...]
    targets: tuple[Array, ...]

    @property
    def n(self) -> int:
        """Number of examples."""
        return len(self.inputs[0])


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Data that fit a model; `as_dataset` makes it.

    Every pass reads the source anew. A source that shuffles gives another order each time: `materialise` it where the
    order must stay.

    Attributes:
        names: The model's inputs.
        labelled: Whether batches have targets.
        n: Number of examples; None where that is known only after a pass.
        examples: The arrays themselves, where the data came as arrays.
        open: Starts a pass.
        source: What gives the batches, as the user calls it; "" where it is known that they end.
    """

    names: tuple[str, ...]
    labelled: bool
    n: int | None
    examples: Examples | None = field(repr=False)
    open: Callable[[], Iterator[Batch]] = field(repr=False)
    source: str = ""

    def __iter__(self) -> Iterator[Batch]:
        """Read the data from the beginning."""
        return self.open()
