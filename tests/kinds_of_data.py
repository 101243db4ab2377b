"""Data as people have it: arrays, iterables, loaders and datasets that give the same ten examples."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from addcat.data import Dataset
from addcat.data.examples import Examples
from addcat.frameworks import keras

N = 10
X = np.arange(N * 3, dtype=np.float32).reshape(N, 3)
IMAGE = np.arange(N * 16, dtype=np.float32).reshape(N, 4, 4, 1)
Y = np.arange(N)
ONE = [("x", (None, 3))]
TWO = [("image", (None, 4, 4, 1)), ("x", (None, 3))]


def whole(dataset: Dataset) -> Examples:
    """All examples of one pass, checked to be those of a second pass too."""
    first, second = (
        [np.concatenate(arrays) for arrays in zip(*((*inputs, *targets) for inputs, targets in dataset), strict=True)]
        for _ in range(2)
    )
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    return Examples(tuple(first[: len(dataset.names)]), tuple(first[len(dataset.names) :]))


def batches() -> Iterator[tuple[Any, Any]]:
    for first in range(0, N, 4):
        yield X[first : first + 4], Y[first : first + 4]


class Batches:
    """Re-iterable, as the user's own class would be."""

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return batches()


class LikeTensorFlow:
    """What of `tf.data.Dataset` is used: the framework itself is not installed."""

    def __init__(self, cardinality: int = 3) -> None:
        self.size = cardinality

    def as_numpy_iterator(self) -> Iterator[Any]:
        return batches()

    def cardinality(self) -> Any:
        return np.int64(self.size)


def py_dataset(size: int | None = 3) -> Any:
    class Batched(keras().utils.PyDataset):
        def __len__(self) -> int:
            return 3

        @property
        def num_batches(self) -> int | None:
            return size

        def __getitem__(self, index: int) -> Any:
            return list(batches())[index]

    return Batched()


def loader(*arrays: Any, **settings: Any) -> Any:
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(*map(torch.from_numpy, arrays))
    return torch.utils.data.DataLoader(data, batch_size=4, **settings)
