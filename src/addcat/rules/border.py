"""A bias before a convolution that pads with zeros: W * (u + e 1) = W * u + m, m[o] the sum of W[t] e over real taps.

In the middle of the map every tap reads the bias e, at the border some read zeros instead. So what the bias adds is the
same for every example, a constant map m, and known where the sizes are.
"""

from math import prod

import numpy as np
from numpy.typing import NDArray

from addcat.graph import Array, Blocked, Edge, Graph, Node, Weight
from addcat.graph.windows import pads, settings, spatial, taps
from addcat.rules.guards import activation

MOST = 1 << 22
"""Elements of a map, 16 MiB in float32: it is stored with the weights, and read at every run."""


def require_map(graph: Graph, inner: Node, node: Node) -> None:
    """Block where what the bias of `inner` adds behind `node`, which pads with zeros, cannot be written as a map."""
    reason = f"{node.name!r} pads with zeros, which the bias of {inner.name!r} does not pass"
    if activation(node) != "linear":
        raise Blocked(f"{reason} before {activation(node)}")
    sizes = [node.shape[axis] for axis in (node.channel_axis or 0, *spatial(node))]
    if node.op != "conv" or None in (*sizes, *inner.shape[1:]):
        raise Blocked(reason)
    if prod(size or 0 for size in sizes) > MOST:
        raise Blocked(f"{reason}; a map of it would hold more than {MOST:,} numbers")


def bias_map(graph: Graph, node: Node, bias: Array) -> NDArray[np.float64]:
    """What a constant of each input channel gives behind a convolution that pads with zeros.

    Args:
        graph: The graph of the convolution.
        node: A convolution of one group whose sizes are known.
        bias: The constant, of shape (in,).

    Returns:
        The map, of shape (out, *spatial).
    """
    source = graph.tensor(node.inputs[0]).shape
    total = np.einsum("oi...,i->o...", node.weight("kernel").astype(np.float64), bias.astype(np.float64))
    axes = zip(spatial(node), taps(node), settings(node, "strides"), settings(node, "dilation"), pads(graph, node),
               strict=True)  # fmt: skip
    for axis, count, stride, dilation, (before, _) in axes:
        places = stride * np.arange(node.shape[axis] or 0)[:, None] + dilation * np.arange(count) - before
        inside = (places >= 0) & (places < (source[axis] or 0))
        # the first axis of taps that is left is contracted, and its positions go last
        total = np.einsum("ot...,pt->o...p", total, inside.astype(np.float64))
    return total


def with_map(node: Node, name: str, behind: str, value: Array) -> Node:
    """The node that adds a map of shape (out, *spatial) to the node called `behind`."""
    at = (node.channel_axis or 1) - 1
    weights = {"map": Weight.of(np.moveaxis(value, 0, at), trainable=False)}
    return Node(name, "add_map", (Edge(behind),), node.outputs, {}, weights, node.channel_axis)
