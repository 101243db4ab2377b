"""Which axis counts channels, stated or inferred."""

import networks
import pytest
from networks import network

from addcat.doors.keras.read import read
from addcat.graph import Edge, Node, Tensor
from addcat.graph.channels import first_of_images, with_channel_axes

keras, layers = networks.keras, networks.layers


def axes(name: str) -> dict[str, int | None]:
    return {node.name: node.channel_axis for node in read(network(name)).nodes.values()}


@pytest.mark.parametrize("name", ["residual", "unet", "inception", "unknown_sizes"])
def test_channels_are_last_where_the_layers_say_so(name: str) -> None:
    for node in read(network(name)).nodes.values():
        assert node.channel_axis == len(node.shape) - 1


def test_channels_first_spreads_to_operations_that_do_not_say() -> None:
    graph = read(network("channels_first"))
    for node in graph.nodes.values():
        assert node.channel_axis == 1, node.name
    assert graph.nodes["block_add"].channels == 6
    assert graph.nodes["dense_cat"].channels == 10


def test_an_input_takes_the_axis_of_who_reads_it() -> None:
    image = keras.Input((4, 8, 8), name="image")
    x = layers.Add(name="sum")([image, layers.ReLU(name="relu")(image)])
    x = layers.Conv2D(3, 1, data_format="channels_first", name="conv")(x)
    graph = read(keras.Model(image, x))
    assert {name: node.channel_axis for name, node in graph.nodes.items()} == dict.fromkeys(graph.nodes, 1)


def test_global_pooling_leaves_channels_on_axis_one() -> None:
    image = keras.Input((8, 8, 4), name="image")
    flat = layers.GlobalAveragePooling2D(name="flat")(image)
    kept = layers.GlobalMaxPooling2D(keepdims=True, name="kept")(image)
    graph = read(keras.Model(image, [flat, kept]))
    assert (graph.nodes["flat"].channel_axis, graph.nodes["kept"].channel_axis) == (1, 3)
    assert (graph.nodes["flat"].channels, graph.nodes["kept"].channels) == (4, 4)


def test_a_stated_axis_wins_over_the_last() -> None:
    x = keras.Input((4, 6), name="x")
    graph = read(keras.Model(x, layers.BatchNormalization(axis=1, name="norm")(x)))
    assert graph.nodes["norm"].channel_axis == 1
    assert graph.nodes["norm"].channels == 4


def test_a_dense_layer_counts_channels_on_the_last_axis_even_after_another() -> None:
    x = keras.Input((4, 6), name="x")
    y = layers.Dense(5, name="dense")(layers.BatchNormalization(axis=1, name="norm")(x))
    graph = read(keras.Model(x, layers.Activation("relu", name="relu")(y)))
    assert [node.channel_axis for node in graph.nodes.values()] == [1, 1, 2, 2]


def test_sequences_and_tokens() -> None:
    assert axes("attention")["attended"] == 2
    found = axes("masks")
    assert (found["tokens"], found["cat"], found["add"], found["bidirectional"]) == (1, 2, 2, 1)


def test_a_dense_layer_says_where_the_channels_of_what_it_reads_are() -> None:
    def node(name: str, op: str, *inputs: str, **attrs: object) -> Node:
        return Node(name, op, tuple(map(Edge, inputs)), (Tensor((None, 4, 4, 6)),), attrs)

    nodes = [
        node("x", "input"),
        node("y", "input"),
        node("cat", "concat", "x", "y"),
        node("relu", "activation", "cat", function="relu"),
        node("dense", "dense", "relu"),
    ]
    found = with_channel_axes(nodes, default=first_of_images)
    assert {one.name: one.channel_axis for one in found} == dict.fromkeys(["x", "y", "cat", "relu", "dense"], 3)
    assert {one.channel_axis for one in with_channel_axes(nodes[:-1], default=first_of_images)} == {1}
