"""Data held still: all batches as arrays, in memory or, past a limit, mapped from temporary files; and their split."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from addcat.data.dataset import Dataset
from addcat.data.examples import Examples
from addcat.errors import DataError, OptionError
from addcat.graph import Array
from addcat.report.rows import bytes_text, integer

LIMIT = 1 << 30
"""Bytes of examples that are kept in memory unless the caller says otherwise."""

MOST = 1 << 24
"""Examples of a source that does not say how many it has, from which on it is taken for one that never ends."""

END_IT = "Let it end after one pass, as lambda: itertools.islice(batches(), steps) does."

ROWS = 1024
"""Examples moved from file to file at a time."""


@dataclass(slots=True)
class _Column:
    """One input or target while it is being read: chunks in memory, then a file."""

    name: str
    chunks: list[Array] = field(default_factory=list[Array])
    file: BinaryIO | None = None
    kind: Array | None = None
    count: int = 0

    def add(self, array: Array) -> None:
        if self.kind is None:
            self.kind = array[:0].copy()
        if array.shape[1:] != self.kind.shape[1:] or array.dtype != self.kind.dtype:
            raise DataError(
                f"Batches of the {self.name} differ: examples of shape {self.kind.shape[1:]} and dtype "
                f"{self.kind.dtype}, then {array.shape[1:]} and {array.dtype}. Pad or convert them to one."
            )
        self.count += len(array)
        if self.file is None:
            self.chunks.append(array.copy())  # the source may use its buffer again
        else:
            self.file.write(array.tobytes())

    @property
    def bytes(self) -> int:
        return sum(chunk.nbytes for chunk in self.chunks)

    @property
    def written(self) -> int:
        return (
            0 if self.file is None or self.kind is None else self.count * prod(self.kind.shape[1:]) * self.kind.itemsize
        )

    def spill(self) -> None:
        self.file = _temporary()
        for chunk in self.chunks:
            self.file.write(chunk.tobytes())
        self.chunks.clear()

    def array(self) -> Array:
        assert self.kind is not None  # noqa: S101  (a dataset has a batch)
        if self.file is None:
            return np.concatenate(self.chunks)
        return _mapped(self.file, self.kind, self.count)


def _temporary() -> BinaryIO:
    number, path = tempfile.mkstemp(prefix="addcat-", suffix=".bin")
    os.close(number)
    return Path(path).open("wb")


def _mapped(file: BinaryIO, kind: Array, count: int) -> Array:
    """A file of `count` examples like those of `kind` as an array; it is deleted with the array."""
    file.close()
    path = Path(file.name)
    array = np.memmap(path, kind.dtype, "r", shape=(count, *kind.shape[1:]))
    weakref.finalize(array, path.unlink, missing_ok=True)
    return array


def materialise(dataset: Dataset, *, limit_bytes: int = LIMIT) -> Examples:
    """Read a dataset once and keep it.

    Args:
        dataset: Batches; data that came as arrays are handed through.
        limit_bytes: What may stay in memory, over all inputs and targets. Past it everything goes to temporary files
            that are mapped, and deleted once the arrays are gone.

    Returns:
        All examples, in the order of this one pass.

    Raises:
        DataError: if batches differ in shape or dtype, or a source that does not say how many examples it has goes on
            and on.
    """
    if dataset.examples is not None:
        return dataset.examples
    room = shutil.disk_usage(tempfile.gettempdir()).free // 2
    columns: list[_Column] = [_Column(f"input {name!r}") for name in dataset.names]
    try:
        for inputs, targets in dataset:
            if len(columns) == len(inputs):
                many = len(targets) > 1
                columns += [_Column(f"target {i}" if many else "target") for i in range(len(targets))]
            for column, array in zip(columns, [*inputs, *targets], strict=True):
                column.add(array)
            if sum(column.bytes for column in columns) > limit_bytes:
                for column in columns:
                    column.spill()
            if dataset.source:
                _require_end(dataset.source, columns, room)
        arrays = tuple(column.array() for column in columns)
    except BaseException:
        for column in columns:
            if column.file is not None:
                column.file.close()
                Path(column.file.name).unlink(missing_ok=True)
        raise
    return Examples(arrays[: len(dataset.names)], arrays[len(dataset.names) :])


def _require_end(source: str, columns: Sequence[_Column], room: int) -> None:
    """Refuse a source that has given more than any pass is likely to have, or than there is room for.

    Nothing tells an iterator that ends late from one that never does.
    """
    count, written = columns[0].count, sum(column.written for column in columns)
    if count > MOST or written > room:
        files = f", {bytes_text(written)} of them in temporary files," if written else ""
        raise DataError(
            f"{source} has given {integer(count)} examples{files} and goes on; data are read as a whole. If it never "
            f"ends: {END_IT[0].lower()}{END_IT[1:]} If it does end, pass a part of it so."
        )


def split(examples: Examples, share: float, seed: int) -> tuple[Examples, Examples]:
    """Divide examples at random into one part to fit on and one to judge on.

    Args:
        examples: All of them. Mapped arrays are copied to new temporary files, not to memory.
        share: Of the examples that go to the second part, between 0 and 1; at least one goes to each.
        seed: The same examples go to the same part for the same seed.

    Returns:
        Two parts that have no example in common, each in the original order.

    Raises:
        OptionError: if `share` is not between 0 and 1.
        DataError: if there are fewer than two examples.

    Examples:
        >>> import numpy as np
        >>> fit, validation = split(Examples((np.arange(6),), ()), 1 / 3, seed=0)
        >>> fit.inputs[0].tolist(), validation.inputs[0].tolist()
        ([0, 1, 4, 5], [2, 3])
    """
    if not 0 < share < 1:
        raise OptionError(f"share={share} is not between 0 and 1. Pass, for instance, 0.2 for one example in five.")
    if examples.count < 2:
        raise DataError("The data have 1 example; a split needs two or more. Pass more, or pass `validation` as well.")
    order = np.random.default_rng(seed).permutation(examples.count)
    held = min(max(1, round(share * examples.count)), examples.count - 1)
    return _rows(examples, np.sort(order[held:])), _rows(examples, np.sort(order[:held]))


def _rows(examples: Examples, index: NDArray[np.int64]) -> Examples:
    return Examples(tuple(_taken(a, index) for a in examples.inputs), tuple(_taken(a, index) for a in examples.targets))


def _taken(array: Array, index: NDArray[np.int64]) -> Array:
    if not isinstance(array, np.memmap):
        return array[index]
    file = _temporary()
    for first in range(0, len(index), ROWS):
        file.write(np.asarray(array[index[first : first + ROWS]]).tobytes())
    return _mapped(file, array, len(index))
