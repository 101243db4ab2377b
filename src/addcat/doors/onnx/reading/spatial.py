"""Pooling, resizing, padding and rearranging in canonical words."""

from math import prod
from typing import Any

import numpy as np

from addcat.doors.onnx.reading.linear import padding
from addcat.doors.onnx.reading.node_view import OPAQUE, Found, Look

MOST_FACTOR = 1024
"""A Resize by more than this is not looked into."""


def pool(look: Look) -> Found:
    """AveragePool and MaxPool that round their sizes down."""
    size = look.attr("kernel_shape")
    spatial = len(size)
    pads = padding(look, size)
    dilated = any(step != 1 for step in look.attr("dilations", (1,) * spatial))
    if pads is None or dilated or look.attr("ceil_mode", 0) or len(look.node.outputs) != 1 or not look.is_float:
        return OPAQUE
    attrs: dict[str, Any] = {
        "kind_of_pool": "average" if look.op_type == "AveragePool" else "max",
        "size": size,
        "strides": look.attr("strides", (1,) * spatial),
        "padding": pads,
        "channels_first": True,
    }
    if look.op_type == "AveragePool":
        attrs["counts_padding"] = bool(look.attr("count_include_pad", 0))
    return Found("pool", attrs)


def global_pool(look: Look) -> Found:
    """GlobalAveragePool and GlobalMaxPool."""
    kind = "average" if look.op_type == "GlobalAveragePool" else "max"
    return Found("global_pool", {"kind_of_pool": kind, "keepdims": True, "channels_first": True})


def reduce_mean(look: Look) -> Found:
    """ReduceMean over all spatial axes: global average pooling."""
    shape = look.shape()
    given = look.constant(1)
    axes = look.attr("axes") if given is None else tuple(int(axis) for axis in given.read())
    if (
        look.tensor() is None
        or axes is None
        or len(shape) < 3
        or not look.is_float
        or (look.has_input(1) and given is None)
    ):
        return OPAQUE
    over = {axis % len(shape) for axis in axes}
    first, last = set(range(2, len(shape))), set(range(1, len(shape) - 1))
    if over not in (first, last) or len(shape) == 3:
        return OPAQUE
    attrs = {"kind_of_pool": "average", "keepdims": bool(look.attr("keepdims", 1)), "channels_first": over == first}
    return Found("global_pool", attrs)


def resize(look: Look) -> Found:
    """Resize and Upsample of the spatial axes by known factors.

    The method is "nearest" only where each value is plainly repeated, and "bilinear" ("trilinear", "linear") only for
    half-pixel centres, which is what other frameworks mean by these words; any other variant is named in full.
    """
    factor = _factor(look)
    before, mode = look.shape(), look.attr("mode", "nearest")
    odd = look.attr("exclude_outside", 0) or look.attr("antialias", 0) or mode not in ("nearest", "linear")
    centres = look.attr("coordinate_transformation_mode", "half_pixel")
    if factor is None or odd or centres == "tf_crop_and_resize" or not look.is_float:
        return OPAQUE
    attrs: dict[str, Any] = {"factor": factor, "channels_first": True, "method": "nearest"}
    if mode == "nearest":
        rounding = look.attr("nearest_mode", "round_prefer_floor")
        if not all(_repeats(size, f, centres, rounding) for size, f in zip(before[2:], factor, strict=True)):
            attrs |= {"method": f"nearest, {centres}, {rounding}"}
    else:
        plain = {3: "linear", 4: "bilinear", 5: "trilinear"}.get(len(before), "linear")
        half = centres in ("half_pixel", "pytorch_half_pixel")
        attrs |= {"method": plain if half else f"{plain}, {centres}"}
    attrs |= {"mode": mode, "centres": centres, "rounding": look.attr("nearest_mode", "round_prefer_floor")}
    # sizes fix the channels, or come from arithmetic on shapes; factors say the same and hold wherever the node moves
    return Found("resize", attrs, positions=(0,), rebuild=_sizes_given(look))


def _sizes_given(look: Look) -> bool:
    return look.has_input(3)


def _factor(look: Look) -> tuple[float | int, ...] | None:
    """How many times larger each spatial axis becomes; None where unknown, or where batch or channels change."""
    before, after = look.shape(), look.output.shape if look.output is not None else look.shape()
    if len(before) < 3 or len(before) != len(after) or look.attr("axes") is not None:
        return None
    if before[:2] != after[:2]:  # sizes with a batch of 1 in front resize the batch as well
        return None
    if _sizes_given(look):
        sizes = list(zip(before[2:], after[2:], strict=True))
        if any(old is None or new is None or not old or new % old for old, new in sizes):
            return None
        factors = tuple(int(new // old) for old, new in sizes if old is not None and new is not None)
        return factors if max(factors) < MOST_FACTOR else None
    scales = look.constant(1 if look.op_type == "Upsample" else 2)
    if (
        scales is None
        or prod(scales.shape) != len(before)
        or look.attr("keep_aspect_ratio_policy", "stretch") != "stretch"
    ):
        return None
    factor = [float(value) for value in scales.read().reshape(-1)]
    if factor[:2] != [1.0, 1.0] or not all(0 < value < MOST_FACTOR for value in factor):
        return None
    return tuple(int(value) if value == int(value) else value for value in factor[2:])


def _repeats(size: int | None, factor: float, centres: str, rounding: str) -> bool:
    """Whether nearest resizing by these rules repeats each value `factor` times."""
    if factor != int(factor) or factor < 1:
        return False
    count = int(factor) * min(size or 8, 64)  # what holds for some repetitions holds for all
    place = np.arange(count)
    source: Any = place / factor
    if centres in ("half_pixel", "pytorch_half_pixel"):
        source = (place + 0.5) / factor - 0.5
    elif centres == "align_corners":
        source = place * ((count / factor - 1) / max(count - 1, 1))
    elif centres != "asymmetric":
        return False
    rounded = {
        "floor": np.floor(source),
        "ceil": np.ceil(source),
        "round_prefer_floor": np.ceil(source - 0.5),
        "round_prefer_ceil": np.floor(source + 0.5),
    }.get(rounding)
    if rounded is None:  # no word of ONNX's
        return False
    taken = np.clip(rounded, 0, count // int(factor) - 1)
    known = centres != "align_corners" or (size is not None and size <= 64)
    return known and bool(np.array_equal(taken, place // int(factor)))


def pad(look: Look) -> Found:
    """Pad of the spatial axes with zeros; by nothing, in whatever mode, it is an identity."""
    pads, value = look.constant(1), look.constant(2)
    rank = look.rank
    if pads is not None and not np.any(pads.read()):
        return Found("identity", positions=(0,)) if look.is_float else OPAQUE
    if (
        look.attr("mode", "constant") != "constant"
        or pads is None
        or rank < 3
        or not look.is_float
        or look.has_input(3)
    ):
        return OPAQUE
    if look.has_input(2) and (value is None or np.any(value.read())):
        return OPAQUE
    if pads.shape != (2 * rank,):
        return OPAQUE
    amounts = [int(amount) for amount in pads.read()]
    pairs = tuple(zip(amounts[:rank], amounts[rank:], strict=True))
    if pairs[:2] != ((0, 0), (0, 0)) or min(amounts) < 0:
        return OPAQUE
    return Found("pad", {"padding": pairs[2:], "channels_first": True})


def split(look: Look) -> Found:
    """Split along one axis into parts of known sizes."""
    axis = look.attr("axis", 0)
    if not look.is_float or not look.shape() or (look.has_input(1) and look.constant(1) is None):
        return OPAQUE
    axis = int(axis) % len(look.shape())
    sizes: list[int] = []
    for value in look.node.outputs:
        tensor = look.types.get(str(value.name))
        known = tensor is not None and len(tensor.shape) == len(look.shape())  # a file may declare any other rank
        size = tensor.shape[axis] if tensor is not None and known else None
        if size is None:
            return OPAQUE
        sizes.append(size)
    return Found("split", {"axis": axis, "sizes": tuple(sizes)})


def depth_to_space(look: Look) -> Found:
    """DepthToSpace whose channels count (row of block, column, output channel)."""
    if look.attr("mode", "DCR") != "DCR":
        return OPAQUE
    return Found("depth_to_space", {"block": (look.attr("blocksize"),) * 2, "channels_first": True})
