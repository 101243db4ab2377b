"""Recompute: W_1 f(x), W_2 f(x) = W_1 f(x), (W_2 / 2) f(2 x), for a function with f(k x) = k f(x) for k > 0.

A tensor that is cheap to make from one that is alive anyway need not be kept for its next reader: each reader gets a
copy of its own (Chen et al., "Training deep nets with sublinear memory cost", 2016, at inference). Runtimes join equal
operations again, so each copy is scaled by another power of two, which changes no digit and which the kernel behind it
takes back.
"""

from collections.abc import Sequence

import numpy as np

from addcat.graph import Array, Blocked, Edge, Graph, Node
from addcat.rules import building, guards
from addcat.rules.base import Plan, Role, Rule

HOMOGENEOUS = ("relu", "leaky_relu")
READERS = ("conv", "dense", "conv_transpose")
MOST = 16
"""Copies; their powers of two must stay far from what overflows."""


def plan(graph: Graph, reader: Node) -> Plan | None:
    """Make a copy of a function, and of the affine maps before it, for each linear map that reads it."""
    if reader.op not in READERS:
        return None
    node = guards.producer(graph, reader)
    if node.op != "activation" or node.attrs.get("function") not in HOMOGENEOUS:
        return None
    readers = [graph.nodes[name] for name, _ in graph.readers(Edge(node.name))]
    if len(readers) < 2 or reader != readers[0] or not all(one.op in READERS for one in readers):
        return None
    if len(readers) > MOST or len({one.name for one in readers}) < len(readers):
        raise Blocked(f"{node.name!r} is read {len(readers)} times")
    if graph.is_output(Edge(node.name)):
        raise Blocked(f"{node.name!r} is an output of the model, so its value must stay")
    if node.dtype not in ("float32", "float64", "bfloat16"):
        raise Blocked(f"{node.name!r} is of type {node.dtype}, in which scaled copies may overflow")
    guards.same_type(graph, node, *readers)
    for one in readers:
        guards.free(graph, one)
    chain = _chain(graph, node)
    names = ", ".join(repr(one.name) for one in readers)
    words = f"compute {node.name!r} anew for each of {names} instead of keeping it"
    return Plan((node.name, *(one.name for one in readers)), words, lambda: _change(graph, chain, readers))


def _chain(graph: Graph, node: Node) -> list[Node]:
    """The function and the affine maps before it that serve it alone, in order."""
    found = [node]
    while True:
        before = guards.producer(graph, found[0])
        if not guards.is_affine(before) or not guards.is_free(graph, before):
            return found
        if graph.is_output(Edge(before.name)) or len(graph.readers(Edge(before.name))) > 1:
            return found
        found.insert(0, before)


def _change(graph: Graph, chain: Sequence[Node], readers: Sequence[Node]) -> Graph:
    put: list[Node] = []
    for number, reader in enumerate(readers[1:], 2):
        exponent = number // 2 if number % 2 == 0 else -(number // 2)
        copies = _copies(graph, chain, number, 2.0**exponent)
        kernel = reader.weight("kernel")
        scaled = np.asarray(kernel * np.asarray(2.0**-exponent, kernel.dtype))
        put += [*copies, reader.edit(weights={"kernel": scaled}, inputs=(Edge(copies[-1].name),))]
    return graph.edit(put=put)


def _copies(graph: Graph, chain: Sequence[Node], number: int, factor: float) -> list[Node]:
    """The chain once more, what comes out times a factor, which the last scale in it takes in."""
    names = [graph.fresh_name(f"{one.name}_copy{number}") for one in chain]
    copies: list[Node] = []
    pending = True
    for position in range(len(chain) - 1, -1, -1):
        one, weights = chain[position], dict[str, Array]()
        if pending and one.op in ("shift", "gain"):
            weights = {"value": _times(one.weight("value"), factor)}
        elif pending and one.op == "batch_norm":
            weights = _scaled_norm(one, factor)
        pending = pending and one.op not in ("gain", "batch_norm")
        inputs = (Edge(names[position - 1]),) if position else one.inputs
        copies.insert(0, _copy(one, names[position], inputs, weights))
    if pending:
        first = copies[0]
        (source,) = chain[0].inputs
        name = graph.fresh_name(f"{chain[0].name}_factor{number}")
        gain = building.times(factor, source, graph.tensor(source), name, chain[0].channel_axis)
        copies = [gain, building.moved(first, first.name, inputs=(Edge(name),)), *copies[1:]]
    return copies


def _copy(node: Node, name: str, inputs: tuple[Edge, ...], weights: dict[str, Array]) -> Node:
    if not weights:
        return building.moved(node, name, inputs=inputs)
    kept = {key: node.weight(key) for key in node.weights}
    return building.made(node, name, weights={**kept, **weights}, inputs=inputs)


def _scaled_norm(node: Node, factor: float) -> dict[str, Array]:
    ones = np.ones_like(node.weight("mean"))
    found = {"scale": _times(node.weight("scale") if "scale" in node.weights else ones, factor)}
    return {**found, **({"offset": _times(node.weight("offset"), factor)} if "offset" in node.weights else {})}


def _times(array: Array, factor: float) -> Array:
    return np.asarray(array * np.asarray(factor, array.dtype))


RECOMPUTE = Rule("recompute", "AC329", ("memory",), plan, role=Role.ALTERNATIVE, memory_slack=2.0, frameworks=("onnx",))
