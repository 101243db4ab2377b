"""Nested models laid open: the same function, one node a call, weights counted once."""

import networks
import numpy as np
import pytest
from networks import Input, keras, layers, outputs, sample
from small import model

from addcat.doors.keras import probe, read
from addcat.graph import Edge
from addcat.graph.cost import parameters
from addcat.graph.nested import calls_of, flatten


def test_a_graph_without_nested_models_is_itself():
    graph = read(networks.network("multi_output"))
    assert flatten(graph) is graph


def test_names_carry_the_call_and_layers_do_not():
    flat = flatten(read(networks.network("nested")))
    assert all(node.body is None for node in flat.nodes.values())
    called = [name for name in flat.nodes if name.endswith("inner_add")]
    assert sorted(called) == ["middle#2/inner/inner_add", "middle/inner/inner_add"]
    layer = {flat.nodes[name.replace("inner_add", "inner_conv")].layer for name in called}
    assert layer == {"middle/inner/inner_conv"}
    assert flat.calls(flat.nodes["middle/inner/inner_conv"]) == (
        "middle/inner/inner_conv",
        "middle#2/inner/inner_conv",
    )


@pytest.mark.parametrize("name", ["nested", "two_tower_shared", "two_tower_own"])
def test_the_outputs_and_the_parameters_stay(name):
    net = networks.network(name)
    graph = read(net)
    flat = flatten(graph)
    assert parameters(flat) == parameters(graph) == net.count_params()
    data = sample(net)
    arrays = [np.asarray(array) for array in keras.tree.flatten(data)]
    for mine, theirs in zip(probe(graph, list(flat.outputs))(arrays), outputs(net, data), strict=True):
        assert np.allclose(mine, theirs, rtol=1e-5, atol=1e-6)


def test_a_nested_model_that_hands_an_input_through_and_gives_several_outputs():
    i, j = Input((4,), name="i"), Input((4,), name="j")
    inner = keras.Model([i, j], [layers.Dense(3, name="dense")(i), j], name="inner")
    x = Input((4,), name="x")
    first, second = inner([layers.ReLU(name="relu")(x), x])
    flat = flatten(read(model(x, [first, second])))
    assert flat.outputs == (Edge("inner/dense"), Edge("x"))
    assert list(flat.nodes) == ["x", "relu", "inner/dense"]


def test_calls_are_told_by_the_model_they_call_whatever_layers_are_named():
    def inner(name):
        i = Input((4,), name="i")
        return keras.Model(i, layers.Dense(4, name="dense")(i), name=name)

    twice, alone = inner("encoder"), inner("encoder#2")
    x = Input((4,), name="x")
    ends = [twice(x), twice(layers.ReLU(name="relu")(x)), alone(x)]
    graph = read(model(x, layers.Add(name="sum")(ends)))
    assert calls_of(graph, "encoder/dense") == ("encoder/dense", "encoder#2#/dense")
    assert calls_of(graph, "encoder#2#/dense") == ("encoder/dense", "encoder#2#/dense")
    assert calls_of(graph, "encoder#2/dense") == ("encoder#2/dense",)
    assert calls_of(graph, "sum") == ("sum",)
    assert set(flatten(graph).nodes) == {"x", "relu", "sum", "encoder/dense", "encoder#2#/dense", "encoder#2/dense"}


def test_calls_within_calls_follow_the_order_of_the_flattened_graph():
    graph = read(networks.network("nested"))
    expected = [name for name in flatten(graph).nodes if name.endswith("inner_add")]
    assert list(calls_of(graph, "middle/inner/inner_add")) == expected
    assert len(expected) == 2
