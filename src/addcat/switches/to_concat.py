"""Add, or a rung above it, becomes Concatenate: always exact.

tie: W (x + y) = [W W] [x; y], where every consumer is linear and only linear channelwise maps lie between.
project: M_1 x + M_2 y = [M_1 M_2] [x; y], a 1x1 layer behind the Concatenate; M_i = I for Add.
"""

from collections.abc import Sequence

import numpy as np

from addcat import algebra
from addcat.graph import Array, Edge, Graph, Node
from addcat.merges import Merge
from addcat.merges.consumers import Consumer
from addcat.merges.switchability import linear_consumers
from addcat.switches.nodes import linear_node, merge_node, settings_of
from addcat.switches.widths import resized


def tie(graph: Graph, merge: Merge) -> Graph:
    """Concatenate the branches of an Add and repeat every consumer's kernel for each of them.

    Exact where only linear maps lie between; as an architecture, wherever the merge is `direct`.
    """
    arity, channels = merge.arity, merge.branches[0].channels or 0
    concat = merge_node(graph, merge, "concat", graph.nodes[merge.node].inputs, arity * channels)

    def repeat(_: Consumer, kernels: list[Array]) -> list[Array]:
        return [algebra.tie(kernel, arity) for kernel in kernels]

    def copies(_: str, array: Array) -> Array:
        return np.concatenate([array] * arity)

    return graph.edit(put=[concat, *resized(graph, merge, arity * channels, kernels=repeat, path=copies)])


def project(graph: Graph, merge: Merge) -> Graph:
    """Concatenate the branches and put a 1x1 layer [M_1 ... M_k] behind, so that nothing else changes."""
    node, channels = graph.nodes[merge.node], merge.branches[0].channels or 0
    concat = merge_node(graph, merge, "concat", node.inputs, merge.arity * channels)
    kernel = np.concatenate(blocks(node, channels), axis=1)
    name = graph.fresh_name(f"{merge.node}_project")
    source = Edge(merge.node)
    linear = linear_node(name, source, concat.outputs[0], kernel, merge.channel_axis, settings_of(graph, node))
    return graph.edit(put=[concat, linear], rewire={source: Edge(name)})


def blocks(node: Node, channels: int) -> Sequence[Array]:
    """The matrices M_i with which a merge sums its branches, M_1 x_1 + ... + M_k x_k.

    Args:
        node: An Add or a rung of the ladder.
        channels: Channels of each branch.

    Returns:
        One matrix (channels, channels) for each branch: I for Add, s_i I for one scale a branch, diag(s_i) for one a
        channel, I + up_i down_i for projections.
    """
    eye = np.eye(channels)
    if node.op == "scaled_add":
        return [scale * eye for scale in np.asarray(node.weight("scale"), np.float64)]
    if node.op == "channel_scaled_add":
        return [np.diag(scale) for scale in np.asarray(node.weight("scale"), np.float64)]
    if node.op == "projected_add":
        down, up = (np.asarray(node.weight(name), np.float64) for name in ("down", "up"))
        return [eye + up_i @ down_i for up_i, down_i in zip(up, down, strict=True)]
    return [eye for _ in node.inputs]


def to_concat(graph: Graph, merge: Merge, *, behind: bool = False) -> tuple[Graph, str]:
    """Open a merge; return the new graph and the form that was taken, "tie" or "project"; the latter where `behind`."""
    if not behind and merge.op == "add" and linear_consumers(merge):
        return tie(graph, merge), "tie"
    return project(graph, merge), "project"
