"""Siblings: A x, B x, C x = the parts of [A; B; C] x. Dense layers that read the same tokens are one wider product.

So are q, k and v of an attention that each have a matrix of their own. One product runs closer to the machine's rate
where there are few tokens; where there are many, cutting its result costs more than that. Attentions took 0.96 to 1.09
of the time with it.
"""

from addcat.algebra import stack
from addcat.graph import Blocked, Edge, Graph, Node
from addcat.rules import building, guards
from addcat.rules.base import Plan, Rule


def plan(graph: Graph, node: Node) -> Plan | None:
    """Make one product of all Dense layers that read what this one reads, the first of them."""
    if node.op != "dense" or len(node.shape) < 3:
        return None
    names = dict.fromkeys(name for name, _ in graph.readers(node.inputs[0]))
    found = [one for name in names if (one := graph.nodes[name]).op == "dense"]
    if len(found) < 2 or found[0] is not node:
        return None
    for one in found:
        guards.free(graph, one)
        guards.unfused(one)
        if one.channels is None:
            raise Blocked(f"the channels of {one.name!r} are unknown")
    guards.same_type(graph, *found)
    words = f"make one product of {', '.join(repr(one.name) for one in found)}, and cut what it gives"
    return Plan(tuple(one.name for one in found), words, lambda: _change(graph, found))


def _change(graph: Graph, found: list[Node]) -> Graph:
    first, axis = found[0], len(found[0].shape) - 1
    joined = stack(*(guards.linear(one) for one in found))
    wide = building.sized(first.outputs[0], axis, joined.outputs)
    name, cut = graph.fresh_name(f"{first.name}_joined"), graph.fresh_name(f"{first.name}_cut")
    product = building.made(first, name, weights=building.linear_weights(joined), outputs=(wide,), channel_axis=axis)
    attrs = {"axis": axis, "sizes": tuple(one.channels for one in found)}
    parts = Node(cut, "split", (Edge(name),), tuple(one.outputs[0] for one in found), attrs, channel_axis=axis)
    rewire = {Edge(one.name): Edge(cut, number) for number, one in enumerate(found)}
    return graph.edit(put=[product, parts], remove=[one.name for one in found], rewire=rewire)


SIBLINGS = Rule("siblings", "AC338", ("latency",), plan, frameworks=("onnx",))
