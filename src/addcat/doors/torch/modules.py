"""What a module of `torch.nn` is in canonical words: its op, settings and weights.

Only torch's own classes are looked into. One whose weights are computed anew at each call (weight norm, spectral norm,
pruning, LoRA as a parametrization) stays opaque, and so does whatever is not in the table.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from addcat.doors.torch.examples import array_of
from addcat.doors.torch.tables import parameters_of
from addcat.frameworks import torch
from addcat.graph import Array, Weight

if TYPE_CHECKING:
    import torch as typed

    Convolution = typed.nn.Conv1d | typed.nn.Conv2d | typed.nn.Conv3d
    Transposed = typed.nn.ConvTranspose1d | typed.nn.ConvTranspose2d | typed.nn.ConvTranspose3d

_torch: Any = torch()
_nn: Any = _torch.nn

Description = tuple[str, dict[str, Any]]

ACTIVATIONS = {
    "ReLU": "relu",
    "ReLU6": "relu6",
    "LeakyReLU": "leaky_relu",
    "GELU": "gelu",
    "SiLU": "silu",
    "Mish": "mish",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "ELU": "elu",
    "SELU": "selu",
    "CELU": "celu",
    "Hardswish": "hard_silu",
    "Hardsigmoid": "hard_sigmoid",
    "Hardtanh": "hard_tanh",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "LogSigmoid": "log_sigmoid",
    "Tanhshrink": "tanhshrink",
    "Hardshrink": "hard_shrink",
    "Softshrink": "soft_shrink",
    "Threshold": "threshold",
}
PLAIN = {
    **dict.fromkeys(("Dropout", "Dropout1d", "Dropout2d", "Dropout3d"), "dropout"),
    **dict.fromkeys(("AlphaDropout", "FeatureAlphaDropout"), "dropout"),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), "recurrent"),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Softmin", "Softmax2d"), "softmax"),
    "Identity": "identity",
    "Embedding": "embedding",
    "MultiheadAttention": "attention",
    "Unflatten": "reshape",
    "PReLU": "prelu",
    "Concatenate": "concat",
    "Add": "add",
    "ScaledAdd": "scaled_add",
    "ChannelScaledAdd": "channel_scaled_add",
    "ProjectedAdd": "projected_add",
}
WEIGHTS = {
    **{op: {"weight": "kernel"} for op in ("dense", "conv", "conv_transpose", "depthwise_conv")},
    "batch_norm": {"weight": "scale", "bias": "offset", "running_mean": "mean", "running_var": "variance"},
    "instance_norm": {"weight": "scale", "bias": "offset"},
    "prelu": {"weight": "alpha"},
}
"""Torch's names under the canonical ones; names that are not here are the same."""


def describe_module(module: "typed.nn.Module", rank: int, sizes: tuple[int | None, ...]) -> Description:
    """Name a module in canonical words.

    Args:
        module: A leaf (see `addcat.doors.torch.leaves`).
        rank: Axes of its first input.
        sizes: Shape of its first input.
    """
    kind = type(module).__name__
    if why := why_opaque(module):
        return "opaque", {"reason": why}
    if kind in ACTIVATIONS:
        return "activation", {"function": ACTIVATIONS[kind]}
    if kind in PLAIN:
        return PLAIN[kind], _plain(module, PLAIN[kind])
    for cls, describe in _FAMILIES:
        if isinstance(module, cls):
            return describe(module, rank, sizes)
    return "opaque", {}


def why_opaque(module: "typed.nn.Module") -> str:
    """Why the weights of a module are not its own to change; "" where they are."""
    anew: Iterable[str] = getattr(module, "parametrizations", ())
    if names := ", ".join(map(repr, anew)):
        return f"computes its {names} anew at each call (a parametrization)"
    for name in ("weight", "bias"):
        value = getattr(module, name, None)
        if isinstance(value, _torch.Tensor) and name not in parameters_of(module):
            return f"computes its {name!r} anew at each call (weight norm, spectral norm or pruning)"
    return ""


def _plain(module: Any, op: str) -> dict[str, Any]:
    if op == "concat":
        return {"axis": module.axis}
    if op == "projected_add":
        return {"rank": module.rank}
    if op == "embedding":
        return {"input_dim": module.num_embeddings}
    return {}


def _linear(*_: object) -> Description:
    return "dense", {"activation": "linear"}


def _spatial(module: "Convolution | Transposed") -> dict[str, Any]:
    return {
        "strides": tuple(module.stride),
        "padding": _padding(module.padding),
        "dilation": tuple(module.dilation),
        "activation": "linear",
        "channels_first": True,
    }


def _padding(given: str | tuple[int, ...]) -> str | tuple[tuple[int, int], ...]:
    """Pairs for each axis, or the word; "valid" for no padding."""
    if isinstance(given, str):
        return given
    pairs = tuple((int(size), int(size)) for size in given)
    return pairs if any(map(any, pairs)) else "valid"


def _conv(module: "Convolution", rank: int, _: object) -> Description:
    if module.padding_mode != "zeros" and _padding(module.padding) != "valid":
        return "opaque", {"reason": f"pads by {module.padding_mode}"}
    if rank != module.weight.ndim:
        return "opaque", {"reason": "takes a single example without a batch"}
    if module.groups > 1 and module.groups == module.in_channels:
        return "depthwise_conv", {**_spatial(module), "multiplier": module.out_channels // module.in_channels}
    return "conv", {**_spatial(module), "groups": module.groups}


def _conv_transpose(module: "Transposed", rank: int, _: object) -> Description:
    if rank != module.weight.ndim or module.groups > 1:
        return "opaque", {"reason": "is a transposed convolution in groups"}
    crops = tuple(
        (int(pad), int(pad) - int(more)) for pad, more in zip(module.padding, module.output_padding, strict=True)
    )
    attrs = {**_spatial(module), "padding": crops if any(map(any, crops)) else ((0, 0),) * len(crops)}
    return "conv_transpose", {**attrs, "groups": 1, "output_padding": tuple(module.output_padding)}


def _batch_norm(module: "typed.nn.BatchNorm1d", *_: object) -> Description:
    if module.running_mean is None:
        return "opaque", {"reason": "normalises by the batch in eval mode too"}
    return "batch_norm", {"axis": 1, "epsilon": float(module.eps)}


def _instance_norm(module: "typed.nn.InstanceNorm1d", *_: object) -> Description:
    if module.running_mean is not None:
        return "opaque", {"reason": "keeps statistics of instances"}
    return "instance_norm", {"axis": 1, "groups": -1}


def _group_norm(module: "typed.nn.GroupNorm", *_: object) -> Description:
    alone = module.num_groups == module.num_channels
    return ("instance_norm" if alone else "group_norm"), {"axis": 1, "groups": module.num_groups}


def _layer_norm(module: "typed.nn.LayerNorm", *_: object) -> Description:
    return layer_norm(module.normalized_shape)


def layer_norm(sizes: Sequence[int]) -> Description:
    """`nn.LayerNorm` and `F.layer_norm`: over the last axis where there is one size; more say nothing of channels."""
    return "layer_norm", {"axis": -1} if len(sizes) == 1 else {}


def each(value: int | Iterable[int], rank: int) -> tuple[int, ...]:
    """One whole number for each spatial axis of a tensor of `rank` axes."""
    return (int(value),) * (rank - 2) if isinstance(value, int) else tuple(int(size) for size in value)


def _pool(kind: str, module: Any, rank: int, _: object) -> Description:
    if getattr(module, "ceil_mode", False) or getattr(module, "return_indices", False):
        return "opaque", {"reason": "pools with ceil_mode or indices"}
    return "pool", pool_attrs(kind, module.kernel_size, module.stride, module.padding, rank, module)


def pool_attrs(kind: str, size: Any, stride: Any, padding: Any, rank: int, settings: Any) -> dict[str, Any]:
    """Settings of a pool, whether it is a module or a function."""
    dilation = each(getattr(settings, "dilation", 1), rank)
    return {
        "kind_of_pool": kind,
        "size": each(size, rank),
        "strides": each(size if stride in (None, ()) else stride, rank),
        "padding": _padding(each(padding, rank)),
        "dilation": dilation,
        "counts_padding": bool(getattr(settings, "count_include_pad", True)) if kind == "average" else False,
        "channels_first": True,
    }


def _adaptive(kind: str, module: Any, rank: int, _: object) -> Description:
    return adaptive_pool(kind, module.output_size, rank)


def adaptive_pool(kind: str, size: int | Iterable[int], rank: int) -> Description:
    """A pool to one place is a global pool; to more it is not looked into, but for its channels."""
    sizes = each(size, rank) if isinstance(size, int) else tuple(size)
    if set(sizes) == {1}:
        return "global_pool", {"kind_of_pool": kind, "keepdims": True, "channels_first": True}
    return "pool", {"kind_of_pool": kind, "size": (1,) * (rank - 2), "strides": (1,) * (rank - 2), **_UNEVEN}


_UNEVEN = {"padding": "valid", "dilation": 1, "adaptive": True, "channels_first": True}


def _upsample(module: "typed.nn.Upsample", rank: int, _: object) -> Description:
    return resize(module.scale_factor, module.size, module.mode, rank)


def resize(factor: float | Iterable[float] | None, size: object, method: str, rank: int) -> Description:
    """`nn.Upsample` and `F.interpolate`: channelwise and linear, whatever the sizes are."""
    factors = (factor,) * (rank - 2) if isinstance(factor, int | float) else tuple(factor or ())
    return "resize", {"factor": factors, "method": method, "channels_first": True, "size": size}


def _flatten(module: "typed.nn.Flatten", _: int, sizes: tuple[int | None, ...]) -> Description:
    return flatten(module.start_dim, module.end_dim, sizes)


def flatten(start: int, end: int, sizes: tuple[int | None, ...]) -> Description:
    """Flattening is a global pool's last step where only channels are left, else it interleaves them."""
    rank = len(sizes)
    if start % rank == 1 and end % rank == rank - 1 and rank > 2 and all(size == 1 for size in sizes[2:]):
        return "global_pool", {"kind_of_pool": "average", "keepdims": False, "channels_first": True}
    if rank == 2 and start % rank == 1:
        return "identity", {}
    return "flatten", {}


def _pixel_shuffle(module: "typed.nn.PixelShuffle", *_: object) -> Description:
    return "opaque", {"reason": f"moves channels to places (by {module.upscale_factor})"}


def _zero_pad(*_: object) -> Description:
    return "pad", {"channels_first": True}


_FAMILIES: list[tuple[Any, Callable[..., Description]]] = [
    (_nn.Linear, _linear),
    ((_nn.Conv1d, _nn.Conv2d, _nn.Conv3d), _conv),
    ((_nn.ConvTranspose1d, _nn.ConvTranspose2d, _nn.ConvTranspose3d), _conv_transpose),
    ((_nn.BatchNorm1d, _nn.BatchNorm2d, _nn.BatchNorm3d, _nn.SyncBatchNorm), _batch_norm),
    ((_nn.InstanceNorm1d, _nn.InstanceNorm2d, _nn.InstanceNorm3d), _instance_norm),
    (_nn.GroupNorm, _group_norm),
    ((_nn.LayerNorm, _nn.RMSNorm), _layer_norm),
    ((_nn.MaxPool1d, _nn.MaxPool2d, _nn.MaxPool3d), partial(_pool, "max")),
    ((_nn.AvgPool1d, _nn.AvgPool2d, _nn.AvgPool3d), partial(_pool, "average")),
    ((_nn.AdaptiveAvgPool1d, _nn.AdaptiveAvgPool2d, _nn.AdaptiveAvgPool3d), partial(_adaptive, "average")),
    ((_nn.AdaptiveMaxPool1d, _nn.AdaptiveMaxPool2d, _nn.AdaptiveMaxPool3d), partial(_adaptive, "max")),
    (_nn.Upsample, _upsample),
    (_nn.Flatten, _flatten),
    (_nn.PixelShuffle, _pixel_shuffle),
    ((_nn.ZeroPad1d, _nn.ZeroPad2d, _nn.ZeroPad3d), _zero_pad),
]


def weights_of(module: "typed.nn.Module", op: str, path: str) -> dict[str, Weight]:
    """Weights of a module by canonical name, or by their own path where it is not looked into.

    Args:
        module: A leaf.
        op: Its canonical op.
        path: Of the module.
    """
    names: dict[str, str] = WEIGHTS.get(op, {})
    known = op not in ("opaque", "attention", "recurrent")
    found: dict[str, Weight] = {}
    for name, tensor in module.named_parameters():
        label = str(names.get(name, name)) if known else f"{path}.{name}"
        found[label] = weight_of(tensor, swapped=op == "conv_transpose" and name == "weight")
    for name, tensor in module.named_buffers():
        if name in names:
            found[str(names[name])] = weight_of(tensor, counts=False)
    return found


def weight_of(tensor: "typed.Tensor", *, swapped: bool = False, counts: bool = True) -> Weight:
    """A parameter in canonical layout; `swapped` where torch has (in, out, *taps)."""
    shape = tuple(tensor.shape)
    canonical = (shape[1], shape[0], *shape[2:]) if swapped else shape
    return Weight(canonical, partial(_read, tensor, swapped), id(tensor), bool(tensor.requires_grad), counts)


def _read(tensor: "typed.Tensor", swapped: bool) -> Array:
    array = array_of(tensor)
    return np.swapaxes(array, 0, 1) if swapped else array
