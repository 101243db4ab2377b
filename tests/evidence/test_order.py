"""What the order of added branches tells of the errors: nothing of a symmetric target, of others what Add misses."""

import numpy as np
import pytest
from networks import Input, keras, layers
from problems import encoded_pair, examples, problem, set_weights, two_inputs
from small import assert_untouched, state

from addcat.errors import DataError
from addcat.evidence.order import RIDGE, order

ENCODER = (np.eye(4)[:, :3], np.zeros(3))
FIRST = np.array([[1.0], [0.0], [0.0]])


def trained():
    """The Add network that computes x_0 + y_0."""
    return set_weights(encoded_pair("add"), encoder=ENCODER, head=(FIRST, [0.0]))


def test_of_an_ordered_target_it_tells_what_add_cannot():
    """Of x_0 + y_0 + d (x_0 - y_0) + noise what is missed is d (x_0 - y_0): 2 d^2 of a variance of 2 d^2 + noise^2."""
    held = two_inputs(2000, lambda x, y: x[:, 0] + y[:, 0] + 0.5 * (x[:, 0] - y[:, 0]), noise=0.5)
    net = trained()
    before = state(net)
    found = order(problem(net, held, held))
    assert found.low < 0.5 / 0.75 < found.high
    assert found.high - found.low < 0.2
    assert found.facts["p"] < 1e-9
    assert (found.method, found.question, found.unit, found.n) == ("order", "fact", "share of the residual", 2000)
    assert found.words.startswith("The order of the branches tells 6")
    assert_untouched(net, before)


def test_a_target_that_asks_whether_two_are_alike_is_told_by_sizes_alone():
    held = two_inputs(2000, lambda x, y: x[:, 0] + y[:, 0] + np.abs(x[:, 0] - y[:, 0]), noise=0.5)
    found = order(problem(trained(), held, held))
    assert found.facts["p"] > 0.01
    assert found.facts["p_sizes"] < 1e-9
    plain = two_inputs(2000, lambda x, y: x[:, 0] + y[:, 0], noise=0.5)
    assert order(problem(trained(), plain, plain)).facts["p_sizes"] > 0.01


def test_the_share_is_that_of_the_arrays():
    held = two_inputs(200, lambda x, y: x[:, 0], noise=0.3)
    x, y = (np.asarray(a, np.float64)[:, :3] for a in held.inputs)
    error = held.targets[0] - (x + y)[:, :1]
    halves, less = (slice(0, None, 2), slice(1, None, 2)), []
    for judged, own in (halves, halves[::-1]):
        sums = [np.c_[np.ones(len(x[part])), x[part] + y[part]] for part in (own, judged)]
        apart = [(x[part] - y[part]) / 2 for part in (own, judged)]
        slope = np.linalg.pinv(sums[0]) @ apart[0]
        rest = [apart[i] - sums[i] @ slope for i in (0, 1)]
        second = rest[0].T @ rest[0] / len(rest[0])
        second += RIDGE * np.trace(second) / 3 * np.eye(3)
        step = rest[1] @ np.linalg.solve(second, rest[0].T @ error[own] / len(rest[0]))
        less.append((2 * error[judged] * step - step**2).mean())
    expected = np.mean(less) / np.mean([(error[half] ** 2).mean() for half in halves])
    assert order(problem(trained(), held, held)).estimate == pytest.approx(expected, rel=1e-4)


def test_of_a_symmetric_target_it_tells_nothing_more_often_than_by_chance():
    """60 data sets whose errors are noise: the test at 5 % errs in 5 % of them, give or take two standard errors."""
    sets = [two_inputs(80, lambda x, y: x[:, 0] + y[:, 0], noise=1.0, seed=seed) for seed in range(60)]
    found = [order(problem(trained(), held, held)).facts["p"] for held in sets]
    assert np.mean(np.less(found, 0.05)) <= 0.05 + 2 * (0.05 * 0.95 / 60) ** 0.5
    assert 0.3 < np.mean(np.less(found, 0.5)) < 0.7


def test_classes_and_three_branches():
    """The label is that of the second of three items; Add knows which labels there are, not which item's."""
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=(3, 900))
    arrays = tuple(np.eye(3, dtype="float32")[one] for one in labels)
    x = [Input((3,), name=f"x{place}") for place in range(3)]
    encoder = layers.Dense(3, use_bias=False, name="encoder")
    merged = layers.Add(name="merge")([encoder(one) for one in x])
    net = keras.Model(x, layers.Dense(3, activation="softmax", name="head")(merged))
    net.get_layer("encoder").set_weights([np.eye(3)])
    net.get_layer("head").set_weights([np.eye(3), np.zeros(3)])
    held = examples(arrays, labels[1])
    loss = "sparse_categorical_crossentropy"
    assert order(problem(net, held, held, loss=loss)).facts["p"] < 1e-6
    blind = examples(arrays, rng.integers(3, size=900))
    assert order(problem(net, blind, blind, loss=loss)).facts["p"] > 0.05


def test_maps_are_averaged_over_positions():
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(2, 600, 4, 4, 2)).astype("float32") + rng.normal(size=(2, 600, 1, 1, 2)).astype("float32")
    x, y = Input((4, 4, 2), name="x"), Input((4, 4, 2), name="y")
    encoder = layers.Conv2D(2, 1, name="encoder")
    merged = layers.Add(name="merge")([encoder(x), encoder(y)])
    out = layers.Dense(1, kernel_initializer="zeros", name="head")(layers.GlobalAveragePooling2D()(merged))
    net = keras.Model([x, y], out)
    mean = maps.mean(axis=(2, 3))[..., 0]
    ordered = examples(tuple(maps), (mean[0] - mean[1])[:, None])
    symmetric = examples(tuple(maps), (mean[0] + mean[1])[:, None])
    assert order(problem(net, ordered, ordered)).estimate > 0.95
    assert order(problem(net, symmetric, symmetric)).facts["p"] > 0.01


def test_few_examples_are_taken_where_few_can_be_paid():
    held = two_inputs(400, lambda x, y: x[:, 0])
    assert order(problem(trained(), held, held), most=100).n == 100


def test_what_order_refuses():
    held = two_inputs(40, lambda x, y: x[:, 0])

    def refusal(net, held=held):
        with pytest.raises(DataError) as caught:
            order(problem(net, held, held))
        return str(caught.value)

    assert refusal(encoded_pair("concat")) == (
        "'merge' is a Concatenate, which sees the order of its branches; 'order' asks Adds."
    )
    assert refusal(encoded_pair("add", shared=False)) == (
        "'merge' has branches with layers of their own; 'order' asks branches that share weights."
    )
    assert refusal(encoded_pair("add"), two_inputs(30, lambda x, y: x[:, 0])) == (
        "'order' needs two halves of 20 held-out examples or more without a repeat in both, got halves of 15 and 15."
    )
