"""Orders that keep little alive, and the sums of two that they need."""

import numpy as np
import pytest
from graphs import Sketch
from rules.checks import same
from rules.test_together import wild

from addcat.graph import Edge, Graph, Node, Tensor
from addcat.graph.order import chained, orders, sizes
from addcat.graph.peak import memory, near_peak, profile, scheduled


def tower(widths: list[int], *, native: object = None) -> Graph:
    """A sum over branches, each of which needs a wide layer for a moment."""
    sketch = Sketch(dtype="float32")
    x = sketch.input(2, (4, 4))
    wide = [sketch.conv(x, width, 1, name=f"wide{i}") for i, width in enumerate(widths)]
    ends = [sketch.conv(edge, 4, 1, name=f"end{i}") for i, edge in enumerate(wide)]
    sketch.node("add", *ends, name="sum")
    sketch.nodes[-1] = sketch.nodes[-1].edit(native=native)
    return sketch.graph()


def test_our_sums_become_chains_of_two() -> None:
    graph = tower([8, 8, 8, 8])
    chain = chained(graph)
    sums = [node for node in chain.nodes.values() if node.op == "add"]
    assert [node.name for node in sums] == ["sum_of2", "sum_of3", "sum"]
    assert all(len(node.inputs) == 2 for node in sums)
    assert chain.outputs == graph.outputs
    assert same(graph, chain)
    assert chained(chain) is chain


def test_sums_that_the_framework_has_stay() -> None:
    graph = tower([8, 8, 8], native=object())
    assert chained(graph) is graph


@pytest.mark.parametrize("seed", range(30))
def test_every_order_runs_and_gives_the_same(seed: int) -> None:
    graph = wild(seed, first=False)
    known = sizes(graph)
    assert known is not None
    for order in orders(graph, known):
        place = {name: i for i, name in enumerate(order)}
        assert all(place[edge.node] < place[name] for name in order for edge in graph.nodes[name].inputs)
        assert {edge.node for edge in graph.outputs} <= place.keys()
    assert same(graph, scheduled(graph))


def test_what_needs_most_goes_first() -> None:
    """Holding the result of the small branch while the wide one is computed costs; the other way round does not."""
    graph = tower([8, 64])
    found = memory(graph)
    assert found is not None
    names = list(found.graph.nodes)
    assert names.index("wide1") < names.index("wide0")
    assert found.peak < max(profile(graph, list(graph.nodes), sizes(graph) or {}))


def test_the_graph_is_written_in_the_order_that_was_counted() -> None:
    graph = tower([8, 16, 32, 16])
    found = memory(graph)
    assert found is not None
    steps = profile(found.graph, list(found.graph.nodes), sizes(found.graph) or {})
    assert max(steps) == found.peak


def test_counting_with_and_without_work_in_place() -> None:
    shape = (Tensor((1, 8)),)
    nodes = [Node("x", "input", outputs=(Tensor((1, 2)),)), Node("wide", "dense", (Edge("x"),), shape)]
    for i in range(3):
        nodes.append(Node(f"a{i}", "activation", (Edge(nodes[-1].name),), shape, {"function": "relu"}))
    graph = Graph.of(nodes, inputs=["x"], outputs=[Edge("a2")])
    found = memory(graph)
    assert found is not None
    assert (found.peak, found.apart) == (40, 64)


def test_an_input_of_the_model_is_not_overwritten() -> None:
    shape = (Tensor((1, 8)),)
    x = Node("x", "input", outputs=shape)
    a = Node("a", "activation", (Edge("x"),), shape, {"function": "relu"})
    found = memory(Graph.of([x, a], inputs=["x"], outputs=[Edge("a")]))
    assert found is not None
    assert found.peak == 64


def test_what_is_read_again_is_not_overwritten() -> None:
    shape = (Tensor((1, 8)),)
    x = Node("x", "input", outputs=shape)
    a = Node("a", "activation", (Edge("x"),), shape, {"function": "relu"})
    both = Node("both", "add", (Edge("x"), Edge("a")), shape)
    found = memory(Graph.of([x, a, both], inputs=["x"], outputs=[Edge("both")]))
    assert found is not None
    assert (found.peak, found.apart) == (64, 96)


def test_terms_that_broadcast_stay_together() -> None:
    full, row = (Tensor((1, 4, 8)),), (Tensor((1, 1, 8)),)
    nodes = [Node(name, "input", outputs=row if name == "c" else full) for name in "abc"]
    both = Node("sum", "add", (Edge("c"), Edge("a"), Edge("b")), full)
    graph = Graph.of([*nodes, both], inputs=list("abc"), outputs=[Edge("sum")])
    assert chained(graph) is graph


def test_rising_and_falling() -> None:
    low, high = memory(tower([8])), memory(tower([64]))
    assert low is not None
    assert high is not None
    assert high.rises_from(low)
    assert low.lower_than(high)
    assert not low.lower_than(low)
    assert not low.rises_from(low)


def test_near_the_peak() -> None:
    near = near_peak(tower([64, 8]))
    assert near is not None
    assert {"wide0", "end0"} <= near
    assert "end1" not in near


def test_unknown_sizes() -> None:
    x = Node("x", "input", outputs=(Tensor((None, None)),))
    graph = Graph.of([x], inputs=["x"], outputs=[Edge("x")])
    assert memory(graph) is None
    assert near_peak(graph) is None
    assert scheduled(graph) is graph
    assert np.all([sizes(graph) is None])
