"""ONNX operators of several tensors: a merge, or a constant added to or multiplied into one tensor.

An Add is a merge where both operands are computed from the model's inputs; a bias, a scalar or a positional embedding
is a shift. A Concat of shape tensors is no merge: only real numbers count.
"""

from dataclasses import replace
from math import prod

import numpy as np

from addcat.doors.onnx.reading.constants import Constant
from addcat.doors.onnx.reading.node_view import FLOATS, OPAQUE, Found, Look
from addcat.graph import Array

MERGES = {
    "Add": "add",
    "Sum": "add",
    "Sub": "subtract",
    "Mul": "multiply",
    "Max": "maximum",
    "Min": "minimum",
    "Mean": "average",
}
LINEAR_IN_ONE = {"Add": "shift", "Sub": "shift", "Mul": "gain", "Div": "gain"}


def merge(look: Look) -> Found:
    """Add, Sum, Sub, Mul, Div, Max, Min, Mean: a merge of tensors, or a shift or gain by a constant."""
    if not look.is_float:
        return OPAQUE
    given = [i for i, value in enumerate(look.node.inputs) if value is not None]
    if len(look.dynamic) == len(given):
        return Found(MERGES[look.op_type]) if look.op_type in MERGES else OPAQUE
    if len(given) == 2 and len(look.dynamic) == 1 and look.op_type in LINEAR_IN_ONE:
        return _with_constant(look)
    return OPAQUE


def _with_constant(look: Look) -> Found:
    (position,) = look.dynamic
    constant = look.constant(1 - position)
    reversed_ = position == 1 and look.op_type in ("Sub", "Div")
    if constant is None or constant.dtype not in FLOATS or reversed_ or not _keeps_shape(look, position, constant):
        return OPAQUE

    read = constant.read

    def negative() -> Array:
        return -read()

    def reciprocal() -> Array:
        array = read()
        return (1.0 / np.asarray(array, np.float64)).astype(array.dtype)

    # a negated copy is no longer the variable that others may share
    if look.op_type == "Sub":
        constant = replace(constant, read=negative, key=id(look.node))
    if look.op_type == "Div":
        constant = replace(constant, read=reciprocal, key=id(look.node))
    return Found(LINEAR_IN_ONE[look.op_type], {"scalar": prod(constant.shape) == 1}, constant=constant)


def _keeps_shape(look: Look, position: int, constant: Constant) -> bool:
    """Whether broadcasting leaves the tensor as large as it was."""
    shape = look.shape(position)
    if look.tensor(position) is None or len(constant.shape) > len(shape):
        return False
    tail = shape[len(shape) - len(constant.shape) :]
    return all(size in (1, known) for size, known in zip(constant.shape, tail, strict=True))


def concat(look: Look) -> Found:
    """Concat of real tensors that are all computed from the model's inputs."""
    if not look.is_float or len(look.dynamic) != len(look.node.inputs) or not look.rank:
        return OPAQUE
    return Found("concat", {"axis": look.attr("axis", 0) % look.rank})
