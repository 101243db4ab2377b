"""Which axis of each tensor counts channels.

Convolutions, pooling and batch norm say it; Dense contracts the last axis, and so it is the channels' of what it reads.
What they say spreads along channelwise operations and merges, forward and then backward. Where nobody says anything a
convention decides, and each door brings its own: the last axis in Keras, axis 1 for images in torch.
"""

from collections.abc import Callable
from typing import Any

from addcat.graph.core import Node
from addcat.graph.operations import OPS, channelwise


def last(rank: int) -> int | None:
    """The last axis; None for scalars."""
    return rank - 1 if rank else None


def first_of_images(rank: int) -> int | None:
    """Axis 1 of images and volumes (four axes, or five), else the last; None for scalars."""
    return 1 if rank in (4, 5) else last(rank)


def with_channel_axes(nodes: list[Node], *, default: Callable[[int], int | None] = last) -> list[Node]:
    """Fill in `channel_axis` of every node.

    Args:
        nodes: In topological order.
        default: Takes the number of axes of a tensor; gives the axis of its channels where nobody says it.

    Returns:
        The same nodes, in the same order, with the axis counted from 0; None for scalars.
    """
    known: dict[str, int] = {}
    for node in nodes:
        axis = _stated(node)
        if axis is None and _keeps_axes(node):
            axis = next((known[e.node] for e in node.inputs if e.node in known), None)
        if axis is not None and _fits(node, axis):
            known[node.name] = axis
    ranks = {node.name: len(node.shape) for node in nodes if node.outputs}
    for node in reversed(nodes):
        wanted = _reads(node)
        if node.op == "global_pool":
            wanted = 1 if node.attrs["channels_first"] else ranks[node.inputs[0].node] - 1
        elif _reads_the_last(node):
            wanted = ranks[node.inputs[0].node] - 1
        elif wanted is None and _keeps_axes(node):
            wanted = known.get(node.name)
        for edge in node.inputs:
            if wanted is not None and edge.node not in known:
                known[edge.node] = wanted
    filled: list[Node] = []
    for node in nodes:
        other = default(len(node.shape)) if node.outputs else None
        axis = known.get(node.name, other)
        filled.append(node.edit(channel_axis=axis if axis is not None and _fits(node, axis) else other))
    return filled


def _fits(node: Node, axis: int) -> bool:
    return bool(node.outputs) and 0 <= axis < len(node.shape)


def _keeps_axes(node: Node) -> bool:
    return (OPS[node.op].merge and node.op not in ("dot", "stack")) or bool(channelwise(node.op, dict(node.attrs)))


def _reads_the_last(node: Node) -> bool:
    """Whether the operation contracts, or normalises, the last axis of what it reads."""
    axis = node.attrs.get("axis")
    alone = node.op == "layer_norm" and isinstance(axis, int) and axis in (-1, len(node.shape) - 1)
    return bool(node.inputs) and (alone or node.op in ("dense", "recurrent"))


def _stated(node: Node) -> int | None:
    """The channel axis of the output that the operation itself states."""
    rank = len(node.shape) if node.outputs else 0
    if node.op == "global_pool":
        return 1 if node.attrs["channels_first"] or not node.attrs["keepdims"] else rank - 1
    if node.op in ("dense", "recurrent", "embedding"):
        return rank - 1
    return _reads(node)


def _reads(node: Node) -> int | None:
    """The axis along which the operation reads channels."""
    if not node.outputs:
        return None
    attrs: dict[str, Any] = dict(node.attrs)
    if "channels_first" in attrs and node.op != "global_pool":
        return 1 if attrs["channels_first"] else len(node.shape) - 1
    if node.op in ("batch_norm", "group_norm", "instance_norm") and isinstance(attrs.get("axis"), int):
        return attrs["axis"] % len(node.shape)
    return None
