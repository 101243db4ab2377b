"""Concatenate becomes Add, exactly.

twice: [W_1 W_2] [x; x] = W (x + x) with W = (W_1 + W_2) / 2.
equal parts: [W W] [x; y] = W (x + y). If W is then the identity that an earlier switch put there, it goes.
absorb: [W_1 W_2] [E_1 h + b_1; E_2 g + b_2] + c = (W_1 E_1 h + W_1 b_1 + c) + (W_2 E_2 g + W_2 b_2), so the consumer
    folds into the branches' last layers, its own bias once.
"""

from dataclasses import replace

import numpy as np

from addcat import algebra
from addcat.graph import Array, Edge, Graph, Node, Shape, Tensor
from addcat.graph.windows import misses_taps
from addcat.merges import Merge
from addcat.merges.consumers import Consumer
from addcat.merges.switchability import widths
from addcat.switches.nodes import merge_node, settings_of
from addcat.switches.widths import resized


def average_parts(graph: Graph, merge: Merge) -> Graph:
    """Add the branches; each consumer's kernel becomes the mean of its parts, which are equal or read one tensor."""
    channels, arity = widths(merge)[0], merge.arity
    add = merge_node(graph, merge, "add", graph.nodes[merge.node].inputs, channels)

    def mean(_: Consumer, kernels: list[Array]) -> list[Array]:
        return [algebra.twice(np.asarray(kernel, np.float64), arity) / arity for kernel in kernels]

    def first(_: str, array: Array) -> Array:
        return array[:channels]

    edited = graph.edit(put=[add, *resized(graph, merge, channels, kernels=mean, path=first)])
    return _without_identity(edited, merge)


def _without_identity(graph: Graph, merge: Merge) -> Graph:
    """Take out the 1x1 layer of an earlier `project`, once it is the identity and nothing but that."""
    source = Edge(merge.node)
    readers = graph.readers(source)
    if len(readers) != 1 or graph.is_output(source):
        return graph
    node = graph.nodes[readers[0][0]]
    mine = node.name.startswith(f"{merge.node}_project") and node.op in ("dense", "conv")
    if not mine or "bias" in node.weights or node.attrs.get("activation") != "linear" or len(graph.calls(node)) > 1:
        return graph
    kernel = node.weight("kernel")
    pointwise = kernel.shape[0] == kernel.shape[1] == kernel.size // kernel.shape[0]
    if not pointwise or not np.array_equal(kernel.reshape(kernel.shape[:2]), np.eye(len(kernel))):
        return graph
    return graph.edit(remove=[node.name], rewire={Edge(node.name): source})


def absorb(graph: Graph, merge: Merge) -> Graph:
    """Fold the consumer into the branches' last layers, and add their outputs."""
    reader = graph.nodes[merge.consumers[0].node]
    producers = [graph.nodes[branch.producer] for branch in merge.branches]
    padded = misses_taps(graph, reader)
    folded = algebra.absorb(_linear(reader), [_linear(node) for node in producers], padded=padded)
    reaches = any(tap != 1 for tap in reader.weights["kernel"].shape[2:])
    attrs = {"padding": reader.attrs["padding"]} if reaches else {}
    changed = [_with_linear(node, new, attrs) for node, new in zip(producers, folded, strict=True)]
    shape = reader.shape if reaches else merge.shape
    add = merge_node(graph, merge, "add", graph.nodes[merge.node].inputs, folded[0].outputs)
    add = replace(add, outputs=(Tensor(_with_size(shape, merge.channel_axis, folded[0].outputs), reader.dtype),))
    name, source = reader.name, Edge(merge.node)
    if reader.attrs.get("activation", "linear") == "linear":
        return graph.edit(put=[*changed, add], remove=[name], rewire={Edge(name): source})
    settings = {**settings_of(graph, reader), "function": reader.attrs["activation"]}
    axis = reader.channel_axis
    activation = Node(name, "activation", (source,), reader.outputs, settings, channel_axis=axis, layer=name)
    return graph.edit(put=[*changed, add, activation])


def _linear(node: Node) -> algebra.Linear:
    bias = np.asarray(node.weight("bias"), np.float64) if "bias" in node.weights else None
    return algebra.Linear(np.asarray(node.weight("kernel"), np.float64), bias)


def _with_linear(node: Node, linear: algebra.Linear, attrs: dict[str, object]) -> Node:
    weights = {"kernel": linear.kernel}
    if linear.bias is not None:
        weights["bias"] = linear.bias
    shape = _with_size(node.shape, node.channel_axis, linear.outputs)
    new = node.edit(weights=weights, attrs=attrs, outputs=(replace(node.outputs[0], shape=shape),))
    return replace(new, weights={name: new.weights[name] for name in weights})


def _with_size(shape: Shape, axis: int | None, size: int) -> Shape:
    return tuple(size if place == axis else old for place, old in enumerate(shape))
