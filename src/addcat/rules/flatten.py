"""Flatten: [[x; y]; z] = [x; y; z] along one axis, and (x + y) + z = x + y + z; so for product, maximum and minimum.

A Concatenate inside may keep other readers: it is then still made for them, but copied no second time. A sum inside is
only taken apart where nobody else wants it, and where all terms have the shape of the result, for broadcasting does not
have to associate when ranks differ.
"""

from addcat.graph import Blocked, Edge, Graph, Node
from addcat.rules import building, guards
from addcat.rules.base import Plan, Role, Rule

ASSOCIATIVE = ("add", "multiply", "maximum", "minimum")


def plan(graph: Graph, node: Node) -> Plan | None:
    """Take the inputs of a merge of the same kind into the merge that reads it."""
    if node.op not in ("concat", *ASSOCIATIVE):
        return None
    inner = [graph.nodes[edge.node] for edge in node.inputs if graph.nodes[edge.node].op == node.op]
    if node.op == "concat":
        inner = [one for one in inner if guards.joined_axis(one) == guards.joined_axis(node)]
    inner = list({one.name: one for one in inner}.values())
    if not inner:
        return None
    guards.free(graph, node)
    guards.same_type(graph, node, *inner)
    for one in inner:
        guards.free(graph, one)
        if node.op != "concat":
            guards.only_reader(graph, one, node)
            _one_shape(graph, one, node)
    names = [one.name for one in inner]
    return Plan(
        (node.name, *names),
        f"{node.name!r} reads the inputs of {', '.join(map(repr, names))} itself",
        lambda: _change(graph, node, names),
    )


def _one_shape(graph: Graph, inner: Node, outer: Node) -> None:
    for merge in (inner, outer):
        for edge in merge.inputs:
            if graph.tensor(edge).shape != outer.shape or merge.shape != outer.shape:
                raise Blocked(f"{merge.name!r} broadcasts {edge.node!r}")


def _change(graph: Graph, node: Node, names: list[str]) -> Graph:
    inputs: list[Edge] = []
    for edge in node.inputs:
        inputs.extend(graph.nodes[edge.node].inputs if edge.node in names else [edge])
    unread = [
        name
        for name in names
        if all(reader == node.name for reader, _ in graph.readers(Edge(name))) and not graph.is_output(Edge(name))
    ]
    attrs = {"axis": guards.joined_axis(node)} if node.op == "concat" else {}
    merged = building.merge(node.op, graph.fresh_name(f"{node.name}_flat"), tuple(inputs), node, **attrs)
    return graph.edit(put=[merged], remove=[node.name, *unread], rewire={Edge(node.name): Edge(merged.name)})


FLATTEN = Rule("flatten", "AC303", ("latency", "memory"), plan, role=Role.TIDY)
