"""Batch norms, gains and shifts: into the linear map before them, after them, and into each other."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from graphs import Sketch
from hypothesis import given
from hypothesis import strategies as st
from rules.checks import ops, proposals, reasons, rewritten

from addcat.graph import Edge
from addcat.rules.affine_after import AFFINE_AFTER
from addcat.rules.affine_before import AFFINE_BEFORE
from addcat.rules.affine_chain import AFFINE_CHAIN
from addcat.rules.compose import COMPOSE

Apply = Callable[[Sketch, Edge], Edge]
AFFINE: dict[str, Apply] = {
    "batch_norm": lambda s, e: s.norm(e),
    "shift": lambda s, e: s.value("shift", e),
    "gain": lambda s, e: s.value("gain", e),
    "scalar shift": lambda s, e: s.value("shift", e, scalar=True),
    "scalar gain": lambda s, e: s.value("gain", e, scalar=True),
}
LINEAR: dict[str, Apply] = {
    "conv": lambda s, e: s.conv(e, 4, 3, strides=(2, 1)),
    "grouped": lambda s, e: s.conv(e, 8, 2, groups=2, bias=False, padding="valid"),
    "valid": lambda s, e: s.conv(e, 3, 3, padding="valid"),
    "pointwise": lambda s, e: s.conv(e, 3, 1),
    "transposed": lambda s, e: s.conv(e, 3, 3, op="conv_transpose", strides=(2, 2)),
    "depthwise": lambda s, e: s.depthwise(e, 3, 2),
    "depthwise valid": lambda s, e: s.depthwise(e, 2, 2, padding="valid", bias=False),
    "separable": lambda s, e: s.node(
        "separable_conv",
        e,
        weights={"depthwise": s.draw(8, 1, 3, 3), "pointwise": s.draw(5, 8, 1, 1)},
        **{"strides": (1, 1), "padding": "same", "dilation": (1, 1), "multiplier": 2},
    ),
}
UNPADDED = ("grouped", "valid", "pointwise", "depthwise valid", "dense")


@pytest.mark.parametrize("linear", LINEAR)
@given(seed=st.integers(0, 99), affine=st.sampled_from(sorted(AFFINE)), first=st.booleans())
def test_after_a_linear_map(linear: str, seed: int, affine: str, first: bool) -> None:
    sketch = Sketch(seed, first=first)
    AFFINE[affine](sketch, LINEAR[linear](sketch, sketch.input(4)))
    result = rewritten(AFFINE_AFTER, sketch.graph())
    assert len(ops(result)) == 1


@pytest.mark.parametrize("size", [(), (5,)])
def test_around_a_dense_layer(size: tuple[int, ...]) -> None:
    sketch = Sketch()
    sketch.norm(sketch.dense(sketch.input(3, size), 4))
    assert ops(rewritten(AFFINE_AFTER, sketch.graph())) == ["dense"]
    sketch = Sketch()
    sketch.dense(sketch.norm(sketch.input(3, size)), 4, activation="relu", bias=False)
    assert ops(rewritten(AFFINE_BEFORE, sketch.graph())) == ["dense"]


@pytest.mark.parametrize("linear", [name for name in LINEAR if name != "separable"])
@given(seed=st.integers(0, 99), affine=st.sampled_from(sorted(AFFINE)), first=st.booleans())
def test_before_a_linear_map(linear: str, seed: int, affine: str, first: bool) -> None:
    sketch = Sketch(seed, first=first)
    LINEAR[linear](sketch, AFFINE[affine](sketch, sketch.input(4)))
    graph = sketch.graph()
    if linear in UNPADDED or "gain" in affine:
        assert len(ops(rewritten(AFFINE_BEFORE, graph))) == 1
    else:
        last, before = (list(graph.nodes)[-1], list(graph.nodes)[-2])
        assert reasons(AFFINE_BEFORE, graph) == [
            f"{last!r} pads with zeros, which the shift of {before!r} does not pass"
        ]


def test_before_several_linear_maps() -> None:
    sketch = Sketch()
    norm = sketch.norm(sketch.input(4), name="bn")
    left, right = sketch.conv(norm, 2, 1, name="left"), sketch.conv(norm, 3, 3, padding="valid", name="right")
    graph = sketch.graph(left, right)
    assert proposals(AFFINE_BEFORE, graph)[0].words == "fold 'bn' into 'left', 'right'"
    assert ops(rewritten(AFFINE_BEFORE, graph)) == ["conv", "conv"]


@pytest.mark.parametrize("second", AFFINE)
@given(seed=st.integers(0, 99), first_map=st.sampled_from(sorted(AFFINE)), first=st.booleans())
def test_a_chain(second: str, seed: int, first_map: str, first: bool) -> None:
    sketch = Sketch(seed, first=first)
    AFFINE[second](sketch, AFFINE[first_map](sketch, sketch.input(4)))
    (op,) = ops(rewritten(AFFINE_CHAIN, sketch.graph()))
    kinds = {second.rsplit(maxsplit=1)[-1], first_map.rsplit(maxsplit=1)[-1]}
    assert op == (kinds.pop() if len(kinds) == 1 else "batch_norm")


def test_what_exporters_make_of_batch_norm_folds_away() -> None:
    sketch = Sketch(first=True)
    conv = sketch.conv(sketch.input(3), 4, bias=False)
    sketch.relu(sketch.value("shift", sketch.value("gain", sketch.value("shift", conv))))
    graph = sketch.graph()
    for _ in range(3):
        graph = rewritten(AFFINE_AFTER, graph)
    assert ops(graph) == ["conv", "activation"]


def test_words() -> None:
    sketch = Sketch()
    sketch.norm(sketch.conv(sketch.input(), 4, name="conv"), name="bn")
    assert proposals(AFFINE_AFTER, sketch.graph())[0].words == "fold 'bn' into 'conv'"
    sketch = Sketch()
    sketch.value("gain", sketch.norm(sketch.input(), name="bn"), name="g")
    assert proposals(AFFINE_CHAIN, sketch.graph())[0].words == "make one map of 'bn' and 'g'"


def test_refusals_after() -> None:
    def refused(build: Callable[[Sketch, Edge], Any], **settings: Any) -> list[str]:
        sketch = Sketch()
        build(sketch, sketch.conv(sketch.input(), 3, name="conv", **settings))
        return reasons(AFFINE_AFTER, sketch.graph())

    assert refused(lambda s, e: s.norm(e), activation="relu") == ["'conv' ends in relu, which is not linear"]
    assert refused(lambda s, e: (s.norm(e), s.relu(e, name="act"))) == ["'conv' is also read by 'act'"]
    assert refused(lambda s, e: s.norm(e, name="bn", channel_axis=1), taps=(3, 2), padding="valid") == [
        "'bn' scales axis 1, 'conv' gives axis 3"
    ]
    sketch = Sketch()
    conv = sketch.conv(sketch.input(), 3, name="conv")
    assert reasons(AFFINE_AFTER, sketch.graph(sketch.norm(conv), conv)) == [
        "'conv' is an output of the model, so its value must stay"
    ]
    sketch = Sketch()
    sketch.value("shift", sketch.conv(sketch.input(), 3), name="c")
    graph = sketch.graph()
    bare = graph.edit(put=[replace(graph.nodes["c"], weights={})])
    assert reasons(AFFINE_AFTER, bare) == ["'c' holds a constant that is not at hand"]
    half = graph.edit(put=[replace(graph.nodes["c"], outputs=(replace(graph.nodes["c"].outputs[0], dtype="float32"),))])
    assert reasons(AFFINE_AFTER, half) == ["the types differ: float32 at 'c', float64 at 'conv1'"]


def test_refusals_before() -> None:
    sketch = Sketch()
    norm = sketch.norm(sketch.input(), name="bn")
    sketch.conv(norm, 2, 1)
    sketch.relu(norm, name="act")
    assert reasons(AFFINE_BEFORE, sketch.graph()) == ["'bn' is also read by 'act', which cannot take it in"]
    sketch = Sketch()
    norm = sketch.norm(sketch.input(), name="bn")
    assert reasons(AFFINE_BEFORE, sketch.graph(sketch.conv(norm, 2, 1), norm)) == [
        "'bn' is an output of the model, so its value must stay"
    ]
    sketch = Sketch()
    norm = sketch.norm(sketch.input(3, (3, 3)), name="bn", channel_axis=1)
    sketch.dense(norm, 2, name="head")
    assert reasons(AFFINE_BEFORE, sketch.graph()) == ["'bn' scales axis 1, but 'head' contracts axis 3"]


def test_refusals_of_a_chain() -> None:
    sketch = Sketch()
    norm = sketch.norm(sketch.input(), name="bn")
    graph = sketch.graph(sketch.norm(norm), sketch.relu(norm, name="act"))
    assert reasons(AFFINE_CHAIN, graph) == ["'bn' is also read by 'act'"]
    sketch = Sketch()
    sketch.norm(sketch.norm(sketch.input(3, (3, 3)), name="rows", channel_axis=1), name="bn")
    assert reasons(AFFINE_CHAIN, sketch.graph()) == ["'rows' scales axis 1, 'bn' axis 3"]


def test_the_weights_keep_their_type() -> None:
    sketch = Sketch(dtype="float32")
    sketch.norm(sketch.conv(sketch.input(), 4, name="conv"))
    graph = sketch.graph()
    conv = graph.nodes["conv"]
    narrow = {name: conv.weight(name).astype(np.float32) for name in ("kernel", "bias")}
    graph = graph.edit(put=[conv.edit(weights=narrow)])
    (proposal,) = proposals(AFFINE_AFTER, graph)
    folded = AFFINE_AFTER.apply(graph, proposal).nodes["conv"]
    assert folded.weight("kernel").dtype == folded.weight("bias").dtype == np.float32


ONE_TAP = {"taps": 1, "padding": ((1, 1), (0, 0)), "dilation": (2, 2), "strides": (1, 1)}


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_shift_does_not_pass_a_single_tap_that_lies_on_padding(groups: int) -> None:
    sketch = Sketch()
    sketch.conv(sketch.norm(sketch.input(4), name="bn"), 4, groups=groups, name="conv", **ONE_TAP)
    reason = "'conv' pads with zeros, which the shift of 'bn' does not pass"
    assert reasons(AFFINE_BEFORE, sketch.graph()) == [reason]
    sketch = Sketch()
    sketch.conv(sketch.value("gain", sketch.input(4)), 4, groups=groups, name="conv", **ONE_TAP)
    rewritten(AFFINE_BEFORE, sketch.graph())


@pytest.mark.parametrize(("stride", "passes"), [(1, True), (2, False)])
def test_a_shift_passes_a_single_transposed_tap_where_no_output_lies_between(stride: int, passes: bool) -> None:
    sketch = Sketch()
    strides = (stride, stride)
    settings = {"op": "conv_transpose", "strides": strides, "padding": "valid"}
    sketch.conv(sketch.norm(sketch.input(4), name="bn"), 3, 1, name="conv", **settings)
    if passes:
        rewritten(AFFINE_BEFORE, sketch.graph())
    else:
        reason = "'conv' pads with zeros, which the shift of 'bn' does not pass"
        assert reasons(AFFINE_BEFORE, sketch.graph()) == [reason]


def test_an_inner_bias_does_not_pass_a_single_tap_that_lies_on_padding() -> None:
    sketch = Sketch(known=False)
    sketch.conv(sketch.conv(sketch.input(4), 3, 1, name="inner"), 4, name="outer", **ONE_TAP)
    reason = "'outer' pads with zeros, which the bias of 'inner' does not pass"
    assert reasons(COMPOSE, sketch.graph()) == [reason]
    sketch = Sketch()
    sketch.conv(sketch.conv(sketch.input(4), 3, 1, bias=False), 4, **ONE_TAP)
    rewritten(COMPOSE, sketch.graph())
