"""ONNX nodes for the canonical operations that rewrites make."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from addcat.doors.onnx.functions import activation
from addcat.doors.onnx.reading.load import ir
from addcat.errors import ModelError
from addcat.graph import Array, Node

if TYPE_CHECKING:
    from onnx_ir import Value

Attributes = Mapping[str, object]
Operands = Sequence["Value | None"]


@dataclass(frozen=True, slots=True)
class Builder:
    """What building one node may use.

    Attributes:
        emit_all: `emit_all(op_type, inputs, attributes, outputs)` adds an ONNX node and gives its outputs.
        constant: `constant(array, name)` adds an initialiser and gives its value.
        stored: `stored(key, array)` gives the initialiser of the model that was read which a weight's key names, where
            it holds that array; None where it does not.
    """

    emit_all: Callable[[str, Operands, Attributes, int], "list[Value]"]
    constant: Callable[[Array, str], "Value"]
    stored: Callable[[int, Array], "Value | None"]

    def emit(self, op_type: str, inputs: Operands, attributes: Attributes) -> "Value":
        """Add an ONNX node of one output, and give that."""
        return self.emit_all(op_type, inputs, attributes, 1)[0]

    def weight(self, node: Node, name: str, convert: Callable[[Array], Array] | None = None) -> "Value | None":
        """An initialiser with a weight of the node, or None where it has none of that name."""
        if name not in node.weights:
            return None
        array = node.weight(name) if convert is None else convert(node.weight(name))
        return self.stored(node.weights[name].key, array) or self.constant(array, f"{node.name}.{name}")


def build(node: Node, inputs: "Sequence[Value]", builder: Builder) -> "list[Value]":
    """Add the ONNX nodes for a canonical node.

    Args:
        node: Any node whose `op` a rewrite may make.
        inputs: The values of its edges.
        builder: Where to add them.

    Returns:
        The value of each of its outputs.

    Raises:
        ModelError: if the operation has no ONNX form here.
    """
    function = _BUILDERS.get(node.op)
    if function is None:
        raise ModelError(
            f"{node.op} node {node.name!r} was changed, and there is no way to write it anew in ONNX. "
            "Leave it as it was read."
        )
    result = function(node, inputs, builder)
    results = result if isinstance(result, list) else [result]
    fused = node.attrs.get("activation", "linear")
    if fused != "linear":
        results = [activation(str(fused), results[0], builder, numpy_type(node.dtype))]
    return results


def _pads(pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Pairs (before, after) for each axis as ONNX has them: all befores, then all afters."""
    listed = list(pairs)
    return [before for before, _ in listed] + [after for _, after in listed]


def _padding(node: Node) -> dict[str, object]:
    padding = node.attrs["padding"]
    if padding == "same":
        return {"auto_pad": "SAME_UPPER"}
    return {} if padding == "valid" else {"pads": _pads(padding)}


def _conv(node: Node, inputs: "Sequence[Value]", builder: Builder) -> "Value":
    shape = node.weights["kernel"].shape
    groups = shape[0] // node.attrs.get("multiplier", 1) if node.op == "depthwise_conv" else node.attrs["groups"]
    attrs = {"kernel_shape": shape[2:], "strides": node.attrs["strides"], "dilations": node.attrs["dilation"]}
    operands = [inputs[0], builder.weight(node, "kernel"), builder.weight(node, "bias")]
    return builder.emit("Conv", operands, {**attrs, "group": groups, **_padding(node)})


def _conv_transpose(node: Node, inputs: "Sequence[Value]", builder: Builder) -> "Value":
    shape = node.weights["kernel"].shape
    attrs = {"kernel_shape": shape[2:], "strides": node.attrs["strides"], "dilations": node.attrs["dilation"]}
    if node.attrs.get("output_padding"):
        attrs["output_padding"] = node.attrs["output_padding"]
    kernel = builder.weight(node, "kernel", lambda array: array.swapaxes(0, 1))
    return builder.emit("ConvTranspose", [inputs[0], kernel, builder.weight(node, "bias")], {**attrs, **_padding(node)})


def _dense(node: Node, inputs: "Sequence[Value]", builder: Builder) -> "Value":
    if len(node.shape) == 2:
        operands = [inputs[0], builder.weight(node, "kernel"), builder.weight(node, "bias")]
        return builder.emit("Gemm", operands, {"transB": 1})
    product = builder.emit("MatMul", [inputs[0], builder.weight(node, "kernel", lambda array: array.T)], {})
    bias = builder.weight(node, "bias")
    return product if bias is None else builder.emit("Add", [product, bias], {})


def _batch_norm(node: Node, inputs: "Sequence[Value]", builder: Builder) -> "Value":
    if node.channel_axis != 1:
        return _scale_and_shift(node, inputs, builder)
    channels = node.weights["mean"].shape
    like = node.weight("mean").dtype
    scale = builder.weight(node, "scale") or builder.constant(np.ones(channels, like), f"{node.name}.scale")
    offset = builder.weight(node, "offset") or builder.constant(np.zeros(channels, like), f"{node.name}.offset")
    operands = [inputs[0], scale, offset, builder.weight(node, "mean"), builder.weight(node, "variance")]
    return builder.emit("BatchNormalization", operands, {"epsilon": float(node.attrs["epsilon"])})


def _norm(node: Node, inputs: "Sequence[Value]", builder: Builder) -> "Value":
    """Layer and instance norm; ONNX wants a scale where there is none, and one serves all of a width."""
    kind, axis = ("LayerNormalization", -1) if node.op == "layer_norm" else ("InstanceNormalization", 1)
    count, dtype = node.shape[axis] or 0, str(numpy_type(node.dtype))
    scale = builder.weight(node, "scale") or builder.constant(_filled(1.0, count, dtype), "ones")
    offset = builder.weight(node, "offset")
    attrs: dict[str, object] = {"epsilon": float(node.attrs["epsilon"])}
    if node.op == "layer_norm":
        return builder.emit(kind, [inputs[0], scale, offset], {**attrs, "axis": -1})
    return builder.emit(
        kind, [inputs[0], scale, offset or builder.constant(_filled(0.0, count, dtype), "zeros")], attrs
    )


@lru_cache(maxsize=64)
def _filled(value: float, count: int, dtype: str) -> Array:
    return np.full(count, value, numpy_type(dtype))


def _scale_and_shift(node: Node, inputs: "Sequence[Value]", builder: Builder) -> "Value":
    """Batch norm on another axis than ONNX's, as a product and a sum."""
    mean, variance = (node.weight(name).astype(np.float64) for name in ("mean", "variance"))
    gain = 1 / np.sqrt(variance + float(node.attrs["epsilon"]))
    gain = gain * node.weight("scale") if "scale" in node.weights else gain
    shift = (node.weight("offset") if "offset" in node.weights else 0.0) - gain * mean
    shape, like = _along_channels(node), node.weight("mean").dtype
    scaled = builder.emit("Mul", [inputs[0], builder.constant(shape(gain.astype(like)), f"{node.name}.gain")], {})
    return builder.emit("Add", [scaled, builder.constant(shape(shift.astype(like)), f"{node.name}.shift")], {})


def _along_channels(node: Node) -> Callable[[Array], Array]:
    def shape(array: Array) -> Array:
        if array.ndim == 0 or node.channel_axis is None:
            return array
        return array.reshape(-1, *(1,) * (len(node.shape) - 1 - node.channel_axis))

    return shape


def _shift(node: Node, inputs: "Sequence[Value]", builder: Builder) -> "Value":
    return builder.emit("Add", [inputs[0], builder.weight(node, "value", _along_channels(node))], {})


def _gain(node: Node, inputs: "Sequence[Value]", builder: Builder) -> "Value":
    return builder.emit("Mul", [inputs[0], builder.weight(node, "value", _along_channels(node))], {})


def _add_map(node: Node, inputs: "Sequence[Value]", builder: Builder) -> "Value":
    return builder.emit("Add", [inputs[0], builder.weight(node, "map")], {})


def _add(node: Node, inputs: "Sequence[Value]", builder: Builder) -> "Value":
    # Runtimes fuse a binary Add into the convolution before it; Sum stays on its own.
    total = inputs[0]
    for value in inputs[1:]:
        total = builder.emit("Add", [total, value], {})
    return total if len(inputs) > 1 else builder.emit("Identity", [total], {})


def _concat(node: Node, inputs: "Sequence[Value]", builder: Builder) -> "Value":
    return builder.emit("Concat", list(inputs), {"axis": int(node.attrs["axis"])})


_MERGES = {"subtract": "Sub", "multiply": "Mul", "maximum": "Max", "minimum": "Min", "average": "Mean"}

_BINARY = ("Sub", "Mul")


def _merge(node: Node, inputs: "Sequence[Value]", builder: Builder) -> "Value":
    kind = _MERGES[node.op]
    if kind not in _BINARY:
        return builder.emit(kind, list(inputs), {})
    result = inputs[0]
    for value in inputs[1:]:
        result = builder.emit(kind, [result, value], {})
    return result if len(inputs) > 1 else builder.emit("Identity", [result], {})


def _pool(node: Node, inputs: "Sequence[Value]", builder: Builder) -> "Value":
    attrs = {"kernel_shape": node.attrs["size"], "strides": node.attrs["strides"], **_padding(node)}
    if node.attrs["kind_of_pool"] == "max":
        return builder.emit("MaxPool", [inputs[0]], attrs)
    return builder.emit("AveragePool", [inputs[0]], {**attrs, "count_include_pad": int(node.attrs["counts_padding"])})


def _global_pool(node: Node, inputs: "Sequence[Value]", builder: Builder) -> "Value":
    kind = "GlobalAveragePool" if node.attrs["kind_of_pool"] == "average" else "GlobalMaxPool"
    pooled = builder.emit(kind, [inputs[0]], {})
    return pooled if node.attrs["keepdims"] else builder.emit("Flatten", [pooled], {})


def _resize(node: Node, inputs: "Sequence[Value]", builder: Builder) -> "Value":
    method, factor = str(node.attrs["method"]), node.attrs["factor"]
    mode = node.attrs.get("mode", "nearest" if method.startswith("nearest") else "linear")
    plain = {"nearest": ("asymmetric", "floor"), "linear": ("half_pixel", "floor")}[mode]
    attrs = {
        "mode": mode,
        "coordinate_transformation_mode": node.attrs.get("centres", plain[0]),
        "nearest_mode": node.attrs.get("rounding", plain[1]),
    }
    scales = builder.constant(np.array([1.0, 1.0, *factor], np.float32), f"{node.name}.scales")
    return builder.emit("Resize", [inputs[0], None, scales], attrs)


def _interpolate(node: Node, inputs: "Sequence[Value]", builder: Builder) -> "Value":
    across = [
        builder.emit("MatMul", [value, builder.weight(node, f"columns{i}", lambda array: array.T)], {})
        for i, value in enumerate(inputs)
    ]
    if len(inputs) == 1:
        return builder.emit("MatMul", [builder.weight(node, "rows0"), across[0]], {})
    rows = np.concatenate([node.weight(f"rows{i}") for i in range(len(inputs))], axis=1)
    joined = builder.emit("Concat", across, {"axis": 2})
    return builder.emit("MatMul", [builder.constant(rows, f"{node.name}.rows"), joined], {})


def _pad(node: Node, inputs: "Sequence[Value]", builder: Builder) -> "Value":
    pads = _pads([(0, 0), (0, 0), *node.attrs["padding"]])
    return builder.emit("Pad", [inputs[0], builder.constant(np.array(pads, np.int64), f"{node.name}.pads")], {})


def _crop(node: Node, inputs: "Sequence[Value]", builder: Builder) -> "Value":
    before = [first for first, _ in node.attrs["cropping"]]
    # "to the end" is any number beyond it
    after = [-last if last else 2**62 for _, last in node.attrs["cropping"]]
    axes = list(range(2, 2 + len(before)))
    operands = [
        builder.constant(np.array(values, np.int64), f"{node.name}.{name}")
        for name, values in (("starts", before), ("ends", after), ("axes", axes))
    ]
    return builder.emit("Slice", [inputs[0], *operands], {})


def _split(node: Node, inputs: "Sequence[Value]", builder: Builder) -> "list[Value]":
    sizes = builder.constant(np.array(node.attrs["sizes"], np.int64), f"{node.name}.sizes")
    return builder.emit_all("Split", [inputs[0], sizes], {"axis": int(node.attrs["axis"])}, len(node.outputs))


def _depth_to_space(node: Node, inputs: "Sequence[Value]", builder: Builder) -> "Value":
    block = tuple(int(size) for size in node.attrs["block"])
    if len(block) == 2 and block[0] == block[1]:
        return builder.emit("DepthToSpace", [inputs[0]], {"blocksize": block[0], "mode": "DCR"})
    # ONNX has square blocks of two axes only; others are spelled out
    channels, *sizes = node.shape[1:]
    if channels is None or None in sizes:
        raise ModelError(f"{node.name!r} has blocks of {block} and sizes that are not known: ONNX cannot say it.")
    before = [size // step for size, step in zip((s or 0 for s in sizes), block, strict=True)]
    rank = len(block)
    order = [0, 1 + rank, *(axis for i in range(rank) for axis in (2 + rank + i, 1 + i))]
    opened, closed = [-1, *block, channels, *before], [-1, channels, *(s or 0 for s in sizes)]
    shapes = [np.array(shape, np.int64) for shape in (opened, closed)]
    value = builder.emit("Reshape", [inputs[0], builder.constant(shapes[0], f"{node.name}.opened")], {})
    value = builder.emit("Transpose", [value], {"perm": order})
    return builder.emit("Reshape", [value, builder.constant(shapes[1], f"{node.name}.closed")], {})


def _reshape(node: Node, inputs: "Sequence[Value]", builder: Builder) -> "Value":
    shape = builder.constant(np.array(node.attrs["shape"], np.int64), f"{node.name}.shape")
    return builder.emit("Reshape", [inputs[0], shape], {})


def _activate(node: Node, inputs: "Sequence[Value]", builder: Builder) -> "Value":
    return activation(str(node.attrs["function"]), inputs[0], builder, numpy_type(node.dtype))


def numpy_type(dtype: str) -> "np.dtype[Any]":
    """The type of arrays for a type of the graph."""
    return ir().DataType.BFLOAT16.numpy() if dtype == "bfloat16" else np.dtype(dtype)


_BUILDERS: "dict[str, Callable[[Node, Sequence[Value], Builder], Value | list[Value]]]" = {
    "conv": _conv,
    "depthwise_conv": _conv,
    "conv_transpose": _conv_transpose,
    "dense": _dense,
    "batch_norm": _batch_norm,
    **dict.fromkeys(("layer_norm", "instance_norm"), _norm),
    "shift": _shift,
    "gain": _gain,
    "add_map": _add_map,
    "add": _add,
    "concat": _concat,
    **dict.fromkeys(_MERGES, _merge),
    "pool": _pool,
    "global_pool": _global_pool,
    "resize": _resize,
    "interpolate": _interpolate,
    "pad": _pad,
    "crop": _crop,
    "split": _split,
    "depth_to_space": _depth_to_space,
    "reshape": _reshape,
    "activation": _activate,
    "identity": lambda node, inputs, builder: builder.emit("Identity", [inputs[0]], {}),
    "dropout": lambda node, inputs, builder: builder.emit("Identity", [inputs[0]], {}),
}


def is_moved(node: Node) -> bool:
    """Whether an untouched node can no longer be written by its ONNX node as it was.

    Settings of an ONNX node may speak of widths: a Resize may name its channels, a Split its parts. And a merge may
    have got other branches.
    """
    call = node.native
    if len(node.inputs) != len(call.positions) + len(call.captured):
        return True
    if node.op in ("split", "resize"):
        return [t.shape for t in node.outputs] != [t.shape for t in call.outputs]
    return False
