"""One form for all data: batches of arrays, examples on axis 0, that can be read again and again."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from addcat.data.examples import Examples
from addcat.graph import Array, Shape

Inputs = Sequence[tuple[str, Shape]]
"""Name and shape of each input of a model, in the model's order, the batch first."""


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
    """

    names: tuple[str, ...]
    labelled: bool
    n: int | None
    examples: Examples | None = field(repr=False)
    open: Callable[[], Iterator[Batch]] = field(repr=False)

    def __iter__(self) -> Iterator[Batch]:
        """Read the data from the beginning."""
        return self.open()
