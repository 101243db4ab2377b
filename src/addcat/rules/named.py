"""Functions that exporters spell out: x (1 + erf(x / √2)) / 2 = gelu(x), and x sigmoid(x) = silu(x).

So is the one that is nearly gelu, x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2. Where another tool took the half into the
layer behind, what is left is 2 gelu(x). As one function of single elements they let other rules pass, and none takes a
factor out of them: a runtime that computes the whole expression in one go knows it by all its parts, in one order
(Hendrycks and Gimpel 2016; Elfwing et al. 2018).
"""

from math import pi, sqrt
from typing import NamedTuple

import numpy as np

from addcat.graph import Edge, Graph, Node
from addcat.rules import building, guards
from addcat.rules.base import Plan, Role, Rule

ROOT = 1 / sqrt(2)
SLOPE, CUBIC = sqrt(2 / pi), 0.044715


def plan(graph: Graph, node: Node) -> Plan | None:
    """Call a function by its name that is spelled out and ends in this node."""
    if node.op not in ("multiply", "gain"):
        return None
    found = _silu(graph, node) or _gelu(graph, node) or _twice_gelu(graph, node)
    if not found:
        return None
    source, parts, function, factor = found
    guards.same_type(graph, *parts)
    for part in parts:
        guards.free(graph, part)
    for part in parts[1:]:
        (reader,) = {name for name, _ in graph.readers(Edge(part.name)) if name in {one.name for one in parts}}
        guards.only_reader(graph, part, graph.nodes[reader])
    names = tuple(part.name for part in parts)
    words = f"name what ends in {node.name!r} {function if factor == 1 else f'{factor:g} {function}'}"
    return Plan(names, words, lambda: _change(graph, names, source, function, factor))


def _change(graph: Graph, names: tuple[str, ...], source: Edge, function: str, factor: float) -> Graph:
    end = graph.nodes[names[0]]
    name = graph.fresh_name(f"{end.name}_{function}")
    made = [Node(name, "activation", (source,), end.outputs, {"function": function}, channel_axis=end.channel_axis)]
    if factor != 1:
        scaled = graph.fresh_name(f"{end.name}_times")
        made.append(building.times(factor, Edge(name), end.outputs[0], scaled, end.channel_axis))
    return graph.edit(put=made, remove=names, rewire={Edge(end.name): Edge(made[-1].name)})


Found = tuple[Edge, list[Node], str, float] | None
"""What x is, the nodes from the last one back, the function, and what it is multiplied by."""


def _silu(graph: Graph, node: Node) -> Found:
    for source, gate in _pairs(graph, node):
        if gate.op == "activation" and gate.attrs.get("function") == "sigmoid" and gate.inputs == (source,):
            return source, [node, gate], "silu", 1.0
    return None


def _gelu(graph: Graph, node: Node) -> Found:
    """One of the three places for the half: behind the product, at x, at 1 + erf."""
    if _is(node, "gain", 0.5):
        product = guards.producer(graph, node)
        for source, end in _pairs(graph, product):
            if (gate := _gate(graph, end)) and gate.source == source:
                return source, [node, product, *gate.parts], gate.function, 1.0
    for source, end in _pairs(graph, node):
        half = graph.nodes[source.node]
        if _is(half, "gain", 0.5) and (gate := _gate(graph, end)) and gate.source == half.inputs[0]:
            return gate.source, [node, half, *gate.parts], gate.function, 1.0
        gate = _gate(graph, guards.producer(graph, end)) if _is(end, "gain", 0.5) else None
        if gate and gate.source == source:
            return source, [node, end, *gate.parts], gate.function, 1.0
    return None


def _twice_gelu(graph: Graph, node: Node) -> Found:
    """No half at all; where one reads the product, the function ends there."""
    if any(_is(graph.nodes[name], "gain", 0.5) for name, _ in graph.readers(Edge(node.name))):
        return None
    for source, end in _pairs(graph, node):
        if (gate := _gate(graph, end)) and gate.source == source:
            return source, [node, *gate.parts], gate.function, 2.0
    return None


def _pairs(graph: Graph, node: Node) -> list[tuple[Edge, Node]]:
    """Of a product of two tensors of one shape: one of them, and the node that makes the other."""
    if node.op != "multiply" or len(node.inputs) != 2 or len({graph.tensor(edge).shape for edge in node.inputs}) > 1:
        return []
    left, right = node.inputs
    return [(left, graph.nodes[right.node]), (right, graph.nodes[left.node])]


class Gate(NamedTuple):
    """What x is multiplied by, but for the half.

    Attributes:
        source: Which tensor x is.
        parts: The nodes, from the last one back.
        function: What the product with x / 2 is.
    """

    source: Edge
    parts: list[Node]
    function: str


def _gate(graph: Graph, node: Node) -> Gate | None:
    """1 + erf(x / √2), or 1 + tanh(√(2/π) (x + 0.044715 x³))."""
    if not _is(node, "shift", 1.0):
        return None
    inner = guards.producer(graph, node)
    function = inner.attrs.get("function") if inner.op == "activation" else None
    scale = guards.producer(graph, inner)
    if function == "erf" and _is(scale, "gain", ROOT):
        return Gate(scale.inputs[0], [node, inner, scale], "gelu")
    if function != "tanh" or not _is(scale, "gain", SLOPE):
        return None
    cubic = _and_its_cube(graph, guards.producer(graph, scale))
    return Gate(cubic[0], [node, inner, scale, *cubic[1]], "gelu_tanh") if cubic else None


def _and_its_cube(graph: Graph, node: Node) -> tuple[Edge, list[Node]] | None:
    """What x is in x + 0.044715 x³, with x³ as two products, and the nodes of that."""
    if node.op != "add" or len(node.inputs) != 2:
        return None
    for source, other in (node.inputs, node.inputs[::-1]):
        weighed = graph.nodes[other.node]
        if not _is(weighed, "gain", CUBIC):
            continue
        for one, square in _pairs(graph, guards.producer(graph, weighed)):
            if one == source and square.op == "multiply" and square.inputs == (source, source):
                return source, [node, weighed, guards.producer(graph, weighed), square]
    return None


def _is(node: Node, op: str, value: float) -> bool:
    """Whether a node adds, or multiplies by, one number: up to the rounding of its type."""
    if node.op != op or "value" not in node.weights or node.weights["value"].size != 1:
        return False
    held = node.weight("value")
    digits = np.finfo(held.dtype).eps if held.dtype.kind == "f" else 2.0**-8
    return abs(float(held.reshape(())) - value) <= 2 * float(digits) * value


NAMED = Rule("named", "AC333", ("latency", "memory"), plan, role=Role.TIDY, frameworks=("onnx",))
