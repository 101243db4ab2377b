"""Norms by the statistics of one example: what they forget, and what passes behind them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from graphs import Sketch
from hypothesis import given
from hypothesis import strategies as st
from rules.checks import ops, proposals, reasons, rewritten, same
from rules.examples import bare_norm, constant

from addcat.graph import Array, Edge, Graph
from addcat.rules import norm_before
from addcat.rules.affine_before import AFFINE_BEFORE
from addcat.rules.affine_chain import AFFINE_CHAIN
from addcat.rules.dead_shift import DEAD_SHIFT
from addcat.rules.norm_before import NORM_BEFORE

LINEAR = ("conv", "depthwise_conv", "conv_transpose")


def tokens(s: Sketch, channels: int = 4) -> Edge:
    return s.node("permute", s.input(channels, (6,)), order=(0, 2, 1), channel_axis=2, name="tokens")


def linear_then_norm(op: str, seed: int = 0, *, weights: bool = True, **more: Any) -> Graph:
    s = Sketch(seed, first=True)
    x = s.input(4)
    edge = s.depthwise(x, name="linear") if op == "depthwise_conv" else s.conv(x, 4, 3, op=op, name="linear", **more)
    s.relu(bare_norm(s, "instance_norm", edge, weights=weights, name="norm"))
    return s.graph()


@pytest.mark.parametrize("op", LINEAR)
@given(seed=st.integers(0, 99), weights=st.booleans())
def test_a_bias_before_an_instance_norm_goes(op: str, seed: int, weights: bool) -> None:
    result = rewritten(DEAD_SHIFT, linear_then_norm(op, seed, weights=weights))
    assert set(result.nodes["linear"].weights) == {"kernel"}
    assert DEAD_SHIFT.find(result) == []


@given(seed=st.integers(0, 99), scalar=st.booleans())
def test_a_shift_before_an_instance_norm_goes(seed: int, scalar: bool) -> None:
    s = Sketch(seed, first=True)
    bare_norm(s, "instance_norm", s.value("shift", s.relu(s.input(4)), scalar=scalar))
    assert ops(rewritten(DEAD_SHIFT, s.graph())) == ["activation", "instance_norm"]


def group_norm(s: Sketch, edge: Edge, groups: int, name: str = "norm") -> Edge:
    """As torch writes it for opsets below 21: an instance norm of groups laid out in rows."""
    _, channels, *size = s.values[edge].shape
    count = channels // groups * int(np.prod(size))
    rows = s.node("reshape", edge, shape=(0, groups, count), channel_axis=1, name=f"{name}_rows")
    normed = bare_norm(s, "instance_norm", rows, weights=False, name=name)
    image = s.node("reshape", normed, shape=(0, channels, *size), channel_axis=1, name=f"{name}_image")
    return s.value("shift", s.value("gain", image, name=f"{name}_gain"), name=f"{name}_shift")


def grouped(bias: Array, groups: int, seed: int = 0) -> Graph:
    s = Sketch(seed, first=True)
    conv = s.conv(s.input(4), 4, 3, name="conv", bias=False)
    s.relu(group_norm(s, conv, groups))
    graph = s.graph()
    return graph.edit(put=[graph.nodes["conv"].edit(weights={"bias": bias})])


@given(
    groups=st.sampled_from([1, 2, 4]),
    seed=st.integers(0, 99),
    values=st.lists(st.floats(-3, 3), min_size=4, max_size=4),
)
def test_a_bias_before_a_group_norm_goes_where_its_groups_have_one(groups: int, seed: int, values: list[float]) -> None:
    bias = np.repeat(values[:groups], 4 // groups)
    result = rewritten(DEAD_SHIFT, grouped(bias, groups, seed))
    assert "bias" not in result.nodes["conv"].weights


@pytest.mark.parametrize("groups", [1, 2])
def test_other_constants_change_the_statistics_of_a_group(groups: int) -> None:
    graph = grouped(np.array([1.0, 2.0, 3.0, 3.0]), groups)
    assert reasons(DEAD_SHIFT, graph) == ["'norm' averages channels together to which 'conv' adds different constants"]
    without = graph.edit(put=[graph.nodes["conv"].edit(weights={"bias": np.zeros(4)})])
    assert not same(graph, without)


@given(seed=st.integers(0, 99))
def test_one_constant_for_all_channels_vanishes_in_a_layer_norm(seed: int) -> None:
    s = Sketch(seed, first=True)
    plus = s.value("shift", tokens(s), scalar=True, channel_axis=2, name="plus")
    bare_norm(s, "layer_norm", plus)
    assert ops(rewritten(DEAD_SHIFT, s.graph())) == ["permute", "layer_norm"]


def test_refusals_of_dead_shifts() -> None:
    s = Sketch(first=True)
    bare_norm(s, "layer_norm", s.dense(tokens(s), 3, name="dense"), name="norm")
    assert reasons(DEAD_SHIFT, s.graph()) == [
        "'norm' averages channels together to which 'dense' adds different constants"
    ]
    assert reasons(DEAD_SHIFT, linear_then_norm("conv", activation="relu")) == [
        "'linear' ends in relu, which is not linear"
    ]
    s = Sketch(first=True)
    conv = s.conv(s.input(4), 4, name="conv")
    norm = bare_norm(s, "instance_norm", conv, name="norm")
    assert reasons(DEAD_SHIFT, s.graph(norm, conv)) == ["'conv' is an output of the model, so its value must stay"]
    s = Sketch(first=True)
    dense = s.dense(s.input(4), 6, name="dense")
    bare_norm(s, "instance_norm", dense, name="norm")
    assert reasons(DEAD_SHIFT, s.graph()) == ["'dense' counts channels on axis 3, 'norm' on axis 1"]
    assert reasons(DEAD_SHIFT, linear_then_norm("conv", bias=False)) == []
    (found,) = proposals(DEAD_SHIFT, linear_then_norm("conv"))
    assert found.words == "leave out what 'linear' adds, which 'norm' takes out again"


def test_a_reshape_that_cuts_channels_is_no_group_norm() -> None:
    s = Sketch(first=True)
    conv = s.conv(s.input(4, (5, 6)), 4, name="conv")
    rows = s.node("reshape", conv, shape=(0, 8, 15), channel_axis=1)
    bare_norm(s, "instance_norm", rows, weights=False)
    assert reasons(DEAD_SHIFT, s.graph()) == []


@given(seed=st.integers(0, 99), readers=st.integers(1, 3), bias=st.booleans())
def test_a_layer_norm_gives_its_scale_to_all_its_readers(seed: int, readers: int, bias: bool) -> None:
    s = Sketch(seed, first=True)
    norm = bare_norm(s, "layer_norm", tokens(s), name="norm")
    graph = s.graph(*(s.dense(norm, 3, bias=bias) for _ in range(readers)))
    result = rewritten(NORM_BEFORE, graph)
    assert result.nodes["norm"].weights == {}
    assert NORM_BEFORE.find(result) == []


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("shifted", [True, False])
def test_an_instance_norm_before_a_convolution(padding: str, shifted: bool) -> None:
    s = Sketch(first=True)
    norm = bare_norm(s, "instance_norm", s.input(4), name="norm")
    s.conv(norm, 3, 3, padding=padding, name="conv")
    graph = s.graph()
    if not shifted:
        graph = graph.edit(put=[graph.nodes["norm"].edit(weights={"offset": np.zeros(4)})])
    if padding == "same" and shifted:
        assert reasons(NORM_BEFORE, graph) == ["'conv' pads with zeros, which the shift of 'norm' does not pass"]
    else:
        assert rewritten(NORM_BEFORE, graph).nodes["norm"].weights == {}


def test_a_group_norm_that_is_spelled_out_folds_into_what_reads_it() -> None:
    s = Sketch(first=True)
    s.conv(group_norm(s, s.relu(s.input(4)), 2), 3, 1, name="conv")
    graph = rewritten(AFFINE_CHAIN, s.graph())
    assert ops(rewritten(AFFINE_BEFORE, graph))[-2:] == ["reshape", "conv"]


def test_refusals_of_scales() -> None:
    s = Sketch(first=True)
    norm = bare_norm(s, "layer_norm", tokens(s), name="norm")
    dense, relu = s.dense(norm, 3, name="dense"), s.relu(norm, name="relu", channel_axis=2)
    assert reasons(NORM_BEFORE, s.graph(dense, relu)) == [
        "'norm' is also read by 'relu', which cannot take in its scale"
    ]
    assert reasons(NORM_BEFORE, s.graph(dense, norm)) == ["'norm' is an output of the model, so its value must stay"]
    s = Sketch(first=True)
    s.dense(bare_norm(s, "layer_norm", tokens(s), name="norm"), 3, name="dense")
    (found,) = proposals(NORM_BEFORE, s.graph())
    assert found.words == "fold scale and shift of 'norm' into 'dense'"
    s = Sketch(first=True)
    s.relu(bare_norm(s, "layer_norm", tokens(s)), channel_axis=2)
    assert reasons(NORM_BEFORE, s.graph()) == []


def test_a_scale_that_is_lost_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    s = Sketch(first=True)
    s.dense(bare_norm(s, "layer_norm", tokens(s), name="norm"), 3)
    graph = s.graph()
    (found,) = proposals(NORM_BEFORE, graph)
    monkeypatch.setattr(norm_before, "taken_in", lambda _graph, reader, _affine: reader)
    assert not same(graph, NORM_BEFORE.apply(graph, found))


def spelled_layer_norm() -> Graph:
    """(x - mean) / sqrt(variance + epsilon) times a gain, plus a shift, from the quotient on."""
    s = Sketch(first=True)
    x = s.relu(tokens(s), channel_axis=2, name="centred")
    root = s.node("activation", constant(s, "shift", x, 1.0, channel_axis=2), function="sqrt", channel_axis=2,
                  name="root")  # fmt: skip
    quotient = s.node("divide", x, root, channel_axis=2, name="quotient", kind="Div")
    scaled = s.node("gain", quotient, weights={"value": s.draw(4)}, channel_axis=2, name="gain")
    shifted = s.node("shift", scaled, weights={"value": s.draw(4)}, channel_axis=2, name="shift")
    s.dense(shifted, 3, name="dense")
    graph = s.graph()
    return graph.edit(put=[replace(graph.nodes["quotient"], op="opaque")])


def test_a_layer_norm_that_is_spelled_out_stays_whole() -> None:
    reason = "ends a norm that is spelled out, and runtimes compute it in one go only whole"
    graph = spelled_layer_norm()
    assert reasons(AFFINE_BEFORE, graph) == [f"'shift' {reason}"]
    assert reasons(AFFINE_CHAIN, graph) == [f"'gain' {reason}"]
