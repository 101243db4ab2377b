"""Kernels of operators that are not looked into: what they weigh and how often they multiply.

| operators | kernel | multiply-adds for a batch of one |
| --- | --- | --- |
| Conv, ConvInteger, QLinearConv, FusedConv | (out, in / groups, *taps) | its elements at each position of the output |
| ConvTranspose | (in, out / groups, *taps) | its elements at each position of the input |
| MatMul, Gemm and their kinds in whole numbers | (in, out) | in, for each element of the output |

A quantised model keeps its kernels as whole numbers, either in operators of its own or behind a DequantizeLinear; they
count as parameters. A product of two tensors that are both computed has no kernel and does not count.
"""

from collections.abc import Mapping
from math import prod
from typing import Any

from addcat.doors.onnx.reading.node_view import FLOATS, Look
from addcat.graph import Shape, Weight

CONVOLUTIONS = {"Conv": 1, "FusedConv": 1, "ConvTranspose": 1, "ConvInteger": 1, "QLinearConv": 3}
PRODUCTS = {
    **dict.fromkeys(("MatMul", "Gemm", "FusedMatMul", "FusedGemm", "MatMulInteger", "MatMulIntegerToFloat"), 1),
    **{"DynamicQuantizeMatMul": 1, "QLinearMatMul": 3, "QGemm": 3},
}
"""For each operator, the position of its kernel among its inputs."""
BIASES = {"QLinearConv": 8, "QGemm": 6}
PACKED = ("MatMulNBits", "MatMulBnb4")
"""Products whose kernel is packed into bytes: the settings K and N say its shape."""
WHOLE_NUMBERS = {
    *("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger"),
    *("QLinearConv", "QLinearMatMul", "QLinearAdd", "QLinearMul", "QLinearConcat", "QLinearAveragePool"),
    *("QLinearGlobalAveragePool", "QLinearLeakyRelu", "QLinearSigmoid", "QLinearSoftmax", "QGemm", "QAttention"),
    *("DynamicQuantizeMatMul", "DynamicQuantizeLSTM", "MatMulIntegerToFloat", *PACKED),
}
"""Operators that only a quantised model has."""


def plain_weights(look: Look) -> dict[str, Weight]:
    """Tensors that a node which is not looked into reads as weights, by their ONNX names.

    Args:
        look: The node.

    Returns:
        Its real tensors; of an operator on whole numbers its kernel and bias, without scales and zero points.
    """
    node = look.node
    if look.op_type == "DequantizeLinear":
        wanted = {0}
    elif look.op_type in WHOLE_NUMBERS:
        kernel = {**CONVOLUTIONS, **PRODUCTS, **dict.fromkeys(PACKED, 1)}.get(look.op_type, -1)
        wanted = {kernel, BIASES.get(look.op_type, -1)}
    else:
        wanted = {i for i in range(len(node.inputs)) if (one := look.constant(i)) and one.dtype in FLOATS}
    known = [i for i in sorted(wanted) if i >= 0 and look.has_input(i)]
    found = [(value.name or "", one) for i in known if (value := node.inputs[i]) and (one := look.constant(i))]
    return {name: Weight(one.shape, one.read, one.key) for name, one in found if one.shape}


def attributes(look: Look) -> Mapping[str, Any]:
    """What is to be counted of a node that is not looked into.

    Args:
        look: The node.

    Returns:
        `multiply_adds` where it has a kernel: a number, or None where a size is unknown; `quantised` where it computes
        in whole numbers.
    """
    found: dict[str, Any] = {"quantised": True} if look.op_type in WHOLE_NUMBERS else {}
    if look.node.domain not in ("", "ai.onnx", "com.microsoft"):
        return found
    if look.op_type in PACKED:
        found["multiply_adds"] = _product(look, int(look.attr("K", 0)))
    elif look.op_type in CONVOLUTIONS and (kernel := _kernel(look, CONVOLUTIONS[look.op_type])):
        tensor = look.tensor(0) if look.op_type == "ConvTranspose" else look.output
        found["multiply_adds"] = None if tensor is None else _times(tensor.shape[2:], prod(kernel))
    elif look.op_type in PRODUCTS and (kernel := _kernel(look, PRODUCTS[look.op_type])):
        inner = kernel[-1:] if look.attr("transB", 0) else kernel[-2:][:1]
        found["multiply_adds"] = _product(look, prod(inner))
    elif look.op_type == "DequantizeLinear":  # it reads a kernel and does not multiply by it
        found["multiply_adds"] = 0
    return found


def _kernel(look: Look, position: int) -> tuple[int, ...]:
    """The shape of a kernel that is constant, or dequantised from a constant; empty where it is neither."""
    value = look.node.inputs[position] if look.has_input(position) else None
    if value is None:
        return ()
    producer = value.producer()
    source = producer.inputs[0] if producer is not None and producer.op_type == "DequantizeLinear" else None
    if look.constant(position) is None and (source is None or look.constants.get(source) is None):
        return ()
    shape = look.shape(position)
    known = tuple(size for size in shape if size is not None)
    return known if len(known) == len(shape) else ()


def _product(look: Look, inner: int) -> int | None:
    return None if look.output is None else _times(look.output.shape[1:], inner)


def _times(sizes: Shape, each: int) -> int | None:
    return None if None in sizes else each * prod(size or 0 for size in sizes)
