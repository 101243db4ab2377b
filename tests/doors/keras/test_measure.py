"""Losses and gradients against Keras' own evaluation and against finite differences."""

import numpy as np
import pytest
import small
from networks import Input, keras, layers, randomised

from addcat.data.examples import Examples
from addcat.doors.keras import assign, gradient, losses_of, read, resolve_loss, state
from addcat.doors.keras.measure import layer_at
from addcat.errors import OptionError
from addcat.graph.nested import subgraph


def nested():
    """A convolution at the top, and a model in a model; the inner one is called twice."""
    a = Input((3,), name="a")
    deep = keras.Model(a, layers.Dense(3, activation="tanh", name="dense")(a), name="deep")
    b = Input((3,), name="b")
    encoder = keras.Model(b, layers.Dense(3, name="dense")(deep(b)), name="encoder")
    x = Input((4, 2), name="x")
    h = layers.Flatten()(layers.Conv1D(1, 2, activation="relu", name="conv")(x))
    h = layers.BatchNormalization()(encoder(encoder(h)))
    outputs = [layers.Dense(2, use_bias=False, name="one")(h), layers.Dense(3, activation="softmax", name="two")(h)]
    return randomised(keras.Model(x, outputs, name="nested"))


@pytest.fixture(scope="module")
def setup():
    net, rng = nested(), np.random.default_rng(1)
    x = rng.normal(size=(11, 4, 2)).astype("float32")
    data = Examples((x,), (rng.normal(size=(11, 2)).astype("float32"), rng.integers(0, 3, 11)))
    net.compile("sgd", ["mse", "sparse_categorical_crossentropy"], loss_weights=[1.0, 0.5])
    return net, resolve_loss(net, None, data.targets)[0], data


def test_losses_are_those_of_evaluate(setup, monkeypatch):
    net, losses, data = setup
    found = losses_of(net, losses, data)
    assert found.shape == (11,)
    assert found.dtype == np.float64
    whole = net.evaluate(data.inputs[0], list(data.targets), verbose=0)[0]
    assert found.mean() == pytest.approx(whole, rel=1e-5)
    monkeypatch.setattr("addcat.doors.keras.measure.BATCH", 4)
    np.testing.assert_allclose(losses_of(net, losses, data), found, rtol=1e-5)


def test_gradients_agree_with_finite_differences(setup):
    net, losses, data = setup
    copy = keras.models.clone_model(net)
    copy.set_weights(net.get_weights())
    paths = ["conv", "encoder/dense", "encoder/deep/dense", "one", "two"]
    found = gradient(net, losses, data, paths)
    assert set(found) == {(path, "kernel") for path in paths} | {(path, "bias") for path in paths if path != "one"}
    graph, step = read(net), 1e-2
    for (path, weight), grad in found.items():
        inside, name = subgraph(graph, path)
        node = inside.nodes[name]
        rng = np.random.default_rng(len(path))
        direction = rng.normal(size=grad.shape)
        direction /= np.linalg.norm(direction)
        means = []
        for sign in (1, -1):
            assign(copy, path, node.edit(weights={weight: node.weight(weight) + sign * step * direction}))
            means.append(losses_of(copy, losses, data).mean())
        assign(copy, path, node.edit(weights={weight: node.weight(weight)}))
        slope = (means[0] - means[1]) / (2 * step)
        assert slope == pytest.approx(float(np.sum(grad * direction)), rel=0.02, abs=2e-4), (path, weight)
    np.testing.assert_allclose(losses_of(copy, losses, data), losses_of(net, losses, data), rtol=1e-6)


def test_gradients_of_batches_add_up(setup, monkeypatch):
    net, losses, data = setup
    whole = gradient(net, losses, data, ["encoder/dense"])
    monkeypatch.setattr("addcat.doors.keras.measure.BATCH", 4)
    parts = gradient(net, losses, data, ["encoder/dense"])
    for key, value in whole.items():
        np.testing.assert_allclose(parts[key], value, rtol=1e-5, atol=1e-7)


def test_a_frozen_layer_has_a_gradient_too(setup):
    net, losses, data = setup
    before = gradient(net, losses, data, ["one"])
    copy = keras.models.clone_model(net)
    copy.set_weights(net.get_weights())
    copy.get_layer("one").trainable = False
    np.testing.assert_allclose(gradient(copy, losses, data, ["one"])["one", "kernel"], before["one", "kernel"])


def test_measuring_leaves_the_model_alone(setup):
    net, losses, data = setup
    before = small.state(net)
    gradient(net, losses, data, ["conv"])
    losses_of(net, losses, data)
    kept = state(net)
    for value in kept:
        np.add(value, 1, out=value, casting="unsafe")  # a copy
    small.assert_untouched(net, before)
    assert len(kept) == len(net.variables)


def test_layers_are_found_by_path(setup):
    net, _, _ = setup
    assert layer_at(net, "encoder/deep/dense") is net.get_layer("encoder").get_layer("deep").get_layer("dense")
    assert layer_at(net, "encoder#2/dense") is net.get_layer("encoder").get_layer("dense")


def test_other_backends_are_refused(setup, monkeypatch):
    net, losses, data = setup
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    with pytest.raises(OptionError) as caught:
        gradient(net, losses, data, ["one"])
    assert str(caught.value) == "addcat takes gradients on Keras' JAX and torch backends, not on 'tensorflow'."
