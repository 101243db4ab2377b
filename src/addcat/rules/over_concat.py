"""Distribute: f([x_1; ...; x_k]) = [f_1(x_1); ...; f_k(x_k)] for every map f that treats each channel alone.

f_i is f on the channels of branch i: the same function, or the same map with its weights cut. Batch norm, per-channel
gains and shifts, pooling, resizing, padding and depthwise convolutions are such maps where the Concatenate joins
channels; functions of single elements are for any axis. In a branch they can fold into what made it, and the kernel
after them can be split.
"""

from itertools import accumulate, pairwise

from addcat.graph import Array, Blocked, Edge, Graph, Node
from addcat.graph.operations import channelwise
from addcat.rules import building, guards
from addcat.rules.base import Plan, Role, Rule

ELEMENTWISE = ("activation", "dropout", "identity")
CUT = ("batch_norm", "shift", "gain", "depthwise_conv")


def plan(graph: Graph, node: Node) -> Plan | None:
    """Move a channelwise map from behind a Concatenate into its branches."""
    if len(node.inputs) != 1 or not channelwise(node.op, dict(node.attrs)):
        return None
    concat = guards.producer(graph, node)
    if concat.op != "concat" or len(concat.inputs) < 2:
        return None
    guards.free(graph, node)
    guards.free(graph, concat)
    guards.one_type(graph, concat, node)
    joined = guards.joined_axis(concat)
    if node.op == "instance_norm" or (node.weights and (node.op not in CUT or not _known(node))):
        raise Blocked(f"{node.name!r} has weights that are not understood, so they cannot be cut")
    if node.op in ("shift", "gain") and not node.weights:
        raise Blocked(f"{node.name!r} holds a constant that is not at hand")
    if node.op not in ELEMENTWISE and joined != _axis_read(node, concat):
        raise Blocked(f"{concat.name!r} joins axis {joined}, which is not the channels of {node.name!r}")
    guards.only_reader(graph, concat, node)
    sizes = [guards.known_channels(graph, concat, joined, edge) for edge in concat.inputs]
    return Plan(
        (node.name, concat.name),
        f"apply {node.name!r} to each of the {len(sizes)} branches of {concat.name!r} instead of to the whole",
        lambda: _change(graph, node, concat, sizes),
    )


def _known(node: Node) -> bool:
    if node.op == "depthwise_conv":
        return set(node.weights) <= {"kernel", "bias"}
    return set(node.weights) <= {"scale", "offset", "mean", "variance", "value"}


def _axis_read(node: Node, concat: Node) -> int | None:
    """The channel axis of a map's input, which a global pool may have taken away behind."""
    if node.op == "global_pool" and len(node.shape) != len(concat.shape):
        return 1 if node.attrs.get("channels_first") else len(concat.shape) - 1
    return node.channel_axis


def _change(graph: Graph, node: Node, concat: Node, sizes: list[int]) -> Graph:
    # a function of elements works along whatever axis is joined
    axis = guards.joined_axis(concat) if node.op in ELEMENTWISE else node.channel_axis
    multiplier = int(node.attrs.get("multiplier", 1))
    parts: list[Node] = []
    for number, (edge, ends) in enumerate(zip(concat.inputs, pairwise([0, *accumulate(sizes)]), strict=True), 1):
        start, stop = (multiplier * end for end in ends)
        name = graph.fresh_name(f"{node.name}_part{number}")
        outputs = (building.sized(node.outputs[0], axis, stop - start),)
        if node.weights:
            weights = {key: rows(node.weight(key), start, stop) for key in node.weights}
            parts.append(building.made(node, name, weights=weights, inputs=(edge,), outputs=outputs))
        else:
            parts.append(building.moved(node, name, inputs=(edge,), outputs=outputs))
    joined = building.merge(
        "concat",
        graph.fresh_name(f"{node.name}_joined"),
        tuple(Edge(part.name) for part in parts),
        node,
        axis=axis,
    )
    return graph.edit(
        put=[*parts, joined], remove=[node.name, concat.name], rewire={Edge(node.name): Edge(joined.name)}
    )


def rows(array: Array, start: int, stop: int) -> Array:
    """The channels of a branch; a single number serves all."""
    return array if array.ndim == 0 or array.shape[0] == 1 != stop - start else array[start:stop].copy()


OVER_CONCAT = Rule("over-concat", "AC302", ("latency", "memory"), plan, role=Role.OPENING, slack=0.1, memory_slack=2.0)
