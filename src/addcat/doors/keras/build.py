"""Nodes that we made or changed become Keras layers.

A changed node keeps its class, name and settings; only sizes and weights differ. A new one is built from its canonical
op, attrs and weights.
"""

from functools import partial
from typing import Any

import numpy as np

from addcat.doors.keras import layouts
from addcat.doors.keras.classify import describe
from addcat.doors.keras.clone import clone_operation, first_sentence
from addcat.errors import ModelError
from addcat.frameworks import keras
from addcat.graph import Array, Node

SIZES = {"dense": "units", "conv": "filters", "conv_transpose": "filters", "separable_conv": "filters"}
SETTINGS = {
    "activation": "activation",
    "strides": "strides",
    "padding": "padding",
    "dilation": "dilation_rate",
    "output_padding": "output_padding",
    "axis": "axis",
}
"""Settings that a rewrite may change, and what Keras calls them."""
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
    """The layer of an edited node: the original's config with the new sizes and settings.

    Raises:
        ModelError: if Keras has no layer of that class with these settings.
    """
    settings = _changed(node)
    if node.op in SIZES:
        kernel = node.weights["pointwise" if node.op == "separable_conv" else "kernel"]
        settings[SIZES[node.op]] = kernel.shape[0]
        if node.op in ("conv", "conv_transpose"):
            settings["kernel_size"] = kernel.shape[2:]
    if node.op in (*SIZES, "depthwise_conv"):
        settings["use_bias"] = "bias" in node.weights
    if node.op == "instance_norm":
        settings["groups"] = -1  # as many as there are channels
    if rename:
        settings["name"] = node.layer.replace("/", ".")
    return clone_operation(node.native.operation, settings)


def _changed(node: Node) -> dict[str, Any]:
    """Settings of an edited node that its original does not have, in Keras' words."""
    before = describe(node.native.operation, len(node.inputs))[1]
    changed = {name: value for name, value in node.attrs.items() if name in SETTINGS and before.get(name) != value}
    for name in changed:
        _require_words(node, name)
    return {SETTINGS[name]: value for name, value in changed.items()}


def _require_words(node: Node, name: str) -> None:
    """Refuse a setting that Keras has no word for."""
    value = node.attrs[name]
    if name == "padding" and not isinstance(value, str):
        raise ModelError(f"{node.name!r} would be a {node.op} padded by {value}, for which Keras has no layer.")
    if name == "activation" and value != "linear" and not hasattr(keras().activations, value):
        raise ModelError(f"{node.name!r} would end in {value}, which Keras does not know by its name.")


def missing(node: Node) -> str:
    """Why Keras has no layer for a node that a rewrite made or changed; "" where it has one."""
    plain = node.native is not None and not node.edited
    if plain or node.attrs.get("as_function"):
        return ""
    try:
        if node.native is None:
            new_layer(node)
        else:
            changed_layer(node)
    except ModelError as error:
        return str(error).removesuffix(".")
    return ""


def new_layer(node: Node) -> Any:
    """A layer for a node that has no native operation.

    Args:
        node: Of an op that addcat makes: a merge, a linear layer or an activation.

    Returns:
        A Keras layer, not called yet; its weights are set by `set_weights`.

    Raises:
        ModelError: if Keras has none.
    """
    layers = keras().layers
    for name in ("padding", "activation"):
        if name in node.attrs:
            _require_words(node, name)
    common: dict[str, Any] = {"name": node.name.replace("/", ".")}
    if (policy := _policy(node)) is not None:
        common["dtype"] = policy
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
    if node.op == "softmax":
        return layers.Softmax(axis=node.attrs.get("axis", -1), **common)
    raise ModelError(f"{node.name!r} would be a new {node.op}, for which Keras has no layer.")


def _policy(node: Node) -> str | None:
    """The dtype policy of a new layer: that of the layer in whose place it stands, else by the type that it reads.

    Weights are kept in float32 where tensors are in half precision.
    """
    own = node.attrs.get("settings", {}).get("policy")
    by_type = {"float16": "mixed_float16", "bfloat16": "mixed_bfloat16", "float64": "float64"}
    reads = node.attrs.get("reads")
    return own if own is not None or reads is None else by_type.get(reads, "float32")


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
    if cls is None:
        raise ModelError(f"{node.name!r} would be a {node.op} over {rank} axes, for which Keras has no layer.")
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
    try:
        return cls(**settings, **common)
    except ValueError as error:
        raise ModelError(
            f"{node.name!r} would be a new {node.op}, which Keras does not make: {first_sentence(error)}"
        ) from error


def _attribute(node: Node, layer: Any, name: str) -> tuple[str, Any]:
    """The Keras attribute that holds a canonical weight, and how its array is laid out there."""
    depthwise = node.op == "depthwise_conv" and not type(layer).__name__.startswith("Conv")  # or one of many groups
    if name == "kernel" and depthwise:
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
        attribute, convert = _attribute(node, layer, name)
        variable = getattr(layer, attribute)
        variable.assign(np.asarray(convert(weight.read())).astype(variable.numpy().dtype))
