"""The order in which a graph is written, and counted: the one that keeps least alive, of a few that are quickly made.

A sum of many terms is taken two at a time, so that each term can go as soon as it is added. Of the orders depth first
from the outputs one takes the inputs of a node as they come, the other first what needs most memory beyond what it
leaves: for trees that is the best there is (Sethi and Ullman, "The generation of optimal code for arithmetic
expressions", 1970); where tensors have several readers it is a good guess, so the orders are compared by what they
keep alive.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from addcat.graph.core import Edge, Graph, Node
from addcat.graph.cost import tensor_bytes

Sizes = Mapping[Edge, int]


def chained(graph: Graph) -> Graph:
    """A graph with every sum of several terms that is ours as a chain of sums of two."""
    nodes: list[Node] = []
    taken = set(graph.nodes)
    for node in graph.nodes.values():
        ours = node.op == "add" and (node.native is None or node.edited)
        alike = all(graph.tensor(edge).shape == node.shape for edge in node.inputs)
        if not ours or not alike or len(node.inputs) < 3:
            nodes.append(node)
            continue
        total = node.inputs[0]
        for number, edge in enumerate(node.inputs[1:], 2):
            name = node.name if number == len(node.inputs) else _fresh(f"{node.name}_of{number}", taken)
            nodes.append(replace(node, name=name, inputs=(total, edge)))
            total = Edge(name)
    if len(nodes) == len(graph.nodes):
        return graph
    return Graph.of(nodes, inputs=graph.inputs, outputs=graph.outputs, name=graph.name, native=graph.native)


def _fresh(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 0
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    taken.add(name)
    return name


def sizes(graph: Graph) -> Sizes | None:
    """Bytes of every tensor that somebody reads, for a batch of one; None where one is unknown."""
    found: dict[Edge, int] = {}
    for name, node in graph.nodes.items():
        for index, tensor in enumerate(node.outputs):
            edge = Edge(name, index)
            if graph.readers(edge) or graph.is_output(edge):
                size = tensor_bytes(tensor)
                if size is None:
                    return None
                found[edge] = size
    return found


def orders(graph: Graph, sizes: Sizes) -> Iterator[list[str]]:
    """Orders to choose from: as the graph has it, depth first as inputs come, and depth first by need."""
    yield list(graph.nodes)
    yield _depth_first(graph, {})
    yield _depth_first(graph, _needs(graph, sizes))


def _needs(graph: Graph, sizes: Sizes) -> dict[str, int]:
    """What computing a node takes at its peak beyond what it leaves, as if nothing below it were shared."""
    excess: dict[str, int] = {}
    for name, node in graph.nodes.items():
        made = sum(sizes.get(Edge(name, index), 0) for index in range(len(node.outputs)))
        held = peak = 0
        for edge in sorted(dict.fromkeys(node.inputs), key=lambda e: -excess[e.node]):
            peak = max(peak, held + excess[edge.node] + sizes[edge])
            held += sizes[edge]
        excess[name] = max(peak, held + made) - made
    return excess


def _depth_first(graph: Graph, needs: Mapping[str, int]) -> list[str]:
    """Depth first from the outputs, each node after all that it reads; inputs with greater needs first."""
    done: dict[str, None] = dict.fromkeys(graph.inputs)
    for output in graph.outputs:
        stack = [output.node]
        while stack:
            name = stack[-1]
            waiting = [] if name in done else [e.node for e in graph.nodes[name].inputs if e.node not in done]
            if waiting:
                stack.append(max(waiting, key=lambda one: needs.get(one, 0)))
            else:
                done[stack.pop()] = None
    return list(done)
