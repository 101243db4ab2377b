"""A transposed convolution is plain ones whose outputs are interleaved.

With y[o] = sum_i T[o - f i + B] x[i], output o = f a + r of phase r reads x[a + m] with the tap f m = r + B - q of T:

    y[f a + r] = sum_m P_r[m] x[a + m],   P_r[m] = T[r + B - f m].

Either each phase is a convolution of its own, as small as its taps, and depth-to-space interleaves them; or one wide
convolution computes the uncropped phases, those with B = 0, depth-to-space interleaves them and a crop takes the border
off. Depth-to-space counts its input channels as (phase along each axis, channel).
"""

from itertools import product

import numpy as np

from addcat.algebra import Linear
from addcat.graph import Array, Blocked, Edge, Graph, Node, Shape, Tensor
from addcat.graph.windows import Pairs, crops, settings, spatial, taps
from addcat.rules import building, guards
from addcat.rules.base import Plan, Role, Rule


def plan_each(graph: Graph, node: Node) -> Plan | None:
    """A convolution for each phase."""
    if node.op != "conv_transpose" or max(settings(node, "strides"), default=1) < 2:
        return None
    _check(graph, node)
    for k, f, (before, after) in _axes(node):
        if (k - before - after) % f:
            raise Blocked(f"the phases of {node.name!r} differ in length: {k - before - after} is no multiple of {f}")
        for r in range(f):
            low, high = _window(k, f, before, r)
            if high < low or low > 0 or (k - before - after) // f - 1 + high < 0:
                raise Blocked(f"a phase of {node.name!r} reads no tap or does not start at the border")
    words = f"compute {node.name!r} as one convolution for each of its phases, interleaved"
    return Plan((node.name,), words, lambda: _each(graph, node))


def plan_one(graph: Graph, node: Node) -> Plan | None:
    """One convolution for all phases."""
    if node.op != "conv_transpose" or max(settings(node, "strides"), default=1) < 2:
        return None
    _check(graph, node)
    for k, f, (before, after) in _axes(node):
        if before < 0 or -(-k // f) * f - k + after < 0:
            raise Blocked(f"{node.name!r} pads its output beyond what its taps reach")
    words = f"compute the phases of {node.name!r} by one convolution, interleave them and crop the border"
    return Plan((node.name,), words, lambda: _one(graph, node))


def _axes(node: Node) -> list[tuple[int, int, tuple[int, int]]]:
    return list(zip(taps(node), settings(node, "strides"), crops(node), strict=True))


def _check(graph: Graph, node: Node) -> None:
    guards.free(graph, node)
    guards.same_type(graph, node)
    if any(dilation != 1 for dilation in settings(node, "dilation")):
        raise Blocked(f"{node.name!r} is dilated")
    guards.one_group(node)
    guards.elementwise_end(node)


def _window(k: int, f: int, before: int, r: int) -> tuple[int, int]:
    """The first and the last m that a phase reads: 0 <= r + B - f m < k."""
    return -((k - 1 - r - before) // f), (r + before) // f


def _each(graph: Graph, node: Node) -> Graph:
    kernel, bias, parts = node.weight("kernel"), guards.linear(node).bias, list[Node]()
    axes, source = _axes(node), graph.tensor(node.inputs[0]).shape
    lengths = [(k - before - after) // f - 1 for k, f, (before, after) in axes]
    shape = _resized(node, source, lengths, kernel.shape[0])
    for number, phase in enumerate(product(*(range(f) for _, f, _ in axes)), start=1):
        windows = [_window(k, f, before, r) for (k, f, (before, _)), r in zip(axes, phase, strict=True)]
        part = kernel
        for axis, ((_, f, (before, _)), r, (low, high)) in enumerate(zip(axes, phase, windows, strict=True), start=2):
            part = np.take(part, [r + before - f * m for m in range(low, high + 1)], axis)
        padding = tuple((-low, more + high) for (low, high), more in zip(windows, lengths, strict=True))
        name = graph.fresh_name(f"{node.name}_phase{number}")
        parts.append(_conv(node, name, Linear(part, bias), padding, shape))
    channels = len(parts) * kernel.shape[0]
    wide = (Tensor(_resized(node, shape, [0] * len(axes), channels), node.dtype),)
    edges = tuple(Edge(part.name) for part in parts)
    name = graph.fresh_name(f"{node.name}_phases")
    joined = Node(name, "concat", edges, wide, {"axis": node.channel_axis}, channel_axis=node.channel_axis)
    return _interleaved(graph, node, [*parts, joined], ((0, 0),) * len(axes))


def _one(graph: Graph, node: Node) -> Graph:
    old, axes = guards.linear(node), _axes(node)
    kernel: Array = old.kernel
    outputs, inputs = kernel.shape[:2]
    each = [-(-k // f) for k, f, _ in axes]
    sides = [(0, f * m - k) for (k, f, _), m in zip(axes, each, strict=True)]
    kernel = np.pad(kernel, [(0, 0), (0, 0), *sides])
    for axis, ((_, f, _), m) in enumerate(zip(axes, each, strict=True)):
        place = 2 + 2 * axis  # (m, phase), read backwards: the first tap of a phase meets the last position
        kernel = np.flip(kernel.reshape(*kernel.shape[:place], m, f, *kernel.shape[place + 1 :]), place)
    order = [3 + 2 * axis for axis in range(len(axes))] + [0, 1] + [2 + 2 * axis for axis in range(len(axes))]
    phases = [f for _, f, _ in axes]
    kernel = kernel.transpose(order).reshape(int(np.prod(phases)) * outputs, inputs, *each)
    bias = None if old.bias is None else np.tile(old.bias, int(np.prod(phases)))
    source = graph.tensor(node.inputs[0]).shape
    shape = _resized(node, source, [m - 1 for m in each], kernel.shape[0])
    padding = tuple((m - 1, m - 1) for m in each)
    conv = _conv(node, graph.fresh_name(f"{node.name}_phases"), Linear(kernel, bias), padding, shape)
    crop = tuple((before, f * m - k + after) for (k, f, (before, after)), m in zip(axes, each, strict=True))
    return _interleaved(graph, node, [conv], crop)


def _conv(node: Node, name: str, map_: Linear, padding: Pairs, shape: Shape) -> Node:
    ones = (1,) * len(padding)
    attrs = {"strides": ones, "padding": padding, "dilation": ones, "groups": 1, "activation": guards.activation(node)}
    if "channels_first" in node.attrs:
        attrs["channels_first"] = node.attrs["channels_first"]
    weights = building.linear_weights(map_)
    outputs = (Tensor(shape, node.dtype),)
    return building.made(node, name, op="conv", attrs=attrs, weights=weights, outputs=outputs)


def _resized(node: Node, shape: Shape, more: list[int], channels: int) -> Shape:
    """A shape whose spatial sizes grow by `more`, with so many channels."""
    sizes: list[int | None] = list(shape)
    for axis, extra in zip(spatial(node), more, strict=True):
        old = shape[axis]
        sizes[axis] = None if old is None else old + extra
    sizes[node.channel_axis or 0] = channels
    return tuple(sizes)


def _interleaved(graph: Graph, node: Node, made: list[Node], crop: Pairs) -> Graph:
    """The graph with depth-to-space behind the new nodes, and a crop where there is something to take off."""
    strides, last = settings(node, "strides"), made[-1]
    sizes: list[int | None] = list(node.shape)
    for axis, f in zip(spatial(node), strides, strict=True):
        old = last.shape[axis]
        sizes[axis] = None if old is None else f * old
    whole, axis = (Tensor(tuple(sizes), node.dtype),), node.channel_axis
    name = graph.fresh_name(f"{node.name}_interleaved")
    made = [*made, Node(name, "depth_to_space", (Edge(last.name),), whole, {"block": strides}, channel_axis=axis)]
    if any(map(any, crop)):
        name = graph.fresh_name(f"{node.name}_cropped")
        made.append(Node(name, "crop", (Edge(made[-1].name),), node.outputs, {"cropping": crop}, channel_axis=axis))
    return graph.edit(put=made, remove=[node.name], rewire={Edge(node.name): Edge(made[-1].name)})


PHASES_EACH = Rule(
    "phases-each",
    "AC315",
    ("latency", "memory"),
    plan_each,
    role=Role.ALTERNATIVE,
    slack=1.0,
    memory_slack=1.0,
    frameworks=("onnx",),
)
PHASES_ONE = Rule(
    "phases-one",
    "AC316",
    ("latency", "memory"),
    plan_one,
    role=Role.ALTERNATIVE,
    slack=1.0,
    memory_slack=1.0,
    frameworks=("onnx",),
)
