"""The price of a merge and of the other one: by hand, and against what a switch really costs."""

from dataclasses import replace

import networks
import pytest
from graphs import Sketch
from networks import Input, layers
from small import dense_net, mlp, model, taken

from addcat.doors.keras import read
from addcat.graph import Edge, Weight
from addcat.graph.cost import parameters, tensor_bytes, total_multiply_adds
from addcat.merges import find_merges
from addcat.merges.price import Cost, price, switched
from addcat.merges.switchability import exact_form


def priced(graph, site="merge"):
    (merge,) = [merge for merge in find_merges(graph) if merge.site == site]
    return price(graph, merge)


def test_an_add_before_a_dense_layer():
    found = priced(read(dense_net("add")))  # 4 + 4 -> Dense(3)
    assert found.now == Cost(parameters=4 * 3 + 3, multiply_adds=12, bytes=16)
    assert found.after == Cost(parameters=8 * 3 + 3, multiply_adds=24, bytes=32)
    assert found.direct


def test_a_concatenate_of_unequal_branches_pays_for_its_projections():
    found = priced(read(mlp(2, 4)))
    assert found.now == Cost(parameters=6 * 3 + 3, multiply_adds=18, bytes=24)
    assert found.after == Cost(parameters=4 * 3 + 3 + 2 * 4, multiply_adds=12 + 8, bytes=16)


def test_a_merge_that_is_an_output_pays_for_a_layer_behind():
    x = Input((6, 6, 4), name="x")
    graph = read(model(x, layers.Add(name="merge")([x, layers.ReLU()(x)])))
    assert priced(graph).now == Cost(parameters=0, multiply_adds=0, bytes=4 * 144)
    assert priced(graph).after == Cost(parameters=32, multiply_adds=36 * 32, bytes=4 * 288)


def test_a_merge_without_another_has_no_second_price():
    x, y = Input((8, 8, 4), name="x"), Input((1, 1, 4), name="y")
    found = priced(read(model([x, y], layers.Conv2D(2, 1)(layers.Add(name="merge")([x, y])))))
    assert (found.now.parameters, found.after) == (4 * 2 + 2, None)


def test_unknown_sizes_leave_multiply_adds_unknown_and_parameters_not():
    x = Input((None, None, 4), name="x")
    found = priced(read(model(x, layers.Conv2D(2, 1)(layers.Add(name="merge")([x, layers.ReLU()(x)])))))
    assert found.after == Cost(parameters=8 * 2 + 2, multiply_adds=None, bytes=None)


def test_a_consumer_that_reads_twice_is_paid_once():
    x = Input((4,), name="x")
    inner = layers.Concatenate(name="merge")([x, layers.ReLU()(x)])
    net = model(x, layers.Dense(3)(layers.Concatenate(name="outer")([inner, x, inner])))
    found = priced(read(net))
    assert found.now.parameters == 20 * 3 + 3
    assert not found.direct


def prelu(sketch, edge, *, shared):
    """A PReLU with a slope for each channel and place, or one for all channels of a place."""
    shape = sketch.values[edge].shape
    node = sketch.nodes[-1].edit(name="prelu", op="prelu", inputs=(edge,), weights={}, attrs={})
    alpha = sketch.draw(*shape[1:-1], 1 if shared else shape[-1])
    sketch.nodes.append(replace(node, attrs={}, weights={"alpha": Weight.of(alpha)}))
    sketch.values[Edge("prelu")] = sketch.values[edge]
    return Edge("prelu")


def behind(sketch, edge, kind):
    """What stands behind the merge."""
    if kind == "conv":
        return sketch.conv(edge, 5, 3)
    if kind == "separable":
        channels = sketch.channels(edge)
        drawn = {"depthwise": sketch.draw(2 * channels, 1, 3, 3), "pointwise": sketch.draw(5, 2 * channels, 1, 1)}
        settings = {"strides": (1, 1), "dilation": (1, 1), "padding": "same", "multiplier": 2, "activation": "linear"}
        return sketch.node("separable_conv", edge, weights=drawn, **settings)
    if kind == "pooled":
        return sketch.conv(sketch.pool(edge), 5, 1)
    if kind == "two":
        return sketch.add(sketch.conv(edge, 5, 1), sketch.conv(edge, 5, 3))
    return sketch.relu(edge)


def assert_gains(old, new, before, after):
    """Whether one graph costs more than another by what two prices say."""
    assert parameters(new) - parameters(old) == after.parameters - before.parameters
    gained = total_multiply_adds(new)[0] - total_multiply_adds(old)[0]
    assert gained == after.multiply_adds - before.multiply_adds
    assert after.bytes == tensor_bytes(new.nodes["merge"].outputs[0])


def assert_switched_as_priced(graph, to):
    merge = next(merge for merge in find_merges(graph) if merge.site == "merge")
    form = exact_form(graph, merge)
    outcome = taken(graph, "merge", to)
    assert outcome.rule == form
    assert_gains(graph, outcome.graph, price(graph, merge).now, switched(graph, merge, form))
    return form


@pytest.mark.parametrize("kind", ["conv", "separable", "pooled", "two", "relu", "relu conv"])
@pytest.mark.parametrize("arity", [2, 3])
def test_an_exact_switch_of_an_add_costs_what_was_said(kind, arity):
    sketch = Sketch()
    x = sketch.input(3)
    merge = sketch.add(*(sketch.conv(x, 4, 1) for _ in range(arity)), name="merge")
    if kind == "relu conv":
        merge, kind = sketch.relu(merge), "conv"
    graph = sketch.graph(behind(sketch, merge, kind))
    form = assert_switched_as_priced(graph, "concat")
    assert (form == "project") == ("activation" in {node.op for node in graph.nodes.values()})


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("taps", [(1, 3), (3, 1), (1, 1)])
def test_an_exact_switch_of_a_concatenate_costs_what_was_said(taps, bias):
    sketch = Sketch()
    x = sketch.input(3)
    settings = {"bias": bias and taps[1] == 1}
    merge = sketch.concat(*(sketch.conv(x, width, taps[0], **settings) for width in (2, 5)), name="merge")
    graph = sketch.graph(sketch.conv(merge, 4, taps[1], bias=bias))
    assert assert_switched_as_priced(graph, "add") == "absorb"
    twice = Sketch()
    x = twice.input(3)
    merge = twice.concat(x, x, name="merge")
    assert assert_switched_as_priced(twice.graph(twice.conv(merge, 4, 3)), "add") == "twice"


def test_the_other_merge_behind_a_nonlinearity_is_cheaper_than_the_switch_that_keeps_the_function():
    graph = read(networks.network("residual"))
    (merge, _) = find_merges(graph)
    assert price(graph, merge).after.parameters == 984 + 960
    assert switched(graph, merge, "project").parameters == 984 + 2 * 8 * 8


@pytest.mark.parametrize("kind", ["conv", "separable", "pooled", "two", "norm", "depthwise", "prelu", "shared prelu"])
@pytest.mark.parametrize("widths", [(4, 4), (4, 2, 4)])
def test_the_price_of_closing_a_concatenate_is_what_the_plain_switch_costs(kind, widths):
    sketch = Sketch()
    x = sketch.input(3)
    merge = sketch.concat(*(sketch.conv(x, width, 1) for width in widths), name="merge")
    if kind == "norm":
        merge, kind = sketch.norm(merge), "conv"
    if kind == "depthwise":
        merge, kind = sketch.depthwise(merge), "conv"
    if kind.endswith("prelu"):
        merge, kind = prelu(sketch, merge, shared="shared" in kind), "conv"
    graph = sketch.graph(behind(sketch, merge, kind))
    found = priced(graph)
    new = taken(graph, "merge", "add", fresh=True).graph
    assert parameters(new) - parameters(graph) == found.after.parameters - found.now.parameters
    gained = total_multiply_adds(new)[0] - total_multiply_adds(graph)[0]
    assert gained == found.after.multiply_adds - found.now.multiply_adds


def test_the_price_in_a_real_network():
    graph = read(networks.network("unet"))
    found = priced(graph, "skip2")
    assert found.direct
    assert found.now.bytes == 4 * 16 * 16 * 20
    assert found.now.multiply_adds == 256 * 20 * 8 * 9
    assert found.after.multiply_adds == 256 * (12 * 8 * 9 + 8 * 12)
