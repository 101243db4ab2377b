"""Linear ONNX operators in canonical words, with their weights in canonical layout.

| ONNX | its weight | canonical |
| --- | --- | --- |
| Conv | (out, in / groups, *taps) | the same |
| ConvTranspose | (in, out / groups, *taps) | (out, in, *taps), one group only |
| Gemm | alpha (in, out), or (out, in) with transB; beta C | (out, in); (out,) |
| MatMul | (in, out) | (out, in) |
| BatchNormalization | scale, B, input_mean, input_var | scale, offset, mean, variance |
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from addcat.doors.onnx.reading.constants import Constant
from addcat.doors.onnx.reading.node_view import FLOATS, OPAQUE, Found, Look
from addcat.graph import Array, Weight


def weight(
    constant: Constant, shape: tuple[int, ...] | None = None, convert: Callable[[Array], Array] | None = None
) -> Weight:
    """A constant as a weight of a node, read when somebody asks.

    Args:
        constant: What ONNX stores.
        shape: Canonical shape, where it differs.
        convert: Makes the canonical array.

    Returns:
        The weight; readers of one constant share its key.
    """
    read = constant.read if convert is None else lambda: convert(constant.read())
    return Weight(shape or constant.shape, read, constant.key)


def padding(look: Look, taps: Sequence[int]) -> Any:
    """Canonical padding of a convolution or a pooling.

    Returns:
        None where it depends on sizes in a way we have no word for, or is not two numbers for each axis.
    """
    auto, spatial = look.attr("auto_pad", "NOTSET"), len(taps)
    if auto == "VALID":
        return "valid"
    if auto == "SAME_UPPER":
        steps = zip(look.attr("strides", (1,) * spatial), look.attr("dilations", (1,) * spatial), taps, strict=False)
        # ONNX Runtime begins behind the border where that would pad by less than nothing, other runtimes do not
        return None if any(s - (d * (k - 1) + 1) > 1 for s, d, k in steps) else "same"
    if auto == "SAME_LOWER":
        return None
    pads = look.attr("pads", (0,) * 2 * spatial)
    if len(pads) != 2 * spatial:
        return None
    if not any(pads):
        return "valid"
    return tuple(zip(pads[:spatial], pads[spatial:], strict=True))


def conv(look: Look) -> Found:
    """Conv: a depthwise convolution where each group has one input channel, and there is more than one."""
    kernel, bias = look.constant(1), look.constant(2)
    if kernel is None or (look.has_input(2) and bias is None) or kernel.dtype not in FLOATS:
        return OPAQUE
    spatial, groups = len(kernel.shape) - 2, look.attr("group", 1)
    pads = padding(look, kernel.shape[2:])
    if spatial < 1 or pads is None:
        return OPAQUE
    attrs = {
        "strides": look.attr("strides", (1,) * spatial),
        "padding": pads,
        "dilation": look.attr("dilations", (1,) * spatial),
        "channels_first": True,
        "activation": "linear",
    }
    weights = {"kernel": weight(kernel), **({"bias": weight(bias)} if bias is not None else {})}
    if groups > 1 and kernel.shape[1] == 1:
        return Found("depthwise_conv", {**attrs, "multiplier": kernel.shape[0] // groups}, weights)
    return Found("conv", {**attrs, "groups": groups}, weights)


def conv_transpose(look: Look) -> Found:
    """ConvTranspose of one group, with its cropping spelled out."""
    kernel, bias = look.constant(1), look.constant(2)
    unclear = look.attr("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or look.attr("output_shape") is not None
    if kernel is None or (look.has_input(2) and bias is None) or unclear or look.attr("group", 1) != 1:
        return OPAQUE
    spatial = len(kernel.shape) - 2
    pads = padding(look, kernel.shape[2:])
    if kernel.dtype not in FLOATS or spatial < 1 or pads is None:
        return OPAQUE
    attrs = {
        "strides": look.attr("strides", (1,) * spatial),
        "padding": pads,
        "dilation": look.attr("dilations", (1,) * spatial),
        "output_padding": look.attr("output_padding", (0,) * spatial),
        "channels_first": True,
        "activation": "linear",
    }
    inputs, outputs, *taps = kernel.shape
    weights = {"kernel": weight(kernel, (outputs, inputs, *taps), lambda array: array.swapaxes(0, 1))}
    return Found("conv_transpose", attrs, weights | ({"bias": weight(bias)} if bias is not None else {}))


def gemm(look: Look) -> Found:
    """Gemm with constant B and C: alpha A B + beta C."""
    matrix, offset = look.constant(1), look.constant(2)
    if matrix is None or len(matrix.shape) != 2 or matrix.dtype not in FLOATS:
        return OPAQUE
    if look.attr("transA", 0) or 0 not in look.dynamic:
        return OPAQUE
    alpha, beta, flip = look.attr("alpha", 1.0), look.attr("beta", 1.0), not look.attr("transB", 0)
    shape = matrix.shape[::-1] if flip else matrix.shape
    outputs = shape[0]

    def kernel(array: Array) -> Array:
        turned = array.T if flip else array
        return turned if alpha == 1.0 else (turned * alpha).astype(array.dtype)

    weights = {"kernel": weight(matrix, shape, kernel)}
    if look.has_input(2):
        # C of shape (M, 1) is a number for each example: with M = N it has as many elements as a bias
        if offset is None or prod(offset.shape[:-1]) != 1 or (offset.shape and offset.shape[-1] not in (1, outputs)):
            return OPAQUE

        def bias(array: Array) -> Array:
            return np.broadcast_to((array * beta).astype(array.dtype).reshape(-1), (outputs,))

        weights["bias"] = weight(offset, (outputs,), bias)
    return Found("dense", {"activation": "linear"}, weights)


def matmul(look: Look) -> Found:
    """MatMul by a constant matrix on the right."""
    matrix = look.constant(1)
    if matrix is None or len(matrix.shape) != 2 or matrix.dtype not in FLOATS or look.rank < 2:
        return OPAQUE
    kernel = weight(matrix, matrix.shape[::-1], lambda array: array.T)
    return Found("dense", {"activation": "linear"}, {"kernel": kernel})


def batch_norm(look: Look) -> Found:
    """BatchNormalization at inference."""
    found = [look.constant(i) for i in range(1, 5)]
    if look.attr("training_mode", 0) or len(look.node.outputs) != 1 or any(one is None for one in found):
        return OPAQUE
    names = ("scale", "offset", "mean", "variance")
    weights = {name: weight(one) for name, one in zip(names, found, strict=True) if one is not None}
    return Found("batch_norm", {"axis": 1, "epsilon": look.attr("epsilon", 1e-5), "channels_first": True}, weights)
