"""Exchanging branches that share their weights: harmless for symmetric targets, harmful for ordered ones."""

import numpy as np
import pytest
from networks import Input, keras, layers
from problems import encoded_pair, examples, problem, set_weights, two_inputs
from small import assert_untouched, randomised, state

from addcat.errors import DataError
from addcat.evidence.swap import swap

ENCODER = (np.eye(4)[:, :3], np.zeros(3))
FIRST = np.array([[1.0], [0.0], [0.0]])


def trained(sign):
    """The Concatenate network that computes x_0 + sign y_0."""
    return set_weights(encoded_pair("concat"), encoder=ENCODER, head=(np.r_[FIRST, sign * FIRST], [0.0]))


def test_a_symmetric_target_does_not_mind():
    held = two_inputs(100, lambda x, y: x[:, 0] + y[:, 0], noise=0.3)
    found = swap(problem(trained(1), held, held))
    assert (found.estimate, found.low, found.high) == pytest.approx((0, 0, 0), abs=1e-6)
    x, y = held.inputs
    assert found.facts["loss"] == pytest.approx(np.mean((held.targets[0][:, 0] - x[:, 0] - y[:, 0]) ** 2), rel=1e-4)
    assert (found.method, found.question, found.unit, found.n) == ("swap", "fact", "loss", 100)


def test_an_ordered_target_does():
    """Of x - y the wrong sign is twice the value: the loss rises by 4 E[(x - y)^2] = 8."""
    held = two_inputs(400, lambda x, y: x[:, 0] - y[:, 0])
    net = trained(-1)
    before = state(net)
    found = swap(problem(net, held, held))
    x, y = held.inputs
    assert found.estimate == pytest.approx(4 * np.mean((x[:, 0] - y[:, 0]) ** 2), rel=1e-4)
    assert 5 < found.low < 8 < found.high < 11
    assert found.facts["loss"] == pytest.approx(0, abs=1e-9)
    assert found.words.startswith("Exchanging the branches changes the loss by +")
    assert_untouched(net, before)


def test_three_branches_move_on_by_one_and_nested_models_are_reached():
    a = [Input((2,), name=f"a{n}") for n in range(3)]
    encoder = layers.Dense(2, name="encoder")
    merged = layers.Concatenate(name="merge")([encoder(one) for one in a])
    inner = keras.Model(a, layers.Dense(1, name="head")(merged), name="inner")
    x = [Input((2,), name=f"x{n}") for n in range(3)]
    net = randomised(keras.Model(x, layers.Dense(1, name="out")(inner(x))))
    arrays = tuple(np.random.default_rng(0).normal(size=(3, 60, 2)).astype("float32"))
    held = examples(arrays, np.asarray(net(list(arrays), training=False)))
    found = swap(problem(net, held, held, site="inner/merge"))
    turned = np.asarray(net([*arrays[1:], arrays[0]], training=False))
    assert found.estimate == pytest.approx(np.mean((turned - held.targets[0]) ** 2), rel=1e-4)


def test_what_swap_refuses():
    held = two_inputs(40, lambda x, y: x[:, 0])

    def refusal(net):
        with pytest.raises(DataError) as caught:
            swap(problem(net, held, held))
        return str(caught.value)

    assert refusal(encoded_pair("add")) == (
        "'merge' is an Add, which no exchange of branches can change; 'swap' asks Concatenates."
    )
    assert refusal(encoded_pair("concat", shared=False)) == (
        "'merge' has branches with layers of their own; 'swap' asks branches that share weights."
    )
