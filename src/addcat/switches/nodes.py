"""New nodes that a switch puts into a graph."""

from dataclasses import replace
from typing import Any

import numpy as np

from addcat.algebra import widen
from addcat.graph import Array, Edge, Graph, Node, Tensor, Weight
from addcat.merges import Merge


def settings_of(graph: Graph, node: Node) -> dict[str, Any]:
    """What a new node takes from the merge in whose place it stands: the settings that only its framework knows.

    A function has none, and goes by the type of what it reads (Keras may declare its result as float32 where it is
    float64).
    """
    if "settings" in node.attrs:
        return {"settings": node.attrs["settings"]}
    return {"reads": graph.tensor(node.inputs[0]).dtype}


def merge_node(graph: Graph, merge: Merge, op: str, inputs: tuple[Edge, ...], channels: int, **more: Any) -> Node:
    """A merge in the place, and under the name, of another.

    Args:
        graph: The graph that holds the old merge.
        merge: The old merge.
        op: "concat", "add" or a rung of the ladder.
        inputs: The tensors to merge.
        channels: Channels of the result.
        **more: `weights` of a rung.

    Returns:
        The node. Where a branch carries a mask, or the old merge was a function, it is written as a function: then
        masks go on exactly as they did.
    """
    old = graph.nodes[merge.node]
    attrs = settings_of(graph, old)
    if op in ("add", "concat") and (any(old.attrs.get("masks", ())) or not old.attrs.get("is_layer", True)):
        attrs["as_function"] = True
    attrs["takes_list"] = True
    if op == "concat":
        attrs["axis"] = merge.channel_axis
    shape = tuple(channels if axis == merge.channel_axis else size for axis, size in enumerate(merge.shape))
    outputs = (Tensor(shape, old.dtype),)
    return Node(old.name, op, inputs, outputs, attrs, channel_axis=merge.channel_axis, layer=old.name, **more)


def with_own_layers(graph: Graph, name: str) -> Graph:
    """Give every call of a shared merge layer a layer of its own, so that one of them can change.

    A Keras merge keeps the rank rule of its first call. Where that call had inputs of one rank, later ones with others
    are aligned from the right, as a function aligns them; so they become functions, and compute what they did.

    Args:
        graph: The graph that holds the merge.
        name: One call of the merge; it has no weights.
    """
    node = graph.nodes[name]
    calls = [graph.nodes[call] for call in graph.calls(node)]
    if len(calls) == 1:
        return graph
    by_layer = _ranks(graph, calls[0]) > 1
    own = [
        replace(
            call,
            layer=call.name,
            native=None,
            attrs={**call.attrs, "takes_list": True, "as_function": not by_layer and _ranks(graph, call) > 1},
        )
        for call in calls
    ]
    return graph.edit(put=own)


def _ranks(graph: Graph, node: Node) -> int:
    return len({len(graph.tensor(edge).shape) for edge in node.inputs})


def linear_node(
    name: str, source: Edge, tensor: Tensor, kernel: Array, axis: int, attrs: dict[str, Any], bias: Array | None = None
) -> Node:
    """A 1x1 linear layer along the channel axis: Dense on vectors and sequences, else a convolution.

    Args:
        name: Name of the new node.
        source: What it reads.
        tensor: What is known of that.
        kernel: Of shape (out, in).
        axis: The channel axis.
        attrs: What `settings_of` gives.
        bias: Of shape (out,); none where left out.

    Returns:
        The node.
    """
    shape = tuple(kernel.shape[0] if place == axis else size for place, size in enumerate(tensor.shape))
    rank = len(shape)
    dense = axis == rank - 1 and (rank <= 3 or rank > 5)
    if not dense:
        kernel = kernel.reshape(*kernel.shape, *(1,) * (rank - 2))
    weights = {"kernel": Weight.of(kernel)}
    if bias is not None:
        weights["bias"] = Weight.of(bias)
    ones = (1,) * (rank - 2)
    spatial: dict[str, Any] = {} if dense else {"strides": ones, "dilation": ones, "padding": "valid", "groups": 1}
    settings = {**attrs, **spatial, "activation": "linear"}
    outputs = (Tensor(shape, tensor.dtype),)
    op = "dense" if dense else "conv"
    return Node(name, op, (source,), outputs, settings, weights, channel_axis=axis, layer=name)


def widened(graph: Graph, merge: Merge, channels: int, how: str) -> tuple[list[Node], tuple[Edge, ...]]:
    """Bring every branch to the same number of channels.

    Args:
        graph: The graph that holds the merge.
        merge: The merge.
        channels: What each branch shall have, at least as many as the widest has.
        how: "project" adds a 1x1 layer that starts as [I; 0]; "pad" appends channels of zeros.

    Returns:
        The new nodes, and the edges of the branches behind them.
    """
    nodes: list[Node] = []
    edges: list[Edge] = []
    taken = graph
    for place, branch in enumerate(merge.branches):
        width = branch.channels or 0
        if width == channels:
            edges.append(branch.edge)
            continue
        name = taken.fresh_name(f"{merge.node}_widen_{place}")
        tensor, attrs = graph.tensor(branch.edge), settings_of(graph, graph.nodes[merge.node])
        if how == "project":
            kernel = widen(np.eye(width), outputs=channels)
            node = linear_node(name, branch.edge, tensor, kernel, merge.channel_axis, attrs)
        else:
            node = _padded(name, branch.edge, tensor, channels, merge.channel_axis)
        nodes.append(node)
        edges.append(Edge(name))
    return nodes, tuple(edges)


def _padded(name: str, source: Edge, tensor: Tensor, channels: int, axis: int) -> Node:
    shape = tuple(channels if place == axis else size for place, size in enumerate(tensor.shape))
    more = channels - (tensor.shape[axis] or 0)
    attrs = {"as_function": True, "pads": tuple((0, more if place == axis else 0) for place in range(len(shape)))}
    return Node(name, "pad_channels", (source,), (Tensor(shape, tensor.dtype),), attrs, channel_axis=axis)
