"""A merge changes its number of channels, and everything that reads it follows.

Weights are cut by name and place, never by position in a list: each operation on a path, and each consumer's kernel,
knows at which channel the merged ones start.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from addcat.graph import Array, Graph, Node, Tensor
from addcat.merges import Merge
from addcat.merges.consumers import Consumer, axis_of_channels
from addcat.merges.switchability import kernel_slice

Change = Callable[[str, Array], Array]
"""Takes a weight's name and its part for the merged channels, on axis 0; gives the part for the new channels."""
KernelChange = Callable[[Consumer, list[Array]], list[Array]]
"""Takes a consumer and the parts of its kernels that read the merge, `(out, channels, *taps)`; gives the new ones."""


def resized(graph: Graph, merge: Merge, channels: int, *, kernels: KernelChange, path: Change) -> list[Node]:
    """Every node behind a direct merge, fitted to a new number of merged channels.

    Args:
        graph: The graph that holds the merge.
        merge: A merge with `merge.direct`.
        channels: Channels of the merged tensor from now on.
        kernels: How the consumers' kernels change.
        path: How weights of the channelwise operations between change.

    Returns:
        The changed nodes, to put into the graph with the new merge.
    """
    old = merge.shape[merge.channel_axis] or 0
    steps = {step.node: step.offset for c in merge.consumers for step in c.path}
    changed = [_step(graph.nodes[name], offset, old, channels, path) for name, offset in steps.items()]
    return changed + [_consumer(graph, c, old, kernels) for c in merge.consumers]


def with_channels(node: Node, channels: int) -> tuple[Tensor, ...]:
    """The outputs of a node with another size on the channel axis of the first."""
    axis, first = node.channel_axis, node.outputs[0]
    shape = tuple(channels if place == axis else size for place, size in enumerate(first.shape))
    return (replace(first, shape=shape), *node.outputs[1:])


def _step(node: Node, offset: int, old: int, new: int, change: Change) -> Node:
    outputs = with_channels(node, (node.channels or 0) - old + new)
    weights: dict[str, Array] = {}
    for name, weight in node.weights.items():
        axis = axis_of_channels(node, weight.shape)
        if axis is not None:
            weights[name] = _spliced(weight.read(), axis, slice(offset, offset + old), partial(change, name))
    attrs = {"groups": -1} if node.op == "instance_norm" else {}
    return node.edit(weights=weights, attrs=attrs, outputs=outputs)


def _spliced(array: Array, axis: int, merged: slice, change: Callable[[Array], Array]) -> Array:
    moved = np.moveaxis(array, axis, 0)
    parts = [moved[: merged.start], change(moved[merged]), moved[merged.stop :]]
    return np.moveaxis(np.concatenate(parts), 0, axis)


def _consumer(graph: Graph, consumer: Consumer, old: int, change: KernelChange) -> Node:
    node = graph.nodes[consumer.node]
    new = change(consumer, kernel_slice(graph, consumer, old))
    start, end = consumer.offset, consumer.offset + old
    if node.op != "separable_conv":
        return node.edit(weights={"kernel": _put(node.weight("kernel"), start, end, new[0])})
    times = int(node.attrs["multiplier"])
    depthwise = _put(node.weight("depthwise").swapaxes(0, 1), start * times, end * times, new[0]).swapaxes(0, 1)
    pointwise = _put(node.weight("pointwise"), start * times, end * times, new[1])
    return node.edit(weights={"depthwise": depthwise, "pointwise": pointwise})


def _put(kernel: Array, start: int, end: int, part: Array) -> Array:
    return np.concatenate([kernel[:, :start], part.astype(kernel.dtype), kernel[:, end:]], axis=1)
