"""Padding as numbers: which zeros a window sees, whatever word the framework used for it.

For an axis of n elements, a window of k taps, dilation d and stride s, with k' = d (k - 1) + 1:

- "valid" pads nothing; "causal" pads k' - 1 before; pairs say it themselves;
- "same" pads so that ceil(n / s) windows fit, the odd zero after: max((ceil(n / s) - 1) s + k' - n, 0) in all. With
  s = 1 that does not depend on n;
- a transposed convolution gives (n - 1) s + k' elements and crops some: its pairs (before, after) are crops. A negative
  crop after is what others call output padding. "same" crops to n s elements, "valid" to (n - 1) s + max(k', s).
"""

from collections.abc import Iterable, Sequence
from typing import Any

from addcat.graph.core import Blocked, Graph, Node, Shape

Pairs = tuple[tuple[int, int], ...]


def spatial(node: Node) -> tuple[int, ...]:
    """The axes of the node's output that are neither batch nor channels."""
    return tuple(axis for axis in range(1, len(node.shape)) if axis != node.channel_axis)


def taps(node: Node) -> tuple[int, ...]:
    """Window sizes of a convolution or a pool; empty for a dense layer."""
    if node.op == "pool":
        return tuple(node.attrs["size"])
    return node.weights["depthwise" if node.op == "separable_conv" else "kernel"].shape[2:]


def settings(node: Node, name: str) -> tuple[int, ...]:
    """Strides or dilation, one for each spatial axis; ones where the node does not say."""
    found: Any = node.attrs.get(name, 1)
    return (found,) * len(taps(node)) if isinstance(found, int) else tuple(found)


def reach(node: Node) -> tuple[int, ...]:
    """Window sizes with their dilation: d (k - 1) + 1."""
    return tuple(d * (k - 1) + 1 for k, d in zip(taps(node), settings(node, "dilation"), strict=True))


def pads(graph: Graph, node: Node) -> Pairs:
    """Zeros around the input of a convolution or a pool, for each spatial axis.

    Raises:
        Blocked: if they depend on a size that is not known.
    """
    shape = graph.tensor(node.inputs[0]).shape
    return pads_of(node, [shape[axis] for axis in spatial(node)] if taps(node) else [])


def pads_of(node: Node, sizes: Sequence[int | None]) -> Pairs:
    """The same for an input of these spatial sizes.

    Raises:
        Blocked: if they depend on a size that is not known.
    """
    padding, windows, strides = node.attrs.get("padding", "valid"), reach(node), settings(node, "strides")
    if not isinstance(padding, str):
        return tuple((int(before), int(after)) for before, after in padding)
    if padding == "valid":
        return ((0, 0),) * len(windows)
    if padding == "causal":
        return tuple((window - 1, 0) for window in windows)
    return tuple(_same(node, *axis) for axis in zip(sizes, windows, strides, strict=True))


def positions(node: Node, sizes: Sequence[int]) -> tuple[int, ...]:
    """How many windows fit along each spatial axis of an input of these sizes: floor((n + padding - k') / s) + 1."""
    axes = zip(sizes, reach(node), settings(node, "strides"), pads_of(node, sizes), strict=True)
    return tuple((size + sum(padding) - window) // stride + 1 for size, window, stride, padding in axes)


def _same(node: Node, size: int | None, window: int, stride: int) -> tuple[int, int]:
    if stride == 1 or window == 1:
        total = window - 1
    elif size is None:
        raise Blocked(f"the padding of {node.name!r} depends on a size that is unknown")
    else:
        total = max((-(-size // stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def crops(node: Node) -> Pairs:
    """Elements that a transposed convolution drops at each end; a negative number adds zeros there."""
    padding, extra = node.attrs.get("padding", "valid"), node.attrs.get("output_padding")
    windows, strides = reach(node), settings(node, "strides")
    extras = (extra,) * len(windows) if extra is None or isinstance(extra, int) else tuple(extra)
    if not isinstance(padding, str):
        return tuple((int(b), int(a) - (e or 0)) for (b, a), e in zip(padding, extras, strict=True))
    return tuple(_crop(padding, k, s, e) for k, s, e in zip(windows, strides, extras, strict=True))


def _crop(padding: str, window: int, stride: int, extra: int | None) -> tuple[int, int]:
    if padding == "valid":
        return 0, -(max(window, stride) - window if extra is None else extra)
    total = stride + window - 2 if extra is None else window + window % 2 - 2 + extra
    before = min(-(-total // 2), window - 1)  # of the zeros around the spread-out input, which the crops complete
    return window - 1 - before, window - 1 - (total - before)


def misses_taps(graph: Graph, node: Node) -> bool:
    """Whether some output of a linear map reads fewer than all its taps: on zeros around the input, or between inputs.

    Raises:
        Blocked: if that depends on a size that is not known.
    """
    if node.op == "dense":
        return False
    if node.op == "conv_transpose":
        alone = all(size == 1 for size in (*taps(node), *settings(node, "strides")))
        return not alone or any(end < 0 for pair in crops(node) for end in pair)
    return any(map(any, pads(graph, node)))


def transposed_padding(pairs: Pairs, windows: tuple[int, ...], strides: tuple[int, ...], *, words: bool) -> Any:
    """Settings of a transposed convolution that crops `pairs`: "same" where words are wanted and it says that.

    Returns:
        `padding` and `output_padding`, as attrs of the node.
    """
    if words and tuple(_crop("same", k, s, None) for k, s in zip(windows, strides, strict=True)) == pairs:
        return {"padding": "same", "output_padding": None}
    kept = tuple((before, max(after, 0)) for before, after in pairs)
    return {"padding": kept, "output_padding": tuple(max(-after, 0) for _, after in pairs)}


def padding_like(nodes: Iterable[Node], pairs: Pairs, windows: tuple[int, ...]) -> Any:
    """`pairs` in a word where one says the same: "valid", or "same" where some node uses that word and strides are 1.

    Args:
        nodes: Convolutions of equal strides, in the place of which one will be padded by `pairs`.
        pairs: Zeros before and after, for each spatial axis.
        windows: The new window sizes, dilation included.
    """
    if not any(map(any, pairs)):
        return "valid"
    same = tuple(((window - 1) // 2, window // 2) for window in windows)
    for node in nodes:
        if node.attrs.get("padding") == "same" and all(stride == 1 for stride in settings(node, "strides")):
            return "same" if pairs == same else pairs
    return pairs


def every(node: Node, shape: Shape, strides: tuple[int, ...]) -> Shape:
    """A shape of which every s-th position along each of the node's spatial axes is kept, from the first."""
    for axis, stride in zip(spatial(node), strides, strict=True):
        size = shape[axis]
        shape = with_size(shape, axis, None if size is None else -(-size // stride))
    return shape


def with_size(shape: Shape, axis: int | None, size: int | None) -> Shape:
    """A shape with another size on one axis."""
    return tuple(size if place == axis else old for place, old in enumerate(shape))
