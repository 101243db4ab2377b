"""Parameters, multiply-adds, bytes and the peak of live activations: by hand, and against independent counts."""

import networks
import numpy as np
import pytest
from graphs import Sketch
from networks import Input, keras, layers, ops
from small import model

from addcat.doors.keras import read
from addcat.graph import Edge, Graph, Node, Tensor
from addcat.graph.cost import live_peak, multiply_adds, parameters, size, tensor_bytes, total_multiply_adds

SMALL = ("residual", "nested", "two_tower_shared", "shared_layers", "multi_output", "masks", "attention", "sequential")


@pytest.mark.parametrize("name", SMALL)
def test_parameters_are_those_of_keras(name):
    assert parameters(read(networks.network(name))) == networks.network(name).count_params() > 0


def test_shared_weights_count_once():
    x, y = Input((4,), name="x"), Input((4,), name="y")
    dense = layers.Dense(5)
    net = model([x, y], [dense(x), dense(y)])
    assert parameters(read(net)) == net.count_params() == 25


def macs(layer, shape=(8, 8, 6)):
    x = Input(shape, name="x")
    return total_multiply_adds(read(model(x, layer(x))))


BY_HAND = {
    "dense": (layers.Dense(10), (6,), 6 * 10),
    "dense on a sequence": (layers.Dense(10), (5, 6), 5 * 6 * 10),
    "conv same": (layers.Conv2D(10, 3, padding="same"), (8, 8, 6), 64 * 10 * 6 * 9),
    "conv valid": (layers.Conv2D(10, 3), (8, 8, 6), 36 * 10 * 6 * 9),
    "conv stride": (layers.Conv2D(10, 3, strides=2, padding="same"), (8, 8, 6), 16 * 10 * 6 * 9),
    "conv dilated": (layers.Conv2D(10, 3, dilation_rate=2), (8, 8, 6), 16 * 10 * 6 * 9),
    "conv groups": (layers.Conv2D(10, 3, groups=2), (8, 8, 6), 36 * 10 * 3 * 9),
    "conv 1d": (layers.Conv1D(10, 3, padding="causal"), (8, 6), 8 * 10 * 6 * 3),
    "conv 3d": (layers.Conv3D(2, 2), (4, 4, 4, 3), 27 * 2 * 3 * 8),
    "depthwise": (layers.DepthwiseConv2D(3, depth_multiplier=2), (8, 8, 6), 36 * 12 * 9),
    "separable": (layers.SeparableConv2D(10, 3, depth_multiplier=2), (8, 8, 6), 36 * (12 * 9 + 12 * 10)),
    "transposed": (layers.Conv2DTranspose(10, 3, strides=2, padding="same"), (8, 8, 6), 64 * 10 * 6 * 9),
    "batch norm": (layers.BatchNormalization(), (8, 8, 6), 0),
    "relu": (layers.ReLU(), (8, 8, 6), 0),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_multiply_adds_by_hand(name):
    layer, shape, count = BY_HAND[name]
    assert macs(layer, shape) == (count, ())


def test_channels_first_counts_the_same():
    x = Input((6, 8, 8), name="x")
    net = model(x, layers.Conv2D(10, 3, data_format="channels_first")(x))
    assert total_multiply_adds(read(net)) == (36 * 10 * 6 * 9, ())


def counted_by_ones(net):
    """Multiply-adds of a network without biases or padding: where all weights and inputs are 1, outputs count them."""
    total = 0
    for layer in net.layers:
        if layer.weights:
            layer.set_weights([np.ones(weight.shape) for weight in layer.weights])
            source = layer.input
            total += float(np.sum(layer(np.ones((1, *source.shape[1:]), "float32"))))
    return round(total)


def test_multiply_adds_against_a_network_that_counts_itself():
    x = Input((9, 9, 3), name="x")
    y = layers.Conv2D(4, 3, strides=2, use_bias=False)(x)
    y = layers.DepthwiseConv2D(2, use_bias=False)(y)
    y = layers.Conv2D(6, 2, groups=2, use_bias=False)(layers.ReLU()(y))
    y = layers.Conv2DTranspose(5, 3, strides=2, use_bias=False)(y)
    y = layers.Dense(7, use_bias=False)(layers.Flatten()(y))
    net = model(x, y)
    assert total_multiply_adds(read(net)) == (counted_by_ones(net), ())


def test_every_call_costs_and_layers_that_nobody_looks_into_are_named():
    x = Input((5, 4), name="x")
    dense = layers.Dense(4)
    y = dense(dense(x))
    net = model(x, [layers.MultiHeadAttention(1, 2, name="mha")(y, y), layers.GRU(2, name="gru")(y)])
    assert total_multiply_adds(read(net)) == (2 * 5 * 16, ("mha", "gru"))
    nested = read(networks.network("nested"))
    assert total_multiply_adds(nested)[0] == 2 * 64 * 9 * 4 * 4 + 4 * 2


def test_what_is_unknown_stays_unknown():
    graph = read(networks.network("unknown_sizes"))
    conv = next(node for node in graph.nodes.values() if node.op == "conv")
    assert multiply_adds(graph, conv) is None
    assert total_multiply_adds(graph)[0] is None
    assert live_peak(graph) == (None, "")
    assert parameters(graph) == networks.network("unknown_sizes").count_params()


def test_a_rung_of_projections_counts_both_matrices():
    x, y = Input((5, 4), name="x"), Input((5, 4), name="y")
    from addcat.layers import ProjectedAdd

    net = model([x, y], ProjectedAdd(3)([x, y]))
    assert total_multiply_adds(read(net)) == (5 * 2 * (3 * 4 + 4 * 3), ())


@pytest.mark.parametrize(
    ("dtype", "each"), [("float32", 4), ("float16", 2), ("bfloat16", 2), ("float64", 8), ("int32", 4), ("bool", 1)]
)
def test_bytes_of_a_tensor(dtype, each):
    assert tensor_bytes(Tensor((None, 3, 5), dtype)) == 15 * each
    assert tensor_bytes(Tensor((7, 3, 5), dtype)) == 15 * each  # a batch of one, whatever the model says
    assert tensor_bytes(Tensor((None, None, 5), dtype)) is None


def test_the_size_of_a_scalar_and_of_a_batch():
    assert (size((None,)), size((None, 4))) == (1, 4)


def node(name, channels, *inputs, op="identity"):
    return Node(name, op, tuple(Edge(i) for i in inputs), (Tensor((None, channels)),), channel_axis=1)


def test_the_peak_by_hand():
    #  x: 10 -> a: 30 -> b: 20 -> sum reads a and b: 30
    nodes = [node("x", 10, op="input"), node("a", 30, "x"), node("b", 20, "a"), node("sum", 30, "a", "b")]
    graph = Graph.of(nodes, inputs=["x"], outputs=[Edge("sum")])
    # at a: x 10 + a 30; at b: a 30 + b 20; at sum: a 30 + b 20 + sum 30
    assert live_peak(graph) == (4 * 80, "sum")
    assert live_peak(graph, free={"sum"}) == (4 * 50, "b")
    # an output lives to the end: a 30 + b 20 + c 40, b is dead by then unless it is an output
    nodes = [*nodes[:3], node("c", 40, "b"), node("d", 50, "c")]
    assert live_peak(Graph.of(nodes, inputs=["x"], outputs=[Edge("d")])) == (4 * 90, "d")
    assert live_peak(Graph.of(nodes, inputs=["x"], outputs=[Edge("d"), Edge("a")])) == (4 * 120, "d")


def test_what_nobody_reads_dies_at_once_and_two_outputs_of_a_node_count_both():
    both = Node("split", "split", (Edge("x"),), (Tensor((None, 6)), Tensor((None, 4))), channel_axis=1)
    late = Node("late", "identity", (Edge("split", 1),), (Tensor((None, 4)),), channel_axis=1)
    graph = Graph.of([node("x", 10, op="input"), both, late], inputs=["x"], outputs=[Edge("late")])
    assert live_peak(graph) == (4 * 20, "split")


def test_the_peak_of_a_concatenate_holds_its_branches_too():
    x = Input((8, 8, 4), name="x")
    y = layers.Conv2D(6, 1, name="conv")(x)
    merged = layers.Concatenate(name="cat")([x, y])
    graph = read(model(x, layers.Conv2D(2, 1)(merged)))
    assert live_peak(graph) == (64 * 4 * (4 + 6 + 10), "cat")
    assert live_peak(graph, free={"cat"}) == (64 * 4 * (4 + 6), "conv")


def test_nested_models_peak_at_a_node_inside():
    i = Input((4,), name="i")
    inner = keras.Model(i, layers.Dense(2, name="out")(layers.Dense(100, name="wide")(i)), name="inner")
    x = Input((4,), name="x")
    peak, where = live_peak(read(model(x, ops.relu(inner(x)))))
    assert (peak, where) == (4 * 104, "inner/wide")


def test_graphs_of_our_own_are_costed_without_a_framework():
    sketch = Sketch()
    x = sketch.input(3, (5, 6))
    graph = sketch.graph(sketch.conv(x, 4, 3, bias=True))
    assert parameters(graph) == 4 * 3 * 9 + 4
    assert total_multiply_adds(graph) == (30 * 4 * 3 * 9, ())
