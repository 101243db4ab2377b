"""Examples in memory: what every method fits on and judges on."""

import hashlib
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

    def first(self, count: int) -> "Examples":
        """The first examples, at most so many."""
        return self if count >= self.count else self.rows(np.arange(count))

    def distinct(self) -> NDArray[np.int64]:
        """Which examples have the same inputs: a number for each, alike where all inputs are, of shape (examples,).

        Examples:
            >>> Examples((np.array([1.0, 2.0, 1.0]),), ()).distinct().tolist()
            [0, 1, 0]
        """
        seen: dict[bytes, int] = {}
        rows = ([np.ascontiguousarray(array[place]).tobytes() for array in self.inputs] for place in range(self.count))
        keys = (hashlib.blake2b(b"\0".join(row), digest_size=16).digest() for row in rows)
        return np.array([seen.setdefault(key, len(seen)) for key in keys], np.int64)

    def chunks(self, size: int) -> "Iterator[Examples]":
        """All examples in order, `size` at a time at most; mapped arrays are not read before their turn.

        As many each time as far as that goes: frameworks compile each size anew.
        """
        alike = -(-self.count // max(1, -(-self.count // size)))
        for start in range(0, self.count, alike or 1):
            yield self.rows(np.arange(start, min(start + alike, self.count)))
