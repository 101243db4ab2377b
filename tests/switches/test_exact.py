"""Every exact rule on graphs computed in float64 by definition: the same function to 1e-12, weights cut in place."""

import numpy as np
import pytest
from graphs import Sketch, feed
from small import evaluate, relative, taken

from addcat.graph import Edge, Refusal, Weight
from addcat.merges import find_merges


def assert_same(old, new, tolerance=1e-12):
    data = feed(old)
    before, after = evaluate(old, data), evaluate(new, data)
    assert max(np.abs(out).max() for out in before) > 1e-3
    assert relative(before, after) < tolerance


def switched(graph, rung, site="merge", **options):
    """Take a step that has to be exact; give the new graph and the rule."""
    before = dict(graph.nodes)
    outcome = taken(graph, site, rung, **options)
    assert not isinstance(outcome, Refusal), outcome
    assert dict(graph.nodes) == before
    assert outcome.exact
    assert_same(graph, outcome.graph)
    return outcome.graph, outcome.rule


def branches(sketch, widths=(4, 4), taps=1, **settings):
    x = sketch.input(3)
    return [sketch.relu(sketch.conv(x, width, taps, **settings)) for width in widths]


CONSUMERS = {
    "pointwise": lambda s, e: s.conv(e, 5, 1),
    "conv": lambda s, e: s.conv(e, 5, 3),
    "stride": lambda s, e: s.conv(e, 5, 3, strides=(2, 2)),
    "valid": lambda s, e: s.conv(e, 5, (3, 2), padding="valid"),
    "dilated": lambda s, e: s.conv(e, 5, 3, dilation=(2, 1)),
    "no bias": lambda s, e: s.conv(e, 5, 3, bias=False),
    "activation": lambda s, e: s.conv(e, 5, 3, activation="relu"),
    "transposed": lambda s, e: s.conv(e, 5, 2, op="conv_transpose", strides=(2, 2), padding="valid"),
    "dense": lambda s, e: s.dense(e, 5) if not s.first else s.conv(e, 5, 1),
    "average pool": lambda s, e: s.conv(s.pool(e), 5, 3),
    "bilinear": lambda s, e: s.conv(s.resize(e, method="bilinear"), 5, 1),
    "dropout": lambda s, e: s.conv(s.node("dropout", e), 5, 1),
    "two": lambda s, e: s.add(s.conv(e, 5, 3), s.conv(s.node("dropout", e), 5, 1)),
    "nested": lambda s, e: s.conv(s.concat(s.relu(Edge("x")), e, s.conv(Edge("x"), 2, 1)), 5, 3),
}


@pytest.mark.parametrize("first", [False, True], ids=["last", "first"])
@pytest.mark.parametrize("name", CONSUMERS)
def test_tie(name, first):
    sketch = Sketch(first=first)
    merge = sketch.add(*branches(sketch), name="merge")
    graph = sketch.graph(CONSUMERS[name](sketch, merge))
    new, rule = switched(graph, "concat")
    assert rule == "tie"
    assert (new.nodes["merge"].op, new.nodes["merge"].channels) == ("concat", 8)
    assert set(new.nodes) == set(graph.nodes)
    back, rule = switched(new, "add")
    assert rule == "equal parts"
    assert_same(graph, back)
    assert {k: w.shape for n in back.nodes.values() for k, w in n.weights.items()} == {
        k: w.shape for n in graph.nodes.values() for k, w in n.weights.items()
    }


def separable(sketch, edge, multiplier=2):
    channels = sketch.channels(edge)
    weights = {
        "depthwise": sketch.draw(multiplier * channels, 1, 3, 3),
        "pointwise": sketch.draw(5, multiplier * channels, 1, 1),
        "bias": sketch.draw(5),
    }
    settings = {"strides": (1, 1), "dilation": (1, 1), "padding": "same", "multiplier": multiplier}
    return sketch.node("separable_conv", edge, weights=weights, activation="linear", **settings)


@pytest.mark.parametrize("multiplier", [1, 2])
def test_tie_of_a_separable_convolution_repeats_both_kernels(multiplier):
    sketch = Sketch()
    inner = sketch.add(*branches(sketch), name="merge")
    wide = sketch.concat(sketch.conv(Edge("x"), 3, 1), inner)
    graph = sketch.graph(separable(sketch, wide, multiplier))
    new, rule = switched(graph, "concat")
    assert rule == "tie"
    back, rule = switched(new, "add")
    assert rule == "equal parts"
    assert_same(graph, back)


@pytest.mark.parametrize("arity", [1, 2, 3, 5])
def test_any_number_of_branches(arity):
    sketch = Sketch()
    merge = sketch.add(*branches(sketch, (4,) * arity), name="merge")
    graph = sketch.graph(sketch.conv(merge, 3, 3))
    new, rule = switched(graph, "concat")
    assert rule == "tie"
    assert new.nodes["merge"].channels == 4 * arity
    assert switched(new, "add")[1] == ("twice" if arity == 1 else "equal parts")


BEHIND = {
    "relu": lambda s, e: s.conv(s.relu(e), 5, 3),
    "norm": lambda s, e: s.conv(s.norm(e), 5, 3),
    "depthwise": lambda s, e: s.conv(s.depthwise(e), 5, 1),
    "max pool": lambda s, e: s.conv(s.pool(e, kind="max"), 5, 1),
    "output": lambda s, e: e,
    "another add": lambda s, e: s.add(e, s.conv(Edge("x"), 4, 1)),
    "groups": lambda s, e: s.conv(e, 4, 1, groups=2),
    "softmax": lambda s, e: s.node("softmax", e, function="softmax"),
}


@pytest.mark.parametrize(
    ("name", "first"),
    [(name, first) for name in BEHIND for first in (False, True) if not (first and name == "softmax")],
)
def test_project_in_front_of_anything(name, first):
    sketch = Sketch(first=first)
    merge = sketch.add(*branches(sketch), name="merge")
    graph = sketch.graph(BEHIND[name](sketch, merge))
    new, rule = switched(graph, "concat")
    assert rule == "project"
    kernel = new.nodes["merge_project"].weight("kernel")
    assert np.array_equal(kernel[:, :, 0, 0] if kernel.ndim > 2 else kernel, np.hstack([np.eye(4)] * 2))
    assert "bias" not in new.nodes["merge_project"].weights
    back, rule = switched(new, "add")
    assert rule == "equal parts"
    assert set(back.nodes) == set(graph.nodes)  # the layer that was added is gone
    assert_same(graph, back)


def test_the_layer_of_a_projection_stays_once_it_is_trained():
    sketch = Sketch()
    graph = sketch.graph(sketch.relu(sketch.add(*branches(sketch), name="merge")))
    new, _ = switched(graph, "concat")
    kernel = new.nodes["merge_project"].weight("kernel") * 1.5
    trained = new.edit(put=[new.nodes["merge_project"].edit(weights={"kernel": kernel})])
    back, rule = switched(trained, "add")
    assert rule == "equal parts"
    assert "merge_project" in back.nodes


@pytest.mark.parametrize("op", ["dense", "conv"])
def test_vectors_sequences_and_volumes_take_the_linear_layer_that_fits(op):
    shapes = {"dense": [(), (5,)], "conv": [(5, 4), (3, 4, 2)]}[op]
    for size in shapes:
        sketch = Sketch()
        x = sketch.input(3, size)
        y = sketch.dense(x, 3)
        graph = sketch.graph(sketch.relu(sketch.add(x, y, name="merge")))
        new, rule = switched(graph, "concat")
        assert (rule, new.nodes["merge_project"].op) == ("project", op)


def test_equal_parts_only_where_they_are_equal():
    sketch = Sketch()
    merge = sketch.concat(*branches(sketch), name="merge")
    graph = sketch.graph(sketch.conv(merge, 5, 3))
    assert taken(graph, "merge", "add").code == "AC109"


@pytest.mark.parametrize("first", [False, True], ids=["last", "first"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("taps", [(1, 1), (3, 1), (1, 3)])
def test_absorb(taps, bias, first):
    sketch = Sketch(first=first)
    x = sketch.input(3)
    inner = {"bias": bias and taps[1] == 1}
    sketch_branches = [sketch.conv(x, width, taps[0], **inner) for width in (2, 5, 3)]
    merge = sketch.concat(*sketch_branches, name="merge")
    graph = sketch.graph(sketch.relu(sketch.conv(merge, 4, taps[1], bias=bias, name="head")))
    new, rule = switched(graph, "add")
    assert rule == "absorb"
    assert "head" not in new.nodes
    assert new.nodes["merge"].channels == 4
    biased = ["bias" in new.nodes[edge.node].weights for edge in new.nodes["merge"].inputs]
    assert biased == [bias or inner["bias"], False, False]  # once


def test_absorb_in_another_order():
    sketch = Sketch()
    x, y = sketch.input(3, (), "x"), sketch.input(4, (), "y")
    a, b = sketch.dense(x, 2, name="a"), sketch.dense(y, 5, name="b")
    graph = sketch.graph(sketch.dense(sketch.concat(b, a, name="merge"), 3))
    new, rule = switched(graph, "add")
    assert (rule, [edge.node for edge in new.nodes["merge"].inputs]) == ("absorb", ["b", "a"])


def test_the_activation_of_an_absorbed_layer_stays_where_it_was():
    sketch = Sketch()
    x = sketch.input(3, ())
    merge = sketch.concat(sketch.dense(x, 2), sketch.dense(x, 5), name="merge")
    graph = sketch.graph(sketch.dense(merge, 3, activation="tanh", name="head"))
    new, rule = switched(graph, "add")
    assert (rule, new.nodes["head"].op, new.nodes["head"].attrs["function"]) == ("absorb", "activation", "tanh")


@pytest.mark.parametrize("taps", [(2, 1), (1, 2)])
def test_absorb_with_strided_branches_and_even_taps(taps):
    sketch = Sketch()
    x = sketch.input(3, (6, 6))
    strides = (2, 2) if taps[0] > 1 else (1, 1)
    parts = [sketch.conv(x, 4, taps[0], strides=strides, bias=False) for _ in range(2)]
    graph = sketch.graph(sketch.conv(sketch.concat(*parts, name="merge"), 3, taps[1]))
    assert switched(graph, "add")[1] == "absorb"


def test_twice():
    sketch = Sketch()
    x = sketch.relu(sketch.input(3))
    graph = sketch.graph(sketch.conv(sketch.concat(x, x, x, name="merge"), 4, 3))
    new, rule = switched(graph, "add")
    assert rule == "twice"
    assert switched(new, "concat")[1] == "tie"


def test_a_separable_convolution_that_reads_one_tensor_twice_has_no_single_kernel():
    sketch = Sketch()
    x = sketch.relu(sketch.input(3))
    graph = sketch.graph(separable(sketch, sketch.concat(x, x, name="merge")))
    assert taken(graph, "merge", "add").code == "AC109"
    head = graph.nodes[graph.outputs[0].node]
    equal = {"depthwise": np.tile(head.weight("depthwise")[:6], (2, 1, 1, 1))}
    equal["pointwise"] = np.tile(head.weight("pointwise")[:, :6], (1, 2, 1, 1))
    assert switched(graph.edit(put=[head.edit(weights=equal)]), "add")[1] == "twice"


def test_a_rung_is_recognised_and_left_alone():
    sketch = Sketch()
    graph = sketch.graph(sketch.relu(sketch.add(*branches(sketch), name="merge")))
    assert switched(graph, "add") == (graph, "unchanged")
    raised = taken(graph, "merge", "low_rank:2").graph
    assert switched(raised, "low_rank:2") == (raised, "unchanged")
    assert switched(raised, "low_rank:3")[1] == "lower"


def test_several_sites_one_after_the_other():
    sketch = Sketch()
    a, b = branches(sketch)
    first = sketch.add(a, b, name="first")
    second = sketch.add(sketch.conv(first, 4, 3), first, name="second")
    graph = sketch.graph(sketch.conv(second, 5, 1))
    for order in (("first", "second"), ("second", "first")):
        new = graph
        for site in order:
            new, _ = switched(new, "concat", site=site)
        assert_same(graph, new)
        for site in reversed(order):
            new, _ = switched(new, "add", site=site)
        assert_same(graph, new)
        assert set(new.nodes) == set(graph.nodes)


def fields_of(node):
    names = ("name", "op", "inputs", "outputs", "attrs", "weights", "channel_axis", "layer", "body", "native", "edited")
    return {name: getattr(node, name) for name in names}


def test_frozen_kernels_stay_frozen_and_biases_are_left_alone():
    sketch = Sketch()
    graph = sketch.graph(sketch.conv(sketch.add(*branches(sketch), name="merge"), 5, 3, name="head"))
    head = graph.nodes["head"]
    kernel = head.weights["kernel"]
    frozen = Weight(kernel.shape, kernel.read, kernel.key, trainable=False)
    graph = graph.edit(put=[type(head)(**{**fields_of(head), "weights": {**head.weights, "kernel": frozen}})])
    new, _ = switched(graph, "concat")
    assert not new.nodes["head"].weights["kernel"].trainable
    assert new.nodes["head"].weights["bias"] is head.weights["bias"]


def test_drop_has_no_exact_form():
    sketch = Sketch()
    graph = sketch.graph(sketch.relu(sketch.add(*branches(sketch), name="merge")))
    refused = taken(graph, "merge", "drop")
    assert refused.code == "AC114"
    assert refused.reason == (
        "what the other branches of 'merge' add is lost: give data, and the closest network is fitted"
    )


def test_the_sites_of_a_graph_are_what_inspect_names():
    sketch = Sketch()
    graph = sketch.graph(sketch.relu(sketch.add(*branches(sketch), name="a/b")))
    assert [merge.site for merge in find_merges(graph)] == ["a/b"]
    assert switched(graph, "concat", site="a/b")[1] == "project"


def test_a_grouped_convolution_takes_no_projection_of_low_rank():
    """Its kernel reads a part of the channels, so W (I + U D) has no place in it."""
    sketch = Sketch()
    x = sketch.input(4)
    left, right = (sketch.conv(x, 4, 1, groups=2) for _ in range(2))
    graph = sketch.graph(sketch.conv(sketch.add(left, right, name="merge"), 3, 1))
    risen = taken(graph, "merge", "low_rank:1").graph
    node = risen.nodes["merge"]
    rng = np.random.default_rng(0)
    drawn = {name: rng.normal(size=node.weights[name].shape) for name in ("down", "up")}
    moved = node.edit(weights=drawn)
    refused = taken(risen.edit(put=[moved]), "merge", "add")
    assert isinstance(refused, Refusal)
    assert refused.code == "AC112"
    plain = Sketch()
    x = plain.input(4)
    graph = plain.graph(plain.conv(plain.add(*(plain.conv(x, 4, 1) for _ in range(2)), name="merge"), 3, 1))
    risen = taken(graph, "merge", "low_rank:1").graph
    moved = risen.nodes["merge"].edit(weights=drawn)
    switched(risen.edit(put=[moved]), "add")
