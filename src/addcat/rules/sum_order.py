"""Commute: x + y + z = z + y + x, with linear maps last.

The order of a sum is free. A runtime fuses the last term's map with the sum and with the function behind it, so that
they cost no pass over memory of their own.
"""

from addcat.graph import Graph, Node
from addcat.rules import building, guards
from addcat.rules.base import Plan, Role, Rule

LINEAR = ("dense", "conv", "conv_transpose", "depthwise_conv", "separable_conv")
LEAST_TERMS = 3
"""Two terms are fused either way."""


def plan(graph: Graph, node: Node) -> Plan | None:
    """Put the linear maps of a sum last, in the order that they have."""
    if node.op != "add" or len(node.inputs) < LEAST_TERMS:
        return None
    inputs = tuple(sorted(node.inputs, key=lambda edge: graph.nodes[edge.node].op in LINEAR))
    if inputs == node.inputs:
        return None
    guards.free(graph, node)
    guards.same_type(graph, node)
    words = f"add {inputs[0].node!r} first and {inputs[-1].node!r} last in {node.name!r}"
    return Plan((node.name,), words, lambda: graph.edit(put=[building.moved(node, node.name, inputs=inputs)]))


LINEAR_LAST = Rule("linear-last", "AC326", ("latency",), plan, role=Role.FOLLOWING)
