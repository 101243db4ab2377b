"""Nodes that we made or changed become modules: new ones by their op, changed ones with other sizes and weights."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from addcat.doors.torch.modules import WEIGHTS
from addcat.doors.torch.tables import buffers_of, parameters_of
from addcat.errors import ModelError
from addcat.frameworks import load, torch
from addcat.graph import Array, Node, Weight

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()
_nn: Any = _torch.nn
_CONVOLUTIONS = {3: "Conv1d", 4: "Conv2d", 5: "Conv3d"}
_NORMS = {2: "BatchNorm1d", 3: "BatchNorm1d", 4: "BatchNorm2d", 5: "BatchNorm3d"}


def new_module(node: Node, like: "typed.Tensor") -> "typed.nn.Module":
    """A module for a node that has none.

    Args:
        node: A merge, a rung of the ladder, or a linear layer along the channel axis.
        like: A tensor on whose device, and in whose dtype, its weights shall be.

    Returns:
        The module, with the node's weights.

    Raises:
        ModelError: if there is no module for its op.
    """
    node = _as_linear(node)
    made = _empty(node)
    made.to(device=like.device, dtype=like.dtype)
    set_weights(node, made)
    return made


def _as_linear(node: Node) -> Node:
    """A 1x1 convolution whose channels lie last is a dense layer: `nn.Linear` takes tensors of any rank."""
    if node.op != "conv" or node.channel_axis != len(node.shape) - 1 or node.attrs["groups"] != 1:
        return node
    kernel = node.weights["kernel"]
    if set(kernel.shape[2:]) | set(node.attrs["strides"]) != {1}:
        return node
    flat = Weight.of(kernel.read().reshape(kernel.shape[:2]))
    return replace(node, op="dense", weights={**node.weights, "kernel": flat})


def _empty(node: Node) -> "typed.nn.Module":
    ladder: Any = load("addcat.modules", extra="torch")
    axis, arity = node.channel_axis, len(node.inputs)
    if node.op == "concat":
        return ladder.Concatenate(node.attrs["axis"])
    if node.op == "add":
        return ladder.Add()
    if node.op == "scaled_add":
        return ladder.ScaledAdd(arity)
    if node.op == "channel_scaled_add":
        return ladder.ChannelScaledAdd(arity, node.channels, axis)
    if node.op == "projected_add":
        return ladder.ProjectedAdd(arity, node.channels, node.attrs["rank"], axis)
    if node.op == "pad_channels":
        before_and_after = [size for pair in reversed(node.attrs["pads"]) for size in pair]
        return _nn.ConstantPad1d(0, 0.0) if not any(before_and_after) else _pad(before_and_after)
    if node.op in ("dense", "conv", "conv_transpose"):
        kernel, rank = node.weights["kernel"].shape, len(node.shape)
        if axis == rank - 1 and len(kernel) == 2:
            return _nn.Linear(kernel[1], kernel[0], bias="bias" in node.weights)
        if axis == 1 and rank in _CONVOLUTIONS:
            return _convolution(node)
    if node.op == "batch_norm" and axis == 1 and len(node.shape) in _NORMS:
        return getattr(_nn, _NORMS[len(node.shape)])(node.channels, eps=node.attrs["epsilon"])
    raise ModelError(f"{node.name!r} would be a new {node.op} on axis {axis}, for which torch has no module.")


def _convolution(node: Node) -> "typed.nn.Module":
    kernel, rank, attrs = node.weights["kernel"].shape, len(node.shape), node.attrs
    transposed = node.op == "conv_transpose"
    padding = attrs["padding"] if attrs["padding"] == "same" else _symmetric(node, ends=transposed)
    more = {"output_padding": attrs["output_padding"]} if transposed else {}
    return getattr(_nn, _CONVOLUTIONS[rank].replace("Conv", "ConvTranspose" if transposed else "Conv"))(
        kernel[1] * int(attrs.get("groups", 1)),
        kernel[0],
        kernel[2:],
        stride=attrs["strides"],
        padding=padding,
        dilation=attrs["dilation"],
        groups=int(attrs.get("groups", 1)),
        bias="bias" in node.weights,
        **more,
    )


def _pad(sizes: list[int]) -> "typed.nn.Module":
    made = _nn.ConstantPad1d(0, 0.0)
    made.padding = tuple(sizes)  # F.pad takes as many axes as there are pairs
    return made


_SIZES = {
    "Linear": ("out_features", "in_features"),
    **{f"Conv{rank}d": ("out_channels", "in_channels") for rank in (1, 2, 3)},
    **{f"ConvTranspose{rank}d": ("out_channels", "in_channels") for rank in (1, 2, 3)},
}


def change_module(node: Node, module: Any) -> None:
    """Give a module the sizes and weights of the node that it became; hooks and settings stay.

    Args:
        node: An edited node.
        module: Its module, on the copy that is written.
    """
    kind = type(module).__name__
    if kind in _SIZES:
        kernel = node.weights["kernel"].shape
        outputs, inputs = _SIZES[kind]
        if node.op == "depthwise_conv":
            module.groups = kernel[0] // int(node.attrs["multiplier"])
            setattr(module, inputs, module.groups)
        else:
            setattr(module, inputs, kernel[1] * int(node.attrs.get("groups", 1)))
        setattr(module, outputs, kernel[0])
        if node.op == "conv" and kernel[2:] != tuple(module.kernel_size):
            _reach(node, module, kernel[2:])
    elif node.op in ("batch_norm", "instance_norm"):
        for name in ("num_features", "num_channels", "num_groups"):
            if hasattr(module, name):
                setattr(module, name, node.channels)
    elif node.op == "prelu":
        module.num_parameters = node.weights["alpha"].shape[0]
    set_weights(node, module)


def _reach(node: Node, module: Any, taps: tuple[int, ...]) -> None:
    """A convolution that took over the taps of the one behind it."""
    padding = node.attrs["padding"]
    module.kernel_size = taps
    if isinstance(padding, str) and padding != "valid":
        module.padding = padding
        return
    module.padding = _symmetric(node)
    module._reversed_padding_repeated_twice = [size for pad in reversed(module.padding) for size in (pad, pad)]


def _symmetric(node: Node, *, ends: bool = False) -> tuple[int, ...]:
    """Padding as torch has it, one size for both sides; `ends` where the outer one is another setting's matter."""
    padding: Any = node.attrs["padding"]
    if padding == "valid":
        return (0,) * (len(node.shape) - 2)
    if not ends and any(before != after for before, after in padding):
        raise ModelError(f"{node.name!r} would pad by {padding}, more on one side, which torch's convolutions do not.")
    return tuple(before for before, _ in padding)


def set_weights(node: Node, module: "typed.nn.Module") -> None:
    """Put the canonical weights of a node into a module: as they are laid out in torch, where and as those before."""
    names = {canonical: own for own, canonical in WEIGHTS.get(node.op, {}).items()}
    like = next(iter(module.parameters()), None)
    for canonical, weight in node.weights.items():
        name = names.get(canonical, canonical)
        if "." in name:
            continue  # of a module that is not looked into
        array = weight.read()
        put(module, name, np.swapaxes(array, 0, 1) if node.op == "conv_transpose" and name == "weight" else array, like)
    own = parameters_of(module)
    for name in ("weight", "bias"):
        if own.get(name) is not None and _gone(node, names, name):
            own[name] = None


def _gone(node: Node, names: dict[str, str], name: str) -> bool:
    own = {names.get(canonical, canonical) for canonical in node.weights}
    return node.op in ("dense", "conv") and name not in own


def put(module: "typed.nn.Module", name: str, array: Array, like: "typed.Tensor | None" = None) -> None:
    """Replace one parameter or buffer by other numbers: same dtype, device and flag."""
    old = getattr(module, name, None)
    source: Any = old if isinstance(old, _torch.Tensor) else like
    value = _torch.from_numpy(np.array(array)).to(device=source.device, dtype=source.dtype)
    if name in buffers_of(module):
        buffers_of(module)[name] = value
        return
    flag = bool(source.requires_grad) if source is not None else True
    parameters_of(module)[name] = _torch.nn.Parameter(value, requires_grad=flag)
    if name in module.__dict__:
        del module.__dict__[name]
