"""How a merge can be switched to the other one, and whether that is exact.

| form | switch | exact when |
| --- | --- | --- |
| tie | Add to Concatenate: W (x + y) = [W W] [x; y] | consumers are linear, with linear channelwise maps between |
| project | Add to Concatenate, then a 1x1 layer [I ... I] | always |
| equal parts | Concatenate to Add: [W W] [x; y] = W (x + y) | the parts of every consumer's kernel are equal |
| absorb | Concatenate to Add: W [E_1 h; E_2 g] = (W_1 E_1) h + (W_2 E_2) g | branches end in private linears |
| twice | Concatenate of one tensor with itself: [W_1 W_2] [x; x] = (W_1 + W_2) / 2 (x + x) | as tie |
| fit | Concatenate to Add, with kernels from regression on data | only in the limit: its distortion is measured |
"""

from addcat import algebra
from addcat.graph import Array, Edge, Graph, Node, Refusal
from addcat.graph.operations import ADD_LIKE, OPS, channelwise
from addcat.merges.consumers import Consumer
from addcat.merges.find import Branch, Merge

FITTED = ": give data, and the closest Add is fitted"
"""How a reason goes on where an exact switch is blocked, and the framework's models can be switched otherwise."""
EQUAL = 1e-6
"""Kernel parts count as equal when they differ by less than this share of the largest weight."""


def exact_form(graph: Graph, merge: Merge) -> str | Refusal:
    """The exact form in which a merge becomes the other one.

    Args:
        graph: The graph in which the merge's node lies.
        merge: An Add (or a rung of the ladder) or a Concatenate.

    Returns:
        "tie", "project", "twice", "equal parts" or "absorb"; or the refusal that says what blocks an exact switch.
    """
    blocked = blocker(graph, merge)
    if blocked is not None:
        return blocked
    if merge.adds:
        return "tie" if merge.op == "add" and linear_consumers(merge) else "project"
    if equal_parts(graph, merge):
        return "twice" if _one_tensor(merge) else "equal parts"
    # a separable convolution has a product of kernels for each channel: parts that differ do not add up
    if _one_tensor(merge) and linear_consumers(merge) and not _any_separable(graph, merge):
        return "twice"
    refused = absorb_refusal(graph, merge)
    return "absorb" if refused is None else refused


def blocker(graph: Graph, merge: Merge) -> Refusal | None:
    """Why a merge cannot be switched in its graph, exactly or not; None where it can."""
    node = graph.nodes[merge.node]
    if node.weights and len(graph.calls(node)) > 1:
        calls = ", ".join(map(repr, graph.calls(node)))
        reason = f"{merge.label} {merge.site!r} shares its weights between {calls}, so one call cannot change alone"
        return Refusal("AC105", merge.site, reason)
    return unswitchable(merge)


def unswitchable(merge: Merge) -> Refusal | None:
    """Why a merge has no other merge at all, exact or not; None where it has one."""
    site = merge.site
    if merge.obstacle:
        return Refusal("AC116", site, f"{merge.label} {site!r} cannot be changed where it stands: {merge.obstacle}")
    plain = merge.op.removesuffix("_constant")
    if plain not in (*ADD_LIKE, "concat"):
        return Refusal("AC108", site, f"{merge.label} {site!r} is neither an Add nor a Concatenate")
    if merge.with_constant:
        reason = f"{OPS[plain].label} {site!r} merges a constant with its branches; apply it in an operation of its own"
        return Refusal("AC115", site, reason)
    if merge.axis is not None and merge.axis != merge.channel_axis:
        where = "the batch" if merge.axis == 0 else f"axis {merge.axis}"
        reason = f"Concatenate {site!r} joins {where}, not the channels (axis {merge.channel_axis})"
        return Refusal("AC101", site, reason)
    if any(branch.channels is None for branch in merge.branches):
        return Refusal("AC107", site, f"{merge.label} {site!r} has a branch with an unknown number of channels")
    first = merge.branches[0].shape
    for branch in merge.branches[1:]:
        if len(first) != len(branch.shape) or not all(
            a == b or axis == merge.axis or (axis == 0 and 1 not in (a, b))
            for axis, (a, b) in enumerate(zip(first, branch.shape, strict=True))
        ):
            reason = f"{merge.label} {site!r} broadcasts {branch.shape} against {first}; Concatenate never does"
            return Refusal("AC102", site, reason)
    return None


def _one_tensor(merge: Merge) -> bool:
    return len({branch.edge for branch in merge.branches}) == 1


def _any_separable(graph: Graph, merge: Merge) -> bool:
    return any(graph.nodes[consumer.node].op == "separable_conv" for consumer in merge.consumers)


def linear_consumers(merge: Merge) -> bool:
    """Whether every reader is a consumer whose kernel can be cut, with linear channelwise maps between."""
    return merge.direct and all(consumer.treatment == "linear" for consumer in merge.consumers)


def widths(merge: Merge) -> list[int]:
    """Channels of each branch; only for merges that are not `unswitchable`."""
    return [branch.channels or 0 for branch in merge.branches]


def equal_parts(graph: Graph, merge: Merge) -> bool:
    """Whether every consumer's kernel has the same part for each branch, with linear maps between.

    Then the Concatenate is an Add in disguise: W x + W y = W (x + y).
    """
    sizes = widths(merge)
    if len(set(sizes)) > 1 or not linear_consumers(merge):
        return False
    kernels = [kernel for c in merge.consumers for kernel in kernel_slice(graph, c, sum(sizes))]
    return all(algebra.equal_parts(k, [k.shape[1] // len(sizes)] * len(sizes), EQUAL) for k in kernels)


def kernel_slice(graph: Graph, consumer: Consumer, width: int) -> list[Array]:
    """The weights of a consumer that read the merged channels, each with the input channels on its second axis.

    Args:
        graph: The graph.
        consumer: A consumer without refusal.
        width: Channels of the merge.

    Returns:
        The kernel `(out, width, *taps)`; for a separable convolution its depthwise and pointwise kernels.
    """
    node = graph.nodes[consumer.node]
    start, end = consumer.offset, consumer.offset + width
    if node.op != "separable_conv":
        return [node.weight("kernel")[:, start:end]]
    multiplier = node.attrs["multiplier"]
    depthwise = node.weight("depthwise")[start * multiplier : end * multiplier].swapaxes(0, 1)
    return [depthwise, node.weight("pointwise")[:, start * multiplier : end * multiplier]]


def absorb_refusal(graph: Graph, merge: Merge) -> Refusal | None:
    """Why a Concatenate's consumer cannot fold into its branches' last layers; None where it can."""
    site = merge.site
    parts_differ = "its kernel parts differ, and"
    if len(merge.consumers) != 1 or merge.blockers:
        what = merge.blockers[0].reason if merge.blockers else f"{len(merge.consumers)} layers read {site!r}"
        return Refusal("AC109", site, f"{parts_differ} {what}{FITTED}")
    consumer = merge.consumers[0]
    if consumer.names:
        reason = f"{parts_differ} {consumer.names[0]!r} lies between {site!r} and {consumer.node!r}"
        return Refusal("AC109", site, f"{reason}{FITTED}")
    reader = graph.nodes[consumer.node]
    if reader.op not in ("dense", "conv") or any(s != 1 for s in reader.attrs.get("strides", (1,))):
        reason = f"{parts_differ} {reader.kind} {reader.name!r} does not fold into the layers before it"
        return Refusal("AC109", site, f"{reason}{FITTED}")
    function = str(reader.attrs.get("activation", "linear"))
    if function.startswith("custom:"):
        reason = f"{parts_differ} the activation of {reader.name!r} cannot be made a layer of its own"
        return Refusal("AC109", site, f"{reason}{FITTED}")
    for branch in merge.branches:
        blocked = _producer_blocker(graph, merge, branch, reader)
        if blocked:
            return Refusal("AC109", site, f"{parts_differ} {blocked}{FITTED}")
    return None


def _producer_blocker(graph: Graph, merge: Merge, branch: Branch, reader: Node) -> str:
    """What keeps one branch's last layer from absorbing the consumer's kernel; "" for nothing."""
    node = graph.nodes[branch.producer]
    if not is_private_linear(graph, node) or node.op != reader.op or node.op not in ("dense", "conv"):
        return f"branch {branch.producer!r} does not end in a linear layer of its own"
    if node.channel_axis != merge.channel_axis or int(node.attrs.get("groups", 1)) > 1:
        return f"branch {branch.producer!r} is a grouped convolution"
    pointwise = all(tap == 1 for tap in reader.weights["kernel"].shape[2:])
    if not pointwise and any(tap != 1 for tap in node.weights["kernel"].shape[2:]):
        return f"{reader.name!r} and {branch.producer!r} both reach over several positions"
    if not pointwise and ("bias" in node.weights or any(s != 1 for s in node.attrs["strides"])):
        return f"the bias or stride of {branch.producer!r} differs at the border that {reader.name!r} pads"
    if not pointwise and any(d != 1 for one in (node, reader) for d in one.attrs["dilation"]):
        return f"{reader.name!r} or {branch.producer!r} is dilated"
    return ""


def is_private_linear(graph: Graph, node: Node) -> bool:
    """Whether a node is linear in its inputs, feeds one reader only, and shares its weights with no other call."""
    readers = sum(len(graph.readers(edge)) for edge in _edges(node))
    linear = node.op in ("dense", "conv", "conv_transpose", "separable_conv")
    alone = readers == 1 and not any(graph.is_output(edge) for edge in _edges(node)) and len(graph.calls(node)) == 1
    return linear and alone and node.attrs.get("activation", "linear") == "linear"


def ends_in_linear(graph: Graph, branch: Branch) -> bool:
    """Whether a branch ends in a private linear, seen through affine channelwise maps such as batch norm."""
    node = graph.nodes[branch.producer]
    while channelwise(node.op, dict(node.attrs)) in ("linear", "affine") and len(node.inputs) == 1:
        if len(graph.readers(_edges(node)[0])) != 1 or len(graph.calls(node)) > 1:
            return False
        node = graph.nodes[node.inputs[0].node]
    return is_private_linear(graph, node)


def _edges(node: Node) -> list[Edge]:
    return [Edge(node.name, index) for index in range(len(node.outputs))]
