"""The graph of a model: frozen nodes in topological order, with edits that return a new graph.

A door fills it from a framework and builds a model back from it. Nothing here knows a framework: `native` is carried
along untouched, so whatever we do not understand survives.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from types import MappingProxyType
from typing import Any, NamedTuple

from numpy.typing import NDArray

Shape = tuple[int | None, ...]
Array = NDArray[Any]
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Edge(NamedTuple):
    """One output of one node, as another node reads it.

    Attributes:
        node: Name of the node that produces the tensor.
        output: Which of its outputs, from 0.
    """

    node: str
    output: int = 0


@dataclass(frozen=True, slots=True)
class Tensor:
    """What is known of a tensor before it is computed.

    Attributes:
        shape: Sizes with the batch first; None where unknown.
        dtype: Name of the element type, such as "float32".
    """

    shape: Shape
    dtype: str = "float32"


@dataclass(frozen=True, slots=True)
class Weight:
    """A weight of a node, in canonical layout, read only when somebody asks.

    Attributes:
        shape: Its canonical shape: `(out, in, *taps)` for kernels.
        read: Gives the array.
        key: The same for every holder of the same variable, so that shared weights count once.
        trainable: Whether an optimiser may change it.
        counts: Whether the framework counts it among the model's parameters; torch leaves buffers out.
    """

    shape: tuple[int, ...]
    read: Callable[[], Array] = field(repr=False, compare=False)
    key: int
    trainable: bool = True
    counts: bool = True

    @staticmethod
    def of(array: Array, *, trainable: bool = True) -> "Weight":
        """Wrap an array that is at hand.

        Examples:
            >>> import numpy as np
            >>> Weight.of(np.ones((4, 3))).size
            12
        """
        return Weight(array.shape, lambda: array, id(array), trainable)

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a change does not apply: a value, not an exception.

    Attributes:
        code: Stable code, such as "AC104".
        site: The merge or node that was to be changed.
        reason: What stands in the way, naming the node that does.
    """

    code: str
    site: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operation of a model, at one call site.

    Attributes:
        name: Unique in its graph. A second call of a shared layer is `name#2`.
        op: Canonical operation, a key of `addcat.graph.operations.OPS`, or "opaque".
        inputs: The tensors that it reads, in its own order; one tensor may come twice.
        outputs: What it gives.
        attrs: Its settings under canonical names (see `addcat.graph.operations`).
        weights: Its weights by canonical name.
        channel_axis: The axis of its output that counts channels, from 0; None where that is unknown.
        layer: Name of the layer that owns the weights; the same for every call site of a shared layer.
        body: The graph inside, where the node calls a nested model.
        native: The framework's own operation, untouched; None for a node that we made.
        edited: Whether attrs or weights differ from those of `native`.
    """

    name: str
    op: str
    inputs: tuple[Edge, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    attrs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    weights: Mapping[str, Weight] = field(default_factory=dict[str, Weight])
    channel_axis: int | None = None
    layer: str = ""
    body: "Graph | None" = field(default=None, repr=False)
    native: Any = field(default=None, repr=False)
    edited: bool = False

    @property
    def shape(self) -> Shape:
        """Shape of the first output, batch first; None for unknown sizes."""
        return self.outputs[0].shape

    @property
    def dtype(self) -> str:
        """Element type of the first output."""
        return self.outputs[0].dtype

    @property
    def channels(self) -> int | None:
        """Size of the channel axis of the first output."""
        return None if self.channel_axis is None else self.shape[self.channel_axis]

    @property
    def kind(self) -> str:
        """The framework's name for what this is, such as "SeparableConv2D"; the canonical one where we made it."""
        return str(self.attrs.get("kind", self.op))

    def weight(self, name: str) -> Array:
        """Read one weight as an array in canonical layout."""
        return self.weights[name].read()

    def edit(
        self, *, attrs: Mapping[str, Any] = NOTHING, weights: Mapping[str, Array] = NOTHING, **fields: Any
    ) -> "Node":
        """Return a copy with some settings, weights or fields changed.

        Args:
            attrs: Settings to change, by canonical name.
            weights: Arrays to put in place, by canonical name; trainable as those before them.
            **fields: Any other field of the node.

        Returns:
            The new node, marked `edited` where settings or weights changed.

        Examples:
            >>> import numpy as np
            >>> node = Node("head", "dense", weights={"kernel": Weight.of(np.ones((2, 3)))})
            >>> wide = node.edit(weights={"kernel": np.ones((2, 6))})
            >>> node.weights["kernel"].shape, wide.weights["kernel"].shape, wide.edited
            ((2, 3), (2, 6), True)
        """
        new = dict(self.weights)
        for name, array in weights.items():
            made, old = Weight.of(array), self.weights.get(name)
            new[name] = made if old is None else replace(made, trainable=old.trainable, counts=old.counts)
        edited = self.edited or bool(attrs) or bool(weights)
        return replace(self, **{"attrs": {**self.attrs, **attrs}, "weights": new, "edited": edited, **fields})


@dataclass(frozen=True, eq=False)
class Graph:
    """A model: nodes in topological order, its inputs and its outputs.

    Attributes:
        nodes: By name, each after all that it reads.
        inputs: Names of the input nodes, in the model's order.
        outputs: What the model gives, in the model's order.
        name: The model's name.
        native: The framework's own model, for the door that writes.

    Examples:
        >>> x = Node("x", "input", outputs=(Tensor((None, 4)),))
        >>> twice = Node("twice", "add", (Edge("x"), Edge("x")), (Tensor((None, 4)),))
        >>> graph = Graph.of([x, twice], inputs=["x"], outputs=[Edge("twice")])
        >>> graph.readers(Edge("x")), sorted(graph.ancestors("twice"))
        ((('twice', 0), ('twice', 1)), ['x'])
    """

    nodes: Mapping[str, Node]
    inputs: tuple[str, ...]
    outputs: tuple[Edge, ...]
    name: str = "model"
    native: Any = field(default=None, repr=False)

    @staticmethod
    def of(
        nodes: Iterable[Node],
        *,
        inputs: Iterable[str],
        outputs: Iterable[Edge],
        name: str = "model",
        native: Any = None,
    ) -> "Graph":
        """Make a graph of nodes in any order; they are sorted, and checked (see `check`)."""
        listed = list(nodes)
        by_name = {node.name: node for node in listed}
        assert len(by_name) == len(listed), "two nodes of one name"  # noqa: S101  (our own mistake, never a user's)
        graph = Graph(_sorted(by_name), tuple(inputs), tuple(outputs), name, native)
        graph.check()
        return graph

    def check(self) -> None:
        """Assert what every graph must hold: edges exist, order is topological, inputs are inputs."""
        seen: set[str] = set()
        for name, node in self.nodes.items():
            assert name == node.name  # noqa: S101
            for edge in node.inputs:
                assert edge.node in seen, f"{name} reads {edge.node}, which does not come before it"  # noqa: S101
                assert edge.output < len(self.nodes[edge.node].outputs), f"{name} reads {edge}"  # noqa: S101
            seen.add(name)
        assert all(self.nodes[name].op == "input" for name in self.inputs)  # noqa: S101
        assert all(edge.node in seen for edge in self.outputs), "the outputs are not of the graph"  # noqa: S101

    def tensor(self, edge: Edge) -> Tensor:
        """What is known of the tensor on an edge."""
        return self.nodes[edge.node].outputs[edge.output]

    @cached_property
    def _readers(self) -> dict[Edge, tuple[tuple[str, int], ...]]:
        readers: dict[Edge, list[tuple[str, int]]] = {}
        for node in self.nodes.values():
            for position, edge in enumerate(node.inputs):
                readers.setdefault(edge, []).append((node.name, position))
        return {edge: tuple(found) for edge, found in readers.items()}

    def readers(self, edge: Edge) -> tuple[tuple[str, int], ...]:
        """Who reads a tensor: names of nodes, each with the position among its inputs."""
        return self._readers.get(edge, ())

    def is_output(self, edge: Edge) -> bool:
        """Whether the model gives this tensor to its caller."""
        return edge in self.outputs

    @cached_property
    def _ancestors(self) -> dict[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for name, node in self.nodes.items():
            found[name] = frozenset().union(*({e.node} | found[e.node] for e in node.inputs))
        return found

    def ancestors(self, name: str) -> frozenset[str]:
        """Every node that the named one depends on, itself not among them."""
        return self._ancestors[name]

    def calls(self, node: Node) -> tuple[str, ...]:
        """Every call site of the node's layer, in order; just its own name where nothing is shared."""
        if not node.layer:
            return (node.name,)
        return tuple(other.name for other in self.nodes.values() if other.layer == node.layer)

    def edit(
        self,
        *,
        put: Iterable[Node] = (),
        remove: Iterable[str] = (),
        rewire: Mapping[Edge, Edge] | None = None,
    ) -> "Graph":
        """Return a new graph with nodes put in (or replaced, by name), removed, and readers moved.

        Args:
            put: Nodes to add, or to put in the place of those of the same name.
            remove: Names of nodes to take out.
            rewire: For each tensor, the one that all its old readers and the model's outputs take from now on. Nodes
                in `put` keep the inputs they come with.

        Returns:
            The new graph, sorted and checked.
        """
        moved = rewire or {}
        new, removed = {node.name: node for node in put}, set(remove)
        kept = [
            replace(node, inputs=tuple(moved.get(edge, edge) for edge in node.inputs))
            if any(edge in moved for edge in node.inputs)
            else node
            for node in self.nodes.values()
            if node.name not in removed and node.name not in new
        ]
        outputs = (moved.get(edge, edge) for edge in self.outputs)
        return Graph.of([*kept, *new.values()], inputs=self.inputs, outputs=outputs, name=self.name, native=self.native)

    def fresh_name(self, wanted: str) -> str:
        """A name that no node has yet: `wanted`, else `wanted_1`, `wanted_2`, ..."""
        names, taken = wanted, {*self.nodes, *(node.layer for node in self.nodes.values())}
        number = 0
        while names in taken:
            number += 1
            names = f"{wanted}_{number}"
        return names


def _sorted(nodes: dict[str, Node]) -> dict[str, Node]:
    """Topological order that keeps the given one wherever it may (depth first, no recursion)."""
    done: dict[str, Node] = {}
    for start in nodes.values():
        stack = [(start, iter(start.inputs))]
        while stack:
            node, rest = stack[-1]
            edge = next((e for e in rest if e.node not in done), None)
            if edge is None:
                done[node.name] = node
                stack.pop()
            else:
                child = nodes[edge.node]
                assert all(child is not open_ for open_, _ in stack), f"cycle through {edge.node}"  # noqa: S101
                stack.append((child, iter(child.inputs)))
    return done


class Blocked(Exception):  # noqa: N818  (a signal within a rewrite, not an error)
    """Raised where a rewrite nearly applies; the message is the reason. Rules turn it into a `Refusal`."""
