"""Who reads a merge: linear consumers behind channelwise paths, and whatever stands in the way.

Followed from the merged tensor: channelwise operations are passed through, a Concatenate along the same axis too (the
merged channels then lie at an offset in it). A linear operation ends the way; so does anything that mixes channels
otherwise, and then the refusal names it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from addcat.graph import Edge, Graph, Node, Refusal
from addcat.graph.operations import OPS, channelwise

MIXING = {
    "flatten": "interleaves channels with positions",
    "reshape": "may interleave channels with positions",
    "permute": "moves the channel axis",
    "layer_norm": "normalises over all channels together",
    "group_norm": "normalises over groups of channels",
    "softmax": "normalises over all channels together",
    "attention": "compares positions over all channels",
    "recurrent": "has gates that addcat does not cut",
    "model": "is a nested model, which addcat does not look through here",
    "opaque": "is an operation that addcat does not look into",
}


@dataclass(frozen=True, slots=True)
class Passage:
    """A channelwise operation on the way, and where the merged channels start in it.

    Attributes:
        node: Name of the operation.
        offset: Index of the first merged channel along its channel axis.
    """

    node: str
    offset: int


@dataclass(frozen=True, slots=True)
class Consumer:
    """A reader of a merge.

    Attributes:
        node: The linear operation, or what stands in the way; "" where the merge is an output of its model.
        path: The channelwise operations between, from the merge on.
        offset: Index of the first merged channel among the operation's input channels.
        treatment: What the path does to a channel: "linear", "affine" or "any" (not linear).
        refusal: Why the kernel cannot be cut at a channel border; None where it can.
    """

    node: str
    path: tuple[Passage, ...]
    offset: int
    treatment: str
    refusal: Refusal | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the operations on the path."""
        return tuple(step.node for step in self.path)


@dataclass(frozen=True, slots=True)
class _Way:
    """How far a merged tensor has been followed."""

    edge: Edge
    path: tuple[Passage, ...]
    offset: int
    axis: int


MOST_WAYS = 1000
"""Concatenates of Concatenates can double the ways at each step; past this many the search is given up."""


def consumers(graph: Graph, merge: Node) -> Iterator[Consumer]:
    """Follow a merged tensor to everything that reads it.

    Args:
        graph: The graph that holds the merge.
        merge: The merge.

    Yields:
        One consumer for each way that ends.
    """
    if merge.channel_axis is None:
        return
    ways = [_Way(Edge(merge.name), (), 0, merge.channel_axis)]
    for _ in range(MOST_WAYS):
        if not ways:
            return
        way = ways.pop()
        if graph.is_output(way.edge):
            yield _output(graph, merge, way)
        for name, position in reversed(graph.readers(way.edge)):
            following = _onward(graph, merge, way, name, position)
            if isinstance(following, _Way):
                ways.append(following)
            else:
                yield following
    reason = f"{merge.name!r} reaches its readers in more than {MOST_WAYS} ways, through nested merges"
    yield Consumer("", (), 0, "any", Refusal("AC111", merge.name, reason))


def _output(graph: Graph, merge: Node, way: _Way) -> Consumer:
    size = graph.tensor(way.edge).shape[way.axis]
    through = f"through {way.path[-1].node!r} " if way.path else ""
    reason = f"{merge.name!r} is {through}an output of the model: whoever calls it expects {size or 'its'} channels"
    return Consumer("", way.path, way.offset, _treatment(graph, way.path), Refusal("AC104", merge.name, reason))


def _onward(graph: Graph, merge: Node, way: _Way, name: str, position: int) -> "_Way | Consumer":
    """One step further, or the consumer at which the way ends."""
    node, axis = graph.nodes[name], way.axis
    if node.op == "concat" and len(node.inputs) > 1 and _axis(node) == axis == node.channel_axis:
        start = _start(graph, node, position, axis)
        if start is not None:
            offset = way.offset + start
            return _Way(Edge(name), (*way.path, Passage(name, offset)), offset, axis)
    refusal = _refusal(graph, merge, node, axis)
    if refusal is None and not OPS[node.op].mixes:
        after = 1 if node.op == "global_pool" and not node.attrs["keepdims"] else axis
        return _Way(Edge(name), (*way.path, Passage(name, way.offset)), way.offset, after)
    return Consumer(name, way.path, way.offset, _treatment(graph, way.path), refusal)


def _axis(node: Node) -> int:
    return int(node.attrs["axis"]) % len(node.shape)


def _start(graph: Graph, concat: Node, position: int, axis: int) -> int | None:
    """Index of the first channel of one input within a Concatenate; None where a size before it is unknown."""
    before = [graph.tensor(edge).shape[axis] for edge in concat.inputs[:position]]
    return None if None in before else sum(size for size in before if size is not None)


def _treatment(graph: Graph, path: tuple[Passage, ...]) -> str:
    order = ("linear", "affine", "any")
    kinds = [channelwise(graph.nodes[step.node].op, dict(graph.nodes[step.node].attrs)) for step in path]
    return max((kind for kind in kinds if kind), key=order.index, default="linear")


def _refusal(graph: Graph, merge: Node, node: Node, axis: int) -> Refusal | None:
    """Why the merged channels cannot be told apart behind `node`; None where they can."""
    site, who = merge.name, f"{node.kind} {node.name!r}"
    if node.op == "dense" and axis != len(graph.tensor(node.inputs[0]).shape) - 1:
        reason = f"{who} contracts the last axis, the channels of {site!r} lie on axis {axis}"
        return Refusal("AC101", site, reason)
    if OPS[node.op].merge:
        return Refusal("AC104", site, f"{who} merges the result with another tensor, so its width must stay")
    attrs = dict(node.attrs)
    linear, alone = OPS[node.op].mixes, channelwise(node.op, attrs)
    if (linear and node.op != "dense") or alone:
        counted = _channels_in(graph, node)
        if counted != axis:
            reason = f"{who} counts channels on axis {counted}, {site!r} on axis {axis}"
            return Refusal("AC101", site, reason)
    if int(attrs.get("multiplier", 1)) > 1 and not linear:
        return Refusal("AC103", site, f"{who} makes {attrs['multiplier']} channels of each, which addcat does not cut")
    if attrs.get("scalar") is False:
        return Refusal("AC103", site, f"{who} has a constant array, which addcat does not cut")
    if not linear and not alone:
        return Refusal("AC103", site, f"{who} {attrs.get('reason') or MIXING.get(node.op, 'mixes channels')}")
    if int(attrs.get("groups", 1)) > 1 and linear:
        reason = f"{who} is a convolution in {attrs['groups']} groups, each of which reads some of the channels"
        return Refusal("AC106", site, reason)
    if node.weights and len(graph.calls(node)) > 1:
        calls = ", ".join(map(repr, graph.calls(node)))
        return Refusal("AC105", site, f"{who} shares its weights between {calls}, so they cannot change for one call")
    return None


def _channels_in(graph: Graph, node: Node) -> int | None:
    """The axis on which an operation takes its input's channels."""
    if node.op == "global_pool" and not node.attrs["keepdims"]:
        return 1 if node.attrs.get("channels_first") else len(graph.tensor(node.inputs[0]).shape) - 1
    return node.channel_axis


def axis_of_channels(node: Node, shape: tuple[int, ...]) -> int | None:
    """Where a channelwise operation's weight counts channels; None where it shares one value over all of them.

    Args:
        node: The operation.
        shape: Of one of its weights.
    """
    if node.op != "prelu":
        return 0 if shape and shape[0] == node.channels else None
    axis = (node.channel_axis or 0) - 1
    return axis if shape[axis] == node.channels else None
