"""A stride that 1x1 readers take, taken earlier."""

from dataclasses import replace
from typing import Any

import pytest
from graphs import Sketch
from hypothesis import given
from hypothesis import strategies as st
from rules.checks import ops, proposals, reasons, rewritten

from addcat.graph import Edge, Graph
from addcat.rules.early_stride import EARLY_STRIDE


@given(
    seed=st.integers(0, 99),
    first=st.booleans(),
    size=st.sampled_from([(5, 6), (8, 7), (4, 4)]),
    strides=st.sampled_from([(2, 2), (2, 1), (3, 3)]),
    padding=st.sampled_from(["same", "valid", ((1, 0), (0, 1))]),
    dilation=st.sampled_from([(1, 1), (2, 2)]),
    kind=st.sampled_from(["conv", "depthwise"]),
)
def test_a_convolution_takes_the_stride(
    seed: int, first: bool, size: Any, strides: Any, padding: Any, dilation: Any, kind: str
) -> None:
    sketch = Sketch(seed, first=first, known=seed % 2 == 0)
    x = sketch.input(3, size)
    attrs = {"padding": padding, "dilation": dilation if padding == "same" else (1, 1)}
    inner = sketch.conv(x, 4, 3, **attrs) if kind == "conv" else sketch.depthwise(x, 3, 2, **attrs)
    sketch.conv(sketch.relu(sketch.norm(inner)), 2, 1, strides=strides, name="late")
    result = rewritten(EARLY_STRIDE, sketch.graph())
    assert result.nodes["late"].attrs["strides"] == (1, 1)
    assert result.nodes[f"{inner.node}"].attrs["strides"] == strides


def residual(seed: int = 0, *, first: bool = False, known: bool = True, size: tuple[int, int] = (8, 6)) -> Sketch:
    """The end of one stage of a residual network, and the strided readers that begin the next."""
    sketch = Sketch(seed, first=first, known=known)
    x = sketch.relu(sketch.conv(sketch.input(3, size), 6, 1), name="before")
    y = sketch.relu(sketch.conv(x, 2, 1, name="narrow"))
    y = sketch.relu(sketch.conv(y, 2, 3, name="middle"))
    y = sketch.relu(sketch.add(sketch.conv(y, 6, 1, name="wide"), x, name="sum"), name="after")
    sketch.conv(y, 3, 1, strides=(2, 2), name="next")
    sketch.conv(y, 8, 1, strides=(2, 2), name="shortcut")
    return sketch


@given(seed=st.integers(0, 99), first=st.booleans(), known=st.booleans(), size=st.sampled_from([(8, 6), (5, 7)]))
def test_the_last_block_of_a_stage(seed: int, first: bool, known: bool, size: tuple[int, int]) -> None:
    graph = residual(seed, first=first, known=known, size=size).graph(Edge("next"), Edge("shortcut"))
    result = rewritten(EARLY_STRIDE, graph, "after")
    assert result.nodes["middle"].attrs["strides"] == (2, 2)
    assert result.nodes["narrow"].attrs["strides"] == (1, 1)
    assert result.nodes["before_every_2"].op == "pool"
    assert ops(result).count("pool") == 1


def test_a_pool_of_one_element_is_a_reader_too() -> None:
    sketch = Sketch()
    act = sketch.relu(sketch.conv(sketch.input(3), 4, name="conv"), name="act")
    left = sketch.conv(act, 2, 1, strides=(2, 2))
    right = sketch.relu(sketch.pool(act, 1, 2, "max"))
    result = rewritten(EARLY_STRIDE, sketch.graph(left, right))
    assert sorted(ops(result)) == ["activation", "activation", "conv", "conv"]


def test_gates_and_concatenates() -> None:
    sketch = Sketch()
    wide = sketch.conv(sketch.input(3, (6, 6)), 4, name="conv")
    gate = sketch.node("global_pool", sketch.input(4, (6, 6), name="g"), kind_of_pool="average", keepdims=True)
    gated = sketch.node("multiply", wide, gate)
    sketch.conv(sketch.concat(gated, sketch.input(2, (6, 6), name="skip")), 2, 1, strides=(2, 2))
    result = rewritten(EARLY_STRIDE, sketch.graph())
    assert result.nodes["conv"].attrs["strides"] == (2, 2)
    assert ops(result).count("pool") == 1


def test_dense_layers_are_passed() -> None:
    sketch = Sketch()
    sketch.conv(sketch.dense(sketch.conv(sketch.input(3), 4, name="conv"), 5), 2, 1, strides=(2, 2))
    assert rewritten(EARLY_STRIDE, sketch.graph()).nodes["conv"].attrs["strides"] == (2, 2)


def test_words_and_refusals() -> None:
    graph = residual().graph(Edge("next"), Edge("shortcut"))
    (found,) = [one for one in proposals(EARLY_STRIDE, graph) if one.site == "after"]
    assert found.words == "compute 'wide', 'middle' only where 'next', 'shortcut' will look"
    sketch = residual()
    assert reasons(EARLY_STRIDE, sketch.graph(Edge("next"), Edge("shortcut"), Edge("after"))) == [
        "'after' is an output of the model, so its value must stay"
    ]
    sketch.relu(Edge("after"), name="whole")
    outputs = [Edge("next"), Edge("shortcut"), Edge("whole")]
    assert reasons(EARLY_STRIDE, sketch.graph(*outputs)) == ["'whole' also reads 'after', and not every (2, 2) of it"]


@pytest.mark.parametrize("known", [False, True])
def test_a_padding_that_depends_on_an_unknown_size_stays(known: bool) -> None:
    sketch = Sketch(known=known)
    sketch.conv(sketch.conv(sketch.input(3), 4, strides=(2, 2), name="conv"), 2, 1, strides=(2, 2))
    graph: Graph = sketch.graph()
    if known:
        assert rewritten(EARLY_STRIDE, graph).nodes["conv"].attrs["strides"] == (4, 4)
    else:
        assert EARLY_STRIDE.find(graph) == []


def test_a_constant_that_is_not_at_hand_stays() -> None:
    sketch = Sketch()
    places = sketch.value("shift", sketch.conv(sketch.input(3), 4, name="conv"), name="places")
    sketch.conv(places, 2, 1, strides=(2, 2))
    graph = sketch.graph()
    assert proposals(EARLY_STRIDE, graph)
    assert EARLY_STRIDE.find(graph.edit(put=[replace(graph.nodes["places"], weights={})])) == []


def test_a_function_of_several_elements_stays() -> None:
    sketch = Sketch()
    soft = sketch.node("activation", sketch.conv(sketch.input(3), 4), function="softmax", name="act")
    sketch.conv(soft, 2, 1, strides=(2, 2))
    assert EARLY_STRIDE.find(sketch.graph()) == []


def test_nothing_to_gain() -> None:
    sketch = Sketch()
    sketch.conv(sketch.relu(sketch.input(3)), 2, 1, strides=(2, 2))
    assert EARLY_STRIDE.find(sketch.graph()) == []
