"""ONNX's arithmetic on shapes, element by element: an unknown size is None, and stays None wherever it goes."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from addcat.graph import Array

if TYPE_CHECKING:
    from onnx_ir import Node


def _attr(node: "Node", name: str, default: Any) -> Any:
    return node.attributes[name].value if name in node.attributes else default


def _shape(node: "Node", sizes: Array) -> Array:
    return sizes[_attr(node, "start", 0) : _attr(node, "end", None)]


def _gather(node: "Node", data: Array, indices: Array) -> Array:
    return np.take(data, indices.astype(np.int64), axis=_attr(node, "axis", 0))


def _slice(_: "Node", data: Array, starts: Array, ends: Array, *rest: Array | None) -> Array:
    given = [*rest, None, None]
    axes = range(starts.size) if given[0] is None else given[0]
    steps = [1] * starts.size if given[1] is None else given[1]
    index = [slice(None)] * data.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        # INT64_MIN as the end of a backward slice means "through the first element"
        stop = None if step < 0 and end < -(2**30) else end
        index[axis] = slice(start, stop, step)
    return data[tuple(index)]


def _unsqueeze(_: "Node", data: Array, axes: Array) -> Array:
    rank = data.ndim + axes.size
    return np.expand_dims(data, tuple(int(axis) % rank for axis in axes))


def _squeeze(_: "Node", data: Array, axes: Array | None = None) -> Array:
    return np.squeeze(data, None if axes is None else tuple(int(axis) for axis in axes))


def _fill(node: "Node", sizes: Array) -> Array:
    value = _attr(node, "value", None)
    return np.full([int(size) for size in sizes], 0.0 if value is None else int(value.numpy().reshape(-1)[0]), object)


def _elementwise(function: Callable[[int, int], int]) -> Callable[..., Array]:
    def apply(_: "Node", left: Array, right: Array) -> Array:
        pairs = np.broadcast(left, right)
        flat = [None if a is None or b is None else function(int(a), int(b)) for a, b in pairs]
        result = np.empty(pairs.shape, object)
        result.reshape(-1)[:] = flat
        return result

    return apply


def _concat(node: "Node", *parts: Array) -> Array:
    return np.concatenate(parts, axis=_attr(node, "axis", 0))


def _same(_: "Node", data: Array) -> Array:
    return data


def _transpose(node: "Node", data: Array) -> Array:
    return np.transpose(data, _attr(node, "perm", None))


def _divide(a: int, b: int) -> int:
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def _reshape(_: "Node", data: Array, sizes: Array) -> Array:
    return data.reshape([int(size) for size in sizes])


FOLLOWED: dict[str, Callable[..., Array]] = {
    "Shape": _shape,
    "Gather": _gather,
    "Slice": _slice,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Concat": _concat,
    "Cast": _same,
    "Identity": _same,
    "Reshape": _reshape,
    "Transpose": _transpose,
    "ConstantOfShape": _fill,
    "Add": _elementwise(lambda a, b: a + b),
    "Sub": _elementwise(lambda a, b: a - b),
    "Mul": _elementwise(lambda a, b: a * b),
    "Div": _elementwise(_divide),
}
"""For each operator, a function of the `onnx_ir.Node` and its inputs; the input of Shape is the sizes themselves."""
