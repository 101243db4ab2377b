"""Refusals that need a graph of their own, each with its reason whole."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from graphs import Sketch
from rules.checks import RULES, reasons

from addcat.graph import Graph, Tensor

Draw = Callable[[Sketch], object]
BY_NAME = {rule.name: rule for rule in RULES}
TRANSPOSED = {"op": "conv_transpose", "strides": (2, 2), "padding": "valid", "bias": False}


def _strides(s: Sketch) -> None:
    x = s.input(4)
    settings = {"padding": ((1, 1), (1, 1))}
    s.add(s.conv(x, 4, 3, name="one", **settings), s.conv(x, 4, 3, name="two", **settings), name="sum")


def strided_apart() -> Graph:
    """Two siblings whose sizes are unknown, so that only their strides say that they differ."""
    sketch = Sketch(first=True, known=False)
    _strides(sketch)
    graph = sketch.graph()
    return graph.edit(put=[graph.nodes["two"].edit(attrs={"strides": (2, 2)})])


def _dense_on_maps(s: Sketch) -> None:
    s.dense(s.conv(s.input(4, (6, 6)), 4, 3, name="conv"), 3, name="dense")


def _link_of_one_channel(s: Sketch) -> None:
    x = s.input(1)
    s.add(s.conv(x, 4, 1, name="conv"), x, name="sum")


def on_another_axis(draw: Draw, name: str) -> Graph:
    """A graph in which one node has its channels last, the others first."""
    sketch = Sketch(first=True)
    draw(sketch)
    graph = sketch.graph()
    return graph.edit(put=[replace(graph.nodes[name], channel_axis=3)])


def _enlarged(s: Sketch) -> None:
    s.conv(s.resize(s.input(4), 2, name="up"), 4, 3, name="conv")


def _transposed(s: Sketch) -> None:
    s.conv(s.conv(s.input(4), 4, 2, name="inner", **TRANSPOSED), 4, 3, name="outer")


def resized(**attrs: object) -> Graph:
    sketch = Sketch(first=True, known="factor" not in attrs)
    sketch.conv(sketch.resize(sketch.input(4), 2, "bilinear", name="up"), 4, 1, name="conv")
    graph = sketch.graph()
    return graph.edit(put=[graph.nodes["up"].edit(attrs=attrs)])


def drawn(draw: Draw) -> Graph:
    sketch = Sketch(first=True)
    draw(sketch)
    return sketch.graph()


@pytest.mark.parametrize(
    ("rule", "graph", "reason"),
    [
        ("fold", strided_apart(), "the strides of 'one' and 'two' differ"),
        ("fold", drawn(_link_of_one_channel), "'x' has another shape than 'sum', so its link is no identity"),
        ("compose", drawn(_dense_on_maps), "'conv' gives axis 1, but 'dense' contracts axis 3"),
        ("exchange-resize", resized(factor=None), "the sizes of 'up' are unknown"),
        ("resize-product", resized(centres="tf_half_pixel"), "'up' places its samples by 'tf_half_pixel'"),
        ("nearest-conv", on_another_axis(_enlarged, "up"), "'up' and 'conv' have their channels on different axes"),
        (
            "transposed-compose",
            on_another_axis(_transposed, "inner"),
            "'inner' and 'outer' have their channels on different axes",
        ),
    ],
)
def test_the_reason_of_a_refusal(rule: str, graph: Graph, reason: str) -> None:
    assert reasons(BY_NAME[rule], graph) == [reason]


def test_a_dense_layer_on_other_axes_stays_before_a_pool() -> None:
    sketch = Sketch(first=True)
    pooled = sketch.pool(sketch.dense(sketch.input(4, (6, 8)), 8, name="dense"), name="pool")
    assert reasons(BY_NAME["exchange-pool"], sketch.graph(pooled)) == [
        "'pool' keeps axis 1, which is not the channels of 'dense'"
    ]


def test_a_gate_of_another_rank_is_not_cut() -> None:
    sketch = Sketch()
    wide = sketch.conv(sketch.input(4, (6,)), 64, 1, name="wide")
    gate = sketch.dense(sketch.input(4, (6,), name="y"), 64, name="gate")
    sketch.conv(sketch.node("multiply", wide, gate, name="product"), 4, 1, name="last")
    graph = sketch.graph()
    graph = graph.edit(put=[replace(graph.nodes["gate"], outputs=(Tensor((None, 64), "float64"),))])
    assert reasons(BY_NAME["hidden-halves"], graph) == ["'gate' has 2 axes, 'product' 3"]
