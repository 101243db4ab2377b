"""Siblings that read a Concatenate with an enlarged branch."""

from typing import Any

from graphs import Sketch
from hypothesis import given
from hypothesis import strategies as st
from rules.checks import ops, proposals, reasons, rewritten

from addcat.graph import Edge, Graph
from addcat.rules.split_resized import SPLIT_RESIZED
from addcat.rules.split_shared import SPLIT_SHARED


def neck(seed: int = 0, *, first: bool = False, widths: tuple[int, ...] = (2, 3), **more: Any) -> Graph:
    sketch = Sketch(seed, first=first)
    up = sketch.resize(sketch.input(4, (3, 4), name="deep"), 2, more.get("method", "nearest"), name="up")
    both = sketch.concat(up, sketch.input(2, (6, 8), name="skip"), name="cat")
    taps, strides = more.get("taps", 1), more.get("strides", [(1, 1)] * len(widths))
    outputs = [
        sketch.conv(both, width, taps, name=f"c{i}", strides=strides[i], activation=more.get("activation", "linear"))
        for i, width in enumerate(widths)
    ]
    if "output" in more:
        outputs.append(both)
    if "other" in more:
        outputs.append(sketch.relu(both))
    return sketch.graph(*outputs)


@given(
    seed=st.integers(0, 99),
    first=st.booleans(),
    widths=st.lists(st.integers(1, 4), min_size=2, max_size=3),
    method=st.sampled_from(["nearest", "bilinear"]),
    activation=st.sampled_from(["linear", "relu"]),
)
def test_two_maps_of_one_concatenate(seed: int, first: bool, widths: list[int], method: str, activation: str) -> None:
    graph = neck(seed, first=first, widths=tuple(widths), method=method, activation=activation)
    assert proposals(SPLIT_RESIZED, graph) == []
    result = rewritten(SPLIT_SHARED, graph)
    assert ops(result).count("split") == 1
    (resize,) = [node for node in result.nodes.values() if node.op == "resize"]
    assert result.nodes[resize.inputs[0].node].op == "conv"
    for edge, old in zip(result.outputs, graph.outputs, strict=True):
        assert result.tensor(edge) == graph.tensor(old)


def test_maps_with_taps_behind_nearest() -> None:
    assert "conv_transpose" in ops(rewritten(SPLIT_SHARED, neck(taps=3)))


def test_refusals_and_words() -> None:
    assert reasons(SPLIT_SHARED, neck(widths=(2,))) == []
    assert reasons(SPLIT_SHARED, neck(other=True)) == []
    assert reasons(SPLIT_SHARED, neck(output=True)) == ["'cat' is an output of the model, so its value must stay"]
    assert reasons(SPLIT_SHARED, neck(strides=[(1, 1), (2, 2)])) == ["'c0' and 'c1' have different settings"]
    assert reasons(SPLIT_SHARED, neck(method="bilinear", taps=3)) == ["'up' resizes by 'bilinear', not by nearest"]
    (found,) = proposals(SPLIT_SHARED, neck())
    assert found.words == "make one map of 'c0', 'c1', which all read 'cat', and apply its parts before up"
    assert found.nodes == ("cat", "c0", "c1", "up")


def test_a_reader_that_is_an_output_keeps_its_place() -> None:
    graph = neck()
    result = rewritten(SPLIT_SHARED, graph)
    assert graph.outputs == (Edge("c0"), Edge("c1"))
    assert [edge.output for edge in result.outputs] == [0, 1]
