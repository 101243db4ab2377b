"""The rungs between Add and Concatenate: up, down again, opened, and folded into the layers around them."""

import numpy as np
import pytest
from graphs import Sketch
from small import taken

from addcat.graph import Edge
from tests.switches.test_exact import CONSUMERS, branches, fields_of, separable, switched

RUNGS = ["scale", "channel_scale", "low_rank:2"]


@pytest.mark.parametrize("first", [False, True], ids=["last", "first"])
@pytest.mark.parametrize("rung", RUNGS)
def test_up_the_ladder_and_down_again(rung, first):
    sketch = Sketch(first=first)
    merge = sketch.add(*branches(sketch, (4, 4, 4)), name="merge")
    graph = sketch.graph(sketch.relu(merge))
    raised, rule = switched(graph, rung)
    assert rule == "raise"
    lowered, rule = switched(raised, "add")
    assert rule == "lower"
    assert lowered.nodes["merge"].op == "add"
    assert switched(raised, "concat")[1] == "project"


def trained(graph, seed=3):
    """Draw the weights of a rung anew, as if it had been trained."""
    node, rng = graph.nodes["merge"], np.random.default_rng(seed)
    drawn = {name: rng.normal(size=weight.shape) for name, weight in node.weights.items()}
    return graph.edit(put=[node.edit(weights=drawn)])


@pytest.mark.parametrize("rung", RUNGS)
def test_a_trained_rung_opens_exactly(rung):
    sketch = Sketch()
    graph = sketch.graph(sketch.relu(sketch.add(*branches(sketch, (4, 4, 4)), name="merge")))
    raised = trained(taken(graph, "merge", rung).graph)
    assert switched(raised, "concat")[1] == "project"


@pytest.mark.parametrize("last", ["conv", "separable", "norm", "dense"])
@pytest.mark.parametrize("rung", ["scale", "channel_scale"])
def test_trained_scales_fold_into_the_layers_before(rung, last):
    sketch = Sketch()
    x = sketch.input(3)
    makers = {
        "conv": lambda: sketch.conv(x, 4, 3),
        "separable": lambda: Edge(separable(sketch, x).node),
        "norm": lambda: sketch.norm(sketch.conv(x, 4, 3)),
        "dense": lambda: sketch.dense(x, 4),
    }
    parts = [makers[last]() for _ in range(2)]
    graph = sketch.graph(sketch.relu(sketch.add(*parts, name="merge")))
    raised = trained(taken(graph, "merge", rung).graph)
    new, rule = switched(raised, "add")
    assert rule == "lower"
    assert new.nodes["merge"].op == "add"
    again, rule = switched(raised, "low_rank:1")  # down to add, and up from there
    assert (rule, again.nodes["merge"].op) == ("lower", "projected_add")


def test_trained_projections_fold_into_linear_layers_and_not_into_batch_norm():
    sketch = Sketch()
    x = sketch.input(3)
    graph = sketch.graph(sketch.relu(sketch.add(sketch.conv(x, 4, 3), sketch.dense(x, 4), name="merge")))
    assert switched(trained(taken(graph, "merge", "low_rank:2").graph), "add")[1] == "lower"
    sketch = Sketch()
    x = sketch.input(3)
    parts = sketch.conv(x, 4, 3), sketch.norm(sketch.conv(x, 4, 3), name="norm")
    graph = sketch.graph(sketch.relu(sketch.add(*parts, name="merge")))
    refused = taken(trained(taken(graph, "merge", "low_rank:2").graph), "merge", "add")
    assert refused.code == "AC112"
    assert refused.reason == (
        "branch 'norm' does not end in a linear layer of its own that could take its scale: "
        "give data, and the closest Add is fitted"
    )


def test_a_norm_without_scale_or_with_another_reader_takes_none():
    for spoiled in ("no scale", "read twice"):
        sketch = Sketch()
        x = sketch.input(3)
        norm = sketch.norm(sketch.conv(x, 4, 1), name="norm")
        if spoiled == "no scale":
            node = sketch.nodes[-1]
            kept = {name: weight for name, weight in node.weights.items() if name != "scale"}
            sketch.nodes[-1] = node.edit(weights={})
            sketch.nodes[-1] = type(node)(**{**fields_of(node), "weights": kept})
        merge = sketch.relu(sketch.add(norm, sketch.conv(x, 4, 1), name="merge"))
        graph = sketch.graph(merge, *([norm] if spoiled == "read twice" else []))
        assert taken(trained(taken(graph, "merge", "scale").graph), "merge", "add").code == "AC112"


@pytest.mark.parametrize("consumer", [CONSUMERS["conv"], separable, CONSUMERS["average pool"]])
def test_one_scale_for_all_branches_goes_into_the_consumers(consumer):
    sketch = Sketch()
    graph = sketch.graph(consumer(sketch, sketch.add(*branches(sketch), name="merge")))
    raised = taken(graph, "merge", "scale").graph
    same = raised.edit(put=[raised.nodes["merge"].edit(weights={"scale": np.full(2, 0.7)})])
    assert switched(same, "add")[1] == "lower"
