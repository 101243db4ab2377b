"""What does not fit is refused with one whole text."""

from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any

import numpy as np
import pytest
from kinds_of_data import IMAGE, ONE, TWO, LikeTensorFlow, N, X, Y, batches, loader, py_dataset

from addcat.data import as_dataset
from addcat.errors import DataError


def broken(array: Any, index: tuple[int, ...], value: float) -> Any:
    copy = array.copy()
    copy[index] = value
    return copy


class OneShot:
    def __init__(self) -> None:
        self.iterator = batches()

    def __iter__(self) -> Iterator[Any]:
        return self.iterator


def endless() -> Iterator[Any]:
    while True:
        for first in range(0, N, 4):
            yield X[first : first + 4], Y[first : first + 4]


class Endless:
    def __iter__(self) -> Iterator[Any]:
        while True:
            yield X, Y


ENDLESS = (
    "never ends, and data are read as a whole. Let it end after one pass, as "
    "lambda: itertools.islice(batches(), steps) does."
)
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
        "weighs by the target, which may hold the weights as one more column.",
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
    "endless function": (
        lambda: endless,
        ONE,
        f"endless() {ENDLESS}",
    ),
    "endless generator": (
        endless,
        ONE,
        f"endless() {ENDLESS}",
    ),
    "endless class": (
        Endless,
        ONE,
        f"Endless.__iter__() {ENDLESS}",
    ),
    "cycle": (
        lambda: lambda: cycle([(X, Y)]),
        ONE,
        f"<lambda>() {ENDLESS}",
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


def test_the_first_batches_of_what_never_ends_are_data() -> None:
    assert as_dataset(lambda: islice(endless(), 3), inputs=ONE).labelled
    assert [batch.n for batch in as_dataset(lambda: islice(endless(), 3), inputs=ONE)] == [4, 4, 2]


def test_a_stream_is_checked_as_it_is_read_and_counts_from_its_beginning() -> None:
    dataset = as_dataset([(X[:4], Y[:4]), (broken(X[4:], (3, 1), np.nan), Y[4:])], inputs=ONE)
    with pytest.raises(DataError) as caught:
        list(dataset)
    assert str(caught.value) == "The input 'x' is nan at index (7, 1). Remove or replace values that are not finite."


def test_values_that_are_not_finite_are_found_in_large_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("addcat.data.checks.CHUNK", 7)
    with pytest.raises(DataError, match=r"index \(9, 2\)"):
        as_dataset(broken(X, (9, 2), np.nan), inputs=ONE)
