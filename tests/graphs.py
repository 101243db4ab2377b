"""Small graphs drawn by hand, with weights in float64 at random and shapes found by computing them."""

from typing import Any

import numpy as np
from reference import compute

from addcat.graph import Array, Edge, Graph, Node, Tensor, Weight


class Sketch:
    """A graph in the making; every method adds a node and gives its edge.

    Attributes:
        first: Whether channels are axis 1; else they come last.
        known: Whether spatial sizes are declared, or unknown like the batch.
    """

    def __init__(self, seed: int = 0, *, first: bool = False, known: bool = True, dtype: str = "float64") -> None:
        self.random = np.random.default_rng(seed)
        self.first, self.known, self.dtype = first, known, dtype
        self.nodes: list[Node] = []
        self.values: dict[Edge, Array] = {}

    def graph(self, *outputs: Edge) -> Graph:
        """The graph so far, with these outputs; the last node's where none is named."""
        inputs = [node.name for node in self.nodes if node.op == "input"]
        return Graph.of(self.nodes, inputs=inputs, outputs=outputs or (Edge(self.nodes[-1].name),))

    def input(self, channels: int = 3, size: tuple[int, ...] = (5, 6), name: str = "x") -> Edge:
        shape = (2, channels, *size) if self.first else (2, *size, channels)
        return self._keep(Node(name, "input", channel_axis=self.axis(len(shape))), [self.random.normal(size=shape)])

    def inputs(self) -> dict[str, Array]:
        """The arrays with which the shapes were found."""
        return {node.name: self.values[Edge(node.name)] for node in self.nodes if node.op == "input"}

    def axis(self, rank: int) -> int:
        return 1 if self.first else rank - 1

    def node(
        self,
        op: str,
        *edges: Edge,
        name: str = "",
        weights: dict[str, Array] | None = None,
        channel_axis: int | None = None,
        layer: str = "",
        **attrs: Any,
    ) -> Edge:
        """Add any node; it is computed to learn its shape."""
        name = name or f"{op}{sum(node.op == op for node in self.nodes) + 1}"
        rank = self.values[edges[0]].ndim
        arrays = {key: Weight.of(np.asarray(array)) for key, array in (weights or {}).items()}
        axis = self.axis(rank) if channel_axis is None else channel_axis
        node = Node(name, op, edges, attrs=attrs, weights=arrays, channel_axis=axis, layer=layer)
        return self._keep(node, compute(node, [self.values[edge] for edge in edges]))

    def _keep(self, node: Node, results: list[Array]) -> Edge:
        shapes = [
            tuple(
                None if axis == 0 or (not self.known and axis != node.channel_axis) else size
                for axis, size in enumerate(result.shape)
            )
            for result in results
        ]
        self.nodes.append(node.edit(outputs=tuple(Tensor(shape, self.dtype) for shape in shapes)))
        self.values.update({Edge(node.name, number): result for number, result in enumerate(results)})
        return Edge(node.name)

    def channels(self, edge: Edge) -> int:
        array = self.values[edge]
        return array.shape[self.axis(array.ndim)]

    def draw(self, *shape: int) -> Array:
        return self.random.normal(size=shape)

    def conv(
        self,
        edge: Edge,
        outputs: int = 4,
        taps: int | tuple[int, ...] = 3,
        *,
        groups: int = 1,
        bias: bool = True,
        op: str = "conv",
        **attrs: Any,
    ) -> Edge:
        rank = self.values[edge].ndim - 2
        sizes = (taps,) * rank if isinstance(taps, int) else taps
        defaults = {"strides": (1,) * rank, "dilation": (1,) * rank, "padding": "same", "activation": "linear"}
        settings = {**defaults, **({"groups": groups} if op == "conv" else {}), **attrs}
        weights = {"kernel": self.draw(outputs, self.channels(edge) // groups, *sizes)}
        if bias:
            weights["bias"] = self.draw(outputs)
        return self.node(op, edge, weights=weights, **settings)

    def depthwise(self, edge: Edge, taps: int = 3, multiplier: int = 1, *, bias: bool = True, **attrs: Any) -> Edge:
        channels = self.channels(edge)
        more = {"multiplier": multiplier, "op": "depthwise_conv", **attrs}
        return self.conv(edge, channels * multiplier, taps, groups=channels, bias=bias, **more)

    def dense(self, edge: Edge, outputs: int = 4, *, bias: bool = True, **attrs: Any) -> Edge:
        weights = {"kernel": self.draw(outputs, self.values[edge].shape[-1])}
        if bias:
            weights["bias"] = self.draw(outputs)
        last = self.values[edge].ndim - 1
        return self.node("dense", edge, weights=weights, channel_axis=last, **{"activation": "linear", **attrs})

    def norm(self, edge: Edge, **attrs: Any) -> Edge:
        count = self.channels(edge)
        weights = {"scale": self.draw(count), "offset": self.draw(count), "mean": self.draw(count)}
        weights["variance"] = 0.5 + self.random.random(count)
        return self.node("batch_norm", edge, weights=weights, **{"epsilon": 1e-3, **attrs})

    def value(self, op: str, edge: Edge, *, scalar: bool = False, **attrs: Any) -> Edge:
        """A shift or a gain."""
        drawn = self.draw() if scalar else self.draw(self.channels(edge))
        return self.node(op, edge, weights={"value": np.asarray(drawn)}, **attrs)

    def relu(self, edge: Edge, **attrs: Any) -> Edge:
        return self.node("activation", edge, function="relu", **attrs)

    def concat(self, *edges: Edge, **attrs: Any) -> Edge:
        return self.node("concat", *edges, **{"axis": self.axis(self.values[edges[0]].ndim), **attrs})

    def add(self, *edges: Edge, **attrs: Any) -> Edge:
        return self.node("add", *edges, **attrs)

    def resize(self, edge: Edge, factor: int = 2, method: str = "nearest", **attrs: Any) -> Edge:
        rank = self.values[edge].ndim - 2
        return self.node("resize", edge, **{"factor": (factor,) * rank, "method": method, **attrs})

    def pool(self, edge: Edge, size: int = 2, strides: int = 2, kind: str = "average", **attrs: Any) -> Edge:
        rank = self.values[edge].ndim - 2
        settings = {"size": (size,) * rank, "strides": (strides,) * rank, "padding": "valid", "kind_of_pool": kind}
        return self.node("pool", edge, **{**settings, **attrs})


def feed(graph: Graph, seed: int = 1, *, unknown: int = 6) -> dict[str, Array]:
    """Random inputs for a graph."""
    random = np.random.default_rng(seed)
    return {
        name: random.normal(size=[2, *(size or unknown for size in graph.nodes[name].shape[1:])])
        for name in graph.inputs
    }
