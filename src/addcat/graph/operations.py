"""The words of the graph: canonical operations, and what each does to channels.

Everything that asks "may this be cut at a channel border?" reads this one table. Attributes and weights have canonical
names too; kernels are laid out `(out, in, *taps)`:

| op | weights | attrs |
| --- | --- | --- |
| dense | kernel (out, in), bias (out,) | activation |
| conv | kernel (out, in / groups, *taps), bias | strides, padding, dilation, groups, activation |
| depthwise_conv | kernel (in * multiplier, 1, *taps), bias | strides, padding, dilation, multiplier, activation |
| separable_conv | depthwise (in * multiplier, 1, *taps), pointwise (out, in * multiplier, 1...), bias | as both |
| conv_transpose | kernel (out, in, *taps), bias | strides, padding, dilation, output_padding, activation |
| batch_norm | scale, offset, mean, variance, each (channels,) | epsilon, axis |
| instance_norm, layer_norm | scale, offset, each (channels,), or neither | epsilon, axis |
| activation | | function |
| shift, gain | value (channels,) or (): x + value, x * value | |
| add_map | map: x + map, the same for every example | |
| pool | | kind_of_pool ("average" or "max"), size, strides, padding, counts_padding (average: zeros count; else not) |
| global_pool | | kind_of_pool, keepdims |
| resize | | factor, method ("nearest", "bilinear", ...) |
| interpolate | rows_i (new, old height), columns_i (new, old width) of input i | sum_i rows_i x_i columns_i' |
| pad, crop | | padding (zeros), cropping: pairs for each spatial axis |
| split | | axis, sizes: parts along one axis, one output each |
| reshape | | shape, where we made it: 0 is the size that was there |
| permute | | order: for each axis the one that it was |
| depth_to_space | | block (for each spatial axis); input channels count (row of block, column, output channel) |
| add, concat and the other merges | | axis (concat) |
| scaled_add | scale (arity,) | |
| channel_scaled_add | scale (arity, channels) | |
| projected_add | down (arity, rank, channels), up (arity, channels, rank) | rank |

`padding` is "valid", "same", "causal", or pairs (before, after) for each spatial axis. `activation` is the name of the
function fused after the linear part, "linear" where there is none, "custom:name" for one that is not the framework's.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Op:
    """What an operation does to channels.

    Attributes:
        mixes: "linear" where each output is a linear function of all input channels, so that a kernel can be cut along
            its input axis; "" otherwise.
        channelwise: How each channel is treated alone: "linear" (f(x + y) = f(x) + f(y)), "affine" (linear plus a
            constant), "any" (not linear), or "" where channels are mixed.
        merge: Whether several tensors become one here.
        label: The word for people, as Keras has it.
    """

    mixes: str = ""
    channelwise: str = ""
    merge: bool = False
    label: str = ""


OPS: dict[str, Op] = {
    "input": Op(label="Input"),
    "opaque": Op(label="(not looked into)"),
    "model": Op(label="Model"),
    "dense": Op(mixes="linear", label="Dense"),
    "conv": Op(mixes="linear", label="Conv"),
    "separable_conv": Op(mixes="linear", label="SeparableConv"),
    "conv_transpose": Op(mixes="linear", label="ConvTranspose"),
    "depthwise_conv": Op(channelwise="affine", label="DepthwiseConv"),
    "batch_norm": Op(channelwise="affine", label="BatchNormalization"),
    "activation": Op(channelwise="any", label="Activation"),
    "prelu": Op(channelwise="any", label="PReLU"),
    "dropout": Op(channelwise="linear", label="Dropout"),
    "identity": Op(channelwise="linear", label="Identity"),
    "pool": Op(channelwise="any", label="Pooling"),
    "global_pool": Op(channelwise="any", label="GlobalPooling"),
    "resize": Op(channelwise="linear", label="Resize"),
    "interpolate": Op(label="Resize by matrix products"),
    "pad": Op(channelwise="linear", label="ZeroPadding"),
    "pad_channels": Op(label="Channels of zeros"),
    "crop": Op(channelwise="linear", label="Cropping"),
    "instance_norm": Op(channelwise="any", label="InstanceNorm"),
    "layer_norm": Op(label="LayerNormalization"),
    "group_norm": Op(label="GroupNormalization"),
    "softmax": Op(label="Softmax"),
    "flatten": Op(label="Flatten"),
    "reshape": Op(label="Reshape"),
    "permute": Op(label="Permute"),
    "split": Op(label="Split"),
    "depth_to_space": Op(label="DepthToSpace"),
    "attention": Op(label="Attention"),
    "recurrent": Op(label="Recurrent"),
    "embedding": Op(label="Embedding"),
    "shift": Op(channelwise="affine", label="Add of a constant"),
    "gain": Op(channelwise="linear", label="Multiply by a constant"),
    "add_map": Op(label="Add of a constant map"),
    "add": Op(merge=True, label="Add"),
    "concat": Op(merge=True, label="Concatenate"),
    "average": Op(merge=True, label="Average"),
    "multiply": Op(merge=True, label="Multiply"),
    "maximum": Op(merge=True, label="Maximum"),
    "minimum": Op(merge=True, label="Minimum"),
    "subtract": Op(merge=True, label="Subtract"),
    "dot": Op(merge=True, label="Dot"),
    "stack": Op(merge=True, label="Stack"),
    "scaled_add": Op(merge=True, label="ScaledAdd"),
    "channel_scaled_add": Op(merge=True, label="ChannelScaledAdd"),
    "projected_add": Op(merge=True, label="ProjectedAdd"),
}
OPS.update(
    {f"{op}_constant": Op("", "", True, f"{known.label} with a constant") for op, known in OPS.items() if known.merge}
)
"""A merge that reads constants beside its tensors is an op of its own: what holds for the plain one does not hold."""

MIXING_FUNCTIONS = ("softmax", "log_softmax", "sparsemax", "glu")


def elementwise(function: str) -> bool:
    """Whether an activation is known to treat each element alone.

    Examples:
        >>> elementwise("relu"), elementwise("softmax"), elementwise("custom:whiten")
        (True, False, False)
    """
    return function not in MIXING_FUNCTIONS and not function.startswith("custom:")


ADD_LIKE = ("add", "scaled_add", "channel_scaled_add", "projected_add")


def channelwise(op: str, attrs: dict[str, object] | None = None) -> str:
    """How an operation treats each channel alone, given its settings.

    Average pooling and resizing are linear; max pooling is not; a depthwise convolution is affine unless an activation
    is fused into it.

    Args:
        op: A key of `OPS`.
        attrs: The node's settings.

    Returns:
        "linear", "affine", "any", or "" where channels are mixed or the operation is not understood.

    Examples:
        >>> channelwise("pool", {"kind_of_pool": "average"}), channelwise("pool", {"kind_of_pool": "max"})
        ('linear', 'any')
        >>> channelwise("dense")
        ''
    """
    attrs = attrs or {}
    if op in ("pool", "global_pool") and attrs.get("kind_of_pool") == "average":
        return "linear"
    if op in ("depthwise_conv", "activation") and not elementwise(str(attrs.get("activation", attrs.get("function")))):
        return ""
    if op == "depthwise_conv" and attrs.get("activation", "linear") != "linear":
        return "any"
    if op == "activation" and attrs.get("function") == "linear":
        return "linear"
    return OPS[op].channelwise
