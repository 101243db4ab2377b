"""A convolution after nearest enlargement is a transposed convolution.

With u[j] = x[floor(j / f)] and y[o] = sum_t W[t] u[o + t - p], the tap t of output o reads x[i] where
f i <= o + t - p < f (i + 1), so

    y[o] = sum_i T[o - f i + B] x[i],   T[q] = sum_{r=0}^{f-1} W[r + k - 1 - q],   B = k - 1 - p,

with k + f - 1 taps, taps of W outside of 0 ... k - 1 being zero. Zero padding agrees: zeros of u are where x would be
outside. For f = 2 and k = 3, T = [W_2, W_1 + W_2, W_0 + W_1, W_0]: 16 products for a position of x instead of 36.
"""

import numpy as np

from addcat.algebra import Linear, rounded
from addcat.graph import Array, Blocked, Edge, Graph, Node
from addcat.graph.windows import Pairs, pads, settings, taps, transposed_padding
from addcat.rules import building, guards
from addcat.rules.base import Plan, Rule


def plan(graph: Graph, node: Node) -> Plan | None:
    """Make one transposed convolution of a nearest enlargement and the convolution that reads it."""
    if node.op != "conv" or guards.producer(graph, node).op != "resize" or guards.is_pointwise(node):
        return None
    resize = guards.producer(graph, node)
    method = resize.attrs.get("method")
    factors: tuple[float, ...] = tuple(resize.attrs.get("factor") or ())
    if not factors or all(factor <= 1 for factor in factors):
        return None
    if method != "nearest":
        raise Blocked(f"{resize.name!r} resizes by {method!r}, not by nearest")
    if any(factor != int(factor) or factor < 1 for factor in factors):
        raise Blocked(f"{resize.name!r} does not enlarge by whole numbers")
    guards.free(graph, node)
    guards.free(graph, resize)
    guards.same_type(graph, resize, node)
    guards.one_group(node)
    if resize.channel_axis != node.channel_axis:
        raise Blocked(f"{resize.name!r} and {node.name!r} have their channels on different axes")
    if any(value != 1 for name in ("strides", "dilation") for value in settings(node, name)):
        raise Blocked(f"{node.name!r} has a stride or a dilation")
    guards.only_reader(graph, resize, node)
    cut: Pairs = tuple((k - 1 - b, k - 1 - a) for (b, a), k in zip(pads(graph, node), taps(node), strict=True))
    if any(before < 0 or after < 0 for before, after in cut):
        raise Blocked(f"{node.name!r} pads more than its taps reach")
    return Plan(
        (node.name, resize.name),
        f"make one transposed convolution of {resize.name!r} and {node.name!r}",
        lambda: _change(graph, node, resize, tuple(map(int, factors)), cut),
    )


def _change(graph: Graph, node: Node, resize: Node, factors: tuple[int, ...], cut: Pairs) -> Graph:
    old = guards.linear(node)
    kernel = rounded(spread(old.kernel, factors), old.kernel)
    words = node.attrs.get("padding") == "same"
    attrs = {
        "strides": factors,
        "dilation": (1,) * len(factors),
        "activation": guards.activation(node),
        **({"channels_first": node.attrs["channels_first"]} if "channels_first" in node.attrs else {}),
        **transposed_padding(cut, kernel.shape[2:], factors, words=words),
    }
    new = building.made(
        node,
        graph.fresh_name(f"{node.name}_transposed"),
        op="conv_transpose",
        attrs=attrs,
        inputs=resize.inputs,
        weights=building.linear_weights(Linear(kernel, old.bias)),
    )
    return graph.edit(put=[new], remove=[node.name, resize.name], rewire={Edge(node.name): Edge(new.name)})


def spread(kernel: Array, factors: tuple[int, ...]) -> Array:
    """T of a kernel `(out, in, *taps)`, in float64: flipped, then summed over f neighbours along every axis.

    Examples:
        >>> spread(np.array([[[1.0, 10.0, 100.0]]]), (2,)).tolist()
        [[[100.0, 110.0, 11.0, 1.0]]]
    """
    total = kernel.astype(np.float64)
    for axis, factor in enumerate(factors, start=2):
        flipped = np.flip(total, axis)
        shifted = [
            np.pad(flipped, [(r, factor - 1 - r) if place == axis else (0, 0) for place in range(total.ndim)])
            for r in range(factor)
        ]
        total = np.sum(shifted, axis=0)
    return total


NEAREST_CONV = Rule("nearest-conv", "AC314", ("latency", "memory"), plan)
