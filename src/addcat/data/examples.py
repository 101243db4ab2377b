"""Examples in memory: what every method fits on and judges on."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from addcat.graph import Array

Arrays = Sequence[Array]
Labels = NDArray[np.int64]

FEWEST_ROWS = 30
"""Distinct rows from which on those of an input are taken for a sample of more."""


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
        return _numbered(self.inputs, self.count)

    def crossed(self) -> tuple[NDArray[np.int64], ...]:
        """Inputs whose rows come again with other partners, as users and items do.

        An input that takes few values, such as a flag, has them all in the examples: who drew others would draw the
        same. So one counts from 30 distinct rows on. Of inputs that belong together, as a user's number and age group,
        the one with the fewest rows stands for all.

        Returns:
            For each such input a number for each example, alike where it has the same row, of shape (examples,).

        Examples:
            >>> users, items = np.divmod(np.arange(1200.0), 40)
            >>> [int(one.max()) + 1 for one in Examples((users, items, items % 2), ()).crossed()]
            [30, 40]
            >>> Examples((users,), ()).crossed()
            ()
        """
        if len(self.inputs) < 2:
            return ()
        whole, found = int(self.distinct().max()) + 1, list[Labels]()
        each = [_numbered((array,), self.count) for array in self.inputs]
        some = [one for one in each if FEWEST_ROWS <= one.max() + 1 < whole]
        for one in sorted(some, key=lambda one: int(one.max())):
            if not any(_refines(one, coarser) for coarser in found):
                found.append(one)
        return tuple(found)

    def chunks(self, size: int) -> "Iterator[Examples]":
        """All examples in order, `size` at a time at most; mapped arrays are not read before their turn.

        As many each time as far as that goes: frameworks compile each size anew.
        """
        alike = -(-self.count // max(1, -(-self.count // size)))
        for start in range(0, self.count, alike or 1):
            yield self.rows(np.arange(start, min(start + alike, self.count)))


def _numbered(arrays: Sequence[Array], count: int) -> Labels:
    """A number for each example, alike where its rows of all arrays are, in the order in which they are met."""
    seen: dict[bytes, int] = {}
    rows = ([np.ascontiguousarray(array[place]).tobytes() for array in arrays] for place in range(count))
    keys = (hashlib.blake2b(b"\0".join(row), digest_size=16).digest() for row in rows)
    return np.array([seen.setdefault(key, len(seen)) for key in keys], np.int64)


def _refines(finer: Labels, coarser: Labels) -> bool:
    """Whether each group of one lies within a group of the other."""
    together = np.unique(finer * (int(coarser.max()) + 1) + coarser)
    return len(together) == int(finer.max()) + 1
