"""Closed forms of what Add forgets, against least squares on the same activations."""

import numpy as np
import pytest
from networks import Input, keras, layers
from problems import encoded_pair, examples, linear_pair, problem, set_weights, two_inputs
from small import model

from addcat.errors import DataError
from addcat.evidence import forward as module
from addcat.evidence.forward import forward

N = 300


def rebuilt(branches, merged):
    """Share of the branches' variance that least squares cannot rebuild from the merged tensor."""
    stacked = np.concatenate(branches, axis=1)
    stacked = stacked - stacked.mean(0)
    design = np.c_[merged, np.ones(len(merged))]
    rest = stacked - design @ np.linalg.lstsq(design, stacked, rcond=None)[0]
    return float((rest**2).sum() / (stacked**2).sum())


def of(x, y, merge="add"):
    data = examples((x, y), np.zeros((len(x), 1)))
    return forward(problem(linear_pair(merge, x.shape[1]), data, data))


def mixed(seed=0, width=3, n=N):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, width))
    return z @ rng.normal(size=(width, width)) + 3, 0.7 * z + rng.normal(size=(n, width))


@pytest.mark.parametrize("merge", ["add", "concat"])
def test_lost_is_what_least_squares_cannot_rebuild(merge):
    x, y = mixed()
    found = of(x, y, merge)
    assert found.estimate == pytest.approx(rebuilt([x, y], x + y), rel=1e-4)
    assert found.low < found.estimate < found.high
    assert (found.method, found.question, found.unit, found.n) == ("forward", "fact", "share of variance", N)


def test_a_constant_branch_is_forgotten_for_free():
    x, _ = mixed()
    found = of(x, np.full_like(x, 2.0))
    assert found.estimate == pytest.approx(0, abs=1e-9)
    assert found.facts["constant_channels"] == 3
    assert "3 of 6 channels are constant." in found.words
    assert found.facts["alignment_as_is"] == 0


def test_constant_everything_has_nothing_to_forget():
    found = of(np.ones((N, 2)), np.zeros((N, 2)))
    assert (found.estimate, found.facts["constant_channels"]) == (0, 4)


def test_a_covariance_without_full_rank():
    x, y = mixed()
    x[:, 2], y[:, 2] = x[:, 0], y[:, 0]  # a channel twice
    assert of(x, y).estimate == pytest.approx(rebuilt([x, y], x + y), rel=1e-4)
    x, y = mixed(n=4, width=6)  # fewer examples than channels
    assert of(x, y).estimate == pytest.approx(rebuilt([x, y], x + y), abs=1e-6)


def test_equal_and_opposite_branches():
    x, _ = mixed()
    assert of(x, x).estimate == pytest.approx(0, abs=1e-9)
    assert of(x, -x).estimate == pytest.approx(1)


def test_channels_in_another_order_are_told():
    x, _ = mixed(width=4)
    rng = np.random.default_rng(5)
    x = rng.normal(size=(N, 4))
    found = of(x, 2 * x[:, [1, 2, 3, 0]] + 0.01 * rng.normal(size=(N, 4)))
    assert found.facts["alignment_as_is"] < 0.2
    assert found.facts["alignment_permuted"] > 0.99
    assert found.facts["linear_cka"] > 0.99
    assert found.facts["scale_ratio"] == pytest.approx(2, rel=0.1)
    assert found.words.startswith("Add forgets ")
    assert found.words.endswith(" as they are, 1.0 after the best reordering.")


def test_branches_of_unequal_width_are_padded():
    rng = np.random.default_rng(0)
    x, y = Input((2,), name="x"), Input((3,), name="y")
    net = model([x, y], layers.Dense(1)(layers.Concatenate(name="merge")([x, y])))
    a, b = rng.normal(size=(N, 2)), rng.normal(size=(N, 3))
    data = examples((a, b), np.zeros((N, 1)))
    found = forward(problem(net, data, data))
    assert found.estimate == pytest.approx(rebuilt([a, b], np.c_[a, np.zeros(N)] + b), rel=1e-4)
    assert "alignment_as_is" not in found.facts


@pytest.mark.parametrize(("second", "expected"), [([1, 1], 0.0), ([-1, -1], 1.0), ([0, 0], None)])
def test_distortion_of_the_best_tied_kernel(second, expected):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, N, 2))
    kernel = np.array([1, 1, *second], float)[:, None]
    net = set_weights(linear_pair("concat", 2), head=(kernel, [0.0]))
    data = examples((x, y), np.zeros((N, 1)))
    found = forward(problem(net, data, data)).facts["distortion of head"]
    output, design = np.c_[x, y] @ kernel, np.c_[x + y, np.ones(N)]
    output = output - output.mean()
    rest = output - design @ np.linalg.lstsq(design, output, rcond=None)[0]
    assert found == pytest.approx(float((rest**2).sum() / (output**2).sum()), abs=1e-5)
    if expected is not None:
        assert found == pytest.approx(expected, abs=0.02)


def test_positions_of_images_count_as_observations():
    x = Input((4, 4, 2), name="x")
    net = model(x, layers.Conv2D(1, 3)(layers.Add(name="merge")([x, layers.Conv2D(2, 1, name="branch")(x)])))
    images = np.random.default_rng(0).normal(size=(20, 4, 4, 2)).astype("float32")
    data = examples(images, np.zeros((20, 2, 2, 1)))
    found = forward(problem(net, data, data))
    branch = np.asarray(net.get_layer("branch")(images)).reshape(-1, 2)
    flat = images.reshape(-1, 2)
    assert found.n == 320
    assert found.estimate == pytest.approx(rebuilt([flat, branch], flat + branch), rel=1e-3)


@pytest.mark.parametrize("calls", [1, 2])
def test_a_merge_in_a_nested_model_is_seen_at_every_call(calls):
    a = Input((2,), name="a")
    dense = layers.Dense(2, activation="tanh", name="dense")
    inner = keras.Model(a, layers.Add(name="merge")([a, dense(a)]), name="inner")
    x = Input((2,), name="x")
    out = x
    for _ in range(calls):
        out = inner(out)
    net = model(x, layers.Dense(1, name="head")(out))
    given = np.random.default_rng(0).normal(size=(N, 2)).astype("float32")
    data = examples(given, np.zeros((N, 1)))
    found = forward(problem(net, data, data, site="inner/merge"))
    pairs = []
    for _ in range(calls):
        branch = np.asarray(dense(given))
        pairs.append((given, branch))
        given = given + branch
    first, second = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    assert found.n == calls * N
    assert found.estimate == pytest.approx(rebuilt([first, second], first + second), rel=1e-3)


def test_one_example_has_no_interval_and_no_variance():
    data = two_inputs(1, lambda x, y: x[:, 0])
    with pytest.raises(DataError) as caught:
        forward(problem(linear_pair("add", 4), data, data))
    assert str(caught.value) == "'merge': 2 examples or more are needed to see variance, got 1."
    data = two_inputs(2, lambda x, y: x[:, 0])
    found = forward(problem(linear_pair("add", 4), data, data))
    assert (found.low, found.high) == (0, 1)  # halves of one example say nothing about noise


def test_activations_that_are_not_finite_are_named():
    net = set_weights(encoded_pair("add", shared=False), other=(np.full((4, 3), np.nan), np.zeros(3)))
    data = two_inputs(10, lambda x, y: x[:, 0])
    with pytest.raises(DataError) as caught:
        forward(problem(net, data, data))
    assert str(caught.value) == ("'other' gives NaN or infinite activations. Check the inputs and the model's weights.")


def test_a_merge_can_be_too_wide(monkeypatch):
    monkeypatch.setattr(module, "MOST_CHANNELS", 7)
    data = two_inputs(10, lambda x, y: x[:, 0])
    with pytest.raises(DataError) as caught:
        forward(problem(linear_pair("add", 4), data, data))
    assert str(caught.value) == "'merge' merges 8 channels; 'forward' takes at most 7."


def test_enough_is_enough(monkeypatch):
    monkeypatch.setattr(module, "MOST_ROWS", 500)
    data = two_inputs(900, lambda x, y: x[:, 0])
    assert forward(problem(linear_pair("add", 4), data, data)).n == 512
