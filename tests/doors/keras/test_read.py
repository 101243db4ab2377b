"""A Keras model as a graph: nodes, edges, weights, nesting; and the texts of what is refused."""

from typing import Any

import networks
import numpy as np
import pytest
from networks import NETWORKS, network

from addcat.doors.keras.read import is_graph, read, reshape_inputs
from addcat.errors import ModelError
from addcat.graph import Edge, Graph
from addcat.graph.operations import OPS

keras, layers = networks.keras, networks.layers


def all_nodes(graph: Graph) -> list[Any]:
    """Every node, those of nested models too, each body once."""
    found, seen, queue = [], set(), [graph]
    while queue:
        one = queue.pop()
        if id(one) not in seen:
            seen.add(id(one))
            found += one.nodes.values()
            queue += [node.body for node in one.nodes.values() if node.body is not None]
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_every_operation_is_a_node_and_every_parameter_is_a_weight(name: str) -> None:
    model = network(name)
    graph = read(model)
    graph.check()
    assert graph.name == model.name
    assert graph.native is model
    assert {node.native.operation for node in graph.nodes.values()} >= set(operations(model))
    assert all(node.op in OPS for node in all_nodes(graph))
    sizes = {weight.key: weight.size for node in all_nodes(graph) for weight in node.weights.values()}
    assert sum(sizes.values()) == model.count_params()
    assert [graph.tensor(edge).shape for edge in graph.outputs] == [
        tuple(tensor.shape) for tensor in keras.tree.flatten(model.outputs)
    ]


@pytest.mark.parametrize("name", NETWORKS)
def test_reading_leaves_the_model_alone(name: str) -> None:
    model = network(name)
    calls = [(operation, len(operation._inbound_nodes)) for operation in operations(model)]
    before = [np.array(variable.value) for variable in model.variables]
    read(model)
    assert calls == [(operation, len(operation._inbound_nodes)) for operation in operations(model)]
    assert all(np.array_equal(a, np.array(v.value)) for a, v in zip(before, model.variables, strict=True))


def operations(model: Any) -> list[Any]:
    """Keras' operations of a model; a Sequential one lists its layers only, without the input."""
    return model.operations if hasattr(model, "operations") else model.layers


def merges_of(name: str) -> list[str]:
    nodes = read(network(name)).nodes.values()
    return [f"{node.name}: {node.op}" for node in nodes if OPS[node.op].merge and node.dtype != "bool"]


@pytest.mark.parametrize(
    ("name", "merges"),
    [
        ("residual", ["block1_add: add", "block2_add: add"]),
        ("unet", ["skip1: add", "skip2: concat"]),
        ("inception", ["mixed: concat"]),
        ("shared_layers", ["add#2: add", "add: add", "all: concat"]),
        ("masks", ["add: add", "cat: concat"]),
        ("sequential", []),
    ],
)
def test_merges_by_name_and_call_site(name: str, merges: list[str]) -> None:
    assert sorted(merges_of(name)) == merges


def test_functions_of_keras_ops_are_merges_only_where_tensors_meet() -> None:
    graph = read(network("functions"))
    ops = [(node.op, len(node.inputs)) for node in graph.nodes.values() if node.op in ("add", "shift", "gain")]
    assert ops == [("add", 2), ("gain", 1), ("shift", 1), ("shift", 1)]
    scalar = {node.op: node.attrs["scalar"] for node in graph.nodes.values() if node.op in ("shift", "gain")}
    assert scalar == {"gain": True, "shift": True}
    assert [node.op for node in graph.nodes.values() if OPS[node.op].merge] == ["add", "concat", "stack", "subtract"]


def test_call_sites_of_shared_layers_are_numbered_in_call_order() -> None:
    graph = read(network("shared_layers"))
    assert graph.calls(graph.nodes["dense"]) == ("dense", "dense#2", "dense#3")
    assert graph.nodes["dense"].inputs == (Edge("x"),)
    assert graph.nodes["dense#2"].inputs == (Edge("norm"),)
    assert graph.nodes["dense#3"].inputs == (Edge("add"),)
    assert {graph.nodes[site].weights["kernel"].key for site in graph.calls(graph.nodes["dense"])} == {
        id(graph.native.get_layer("dense").kernel)
    }
    assert graph.nodes["all"].inputs == (Edge("norm"), Edge("add#2"), Edge("norm"))


def test_a_layer_called_like_a_call_site_gets_no_clash() -> None:
    inputs = keras.Input((4,))
    twice = layers.Dense(4, name="a")
    other = layers.Dense(4, name="a#2")
    graph = read(keras.Model(inputs, [twice(twice(inputs)), other(inputs)]))
    assert list(graph.nodes)[1:] == ["a", "a#2#", "a#2"]
    assert graph.nodes["a#2#"].inputs == (Edge("a"),)


def test_calls_of_one_nested_model_share_one_body() -> None:
    graph = read(network("nested"))
    first, second = graph.nodes["middle"], graph.nodes["middle#2"]
    assert first.op == "model"
    assert first.body is not None
    assert first.body is second.body
    assert first.kind == "Functional"
    assert graph.nodes["head"].kind == "Sequential"
    inner = first.body.nodes["inner"].body
    assert inner is not None
    assert [node.op for node in inner.nodes.values()] == ["input", "conv", "add"]
    assert not inner.nodes["inner_conv"].weights["kernel"].trainable


def test_inputs_and_outputs_keep_the_order_of_the_model() -> None:
    graph = read(network("multi_output"))
    assert graph.inputs == ("x",)
    names = [edge.node for edge in graph.outputs]
    flat = keras.tree.flatten(graph.native.outputs)
    assert names == [tensor._keras_history.operation.name for tensor in flat]
    assert names[-1] == "x"
    assert read(network("two_tower_own")).inputs == ("left", "right")


def test_operations_of_several_outputs() -> None:
    graph = read(network("attention"))
    node = next(node for node in graph.nodes.values() if node.op == "attention")
    assert [tensor.shape for tensor in node.outputs] == [(None, None, 8), (None, 2, None, None)]
    assert graph.outputs[1] == Edge(node.name, 1)
    split = next(node for node in read(network("functions")).nodes.values() if len(node.outputs) == 2)
    assert [len(read(network("functions")).readers(Edge(split.name, i))) for i in (0, 1)] == [1, 1]


def test_canonical_weights_hold_the_values_of_the_model() -> None:
    graph = read(network("inception"))
    conv = next(node for node in graph.nodes.values() if node.op == "conv" and node.attrs["groups"] == 2)
    kernel = keras.ops.convert_to_numpy(conv.native.operation.kernel)
    assert conv.weights["kernel"].shape == conv.weight("kernel").shape == (8, 10, 3, 3)
    assert conv.weight("kernel")[5, 7, 1, 2] == kernel[1, 2, 7, 5]
    depthwise = next(node for node in graph.nodes.values() if node.op == "depthwise_conv")
    kernel = keras.ops.convert_to_numpy(depthwise.native.operation.kernel)
    assert depthwise.weights["kernel"].shape == (16, 1, 3, 3)
    assert depthwise.weight("kernel")[5, 0, 1, 2] == kernel[1, 2, 2, 1]
    norm = next(node for node in graph.nodes.values() if node.op == "batch_norm")
    assert {name: weight.trainable for name, weight in norm.weights.items()} == {
        "scale": True,
        "offset": True,
        "mean": False,
        "variance": False,
    }


def test_masks_are_seen_per_input_and_how_keras_combines_them_is_in_the_graph() -> None:
    graph = read(network("masks"))
    assert [node.op for node in graph.nodes.values() if node.dtype == "bool"].count("concat") == 1
    assert graph.nodes["cat"].attrs["masks"] == graph.nodes["add"].attrs["masks"] == (True, False)


def test_hidden_merges_are_named() -> None:
    assert [node.attrs["hidden"] for node in read(network("masks")).nodes.values() if "hidden" in node.attrs] == [
        "adds its two directions"
    ]
    assert [node.attrs["hidden"] for node in read(network("attention")).nodes.values() if "hidden" in node.attrs] == [
        "concatenates its heads before the output projection"
    ]
    inputs = keras.Input((5, 4))
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4)], name="inner")
    graph = read(keras.Model(inputs, layers.TimeDistributed(inner, name="each")(inputs)))
    assert graph.nodes["each"].attrs["hidden"] == "holds Sequential 'inner', whose merges are not looked into"


def test_a_layer_of_the_users_own_stays_opaque_even_if_it_extends_one_of_keras() -> None:
    class Doubled(layers.Dense):
        def call(self, inputs: Any) -> Any:
            return 2 * super().call(inputs)

    inputs = keras.Input((4,))
    node = read(keras.Model(inputs, Doubled(3, name="own")(inputs))).nodes["own"]
    assert node.op == "opaque"
    assert node.kind == "Doubled"
    assert sorted(weight.shape for weight in node.weights.values()) == [(3,), (4, 3)]


def test_only_the_part_between_inputs_and_outputs_is_read() -> None:
    model = network("residual")
    part = keras.Model(model.inputs, model.get_layer("block1_add").output)
    assert "block2_add" not in read(part).nodes


def test_an_unused_input_is_kept() -> None:
    used, unused = keras.Input((4,), name="used"), keras.Input((3,), name="unused")
    graph = read(keras.Model([used, unused], layers.Dense(2)(used)))
    assert graph.inputs == ("used", "unused")
    assert graph.readers(Edge("unused")) == ()


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__(name="mine")
        self.dense = layers.Dense(2)

    def call(self, inputs: Any) -> Any:
        return self.dense(inputs)


class OwnCall(keras.Model):
    def call(self, inputs: Any) -> Any:
        return 2 * super().call(inputs)


class OwnTraining(keras.Model):
    def train_step(self, *arguments: Any) -> Any:
        return super().train_step(*arguments)


def built_subclassed() -> Any:
    model = Subclassed()
    model(np.ones((1, 4), "float32"))
    return model


def own_call() -> Any:
    inputs = keras.Input((4,))
    return OwnCall(inputs, layers.Dense(2)(inputs), name="mine")


SUBCLASSED = (
    "{0} 'mine' is a subclassed model: its call() is code, and Keras keeps no graph of it. Rebuild it as a Functional "
    "model: inputs = keras.Input(shape); keras.Model(inputs, {0}.call's layers applied to inputs)."
)
NOT_A_MODEL = "{} is not a Keras model. Pass a built keras.Sequential or a Functional keras.Model(inputs, outputs)."
UNBUILT = (
    "Sequential model 'chain' is not built, so its shapes are unknown. "
    "Start it with keras.Input(shape), or call model.build(input_shape)."
)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (Subclassed, SUBCLASSED.format("Subclassed")),
        (built_subclassed, SUBCLASSED.format("Subclassed")),
        (own_call, SUBCLASSED.format("OwnCall")),
        (lambda: keras.Sequential([layers.Dense(2)], name="chain"), UNBUILT),
        (lambda: keras.Sequential(name="chain"), UNBUILT),
        (lambda: 3, NOT_A_MODEL.format("builtins.int")),
        (lambda: None, NOT_A_MODEL.format("builtins.NoneType")),
        (lambda: "model.keras", NOT_A_MODEL.format("builtins.str")),
        (lambda: layers.Dense(3), NOT_A_MODEL.format("keras.src.layers.core.dense.Dense")),
    ],
    ids=["subclassed", "built", "own call", "unbuilt", "empty", "int", "None", "str", "layer"],
)
def test_what_is_no_graph_is_refused(make: Any, text: str) -> None:
    thing = make()
    assert not is_graph(thing)
    with pytest.raises(ModelError) as caught:
        read(thing)
    assert str(caught.value) == text


def test_a_functional_model_with_training_of_its_own_is_a_graph() -> None:
    inputs = keras.Input((4,))
    assert is_graph(OwnTraining(inputs, layers.Dense(2)(inputs)))


def test_a_sequential_model_built_later_is_read() -> None:
    model = keras.Sequential([layers.Dense(3, name="one"), layers.Dense(2, name="two")])
    model.build((None, 5))
    graph = read(model)
    assert [node.op for node in graph.nodes.values()] == ["input", "dense", "dense"]
    assert graph.nodes["two"].shape == (None, 2)


def test_other_input_shapes() -> None:
    graph = reshape_inputs(read(network("unknown_sizes")), ((1, 20, 30, 3),))
    assert graph.nodes["cat"].shape == (1, 20, 30, 12)
    nested = reshape_inputs(read(network("nested")), ((7, 8, 8, 4),))
    assert nested.nodes["middle#2"].shape == (7, 8, 8, 4)
    assert nested.nodes["middle#2"].body.nodes["inner"].shape == (7, 8, 8, 4)


@pytest.mark.parametrize(
    ("shapes", "text"),
    [
        (((1, 8, 8, 3), (2,)), "'unknown_sizes' has 1 input, got 2 shapes. Give one shape for each input."),
        ((), "'unknown_sizes' has 1 input, got 0 shapes. Give one shape for each input."),
    ],
)
def test_number_of_shapes(shapes: Any, text: str) -> None:
    with pytest.raises(ModelError) as caught:
        reshape_inputs(read(network("unknown_sizes")), shapes)
    assert str(caught.value) == text


def test_shapes_that_the_model_does_not_take() -> None:
    inputs = keras.Input((None, 3))
    graph = read(keras.Model(inputs, layers.Dense(2, name="head")(inputs)))
    with pytest.raises(ModelError) as caught:
        reshape_inputs(graph, ((1, 8, 5),))
    assert str(caught.value) == (
        "Dense 'head' does not take inputs of shape (1, 8, 5): Input 0 with name 'None' of layer 'head' is "
        "incompatible with the layer: expected axis -1 of input shape to have value 3, but received input with shape "
        "(1, 8, 5). Pass input shapes that the model was built for."
    )
