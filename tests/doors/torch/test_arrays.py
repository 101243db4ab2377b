"""Arrays that a user gives for a module: in types that torch has, or refused in one sentence."""

import numpy as np
import pytest
import torch

from addcat.doors.torch.data import examples_of, first_call
from addcat.doors.torch.examples import Example
from addcat.errors import DataError

X, Y = np.arange(12.0).reshape(4, 3), np.arange(4)


@pytest.mark.parametrize("given", [">f4", ">f8", "longdouble"])
def test_arrays_of_other_machines_become_tensors(given: str) -> None:
    x, y = X.astype(given), Y.astype(">i4")
    example = Example.of((x,))
    assert torch.equal(example.args[0].double(), torch.from_numpy(X))
    taken = examples_of((x, y), example)
    np.testing.assert_array_equal(taken.inputs[0], X)
    np.testing.assert_array_equal(taken.targets[0], Y)
    first = first_call(torch.nn.Linear(3, 1), (x, y), None)
    assert first.args[0].dtype == torch.float32
    assert torch.equal(first.args[0].double(), torch.from_numpy(X[: len(first.args[0])]))


def test_complex_numbers_are_taken_as_they_are() -> None:
    example = Example.of((X.astype(">c16"),))
    assert torch.equal(example.args[0], torch.from_numpy(X.astype(complex)))


def test_text_is_refused() -> None:
    texts = np.array(["a", "b", "c", "d"])
    with pytest.raises(DataError) as caught:
        examples_of((X, texts), Example.of((X,)))
    assert str(caught.value) == "The target has dtype <U1, expected numbers. Encode text as integers first."
    with pytest.raises(DataError) as caught:
        first_call(torch.nn.Linear(3, 1), (texts, Y), None)
    assert str(caught.value) == "The input has dtype <U1, expected numbers. Encode text as integers first."
