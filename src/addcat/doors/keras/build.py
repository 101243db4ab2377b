"""Nodes that we made or changed become Keras layers.

A changed node keeps its class, name and settings; only sizes and weights differ. A new one is built from its canonical
op, attrs and weights.
"""

from functools import partial
from typing import Any

import numpy as np

from addcat.doors.keras import layouts
from addcat.doors.keras.clone import clone_operation
from addcat.errors import ModelError
from addcat.frameworks import keras
from addcat.graph import Array, Node

SIZES = {"dense": "units", "conv": "filters", "conv_transpose": "filters", "separable_conv": "filters"}
MERGES = {
    "add": "Add",
    "average": "Average",
    "multiply": "Multiply",
    "maximum": "Maximum",
    "minimum": "Minimum",
    "subtract": "Subtract",
}
CONVOLUTIONS = {
    "conv": "Conv{rank}D",
    "depthwise_conv": "DepthwiseConv{rank}D",
    "separable_conv": "SeparableConv{rank}D",
    "conv_transpose": "Conv{rank}DTranspose",
}
LADDER = {"scaled_add": "ScaledAdd", "channel_scaled_add": "ChannelScaledAdd", "projected_add": "ProjectedAdd"}


def changed_layer(node: Node, *, rename: bool = False) -> Any:
    """The layer of an edited node: the original's config with the new sizes."""
    sizes: dict[str, Any] = {}
    if node.op in SIZES:
        kernel = node.weights["pointwise" if node.op == "separable_conv" else "kernel"]
        sizes[SIZES[node.op]] = kernel.shape[0]
        sizes["use_bias"] = "bias" in node.weights
        if node.op == "conv":
            sizes["kernel_size"], sizes["padding"] = kernel.shape[2:], node.attrs["padding"]
    if node.op == "concat":
        sizes["axis"] = node.attrs["axis"]
    if node.op == "instance_norm":
        sizes["groups"] = -1  # as many as there are channels
    if rename:
        sizes["name"] = node.layer.replace("/", ".")
    return clone_operation(node.native.operation, sizes)


def new_layer(node: Node) -> Any:
    """A layer for a node that has no native operation.

    Args:
        node: Of an op that addcat makes: a merge, a linear layer or an activation.

    Returns:
        A Keras layer, not called yet; its weights are set by `set_weights`.
    """
    layers = keras().layers
    common: dict[str, Any] = {"name": node.name.replace("/", ".")}
    if "policy" in node.attrs:
        common["dtype"] = node.attrs["policy"]
    if node.op == "input":
        return layers.InputLayer(batch_shape=node.shape, dtype=node.dtype, name=node.name)
    if node.op in MERGES:
        return getattr(layers, MERGES[node.op])(**common)
    if node.op == "concat":
        return layers.Concatenate(axis=node.attrs["axis"], **common)
    if node.op in LADDER:
        return _ladder(node, common)
    if node.op == "dense":
        activation, bias = node.attrs.get("activation", "linear"), "bias" in node.weights
        return layers.Dense(node.weights["kernel"].shape[0], activation=activation, use_bias=bias, **common)
    if node.op in CONVOLUTIONS:
        return _convolution(node, common)
    if node.op == "batch_norm":
        axis, epsilon = node.channel_axis, node.attrs["epsilon"]
        own = {"scale": "scale" in node.weights, "center": "offset" in node.weights}
        return layers.BatchNormalization(axis=axis, epsilon=epsilon, **own, **common)
    if node.op == "activation":
        return layers.Activation(node.attrs["function"], **common)
    raise ModelError(f"{node.name!r} would be a new {node.op}, for which Keras has no layer.")


def _ladder(node: Node, common: dict[str, Any]) -> Any:
    from addcat import layers as ladder  # noqa: PLC0415  (loads Keras)

    cls: Any = getattr(ladder, LADDER[node.op])
    settings: dict[str, Any] = {"axis": node.channel_axis} if node.op != "scaled_add" else {}
    if node.op == "projected_add":
        settings["rank"] = node.weights["down"].shape[1]
    return cls(**settings, **common)


def _convolution(node: Node, common: dict[str, Any]) -> Any:
    separable = node.op == "separable_conv"
    kernel = node.weights["depthwise" if separable else "kernel"].shape
    rank, padding = len(kernel) - 2, node.attrs.get("padding", "valid")
    cls = getattr(keras().layers, CONVOLUTIONS[node.op].format(rank=rank), None)
    if cls is None or not isinstance(padding, str):
        raise ModelError(f"{node.name!r} would be a new {node.op} padded by {padding}, for which Keras has no layer.")
    settings: dict[str, Any] = {
        "kernel_size": kernel[2:],
        "strides": node.attrs.get("strides", 1),
        "padding": padding,
        "dilation_rate": node.attrs.get("dilation", 1),
        "activation": node.attrs.get("activation", "linear"),
        "use_bias": "bias" in node.weights,
        "data_format": "channels_first" if node.channel_axis == 1 else "channels_last",
    }
    if node.op == "conv":
        settings["groups"] = node.attrs.get("groups", 1)
    if node.op == "conv_transpose":
        settings["output_padding"] = node.attrs.get("output_padding")
    if node.op in ("depthwise_conv", "separable_conv"):
        settings["depth_multiplier"] = node.attrs.get("multiplier", 1)
    if node.op != "depthwise_conv":
        settings["filters"] = node.weights["pointwise"].shape[0] if separable else kernel[0]
    return cls(**settings, **common)


def _attribute(node: Node, name: str) -> tuple[str, Any]:
    """The Keras attribute that holds a canonical weight, and how its array is laid out there."""
    if name == "kernel" and node.op == "depthwise_conv":
        return "kernel", partial(layouts.depthwise_to_keras, multiplier=node.attrs["multiplier"])
    if name == "kernel":
        return "kernel", layouts.transposed_to_keras if node.op == "conv_transpose" else layouts.linear_to_keras
    if name == "depthwise":
        return "depthwise_kernel", partial(layouts.depthwise_to_keras, multiplier=node.attrs["multiplier"])
    if name == "pointwise":
        return "pointwise_kernel", layouts.linear_to_keras
    names = {"scale": "gamma", "offset": "beta", "mean": "moving_mean", "variance": "moving_variance"}
    return (names.get(name, name) if node.op in ("batch_norm", "instance_norm") else name), _unchanged


def _unchanged(array: Array) -> Array:
    return array


def set_weights(node: Node, layer: Any) -> None:
    """Put the canonical weights of a node into its built layer, in Keras' layout and the variable's own dtype."""
    for name, weight in node.weights.items():
        attribute, convert = _attribute(node, name)
        variable = getattr(layer, attribute)
        variable.assign(np.asarray(convert(weight.read())).astype(variable.numpy().dtype))
