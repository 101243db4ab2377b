"""A constant before a norm: n(x + c) = n(x) where c is the same for all that is averaged together.

Instance norm averages each channel alone, so every constant of a channel vanishes, such as the bias of the convolution
before it. Layer norm averages all channels together, and group norm (written as an instance norm between two Reshapes)
those of a group: there a constant vanishes where its channels have the same.
"""

from math import prod

import numpy as np

from addcat.graph import Array, Blocked, Edge, Graph, Node
from addcat.rules import building, guards
from addcat.rules.base import Plan, Role, Rule


def plan(graph: Graph, node: Node) -> Plan | None:
    """Drop a bias, or a shift, that the norm behind it takes out again."""
    if node.op not in ("instance_norm", "layer_norm") or "epsilon" not in node.attrs:
        return None
    chain = [node]
    before = guards.producer(graph, node)
    if before.op == "reshape" and node.op == "instance_norm" and _grouped(graph, before):
        chain.append(before)
        before = guards.producer(graph, before)
    groups = 1 if node.op == "layer_norm" else node.shape[1]
    weight = "value" if before.op == "shift" else "bias"
    if before.op not in ("shift", *guards.LINEAR) or weight not in before.weights or not groups:
        return None
    axis = 1 if node.op == "instance_norm" else len(node.shape) - 1
    if before.channel_axis != axis or before.channels is None:
        raise Blocked(f"{before.name!r} counts channels on axis {before.channel_axis}, {node.name!r} on axis {axis}")
    guards.unfused(before)
    guards.free(graph, before)
    guards.same_type(graph, before, *chain)
    for one, reader in zip([before, *chain[:0:-1]], chain[::-1], strict=True):
        guards.only_reader(graph, one, reader)
    constant = np.broadcast_to(before.weight(weight).astype(np.float64), (before.channels,)).reshape(groups, -1)
    if not np.all(constant == constant[:, :1]):
        raise Blocked(f"{node.name!r} averages channels together to which {before.name!r} adds different constants")
    words = f"leave out what {before.name!r} adds, which {node.name!r} takes out again"
    return Plan((node.name, before.name), words, lambda: _change(graph, before))


def _grouped(graph: Graph, node: Node) -> bool:
    """Whether a Reshape lays groups of channels out in rows."""
    source, shape = graph.tensor(node.inputs[0]).shape, node.shape
    if len(shape) != 3 or len(source) < 3 or source[0] != shape[0] or None in (*source[1:], *shape[1:]):
        return False
    channels, groups = source[1] or 0, shape[1] or 1
    return channels % groups == 0 and channels // groups * prod(size or 0 for size in source[2:]) == shape[2]


def _change(graph: Graph, node: Node) -> Graph:
    if node.op == "shift":
        return graph.edit(remove=[node.name], rewire={Edge(node.name): node.inputs[0]})
    kept: dict[str, Array] = {name: node.weight(name) for name in node.weights if name != "bias"}
    return graph.edit(put=[building.made(node, node.name, weights=kept)])


DEAD_SHIFT = Rule(
    "dead-shift", "AC336", ("latency", "memory", "parameters"), plan, role=Role.TIDY, frameworks=("onnx",)
)
