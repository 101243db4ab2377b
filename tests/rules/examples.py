"""For every rule the smallest graph in which it applies, with channels that divide into two groups."""

from collections.abc import Callable
from math import prod

import numpy as np
from graphs import Sketch

from addcat.graph import Edge, Graph

Draw = Callable[[Sketch], object]
BARE = {"padding": "valid"}


def _pad_into(s: Sketch) -> None:
    s.conv(s.node("pad", s.input(4), name="pad", padding=((1, 0), (1, 1))), 4, 3, name="conv", **BARE)


def _pad_into_a_pool(s: Sketch) -> None:
    s.pool(s.node("pad", s.relu(s.input(4)), name="pad", padding=((1, 0), (0, 1))), 3, 2, "max", name="pool")


def _passing(s: Sketch) -> None:
    s.relu(s.node("identity", s.relu(s.input(4)), name="same"))


def _cancel(s: Sketch) -> None:
    cat = s.concat(s.input(4, name="x"), s.input(2, name="y"), name="cat")
    s.add(s.node("split", cat, name="cut", axis=s.axis(4), sizes=(4, 2)), s.relu(s.input(4, name="z")))


def _cancel_a_concat(s: Sketch) -> None:
    cut = s.node("split", s.input(6), name="cut", axis=s.axis(4), sizes=(4, 2))
    s.relu(s.concat(cut, cut._replace(output=1), name="cat"))


def _flatten(s: Sketch) -> None:
    inner = s.concat(s.input(4, name="x"), s.input(4, name="y"), name="inner")
    s.relu(s.concat(inner, s.input(4, name="z"), name="outer"))


def _flatten_a_sum(s: Sketch) -> None:
    inner = s.add(s.input(4, name="x"), s.input(4, name="y"), name="inner")
    s.relu(s.add(inner, s.input(4, name="z"), name="outer"))


def _twice(s: Sketch) -> None:
    x = s.relu(s.input(4))
    s.conv(s.concat(x, s.input(4, name="y"), x, name="cat"), 4, name="conv")


def _twice_a_sum(s: Sketch) -> None:
    x = s.relu(s.input(4))
    s.relu(s.add(x, x, s.input(4, name="y"), name="sum"))


def _affine_after(s: Sketch) -> None:
    s.norm(s.conv(s.input(4), 4, name="conv"), name="norm")


def _affine_before(s: Sketch) -> None:
    s.conv(s.norm(s.input(4), name="norm"), 4, name="conv", **BARE)


def _affine_chain(s: Sketch) -> None:
    s.norm(s.value("gain", s.input(4), name="gain"), name="norm")


def _fold(s: Sketch) -> None:
    x = s.input(4)
    s.add(s.conv(x, 4, 3, name="three"), s.conv(x, 4, 1, name="one"), s.norm(x, name="norm"), x, name="sum")


def _early_stride(s: Sketch) -> None:
    both = s.add(s.conv(s.input(4), 4, 3, name="three"), s.input(4, name="y"), name="sum")
    s.conv(s.relu(both, name="relu"), 4, 1, strides=(2, 2), name="one")


def _exchange_resize(s: Sketch) -> None:
    s.conv(s.resize(s.input(4), 2, name="up"), 4, 1, name="conv")


def _exchange_pool(s: Sketch) -> None:
    s.pool(s.conv(s.input(4, (6, 6)), 4, 1, name="conv"), name="pool")


def _exchange_global_pool(s: Sketch) -> None:
    conv = s.conv(s.input(4, (6, 6)), 4, 1, name="conv")
    s.node(
        "global_pool", conv, name="pool", kind_of_pool="average", keepdims=False, channel_axis=1, channels_first=s.first
    )


def _before_resize(s: Sketch) -> None:
    s.norm(s.resize(s.input(4), 2, "bilinear", name="up"), name="norm")


def _split_resized(s: Sketch) -> None:
    up = s.resize(s.input(4, (3, 4)), 2, name="up")
    s.conv(s.concat(up, s.input(4, (6, 8), name="skip"), name="cat"), 4, 3, name="conv")


def _split_wide(s: Sketch) -> None:
    wide, narrow = (s.resize(s.input(n, (3, 4), name=f"x{n}"), 2, name=f"up{n}") for n in (8, 2))
    s.conv(s.concat(wide, narrow, s.input(4, (6, 8), name="skip"), name="cat"), 16, 1, name="conv")


def _nearest_conv(s: Sketch) -> None:
    s.conv(s.resize(s.input(4), 2, name="up"), 4, 3, name="conv")


def _transposed_compose(s: Sketch) -> None:
    inner = s.conv(s.input(4), 4, 2, op="conv_transpose", strides=(2, 2), bias=False, name="inner", **BARE)
    s.conv(inner, 4, 3, name="conv")


def _compose(s: Sketch) -> None:
    s.conv(s.conv(s.input(4), 4, 3, name="inner"), 4, 1, name="outer")


def _compose_behind(s: Sketch) -> None:
    s.conv(s.conv(s.input(4), 4, 1, name="inner"), 4, 3, name="outer", **BARE)


def _gather(s: Sketch) -> None:
    ups = [s.resize(s.input(4, (3, 4), name=name), 2, "bilinear", name=f"up_{name}") for name in "xy"]
    s.add(*ups, s.input(4, (6, 8), name="z"), name="sum")


def _stack(s: Sketch) -> None:
    x = s.input(4)
    s.concat(s.conv(x, 4, 3, name="three"), s.conv(x, 4, 1, name="one"), s.input(4, name="y"), name="cat")


def _over_concat(s: Sketch) -> None:
    s.norm(s.concat(s.input(4, name="x"), s.input(2, name="y"), name="cat"), name="norm")


def _over_concat_depthwise(s: Sketch) -> None:
    s.depthwise(s.concat(s.input(4, name="x"), s.input(2, name="y"), name="cat"), 3, 2, name="deep")


def _split(s: Sketch) -> None:
    s.conv(s.concat(s.input(4, name="x"), s.input(4, name="y"), name="cat"), 4, 3, name="conv")


def _split_all(s: Sketch) -> None:
    cat = s.concat(s.input(4, name="x"), s.input(4, name="y"), name="cat")
    s.add(s.conv(cat, 4, 3, name="three"), s.conv(cat, 4, 1, name="one"))


def _split_separable(s: Sketch) -> None:
    cat = s.concat(s.input(4, name="x"), s.input(2, name="y"), name="cat")
    weights = {"depthwise": s.draw(12, 1, 3, 3), "pointwise": s.draw(4, 12, 1, 1), "bias": s.draw(4)}
    s.node("separable_conv", cat, name="conv", weights=weights, strides=(1, 1), padding="same", dilation=(1, 1),
           multiplier=2)  # fmt: skip


def _linear_last(s: Sketch) -> None:
    s.relu(s.add(s.conv(s.input(4), 4, name="conv"), s.input(4, name="y"), s.input(4, name="z"), name="sum"))


def _phases(s: Sketch) -> None:
    s.conv(s.input(4), 4, 4, op="conv_transpose", strides=(2, 2), name="conv")


def _hidden(s: Sketch) -> None:
    wide = s.norm(s.conv(s.input(4), 64, 1, name="first"), name="norm")
    s.conv(s.depthwise(s.relu(wide, name="relu"), name="deep"), 4, 1, name="last")


def _hidden_pool(s: Sketch) -> None:
    wide = s.relu(s.conv(s.input(4, (6, 6)), 64, 1, name="first"), name="relu")
    s.relu(s.pool(s.add(wide, s.conv(s.input(4, (6, 6), name="y"), 64, 1, name="second"), name="sum"), name="pool"))


def _recompute(s: Sketch) -> None:
    x = s.relu(s.norm(s.input(4), name="norm"), name="relu")
    s.add(s.conv(x, 4, name="one"), s.conv(x, 4, 1, name="two"), name="sum")


def _split_shared(s: Sketch) -> None:
    up = s.resize(s.input(4, (3, 4)), 2, name="up")
    cat = s.concat(up, s.input(4, (6, 8), name="skip"), name="cat")
    s.add(s.conv(cat, 4, 1, name="one"), s.conv(cat, 4, 1, name="two"), name="sum")


def _resize_product(s: Sketch) -> None:
    s.relu(s.resize(s.input(4), 2, "bilinear", name="up"))


def _interpolate(s: Sketch, name: str) -> object:
    from addcat.rules.resize_product import matrix

    sizes = {"rows0": matrix(5, 10), "columns0": matrix(6, 12)}
    return s.node("interpolate", s.input(4, name=f"x_{name}"), name=name, weights=sizes)


def _sum_product(s: Sketch) -> None:
    ups = [_interpolate(s, name) for name in ("up", "down")]
    s.relu(s.add(*ups, s.input(4, (10, 12), name="y"), name="sum"))  # type: ignore[arg-type]


def _gelu(s: Sketch) -> None:
    x = s.relu(s.input(4))
    erf = s.node("activation", constant(s, "gain", x, 0.5**0.5, name="root"), function="erf", name="erf")
    product = s.node("multiply", x, constant(s, "shift", erf, 1.0, name="one"), name="product")
    constant(s, "gain", product, 0.5, name="half")


def _silu(s: Sketch) -> None:
    x = s.relu(s.input(4))
    s.node("multiply", x, s.node("activation", x, function="sigmoid", name="gate"), name="product")


def constant(s: Sketch, op: str, edge: Edge, value: float, **attrs: object) -> Edge:
    """A sum with one number, or a product."""
    return s.node(op, edge, weights={"value": np.asarray(value)}, **attrs)  # type: ignore[arg-type]


def to_image(s: Sketch, edge: Edge, size: tuple[int, ...], name: str = "") -> Edge:
    """Tokens (batch, positions, channels) as an image, channels first."""
    turned = s.node("permute", edge, order=(0, 2, 1), channel_axis=1, name=name and f"{name}_turned")
    shape = (0, s.values[edge].shape[-1], *size)
    return s.node("reshape", turned, shape=shape, channel_axis=1, name=name and f"{name}_laid_out")


def to_tokens(s: Sketch, edge: Edge, name: str = "") -> Edge:
    """An image, channels first, as tokens."""
    channels, *size = s.values[edge].shape[1:]
    shape = (0, channels, prod(size))
    flat = s.node("reshape", edge, shape=shape, channel_axis=1, name=name and f"{name}_flat")
    return s.node("permute", flat, order=(0, 2, 1), channel_axis=2, name=name and f"{name}_turned")


def _dense_then_image(s: Sketch) -> None:
    tokens = s.node("permute", s.input(4, (30,)), order=(0, 2, 1), channel_axis=2, name="tokens")
    s.relu(to_image(s, s.dense(tokens, 6, name="dense"), (5, 6), "image"))


def _dense_of_an_image(s: Sketch) -> None:
    tokens = to_tokens(s, s.conv(s.input(4), 6, name="conv"), "tokens")
    s.relu(s.dense(s.relu(tokens, name="relu", channel_axis=2), 4, name="dense"), channel_axis=2)


def _undone(s: Sketch) -> None:
    s.relu(to_image(s, to_tokens(s, s.relu(s.input(4)), "tokens"), (5, 6), "image"))


def _moves_nothing(s: Sketch) -> None:
    s.relu(s.node("permute", s.relu(s.input(1)), order=(0, 2, 1, 3), channel_axis=2, name="turned"))


def bare_norm(s: Sketch, op: str, edge: Edge, *, weights: bool = True, **attrs: object) -> Edge:
    """Instance norm, channels first, or layer norm, channels last."""
    axis = 1 if op == "instance_norm" else s.values[edge].ndim - 1
    count = s.values[edge].shape[axis]
    arrays = {"scale": s.draw(count), "offset": s.draw(count)} if weights else {}
    return s.node(op, edge, weights=arrays, epsilon=1e-3, channel_axis=axis, **attrs)  # type: ignore[arg-type]


def _dead_shift(s: Sketch) -> None:
    bare_norm(s, "instance_norm", s.conv(s.input(4), 4, 3, name="conv"), name="norm")


def _dead_shift_of_groups(s: Sketch) -> None:
    shifted = s.node("shift", s.conv(s.input(4), 4, 3), weights={"value": np.array([1.0, 1.0, 2.0, 2.0])}, name="plus")
    rows = s.node("reshape", shifted, shape=(0, 2, 60), channel_axis=1, name="rows")
    bare_norm(s, "instance_norm", rows, weights=False, name="norm")


def _norm_before(s: Sketch) -> None:
    norm = bare_norm(s, "layer_norm", s.node("permute", s.input(4, (6,)), order=(0, 2, 1), channel_axis=2), name="norm")
    products = [s.dense(norm, 4, name=name) for name in "qkv"]
    s.concat(*products, axis=2, channel_axis=2)


def _norm_before_a_convolution(s: Sketch) -> None:
    s.conv(bare_norm(s, "instance_norm", s.input(4), name="norm"), 4, 3, name="conv", **BARE)


def _siblings(s: Sketch) -> None:
    tokens = s.node("permute", s.input(4, (6,)), order=(0, 2, 1), channel_axis=2)
    s.concat(*(s.dense(tokens, 2 + number, name=name) for number, name in enumerate("qkv")), axis=2, channel_axis=2)


EXAMPLES: dict[str, list[Draw]] = {
    "named": [_gelu, _silu],
    "views": [_undone, _moves_nothing],
    "exchange-layout": [_dense_then_image, _dense_of_an_image],
    "dead-shift": [_dead_shift, _dead_shift_of_groups],
    "norm-before": [_norm_before, _norm_before_a_convolution],
    "siblings": [_siblings],
    "pad-into": [_pad_into, _pad_into_a_pool],
    "passing": [_passing],
    "cancel": [_cancel, _cancel_a_concat],
    "flatten": [_flatten, _flatten_a_sum],
    "twice": [_twice, _twice_a_sum],
    "affine-after": [_affine_after],
    "affine-before": [_affine_before],
    "affine-chain": [_affine_chain],
    "fold": [_fold],
    "early-stride": [_early_stride],
    "exchange-resize": [_exchange_resize],
    "exchange-pool": [_exchange_pool, _exchange_global_pool],
    "before-resize": [_before_resize],
    "split-resized": [_split_resized],
    "split-wide": [_split_wide],
    "nearest-conv": [_nearest_conv],
    "transposed-compose": [_transposed_compose],
    "compose": [_compose, _compose_behind],
    "gather": [_gather],
    "stack": [_stack],
    "over-concat": [_over_concat, _over_concat_depthwise],
    "split": [_split, _split_all, _split_separable],
    "linear-last": [_linear_last],
    "phases-each": [_phases],
    "phases-one": [_phases],
    "hidden-halves": [_hidden, _hidden_pool],
    "hidden-quarters": [_hidden, _hidden_pool],
    "hidden-eighths": [_hidden, _hidden_pool],
    "recompute": [_recompute],
    "split-shared": [_split_shared],
    "resize-product": [_resize_product],
    "sum-product": [_sum_product],
}
"""What each rule, by its name, applies to."""


def example(rule: str, number: int, *, known: bool = True) -> Graph:
    """One of the graphs of a rule, channels first; its spatial sizes are declared or not."""
    sketch = Sketch(first=True, known=known)
    EXAMPLES[rule][number](sketch)
    return sketch.graph()


CASES = [(rule, number) for rule, draws in EXAMPLES.items() for number in range(len(draws))]
