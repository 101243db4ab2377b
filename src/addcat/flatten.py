"""Nested models laid open: one graph with a node for each operation at each call."""

from dataclasses import replace

from addcat.graph import Edge, Graph, Node


def flatten(graph: Graph) -> Graph:
    """Put the nodes of every nested model in the place of its calls.

    Args:
        graph: The graph of a model.

    Returns:
        A graph without nested models, to count and measure on. The nodes of a call are named after it
        ("encoder/dense", "encoder#2/dense"); layers keep one name for all calls, so that weights count once.
    """
    if all(node.body is None for node in graph.nodes.values()):
        return graph
    nodes: list[Node] = []
    where: dict[Edge, Edge] = {}
    for node in graph.nodes.values():
        inputs = tuple(where.get(edge, edge) for edge in node.inputs)
        if node.body is None:
            nodes.append(replace(node, inputs=inputs))
        else:
            where.update(_inline(node, inputs, nodes))
    outputs = (where.get(edge, edge) for edge in graph.outputs)
    return Graph.of(nodes, inputs=graph.inputs, outputs=outputs, name=graph.name, native=graph.native)


def _inline(call: Node, inputs: tuple[Edge, ...], nodes: list[Node]) -> dict[Edge, Edge]:
    """Append the nodes of one call; return where each of the call's outputs is now."""
    assert call.body is not None  # noqa: S101
    body = flatten(call.body)
    inside: dict[Edge, Edge] = {Edge(name): edge for name, edge in zip(body.inputs, inputs, strict=True)}
    prefix = f"{call.layer}/"
    for node in body.nodes.values():
        if node.op == "input":
            continue
        name = f"{call.name}/{node.name}"
        moved = tuple(inside[edge] for edge in node.inputs)
        nodes.append(replace(node, name=name, inputs=moved, layer=prefix + node.layer if node.layer else ""))
        inside.update({Edge(node.name, i): Edge(name, i) for i in range(len(node.outputs))})
    return {Edge(call.name, i): inside[edge] for i, edge in enumerate(body.outputs)}
