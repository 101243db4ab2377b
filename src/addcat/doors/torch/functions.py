"""What a torch function is in canonical words, merges apart (see `addcat.doors.torch.merging`)."""

from collections.abc import Callable

from addcat.doors.torch.calls import Call
from addcat.doors.torch.examples import is_list
from addcat.doors.torch.modules import Description, adaptive_pool, each, flatten, layer_norm, pool_attrs, resize
from addcat.doors.torch.states import start
from addcat.graph import Tensor
from addcat.graph.operations import elementwise

ACTIVATIONS = {
    **{name: name for name in ("relu", "relu6", "leaky_relu", "gelu", "silu", "mish", "sigmoid", "tanh", "elu")},
    **{name: name for name in ("selu", "celu", "softplus", "softsign", "exp", "abs", "neg", "square", "sqrt", "sin")},
    **{
        name: name
        for name in ("cos", "log", "log1p", "erf", "sign", "clamp", "clip", "rsqrt", "tanhshrink", "hardshrink")
    },
    "hardtanh": "hard_tanh",
    "hardswish": "hard_silu",
    "hardsigmoid": "hard_sigmoid",
    "logsigmoid": "log_sigmoid",
    "expit": "sigmoid",
    "negative": "neg",
    "absolute": "abs",
    "pow": "pow",
}
SAME = {"clone", "contiguous", "detach", "to", "type_as", "float", "double", "half", "bfloat16", "type", "cpu", "cuda"}
DROPOUTS = {"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"}


def describe_function(call: Call) -> Description:
    """Name a function's call in canonical words; "opaque" where it is not known."""
    word, first = call.word, call.operands[0] if call.operands else None
    if call.target is start:
        return "opaque", {"multiply_adds": 0}
    alone = len(call.live) == 1 and first is not None and first.live
    if alone and word in ACTIVATIONS and len(call.operands) == 1:
        return ("activation" if elementwise(word) else "opaque"), {"function": ACTIVATIONS[word]}
    if alone and word in SAME:
        return "identity", {}
    if alone and word in DROPOUTS:
        return "dropout", {}
    describe = _TABLE.get(word)
    if first is None or describe is None or not first.live:
        return "opaque", {}
    return describe(call, first.tensor)


def _permute(*_: object) -> Description:
    return "permute", {}


def _reshape(call: Call, source: Tensor) -> Description:
    before, after = source.shape, call.outputs[0].shape
    places = before[2:]
    if places and 2 <= len(after) < len(before) and after[1] == before[1] and all(size == 1 for size in places):
        return flatten(1, -1, before)
    return ("identity", {}) if before == after else ("reshape", {})


def _flatten(call: Call, source: Tensor) -> Description:
    start = call.argument(1, "start_dim", 0)
    end = call.argument(2, "end_dim", -1)
    return flatten(start, end, source.shape) if source.shape else ("opaque", {})


def _squeeze(call: Call, source: Tensor) -> Description:
    return _reshape(call, source)


def _softmax(*_: object) -> Description:
    return "softmax", {}


def _mean(call: Call, source: Tensor) -> Description:
    rank, axes = len(source.shape), call.argument(1, "dim", None)
    if isinstance(axes, int):
        axes = (axes,)
    kept = bool(call.argument(2, "keepdim", False))
    if axes is None or rank < 3:
        return "opaque", {}
    places = sorted(axis % rank for axis in axes)
    if places == list(range(2, rank)) and rank > 3:
        return "global_pool", {"kind_of_pool": "average", "keepdims": kept, "channels_first": True}
    if places == list(range(1, rank - 1)) and kept:
        return "global_pool", {"kind_of_pool": "average", "keepdims": True, "channels_first": False}
    if places == [1] and rank == 3:  # tokens
        return "global_pool", {"kind_of_pool": "average", "keepdims": kept, "channels_first": False}
    return "opaque", {}


def _pool(kind: str) -> Callable[[Call, Tensor], Description]:
    def describe(call: Call, source: Tensor) -> Description:
        rank = len(source.shape)
        size = call.argument(1, "kernel_size")
        stride, padding = call.argument(2, "stride"), call.argument(3, "padding", 0)
        rest = {**call.arguments[1]}
        if rest.get("ceil_mode") or rest.get("return_indices") or len(call.arguments[0]) > 4 or rank < 3:
            return "opaque", {"reason": "pools with ceil_mode or indices"}
        settings = type("Settings", (), {k: v for k, v in rest.items() if k in ("dilation", "count_include_pad")})
        return "pool", pool_attrs(kind, size, stride, padding, rank, settings)

    return describe


def _adaptive(kind: str) -> Callable[[Call, Tensor], Description]:
    def describe(call: Call, source: Tensor) -> Description:
        size = call.argument(1, "output_size")
        return adaptive_pool(kind, size, len(source.shape))

    return describe


def _interpolate(call: Call, source: Tensor) -> Description:
    method = call.argument(3, "mode", "nearest")
    return resize(call.argument(2, "scale_factor"), call.argument(1, "size"), method, len(source.shape))


def _pad(call: Call, source: Tensor) -> Description:
    pads, mode, value = call.argument(1, "pad"), call.argument(2, "mode", "constant"), call.argument(3, "value")
    spatial = len(pads) <= 2 * (len(source.shape) - 2)
    if not any(pads):
        return "identity", {}
    if mode != "constant" or value or not spatial or len(source.shape) < 3:
        return "opaque", {"reason": "pads by something else than zeros around the image"}
    return "pad", {"channels_first": True}


def _getitem(call: Call, source: Tensor) -> Description:
    index = call.argument(1, "index")
    places: list[object] = [*index] if is_list(index) else [index]
    at = next((i for i, place in enumerate(places) if place is Ellipsis), None)
    if at is not None:
        places[at : at + 1] = [slice(None)] * (len(source.shape) - len(places) + 1)
    slices = all(_is_plain(place) for place in places)
    if slices and len(source.shape) > 3 and all(place == slice(None) for place in places[:2]):
        return "crop", {"channels_first": True}
    return "opaque", {}


def _is_plain(place: object) -> bool:
    step: object = getattr(place, "step", 0)
    return isinstance(place, slice) and step in (None, 1)


def _linear(call: Call, _: Tensor) -> Description:
    if len(call.operands) < 2 or not call.operands[1].path:
        return "opaque", {}
    return "dense", {"activation": "linear"}


def _conv(call: Call, source: Tensor) -> Description:
    kernel = call.operands[1] if len(call.operands) > 1 else None
    if kernel is None or not kernel.path or len(source.shape) != len(kernel.tensor.shape):
        return "opaque", {}
    rank = len(source.shape)
    padding = call.argument(4, "padding", 0)
    groups, channels = call.argument(6, "groups", 1), source.shape[1]
    pairs = padding if isinstance(padding, str) else tuple((size, size) for size in each(padding, rank))
    attrs = {
        "strides": each(call.argument(3, "stride", 1), rank),
        "padding": pairs if isinstance(pairs, str) or any(map(any, pairs)) else "valid",
        "dilation": each(call.argument(5, "dilation", 1), rank),
        "activation": "linear",
        "channels_first": True,
    }
    if groups > 1 and groups == channels:
        out = call.outputs[0].shape[1] or 0
        return "depthwise_conv", {**attrs, "multiplier": out // groups}
    return "conv", {**attrs, "groups": groups}


def _normalise_last(call: Call, _: Tensor) -> Description:
    return layer_norm(call.argument(1, "normalized_shape"))


def _normalise(op: str) -> Callable[[Call, Tensor], Description]:
    def describe(_: Call, __: Tensor) -> Description:
        return op, {"axis": 1}

    return describe


_TABLE: dict[str, Callable[[Call, Tensor], Description]] = {
    **dict.fromkeys(("permute", "transpose", "swapaxes", "movedim", "moveaxis", "t"), _permute),
    **dict.fromkeys(("reshape", "view", "unflatten", "unsqueeze", "expand"), _reshape),
    **dict.fromkeys(("softmax", "log_softmax"), _softmax),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _conv),
    **dict.fromkeys(("max_pool1d", "max_pool2d", "max_pool3d"), _pool("max")),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d", "avg_pool3d"), _pool("average")),
    **dict.fromkeys(("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"), _adaptive("average")),
    **dict.fromkeys(("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"), _adaptive("max")),
    **dict.fromkeys(("interpolate", "upsample"), _interpolate),
    "flatten": _flatten,
    "squeeze": _squeeze,
    "mean": _mean,
    "pad": _pad,
    "getitem": _getitem,
    "linear": _linear,
    **dict.fromkeys(("layer_norm", "rms_norm"), _normalise_last),
    "group_norm": _normalise("group_norm"),
}
