"""Past a limit arrays lie in files that go with them."""

import gc
from collections.abc import Callable, Iterator
from itertools import chain, cycle, islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kinds_of_data import ONE, Batches, X, Y
from torch.utils.data import DataLoader, IterableDataset

from addcat.data import Dataset, as_dataset, materialise, split
from addcat.errors import DataError


class Endless:
    """An iterator that is no generator: nothing in it tells that it never ends."""

    def __iter__(self) -> "Endless":
        return Endless()

    def __next__(self) -> Any:
        return X, Y


class Source:
    """Makes one for each pass."""

    def __iter__(self) -> Iterator[Any]:
        return Endless()


class Stream(IterableDataset[Any]):
    """Of torch's."""

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(zip(x, y, strict=True) for x, y in Endless())


def stream(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Dataset:
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return as_dataset(Batches(), inputs=ONE)


@pytest.mark.parametrize("limit", [0, 60, 10_000])
def test_past_the_limit_arrays_are_mapped_from_files_that_go_with_them(
    limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = materialise(stream(monkeypatch, tmp_path), limit_bytes=limit)
    np.testing.assert_array_equal(examples.inputs[0], X)
    np.testing.assert_array_equal(examples.targets[0], Y)
    mapped = limit < 10_000
    assert isinstance(examples.inputs[0], np.memmap) is mapped
    assert len(list(tmp_path.iterdir())) == 2 * mapped
    parts = split(examples, 0.3, seed=1)
    assert all(isinstance(part.inputs[0], np.memmap) is mapped for part in parts)
    np.testing.assert_array_equal(np.sort(np.concatenate([part.targets[0] for part in parts])), Y)
    for part in parts:
        np.testing.assert_array_equal(part.inputs[0], X[part.targets[0]])
    del examples, parts, part
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_fails_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    dataset = as_dataset([(X, Y), (X[:, :3].astype("float64"), Y)], inputs=ONE)
    with pytest.raises(DataError) as caught:
        materialise(dataset, limit_bytes=0)
    assert str(caught.value) == (
        "Batches of the input 'x' differ: examples of shape (3,) and dtype float32, then (3,) and float64. "
        "Pad or convert them to one."
    )
    assert list(tmp_path.iterdir()) == []


GOES_ON = (
    "goes on; data are read as a whole. If it never ends: let it end after one pass, as "
    "lambda: itertools.islice(batches(), steps) does. If it does end, pass a part of it so."
)


@pytest.mark.parametrize(
    ("make", "name", "count"),
    [
        (Source, "Source.__iter__()", "1,010"),
        (lambda: Endless, "Endless()", "1,010"),
        (lambda: lambda: map(tuple, cycle([(X, Y)])), "<lambda>()", "1,010"),
        (lambda: DataLoader(Stream(), batch_size=100), "DataLoader.__iter__()", "1,100"),
    ],
)
def test_what_goes_on_and_on_is_not_read_for_ever(
    make: Callable[[], Any], name: str, count: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("addcat.data.stored.MOST", 1000)
    with pytest.raises(DataError) as caught:
        materialise(as_dataset(make(), inputs=ONE))
    assert str(caught.value) == f"{name} has given {count} examples and {GOES_ON}"


def test_what_goes_on_and_on_does_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=8192))
    with pytest.raises(DataError) as caught:
        materialise(as_dataset(Source(), inputs=ONE), limit_bytes=1000)
    assert str(caught.value) == (
        f"Source.__iter__() has given 210 examples, 4.1 KiB of them in temporary files, and {GOES_ON}"
    )
    assert not list(tmp_path.iterdir())


def test_what_ends_is_read_however_long_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("addcat.data.stored.MOST", 5)
    assert materialise(as_dataset([(X, Y)] * 3, inputs=ONE)).count == 30
    monkeypatch.setattr("addcat.data.stored.MOST", 30)
    assert materialise(as_dataset(lambda: islice(Endless(), 3), inputs=ONE)).count == 30
