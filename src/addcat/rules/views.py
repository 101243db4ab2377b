"""Transposes and Reshapes that do nothing.

A Transpose whose moved axes are all of size one relabels, as a Reshape does. What makes tokens of an image and then an
image of them again gives the image back.
"""

from collections.abc import Sequence

from addcat.graph import Edge, Graph, Node
from addcat.rules import guards, layout
from addcat.rules.base import Plan, Role, Rule


def plan(graph: Graph, node: Node) -> Plan | None:
    """Take out a change of layout that is undone, or write a Transpose that moves nothing as a Reshape."""
    return _undone(graph, node) or (_relabel(graph, node) if node.op == "permute" else None)


def _undone(graph: Graph, node: Node) -> Plan | None:
    second = layout.layout_at(graph, node)
    if second is None:
        return None
    middle = second.nodes[0].inputs[0]
    first = layout.layout_at(graph, graph.nodes[middle.node])
    if first is None or first.to_image == second.to_image:
        return None
    source = first.nodes[0].inputs[0]
    if graph.tensor(source).shape != node.shape:
        return None
    guards.one_type(graph, *first.nodes, *second.nodes)
    guards.can_stand_for(graph, source, Edge(node.name))
    chain = (*first.nodes, *second.nodes)
    return Plan(
        tuple(one.name for one in chain[::-1]),
        f"{node.name!r} gives again what {first.nodes[0].name!r} reads",
        lambda: graph.edit(remove=_unread(graph, chain), rewire={Edge(node.name): source}),
    )


def _unread(graph: Graph, chain: Sequence[Node]) -> list[str]:
    """The last node of a chain, and those before it that serve it alone: others may read the tensors between."""
    gone = [chain[-1].name]
    for one in chain[-2::-1]:
        if {name for name, _ in graph.readers(Edge(one.name))} != {gone[-1]} or graph.is_output(Edge(one.name)):
            break
        gone.append(one.name)
    return gone


def _relabel(graph: Graph, node: Node) -> Plan | None:
    source = graph.tensor(node.inputs[0])
    order = [int(axis) for axis in node.attrs["order"]]
    kept = [axis for axis in order if source.shape[axis] != 1]
    if kept != sorted(kept) or order == sorted(order) or order[0] != 0:
        return None
    guards.one_type(graph, node)
    name = graph.fresh_name(f"{node.name}_reshape")
    made = layout.reshape(name, node.inputs[0], node.shape, node, node.channel_axis)
    return Plan(
        (node.name,),
        f"write {node.name!r}, which moves axes of size one alone, as a Reshape",
        lambda: graph.edit(put=[made], remove=[node.name], rewire={Edge(node.name): Edge(name)}),
    )


VIEWS = Rule("views", "AC335", ("latency", "memory"), plan, role=Role.TIDY, frameworks=("onnx",))
