"""What an ONNX node is in canonical words: its op, settings and weights.

Operators of other domains, and calls of a model's own functions, stay opaque and are carried untouched.
"""

from collections.abc import Callable
from typing import cast

from addcat.doors.onnx.reading import linear, merging, spatial
from addcat.doors.onnx.reading.node_view import OPAQUE, Found, Look

ELEMENTWISE = {
    "Relu": "relu",
    "LeakyRelu": "leaky_relu",
    "ThresholdedRelu": "thresholded_relu",
    "Sigmoid": "sigmoid",
    "HardSigmoid": "hard_sigmoid",
    "HardSwish": "hard_silu",
    "Swish": "silu",
    "Tanh": "tanh",
    "Elu": "elu",
    "Selu": "selu",
    "Celu": "celu",
    "Gelu": "gelu",
    "Mish": "mish",
    "Softplus": "softplus",
    "Softsign": "softsign",
    **{kind: kind.lower() for kind in ("Exp", "Log", "Abs", "Sqrt", "Erf", "Sin", "Cos", "Sign", "Floor", "Ceil")},
    "Neg": "negative",
    "Reciprocal": "reciprocal",
}
WHOLE = {
    "Softmax": "softmax",
    "LogSoftmax": "softmax",
    "Flatten": "flatten",
    "Reshape": "reshape",
    "RMSNormalization": "layer_norm",
    "GroupNormalization": "group_norm",
    "LSTM": "recurrent",
    "GRU": "recurrent",
    "RNN": "recurrent",
    "Attention": "attention",
}


WINDOWED = ("conv", "depthwise_conv", "conv_transpose", "pool")
WINDOWS = ("size", "strides", "padding", "dilation", "output_padding")
OF_ONE_RANK = (
    *WINDOWED,
    *("activation", "batch_norm", "dense", "depth_to_space", "dropout", "gain", "identity", "instance_norm"),
    *("layer_norm", "pad", "permute", "prelu", "resize", "shift", "split"),
)
"""What gives as many axes as it reads."""
ENDLESS = 2**31 - 1
"""Where a Slice ends that takes all of an axis whose size is open: no axis is as long."""


def describe(look: Look) -> Found:
    """Name an ONNX node in canonical words.

    Args:
        look: The node.

    Returns:
        What it is; `opaque` where it is not understood, or where its rank is not known.
    """
    if look.node.domain not in ("", "ai.onnx") or look.output is None or not look.dynamic:
        return OPAQUE
    if look.op_type in WHOLE:
        return Found(WHOLE[look.op_type]) if look.is_float else OPAQUE
    describer = _elementwise if look.op_type in ELEMENTWISE else _DESCRIBERS.get(look.op_type)
    if describer is None or any(look.tensor(i) is None for i in look.dynamic):
        return OPAQUE
    found = describer(look)
    return found if _of_right_rank(look, found) else OPAQUE


def _of_right_rank(look: Look, found: Found) -> bool:
    """Whether tensors and windows have as many axes as the operation gives them.

    A file may declare any shape for what a node gives; runtimes warn of another rank, and run it.
    """
    ranks = [len(look.shape(i)) for i in look.dynamic]
    if found.op in OF_ONE_RANK and ranks[0] != look.rank:
        return False
    if found.op in merging.MERGES.values() or found.op == "concat":
        return max(ranks) == look.rank
    if found.op not in WINDOWED:
        return True
    given = [found.attrs[key] for key in WINDOWS if key in found.attrs]
    lengths = [len(cast("tuple[object, ...]", value)) for value in given if not isinstance(value, str)]
    kernel = len(found.weights["kernel"].shape) if "kernel" in found.weights else look.rank
    return kernel == look.rank and all(length == look.rank - 2 for length in lengths)


def _elementwise(look: Look) -> Found:
    return Found("activation", {"function": _function(look)}) if look.is_float else OPAQUE


def _function(look: Look) -> str:
    near = look.op_type == "Gelu" and look.attr("approximate", "none") != "none"
    return "gelu_tanh" if near else ELEMENTWISE[look.op_type]


def _clip(look: Look) -> Found:
    if not look.is_float or look.dynamic != (0,):
        return OPAQUE
    given = [look.constant(i) for i in (1, 2)]
    if any(bound is not None and bound.shape not in ((), (1,)) for bound in given):
        return OPAQUE
    # bounds are to be scalars; runtimes take a tensor of one element as well
    bounds = [None if bound is None else float(bound.read().reshape(())) for bound in given]
    return Found("activation", {"function": "relu6" if bounds == [0.0, 6.0] else "clip"})


def _identity(look: Look) -> Found:
    return Found("identity") if look.is_float else OPAQUE


def _dropout(look: Look) -> Found:
    training = look.constant(2)
    at_inference = not look.has_input(2) or (training is not None and not training.read().any())
    return Found("dropout", positions=(0,)) if at_inference and look.is_float else OPAQUE


def _slice(look: Look) -> Found:
    """One that takes all there is of every axis, as exporters write x[:, :n] of n channels."""
    starts, ends, axes, steps = (_whole_numbers(look, position) for position in (1, 2, 3, 4))
    if starts is None or ends is None or look.dynamic != (0,) or not look.is_float:
        return OPAQUE
    places = axes if look.has_input(3) else [*range(len(starts))]
    steps = steps if look.has_input(4) else [1] * len(starts)
    if places is None or steps is None or not len(starts) == len(ends) == len(places) == len(steps):
        return OPAQUE
    if any(not -look.rank <= place < look.rank for place in places):
        return OPAQUE
    cuts = zip(starts, ends, steps, (look.shape()[place] for place in places), strict=True)
    whole = all(start == 0 and end >= (size or ENDLESS) and step == 1 for start, end, step, size in cuts)
    return Found("identity", positions=(0,)) if whole else OPAQUE


def _tile(look: Look) -> Found:
    """One that repeats nothing."""
    repeats = _whole_numbers(look, 1)
    alone = repeats is not None and all(times == 1 for times in repeats) and look.dynamic == (0,)
    return Found("identity", positions=(0,)) if alone and look.is_float else OPAQUE


def _expand(look: Look) -> Found:
    """One to a shape that adds no axis and no size: of ones, or of the sizes that are there."""
    wanted, shape = _whole_numbers(look, 1), look.shape()
    if wanted is None or len(wanted) > len(shape) or look.dynamic != (0,) or not look.is_float:
        return OPAQUE
    same = all(size in (1, known) for size, known in zip(reversed(wanted), reversed(shape), strict=False))
    return Found("identity", positions=(0,)) if same else OPAQUE


def _whole_numbers(look: Look, position: int) -> "list[int] | None":
    """Numbers of a constant input; None where it is not given, or computed."""
    held = look.constant(position)
    return None if held is None else [int(number) for number in held.read().ravel()]


def _transpose(look: Look) -> Found:
    order = look.attr("perm", tuple(reversed(range(look.rank))))
    return Found("permute", {"order": order})


def _prelu(look: Look) -> Found:
    slope = look.constant(1)
    return Found("prelu", {}, {"slope": linear.weight(slope)}) if slope is not None and look.is_float else OPAQUE


def _instance_norm(look: Look) -> Found:
    scale, offset = look.constant(1), look.constant(2)
    if scale is None or offset is None:
        return OPAQUE
    weights = {"scale": linear.weight(scale), "offset": linear.weight(offset)}
    attrs = {"axis": 1, "groups": -1, "epsilon": look.attr("epsilon", 1e-5), "channels_first": True}
    return Found("instance_norm", attrs, weights)


def _layer_norm(look: Look) -> Found:
    """LayerNormalization, with its settings where it is over the last axis and gives one tensor."""
    scale, offset = look.constant(1), look.constant(2)
    if not look.is_float or not look.rank:
        return OPAQUE
    last = look.attr("axis", -1) % look.rank == look.rank - 1 and len(look.node.outputs) == 1
    if scale is None or (look.has_input(2) and offset is None) or not last:
        return Found("layer_norm")
    weights = {"scale": linear.weight(scale), **({"offset": linear.weight(offset)} if offset is not None else {})}
    return Found("layer_norm", {"axis": look.rank - 1, "epsilon": look.attr("epsilon", 1e-5)}, weights)


_DESCRIBERS: dict[str, Callable[[Look], Found]] = {
    "Conv": linear.conv,
    "ConvTranspose": linear.conv_transpose,
    "Gemm": linear.gemm,
    "MatMul": linear.matmul,
    "BatchNormalization": linear.batch_norm,
    **dict.fromkeys(("Add", "Sum", "Sub", "Mul", "Div", "Max", "Min", "Mean"), merging.merge),
    "Concat": merging.concat,
    "AveragePool": spatial.pool,
    "MaxPool": spatial.pool,
    "GlobalAveragePool": spatial.global_pool,
    "GlobalMaxPool": spatial.global_pool,
    "ReduceMean": spatial.reduce_mean,
    "Resize": spatial.resize,
    "Upsample": spatial.resize,
    "Pad": spatial.pad,
    "Split": spatial.split,
    "DepthToSpace": spatial.depth_to_space,
    "Clip": _clip,
    "Slice": _slice,
    "Tile": _tile,
    "Expand": _expand,
    "Identity": _identity,
    "Dropout": _dropout,
    "Transpose": _transpose,
    "PRelu": _prelu,
    "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm,
}
