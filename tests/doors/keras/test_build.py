"""Changed and new layers of Keras: every setting that a rewrite changes is there, or is refused by name."""

import numpy as np
import pytest
from networks import Input, keras, layers
from small import model

from addcat.doors.keras.build import missing
from addcat.doors.keras.read import read
from addcat.doors.keras.write import write
from addcat.errors import ModelError
from addcat.graph import Edge, Node, Tensor, Weight
from addcat.rules import RULES, Proposal


def drawn(*chain, size=(9, 8, 4)):
    """A model of layers in a row, all weights at random."""
    x = end = Input(size, name="x")
    for layer in chain:
        end = layer(end)
    net = model(x, end)
    random = np.random.default_rng(0)
    for weight in net.weights:
        weight.assign(random.uniform(0.3, 1.0, weight.shape))
    return net


def applied(net, rule):
    graph = read(net)
    (found,) = [one for r in RULES if r.name == rule for one in r.find(graph) if isinstance(one, Proposal)]
    return next(r for r in RULES if r.name == rule).apply(graph, found)


CASES = {
    "the outer function": ("compose", [layers.Conv2D(6, 3), layers.Conv2D(3, 1, activation="relu")]),
    "the inner taps": ("compose", [layers.Conv2D(6, 1, use_bias=False), layers.Conv2D(3, 3, activation="tanh")]),
    "a bias of a depthwise convolution": (
        "affine-after", [layers.DepthwiseConv2D(3, use_bias=False, depth_multiplier=2), layers.BatchNormalization()],
    ),
    "a convolution of as many groups as channels": (
        "affine-after", [layers.Conv2D(8, 3, groups=4, use_bias=False), layers.BatchNormalization()],
    ),
    "a bias of a separable convolution": (
        "affine-after", [layers.SeparableConv2D(5, 3, use_bias=False), layers.BatchNormalization()],
    ),
    "a function after transposed taps": (
        "transposed-compose",
        [layers.Conv2DTranspose(4, 2, strides=2, use_bias=False),
         layers.Conv2D(3, 3, padding="same", activation="sigmoid")],
    ),
    "the softmax of a split layer": ("split", [layers.Dense(3, activation="softmax")]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_a_rule_changes_is_in_the_layer(case):
    rule, chain = CASES[case]
    if rule == "split":
        x, y = Input((5,), name="x"), Input((4,), name="y")
        net = keras.Model([x, y], chain[0](layers.Concatenate()([x, y])))
    else:
        net = drawn(*chain)
    graph = applied(net, rule)
    assert [missing(node) for node in graph.nodes.values()] == [""] * len(graph.nodes)
    data = [np.random.default_rng(1).normal(size=(2, *i.shape[1:])).astype("float32") for i in net.inputs]
    expected, found = (keras.ops.convert_to_numpy(m(data if len(data) > 1 else data[0])) for m in (net, write(graph)))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def twice_as_much(x):
    return 2 * x


@pytest.mark.parametrize(
    ("rule", "chain", "reason"),
    [
        (
            "early-stride",
            [layers.Conv2D(8, 3, padding="same", name="a"), layers.Conv2D(3, 1, strides=2, name="b")],
            "'a' would be a conv padded by ((1, 1), (1, 1)), for which Keras has no layer",
        ),
        (
            "nearest-conv",
            [layers.UpSampling2D(2), layers.Conv2D(3, 3, padding="same", activation=twice_as_much, name="c")],
            "'c_transposed' would end in custom:twice_as_much, which Keras does not know by its name",
        ),
    ],
)
def test_what_keras_has_no_layer_for_is_refused_by_name(rule, chain, reason):
    graph = applied(drawn(*chain, size=(8, 8, 4)), rule)
    assert reason in [missing(node) for node in graph.nodes.values()]
    with pytest.raises(ModelError) as caught:
        write(graph)
    assert str(caught.value) == f"{reason}."


def test_an_operation_without_a_layer_is_missing():
    value = {"value": Weight.of(np.ones(()))}
    gain = Node("g", "gain", (Edge("x"),), (Tensor((None, 4)),), weights=value, channel_axis=1)
    assert missing(gain) == "'g' would be a new gain, for which Keras has no layer"
    ones, kernel = (2, 2), {"kernel": Weight.of(np.ones((3, 2, 3, 3)))}
    settings = {"strides": ones, "dilation": ones, "padding": "same", "activation": "linear"}
    conv = Node("c", "conv", (Edge("x"),), (Tensor((None, 4, 4, 3)),), settings, kernel, channel_axis=3)
    assert missing(conv).startswith("'c' would be a new conv, which Keras does not make: `strides > 1` not supported")
