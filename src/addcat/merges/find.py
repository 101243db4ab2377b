"""Merge sites: where several tensors of a graph become one, and who reads the result.

A reader counts as a *consumer* when it is linear in the channels (Dense, convolution) and lies behind nothing but
channelwise operations. Then its kernel can be cut at the channel border between two branches,
W [x; y] = W_1 x + W_2 y, and a switch can change the kernel instead of adding a layer.
"""

from dataclasses import dataclass, replace

from addcat.graph import Edge, Graph, Node, Refusal, Shape
from addcat.graph.nested import subgraph, walk
from addcat.graph.operations import ADD_LIKE, OPS
from addcat.merges.consumers import Consumer, consumers
from addcat.merges.roles import role


@dataclass(frozen=True, slots=True)
class Branch:
    """One of the merged tensors.

    Attributes:
        producer: Name of the node that makes it.
        output: Which of that node's outputs.
        shape: Its shape, batch first.
        channels: Its size along the merge's channel axis; None where unknown.
    """

    producer: str
    output: int
    shape: Shape
    channels: int | None

    @property
    def edge(self) -> Edge:
        """The tensor in its graph."""
        return Edge(self.producer, self.output)


@dataclass(frozen=True, slots=True)
class Merge:
    """One place in a model where several tensors become one.

    Attributes:
        site: Unique name: the node's, behind the names of the nested models that it lies in ("encoder/merge").
        node: Name of the node in its own graph.
        op: "add", "concat", or another merge of `addcat.graph.operations`.
        axis: The axis that Concatenate joins, counted from 0 with the batch; None for the others.
        channel_axis: The axis that counts channels.
        branches: The merged tensors in the model's order; one may come twice.
        shape: Shape of the result, batch first.
        role: "residual", "skip", "siblings" or "fusion" (see `addcat.merges.roles`).
        consumers: Who reads the result, and through what.
        calls: How many times the nested model that holds it is called.
        obstacle: Why the framework's own code around it cannot be changed; "" where it can.
    """

    site: str
    node: str
    op: str
    axis: int | None
    channel_axis: int
    branches: tuple[Branch, ...]
    shape: Shape
    role: str
    consumers: tuple[Consumer, ...]
    calls: int = 1
    obstacle: str = ""

    @property
    def label(self) -> str:
        """The word for people, as Keras has it: "Add", "Concatenate", ..."""
        return OPS[self.op].label

    @property
    def arity(self) -> int:
        """How many tensors are merged."""
        return len(self.branches)

    @property
    def adds(self) -> bool:
        """Whether the result is a weighted sum of the branches: Add, or a rung of the ladder above it."""
        return self.op in ADD_LIKE

    @property
    def with_constant(self) -> bool:
        """Whether constants are merged in beside the branches."""
        return self.op.endswith("_constant")

    @property
    def blockers(self) -> tuple[Refusal, ...]:
        """Why kernels cannot simply be cut: one refusal for each reader that is not a consumer."""
        return tuple(c.refusal for c in self.consumers if c.refusal is not None)

    @property
    def direct(self) -> bool:
        """Whether a switch can change the consumers' kernels alone, so that nothing need be added after the merge."""
        places = {(c.node, c.offset) for c in self.consumers}
        places |= {(step.node, step.offset) for c in self.consumers for step in c.path}
        once = len({node for node, _ in places}) == len(places)  # no node holds the merged channels twice
        return bool(self.consumers) and not self.blockers and once


def is_merge(node: Node) -> bool:
    """Whether a node merges tensors of the model; masks (booleans), constants and single numbers do not count.

    A single number, such as a loss that a model gives, belongs to no example and has no channels.

    Examples:
        >>> from addcat.graph import Tensor
        >>> is_merge(Node("x_plus_3", "shift", (Edge("x"),), (Tensor((None, 4)),)))
        False
    """
    return OPS[node.op].merge and bool(node.inputs) and node.dtype != "bool" and node.shape != ()


JOINS = ("cat", "concat", "concatenate", "hstack", "vstack", "dstack", "stack")
"""Kinds of nodes that join, in lower case."""


def fixed_beside(graph: Graph, site: str) -> str:
    """A sentence on a node that adds or joins, and is no merge because all but one of its parts are the same for all.

    Args:
        graph: The outermost graph.
        site: As a user names it.

    Returns:
        The sentence; "" for a name that is none of such a node.
    """
    node = next((node for path, node, _ in walk(graph) if path == site), None)
    if node is None or len(node.inputs) != 1:
        return ""
    joins = node.op != "concat" and node.kind.lower() in JOINS
    if not joins and (node.op != "shift" or node.attrs.get("scalar")):
        return ""
    return (
        f"{site!r} {'joins' if joins else 'adds'} what is the same for every example, such as learned positions, to "
        "one branch: that is no merge of branches. In front of a linear layer adding it and joining its channels both "
        "come to W x plus a constant."
    )


def find_merges(graph: Graph, prefix: str = "") -> list[Merge]:
    """Every merge of a graph and of the nested models in it, in topological order.

    Args:
        graph: The graph of a model.
        prefix: Path of the nested model that `graph` is, ending in "/"; "" for the outermost.

    Returns:
        One merge a site. A merge in a nested model that is called at several places, by several models, is one site.
    """
    return [
        replace(describe_merge(inside, node, path[: -len(node.name)]), calls=_calls(graph, inside))
        for path, node, inside in walk(graph, prefix)
        if is_merge(node)
    ]


def _calls(graph: Graph, body: Graph) -> int:
    """How many times a model is called within another, through all models between; once within itself."""
    if graph is body:
        return 1
    return sum(_calls(node.body, body) for node in graph.nodes.values() if node.body is not None)


def describe_merge(graph: Graph, node: Node, prefix: str = "") -> Merge:
    """See one node as a merge."""
    rank = len(node.shape)
    channel_axis = node.channel_axis if node.channel_axis is not None else rank - 1
    axis = int(node.attrs["axis"]) % rank if node.op in ("concat", "stack") else None
    return Merge(
        site=prefix + node.name,
        node=node.name,
        op=node.op,
        axis=axis,
        channel_axis=channel_axis,
        branches=tuple(_branch(graph, edge, channel_axis, rank) for edge in node.inputs),
        shape=node.shape,
        role=role(graph, node),
        consumers=tuple(consumers(graph, node)),
        obstacle=str(node.attrs.get("obstacle", "")),
    )


def _branch(graph: Graph, edge: Edge, channel_axis: int, rank: int) -> Branch:
    shape = graph.tensor(edge).shape
    axis = channel_axis - rank if channel_axis else 0
    channels = shape[axis] if -len(shape) <= axis < len(shape) else None
    return Branch(edge.node, edge.output, shape, channels)


def frozen_behind(root: Graph, merge: Merge) -> bool:
    """Whether a merge is read by weights, and all of these are frozen.

    Args:
        root: The outermost graph.
        merge: One of its merges.
    """
    graph, _ = subgraph(root, merge.site)
    readers = [graph.nodes[one.node] for one in merge.consumers if one.node in graph.nodes]
    weights = [weight for reader in readers for weight in reader.weights.values()]
    return bool(weights) and not any(weight.trainable for weight in weights)
