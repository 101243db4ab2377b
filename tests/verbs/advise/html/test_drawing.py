"""Boxes between merges: chains and forks close up, merges and their branches stay, and nothing is lost or bent."""

import json

import pytest
from advices import advice, sketch
from graphs import Sketch
from hypothesis import given
from hypothesis import strategies as st

from addcat.doors.keras import read
from addcat.frameworks import keras
from addcat.merges import is_merge
from addcat.verbs.advise.html.drawing import MOST_LISTED, MOST_MERGES, _contract, graph_data


def drawn(graph, **options):
    return graph_data(advice(graph, **options), graph)


def titles(data, kind):
    return [node["title"] for node in data["nodes"] if node["kind"] == kind]


def check(data, graph):
    """Every layer is in one box, edges go forward, and each merge keeps its branches."""
    assert [node["id"] for node in data["nodes"]] == list(range(len(data["nodes"])))
    held = [layer[0] for node in data["nodes"] for layer in node["layers"]]
    assert sorted(held) == sorted(graph.nodes)
    before = {node["id"]: set() for node in data["nodes"]}
    for edge in data["edges"]:
        before[edge["to"]].add(edge["from"])
    done = set()
    while ready := [node for node, needed in before.items() if node not in done and needed <= done]:
        done |= set(ready)
    assert done == set(before)  # else there is a cycle
    for node in data["nodes"]:
        if node["kind"] == "merge":
            (name,) = (layer[0] for layer in node["layers"])
            assert sum(edge["to"] == node["id"] for edge in data["edges"]) == len(graph.nodes[name].inputs)
    return json.dumps(data, allow_nan=False)


def test_what_lies_between_merges_is_one_box():
    graph = sketch()
    data = drawn(graph)
    check(data, graph)
    assert titles(data, "input") == ["left", "right"]
    assert titles(data, "merge") == ["codes", "skip", "late"]
    assert titles(data, "output") == ["output"]
    assert titles(data, "layers") == ["5 layers", "5 layers", "6 layers", "2 layers", "4 layers", "3 layers"]
    codes, skip, late = (node for node in data["nodes"] if node["kind"] == "merge")
    assert (codes["op"], codes["choice"], codes["action"], codes["words"], codes["section"]) == (
        "add",
        "concat",
        "switch",
        "switch to Concatenate, certain",
        "merge-1",
    )
    assert (skip["action"], skip["note"], late["words"]) == (
        "keep",
        "8x8x16",
        "switch to Concatenate, 58 % likely the better",
    )


def test_a_merge_of_one_tensor_keeps_both_arrows():
    made = Sketch()
    x = made.conv(made.input(), 4)
    graph = made.graph(made.conv(made.add(x, x, name="twice"), 4))
    data = drawn(graph)
    check(data, graph)
    merge = next(node["id"] for node in data["nodes"] if node["kind"] == "merge")
    assert sum(edge["to"] == merge for edge in data["edges"]) == 2


def test_a_merge_without_a_verdict_says_nothing_of_one():
    graph = sketch()
    data = drawn(graph, most=1)
    judged = [node for node in data["nodes"] if "section" in node]
    assert [node["title"] for node in judged] == ["codes"]
    assert titles(data, "merge") == ["codes", "skip", "late"]


def test_calls_of_a_nested_model_are_drawn_each():
    layers, inner_x = keras().layers, keras().Input((4,))
    inner_y = layers.Add(name="link")([inner_x, layers.Dense(4, name="block")(inner_x)])
    encoder = keras().Model(inner_x, inner_y, name="encoder")
    left, right = keras().Input((4,), name="left"), keras().Input((4,), name="right")
    both = layers.Concatenate(name="both")([encoder(left), encoder(right)])
    data = drawn(read(keras().Model([left, right], layers.Dense(2)(both))))
    links = [node for node in data["nodes"] if node["title"] == "encoder/link"]
    assert [node["section"] for node in links] == ["merge-1", "merge-1"]
    assert [node["layers"][0][0] for node in links] == ["encoder/link", "encoder#2/link"]


def chain(made, start, blocks):
    """Residual blocks, one after the other."""
    x = made.conv(start, 4)
    for _ in range(blocks):
        x = made.relu(made.add(x, made.relu(made.conv(x, 4))))
    return x


def test_with_very_many_merges_those_that_were_not_judged_close_up():
    made = Sketch()
    graph = made.graph(made.conv(chain(made, made.input(), MOST_MERGES + 1), 4))
    few = drawn(graph, most=2)
    assert titles(few, "merge") == ["add1", "add2"]
    assert len(few["nodes"]) == 9
    rest = max(few["nodes"], key=lambda node: len(node["layers"]))
    assert len(rest["layers"]) == MOST_LISTED
    assert len(rest["layers"]) + rest["more"] == sum(node.op != "input" for node in graph.nodes.values()) - 8
    every = drawn(graph)
    assert len(titles(every, "merge")) == MOST_MERGES + 1


def test_a_fork_that_closes_in_one_layer_is_one_box():
    made = Sketch()
    x = made.add(made.input(4, name="a"), made.input(4, name="b"))
    heads = [made.relu(made.conv(x, 4)) for _ in range(3)]
    graph = made.graph(made.conv(made.node("multiply", *heads), 4))
    data = drawn(graph)
    assert titles(data, "merge") == ["add1", "multiply1"]  # drawn, as there are few
    kept = {name for name, node in graph.nodes.items() if node.op in ("input", "add")}
    assert [len(box) for box in _contract(graph, kept)] == [1, 1, 1, 8]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=14))
def test_any_graph_keeps_its_layers_its_order_and_its_branches(steps):
    made = Sketch()
    edges = [made.input(2, (2, 2))]
    for what, one, other in steps:
        a, b = edges[one % len(edges)], edges[other % len(edges)]
        edges.append(made.relu(a) if what == 0 else made.conv(a, 2, 1) if what == 1 else made.add(a, b))
    graph = made.graph(*edges[-2:])
    check(drawn(graph), graph)


@pytest.mark.slow
def test_a_network_of_a_hundred_merges_stays_small():
    graph = read(keras().applications.DenseNet201(weights=None, input_shape=(64, 64, 3)))
    data = drawn(graph)
    text = check(data, graph)
    assert len(titles(data, "merge")) == 98 == sum(map(is_merge, graph.nodes.values()))
    assert len(data["nodes"]) < 2.2 * 98
    assert len(text) < 100_000
