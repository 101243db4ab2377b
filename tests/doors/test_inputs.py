"""Inputs that are given, and the sizes of a run: what fits is taken, the rest is refused in one sentence."""

import numpy as np
import pytest

from addcat.doors import inputs
from addcat.doors.inputs import Wanted, given_inputs, sizes_of_run
from addcat.errors import DataError, OptionError

WANTED = {
    "image": Wanted((None, 3, None, None), "float32"),
    "size": Wanted((2,), "int64"),
    "flag": Wanted((), "bool"),
    "words": Wanted(None, "object"),
}


def refused(given, text):
    with pytest.raises(DataError) as caught:
        given_inputs(given, WANTED)
    assert str(caught.value) == text


def test_arrays_come_in_the_types_of_the_model():
    found = given_inputs(
        {"image": np.ones((1, 3, 4, 4)), "size": np.array([4, 4], np.uint8), "flag": True, "words": ["a", "b"]}, WANTED
    )
    kinds = {name: (str(array.dtype), array.shape) for name, array in found.items()}
    assert kinds == {
        "image": ("float32", (1, 3, 4, 4)),
        "size": ("int64", (2,)),
        "flag": ("bool", ()),
        "words": ("object", (2,)),
    }
    assert given_inputs(None, WANTED) == {}


def test_no_such_input():
    refused({"img": 1}, "The model has no input 'img'; it has 'image'.")
    refused({"zz": 1}, "The model has no input 'zz'; it has 'image', 'size', 'flag', ....")


def test_other_sizes():
    refused(
        {"image": np.ones((1, 4, 4, 4), "f")},
        "Input 'image' takes (None, 3, None, None); the array given for it has the shape (1, 4, 4, 4).",
    )
    refused({"flag": [True]}, "Input 'flag' takes (); the array given for it has the shape (1,).")


def test_other_types():
    refused({"size": [1.5, 2.0]}, "Input 'size' takes int64; the array given for it is float64. Convert it first.")
    refused({"flag": 1}, "Input 'flag' takes bool; the array given for it is int64. Convert it first.")


def test_values_that_the_type_does_not_hold():
    refused(
        {"image": np.full((1, 3, 1, 1), 1e300)},
        "Input 'image' takes float32, which does not hold all values of the array given for it.",
    )
    refused(
        {"size": np.array([2**63, 1], np.uint64)},
        "Input 'size' takes int64, which does not hold all values of the array given for it.",
    )


def test_not_by_name():
    refused([1], "inputs is a list. Pass a dict of arrays by the names of the model's inputs.")


def sizes(shapes=None, given=None, wanted=WANTED):
    return sizes_of_run(wanted, shapes, given or {}, channels_first=True)


def unsized(text, *arguments):
    with pytest.raises(OptionError) as caught:
        sizes(*arguments)
    assert str(caught.value) == text


def test_sizes_of_given_arrays_and_of_shapes():
    found = sizes(
        {"image": (2, 3, 8, None), "words": (4,)},
        {"flag": np.array(True)},
        WANTED | {"image": Wanted((None, 3, 8, 9), "f4")},
    )
    assert found == {"image": (2, 3, 8, 9), "size": (2,), "flag": (), "words": (4,)}


def test_size_that_is_not_known():
    unsized(
        "Input 'image' has the shape (None, 3, None, None), so its size is not known. "
        "Pass one, such as shapes={'image': (1, 3, 224, 224)}, or --shape image=1x3x224x224.",
    )
    unsized(
        "Input 'words' does not say how many axes it has. "
        "Pass one, such as shapes={'words': (1, 3, 224, 224)}, or --shape words=1x3x224x224.",
        {"image": (1, 3, 2, 2)},
    )
    tokens = {"words": Wanted((None, None), "int64")}
    unsized(
        "Input 'words' has the shape (None, None), so its size is not known. "
        "Pass one, such as shapes={'words': (1, 128)}, or --shape words=1x128.",
        None,
        None,
        tokens,
    )


def test_shapes_that_do_not_fit():
    unsized("Input 'size' has the shape (2,), which (3,) does not fit.", {"image": (1, 3, 2, 2), "size": (3,)})
    unsized("The model has no input 'x'. Its inputs are 'image', 'size', 'flag', 'words'.", {"x": (1,)})
    unsized("The model has 4 inputs, got 1 shape. Give one for each.", [(1,)])
    unsized(
        "Input 'size' is to have the shape (3,), and the array given for it has (2,). Leave out one of them.",
        {"size": (3,)},
        {"size": np.zeros(2)},
    )


def test_more_than_fits_into_memory(monkeypatch):
    monkeypatch.setattr(inputs, "memory_bytes", lambda: 2 * (2 * 3 * 5 * 8))
    one = {"x": Wanted((None, 3, None), "float32")}
    assert sizes({"x": (2, 3, 5)}, None, one) == {"x": (2, 3, 5)}
    unsized(
        "Input 'x' of the shape (2, 3, 6) takes more than half of this machine's memory. Pass smaller sizes.",
        {"x": (2, 3, 6)},
        None,
        one,
    )
