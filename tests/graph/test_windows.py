"""Padding as numbers, held against counting windows one by one."""

import pytest
from graphs import Sketch

from addcat.graph import Blocked
from addcat.graph.windows import pads, pads_of, positions


def conv(size, taps, *, known=True, **attrs):
    sketch = Sketch(known=known)
    sketch.conv(sketch.input(2, (size,), name="x"), 3, taps, name="conv", **attrs)
    graph = sketch.graph()
    return graph, graph.nodes["conv"]


def counted(size, window, stride, before, after):
    return len(range(-before, size + after - window + 1, stride))


@pytest.mark.parametrize("size", [5, 6, 9])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("taps", [1, 2, 3])
@pytest.mark.parametrize("padding", ["valid", "same", "causal", ((2, 1),)])
def test_as_many_windows_fit_as_can_be_laid(size, stride, taps, padding):
    node = conv(size, taps, padding=padding, strides=(stride,), dilation=(1,))[1]
    ((before, after),) = pads_of(node, [size])
    assert positions(node, [size]) == (counted(size, taps, stride, before, after),)
    if padding == "same":
        assert positions(node, [size]) == (-(-size // stride),)
        assert after - before in (0, 1)
    if padding == "causal":
        assert (before, after) == (taps - 1, 0)


def test_a_single_tap_pads_nothing_at_any_size():
    graph, node = conv(6, 1, known=False, padding="same", strides=(2,))
    assert pads(graph, node) == ((0, 0),)
    graph, node = conv(6, 2, known=False, padding="same", strides=(2,))
    with pytest.raises(Blocked, match=r"^the padding of 'conv' depends on a size that is unknown$"):
        pads(graph, node)
