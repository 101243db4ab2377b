"""An affine map after a linear one: s (W x + b) + t = (s W) x + (s b + t).

Batch norm at inference and the gains and shifts that exporters make of it are such maps, one scale and shift for each
channel; a chain of them folds one after the other. Exact at every stride and padding.
"""

from addcat.algebra import affine_after
from addcat.graph import Blocked, Edge, Graph, Node
from addcat.rules import building, guards
from addcat.rules.base import Plan, Role, Rule


def plan(graph: Graph, node: Node) -> Plan | None:
    """Fold an affine map into the linear map that it reads."""
    if node.op not in guards.AFFINE:
        return None
    linear = guards.producer(graph, node)
    if linear.op not in guards.LINEAR:
        return None
    if not guards.is_affine(node):
        raise Blocked(f"{node.name!r} holds a constant that is not at hand")
    guards.free(graph, node)
    guards.free(graph, linear)
    guards.same_type(graph, node, linear)
    guards.unfused(linear)
    guards.only_reader(graph, linear, node)
    if node.channel_axis != linear.channel_axis or node.channels != linear.channels:
        raise Blocked(
            f"{node.name!r} scales axis {node.channel_axis}, {linear.name!r} gives axis {linear.channel_axis}"
        )
    guards.affine(node)
    return Plan(
        (node.name, linear.name), f"fold {node.name!r} into {linear.name!r}", lambda: _change(graph, node, linear)
    )


def _change(graph: Graph, node: Node, linear: Node) -> Graph:
    folded = affine_after(guards.linear(linear), guards.affine(node))
    name = "pointwise" if linear.op == "separable_conv" else "kernel"
    return graph.edit(
        put=[building.taken_in(linear, folded, name)],
        remove=[node.name],
        rewire={Edge(node.name): Edge(linear.name)},
    )


AFFINE_AFTER = Rule("affine-after", "AC307", ("latency", "memory", "parameters"), plan, role=Role.TIDY)
