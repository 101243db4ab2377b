"""Parallel convolutions of one input as taps of one window.

Tap t of a convolution with b zeros before reads the input at s o + d t - b for output o. So convolutions of equal
stride s fit into one window that starts at the smallest -b_i and ends at the largest d (k_i - 1) - b_i: kernel i begins
(b - b_i) / d taps into it, with b the largest b_i. The window pads so that as many outputs come out as before.
"""

from dataclasses import dataclass

import numpy as np

from addcat.graph import Array, Blocked, Graph, Node
from addcat.graph.windows import Pairs, pads, settings, spatial, taps


@dataclass(frozen=True, slots=True)
class Window:
    """The window that holds several kernels.

    Attributes:
        taps: Its size on each spatial axis.
        dilation: Steps between its taps.
        padding: Zeros before and after the input.
        offsets: For each kernel, where it begins in the window.
    """

    taps: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: Pairs
    offsets: tuple[tuple[int, ...], ...]

    def place(self, kernel: Array, number: int) -> Array:
        """Kernel number `number` among zeros; one without spatial axes counts as one tap."""
        shaped = kernel.reshape(*kernel.shape[:2], *(kernel.shape[2:] or (1,) * len(self.taps)))
        sides = [
            (start, size - start - k)
            for start, size, k in zip(self.offsets[number], self.taps, shaped.shape[2:], strict=True)
        ]
        return np.pad(shaped, [(0, 0), (0, 0), *sides])


@dataclass(frozen=True, slots=True)
class _Span:
    """One kernel along one axis."""

    name: str
    taps: int
    before: int
    after: int
    stride: int
    dilation: int

    @property
    def end(self) -> int:
        return self.dilation * (self.taps - 1) - self.before

    @property
    def surplus(self) -> int:
        """Elements that the windows may move over, less those of the input."""
        return self.after - self.end


def align(graph: Graph, nodes: list[Node], links: int) -> Window:
    """The window for convolutions of one input, and for so many identity links beside them, which come last.

    Raises:
        Blocked: if their strides or dilations differ, or their taps lie on different grids.
    """
    axes: list[list[_Span]] = []
    for place in range(len(taps(nodes[0])) if nodes[0].op != "dense" else 0):
        spans = [
            _Span(n.name, taps(n)[place], *pads(graph, n)[place], settings(n, "strides")[place], _dilation(n, place))
            for n in nodes
        ]
        axes.append(spans + [_Span("the identity link", 1, 0, 0, 1, 1)] * links)
    sizes = [nodes[0].shape[axis] for axis in spatial(nodes[0])] if axes else []
    columns = [_axis(spans, known=size is not None) for spans, size in zip(axes, sizes, strict=True)]
    offsets = tuple(tuple(column[3][number] for column in columns) for number in range(len(nodes) + links))
    return Window(
        tuple(column[0] for column in columns),
        tuple(column[1] for column in columns),
        tuple(column[2] for column in columns),
        offsets,
    )


def _dilation(node: Node, place: int) -> int:
    return settings(node, "dilation")[place]


def _axis(spans: list[_Span], *, known: bool) -> tuple[int, int, tuple[int, int], list[int]]:
    """Taps, dilation, padding and offsets along one axis; `known` says that equal output sizes were seen."""
    first = spans[0]
    steps = [span for span in spans if span.taps > 1] or [first]
    step = steps[0].dilation
    for span in spans:
        if span.stride != first.stride:
            raise Blocked(f"the strides of {first.name!r} and {_named(span)} differ")
        if span.taps > 1 and span.dilation != step:
            raise Blocked(f"the dilations of {steps[0].name!r} and {span.name!r} differ")
        if span.surplus != first.surplus and not known:
            raise Blocked(f"{first.name!r} and {_named(span)} may differ in size, which is unknown")
    before, end = max(span.before for span in spans), max(span.end for span in spans)
    offsets = [(before - span.before) // step for span in spans]
    for span in spans:
        if (before - span.before) % step:
            raise Blocked(f"the taps of {first.name!r} and {_named(span)} lie on different grids")
    size = -(-(end + before) // step) + 1
    # any surplus gives the same number of outputs; the largest needs no negative padding, for its kernel ends inside
    after = max(span.surplus for span in spans) + step * (size - 1) - before
    return size, step, (before, after), offsets


def _named(span: _Span) -> str:
    return span.name if span.name.startswith("the ") else repr(span.name)
