"""Two linear maps in a row, plain and transposed."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from graphs import Sketch
from hypothesis import assume, given
from hypothesis import strategies as st
from rules.checks import ops, proposals, reasons, rewritten

from addcat.graph import Edge, Graph
from addcat.rules import border
from addcat.rules.compose import COMPOSE
from addcat.rules.nearest_conv import NEAREST_CONV
from addcat.rules.phases import PHASES_EACH, PHASES_ONE
from addcat.rules.transposed_compose import TRANSPOSED_COMPOSE

PADDING = st.sampled_from(["same", "valid", ((1, 0), (0, 2))])


@given(
    seed=st.integers(0, 99),
    first=st.booleans(),
    padding=PADDING,
    strides=st.sampled_from([(1, 1), (2, 1)]),
    inner_bias=st.booleans(),
    outer_bias=st.booleans(),
    activation=st.sampled_from(["linear", "relu"]),
    transposed=st.booleans(),
)
def test_a_pointwise_map_after_taps(
    seed: int, first: bool, padding: Any, strides: Any, inner_bias: bool, outer_bias: bool, activation: str,
    transposed: bool,
) -> None:  # fmt: skip
    sketch = Sketch(seed, first=first)
    op = "conv_transpose" if transposed else "conv"
    inner = sketch.conv(sketch.input(3), 4, 3, op=op, padding=padding, strides=strides, bias=inner_bias, name="inner")
    sketch.conv(inner, 2, 1, bias=outer_bias, activation=activation, name="outer")
    result = rewritten(COMPOSE, sketch.graph())
    assert ops(result) == [op]
    assert ("bias" in result.nodes["inner"].weights) == (inner_bias or outer_bias)


@given(seed=st.integers(0, 99), first=st.booleans(), padding=PADDING, bias=st.booleans(), transposed=st.booleans())
def test_a_pointwise_map_before_taps(seed: int, first: bool, padding: Any, bias: bool, transposed: bool) -> None:
    sketch = Sketch(seed, first=first)
    op = "conv_transpose" if transposed else "conv"
    inner = sketch.conv(sketch.input(3), 4, 1, bias=bias, name="inner")
    sketch.conv(inner, 2, 3, op=op, padding=padding, strides=(2, 1), name="outer")
    graph = sketch.graph()
    if bias and transposed:
        assert reasons(COMPOSE, graph) == ["'outer' pads with zeros, which the bias of 'inner' does not pass"]
    else:
        more = ["add_map"] if bias and padding != "valid" else []
        assert ops(rewritten(COMPOSE, graph)) == [op, *more]


@pytest.mark.parametrize(("inner", "outer", "size"), list(product(["conv", "dense"], ["conv", "dense"], [(4, 5)])))
def test_dense_layers_among_convolutions(inner: str, outer: str, size: tuple[int, ...]) -> None:
    sketch = Sketch()
    edge = sketch.input(3, size)
    for name, op in (("inner", inner), ("outer", outer)):
        edge = sketch.dense(edge, 4, name=name) if op == "dense" else sketch.conv(edge, 5, 1, name=name)
    graph = sketch.graph()
    assert proposals(COMPOSE, graph)[0].words == "make one map of 'inner' and 'outer', in the place of 'inner'"
    assert ops(rewritten(COMPOSE, graph)) == [inner]


def test_refusals_of_compose() -> None:
    def refused(build: Callable[[Sketch, Edge], Any], **settings: Any) -> list[str]:
        sketch = Sketch()
        build(sketch, sketch.conv(sketch.input(4), 4, **{"name": "inner", **settings}))
        return reasons(COMPOSE, sketch.graph())

    assert refused(lambda s, e: s.conv(e, 2, 1), activation="relu") == ["'inner' ends in relu, which is not linear"]
    assert refused(lambda s, e: s.conv(e, 2, 3, name="outer")) == [
        "'inner' and 'outer' both have several taps or strides"
    ]
    assert refused(lambda s, e: s.conv(e, 2, 1), groups=2) == ["'inner' is a grouped convolution"]
    assert refused(lambda s, e: (s.conv(e, 2, 1), s.relu(e, name="act"))) == ["'inner' is also read by 'act'"]
    assert refused(lambda s, e: s.conv(e, 2, 1, strides=(2, 2), name="outer")) == [
        "'inner' and 'outer' both have several taps or strides"
    ]
    assert refused(lambda s, e: s.conv(e, 4, 1, layer="w", name="again"), taps=1, layer="w") == [
        "'inner' shares its weights between 'inner', 'again', so they cannot change for one of them"
    ]


@given(
    seed=st.integers(0, 99),
    first=st.booleans(),
    known=st.booleans(),
    inner_taps=st.integers(2, 3),
    outer_taps=st.integers(2, 3),
    padding=st.sampled_from(["same", "valid", ((1, 0), (0, 1))]),
    dilation=st.sampled_from([(1, 1), (1, 2)]),
    bias=st.booleans(),
)
def test_a_convolution_after_a_transposed_one(
    seed: int, first: bool, known: bool, inner_taps: int, outer_taps: int, padding: Any, dilation: Any, bias: bool
) -> None:
    sketch = Sketch(seed, first=first, known=known)
    settings = {"op": "conv_transpose", "strides": (2, 2), "padding": "valid", "bias": bias, "name": "up"}
    up = sketch.conv(sketch.input(3, (3, 4)), 4, inner_taps, **settings)
    sketch.conv(up, 2, outer_taps, padding=padding, dilation=dilation, activation="relu", name="conv")
    graph = sketch.graph()
    if bias and padding != "valid":
        assert reasons(TRANSPOSED_COMPOSE, graph) == [
            "'conv' pads with zeros, which the bias of 'up' does not pass before relu"
        ]
    else:
        assert ops(rewritten(TRANSPOSED_COMPOSE, graph)) == ["conv_transpose"]


@given(
    seed=st.integers(0, 99),
    first=st.booleans(),
    inner_taps=st.sampled_from([2, 3]),
    outer_taps=st.sampled_from([2, 3, (1, 3)]),
    padding=st.sampled_from(["same", ((1, 0), (0, 1))]),
    dilation=st.sampled_from([(1, 1), (1, 2)]),
    outer_bias=st.booleans(),
)
def test_what_a_bias_gives_behind_a_padded_convolution_is_a_map(
    seed: int, first: bool, inner_taps: int, outer_taps: Any, padding: Any, dilation: Any, outer_bias: bool
) -> None:
    assume(outer_taps != (1, 3) or padding == "same")

    def sketched(known: bool) -> Graph:
        sketch = Sketch(seed, first=first, known=known)
        settings = {"op": "conv_transpose", "strides": (2, 2), "padding": "valid", "name": "up"}
        up = sketch.conv(sketch.input(3, (3, 4)), 4, inner_taps, **settings)
        sketch.conv(up, 2, outer_taps, padding=padding, dilation=dilation, bias=outer_bias, name="conv")
        return sketch.graph()

    (found,) = proposals(TRANSPOSED_COMPOSE, sketched(True))
    assert found.words == ("make one transposed convolution of 'up' and 'conv', and add what the bias gives as a map")
    result = rewritten(TRANSPOSED_COMPOSE, sketched(True))
    assert ops(result) == ["conv_transpose", "add_map"]
    assert reasons(TRANSPOSED_COMPOSE, sketched(False)) == [
        "'conv' pads with zeros, which the bias of 'up' does not pass"
    ]


def test_a_map_of_a_bias_is_not_made_where_it_would_be_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(border, "MOST", 2 * 5 * 6 - 1)
    sketch = Sketch()
    sketch.conv(sketch.conv(sketch.input(3, (5, 6)), 4, 1, name="inner"), 2, 3, name="outer")
    assert reasons(COMPOSE, sketch.graph()) == [
        "'outer' pads with zeros, which the bias of 'inner' does not pass; a map of it would hold more than 59 numbers"
    ]


def test_words_and_refusals_after_a_transposed_convolution() -> None:
    def sketched(**settings: Any) -> Graph:
        sketch = Sketch()
        defaults = {"op": "conv_transpose", "strides": (2, 2), "padding": "valid", "bias": False, "name": "up"}
        up = sketch.conv(sketch.input(3, (3, 4)), 4, 2, **{**defaults, **settings.pop("inner", {})})
        sketch.conv(up, 2, 3, **{"name": "conv", **settings})
        return sketch.graph()

    found = proposals(TRANSPOSED_COMPOSE, sketched())[0]
    assert found.words == "make one transposed convolution of 'up' and 'conv'"
    result = rewritten(TRANSPOSED_COMPOSE, sketched())
    assert result.nodes["up"].attrs["padding"] == "same"
    assert reasons(TRANSPOSED_COMPOSE, sketched(strides=(2, 2))) == ["'conv' has a stride"]
    assert reasons(TRANSPOSED_COMPOSE, sketched(inner={"dilation": (2, 2), "strides": (1, 1)})) == ["'up' is dilated"]
    assert reasons(TRANSPOSED_COMPOSE, sketched(inner={"padding": ((1, 0), (0, 0))})) == [
        "'up' crops or pads its output, and 'conv' would see what it dropped"
    ]
    assert reasons(TRANSPOSED_COMPOSE, sketched(padding=((3, 0), (0, 0)))) == ["'conv' pads more than its taps reach"]
    assert reasons(TRANSPOSED_COMPOSE, sketched(inner={"activation": "relu"})) == [
        "'up' ends in relu, which is not linear"
    ]


@given(
    seed=st.integers(0, 99),
    first=st.booleans(),
    known=st.booleans(),
    taps=st.sampled_from([2, 3, 4, (1, 3)]),
    factor=st.sampled_from([2, 3]),
    padding=st.sampled_from(["same", "valid", ((0, 1), (1, 0))]),
    bias=st.booleans(),
)
def test_nearest_and_a_convolution(
    seed: int, first: bool, known: bool, taps: Any, factor: int, padding: Any, bias: bool
) -> None:
    assume(taps != (1, 3) or isinstance(padding, str))
    sketch = Sketch(seed, first=first, known=known)
    up = sketch.resize(sketch.input(3, (3, 4)), factor, name="up")
    sketch.conv(up, 2, taps, padding=padding, bias=bias, activation="relu", name="conv")
    assert ops(rewritten(NEAREST_CONV, sketch.graph())) == ["conv_transpose"]


def test_nearest_and_a_convolution_in_words() -> None:
    def sketched(factor: Any = 2, method: str = "nearest", **settings: Any) -> Graph:
        sketch = Sketch()
        up = sketch.resize(sketch.input(4, (4, 4)), factor, method, name="up")
        sketch.conv(up, 2, 3, name="conv", **settings)
        return sketch.graph()

    (found,) = proposals(NEAREST_CONV, sketched())
    assert found.words == "make one transposed convolution of 'up' and 'conv'"
    new = rewritten(NEAREST_CONV, sketched()).nodes["conv_transposed"]
    assert (new.attrs["padding"], new.attrs["strides"], new.native) == ("same", (2, 2), None)
    assert new.weights["kernel"].shape == (2, 4, 4, 4)
    assert reasons(NEAREST_CONV, sketched(method="bilinear")) == ["'up' resizes by 'bilinear', not by nearest"]
    assert reasons(NEAREST_CONV, sketched(1.5)) == ["'up' does not enlarge by whole numbers"]
    assert reasons(NEAREST_CONV, sketched(strides=(2, 1))) == ["'conv' has a stride or a dilation"]
    assert reasons(NEAREST_CONV, sketched(groups=2)) == ["'conv' is a grouped convolution"]
    assert reasons(NEAREST_CONV, sketched(padding=((3, 0), (0, 0)))) == ["'conv' pads more than its taps reach"]
    sketch = Sketch()
    up = sketch.resize(sketch.input(4), name="up")
    graph = sketch.graph(sketch.conv(up), sketch.relu(up, name="act"))
    assert reasons(NEAREST_CONV, graph) == ["'up' is also read by 'act'"]


def transposed(seed: int, first: bool, known: bool, taps: Any, strides: Any, padding: Any, bias: bool) -> Graph:
    sketch = Sketch(seed, first=first, known=known)
    settings = {"strides": strides, "padding": padding, "bias": bias, "activation": "relu", "name": "up"}
    sketch.conv(sketch.input(3, (3, 4)), 2, taps, op="conv_transpose", **settings)
    return sketch.graph()


@given(
    seed=st.integers(0, 99),
    first=st.booleans(),
    known=st.booleans(),
    taps=st.sampled_from([2, 3, 4, 5]),
    strides=st.sampled_from([(2, 2), (3, 3), (2, 1)]),
    padding=st.sampled_from(["same", "valid", ((1, 1), (1, 1)), ((1, 0), (0, 1))]),
    bias=st.booleans(),
)
def test_phases(seed: int, first: bool, known: bool, taps: int, strides: Any, padding: Any, bias: bool) -> None:
    graph = transposed(seed, first, known, taps, strides, padding, bias)
    for rule in (PHASES_ONE, PHASES_EACH):
        if proposals(rule, graph):
            assert "conv_transpose" not in ops(rewritten(rule, graph))
    if taps >= max(strides):
        assert proposals(PHASES_ONE, graph)
        assert proposals(PHASES_EACH, graph) or padding in ("valid", ((1, 0), (0, 1)), ((1, 1), (1, 1)))


def test_phases_of_an_enlargement_by_two_need_no_crop() -> None:
    graph = transposed(0, True, True, 4, (2, 2), ((1, 1), (1, 1)), True)
    (each,) = proposals(PHASES_EACH, graph)
    assert each.words == "compute 'up' as one convolution for each of its phases, interleaved"
    result = rewritten(PHASES_EACH, graph)
    assert ops(result) == [*["conv"] * 4, "concat", "depth_to_space"]
    assert all(node.weights["kernel"].shape[2:] == (2, 2) for node in result.nodes.values() if node.op == "conv")
    (one,) = proposals(PHASES_ONE, graph)
    assert one.words == "compute the phases of 'up' by one convolution, interleave them and crop the border"
    assert ops(rewritten(PHASES_ONE, graph)) == ["conv", "depth_to_space", "crop"]


def test_refusals_of_phases() -> None:
    odd = transposed(0, False, True, 3, (2, 2), ((0, 0), (0, 0)), True)
    assert reasons(PHASES_EACH, odd) == ["the phases of 'up' differ in length: 3 is no multiple of 2"]
    short = transposed(0, False, True, 2, (3, 3), "same", True)
    assert reasons(PHASES_EACH, short) == ["a phase of 'up' reads no tap or does not start at the border"]
    long = transposed(0, False, True, 2, (3, 3), "valid", True)
    node = long.nodes["up"]
    far = long.edit(put=[node.edit(attrs={"padding": ((0, 0), (0, 0)), "output_padding": (2, 2)})])
    assert reasons(PHASES_ONE, far) == ["'up' pads its output beyond what its taps reach"]
    dilated = long.edit(put=[node.edit(attrs={"dilation": (2, 2)})])
    assert reasons(PHASES_ONE, dilated) == reasons(PHASES_EACH, dilated) == ["'up' is dilated"]
    soft = long.edit(put=[node.edit(attrs={"activation": "softmax"})])
    assert reasons(PHASES_ONE, soft) == ["'up' ends in softmax, which is not known to treat channels apart"]
