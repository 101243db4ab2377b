"""The part of a model that a rewrite changes, before and after, as two models of their own that can be timed alone.

A gain of 20 % in a part that takes 2 % of the time drowns in the noise of the whole; timed alone it shows. Neighbours
come along, because runtimes fuse operations into what they stand beside, and keep tensors in a layout of their own
between convolutions: without them a part would pay for changes of layout that the whole does not make, or the other
way round.
"""

from collections.abc import Collection
from dataclasses import replace

from addcat.graph import Edge, Graph, Node
from addcat.graph.operations import OPS

REACH = 3
"""How many nodes away from what changes a neighbour may be."""


def regions(old: Graph, new: Graph) -> tuple[Graph, Graph]:
    """Cut out what differs between two graphs of one model.

    Args:
        old: A graph that `read` gave, or one made from it.
        new: Made from `old`.

    Returns:
        The part of each; their inputs are the tensors that both parts are given by the rest of the model.
    """
    before = {name for name, node in old.nodes.items() if new.nodes.get(name) is not node and node.op != "input"}
    after = {name for name, node in new.nodes.items() if old.nodes.get(name) is not node and node.op != "input"}
    around = _neighbours(old, before) | _neighbours(new, after)
    common = {name for name in around if old.nodes.get(name) is new.nodes.get(name)}
    return _cut(old, before | common), _cut(new, after | common)


def _neighbours(graph: Graph, names: Collection[str]) -> set[str]:
    """Nodes next to the named ones on both sides, and through channelwise ones and merges up to the next kernel."""
    found: set[str] = set()
    front = set(names)
    for _ in range(REACH):
        producers = {edge.node for name in front for edge in graph.nodes[name].inputs}
        readers = {
            reader
            for name in front
            for output in range(len(graph.nodes[name].outputs))
            for reader, _ in graph.readers(Edge(name, output))
        }
        new = {n for n in producers | readers if graph.nodes[n].op not in ("input", "opaque")} - found - set(names)
        found |= new
        front = {name for name in new if not OPS[graph.nodes[name].op].mixes}
    return found


def _cut(graph: Graph, names: Collection[str]) -> Graph:
    inputs: dict[Edge, Node] = {}
    nodes: list[Node] = []
    for name, node in graph.nodes.items():
        if name not in names:
            continue
        for edge in node.inputs:
            if edge.node not in names and edge not in inputs:
                made = Node(f"{edge.node}.{edge.output}.in", "input", outputs=(graph.tensor(edge),))
                inputs[edge] = replace(made, channel_axis=graph.nodes[edge.node].channel_axis)
        nodes.append(replace(node, inputs=tuple(Edge(inputs[e].name) if e in inputs else e for e in node.inputs)))
    outputs = [
        Edge(node.name, i)
        for node in nodes
        for i in range(len(node.outputs))
        if _is_read_outside(graph, Edge(node.name, i), names)
    ]
    listed = list(inputs.values())
    native = replace(graph.native, whole=False)
    return Graph.of(
        [*listed, *nodes], inputs=[node.name for node in listed], outputs=outputs, name="region", native=native
    )


def _is_read_outside(graph: Graph, edge: Edge, names: Collection[str]) -> bool:
    return graph.is_output(edge) or any(reader not in names for reader, _ in graph.readers(edge))
