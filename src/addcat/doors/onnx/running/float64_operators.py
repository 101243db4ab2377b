"""Operators of onnx's reference evaluator that are written for clarity there, in a form that large tensors can bear.

Each is a loop over the taps of a window, or over the axes of an image, of array arithmetic that numpy does at once.
Settings that are rare are left to the evaluator's own.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import product
from typing import Any

import numpy as np

from addcat.frameworks import load
from addcat.graph import Array


@cache
def operators() -> list[Any]:
    """Classes for `onnx.reference.ReferenceEvaluator(model, new_ops=...)`."""
    ops: Any = load("onnx.reference.ops._op_list", extra="onnx")
    wanted: dict[str, Callable[..., Any]] = {
        "Conv": _conv,
        "ConvTranspose": _conv_transpose,
        "MaxPool": _max_pool,
        "Resize": _resize,
    }
    return [_class(getattr(ops, name), name, function) for name, function in wanted.items()]


def _class(own: Any, name: str, function: Callable[..., Any]) -> Any:
    def run(self: Any, *inputs: Any, **attributes: Any) -> tuple[Array, ...]:
        def evaluators_own(*given: Any) -> Array:
            return own._run(self, *given, **attributes)[0]

        found = function(evaluators_own, *inputs, **attributes) if len(self.output) == 1 else None
        return own._run(self, *inputs, **attributes) if found is None else (found,)

    return type(name, (own,), {"op_domain": "", "_run": run})


def _taps(
    shape: Sequence[int], taps: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """For each tap of a window, what it meets of a padded image whose windows have `shape` positions."""
    for tap in product(*(range(size) for size in taps)):
        starts = [t * d for t, d in zip(tap, dilation, strict=True)]
        where = (slice(b, b + s * (n - 1) + 1, s) for b, n, s in zip(starts, shape, strides, strict=True))
        yield tap, (slice(None), slice(None), *where)


def _plain(rank: int, attributes: dict[str, Any]) -> tuple[Any, Any, Any] | None:
    """Strides, dilation and pads; None where padding is said in words."""
    if attributes.get("auto_pad") not in (None, "NOTSET", "VALID"):
        return None
    ones, zeros = (1,) * rank, (0,) * 2 * rank
    pads = zeros if attributes.get("auto_pad") == "VALID" else attributes.get("pads") or zeros
    return attributes.get("strides") or ones, attributes.get("dilations") or ones, pads


def _padded(x: Array, pads: Sequence[int], value: float) -> Array:
    half = len(pads) // 2
    return np.pad(x, [(0, 0), (0, 0), *zip(pads[:half], pads[half:], strict=True)], constant_values=value)


def _positions(x: Array, taps: Sequence[int], strides: Sequence[int], dilation: Sequence[int]) -> list[int]:
    sizes = zip(x.shape[2:], taps, strides, dilation, strict=True)
    return [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in sizes]


def _conv(_: Any, x: Array, w: Array, b: Array | None = None, **attributes: Any) -> Array | None:
    plain = _plain(x.ndim - 2, attributes)
    if plain is None:
        return None
    strides, dilation, pads = plain
    groups, (outputs, _, *taps) = attributes.get("group") or 1, w.shape
    x = _padded(x, pads, 0.0)
    shape = _positions(x, taps, strides, dilation)
    total = np.zeros((len(x), groups, outputs // groups, int(np.prod(shape))), x.dtype)
    for tap, where in _taps(shape, taps, strides, dilation):
        kernel = w[(slice(None), slice(None), *tap)].reshape(groups, outputs // groups, -1)
        total += kernel @ x[where].reshape(len(x), groups, x.shape[1] // groups, -1)
    result = total.reshape(len(x), outputs, *shape)
    return result if b is None else result + b.reshape(-1, *(1,) * len(shape))


def _conv_transpose(_: Any, x: Array, w: Array, b: Array | None = None, **attributes: Any) -> Array | None:
    plain = _plain(x.ndim - 2, attributes)
    if plain is None or (attributes.get("group") or 1) != 1 or attributes.get("output_shape"):
        return None
    strides, dilation, pads = plain
    (_, outputs, *taps), shape = w.shape, x.shape[2:]
    extra = attributes.get("output_padding") or (0,) * len(taps)
    sizes = zip(shape, taps, strides, dilation, strict=True)
    whole = [s * (n - 1) + d * (k - 1) + 1 for n, k, s, d in sizes]
    total = np.zeros((len(x), outputs, *(n + e for n, e in zip(whole, extra, strict=True))), x.dtype)
    for tap, where in _taps(shape, taps, strides, dilation):
        kernel = w[(slice(None), slice(None), *tap)].T
        total[where] += (kernel @ x.reshape(*x.shape[:2], -1)).reshape(len(x), outputs, *shape)
    half = len(pads) // 2
    ends = zip(pads[:half], pads[half:], total.shape[2:], strict=True)
    result = total[(slice(None), slice(None), *(slice(first, size - last) for first, last, size in ends))]
    return result if b is None else result + b.reshape(-1, *(1,) * len(shape))


def _max_pool(own: Any, x: Array, **attributes: Any) -> Array | None:
    plain = _plain(x.ndim - 2, attributes)
    if plain is None or attributes.get("ceil_mode") or x.dtype.kind != "f":
        return None
    strides, dilation, pads = plain
    taps = attributes["kernel_shape"]
    x = _padded(x, pads, -np.inf)
    shape = _positions(x, taps, strides, dilation)
    result = np.full((*x.shape[:2], *shape), -np.inf, x.dtype)
    for _, where in _taps(shape, taps, strides, dilation):
        np.maximum(result, x[where], out=result)
    return result


def _resize(
    own: Any, x: Array, roi: Any = None, scales: Array | None = None, sizes: Array | None = None, **attributes: Any
) -> Array | None:
    """Resizing is linear along each axis: what the evaluator makes of the unit vectors is its matrix."""
    odd = attributes.get("axes") or attributes.get("coordinate_transformation_mode") == "tf_crop_and_resize"
    stretched = attributes.get("keep_aspect_ratio_policy") in (None, "stretch")
    if odd or not stretched or x.dtype.kind != "f":
        return None
    factors = np.asarray(sizes) / x.shape if sizes is not None and len(sizes) else np.asarray(scales, np.float64)
    result = x
    for axis, factor in enumerate(factors):
        if factor != 1:
            unit, along = np.eye(x.shape[axis], dtype=x.dtype), np.array([1.0, factor])
            result = np.moveaxis(np.moveaxis(result, axis, -1) @ own(unit, None, along, None), -1, axis)
    return result
