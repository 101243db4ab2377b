"""Kernels fitted to data: patches as convolutions read them, least squares by brute force, and what is said of it."""

from itertools import pairwise

import numpy as np
import pytest
from graphs import Sketch, feed
from networks import Input, keras, layers, ops
from reference import values_of
from small import dense_net, difference, model

from addcat.doors.keras import read
from addcat.errors import DataError
from addcat.graph import Edge
from addcat.switches.fit import ROWS_PER_BATCH, fit_kernel, patches
from addcat.verbs.switch import switch

KERNELS = {
    "valid": {"padding": "valid"},
    "same": {"padding": "same"},
    "stride 2 same": {"padding": "same", "strides": 2},
    "stride 3 valid": {"padding": "valid", "strides": 3},
    "stride 2 even": {"padding": "same", "strides": 2, "kernel_size": 4},
    "dilated same": {"padding": "same", "dilation_rate": 2},
    "dilated valid": {"padding": "valid", "dilation_rate": 3},
    "unequal": {"padding": "same", "kernel_size": (3, 2), "strides": (1, 2)},
}


def every_place(shape):
    return np.stack([index.ravel() for index in np.indices(shape)], axis=1)


def assert_reads_as_keras(layer, shape, axis=-1):
    """Whether patches times the kernel are what the layer computes, at every position."""
    x = Input(shape, name="x")
    net = model(x, layer(x))
    node = next(node for node in read(net).nodes.values() if node.weights)
    data = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    out = np.moveaxis(keras.ops.convert_to_numpy(layer(data)), axis, -1)
    kernel = node.weight("kernel").reshape(len(node.weight("kernel")), -1)
    mine = patches(node, data, every_place(out.shape[:-1])) @ kernel.T + node.weight("bias")
    assert np.allclose(mine, out.reshape(-1, out.shape[-1]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", KERNELS)
def test_patches_of_images(name):
    assert_reads_as_keras(layers.Conv2D(3, **{"kernel_size": 3, **KERNELS[name]}), (9, 8, 2))


def test_patches_of_sequences_volumes_and_channels_first():
    assert_reads_as_keras(layers.Conv1D(3, 3, padding="causal", dilation_rate=2), (9, 2))
    assert_reads_as_keras(layers.Conv1D(3, 4, padding="same", strides=2), (9, 2))
    assert_reads_as_keras(layers.Conv3D(3, 2, padding="same"), (4, 3, 5, 2))
    assert_reads_as_keras(layers.Conv2D(3, 3, padding="same", data_format="channels_first"), (2, 5, 6), axis=1)


def test_patches_of_dense_layers():
    assert_reads_as_keras(layers.Dense(3), (4,))
    assert_reads_as_keras(layers.Dense(3), (5, 4))


def pairs(old, new, examples, seed=0, size=(5, 6), held=5):
    """Inputs of two consumers, the second's a linear map of the first's with noise, and the rows that fit."""
    rng = np.random.default_rng(seed)
    before = rng.normal(size=(examples, *size, old.weights["kernel"].shape[1]))
    mixed = before @ rng.normal(size=(before.shape[-1], new.weights["kernel"].shape[1]))
    now = mixed + 0.5 * rng.normal(size=mixed.shape) + 1.0
    kept = np.arange(examples) % held != held - 1
    return before, now, kept


@pytest.mark.parametrize("taps", [1, 3])
def test_the_fit_is_least_squares(taps):
    sketch = Sketch()
    wide, narrow = sketch.input(6, name="x"), sketch.input(3, name="y")
    settings = {"padding": "same" if taps == 3 else "valid"}
    sketch.conv(wide, 4, taps, name="old", **settings)
    sketch.conv(narrow, 4, taps, name="new", **settings)
    graph = sketch.graph()
    old, new = graph.nodes["old"], graph.nodes["new"]
    before, now, kept = pairs(old, new, 20)
    fit = fit_kernel(old, new, lambda _: (before, now), [[before]], seed=0)
    places = every_place((20, 5, 6))
    rows = kept[places[:, 0]]
    target = patches(old, before, places) @ old.weight("kernel").reshape(4, -1).T
    source = np.column_stack([patches(new, now, places), np.ones(len(places))])
    solution, *_ = np.linalg.lstsq(source[rows], target[rows])
    assert np.allclose(fit.kernel.reshape(4, -1), solution[:-1].T, atol=1e-8)
    assert np.allclose(fit.bias, solution[-1], atol=1e-8)
    residual = target[~rows] - source[~rows] @ solution
    spread = target[~rows] - target[~rows].mean(axis=0)
    # the covariance of rows counts n - 1
    n = len(residual)
    lost = ((residual - residual.mean(axis=0)) ** 2).sum() / (n - 1) + (residual.mean(axis=0) ** 2).sum()
    assert fit.distortion == pytest.approx(lost / ((spread**2).sum() / (n - 1)), rel=1e-9)
    assert 0.05 < fit.distortion < 1
    assert fit.rows == rows.sum()


def test_batches_are_pooled_and_the_examples_that_judge_are_counted_through():
    sketch = Sketch()
    wide, narrow = sketch.input(6, (), name="x"), sketch.input(3, (), name="y")
    sketch.dense(wide, 4, name="old")
    sketch.dense(narrow, 4, name="new")
    graph = sketch.graph()
    old, new = graph.nodes["old"], graph.nodes["new"]
    before, now, _ = pairs(old, new, 60, size=())
    whole = fit_kernel(old, new, lambda _: (before, now), [[before]], seed=0)
    cut = [0, 7, 20, 60]
    parts = [(before[a:b], now[a:b]) for a, b in pairwise(cut)]
    queue = iter(parts)
    pooled = fit_kernel(old, new, lambda _: next(queue), [[part[0]] for part in parts], seed=0)
    assert np.allclose(whole.kernel, pooled.kernel, atol=1e-10)
    assert whole.distortion == pytest.approx(pooled.distortion, rel=1e-9)
    assert (whole.rows, pooled.rows) == (48, 48)


def test_positions_are_drawn_where_there_are_many_and_by_the_seed():
    sketch = Sketch()
    x = sketch.input(2, (40, 40), name="x")
    sketch.conv(x, 3, 1, name="old")
    node = sketch.graph().nodes["old"]
    data = np.random.default_rng(0).normal(size=(10, 40, 40, 2))
    noisy = data + np.random.default_rng(1).normal(size=data.shape)
    fits = [fit_kernel(node, node, lambda _: (data, noisy), [[data]], seed=seed) for seed in (0, 0, 1)]
    assert fits[0].rows <= ROWS_PER_BATCH
    assert np.array_equal(fits[0].kernel, fits[1].kernel)
    assert not np.array_equal(fits[0].kernel, fits[2].kernel)


def net_that_loses(merge="concat", head=None):
    """Two inputs whose difference matters: no Add of them keeps it."""
    x, y = Input((4,), name="x"), Input((4,), name="y")
    layer = layers.Concatenate(name="merge") if merge == "concat" else layers.Add(name="merge")
    head = head or layers.Dense(3, name="head")
    return model([x, y], head(layer([layers.ReLU()(x), layers.ReLU()(y)])))


def data_for(net, examples=200, seed=0):
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=(examples, *(s or 8 for s in x.shape[1:]))).astype("float32") for x in net.inputs]
    return arrays if len(arrays) > 1 else arrays[0]


def test_a_concatenate_is_fitted_and_said_to_be():
    net = net_that_loses()
    x, y = data_for(net)
    done = switch(net, {"merge": "add"}, data=([x, y], np.zeros(len(x))))
    (step,) = done.record.steps
    assert (step.rule, step.exact, set(step.distortion)) == ("fit", False, {"head"})
    assert done.record.difference.tolerance is None
    assert done.record.difference.on == "data"
    # by brute force: the outputs of the old head from the sum
    relu = np.maximum
    stacked = np.concatenate([relu(x, 0), relu(y, 0)], axis=1)
    kernel, _ = net.get_layer("head").get_weights()
    target, source = stacked @ kernel, relu(x, 0) + relu(y, 0)
    kept = np.arange(len(x)) % 5 != 4
    solution, *_ = np.linalg.lstsq(np.column_stack([source, np.ones(len(x))])[kept], target[kept])
    assert np.allclose(done.model.get_layer("head").get_weights()[0], solution[:-1], atol=1e-4)
    assert 0.1 < step.distortion["head"] < 1
    assert 0.01 < done.record.difference.relative < 1


def test_a_fit_that_loses_nothing_says_so():
    x = Input((4,), name="x")
    y = layers.Dense(4, name="copy", use_bias=False)(x)
    net = model(x, layers.Dense(3, name="head")(layers.ReLU()(layers.Concatenate(name="merge")([x, y]))))
    net.get_layer("copy").set_weights([np.eye(4)])
    # the head's part for the copy is another: not equal parts, and a ReLU lies between
    done = switch(net, {"merge": "add"}, data=data_for(net))
    assert done.record.steps[0].rule == "fit"
    assert done.record.steps[0].distortion["head"] < 1e-6
    assert difference(net, done.model) < 1e-4


HEADS = {
    "conv": (lambda: layers.Conv2D(3, 3, padding="same", name="head"), "head"),
    "strided": (lambda: layers.Conv2D(3, 3, strides=2, name="head"), "head"),
    "no bias": (lambda: layers.Conv2D(3, 1, use_bias=False, name="head"), "head"),
    "norm": (lambda: lambda x: layers.Conv2D(3, 1, name="head")(layers.BatchNormalization()(x)), "head"),
    "instance norm": (lambda: lambda x: layers.Conv2D(3, 1, name="head")(layers.GroupNormalization(-1)(x)), "head"),
    "layer norm": (lambda: lambda x: layers.Conv2D(3, 1)(layers.LayerNormalization()(x)), "merge_rebuild"),
    "flatten": (lambda: lambda x: layers.Dense(3)(layers.Flatten()(x)), "merge_rebuild"),
    "separable": (lambda: layers.SeparableConv2D(3, 3, name="head"), "merge_rebuild"),
    "groups": (lambda: layers.Conv2D(4, 3, groups=2, name="head"), "merge_rebuild"),
    "output": (lambda: lambda x: x, "merge_rebuild"),
}


@pytest.mark.parametrize("name", HEADS)
def test_what_is_fitted_behind_each_kind_of_reader(name):
    head, target = HEADS[name]
    x = Input((6, 6, 3), name="x")
    parts = [layers.Conv2D(4, 3, padding="same", activation="relu")(x) for _ in range(2)]
    net = model(x, head()(layers.Concatenate(name="merge")(parts)))
    done = switch(net, {"merge": "add"}, data=data_for(net, 40))
    (step,) = done.record.steps
    assert (step.rule, list(step.distortion)) == ("fit", [target])
    assert 0 < step.distortion[target] < 1
    assert done.model.get_layer("merge").output.shape[-1] == 4
    assert done.record.difference.relative < 1.5
    kinds = {type(layer).__name__ for layer in done.model.layers if layer.name == target}
    assert kinds == {"Conv2D"}


def test_two_consumers_are_fitted_each():
    x = Input((4,), name="x")
    merged = layers.Concatenate(name="merge")([x, layers.Dense(4, activation="relu")(x)])
    net = model(x, [layers.Dense(3, name="a")(merged), layers.Dense(2, name="b")(merged)])
    (step,) = switch(net, {"merge": "add"}, data=data_for(net)).record.steps
    assert set(step.distortion) == {"a", "b"}


@pytest.mark.parametrize(("widen", "words"), [("project", "a 1x1 layer that starts as [I; 0]"), ("pad", "zeros")])
def test_unequal_widths_are_widened_and_that_is_said(widen, words):
    x = Input((6, 6, 3), name="x")
    parts = [layers.Conv2D(w, 1, activation="relu", name=f"branch{w}")(x) for w in (2, 4)]
    net = model(x, layers.Conv2D(3, 3, name="head")(layers.Concatenate(name="merge")(parts)))
    done = switch(net, {"merge": "add"}, data=data_for(net, 40), widen=widen)
    assert done.record.steps[0].notes == (f"merge: branch 'branch2' is widened from 2 to 4 channels by {words}.",)
    assert done.record.steps[0].added == ("merge_widen_0",)
    assert done.record.widen == widen
    assert done.model.count_params() == net.count_params() - 2 * 3 * 9 + (8 if widen == "project" else 0)


def test_both_ways_of_widening_start_as_the_same_function():
    x = Input((4,), name="x")
    parts = [layers.Dense(w, activation="relu")(x) for w in (2, 4, 3)]
    net = model(x, layers.Dense(3)(layers.ReLU()(layers.Concatenate(name="merge")(parts))))
    new = [switch(net, {"merge": "add"}, data=data_for(net), widen=widen).model for widen in ("project", "pad")]
    assert difference(*new) < 1e-5


@pytest.mark.parametrize("head", [None, lambda x: x])
def test_drop_keeps_the_branch_that_most_leads_to(head):
    x = Input((4,), name="x")
    deep = layers.Dense(4, activation="relu", name="second")(layers.Dense(4, activation="relu", name="first")(x))
    short = layers.Dense(4, activation="relu", name="short")(x)
    for layer in (layers.Concatenate(name="merge"), layers.Add(name="merge")):
        tail = head or layers.Dense(3, name="head")
        net = model(x, tail(layer([short, deep])))
        done = switch(net, {"merge": "drop"}, data=data_for(net))
        (step,) = done.record.steps
        assert {"short", "merge"} <= set(step.removed)
        assert "second" not in step.removed
        (distortion,) = step.distortion.values()
        assert 0 < distortion < 1


def test_drop_in_a_rung_and_a_rung_in_place_of_a_concatenate():
    net = net_that_loses()
    x, y = data_for(net)
    done = switch(net, {"merge": "low_rank:2"}, data=([x, y], np.zeros(len(x))))
    assert (done.record.steps[0].rule, done.model.get_layer("merge").rank) == ("fit", 2)
    plain = switch(net, {"merge": "add"}, data=([x, y], np.zeros(len(x))))
    assert difference(done.model, plain.model) < 1e-5


def test_the_fit_in_a_model_called_twice_takes_the_rows_of_both_calls():
    i = Input((4,), name="i")
    merged = layers.Concatenate(name="merge")([i, layers.Dense(4, activation="relu")(i)])
    inner = keras.Model(i, layers.Dense(4, activation="relu", name="head")(merged), name="inner")
    x = Input((4,), name="x")
    net = model(x, inner(inner(x)))
    done = switch(net, {"inner/merge": "add"}, data=data_for(net, 100))
    assert set(done.record.steps[0].distortion) == {"head"}
    assert done.model.get_layer("inner").get_layer("head").kernel.shape == (4, 4)
    assert done.model.count_params() == net.count_params() - 16


def test_a_sum_of_functions_is_fitted_too():
    x = Input((4,), name="x")
    parts = [layers.Dense(4, activation="relu")(x) for _ in range(2)]
    net = model(x, layers.Dense(3, name="head")(ops.concatenate(parts, axis=-1)))
    (site,) = [op.name for op in net.operations if type(op).__name__ == "Concatenate"]
    done = switch(net, {site: "add"}, data=data_for(net))
    assert done.record.steps[0].rule == "fit"
    assert not any(type(layer).__name__ == "Add" for layer in done.model.layers)


def test_too_few_rows_and_too_few_examples():
    net = net_that_loses()
    x, y = data_for(net, 5)
    with pytest.raises(DataError) as caught:
        switch(net, {"merge": "add"}, data=([x, y], np.zeros(5)))
    assert str(caught.value) == (
        "4 rows cannot fit the kernel of 'head', which has 4 inputs. Give data of more than 4 positions."
    )
    with pytest.raises(DataError) as caught:
        switch(net, {"merge": "add"}, data=([x[:4], y[:4]], np.zeros(4)))
    assert str(caught.value) == "Got data of 4 examples; every fifth judges the fit of 'head'. Give 5 or more."
    with pytest.raises(DataError) as caught:
        switch(dense_net("concat"), {"merge": "drop"}, data=(np.zeros((1, 4), "f"), np.zeros(1)))
    assert str(caught.value) == "Got data of 1 example; every fifth judges the fit of 'head'. Give 5 or more."


def test_the_reference_agrees_on_where_a_convolution_reads():
    """The patches once more, against the definition in numpy."""
    sketch = Sketch()
    x = sketch.input(3, (7, 8))
    sketch.conv(x, 4, (3, 2), strides=(2, 1), dilation=(1, 2), padding="same", name="conv")
    graph = sketch.graph()
    data = feed(graph)
    out = values_of(graph, data)[Edge("conv")]
    node = graph.nodes["conv"]
    mine = patches(node, data["x"], every_place(out.shape[:-1])) @ node.weight("kernel").reshape(4, -1).T
    assert np.allclose(mine + node.weight("bias"), out.reshape(-1, 4), atol=1e-10)


def test_no_example_of_a_model_called_twice_both_fits_and_judges():
    """Rows of the second call follow those of the first; every fifth example is wild in both, and none of them fits."""
    sketch = Sketch()
    x = sketch.input(3, (), name="x")
    sketch.dense(x, 2, name="old")
    sketch.dense(x, 2, name="new")
    graph = sketch.graph()
    old, new = graph.nodes["old"], graph.nodes["new"]
    rng = np.random.default_rng(0)
    now = rng.normal(size=(38, 3))  # two calls of 19 examples: no multiple of five
    before = now.copy()
    wild = np.arange(38) % 19 % 5 == 4
    before[wild] += 100 * rng.normal(size=(int(wild.sum()), 3))
    found = fit_kernel(old, new, lambda _: (before, now), [[np.zeros((19, 3))]], seed=0)
    assert found.rows == 38 - wild.sum() == 32
    assert np.allclose(found.kernel, old.weight("kernel"), atol=1e-8)
    assert found.distortion > 0.9
