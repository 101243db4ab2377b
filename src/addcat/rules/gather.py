"""Gather: R x + R y = R (x + y), for one linear map R of positions applied to several terms of a sum.

Resizing, average pooling, zero padding and cropping are such maps where their settings agree: the terms are added
before, and the map is applied once. It pays where the map enlarges.
"""

from addcat.graph import Blocked, Edge, Graph, Node, Shape
from addcat.rules import building, guards
from addcat.rules.base import Plan, Role, Rule
from addcat.rules.exchange_resize import METHODS, interpolation

MAPS = ("resize", "pool", "global_pool", "pad", "crop")


def plan(graph: Graph, node: Node) -> Plan | None:
    """Add before a map of positions that several terms of a sum went through."""
    if node.op != "add":
        return None
    groups: dict[tuple[str, Shape], list[Node]] = {}
    for edge in dict.fromkeys(node.inputs):
        one = graph.nodes[edge.node]
        if one.op in MAPS and _linear(one):
            groups.setdefault((one.op, graph.tensor(one.inputs[0]).shape), []).append(one)
    group = max(groups.values(), key=len, default=list[Node]())
    if len(group) < 2:
        return None
    first = group[0]
    guards.free(graph, node)
    for one in group:
        guards.free(graph, one)
        guards.only_reader(graph, one, node)
        guards.same_type(graph, one, node)
        if dict(one.attrs) != dict(first.attrs) or one.shape != first.shape:
            raise Blocked(f"{first.name!r} and {one.name!r} have different settings")
        if None in graph.tensor(one.inputs[0]).shape[1:]:
            raise Blocked(f"the sizes of {one.inputs[0].node!r} are unknown, and Add might broadcast them")
    names = [one.name for one in group]
    words = f"add before {names[0]!r} what {', '.join(map(repr, names))} gave to {node.name!r}"
    return Plan((node.name, *names), words, lambda: _change(graph, node, group))


def _linear(node: Node) -> bool:
    if node.op in ("pool", "global_pool"):
        return node.attrs.get("kind_of_pool") == "average"
    if node.op == "resize":
        return interpolation(node) in METHODS
    return bool({"padding", "cropping"} & set(node.attrs))


def _change(graph: Graph, node: Node, group: list[Node]) -> Graph:
    first, names = group[0], [one.name for one in group]
    tensor = graph.tensor(first.inputs[0])
    inner = building.merge("add", graph.fresh_name(f"{node.name}_inner"), tuple(one.inputs[0] for one in group), first)
    inner = building.moved(inner, inner.name, outputs=(tensor,))
    outer = building.moved(first, graph.fresh_name(f"{first.name}_gathered"), inputs=(Edge(inner.name),))
    rest = tuple(edge for edge in node.inputs if edge.node not in names)
    put, last = [inner, outer], outer
    if rest:
        last = building.merge("add", graph.fresh_name(f"{node.name}_rest"), (Edge(outer.name), *rest), node)
        put.append(last)
    return graph.edit(put=put, remove=[node.name, *names], rewire={Edge(node.name): Edge(last.name)})


GATHER = Rule("gather", "AC319", ("latency", "memory"), plan, role=Role.SAVING)
