"""Commute: x + y + z = z + y + x, in the order in which it is best to add. Two orders are worth trying.

Linear maps last: a runtime fuses the last term's map with the sum and with the function behind it, so that they cost no
pass over memory of their own.

Deepest last: a runtime works depth first along a sum. Before the deepest term is made, all others are added up, so
that what they read can go; and they themselves are made as late as can be where the deepest of them comes first.
"""

from addcat.graph import Edge, Graph, Node
from addcat.rules import facts
from addcat.rules.base import Plan, Rule

LINEAR = ("dense", "conv", "conv_transpose", "depthwise_conv", "separable_conv")
LEAST_TERMS = 3
"""Two terms are fused either way, and the deeper of them is often a residual branch whose shortcut is alive anyway."""


def plan_linear(graph: Graph, node: Node) -> Plan | None:
    """Put linear maps last."""
    if node.op != "add" or len(node.inputs) < LEAST_TERMS:
        return None
    return _ordered(graph, node, tuple(sorted(node.inputs, key=lambda edge: graph.nodes[edge.node].op in LINEAR)))


def plan_deepest(graph: Graph, node: Node) -> Plan | None:
    """Put last what depends on most, and first what depends on most of the others."""
    if node.op != "add" or len(node.inputs) < LEAST_TERMS:
        return None
    deepest, *others = sorted(node.inputs, key=lambda edge: -len(graph.ancestors(edge.node)))
    return _ordered(graph, node, (*others, deepest))


def _ordered(graph: Graph, node: Node, inputs: tuple[Edge, ...]) -> Plan | None:
    if inputs == node.inputs:
        return None
    facts.free(graph, node)
    words = f"add {inputs[0].node!r} first and {inputs[-1].node!r} last in {node.name!r}"
    return Plan((node.name,), words, lambda: graph.edit(put=[facts.moved(node, node.name, inputs=inputs)]))


LINEAR_LAST = Rule("linear-last", "AC326", ("latency",), plan_linear)
DEEPEST_LAST = Rule("deepest-last", "AC328", ("memory",), plan_deepest)
