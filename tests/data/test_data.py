"""Every kind of data becomes the same batches; what does not fit is refused with one whole text."""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addcat.data import Batch, Dataset, as_dataset, load_data, materialise, split
from addcat.data.dataset import Outputs
from addcat.data.examples import Examples
from addcat.data.held import require_enough
from addcat.data.sources import batch_size_of
from addcat.errors import DataError, OptionError
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


def broken(array: Any, index: tuple[int, ...], value: float) -> Any:
    copy = array.copy()
    copy[index] = value
    return copy


class OneShot:
    def __init__(self) -> None:
        self.iterator = batches()

    def __iter__(self) -> Iterator[Any]:
        return self.iterator


WRONG: dict[str, tuple[Any, Any, str]] = {
    "lengths": (
        lambda: (X, Y[:8]),
        ONE,
        "Inputs and targets differ in their number of examples: 'x' has 10, target has 8. Pass one of each together.",
    ),
    "lengths of inputs": (
        lambda: ([IMAGE, X[:4]], Y),
        TWO,
        "Inputs and targets differ in their number of examples: 'image' has 10, 'x' has 4, target has 10. "
        "Pass one of each together.",
    ),
    "too few inputs": (
        lambda: (IMAGE, Y),
        TWO,
        "The model has 2 inputs, the data have 1 array for them.\n"
        "  image  (None, 4, 4, 1)  got (10, 4, 4, 1)\n"
        "  x      (None, 3)        got nothing  <- no partner\n"
        "Pass a list with one array for each input in this order, or a dict by name.",
    ),
    "too many inputs": (
        lambda: [X, Y],
        ONE,
        "The model has 1 input, the data have 2 arrays for them.\n"
        "  x  (None, 3)  got (10, 3)\n"
        "  -             got (10,)  <- no partner\n"
        "Pass a list with one array for each input in this order, or a dict by name. "
        "If the last one holds targets, pass (x, y) as a tuple.",
    ),
    "names": (
        lambda: ({"picture": IMAGE, "x": X}, Y),
        TWO,
        "The data have inputs 'picture', 'x'; the model has 'image', 'x'. Pass a dict with these names.",
    ),
    "shape": (
        lambda: ([IMAGE, X[:, :2]], Y),
        TWO,
        "The data do not fit the model.\n"
        "  image  (None, 4, 4, 1)  got (10, 4, 4, 1)\n"
        "  x      (None, 3)        got (10, 2)  <- axis 1 is 2, expected 3\n"
        "Pass arrays with examples on axis 0 and the other sizes as the model has them.",
    ),
    "rank": (
        lambda: np.zeros((5, 4, 3)),
        ONE,
        "The data do not fit the model.\n"
        "  x  (None, 3)  got (5, 4, 3)  <- 3 axes, expected 2\n"
        "Pass arrays with examples on axis 0 and the other sizes as the model has them.",
    ),
    "channels first": (
        lambda: np.zeros((5, 3, 8, 8)),
        [("image", (None, 8, 8, 3))],
        "The data do not fit the model.\n"
        "  image  (None, 8, 8, 3)  got (5, 3, 8, 8)  <- axis 1 is 3, expected 8; axis 3 is 8, expected 3\n"
        "'image' would fit with its channels moved: np.moveaxis(x, 1, -1).",
    ),
    "not batched": (
        lambda: np.zeros((8, 8, 3)),
        [("image", (None, 8, 8, 3))],
        "The data do not fit the model.\n"
        "  image  (None, 8, 8, 3)  got (8, 8, 3)  <- 3 axes, expected 4\n"
        "'image' lacks the axis of examples: batch the data, or pass x[None] for a single example.",
    ),
    "nan": (
        lambda: ([IMAGE, broken(X, (7, 1), np.nan)], Y),
        TWO,
        "The input 'x' is nan at index (7, 1). Remove or replace values that are not finite.",
    ),
    "inf": (
        lambda: broken(X, (0, 2), -np.inf),
        ONE,
        "The input 'x' is -inf at index (0, 2). Remove or replace values that are not finite.",
    ),
    "nan target": (
        lambda: (X, broken(X, (3, 0), np.nan)),
        ONE,
        "The target is nan at index (3, 0). Remove or replace values that are not finite.",
    ),
    "nan in one of two targets": (
        lambda: (X, [Y, broken(X[:, 0], (9,), np.inf)]),
        ONE,
        "The target 1 is inf at index (9,). Remove or replace values that are not finite.",
    ),
    "empty": (lambda: (X[:0], Y[:0]), ONE, "The data are empty: they have 0 examples. Pass at least one."),
    "no batch": (lambda: lambda: iter([]), ONE, "The data are empty: the source gave no batch. Pass at least one."),
    "object": (
        lambda: np.array([[1, 2, 3], None], dtype=object),
        ONE,
        "The input 'x' has dtype object, expected numbers. Rows of unequal length make such an array: pad them to one "
        "length.",
    ),
    "ragged": (
        lambda: [[1, 2, 3], [1, 2]],
        ONE,
        "The input 'x' has dtype object, expected numbers. Rows of unequal length make such an array: pad them to one "
        "length.",
    ),
    "text": (
        lambda: (X, ["cat"] * N),
        ONE,
        "The target has dtype <U3, expected numbers. Encode text as integers first.",
    ),
    "complex": (
        lambda: X.astype(complex),
        ONE,
        "The input 'x' has dtype complex128, expected numbers. Pass real and imaginary parts as channels.",
    ),
    "time": (
        lambda: np.zeros((N, 3), "datetime64[s]"),
        ONE,
        "The input 'x' has dtype datetime64[s], expected numbers. Convert it to numbers first.",
    ),
    "scalar": (lambda: (X, 3), ONE, "The target is a single number. Pass arrays with examples on axis 0."),
    "weights": (
        lambda: (X, Y, np.ones(N)),
        ONE,
        "The data have three parts, expected (x, y): sample weights are not used. Leave them out, or pass a loss= that "
        "weighs by the target.",
    ),
    "four parts": (
        lambda: (X, X, X, Y),
        ONE,
        "The data are a tuple of 4 parts, expected (x, y). Pass several inputs as a list.",
    ),
    "generator": (
        batches,
        ONE,
        "A generator can be read only once, and the data are read several times. Pass a list of its batches, the "
        "function that makes it, or a class with __iter__.",
    ),
    "one shot": (
        OneShot,
        ONE,
        "OneShot.__iter__ gives the same iterator every time, and the data are read several times. "
        "Let it make a new one.",
    ),
    "function": (
        lambda: lambda: 3,
        ONE,
        "<lambda>() gives int, expected an iterator of batches (x, y).",
    ),
    "endless tf.data": (
        lambda: LikeTensorFlow(-1),
        ONE,
        "The tf.data.Dataset never ends. Leave out repeat(), or limit it with take().",
    ),
    "endless PyDataset": (
        lambda: py_dataset(None),
        ONE,
        "Batched never ends: its num_batches is None. Give it a number of batches.",
    ),
    "torch dataset": (
        lambda: loader(X, Y).dataset,
        ONE,
        "A torch Dataset gives single examples. Wrap it: torch.utils.data.DataLoader(data, batch_size=64).",
    ),
    "nothing": (
        lambda: None,
        ONE,
        "NoneType is no data that addcat knows. Expected arrays x or (x, y), lists or dicts of arrays for several "
        "inputs, an iterable of batches (x, y), a tf.data.Dataset, a keras.utils.PyDataset or a torch DataLoader.",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_refused(case: str) -> None:
    make, inputs, text = WRONG[case]
    data = make()
    with pytest.raises(DataError) as caught:
        as_dataset(data, inputs=inputs)
    assert str(caught.value) == text


def test_a_stream_is_checked_as_it_is_read_and_counts_from_its_beginning() -> None:
    dataset = as_dataset([(X[:4], Y[:4]), (broken(X[4:], (3, 1), np.nan), Y[4:])], inputs=ONE)
    with pytest.raises(DataError) as caught:
        list(dataset)
    assert str(caught.value) == "The input 'x' is nan at index (7, 1). Remove or replace values that are not finite."


def test_values_that_are_not_finite_are_found_in_large_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("addcat.data.checks.CHUNK", 7)
    with pytest.raises(DataError, match=r"index \(9, 2\)"):
        as_dataset(broken(X, (9, 2), np.nan), inputs=ONE)


NPZ: dict[str, tuple[dict[str, Any], Any]] = {
    "x and y": ({"x": X, "y": Y}, ONE),
    "no labels": ({"x": X}, ONE),
    "numbered": ({"x1": X, "x0": IMAGE, "y": Y}, TWO),
}


@pytest.mark.parametrize("case", NPZ)
def test_npz_files(case: str, tmp_path: Path) -> None:
    arrays, inputs = NPZ[case]
    np.savez(tmp_path / "data.npz", **arrays)
    examples = whole(as_dataset(load_data(str(tmp_path / "data.npz"), inputs=inputs), inputs=inputs))
    np.testing.assert_array_equal(examples.inputs[-1], X)
    assert len(examples.targets) == ("y" in arrays)
    if inputs is TWO:
        np.testing.assert_array_equal(examples.inputs[0], IMAGE)


def test_npz_by_the_names_of_the_model_and_with_several_targets(tmp_path: Path) -> None:
    inputs = [("image", (None, 4, 4, 1)), ("tail", (None, 3))]
    np.savez(tmp_path / "data.npz", tail=X, image=IMAGE, y1=2 * Y, y0=Y)
    examples = whole(as_dataset(load_data(str(tmp_path / "data.npz"), inputs=inputs), inputs=inputs))
    np.testing.assert_array_equal(examples.inputs[0], IMAGE)
    assert [t[1] for t in examples.targets] == [1, 2]


def test_npz_files_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("more.npz", x=X, y=Y, weights=Y)
    np.savez("none.npz", a=X)
    np.savez("objects.npz", x=np.array([None, "code"], dtype=object))
    np.savez("whole.npz", x=X)
    Path("part.npz").write_bytes(Path("whole.npz").read_bytes()[:100])
    Path("text.npz").write_text("hello")
    content = bytearray(Path("whole.npz").read_bytes())
    content[180:190] = b"damaged!!!"
    Path("damaged.npz").write_bytes(content)
    part = "is not an .npz file, or only a part of one. Save it again with np.savez."
    expected = "Expected 'digits', an .npz file with x and y, or package.module:function."
    keys = (
        "Expected x (for several inputs x0, x1, ..., or 'x') and y (for several targets y0, y1, ...), and nothing else."
    )
    for name, text in {
        "more.npz": f"'more.npz' holds 'x', 'y', 'weights'. {keys}",
        "none.npz": f"'none.npz' holds 'a'. {keys}",
        "objects.npz": "'objects.npz' holds Python objects, and reading them would run code. "
        "Save plain arrays with np.savez.",
        "part.npz": f"'part.npz' {part}",
        "text.npz": f"'text.npz' {part}",
        "damaged.npz": f"'damaged.npz' {part}",
        "missing.npz": f"There is no file 'missing.npz'. {expected}",
        "data.csv": f"'data.csv' is not data. {expected}",
        "": f"'' is not data. {expected}",
    }.items():
        with pytest.raises(DataError) as caught:
            load_data(name, inputs=ONE)
        assert str(caught.value) == text


@pytest.mark.parametrize("shape", [(64,), (8, 8, 1), (8, 8), (1, 8, 8), (64, 1)])
def test_digits_come_in_the_shape_of_the_model(shape: tuple[int, ...]) -> None:
    inputs = [("x", (None, *shape))]
    dataset = as_dataset(load_data("digits", inputs=inputs), inputs=inputs)
    examples = materialise(dataset)
    assert examples.inputs[0].shape == (1797, *shape)
    assert (examples.inputs[0].min(), examples.inputs[0].max()) == (0, 1)
    assert examples.inputs[0].dtype == np.float32
    assert sorted(set(examples.targets[0].tolist())) == list(range(10))


def test_digits_for_open_sizes() -> None:
    assert load_data("digits", inputs=[("x", (None, None, None, 1))])[0].shape == (1797, 8, 8, 1)


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        (TWO, "'digits' is one array of images; the model has inputs 'image', 'x'. Pass other data."),
        (
            ONE,
            "'digits' are images of 8 by 8 pixels; 'x' takes (None, 3). "
            "Pass a model that takes (None, 64) or (None, 8, 8, 1), or other data.",
        ),
    ],
)
def test_digits_that_do_not_fit(inputs: Any, text: str) -> None:
    with pytest.raises(DataError) as caught:
        load_data("digits", inputs=inputs)
    assert str(caught.value) == text


def test_code_that_gives_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "given_data.py").write_text(
        "import numpy as np\n"
        "def arrays(n=10):\n    return np.ones((n, 3)), np.arange(n)\n"
        "def generator():\n    yield np.ones((2, 3)), np.arange(2)\n    yield np.ones((3, 3)), np.arange(3)\n"
        "def broken():\n    raise RuntimeError('disk on fire')\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def count(reference: str) -> int:
        return whole(as_dataset(load_data(reference, inputs=ONE), inputs=ONE)).count

    assert count("given_data:arrays") == 10
    assert count("given_data:arrays(n=4)") == 4
    assert count("given_data:generator") == 5
    with pytest.raises(DataError) as caught:
        load_data("given_data:broken", inputs=ONE)
    assert str(caught.value) == (
        "'given_data:broken' raised RuntimeError: disk on fire. Correct the function, or call it with other arguments."
    )
    with pytest.raises(DataError) as caught:
        load_data("given_data:array", inputs=ONE)
    assert str(caught.value) == "'given_data:array': 'given_data' has no 'array'. It has 'arrays'."


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


def test_a_source_that_uses_its_buffer_again_is_copied() -> None:
    buffer = np.zeros((2, 3))

    class Reusing:
        def __iter__(self) -> Iterator[Any]:
            for value in range(3):
                buffer[:] = value
                yield buffer

    examples = materialise(as_dataset(Reusing(), inputs=ONE))
    assert examples.inputs[0][:, 0].tolist() == [0, 0, 1, 1, 2, 2]


@given(n=st.integers(2, 40), share=st.floats(0.01, 0.99), seed=st.integers(0, 5))
def test_a_split_is_a_partition_and_the_seed_decides_it(n: int, share: float, seed: int) -> None:
    examples = Examples((np.arange(n),), (np.arange(n) * 10,))
    fit, validation = split(examples, share, seed)
    assert sorted([*fit.inputs[0], *validation.inputs[0]]) == list(range(n))
    assert validation.count == min(max(1, round(share * n)), n - 1)
    np.testing.assert_array_equal(validation.targets[0], validation.inputs[0] * 10)
    again = split(examples, share, seed)[1]
    np.testing.assert_array_equal(validation.inputs[0], again.inputs[0])


def test_another_seed_gives_another_split() -> None:
    examples = Examples((np.arange(100),), ())
    assert split(examples, 0.5, 0)[0].inputs[0].tolist() != split(examples, 0.5, 1)[0].inputs[0].tolist()


@pytest.mark.parametrize("share", [0, 1, -0.2, 20])
def test_a_share_out_of_range(share: float) -> None:
    with pytest.raises(OptionError) as caught:
        split(Examples((X,), (Y,)), share, seed=0)
    assert str(caught.value) == (
        f"share={share} is not between 0 and 1. Pass, for instance, 0.2 for one example in five."
    )


def test_one_example_cannot_be_split() -> None:
    with pytest.raises(DataError) as caught:
        split(Examples((X[:1],), (Y[:1],)), 0.5, seed=0)
    assert str(caught.value) == (
        "The data have 1 example; a split needs two or more. Pass more, or pass `validation` as well."
    )


def test_a_batch_counts_its_examples() -> None:
    assert Batch((X, IMAGE), ()).n == N


# --- targets by name ---------------------------------------------------------------------------------------------

XS = [("x", (None, 3))]
SORTED, TURNED = Outputs(("a", "b"), ("a", "b")), Outputs(("a", "b"), ("b", "a"))
A, B = np.arange(5.0), np.arange(5.0) + 10


def targets_of(y, outputs):
    ((_, targets),) = as_dataset((np.ones((5, 3)), y), inputs=XS, outputs=outputs)
    return [target.tolist() for target in targets]


@pytest.mark.parametrize("outputs", [SORTED, TURNED])
def test_targets_in_a_dict_are_matched_by_name(outputs):
    assert targets_of({"b": B, "a": A}, outputs) == [A.tolist(), B.tolist()]
    layers_in_a_list = Outputs(("b", "a"), ("b", "a"))
    assert targets_of({"a": A, "b": B}, layers_in_a_list) == [B.tolist(), A.tolist()]


def test_a_list_of_targets_is_taken_where_only_one_order_can_be_meant():
    assert targets_of([A, B], SORTED) == [A.tolist(), B.tolist()]
    with pytest.raises(DataError) as caught:
        targets_of([A, B], TURNED)
    assert str(caught.value) == (
        "The model's outputs are written 'b', 'a' and counted 'a', 'b', so a list of targets could be meant in either "
        "order. Pass a dict of targets by these names."
    )


def test_targets_of_other_names():
    with pytest.raises(DataError) as caught:
        targets_of({"a": A, "c": B}, SORTED)
    assert str(caught.value) == (
        "The data have targets 'a', 'c'; the model has outputs 'a', 'b'. Pass a dict with these names."
    )


def test_a_target_is_called_by_its_name_in_messages():
    with pytest.raises(DataError) as caught:
        targets_of({"a": A, "b": np.full(5, np.nan)}, SORTED)
    assert str(caught.value) == ("The target 'b' is nan at index (0,). Remove or replace values that are not finite.")
    with pytest.raises(DataError) as caught:
        targets_of({"a": A, "b": B[:4]}, SORTED)
    assert str(caught.value) == (
        "Inputs and targets differ in their number of examples: 'x' has 5, target 'a' has 5, target 'b' has 4. "
        "Pass one of each together."
    )


def test_examples_and_streams_keep_the_order_of_the_outputs():
    whole = Examples((np.ones((5, 3)),), (A, B))
    assert [t.tolist() for t in materialise(as_dataset(whole, inputs=XS, outputs=TURNED)).targets] == [
        A.tolist(),
        B.tolist(),
    ]
    stream = [(np.ones((5, 3)), {"b": B, "a": A})]
    assert materialise(as_dataset(stream, inputs=XS, outputs=TURNED)).targets[0].tolist() == A.tolist()


def test_npz_by_the_names_of_the_outputs(tmp_path):
    np.savez(tmp_path / "d.npz", x=np.ones((5, 3)), b=B, a=A)
    data = load_data(str(tmp_path / "d.npz"), inputs=XS, outputs=TURNED)
    assert materialise(as_dataset(data, inputs=XS, outputs=TURNED)).targets[1].tolist() == B.tolist()
    np.savez(tmp_path / "e.npz", x=np.ones((5, 3)), b=B, c=A)
    with pytest.raises(DataError) as caught:
        load_data(str(tmp_path / "e.npz"), inputs=XS, outputs=TURNED)
    assert str(caught.value) == (
        f"{str(tmp_path / 'e.npz')!r} holds 'x', 'b', 'c'. Expected x (for several inputs x0, x1, ..., or 'x') and y "
        "(for several targets y0, y1, ..., or 'a', 'b'), and nothing else."
    )


@pytest.mark.parametrize(("count", "these"), [(1, "1 example to judge on is"), (2, "2 examples to judge on are")])
def test_too_few_examples_are_counted(count, these):
    with pytest.raises(DataError) as caught:
        require_enough(Examples((np.zeros((count, 3)),), ()), "to judge on", 10)
    assert str(caught.value) == (
        f"{these} too few; 10 are needed at least, and some hundred to decide anything but large gains."
    )


def test_inputs_that_cross_are_those_whose_rows_come_again():
    users, items = np.divmod(np.arange(2400), 40)
    columns = {
        "users": users,
        "flag": users % 2,  # all its values are there
        "number": np.arange(2400),  # no row comes again
        "items": np.stack([items, -items], axis=1),
        "age": users % 35,  # of the user, who has one
    }
    examples = Examples(tuple(columns.values()), ())
    assert [int(one.max()) + 1 for one in examples.crossed()] == [35, 40]
    without = Examples((columns["users"], columns["items"]), ())
    items_of, users_of = without.crossed()
    assert np.array_equal(items_of, items)
    assert np.array_equal(users_of, users)
    assert Examples((users,), ()).crossed() == ()
    twice = Examples((columns["users"], columns["users"] + 1.0), ())
    assert twice.crossed() == ()  # each example is one of its user: repeats, and nothing that crosses


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
