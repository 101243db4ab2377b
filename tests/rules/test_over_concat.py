"""Channelwise maps over a Concatenate."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from graphs import Sketch
from hypothesis import given
from hypothesis import strategies as st
from rules.checks import ops, proposals, reasons, rewritten

from addcat.graph import Edge
from addcat.rules.over_concat import OVER_CONCAT

Apply = Callable[[Sketch, Edge], Edge]
MAPS: dict[str, Apply] = {
    "batch_norm": lambda s, e: s.norm(e),
    "shift": lambda s, e: s.value("shift", e),
    "scalar": lambda s, e: s.value("shift", e, scalar=True),
    "gain": lambda s, e: s.value("gain", e),
    "relu": lambda s, e: s.relu(e),
    "max": lambda s, e: s.pool(e, 3, 2, "max", padding="same"),
    "average": lambda s, e: s.pool(e, 3, 2, padding="same"),
    "resize": lambda s, e: s.resize(e, 2, "bilinear"),
    "depthwise": lambda s, e: s.depthwise(e, 3, 2, strides=(2, 2), activation="relu"),
    "pad": lambda s, e: s.node("pad", e, padding=((1, 2), (0, 1))),
    "crop": lambda s, e: s.node("crop", e, cropping=((1, 0), (0, 1))),
    "global": lambda s, e: s.node("global_pool", e, kind_of_pool="average", keepdims=True),
}


def joined(sketch: Sketch, sizes: list[int]) -> Edge:
    return sketch.concat(*(sketch.input(c, name=f"x{i}") for i, c in enumerate(sizes)), name="cat")


@pytest.mark.parametrize("name", MAPS)
@given(seed=st.integers(0, 99), sizes=st.lists(st.integers(1, 3), min_size=2, max_size=3), first=st.booleans())
def test_a_map_of_channels_goes_into_the_branches(name: str, seed: int, sizes: list[int], first: bool) -> None:
    sketch = Sketch(seed, first=first)
    MAPS[name](sketch, joined(sketch, sizes))
    result = rewritten(OVER_CONCAT, sketch.graph())
    assert ops(result)[-1] == "concat"
    assert len(ops(result)) == len(sizes) + 1


def test_a_global_pool_without_spatial_axes() -> None:
    sketch = Sketch()
    sketch.node("global_pool", joined(sketch, [2, 3]), kind_of_pool="max", keepdims=False, channel_axis=1)
    result = rewritten(OVER_CONCAT, sketch.graph())
    assert result.nodes["global_pool1_joined"].attrs["axis"] == 1


def test_functions_of_elements_go_over_any_axis() -> None:
    sketch = Sketch()
    sketch.relu(sketch.concat(sketch.input(3, name="a"), sketch.input(3, name="b"), axis=1, name="cat"))
    assert ops(rewritten(OVER_CONCAT, sketch.graph())) == ["activation", "activation", "concat"]


def test_what_is_not_known_of_a_function_comes_along() -> None:
    sketch = Sketch()
    last = sketch.relu(joined(sketch, [2, 3]), name="act")
    graph = sketch.graph(last)
    mark = object()
    graph = graph.edit(put=[graph.nodes["act"].edit(native=mark)])
    result = rewritten(OVER_CONCAT, graph)
    parts = [node for node in result.nodes.values() if node.op == "activation"]
    assert [(part.native, part.edited) for part in parts] == [(mark, False)] * 2


def test_words() -> None:
    sketch = Sketch()
    sketch.norm(joined(sketch, [2, 3]), name="bn")
    (found,) = proposals(OVER_CONCAT, sketch.graph())
    assert found.words == "apply 'bn' to each of the 2 branches of 'cat' instead of to the whole"
    assert found.nodes == ("bn", "cat")


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda s, e: (s.relu(e, name="act"), s.pool(e, name="p")), "'cat' is also read by 'p'"),
        (lambda s, e: s.norm(e, name="n", masks=(True,)), "'n' reads a masked tensor, and the mask would be lost"),
    ],
)
def test_refusals(build: Any, reason: str) -> None:
    sketch = Sketch()
    build(sketch, joined(sketch, [2, 3]))
    assert reason in reasons(OVER_CONCAT, sketch.graph())


def test_a_constant_that_is_not_at_hand() -> None:
    sketch = Sketch()
    sketch.value("gain", joined(sketch, [2, 3]), name="g")
    graph = sketch.graph()
    bare = graph.edit(put=[replace(graph.nodes["g"], weights={})])
    assert reasons(OVER_CONCAT, bare) == ["'g' holds a constant that is not at hand"]
    strange = graph.edit(put=[replace(graph.nodes["g"], weights={"alpha": graph.nodes["g"].weights["value"]})])
    assert reasons(OVER_CONCAT, strange) == ["'g' has weights that are not understood, so they cannot be cut"]


def test_refused_on_another_axis_and_for_an_output() -> None:
    sketch = Sketch()
    cat = sketch.concat(sketch.input(3, name="a"), sketch.input(3, name="b"), axis=1, name="cat")
    sketch.norm(cat, name="bn")
    assert reasons(OVER_CONCAT, sketch.graph()) == ["'cat' joins axis 1, which is not the channels of 'bn'"]
    sketch = Sketch()
    cat = joined(sketch, [2, 2])
    graph = sketch.graph(sketch.relu(cat), cat)
    assert reasons(OVER_CONCAT, graph) == ["'cat' is an output of the model, so its value must stay"]
