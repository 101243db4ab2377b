"""Examples in memory: what every method fits on and judges on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from addcat.graph import Array

Arrays = Sequence[Array]


@dataclass(frozen=True, slots=True)
class Examples:
    """Data in memory, or mapped from a file.

    Attributes:
        inputs: One array for each input, examples first.
        targets: One array for each output.
    """

    inputs: tuple[Array, ...]
    targets: tuple[Array, ...]

    @property
    def count(self) -> int:
        """Number of examples."""
        return len(self.inputs[0])

    def rows(self, index: NDArray[np.int64]) -> "Examples":
        """Some of the examples, in the order of `index`."""
        return Examples(tuple(a[index] for a in self.inputs), tuple(a[index] for a in self.targets))

    def chunks(self, size: int) -> "Iterator[Examples]":
        """All examples in order, `size` at a time; mapped arrays are not read before their turn."""
        for start in range(0, self.count, size):
            yield self.rows(np.arange(start, min(start + size, self.count)))
