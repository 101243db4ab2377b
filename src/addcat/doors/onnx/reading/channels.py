"""Which axis of each tensor counts channels: axis 1 of what convolutions and pooling touch, else the last.

ONNX images are channels first. What an operator says spreads along channelwise operators and merges, forward and then
backward; a constant of shape (C, 1, 1) that is added or multiplied says it too. Where nobody says anything, tensors of
four axes and more have their channels on axis 1, others on the last.
"""

from collections.abc import Mapping, Sequence

from addcat.graph import Node
from addcat.graph.operations import OPS, channelwise


def with_channel_axes(nodes: Sequence[Node], hints: Mapping[str, int]) -> list[Node]:
    """Fill in `channel_axis` of every node.

    Args:
        nodes: In topological order.
        hints: For some nodes, the axis that their constant varies along.

    Returns:
        The same nodes, in the same order; None for scalars.
    """
    known: dict[str, int] = {}
    for node in nodes:
        axis = _stated(node)
        if axis is None and _keeps_axes(node):
            axis = next((known[edge.node] for edge in node.inputs if edge.node in known), None)
        axis = hints.get(node.name) if axis is None else axis
        if axis is not None and axis < len(node.shape):
            known[node.name] = axis
    for node in reversed(nodes):
        wanted = _read(node) if not _keeps_axes(node) else known.get(node.name)
        for edge in node.inputs:
            if wanted is not None and edge.node not in known:
                known[edge.node] = wanted
    return [node.edit(channel_axis=_within(node, known.get(node.name))) for node in nodes]


def _within(node: Node, axis: int | None) -> int | None:
    rank = len(node.shape)
    if axis is not None and axis < rank:
        return axis
    return 1 if rank >= 4 else rank - 1 if rank else None


def _keeps_axes(node: Node) -> bool:
    return (OPS[node.op].merge or bool(channelwise(node.op, dict(node.attrs)))) and node.op != "global_pool"


def _stated(node: Node) -> int | None:
    """The channel axis of the output that the operator itself states."""
    if node.op == "global_pool" and not node.attrs["keepdims"]:
        return len(node.shape) - 1
    return _read(node)


def _read(node: Node) -> int | None:
    """The axis along which the operator reads channels."""
    if node.op in ("dense", "recurrent"):
        return len(node.shape) - 1
    if "channels_first" in node.attrs:
        return 1 if node.attrs["channels_first"] else len(node.shape) - 1
    return None
