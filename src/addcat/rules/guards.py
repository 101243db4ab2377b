"""What every rule asks before it acts: who reads a tensor, who shares a layer, what a node computes.

Functions either answer or raise `Blocked` with a reason that names the node in the way.
"""

import numpy as np

from addcat.algebra import Affine, Linear, batch_norm
from addcat.graph import Blocked, Edge, Graph, Node
from addcat.graph.operations import elementwise
from addcat.graph.windows import settings, taps
from addcat.report.rows import counted

LINEAR = ("dense", "conv", "conv_transpose", "depthwise_conv", "separable_conv")
AFFINE = ("batch_norm", "shift", "gain")
FUNCTIONS = (
    *("relu", "relu6", "sigmoid", "tanh", "silu", "swish", "gelu", "gelu_tanh", "elu", "selu", "celu"),
    *("softplus", "softsign", "hard_sigmoid", "hard_silu", "hard_tanh", "log_sigmoid", "mish", "exponential"),
    "leaky_relu",
)
"""Functions of single elements that their name alone says, so that they can stand apart from the layer they end."""


def activation(node: Node) -> str:
    """The function fused after a linear map; "linear" where there is none."""
    return str(node.attrs.get("activation", "linear"))


def free(graph: Graph, node: Node) -> None:
    """Block unless a node may be changed for itself: its weights serve one call site, and it reads no mask."""
    calls = graph.calls(node)
    if node.weights and len(calls) > 1:
        sites = ", ".join(map(repr, calls))
        raise Blocked(f"{node.name!r} shares its weights between {sites}, so they cannot change for one of them")
    if any(node.attrs.get("masks", ())):
        raise Blocked(f"{node.name!r} reads a masked tensor, and the mask would be lost")


def is_free(graph: Graph, node: Node) -> bool:
    """Whether `free` lets a node pass."""
    try:
        free(graph, node)
    except Blocked:
        return False
    return True


def one_type(graph: Graph, *nodes: Node) -> None:
    """Block unless all that the nodes read and give is of one type."""
    types = {t.dtype: n.name for n in nodes for t in (*n.outputs, *(graph.tensor(edge) for edge in n.inputs))}
    if len(types) > 1:
        words = ", ".join(f"{dtype} at {name!r}" for dtype, name in sorted(types.items()))
        raise Blocked(f"the types differ: {words}")


def same_type(graph: Graph, *nodes: Node) -> None:
    """Block unless all that the nodes read and give is of one floating type."""
    one_type(graph, *nodes)
    dtype = nodes[0].dtype
    if not dtype.startswith(("float", "bfloat")):
        raise Blocked(f"{nodes[0].name!r} computes in {dtype}, where sums do not round but wrap")


def only_reader(graph: Graph, node: Node, reader: Node) -> None:
    """Block unless the node's tensor goes to one place, once, and is not an output of the model."""
    if graph.is_output(Edge(node.name)):
        raise Blocked(f"{node.name!r} is an output of the model, so its value must stay")
    others = [name for name, _ in graph.readers(Edge(node.name)) if name != reader.name]
    if others:
        raise Blocked(f"{node.name!r} is also read by {others[0]!r}")
    if len(graph.readers(Edge(node.name))) > 1:
        raise Blocked(f"{node.name!r} is read more than once by {reader.name!r}")


def can_stand_for(graph: Graph, source: Edge, result: Edge) -> None:
    """Block where readers of `result` could not read `source`: as an output of the model it must be one of its own."""
    taken = graph.is_output(source) or graph.nodes[source.node].op == "input"
    if graph.is_output(result) and taken:
        raise Blocked(f"{result.node!r} is an output of the model of its own, which {source.node!r} cannot stand for")


def unfused(node: Node) -> None:
    """Block where a function other than linear is fused into the node."""
    if activation(node) != "linear":
        raise Blocked(f"{node.name!r} ends in {activation(node)}, which is not linear")


def elementwise_end(node: Node) -> None:
    """Block where the function fused into a linear map needs more than one channel at a time."""
    if not elementwise(activation(node)):
        raise Blocked(f"{node.name!r} ends in {activation(node)}, which is not known to treat channels apart")


def one_group(node: Node) -> None:
    """Block where a convolution has several groups."""
    if node.op == "depthwise_conv" or node.attrs.get("groups", 1) != 1:
        raise Blocked(f"{node.name!r} is a grouped convolution")


def producer(graph: Graph, node: Node, position: int = 0) -> Node:
    """The node that makes one of a node's inputs."""
    return graph.nodes[node.inputs[position].node]


def known_channels(graph: Graph, node: Node, axis: int, edge: Edge) -> int:
    """Size of an input along an axis.

    Raises:
        Blocked: if it is unknown, or the input has other axes.
    """
    shape = graph.tensor(edge).shape
    if len(shape) != len(node.shape):
        raise Blocked(f"{edge.node!r} has {counted(len(shape), 'axis', 'axes')}, {node.name!r} {len(node.shape)}")
    size = shape[axis]
    if size is None:
        raise Blocked(f"the channels of {edge.node!r} are unknown")
    return size


def joined_axis(node: Node) -> int:
    """The axis that a Concatenate joins, counted from 0."""
    return int(node.attrs["axis"]) % len(node.shape)


def reads_channels(node: Node, rank: int) -> int | None:
    """The axis of its input, of `rank` axes, that a linear map contracts."""
    return rank - 1 if node.op == "dense" else node.channel_axis


def is_pointwise(node: Node) -> bool:
    """Whether a linear map treats every position alone: one tap, stride 1, no padding."""
    if node.op == "dense":
        return True
    if node.op not in ("conv", "depthwise_conv") or any(k != 1 for k in taps(node)):
        return False
    padding = node.attrs.get("padding", "valid")
    unpadded = isinstance(padding, str) or not any(before or after for before, after in padding)
    return unpadded and all(stride == 1 for stride in settings(node, "strides"))


def linear(node: Node) -> Linear:
    """The kernel and bias of a linear map, read now."""
    name = "pointwise" if node.op == "separable_conv" else "kernel"
    return Linear(node.weight(name), node.weight("bias") if "bias" in node.weights else None)


def is_affine(node: Node) -> bool:
    """Whether a node is a scale and a shift of each channel whose values are at hand."""
    return node.op == "batch_norm" or (node.op in ("shift", "gain") and "value" in node.weights)


def whole_norm(graph: Graph, node: Node) -> None:
    """Block at the scale or shift of a layer norm that is spelled out: runtimes know it by all its parts."""
    scale = producer(graph, node) if node.op == "shift" else node
    if scale.op != "gain":
        return
    quotient = producer(graph, scale)
    if quotient.kind != "Div" or len(quotient.inputs) != 2:
        return
    root = producer(graph, quotient, 1)
    if root.op == "activation" and root.attrs["function"] == "sqrt":
        raise Blocked(f"{node.name!r} ends a norm that is spelled out, and runtimes compute it in one go only whole")


def affine(node: Node) -> Affine:
    """The scale and shift of a node that `is_affine`, read now, one value for each channel.

    Raises:
        Blocked: if the number of channels is unknown, or it divides by zero.
    """
    if node.channels is None:
        raise Blocked(f"the channels of {node.name!r} are unknown")
    if node.op == "batch_norm":
        read = {name: node.weight(name) for name in ("scale", "offset", "mean", "variance") if name in node.weights}
        epsilon = float(node.attrs["epsilon"])
        if not np.all(np.asarray(read["variance"], np.float64) + epsilon > 0.0):
            raise Blocked(f"{node.name!r} divides by the root of a variance that is zero or below")
        return batch_norm(
            read["mean"], read["variance"], epsilon=epsilon, scale=read.get("scale"), offset=read.get("offset")
        )
    value = np.broadcast_to(np.asarray(node.weight("value"), np.float64), (node.channels,))
    if node.op == "shift":
        return Affine(np.ones(node.channels), value)
    return Affine(value, np.zeros(node.channels))
