"""All rules on one graph, one after another in any order, and on networks as Keras gives them."""

import numpy as np
import pytest
from graphs import Sketch, feed
from networks import network
from reference import checked
from rules.checks import RULES, same

from addcat.doors.keras.read import read
from addcat.graph import Edge, Graph
from addcat.rules import Proposal, Rule


def everything(graph: Graph) -> list[tuple[Rule, Proposal]]:
    return [(rule, found) for rule in RULES for found in rule.find(graph) if isinstance(found, Proposal)]


def wild(seed: int, *, first: bool) -> Graph:
    """A graph of a dozen operations that rules know, read in any way."""
    sketch = Sketch(seed, first=first)
    pick = np.random.default_rng(seed)
    small, large = [sketch.input(2, (3, 4), name="a")], [sketch.input(3, (6, 8), name="b")]
    for _ in range(12):
        at = [small, large][pick.integers(2)]
        # what was made last is read most, so that chains grow
        edge = at[-1] if pick.random() < 0.7 else at[pick.integers(len(at))]
        alike = [one for one in at if sketch.channels(one) == sketch.channels(edge) and one != edge]
        kind = pick.choice(["one", "three", "affine", "relu", "add", "concat", "up", "down", "siblings", "decode"])
        bias = bool(pick.random() < 0.4)
        if kind == "up" and at is small:
            large.append(sketch.resize(edge, 2, str(pick.choice(["nearest", "bilinear"]))))
        elif kind == "down" and at is large:
            strided = pick.random() < 0.5
            small.append(sketch.conv(edge, 2, 1, strides=(2, 2), bias=bias) if strided else sketch.pool(edge))
        elif kind in ("one", "three"):
            at.append(sketch.conv(edge, int(pick.integers(1, 4)), 1 if kind == "one" else 3, bias=bias))
        elif kind == "affine":
            at.append(sketch.norm(edge) if pick.random() < 0.5 else sketch.value("gain", edge))
        elif kind == "relu":
            at.append(sketch.relu(edge))
        elif kind == "add" and alike:
            at.append(sketch.add(edge, alike[pick.integers(len(alike))]))
        elif kind == "concat":
            at.append(sketch.concat(edge, at[pick.integers(len(at))]))
        elif kind == "siblings":
            pair = [sketch.conv(edge, 2, int(taps), bias=bias) for taps in pick.choice([1, 3], 2)]
            at.append(sketch.concat(*pair) if pick.random() < 0.5 else sketch.add(*pair))
        elif kind == "decode":
            up = sketch.resize(small[-1], 2, str(pick.choice(["nearest", "bilinear"])))
            if pick.random() < 0.3:
                up = sketch.conv(small[-1], 2, 2, op="conv_transpose", strides=(2, 2), bias=bias)
            large.append(sketch.conv(sketch.concat(up, large[-1]), 3, int(pick.choice([1, 3])), bias=bias))
    read_by = {edge.node for node in sketch.nodes for edge in node.inputs}
    return sketch.graph(*(Edge(node.name) for node in sketch.nodes if node.name not in read_by))


@pytest.mark.parametrize("seed", range(60))
def test_rules_in_any_order(seed: int) -> None:
    graph = wild(seed, first=seed % 2 == 0)
    pick = np.random.default_rng(seed)
    now = graph
    for _ in range(8):
        found = everything(now)
        if not found:
            break
        rule, proposal = found[pick.integers(len(found))]
        now = rule.apply(now, proposal)
        assert same(graph, now, 1e-9), proposal


def test_the_wild_graphs_try_most_rules() -> None:
    tried = {rule.name for seed in range(60) for rule, _ in everything(wild(seed, first=False))}
    assert len(tried) > 14, sorted(tried)


@pytest.mark.parametrize("size", [(6,), (4, 2, 4)])
@pytest.mark.parametrize("first", [False, True])
def test_one_and_three_spatial_axes(size: tuple[int, ...], first: bool) -> None:
    sketch = Sketch(first=first)
    deep, skip = sketch.input(3, size, name="deep"), sketch.input(2, tuple(2 * n for n in size), name="skip")
    ones, twos = (1,) * len(size), (2,) * len(size)
    up = sketch.conv(deep, 3, 2, op="conv_transpose", strides=twos, bias=False, padding="valid")
    head = sketch.conv(sketch.concat(sketch.resize(deep, 2), up, skip), 4, 3, strides=ones, bias=False)
    both = sketch.add(sketch.norm(head), sketch.conv(sketch.relu(head), 4, 1), head)
    sketch.pool(sketch.conv(both, 2, 1))
    sketch.conv(sketch.conv(both, 2, 3), 2, 1, strides=twos)
    graph = sketch.graph(Edge("pool1"), Edge(sketch.nodes[-1].name))
    now, tried = graph, set[str]()
    for _ in range(12):
        found = [one for one in everything(now) if one[0].name not in tried] or everything(now)
        if not found:
            break
        rule, proposal = found[0]
        tried.add(rule.name)
        now = rule.apply(now, proposal)
        assert same(graph, now, 1e-9), proposal
    assert len(tried) > 7, tried


COMPUTED = ["residual", "unet", "shared_layers", "multi_output", "channels_first", "sequential"]
"""Networks that the reference can compute; of the others only the graph is checked."""


@pytest.mark.parametrize("name", [*COMPUTED, "inception", "functions", "unknown_sizes"])
def test_networks_of_keras(name: str) -> None:
    graph = read(network(name))
    inputs = feed(graph)
    expected = checked(graph, inputs) if name in COMPUTED else []
    for rule, proposal in everything(graph):
        result = rule.apply(graph, proposal)
        if name in COMPUTED:
            for old, new in zip(expected, checked(result, inputs), strict=True):
                np.testing.assert_allclose(new, old, rtol=0, atol=1e-4 * np.max(np.abs(old)), err_msg=str(proposal))
