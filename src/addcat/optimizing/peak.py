"""Memory of activations over a run, in the order in which a runtime would run the graph.

Runtimes order by dependencies, not by a file's order: depth first from the outputs. The peak alone is a poor guide for
a search, since one change rarely lowers it while others hold it up; so rewrites are compared by the p-norm of the
memory over the steps of a run, which is close to the peak and still falls with each part that comes down.
"""

from dataclasses import dataclass, replace

import numpy as np

from addcat.cost import tensor_bytes
from addcat.graph import Edge, Graph, Node

POWER = 12
IN_PLACE = ("activation", "add")


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of live activations, for a batch of one.

    Attributes:
        peak: The largest sum that is alive at one time.
        norm: The p-norm over the steps of a run, times the number of steps to the power -1/p: between mean and peak.
    """

    peak: int
    norm: float


def memory(graph: Graph) -> Memory | None:
    """Memory of activations, each alive from its writer to its last reader; None where a size is unknown.

    A function of single elements or a sum is computed in place of an input that nobody reads later, or fused into what
    made it: runtimes do one or the other. Nothing else is.

    Examples:
        >>> from addcat.graph import Tensor
        >>> x = Node("x", "input", outputs=(Tensor((1, 4)),))
        >>> a = Node("a", "dropout", (Edge("x"),), (Tensor((1, 4)),))
        >>> memory(Graph.of([x, a], inputs=["x"], outputs=[Edge("a")])).peak
        32
    """
    graph = _chained(graph)
    order = _order(graph)
    sizes = {
        Edge(name, i): tensor_bytes(tensor)
        for name in order
        for i, tensor in enumerate(graph.nodes[name].outputs)
        if graph.readers(Edge(name, i)) or graph.is_output(Edge(name, i))
    }
    if None in sizes.values():
        return None
    last: dict[Edge, int] = {}
    for place, name in enumerate(order):
        last.update(dict.fromkeys(graph.nodes[name].inputs, place))
    last.update(dict.fromkeys(graph.outputs, len(order)))
    live, steps = 0, [0]
    for place, name in enumerate(order):
        node = graph.nodes[name]
        made = [Edge(name, i) for i in range(len(node.outputs)) if Edge(name, i) in sizes]
        live += sum(sizes[edge] or 0 for edge in made)
        dying = {edge for edge in {*node.inputs, *made} if last.get(edge, -1) == place}
        freed = sum(sizes[edge] or 0 for edge in dying)
        reused = [sizes[edge] or 0 for edge in node.inputs if edge in dying] if node.op in IN_PLACE else []
        own = sum(sizes[edge] or 0 for edge in made)
        steps.append(live - own if own in reused else live)
        live -= freed
    profile = np.asarray(steps, np.float64)
    peak = float(profile.max())
    norm = peak * float(np.mean((profile / peak) ** POWER)) ** (1 / POWER) if peak else 0.0
    return Memory(int(peak), norm)


def _chained(graph: Graph) -> Graph:
    """The graph with every sum of several terms as a chain of sums of two, as it is written and run."""
    nodes: list[Node] = []
    for node in graph.nodes.values():
        if node.op != "add" or len(node.inputs) < 3:
            nodes.append(node)
            continue
        total = node.inputs[0]
        for number, edge in enumerate(node.inputs[1:], 2):
            name = node.name if number == len(node.inputs) else f"{node.name} ({number} terms)"
            nodes.append(replace(node, name=name, inputs=(total, edge)))
            total = Edge(name)
    if len(nodes) == len(graph.nodes):
        return graph
    return Graph.of(nodes, inputs=graph.inputs, outputs=graph.outputs)


def _order(graph: Graph) -> list[str]:
    """Depth first from the outputs, each node after all that it reads."""
    done: dict[str, None] = dict.fromkeys(graph.inputs)
    for output in graph.outputs:
        stack = [output.node]
        while stack:
            name = stack[-1]
            waiting = [] if name in done else [e.node for e in graph.nodes[name].inputs if e.node not in done]
            if waiting:
                stack.append(waiting[0])
            else:
                done[stack.pop()] = None
    return list(done)
