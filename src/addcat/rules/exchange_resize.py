"""Exchange with resizing: P resize(x) + b = resize(P x + b) for a linear map P of channels alone.

A resize is the same linear map of positions for every channel, and P the same map of channels at every position: in
x of shape (channels, positions) they act from the two sides, (P x) R = P (x R). The bias passes because the weights of
every new position sum to one (nearest, bilinear, bicubic). Nearest only copies, so it also lets any function of single
elements pass that is fused into P. The linear map moves to where there are fewer positions: before an enlargement,
after a reduction.
"""

from math import prod

from addcat.graph import Blocked, Edge, Graph, Node
from addcat.graph.windows import spatial, with_size
from addcat.rules import building, guards
from addcat.rules.base import Plan, Role, Rule

METHODS = ("nearest", "bilinear", "linear", "trilinear", "bicubic", "cubic")
POINTWISE = ("dense", "conv", "depthwise_conv")


def plan(graph: Graph, node: Node) -> Plan | None:
    """Move a pointwise linear map to the smaller side of a resize."""
    if len(node.inputs) != 1:
        return None
    before = guards.producer(graph, node)
    if node.op in POINTWISE and before.op == "resize" and guards.is_pointwise(node):
        linear, resize, enlarges = node, before, True
    elif node.op == "resize" and before.op in POINTWISE and guards.is_pointwise(before):
        linear, resize, enlarges = before, node, False
    else:
        return None
    growth = enlargement(graph, resize)
    if growth == 1 or (growth > 1) != enlarges:
        return None
    kind = interpolation(resize)
    if kind not in METHODS:
        raise Blocked(f"{resize.name!r} resizes by {kind!r}, which is not known to be linear with weights of sum one")
    function = guards.activation(linear)
    if function != "linear" and (kind != "nearest" or function not in guards.FUNCTIONS):
        raise Blocked(f"{linear.name!r} ends in {function}, which does not pass a {kind} resize")
    guards.free(graph, linear)
    guards.free(graph, resize)
    guards.same_type(graph, linear, resize)
    axis = guards.reads_channels(linear, len(resize.shape))
    if resize.channel_axis != axis:
        raise Blocked(f"{resize.name!r} keeps axis {resize.channel_axis}, but {linear.name!r} contracts axis {axis}")
    guards.only_reader(graph, before, node)
    where = "before" if enlarges else "after"
    return Plan(
        (linear.name, resize.name),
        f"apply {linear.name!r} {where} {resize.name!r}, where there are fewer positions",
        lambda: swap(graph, before, node),
    )


def interpolation(resize: Node) -> str:
    """What a resize does between positions, such as "bilinear", wherever its method says that samples lie."""
    return str(resize.attrs.get("method")).partition(",")[0]


def enlargement(graph: Graph, resize: Node) -> float:
    """How many times more positions a resize gives than it reads.

    Raises:
        Blocked: if neither factors nor sizes are known.
    """
    if factors := resize.attrs.get("factor"):
        return float(prod(factors))
    old, new = graph.tensor(resize.inputs[0]).shape, resize.shape
    ratio = 1.0
    for axis in spatial(resize):
        before, after = old[axis], new[axis]
        if before is None or after is None:
            raise Blocked(f"the sizes of {resize.name!r} are unknown")
        ratio *= after / before
    return ratio


def swap(graph: Graph, first: Node, second: Node) -> Graph:
    """Exchange two nodes in a row, of which one maps channels alone and the other positions alone."""
    channels_map = second if second.op in POINTWISE else first
    source, axis = graph.tensor(first.inputs[0]), second.channel_axis
    channels = channels_map.channels if channels_map is second else source.shape[axis or 0]
    middle = with_size(source.shape if channels_map is second else second.shape, axis, channels)
    inner = building.moved(
        second, second.name, inputs=first.inputs, outputs=(building.shaped(second.outputs[0], middle),)
    )
    outer = building.moved(first, first.name, inputs=(Edge(second.name),), outputs=second.outputs)
    return graph.edit(put=[inner, outer], rewire={Edge(second.name): Edge(first.name)})


EXCHANGE_RESIZE = Rule("exchange-resize", "AC310", ("latency", "memory"), plan, role=Role.SAVING)
