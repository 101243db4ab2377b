"""Affine after affine: s_2 (s_1 x + t_1) + t_2 = (s_2 s_1) x + (s_2 t_1 + t_2).

A chain of subtractions, products and additions of constants, as exporters write batch norm, becomes one operation: a
gain where no shift is left, a shift where no scale is, else a batch norm of mean 0 and variance 1.
"""

import numpy as np

from addcat.algebra import Affine, rounded
from addcat.graph import Array, Blocked, Edge, Graph, Node, Weight
from addcat.rules import guards
from addcat.rules.base import Plan, Role, Rule


def plan(graph: Graph, node: Node) -> Plan | None:
    """Make one affine map of two in a row."""
    if node.op not in guards.AFFINE:
        return None
    first = guards.producer(graph, node)
    if first.op not in guards.AFFINE:
        return None
    for one in (first, node):
        if not guards.is_affine(one):
            raise Blocked(f"{one.name!r} holds a constant that is not at hand")
        guards.affine(one)
        guards.free(graph, one)
        guards.whole_norm(graph, one)
    guards.only_reader(graph, first, node)
    guards.same_type(graph, first, node)
    if first.channel_axis != node.channel_axis:
        raise Blocked(f"{first.name!r} scales axis {first.channel_axis}, {node.name!r} axis {node.channel_axis}")
    return Plan(
        (node.name, first.name),
        f"make one map of {first.name!r} and {node.name!r}",
        lambda: _change(graph, node, first),
    )


def _change(graph: Graph, node: Node, first: Node) -> Graph:
    inner, outer = guards.affine(first), guards.affine(node)
    both = Affine(outer.scale * inner.scale, outer.scale * inner.shift + outer.shift)
    name = graph.fresh_name(f"{node.name}_affine")
    like = next(iter([*node.weights.values(), *first.weights.values()])).read()
    values: dict[str, Array] = {"value": rounded(both.scale, like)}
    op, attrs = "gain", dict[str, object]()
    if np.any(both.shift) and np.all(both.scale == 1.0):
        op, values = "shift", {"value": rounded(both.shift, like)}
    elif np.any(both.shift):
        op, attrs = "batch_norm", {"epsilon": 0.0, "axis": node.channel_axis}
        values = {
            "scale": rounded(both.scale, like),
            "offset": rounded(both.shift, like),
            "mean": np.zeros(both.scale.size, like.dtype),
            "variance": np.ones(both.scale.size, like.dtype),
        }
    weights = {key: Weight.of(array) for key, array in values.items()}
    new = Node(name, op, first.inputs, node.outputs, attrs, weights, node.channel_axis)
    return graph.edit(put=[new], remove=[node.name, first.name], rewire={Edge(node.name): Edge(name)})


AFFINE_CHAIN = Rule("affine-chain", "AC309", ("latency",), plan, role=Role.TIDY)
