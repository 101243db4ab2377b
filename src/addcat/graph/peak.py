"""Memory of activations over a run, in the best of a few orders.

A function of single elements or a sum may be computed in the place of an input that nobody reads later, or fused into
what made it. Runtimes do so at different places, so memory is counted both ways: the peak that is reported has all of
it, and neither may rise.

The peak alone is a poor guide for a search, since one change rarely lowers it while others hold it up; so rewrites are
compared by the p-norm of the memory over the steps of a run, which is close to the peak and still falls with each part
that comes down.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from addcat.graph.core import Edge, Graph
from addcat.graph.order import Sizes, chained, orders, sizes

POWER = 32
IN_PLACE = ("activation", "shift", "gain", "add_map", "add", "subtract", "multiply", "maximum", "minimum")
NEAR = 0.9
"""Steps with this share of the peak are where a search for less memory looks."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of live activations, for a batch of one.

    Attributes:
        peak: The largest sum that is alive at one time.
        apart: The same where nothing is computed in place.
        norm: The p-norms of both over the steps of a run, added.
        graph: The graph with sums of two terms, its nodes in the order of the run.
    """

    peak: int
    apart: int
    norm: float
    graph: Graph

    def rises_from(self, other: "Memory") -> bool:
        """Whether either peak is higher than another's."""
        return self.peak > other.peak or self.apart > other.apart

    def lower_than(self, other: "Memory") -> bool:
        """Whether one of the peaks is lower than another's, and neither is higher."""
        return not self.rises_from(other) and (self.peak < other.peak or self.apart < other.apart)


def memory(graph: Graph) -> Memory | None:
    """Memory of activations, each alive from its writer to its last reader; None where a size is unknown.

    Examples:
        >>> from addcat.graph.core import Node, Tensor
        >>> x = Node("x", "input", outputs=(Tensor((1, 4)),))
        >>> a = Node("a", "dense", (Edge("x"),), (Tensor((1, 8)),))
        >>> b = Node("b", "activation", (Edge("a"),), (Tensor((1, 8)),), {"function": "relu"})
        >>> found = memory(Graph.of([x, a, b], inputs=["x"], outputs=[Edge("b")]))
        >>> found.peak, found.apart
        (48, 64)
    """
    graph = chained(graph)
    known = sizes(graph)
    if known is None:
        return None
    runs = [
        (order, profile(graph, order, known), profile(graph, order, known, in_place=False))
        for order in orders(graph, known)
    ]
    order, steps, apart = min(runs, key=lambda run: _norm(run[1]) + _norm(run[2]))
    nodes = [graph.nodes[name] for name in order]
    rest = [node for name, node in graph.nodes.items() if name not in set(order)]
    ordered = Graph.of(
        [*nodes, *rest], inputs=graph.inputs, outputs=graph.outputs, name=graph.name, native=graph.native
    )
    return Memory(max(steps), max(apart), _norm(steps) + _norm(apart), ordered)


def scheduled(graph: Graph) -> Graph:
    """A graph in the order in which `memory` counts it; in its own, sums of two, where a size is unknown."""
    found = memory(graph)
    return chained(graph) if found is None else found.graph


def profile(graph: Graph, order: Sequence[str], sizes: Sizes, *, in_place: bool = True) -> list[int]:
    """Bytes alive while each node of an order runs."""
    last: dict[Edge, int] = {}
    for place, name in enumerate(order):
        last.update(dict.fromkeys(graph.nodes[name].inputs, place))
    last.update(dict.fromkeys(graph.outputs, len(order)))
    live, steps = 0, list[int]()
    for place, name in enumerate(order):
        node = graph.nodes[name]
        made = [Edge(name, index) for index in range(len(node.outputs)) if Edge(name, index) in sizes]
        own = sum(sizes[edge] for edge in made)
        live += own
        dying = {edge for edge in {*node.inputs, *made} if last.get(edge, -1) == place}
        free = [edge for edge in node.inputs if edge in dying and graph.nodes[edge.node].op != "input"]
        reused = in_place and node.op in IN_PLACE and any(sizes[edge] == own for edge in free)
        steps.append(live - own if reused else live)
        live -= sum(sizes[edge] for edge in dying)
    return steps


def _norm(steps: Sequence[int]) -> float:
    shares, peak = np.asarray(steps, np.float64), float(max(steps))
    return peak * float(np.sum((shares / peak) ** POWER)) ** (1 / POWER) if peak else 0.0


def near_peak(graph: Graph) -> frozenset[str] | None:
    """The nodes that run, or whose tensors are alive, where the memory is near its peak; None where it is unknown."""
    found = memory(graph)
    if found is None:
        return None
    graph = found.graph
    places = {name: place for place, name in enumerate(graph.nodes)}
    ends = {
        name: max((places[r] for i in range(len(node.outputs)) for r, _ in graph.readers(Edge(name, i))), default=0)
        for name, node in graph.nodes.items()
    }
    high: set[int] = set()
    for in_place in (True, False):
        bytes_ = profile(graph, list(graph.nodes), sizes(graph) or {}, in_place=in_place)
        high.update(place for place, one in enumerate(bytes_) if one >= NEAR * max(bytes_))
    return frozenset(
        name for name, place in places.items() if any(place <= one <= max(ends[name], place) for one in high)
    )
