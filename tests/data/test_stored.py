"""Past a limit arrays lie in files that go with them."""

import gc
from pathlib import Path

import numpy as np
import pytest
from kinds_of_data import ONE, Batches, X, Y

from addcat.data import Dataset, as_dataset, materialise, split
from addcat.errors import DataError


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
