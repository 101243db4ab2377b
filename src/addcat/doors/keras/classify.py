"""What a Keras layer or operation is in canonical words: its op, settings and weights.

Only Keras' own classes are looked into. A subclass may compute anything, so it stays opaque and is carried untouched.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import numpy as np

from addcat.doors.keras import layouts
from addcat.graph import Array, Weight
from addcat.graph.operations import OPS, elementwise

Description = tuple[str, dict[str, Any]]
Describe = Callable[[Any], Description]

ELEMENTWISE = {
    *("Relu", "Relu6", "Sigmoid", "Silu", "Gelu", "Tanh", "Softplus", "Softsign", "Elu", "Selu", "Celu", "LeakyRelu"),
    *("HardSigmoid", "HardSilu", "HardTanh", "LogSigmoid", "Mish", "Exp", "Abs", "Absolute", "Negative", "Square"),
    *("Sqrt", "Clip", "ReLU", "LeakyReLU", "ELU", "Sin", "Cos", "Log", "Log1p", "Erf", "Sign", "Tanhshrink", "Glu"),
} - {"Glu"}
MERGE_LAYERS = {
    "Add": "add",
    "Concatenate": "concat",
    "Average": "average",
    "Multiply": "multiply",
    "Maximum": "maximum",
    "Minimum": "minimum",
    "Subtract": "subtract",
    "Dot": "dot",
    "Stack": "stack",
    "ScaledAdd": "scaled_add",
    "ChannelScaledAdd": "channel_scaled_add",
    "ProjectedAdd": "projected_add",
}
WITH_CONSTANT = {"Add": "shift", "Subtract": "shift", "Multiply": "gain", "Divide": "gain", "TrueDivide": "gain"}
PLAIN = {
    **dict.fromkeys(ELEMENTWISE, "activation"),
    "InputLayer": "input",
    "Softmax": "softmax",
    "LogSoftmax": "softmax",
    "Flatten": "flatten",
    "Reshape": "reshape",
    "Permute": "permute",
    "Embedding": "embedding",
    "Identity": "identity",
    "ActivityRegularization": "identity",
    "LayerNormalization": "layer_norm",
    "RMSNormalization": "layer_norm",
    "UnitNormalization": "layer_norm",
    "PReLU": "prelu",
    **dict.fromkeys(("Dropout", "GaussianDropout", "GaussianNoise", "AlphaDropout"), "dropout"),
    **dict.fromkeys(("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"), "dropout"),
    **dict.fromkeys(("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D"), "pad"),
    **dict.fromkeys(("Cropping1D", "Cropping2D", "Cropping3D"), "crop"),
    **dict.fromkeys(("MultiHeadAttention", "Attention", "AdditiveAttention", "GroupQueryAttention"), "attention"),
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "ConvLSTM1D", "ConvLSTM2D"), "recurrent"),
}


def is_keras(operation: Any) -> bool:
    """Whether the class itself, not only a parent of it, is Keras' own or one of our layers."""
    module = type(operation).__module__
    return module.startswith(("keras.src.layers.", "keras.src.ops.", "addcat.layers"))


def class_of(thing: Any) -> Any:
    """The class of a framework's object, typed `Any` as the object is."""
    return thing.__class__


@dataclass(frozen=True, slots=True)
class Constants:
    """The operands of one call that are values, not tensors of the graph.

    Attributes:
        count: How many.
        arrays: How many of them hold more than one element.
        first: Whether the first operand is one: c - x is no shift of x, and c / x no gain.
    """

    count: int = 0
    arrays: int = 0
    first: bool = False


NO_CONSTANTS = Constants()


def describe(operation: Any, tensors: int, constants: Constants = NO_CONSTANTS) -> Description:
    """Name a Keras operation in canonical words.

    Args:
        operation: A Keras layer or operation.
        tensors: How many tensors of the graph it reads at this call.
        constants: What else it merges or computes with at this call.

    Returns:
        The canonical op, a key of `addcat.graph.operations.OPS`, and its settings.
    """
    kind = type(operation).__name__
    op: str = "opaque"
    attrs: dict[str, Any] = {}
    if is_keras(operation):
        if kind in WITH_CONSTANT and tensors == 1 and (constants.count or not is_layer(operation)):
            turned = constants.first and kind not in ("Add", "Multiply")
            op, attrs = ("opaque", {}) if turned else (WITH_CONSTANT[kind], {"scalar": not constants.arrays})
        elif _merges(operation, kind, tensors):
            op, attrs = _merge(operation, kind, tensors, constants.count)
        elif kind in PLAIN:
            op, attrs = PLAIN[kind], _plain_attrs(operation, kind)
        else:
            op, attrs = _with_weights(operation, kind)
        if kind == "Sum":
            attrs["reduces"] = "sum"
    if is_layer(operation):
        attrs["settings"] = {"policy": operation.dtype_policy.name}
    return op, {**attrs, "kind": kind, "is_layer": is_layer(operation)}


def is_layer(operation: Any) -> bool:
    """Whether this is a Keras layer, not a function of `keras.ops`."""
    return hasattr(operation, "variables")


def function_name(activation: Any) -> str:
    """Name of an activation function; "linear" for none, "custom:name" for one that is not Keras' own."""
    if activation is None:
        return "linear"
    name = str(getattr(activation, "__name__", type(activation).__name__))
    own = str(getattr(activation, "__module__", "")).startswith(("keras.src.activations", "keras.src.ops"))
    return name if own else f"custom:{name}"


def _merges(operation: Any, kind: str, tensors: int) -> bool:
    """Whether this is a merge: functions called `dot` and `average` are other operations than the layers."""
    return kind in MERGE_LAYERS and (is_layer(operation) or (tensors > 1 and kind not in ("Dot", "Average")))


def _merge(operation: Any, kind: str, tensors: int, constants: int) -> Description:
    """A merge; of tensors and constants it is an op of its own, that no rule takes for the plain one."""
    op = MERGE_LAYERS[kind]
    if not constants:
        return op, _merge_attrs(operation, kind)
    return (f"{op}_constant", {}) if tensors > 1 and f"{op}_constant" in OPS else ("opaque", {})


def _merge_attrs(operation: Any, kind: str) -> dict[str, Any]:
    attrs: dict[str, Any] = {}
    if kind in ("Concatenate", "Stack"):
        attrs["axis"] = operation.axis
    if kind == "Dot":
        attrs["axes"] = operation.axes
    if kind == "ProjectedAdd":
        attrs["rank"] = operation.rank
    return attrs


def _plain_attrs(operation: Any, kind: str) -> dict[str, Any]:
    if kind in ELEMENTWISE:
        return {"function": re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).lower().replace("re_lu", "relu")}
    if kind == "Bidirectional":
        return {"merge_mode": operation.merge_mode}
    if kind == "Embedding":
        return {"mask_zero": operation.mask_zero, "input_dim": operation.input_dim}
    if PLAIN[kind] in ("pad", "crop"):
        return {"channels_first": getattr(operation, "data_format", None) == "channels_first"}
    return {}


def _with_weights(operation: Any, kind: str) -> Description:
    for pattern, function in FAMILIES:
        if match := re.fullmatch(pattern, kind):
            return function(operation, *match.groups())
    return "opaque", {}


def _spatial(layer: Any) -> dict[str, Any]:
    return {
        "strides": tuple(layer.strides),
        "padding": layer.padding,
        "dilation": tuple(layer.dilation_rate),
        "channels_first": layer.data_format == "channels_first",
        "activation": function_name(layer.activation),
    }


def _dense(layer: Any) -> Description:
    quantized = getattr(layer, "quantization_mode", None) or getattr(layer, "lora_enabled", False)
    return ("opaque", {}) if quantized else ("dense", {"activation": function_name(layer.activation)})


def _conv(layer: Any, *_: str) -> Description:
    if getattr(layer, "lora_enabled", False):
        return "opaque", {}
    outputs, inputs = layer.filters, layer.kernel.shape[-2] * layer.groups
    if layer.groups > 1 and layer.groups == inputs:  # each channel alone, as DepthwiseConv has it
        return "depthwise_conv", {**_spatial(layer), "multiplier": outputs // inputs}
    return "conv", {**_spatial(layer), "groups": layer.groups}


def _depthwise(layer: Any, *_: str) -> Description:
    return "depthwise_conv", {**_spatial(layer), "multiplier": layer.depth_multiplier}


def _separable(layer: Any, *_: str) -> Description:
    return "separable_conv", {**_spatial(layer), "multiplier": layer.depth_multiplier}


def _transposed(layer: Any, *_: str) -> Description:
    return "conv_transpose", {**_spatial(layer), "output_padding": layer.output_padding}


def _batch_norm(layer: Any) -> Description:
    return "batch_norm", {"axis": layer.axis, "epsilon": float(layer.epsilon)}


def _group_norm(layer: Any) -> Description:
    channels = layer.input_spec.axes[layer.axis] if layer.built else None
    alone = layer.groups in (-1, channels)
    return ("instance_norm" if alone else "group_norm"), {"axis": layer.axis, "groups": layer.groups}


def _pool(layer: Any, kind: str, *_: str) -> Description:
    attrs = {"size": tuple(layer.pool_size), "strides": tuple(layer.strides), "padding": layer.padding}
    first = layer.data_format == "channels_first"
    return "pool", {**attrs, "kind_of_pool": kind.lower(), "channels_first": first}


def _global_pool(layer: Any, kind: str, *_: str) -> Description:
    first = layer.data_format == "channels_first"
    return "global_pool", {"kind_of_pool": kind.lower(), "keepdims": layer.keepdims, "channels_first": first}


def _resize(layer: Any, dimensions: str) -> Description:
    method = getattr(layer, "interpolation", "nearest")
    first = getattr(layer, "data_format", None) == "channels_first"
    size: Any = layer.size
    factor = (size,) if dimensions == "1" else tuple(size)
    return "resize", {"factor": factor, "method": method, "channels_first": first}


def _activation(layer: Any) -> Description:
    name = function_name(layer.activation)
    if name in ("softmax", "log_softmax"):
        return "softmax", {}
    return ("activation" if elementwise(name) else "opaque"), {"function": name}


FAMILIES: list[tuple[str, Callable[..., Description]]] = [
    (r"Dense", _dense),
    (r"Conv(\d)D", _conv),
    (r"DepthwiseConv(\d)D", _depthwise),
    (r"SeparableConv(\d)D", _separable),
    (r"Conv(\d)DTranspose", _transposed),
    (r"BatchNormalization", _batch_norm),
    (r"GroupNormalization", _group_norm),
    (r"(Average|Max)Pooling(\d)D", _pool),
    (r"Global(Average|Max)Pooling(\d)D", _global_pool),
    (r"UpSampling(\d)D", _resize),
    (r"Activation", _activation),
]


def weights_of(operation: Any, op: str) -> dict[str, Weight]:
    """Weights of a layer by canonical name; by their Keras path where the layer is not looked into.

    Args:
        operation: A Keras layer or operation.
        op: Its canonical op.

    Returns:
        Every weight that `count_params` counts; their arrays are read when asked for.
    """
    if not is_layer(operation):
        return {}
    grouped = op == "depthwise_conv" and type(operation).__name__.startswith("Conv")
    table = CANONICAL_WEIGHTS["conv" if grouped else op] if op in CANONICAL_WEIGHTS else {}
    if not table:
        return {variable.path: _weight(variable, _unchanged) for variable in operation.weights}
    found: dict[str, Weight] = {}
    for canonical, (attribute, convert) in table.items():
        variable = getattr(operation, attribute, None)
        if variable is not None:
            found[canonical] = _weight(variable, convert)
    known = {weight.key for weight in found.values()}
    found.update({v.path: _weight(v, _unchanged) for v in operation.weights if id(v) not in known})
    return found


def _unchanged(array: Array) -> Array:
    return array


def _weight(variable: Any, convert: Callable[[Array], Array]) -> Weight:
    shape = tuple(variable.shape)
    canonical = shape if convert is _unchanged else convert(np.broadcast_to(np.int8(0), shape)).shape
    return Weight(canonical, partial(_read, variable, convert), id(variable), bool(variable.trainable))


def _read(variable: Any, convert: Callable[[Array], Array]) -> Array:
    array = np.asarray(variable.numpy())
    assert prod(array.shape) == prod(variable.shape)  # noqa: S101
    return convert(array)


_BIAS = ("bias", _unchanged)
CANONICAL_WEIGHTS: dict[str, dict[str, tuple[str, Callable[[Array], Array]]]] = {
    "dense": {"kernel": ("kernel", layouts.linear_to_canonical), "bias": _BIAS},
    "conv": {"kernel": ("kernel", layouts.linear_to_canonical), "bias": _BIAS},
    "conv_transpose": {"kernel": ("kernel", layouts.transposed_to_canonical), "bias": _BIAS},
    "depthwise_conv": {"kernel": ("kernel", layouts.depthwise_to_canonical), "bias": _BIAS},
    "separable_conv": {
        "depthwise": ("depthwise_kernel", layouts.depthwise_to_canonical),
        "pointwise": ("pointwise_kernel", layouts.linear_to_canonical),
        "bias": _BIAS,
    },
    "batch_norm": {
        "scale": ("gamma", _unchanged),
        "offset": ("beta", _unchanged),
        "mean": ("moving_mean", _unchanged),
        "variance": ("moving_variance", _unchanged),
    },
    "instance_norm": {"scale": ("gamma", _unchanged), "offset": ("beta", _unchanged)},
    "prelu": {"alpha": ("alpha", _unchanged)},
    "scaled_add": {"scale": ("scale", _unchanged)},
    "channel_scaled_add": {"scale": ("scale", _unchanged)},
    "projected_add": {"down": ("down", _unchanged), "up": ("up", _unchanged)},
}
