"""The graph: order, edits that return a new one, readers, ancestors, names."""

import numpy as np
import pytest

from addcat.graph import Edge, Graph, Node, Tensor, Weight


def node(name, *inputs, op="identity", **fields):
    return Node(name, op, tuple(Edge(name) for name in inputs), (Tensor((None, 4)),), channel_axis=1, **fields)


@pytest.fixture
def diamond():
    """x -> a -> (b, c) -> sum."""
    nodes = [
        node("x", op="input"),
        node("a", "x"),
        node("b", "a"),
        node("c", "a"),
        node("sum", "b", "c", op="add"),
    ]
    return Graph.of(nodes, inputs=["x"], outputs=[Edge("sum")])


def test_nodes_given_in_any_order_are_sorted():
    nodes = [node("sum", "b", "x", op="add"), node("b", "a"), node("a", "x"), node("x", op="input")]
    graph = Graph.of(nodes, inputs=["x"], outputs=[Edge("sum")])
    assert list(graph.nodes) == ["x", "a", "b", "sum"]


def test_an_order_that_is_right_is_kept():
    names = ["x", "c", "a", "b"]
    nodes = [node("x", op="input"), node("c", "x"), node("a", "x"), node("b", "a")]
    assert list(Graph.of(nodes, inputs=["x"], outputs=[Edge("b")]).nodes) == names


def test_a_deep_graph_needs_no_recursion():
    nodes = [node("n0", op="input"), *(node(f"n{i}", f"n{i - 1}") for i in range(1, 3000))]
    graph = Graph.of(reversed(nodes), inputs=["n0"], outputs=[Edge("n2999")])
    assert list(graph.nodes) == [f"n{i}" for i in range(3000)]


@pytest.mark.parametrize(
    ("nodes", "outputs", "words"),
    [
        ([node("x", op="input"), node("x", op="input")], ["x"], "two nodes of one name"),
        ([node("a", "b"), node("b", "a")], ["b"], "cycle through"),
        ([node("x", op="input"), node("a", "x")], ["y"], "the outputs are not of the graph"),
    ],
)
def test_our_own_mistakes_are_asserted(nodes, outputs, words):
    with pytest.raises(AssertionError, match=words):
        Graph.of(nodes, inputs=[], outputs=[Edge(name) for name in outputs])


def test_an_output_that_its_node_does_not_have_is_asserted():
    late = Node("a", "identity", (Edge("x", 1),), (Tensor((None, 4)),))
    with pytest.raises(AssertionError, match="a reads Edge"):
        Graph.of([node("x", op="input"), late], inputs=["x"], outputs=[Edge("a")])


def test_readers_know_their_positions_and_ancestors_exclude_the_node(diamond):
    assert diamond.readers(Edge("a")) == (("b", 0), ("c", 0))
    assert diamond.readers(Edge("sum")) == ()
    assert diamond.ancestors("sum") == {"x", "a", "b", "c"}
    assert (diamond.is_output(Edge("sum")), diamond.is_output(Edge("a"))) == (True, False)


def test_an_edit_leaves_the_old_graph_alone(diamond):
    before = dict(diamond.nodes)
    edited = diamond.edit(put=[node("new", "b")], rewire={Edge("b"): Edge("new")})
    assert dict(diamond.nodes) == before
    assert edited.nodes["sum"].inputs == (Edge("new"), Edge("c"))
    assert edited.nodes["new"].inputs == (Edge("b"),)  # what is put keeps the inputs that it comes with
    assert edited.nodes["a"] is diamond.nodes["a"]


def test_an_output_can_be_rewired_and_a_node_replaced_and_removed(diamond):
    edited = diamond.edit(put=[node("sum", "b")], remove=["c"], rewire={Edge("sum"): Edge("b")})
    assert (edited.outputs, "c" in edited.nodes) == ((Edge("b"),), False)
    assert edited.nodes["sum"].inputs == (Edge("b"),)


def test_fresh_names_avoid_nodes_and_layers(diamond):
    graph = diamond.edit(put=[node("d#2", "a", layer="d")])
    assert [graph.fresh_name(name) for name in ("e", "a", "d")] == ["e", "a_1", "d_1"]
    assert graph.edit(put=[node("a_1", "a")]).fresh_name("a") == "a_2"


def test_call_sites_are_those_of_one_layer(diamond):
    graph = diamond.edit(put=[node("b", "a", layer="shared"), node("c", "a", layer="shared")])
    assert graph.calls(graph.nodes["c"]) == ("b", "c")
    assert graph.calls(graph.nodes["a"]) == ("a",)


def test_an_edited_node_says_so_and_keeps_flags():
    frozen = Weight.of(np.ones((2, 3)), trainable=False)
    old = node("dense", "x", weights={"kernel": frozen})
    new = old.edit(weights={"kernel": np.zeros((2, 6)), "bias": np.zeros(2)})
    assert (old.edited, new.edited, old.edit(channel_axis=0).edited) == (False, True, False)
    assert (new.weights["kernel"].trainable, new.weights["bias"].trainable) == (False, True)
    assert new.weight("kernel").shape == (2, 6)
    assert old.weight("kernel").shape == (2, 3)


def test_what_a_node_says_of_its_output():
    unknown = Node("n", "opaque", (), (Tensor((None, None, 3), "float16"),), {"kind": "Mystery"}, channel_axis=1)
    assert (unknown.shape, unknown.dtype, unknown.channels, unknown.kind) == (
        (None, None, 3),
        "float16",
        None,
        "Mystery",
    )
    assert Node("n", "add", (), (Tensor(()),)).channels is None
    assert Node("n", "add", (), (Tensor(()),)).kind == "add"
