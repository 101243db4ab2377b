"""Every kind of data becomes the same batches."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from kinds_of_data import IMAGE, ONE, TWO, Batches, LikeTensorFlow, N, X, Y, batches, loader, py_dataset, whole

from addcat.data import as_dataset, materialise
from addcat.data.examples import Examples
from addcat.data.sources import batch_size_of
from addcat.frameworks import keras


@pytest.mark.parametrize(
    ("make", "n"),
    [
        (lambda: (X, Y), N),
        (lambda: (X.tolist(), Y.tolist()), N),
        (lambda: ([X], [Y]), N),
        (lambda: ({"x": X}, {"label": Y}), N),
        (lambda: list(batches()), None),
        (Batches, None),
        (lambda: batches, None),
        (LikeTensorFlow, None),
        (py_dataset, None),
        (lambda: loader(X, Y), N),
        (lambda: loader(X, Y, drop_last=False, num_workers=0), N),
        (lambda: (keras().ops.convert_to_tensor(X), Y), N),
        (lambda: as_dataset((X, Y), inputs=ONE), N),
        (lambda: Examples((X,), (Y,)), N),
    ],
    ids=[
        *("tuple", "numbers", "lists", "dicts", "list of batches", "iterable", "function", "tf.data", "PyDataset"),
        *("DataLoader", "workers", "tensor", "Dataset", "Examples"),
    ],
)
def test_every_kind_of_data_gives_the_same_examples(make: Any, n: int | None) -> None:
    dataset = as_dataset(make(), inputs=ONE, batch_size=4)
    assert dataset.n == n
    assert dataset.labelled
    assert dataset.names == ("x",)
    assert next(iter(dataset)).n in (4, N)
    examples = whole(dataset)
    np.testing.assert_array_equal(examples.inputs[0], X)
    np.testing.assert_array_equal(examples.targets[0], Y)
    kept = materialise(dataset)
    np.testing.assert_array_equal(kept.inputs[0], X)
    np.testing.assert_array_equal(kept.targets[0], Y)


@pytest.mark.parametrize(
    "data",
    [X, X.tolist(), [X], {"x": X}, (X,), [{"x": X[:5]}, {"x": X[5:]}], [(X[:5],), (X[5:],)]],
    ids=["array", "numbers", "list", "dict", "tuple", "dicts", "tuples"],
)
def test_labels_may_be_missing(data: Any) -> None:
    dataset = as_dataset(data, inputs=ONE)
    assert not dataset.labelled
    assert whole(dataset).targets == ()
    np.testing.assert_array_equal(whole(dataset).inputs[0], X)


def test_a_loader_without_labels() -> None:
    dataset = as_dataset(loader(X), inputs=ONE)
    assert not dataset.labelled
    assert whole(dataset).count == N


@pytest.mark.parametrize(
    "make",
    [
        lambda: ([IMAGE, X], Y),
        lambda: ((IMAGE, X), Y),
        lambda: ({"x": X, "image": IMAGE}, Y),
        lambda: loader(IMAGE, X, Y),
        lambda: [([IMAGE[:3], X[:3]], Y[:3]), ({"image": IMAGE[3:], "x": X[3:]}, Y[3:])],
    ],
    ids=["list", "tuple", "dict", "DataLoader", "batches"],
)
def test_several_inputs_come_in_the_order_of_the_model(make: Any) -> None:
    examples = whole(as_dataset(make(), inputs=TWO))
    np.testing.assert_array_equal(examples.inputs[0], IMAGE)
    np.testing.assert_array_equal(examples.inputs[1], X)
    np.testing.assert_array_equal(examples.targets[0], Y)


def test_two_inputs_from_a_loader_without_labels() -> None:
    dataset = as_dataset(loader(IMAGE, X), inputs=TWO)
    assert not dataset.labelled
    np.testing.assert_array_equal(whole(dataset).inputs[1], X)


def test_several_targets_and_the_order_of_a_dict() -> None:
    assert [t.tolist() for t in whole(as_dataset((X, [Y, 2 * Y]), inputs=ONE)).targets] == [
        Y.tolist(),
        (2 * Y).tolist(),
    ]
    targets = whole(as_dataset((X, {"b": 2 * Y, "a": Y}), inputs=ONE)).targets
    assert [t[1] for t in targets] == [1, 2]


def test_a_last_axis_of_one_is_added_or_dropped_as_keras_does() -> None:
    assert next(iter(as_dataset(IMAGE[..., 0], inputs=TWO[:1]))).inputs[0].shape == (N, 4, 4, 1)
    assert next(iter(as_dataset(X[..., None], inputs=ONE))).inputs[0].shape == (N, 3)


def test_tensors_on_a_graph_and_in_bfloat16() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.tensor(X, requires_grad=True)
    np.testing.assert_array_equal(as_dataset(tensor, inputs=ONE).examples.inputs[0], X)
    half = as_dataset(tensor.to(torch.bfloat16), inputs=ONE).examples.inputs[0]
    np.testing.assert_array_equal(half, X)


def test_arrays_are_not_copied_and_not_changed() -> None:
    before = X.copy()
    dataset = as_dataset((X, Y), inputs=ONE, batch_size=3)
    assert [batch.n for batch in dataset] == [3, 3, 3, 1]
    assert np.shares_memory(next(iter(dataset)).inputs[0], X)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize(
    ("given", "taken"),
    [(">f4", "float32"), (">f8", "float64"), (">i2", "int16"), (">u8", "uint64"), ("longdouble", "float64")],
)
def test_numbers_come_in_types_that_frameworks_take(given: str, taken: str) -> None:
    """As files of other machines hold them: IDX, FITS, what Fortran writes."""
    examples = materialise(as_dataset((X.astype(given), Y.astype(given)), inputs=ONE))
    for array, truth in ((examples.inputs[0], X), (examples.targets[0], Y)):
        assert array.dtype == np.dtype(taken)
        assert array.dtype.isnative
        np.testing.assert_array_equal(array, truth)


def test_a_source_that_uses_its_buffer_again_is_copied() -> None:
    buffer = np.zeros((2, 3))

    class Reusing:
        def __iter__(self) -> Iterator[Any]:
            for value in range(3):
                buffer[:] = value
                yield buffer

    examples = materialise(as_dataset(Reusing(), inputs=ONE))
    assert examples.inputs[0][:, 0].tolist() == [0, 0, 1, 1, 2, 2]


def test_data_that_come_in_batches_know_their_size():
    batch = np.ones((5, 3)), np.ones(5)
    named = {"a": np.ones((6, 3)), "b": np.ones((6, 2))}, np.ones(6)

    class Sized(keras().utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return (np.ones((7, 2)), np.ones((7, 2))), np.ones(7)

    def function():
        yield batch

    class Says:
        batch_size = 9

        def __iter__(self):
            yield batch

    assert [batch_size_of(data) for data in ([batch], [named], Sized(), function, Says())] == [5, 6, 7, 5, 9]
    assert [batch_size_of(data) for data in (batch, named, batch[0], [np.ones((5, 3))] * 2)] == [None] * 4
