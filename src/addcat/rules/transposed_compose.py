"""A convolution after a transposed one is a transposed convolution: W * (E ^* x) = T ^* x.

With u[j] = sum_i E[j - s i] x[i], uncropped, and y[o] = sum_t W[t] u[o + d t - p],

    T[q] = sum_t W[t] E[q + d t - d (k_W - 1)],    q = 0 ... d (k_W - 1) + k_E - 1,

and y[o] = sum_i T[o - s i + B] x[i] with B = d (k_W - 1) - p; likewise at the far end. Exact only where u is zero
outside of what is computed, so nothing may be cropped; what a bias gives where the convolution pads is added behind, as
a map. A 2x2 kernel of stride 2 before a 3x3 becomes one 4x4 of stride 2: 16 products for a position of x instead of 4
and 36.
"""

from itertools import product

import numpy as np

from addcat.algebra import Linear, rounded
from addcat.graph import Array, Blocked, Edge, Graph, Node
from addcat.graph.windows import Pairs, crops, pads, reach, settings, transposed_padding
from addcat.rules import border, building, guards
from addcat.rules.base import Plan, Role, Rule


def plan(graph: Graph, node: Node) -> Plan | None:
    """Make one transposed convolution of a transposed one and the convolution that reads it."""
    if node.op != "conv" or guards.producer(graph, node).op != "conv_transpose" or guards.is_pointwise(node):
        return None
    inner = guards.producer(graph, node)
    guards.unfused(inner)
    for one in (inner, node):
        guards.free(graph, one)
        guards.one_group(one)
    guards.same_type(graph, inner, node)
    guards.only_reader(graph, inner, node)
    if inner.channel_axis != node.channel_axis:
        raise Blocked(f"{inner.name!r} and {node.name!r} have their channels on different axes")
    if any(stride != 1 for stride in settings(node, "strides")):
        raise Blocked(f"{node.name!r} has a stride")
    if any(dilation != 1 for dilation in settings(inner, "dilation")):
        raise Blocked(f"{inner.name!r} is dilated")
    if any(before or after for before, after in crops(inner)):
        raise Blocked(f"{inner.name!r} crops or pads its output, and {node.name!r} would see what it dropped")
    zeros = pads(graph, node)
    bordered = any(map(any, zeros)) and "bias" in inner.weights and bool(np.any(inner.weight("bias")))
    if bordered:
        border.require_map(graph, inner, node)
    cut: Pairs = tuple(
        (window - 1 - before, window - 1 - after) for (before, after), window in zip(zeros, reach(node), strict=True)
    )
    if any(before < 0 or after < 0 for before, after in cut):
        raise Blocked(f"{node.name!r} pads more than its taps reach")
    more = ", and add what the bias gives as a map" if bordered else ""
    return Plan(
        (node.name, inner.name),
        f"make one transposed convolution of {inner.name!r} and {node.name!r}{more}",
        lambda: _change(graph, node, inner, cut, bordered=bordered),
    )


def _change(graph: Graph, node: Node, inner: Node, cut: Pairs, *, bordered: bool) -> Graph:
    kernel = transposed_product(
        inner.weight("kernel").astype(np.float64), node.weight("kernel").astype(np.float64), settings(node, "dilation")
    )
    bias = node.weight("bias").astype(np.float64) if "bias" in node.weights else np.zeros(kernel.shape[0])
    if "bias" in inner.weights and not bordered:
        spread = node.weight("kernel").astype(np.float64).reshape(*node.weights["kernel"].shape[:2], -1).sum(axis=2)
        bias = bias + spread @ inner.weight("bias").astype(np.float64)
    biased = "bias" in node.weights or "bias" in inner.weights
    like = inner.weight("kernel"), node.weight("kernel")
    words = node.attrs.get("padding") == "same"
    new = inner.edit(
        weights=building.linear_weights(Linear(rounded(kernel, *like), rounded(bias, *like) if biased else None)),
        attrs={
            **transposed_padding(cut, kernel.shape[2:], settings(inner, "strides"), words=words),
            "activation": guards.activation(node),
        },
        outputs=node.outputs,
    )
    if not bordered:
        return graph.edit(put=[new], remove=[node.name], rewire={Edge(node.name): Edge(inner.name)})
    value = rounded(border.bias_map(graph, node, inner.weight("bias")), *like)
    added = border.with_map(node, graph.fresh_name(f"{node.name}_bias"), new.name, value)
    return graph.edit(put=[new, added], remove=[node.name], rewire={Edge(node.name): Edge(added.name)})


def transposed_product(inner: Array, outer: Array, dilation: tuple[int, ...]) -> Array:
    """T[q] = sum_t W[t] E[q + d t - d (k_W - 1)], both `(out, in, *taps)` in float64."""
    spread = tuple(d * (k - 1) for d, k in zip(dilation, outer.shape[2:], strict=True))
    sizes = tuple(k + more for k, more in zip(inner.shape[2:], spread, strict=True))
    total = np.zeros((outer.shape[0], inner.shape[1], *sizes))
    for tap in product(*map(range, outer.shape[2:])):
        starts = (more - d * t for more, d, t in zip(spread, dilation, tap, strict=True))
        window = tuple(slice(start, start + k) for start, k in zip(starts, inner.shape[2:], strict=True))
        total[(slice(None), slice(None), *window)] += np.einsum("om,mi...->oi...", outer[(..., *tap)], inner)
    return total


TRANSPOSED_COMPOSE = Rule("transposed-compose", "AC313", ("latency", "memory"), plan, role=Role.SAVING)
