"""A graph computed in float64 by numpy, plainly and slowly: what every rewrite is compared with.

Only the definitions, each as its textbook has it, with no step shared with the package: convolutions are sums over
taps of shifted inputs, "same" is Keras' (asymmetric for even windows and for strides), pooling averages over what is
there. Channels may come first or last. `evaluate` runs a graph, `checked` also compares the declared shapes.
"""

from collections.abc import Callable
from itertools import product
from math import erf, pi, sqrt
from typing import Any

import numpy as np

from addcat.graph import Array, Edge, Graph, Node

Arrays = list[Array]
FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0.0),
    "relu6": lambda x: np.clip(x, 0.0, 6.0),
    "sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)),
    "tanh": np.tanh,
    "sqrt": np.sqrt,
    "erf": np.vectorize(erf, otypes=[np.float64]),
    "gelu": lambda x: 0.5 * x * (1.0 + FUNCTIONS["erf"](x / sqrt(2.0))),
    "gelu_tanh": lambda x: 0.5 * x * (1.0 + np.tanh(sqrt(2.0 / pi) * (x + 0.044715 * x**3))),
    "silu": lambda x: x / (1.0 + np.exp(-x)),
    "LeakyReLU": lambda x: np.where(x > 0, x, 0.3 * x),
    "softplus": lambda x: np.logaddexp(0.0, x),
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True),
}


def evaluate(graph: Graph, inputs: dict[str, Array]) -> Arrays:
    """The outputs of a graph for arrays by input name."""
    return [values[edge] for values in [values_of(graph, inputs)] for edge in graph.outputs]


def checked(graph: Graph, inputs: dict[str, Array]) -> Arrays:
    """As `evaluate`; asserts that every tensor has the shape that its node declares."""
    values = values_of(graph, inputs)
    for node in graph.nodes.values():
        for number, tensor in enumerate(node.outputs):
            shape = values[Edge(node.name, number)].shape
            assert len(shape) == len(tensor.shape), node.name
            told = tuple(size if size is not None else real for size, real in zip(tensor.shape, shape, strict=True))
            assert told == shape, f"{node.name} declares {tensor.shape} and gives {shape}"
    return [values[edge] for edge in graph.outputs]


def values_of(graph: Graph, inputs: dict[str, Array]) -> dict[Edge, Array]:
    """Every tensor of a graph."""
    values: dict[Edge, Array] = {}
    for node in graph.nodes.values():
        if node.op == "input":
            results = [np.asarray(inputs[node.name], np.float64)]
        else:
            results = compute(node, [values[edge] for edge in node.inputs])
        values.update({Edge(node.name, number): array for number, array in enumerate(results)})
    return values


def compute(node: Node, inputs: Arrays) -> Arrays:
    """What one node gives."""
    if node.op == "split":
        axis = node.attrs["axis"]
        return list(np.split(inputs[0], np.cumsum(node.attrs["sizes"])[:-1], axis))
    if node.op in MERGES:
        return [MERGES[node.op](node, inputs)]
    if node.op in ("layer_norm", "instance_norm"):
        return [_norm(node, inputs[0])]
    if node.op in POINTWISE:
        return [_pointwise(node, inputs[0])]
    if node.op == "global_pool":
        return [_global_pool(node, inputs[0])]
    if node.op == "add_map":
        return [inputs[0] + _weight(node, "map")]
    if node.op == "permute":
        return [inputs[0].transpose(node.attrs["order"])]
    if node.op == "reshape":
        return [inputs[0].reshape([inputs[0].shape[0], *node.attrs["shape"][1:]])]
    if node.op == "interpolate":
        return [sum(_weight(node, f"rows{i}") @ x @ _weight(node, f"columns{i}").T for i, x in enumerate(inputs))]
    assert node.channel_axis is not None
    result = SPATIAL[node.op](node, np.moveaxis(inputs[0], node.channel_axis, -1))
    return [_function(node, np.moveaxis(result, -1, node.channel_axis))]


POINTWISE = ("dense", "shift", "gain", "batch_norm", "activation", "softmax", "identity", "dropout")


def _concat(node: Node, inputs: Arrays) -> Array:
    return np.concatenate(inputs, axis=node.attrs["axis"])


MERGES: dict[str, Callable[[Node, Arrays], Array]] = {
    "add": lambda _, xs: sum(xs[1:], xs[0]),
    "average": lambda _, xs: sum(xs[1:], xs[0]) / len(xs),
    "multiply": lambda _, xs: np.prod(np.broadcast_arrays(*xs), axis=0),
    "maximum": lambda _, xs: np.max(np.broadcast_arrays(*xs), axis=0),
    "minimum": lambda _, xs: np.min(np.broadcast_arrays(*xs), axis=0),
    "divide": lambda _, xs: xs[0] / xs[1],
    "subtract": lambda _, xs: xs[0] - xs[1],
    "concat": _concat,
}


def _pointwise(node: Node, x: Array) -> Array:
    if node.op == "dense":
        result = x @ _weight(node, "kernel").T
        return _function(node, result + (_weight(node, "bias") if "bias" in node.weights else 0.0))
    if node.op in ("identity", "dropout"):
        return x
    if node.op in ("activation", "softmax"):
        return FUNCTIONS[node.attrs["function"]](x)
    shape = [1] * x.ndim
    shape[node.channel_axis or 0] = -1
    if node.op == "batch_norm":
        scale, offset = (
            _weight(node, name) if name in node.weights else default
            for name, default in (("scale", np.ones(1)), ("offset", np.zeros(1)))
        )
        mean, variance = _weight(node, "mean"), _weight(node, "variance")
        centred = (x - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + node.attrs["epsilon"])
        return centred * scale.reshape(shape) + offset.reshape(shape)
    value = _weight(node, "value").reshape(shape)
    return x + value if node.op == "shift" else x * value


def _norm(node: Node, x: Array) -> Array:
    """Layer norm over the last axis, instance norm over all positions of a channel."""
    over = x.ndim - 1 if node.op == "layer_norm" else tuple(range(2, x.ndim))
    centred = x - x.mean(axis=over, keepdims=True)
    result = centred / np.sqrt((centred**2).mean(axis=over, keepdims=True) + node.attrs["epsilon"])
    shape = [1] * x.ndim
    shape[-1 if node.op == "layer_norm" else 1] = -1
    scale, offset = (
        _weight(node, name).reshape(shape) if name in node.weights else None for name in ("scale", "offset")
    )
    return (result if scale is None else result * scale) + (0.0 if offset is None else offset)


def _weight(node: Node, name: str) -> Array:
    return np.asarray(node.weight(name), np.float64)


def _function(node: Node, x: Array) -> Array:
    return FUNCTIONS[node.attrs.get("activation", "linear")](x)


def _each(node: Node, name: str, count: int, default: int = 1) -> list[int]:
    value: Any = node.attrs.get(name, default)
    return [value] * count if isinstance(value, int) else list(value)


def _zeros(node: Node, sizes: list[int], windows: list[int], strides: list[int]) -> list[tuple[int, int]]:
    """Zeros before and after, for windows with their dilation."""
    padding = node.attrs.get("padding", "valid")
    if not isinstance(padding, str):
        return [tuple(pair) for pair in padding]
    found: list[tuple[int, int]] = []
    for size, window, stride in zip(sizes, windows, strides, strict=True):
        total = max((int(np.ceil(size / stride)) - 1) * stride + window - size, 0)
        found.append({"valid": (0, 0), "causal": (window - 1, 0), "same": (total // 2, total - total // 2)}[padding])
    return found


def _windows(
    x: Array, sizes: list[int], strides: list[int], dilation: list[int], pads: list[tuple[int, int]], fill: float
) -> dict[tuple[int, ...], Array]:
    """For each tap, the input that it sees for every output, channels last."""
    padded = np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=fill)
    lengths = [
        (n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(padded.shape[1:-1], sizes, strides, dilation, strict=True)
    ]
    seen: dict[tuple[int, ...], Array] = {}
    for tap in product(*map(range, sizes)):
        cut = [slice(d * t, d * t + s * n, s) for t, d, s, n in zip(tap, dilation, strides, lengths, strict=True)]
        seen[tap] = padded[(slice(None), *cut)]
        assert list(seen[tap].shape[1:-1]) == lengths
    return seen


def _conv(node: Node, x: Array, kernel: Array | None = None, groups: int | None = None) -> Array:
    kernel = _weight(node, "kernel") if kernel is None else kernel
    groups = int(node.attrs.get("groups", 1)) if groups is None else groups
    taps = list(kernel.shape[2:])
    strides, dilation = _each(node, "strides", len(taps)), _each(node, "dilation", len(taps))
    reach = [d * (k - 1) + 1 for k, d in zip(taps, dilation, strict=True)]
    pads = _zeros(node, list(x.shape[1:-1]), reach, strides)
    total: Any = 0.0
    for tap, seen in _windows(x, taps, strides, dilation, pads, 0.0).items():
        parts = zip(
            np.split(seen, groups, axis=-1), np.split(kernel[(slice(None), slice(None), *tap)], groups), strict=True
        )
        total = total + np.concatenate([part @ matrix.T for part, matrix in parts], axis=-1)
    return total + (_weight(node, "bias") if "bias" in node.weights else 0.0)


def _depthwise(node: Node, x: Array) -> Array:
    return _conv(node, x, groups=x.shape[-1])


def _separable(node: Node, x: Array) -> Array:
    plain = Node("", "conv", attrs=node.attrs)
    inner = _conv(plain, x, _weight(node, "depthwise"), x.shape[-1])
    pointwise = _weight(node, "pointwise")
    result = inner @ pointwise.reshape(pointwise.shape[:2]).T
    return result + (_weight(node, "bias") if "bias" in node.weights else 0.0)


def _transposed(node: Node, x: Array) -> Array:
    """Every input adds its kernel to the output; then the ends are cropped, or extended with zeros."""
    kernel = _weight(node, "kernel")
    taps = list(kernel.shape[2:])
    strides, dilation = _each(node, "strides", len(taps)), _each(node, "dilation", len(taps))
    reach = [d * (k - 1) + 1 for k, d in zip(taps, dilation, strict=True)]
    sizes = [(n - 1) * s + r for n, s, r in zip(x.shape[1:-1], strides, reach, strict=True)]
    ends = _ends(node, list(x.shape[1:-1]), sizes, reach, strides)
    room = [max(size, stop) for size, (_, stop) in zip(sizes, ends, strict=True)]
    total = np.zeros((x.shape[0], *room, kernel.shape[0]))
    for tap in product(*map(range, taps)):
        places = [
            slice(d * t, d * t + s * (n - 1) + 1, s)
            for t, d, s, n in zip(tap, dilation, strides, x.shape[1:-1], strict=True)
        ]
        total[(slice(None), *places)] += x @ kernel[(slice(None), slice(None), *tap)].T
    total = total[(slice(None), *(slice(start, stop) for start, stop in ends))]
    return total + (_weight(node, "bias") if "bias" in node.weights else 0.0)


def _ends(
    node: Node, inputs: list[int], sizes: list[int], reach: list[int], strides: list[int]
) -> list[tuple[int, int]]:
    """Where the output begins and ends in the sum of all kernels."""
    padding, extra = node.attrs.get("padding", "valid"), node.attrs.get("output_padding")
    extras = [extra] * len(sizes) if extra is None or isinstance(extra, int) else list(extra)
    found: list[tuple[int, int]] = []
    for number, (n, size, r, s, e) in enumerate(zip(inputs, sizes, reach, strides, extras, strict=True)):
        if not isinstance(padding, str):
            before, after = padding[number]
            found.append((before, size - after + (e or 0)))
        elif padding == "valid":
            found.append((0, (n - 1) * s + max(r, s) if e is None else size + e))
        else:
            # the gradient of a "same" convolution; its output is the input of one
            length = n * s if e is None else (n - 1) * s + r % 2 + e
            zeros = s + r - 2 if e is None else r + r % 2 - 2 + e
            before = r - 1 - min((zeros + 1) // 2, r - 1)
            found.append((before, before + length))
    return found


def _pool(node: Node, x: Array) -> Array:
    sizes = list(node.attrs["size"])
    strides, ones = _each(node, "strides", len(sizes)), [1] * len(sizes)
    pads = _zeros(node, list(x.shape[1:-1]), sizes, strides)
    if node.attrs["kind_of_pool"] == "max":
        return np.max(list(_windows(x, sizes, strides, ones, pads, -np.inf).values()), axis=0)
    total = np.sum(list(_windows(x, sizes, strides, ones, pads, 0.0).values()), axis=0)
    there = np.sum(list(_windows(np.ones_like(x), sizes, strides, ones, pads, 0.0).values()), axis=0)
    return total / (np.prod(sizes) if node.attrs.get("counts_padding") else there)


def _global_pool(node: Node, x: Array) -> Array:
    first = node.channel_axis == 1 if node.attrs["keepdims"] else node.attrs.get("channels_first", False)
    axes = tuple(range(2, x.ndim) if first else range(1, x.ndim - 1))
    reduce = np.mean if node.attrs["kind_of_pool"] == "average" else np.max
    return reduce(x, axis=axes, keepdims=bool(node.attrs["keepdims"]))


def _resize(node: Node, x: Array) -> Array:
    for axis, factor in enumerate(node.attrs["factor"], start=1):
        size = x.shape[axis]
        matrix = np.zeros((int(size * factor), size))
        for place in range(len(matrix)):
            centre = (place + 0.5) / factor - 0.5  # half-pixel centres
            if node.attrs["method"] == "nearest":
                matrix[place, min(int(np.floor((place + 0.5) / factor)), size - 1)] = 1.0
                continue
            low = int(np.floor(centre))
            for source, share in ((low, 1.0 - (centre - low)), (low + 1, centre - low)):
                matrix[place, min(max(source, 0), size - 1)] += share
        x = np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)
    return x


def _pad(node: Node, x: Array) -> Array:
    return np.pad(x, [(0, 0), *node.attrs["padding"], (0, 0)])


def _crop(node: Node, x: Array) -> Array:
    ends = zip(x.shape[1:-1], node.attrs["cropping"], strict=True)
    return x[(slice(None), *(slice(before, size - after) for size, (before, after) in ends))]


def _depth_to_space(node: Node, x: Array) -> Array:
    block = list(node.attrs["block"])
    outer = list(x.shape[1:-1])
    split = x.reshape(x.shape[0], *outer, *block, -1)
    count = len(block)
    order = [0, *(axis for i in range(count) for axis in (1 + i, 1 + count + i)), 1 + 2 * count]
    return split.transpose(order).reshape(x.shape[0], *(n * b for n, b in zip(outer, block, strict=True)), -1)


SPATIAL: dict[str, Callable[[Node, Array], Array]] = {
    "conv": _conv,
    "depthwise_conv": _depthwise,
    "separable_conv": _separable,
    "conv_transpose": _transposed,
    "pool": _pool,
    "resize": _resize,
    "pad": _pad,
    "crop": _crop,
    "depth_to_space": _depth_to_space,
}
