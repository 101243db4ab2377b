"""The user's own training: what it may give, what it may not, and that seeds are set before its network is built."""

import random
import re

import numpy as np
import pytest

from addcat.errors import DataError
from addcat.trials.functions import FunctionTrial, source_of, trial_of
from addcat.trials.trial import Key

KEY = Key("add", 3)


def given(result, *, metric="", lower=True):
    return trial_of(KEY, result, metric=metric, lower=lower)


def test_a_number_decides():
    assert given(0.5).loss == 0.5
    assert given(np.float32(0.5), lower=False).loss == -0.5
    assert given(np.array(2)).loss == 2
    assert given(float("inf")).status == "diverged"


def test_one_loss_an_example_is_kept():
    found = given([1.0, 2.0, 6.0])
    assert (found.loss, found.losses.tolist()) == (3, [1, 2, 6])
    assert given(np.array([1.0, np.nan])).status == "diverged"


def test_an_entry_of_a_dict_decides():
    found = given({"loss": 0.5, "accuracy": 0.75})
    assert (found.loss, found.metrics) == (0.5, {"accuracy": 0.75})
    found = given({"loss": 0.5, "accuracy": 0.75}, metric="accuracy", lower=False)
    assert (found.loss, found.metrics) == (-0.75, {"loss": 0.5})
    assert given({"dice": 0.5}).loss == 0.5  # the only one


def test_a_tensor_of_torch_is_a_number_too():
    torch = pytest.importorskip("torch")
    assert given(torch.tensor(0.5, requires_grad=True)).loss == 0.5


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (
            "low",
            "train gives str. Expected a number, an array with one loss for each held-out example, or a dict of "
            "numbers.",
        ),
        (
            np.zeros((2, 3)),
            "train gives an array of shape (2, 3). Expected a number, an array with one loss for each held-out "
            "example, or a dict of numbers.",
        ),
        (
            {"accuracy": 1.0, "f1": 0.5},
            "train gives a dict with 'accuracy', 'f1', and 'loss' decides. Return it, or name another metric.",
        ),
        (
            {"loss": 1.0, "each": [1.0, 2.0]},
            "train gives 'each' as an array of shape (2,). Metrics beside the loss are numbers.",
        ),
    ],
)
def test_what_else_it_gives_is_an_error(result, text):
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        given(result)


def test_every_generator_is_seeded_before_a_network_is_built():
    drawn = []

    def build(arm, seed):
        return random.random(), np.random.random()  # noqa: S311

    def train(model, seed):
        drawn.append((*model, random.random(), np.random.random()))  # noqa: S311
        return 1.0

    execute = FunctionTrial(build, train)
    execute((Key("add", 3), Key("concat", 3), Key("add", 4)))
    assert drawn[0] == drawn[1] != drawn[2]


def test_the_source_of_a_function_tells_it_from_another():
    assert "def given" in source_of(given)
    assert source_of(np.sin) == "numpy.sin"  # without a text
