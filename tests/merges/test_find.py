"""Merge sites: what counts as one, where it lies, its branches, and models within models."""

import networks
import numpy as np
import pytest
from networks import Input, keras, layers, ops
from small import model

from addcat.doors.keras import read
from addcat.graph import Edge
from addcat.graph.nested import subgraph, walk, with_subgraph
from addcat.merges import describe_merge, find_merges, is_merge


def sites(net):
    return [(merge.site, merge.op) for merge in find_merges(read(net))]


def test_the_sites_of_a_residual_network():
    first, second = find_merges(read(networks.network("residual")))
    assert (first.site, first.op, first.label, first.axis, first.channel_axis) == ("block1_add", "add", "Add", None, 3)
    assert [(b.shape, b.channels) for b in first.branches] == [((None, 8, 8, 8), 8)] * 2
    assert (first.shape, first.calls, first.arity, first.adds) == ((None, 8, 8, 8), 1, 2, True)
    assert second.branches[0].edge == Edge(second.branches[0].producer)


def test_constants_biases_scalars_and_weights_are_not_merges():
    x = Input((5, 4), name="x")
    y = ops.add(x, np.arange(4, dtype="float32")) + 3
    y = 2 * y - np.ones((5, 1), "float32")
    y = y + np.ones((1, 5, 4), "float32")  # Keras says that the batch is 1 from here on
    y = keras.layers.Dense(4)(y)  # a bias

    class Positions(layers.Layer):
        def build(self, shape):
            self.table = self.add_weight(shape=shape[1:])

        def call(self, x):
            return x + self.table

    assert sites(model(x, Positions()(y))) == []


def test_every_merge_of_keras_has_its_name():
    x, y = Input((4,), name="x"), Input((4,), name="y")
    names = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")
    found = [getattr(layers, name)(name=name)([x, y]) for name in names]
    found.append(layers.Dot(1, name="Dot")([x, y]))
    found += [x + y, x - y, x * y, ops.maximum(x, y), ops.minimum(x, y), ops.concatenate([x, y]), ops.stack([x, y])]
    merges = find_merges(read(model([x, y], found)))
    assert {merge.label for merge in merges[:8]} == {*names, "Dot"}
    assert all(merge.site == merge.label for merge in merges if merge.site in names)
    assert sorted(merge.op for merge in merges[8:]) == [
        *("add", "concat", "maximum", "minimum", "multiply", "stack", "subtract"),
    ]


def test_masks_are_not_merges():
    x = Input((4,), name="x")
    both = ops.logical_and(x > 0, x < 1)
    assert sites(model(x, layers.Multiply(name="gate")([x, ops.cast(both, "float32")]))) == [("gate", "multiply")]


def test_sum_makes_an_add_of_zero_and_two_merges():
    x = Input((4,), name="x")
    a, b, c = (layers.Dense(4, name=name)(x) for name in "abc")
    net = model(x, sum([a, b, c]))
    assert sum(type(operation).__name__ == "Add" for operation in net.operations) == 3
    assert [op for _, op in sites(net)] == ["add", "add"]


def test_operators_are_found_although_they_are_no_layers():
    x = Input((4,), name="x")
    net = model(x, layers.Dense(4)(x) + x)
    assert [op for _, op in sites(net)] == ["add"]
    assert not any(type(layer).__name__ == "Add" for layer in net.layers)


def test_a_site_in_nested_models_is_one_with_several_calls():
    (merge,) = find_merges(read(networks.network("nested")))
    assert (merge.site, merge.node, merge.calls) == ("middle/inner/inner_add", "inner_add", 2)


@pytest.fixture(scope="module")
def shared_inside():
    """One inner model, called within two others and outside of them."""
    i, a, b, x = (Input((4,), name=name) for name in "iabx")
    inner = keras.Model(i, layers.Add(name="add")([i, layers.Dense(4)(i)]), name="inner")
    first = keras.Model(a, layers.ReLU()(inner(inner(a))), name="first")
    second = keras.Model(b, layers.Activation("tanh")(inner(b)), name="second")
    return model(x, [first(x), second(x), inner(x)])


def test_a_model_that_several_models_hold_is_one_site(shared_inside):
    (merge,) = find_merges(read(shared_inside))
    assert (merge.site, merge.calls) == ("first/inner/add", 4)


def test_a_new_body_goes_to_every_call(shared_inside):
    graph = read(shared_inside)
    inside, name = subgraph(graph, "first/inner/add")
    assert name == "add"
    new = with_subgraph(graph, "first/inner/add", inside.edit(put=[inside.nodes["add"].edit(attrs={"mark": 1})]))
    marked = [path for path, node, _ in walk(new) if "mark" in node.attrs]
    assert marked == ["first/inner/add"]  # one body still
    bodies = {
        new.nodes["inner"].body,
        new.nodes["second"].body.nodes["inner"].body,
        *(node.body for node in new.nodes["first"].body.nodes.values() if node.body is not None),
    }
    assert len(bodies) == 1
    assert not any("mark" in node.attrs for _, node, _ in walk(graph))


def test_names_with_slashes_are_found_outside_and_inside(shared_inside):
    graph = read(shared_inside)
    outer = graph.edit(put=[graph.nodes["x"].edit(name="first/x")])
    assert subgraph(outer, "first/x") == (outer, "first/x")
    body = graph.nodes["first"].body
    assert subgraph(outer, "first/inner/add")[0] is body.nodes["inner"].body


def test_shared_layers_and_tensors_used_twice():
    merges = {merge.site: merge for merge in find_merges(read(networks.network("shared_layers")))}
    assert set(merges) == {"add", "add#2", "all"}
    assert [branch.producer for branch in merges["all"].branches] == ["norm", "add#2", "norm"]


def test_one_input_is_a_merge_of_one():
    x = Input((4,), name="x")
    (merge,) = find_merges(read(model(x, layers.Concatenate(name="one")([x]))))
    assert (merge.arity, merge.shape) == (1, (None, 4))


@pytest.mark.parametrize(("axis", "counted"), [(-1, 2), (2, 2), (1, 1), (-2, 1)])
def test_the_axis_counts_the_batch_and_from_zero(axis, counted):
    x, y = Input((5, 4), name="x"), Input((5, 4), name="y")
    (merge,) = find_merges(read(model([x, y], layers.Concatenate(axis=axis)([x, y]))))
    assert (merge.axis, merge.channel_axis) == (counted, 2)


def test_channels_of_branches_with_other_ranks_count_from_the_end():
    x, y = Input((10,), name="x"), Input((5, 10), name="y")
    (merge,) = find_merges(read(model([x, y], layers.Add()([x, y]))))
    assert [branch.channels for branch in merge.branches] == [10, 10]


def test_a_graph_of_our_own_is_seen_the_same_way():
    graph = read(networks.network("channels_first"))
    merge = describe_merge(graph, graph.nodes["dense_cat"])
    assert (merge.axis, merge.channel_axis, [b.channels for b in merge.branches]) == (1, 1, [4, 6])
    assert is_merge(graph.nodes["dense_cat"])
    assert not is_merge(graph.nodes["image"])
