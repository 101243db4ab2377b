"""Cutting a hidden layer into parts whose results are added."""

from typing import Any

import numpy as np
import pytest
from graphs import Sketch
from hypothesis import given
from hypothesis import strategies as st
from rules.checks import ops, proposals, reasons, rewritten, same
from rules.test_together import wild

from addcat.graph import Edge, Graph
from addcat.rules import hidden
from addcat.rules.hidden import HIDDEN_EIGHTHS, HIDDEN_HALVES, HIDDEN_QUARTERS

RULES = (HIDDEN_HALVES, HIDDEN_QUARTERS, HIDDEN_EIGHTHS)


def block(sketch: Sketch, x: Edge, width: int, steps: list[str]) -> Edge:
    """A linear map to `width` channels, steps that treat each alone, and a linear map back."""
    edge = sketch.conv(x, width, 1, name="expand")
    for step in steps:
        if step == "relu":
            edge = sketch.relu(edge)
        elif step == "norm":
            edge = sketch.norm(edge)
        elif step == "depthwise":
            edge = sketch.depthwise(edge, 3)
        elif step == "gain":
            edge = sketch.value("gain", edge)
        elif step == "shift":
            edge = sketch.value("shift", edge, scalar=True)
        elif step == "pool":
            edge = sketch.pool(edge, kind="max")
        elif step == "gelu":  # x times a function of x, as exporters write it
            gate = sketch.node("activation", sketch.value("gain", edge, scalar=True), function="tanh")
            edge = sketch.node("multiply", edge, sketch.value("shift", gate, scalar=True))
    return sketch.conv(edge, 3, 1, name="project")


@given(
    seed=st.integers(0, 99),
    first=st.booleans(),
    width=st.integers(64, 70),
    rule=st.sampled_from(RULES),
    steps=st.lists(
        st.sampled_from(["relu", "norm", "depthwise", "gain", "shift", "pool", "gelu"]), max_size=3, unique=True
    ),
)
def test_whatever_treats_channels_alone(seed: int, first: bool, width: int, rule: Any, steps: list[str]) -> None:
    sketch = Sketch(seed, first=first)
    block(sketch, sketch.input(3, (4, 6)), width, steps)
    result = rewritten(rule, sketch.graph(), site="project")
    parts = [node for node in result.nodes.values() if node.name.startswith("project_part")]
    assert len(parts) == len(hidden._widths(width, {"halves": 2, "quarters": 4}.get(rule.name[7:], 8), 8))
    assert max(node.channels or 0 for node in result.nodes.values()) < width


@given(seed=st.integers(0, 99), first=st.booleans(), ends=st.sampled_from(["conv3", "strided", "transposed", "groups"]))
def test_maps_with_taps_strides_and_groups(seed: int, first: bool, ends: str) -> None:
    sketch = Sketch(seed, first=first)
    wide = sketch.relu(sketch.conv(sketch.input(3, (5, 6)), 32, 3, strides=(2, 1)))
    settings: dict[str, Any] = {
        "conv3": {"taps": 3},
        "strided": {"taps": 3, "strides": (1, 2), "padding": "valid"},
        "transposed": {"taps": 2, "op": "conv_transpose", "strides": (2, 2)},
        "groups": {"taps": 1, "groups": 4},
    }[ends]
    sketch.conv(wide, 4, activation="relu", **settings)
    rewritten(HIDDEN_HALVES, sketch.graph())


def test_dense_layers_and_several_roots() -> None:
    sketch = Sketch()
    x, y = sketch.input(3, (5,), name="x"), sketch.input(4, (5,), name="y")
    both = sketch.relu(sketch.add(sketch.dense(x, 16), sketch.dense(y, 16)))
    sketch.dense(both, 2)
    result = rewritten(HIDDEN_HALVES, sketch.graph())
    assert ops(result).count("dense") == 6


@given(seed=st.integers(0, 99), first=st.booleans(), kind=st.sampled_from(["max", "average"]))
def test_a_pool_may_end_it(seed: int, first: bool, kind: str) -> None:
    sketch = Sketch(seed, first=first)
    stem = sketch.pool(sketch.relu(sketch.conv(sketch.input(3, (6, 8)), 20, 3)), kind=kind, name="pool")
    sketch.conv(sketch.relu(stem), 2, 1)
    result = rewritten(HIDDEN_HALVES, sketch.graph(), site="pool")
    assert ops(result).count("pool") == 2
    assert ops(result).count("concat") == 1


def test_a_global_pool_ends_it_too() -> None:
    for keepdims in (True, False):
        sketch = Sketch()
        wide = sketch.relu(sketch.conv(sketch.input(3), 16, 1))
        axis = 3 if keepdims else 1
        sketch.node("global_pool", wide, kind_of_pool="average", keepdims=keepdims, channel_axis=axis, name="mean")
        if keepdims:
            rewritten(HIDDEN_HALVES, sketch.graph(), site="mean")
        else:
            assert reasons(HIDDEN_HALVES, sketch.graph()) == ["'mean' does not have the channels of 'activation1'"]


@pytest.mark.parametrize("seed", range(40))
def test_on_wild_graphs_with_narrow_parts(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hidden, "BLOCK", 1)
    graph = wild(seed, first=seed % 2 == 0)
    for found in proposals(HIDDEN_HALVES, graph):
        assert same(graph, HIDDEN_HALVES.apply(graph, found), 1e-9), found


def drawn(**changes: Any) -> Graph:
    sketch = Sketch()
    x = sketch.input(3)
    wide = sketch.conv(x, changes.get("width", 16), 1, name="wide", groups=changes.get("groups", 1))
    act = sketch.node("activation", wide, function=changes.get("function", "relu"), name="act")
    if "mixing" in changes:
        act = sketch.node("softmax", act, axis=-1, name="soft")
    outputs = [sketch.conv(act, 2, 1, name="narrow")]
    if "reader" in changes:
        outputs.append(sketch.relu(Edge(changes["reader"]), name="other"))
    if "output" in changes:
        outputs.append(Edge("act"))
    return sketch.graph(*outputs)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"reader": "wide"}, "'wide' is also read by 'other'"),
        ({"output": True}, "'act' is an output of the model, so its value must stay"),
        ({"function": "softmax"}, None),
        ({"width": 15}, None),
    ],
)
def test_refusals(changes: dict[str, Any], reason: str | None) -> None:
    assert reasons(HIDDEN_HALVES, drawn(**changes)) == ([] if reason is None else [reason])
    assert reasons(HIDDEN_QUARTERS, drawn(**changes)) == []


def test_more_refusals() -> None:
    sketch = Sketch()
    x = sketch.input(16)
    sketch.conv(sketch.relu(x), 2, 1)
    assert reasons(HIDDEN_HALVES, sketch.graph()) == ["'x' is no map that treats each channel alone"]
    sketch = Sketch()
    wide = sketch.conv(sketch.input(16), 16, 1, groups=2, name="grouped")
    sketch.conv(sketch.relu(wide), 2, 1)
    assert reasons(HIDDEN_HALVES, sketch.graph()) == ["'grouped' is a grouped convolution"]
    sketch = Sketch()
    x = sketch.input(3)
    gate = sketch.node("activation", sketch.conv(x, 1, 1, name="gate"), function="sigmoid", name="gated")
    sketch.conv(sketch.node("multiply", sketch.conv(x, 16, 1), gate, name="scaled"), 2, 1)
    assert reasons(HIDDEN_HALVES, sketch.graph()) == ["'scaled' repeats 'gated' along the channels"]


def test_a_root_that_needs_the_whole_of_another() -> None:
    """Attention for each pixel: w * sigmoid(B w) reads all channels of w to make one of its own."""
    sketch = Sketch()
    wide = sketch.conv(sketch.input(3), 16, 1, name="wide")
    gate = sketch.node("activation", sketch.conv(wide, 16, 1, name="gate"), function="sigmoid")
    sketch.conv(sketch.node("multiply", wide, gate), 2, 1)
    assert "'gate' needs all channels of 'wide'" in reasons(HIDDEN_HALVES, sketch.graph())


def test_groups_are_cut_between_groups() -> None:
    sketch = Sketch()
    sketch.conv(sketch.relu(sketch.conv(sketch.input(3), 48, 1)), 6, 1, groups=3, name="grouped")
    result = rewritten(HIDDEN_HALVES, sketch.graph())
    assert [node.channels for node in result.nodes.values() if node.op == "activation"] == [32, 16]
    sketch = Sketch()
    sketch.conv(sketch.relu(sketch.conv(sketch.input(3), 48, 1)), 6, 1, groups=2, name="grouped")
    rewritten(HIDDEN_QUARTERS, sketch.graph())


def test_groups_too_wide_to_cut() -> None:
    sketch = Sketch()
    sketch.conv(sketch.relu(sketch.conv(sketch.input(3), 18, 1)), 6, 1, groups=2, name="grouped")
    assert reasons(HIDDEN_HALVES, sketch.graph()) == []


def test_words() -> None:
    (found,) = proposals(HIDDEN_HALVES, drawn())
    assert found.words == (
        "cut the 16 channels between 'wide' and 'narrow' into 2 parts, of which one is alive at a time"
    )
    assert found.nodes == ("narrow", "wide", "act")


def test_a_wrong_cut_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = drawn()
    (found,) = proposals(HIDDEN_HALVES, graph)
    assert same(graph, HIDDEN_HALVES.apply(graph, found))
    right = hidden._part
    monkeypatch.setattr(hidden, "_part", lambda node, names, start, stop: right(node, names, 0, stop - start))
    assert not same(graph, HIDDEN_HALVES.apply(graph, found))


def test_parts_are_multiples_of_a_block() -> None:
    for channels, parts in ((96, 4), (100, 2), (64, 8), (70, 8), (1280, 4)):
        widths = hidden._widths(channels, parts, hidden.BLOCK)
        assert sum(widths) == channels
        assert all(width % hidden.BLOCK == 0 for width in widths[:-1])
        assert len(widths) <= parts
        assert np.ptp(widths[:-1]) == 0
