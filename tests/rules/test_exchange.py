"""Pointwise linear maps past resizing and average pooling; maps of elements past an enlargement."""

from collections.abc import Callable
from typing import Any

import pytest
from graphs import Sketch
from hypothesis import given
from hypothesis import strategies as st
from rules.checks import ops, proposals, reasons, rewritten

from addcat.graph import Edge
from addcat.rules.before_resize import BEFORE_RESIZE
from addcat.rules.exchange_pool import EXCHANGE_POOL
from addcat.rules.exchange_resize import EXCHANGE_RESIZE
from addcat.rules.gather import GATHER

Apply = Callable[[Sketch, Edge], Edge]
POINTWISE: dict[str, Apply] = {
    "conv": lambda s, e: s.conv(e, 3, 1, name="map"),
    "no bias": lambda s, e: s.conv(e, 6, 1, bias=False, padding=((0, 0), (0, 0)), name="map"),
    "grouped": lambda s, e: s.conv(e, 6, 1, groups=2, name="map"),
    "depthwise": lambda s, e: s.depthwise(e, 1, 2, name="map"),
}


@pytest.mark.parametrize("linear", POINTWISE)
@given(
    seed=st.integers(0, 99),
    first=st.booleans(),
    known=st.booleans(),
    method=st.sampled_from(["nearest", "bilinear"]),
    factor=st.sampled_from([2, 3]),
)
def test_before_an_enlargement(linear: str, seed: int, first: bool, known: bool, method: str, factor: int) -> None:
    sketch = Sketch(seed, first=first, known=known)
    sketch.relu(POINTWISE[linear](sketch, sketch.resize(sketch.input(4), factor, method)))
    result = rewritten(EXCHANGE_RESIZE, sketch.graph())
    assert ops(result)[1:] == ["resize", "activation"]


@pytest.mark.parametrize("linear", POINTWISE)
@pytest.mark.parametrize("first", [False, True])
def test_after_a_reduction(linear: str, first: bool) -> None:
    sketch = Sketch(first=first)
    sketch.resize(POINTWISE[linear](sketch, sketch.input(4, (6, 8))), factor=0.5, method="bilinear", name="half")
    graph = sketch.graph()
    assert proposals(EXCHANGE_RESIZE, graph)[0].words == "apply 'map' after 'half', where there are fewer positions"
    assert ops(rewritten(EXCHANGE_RESIZE, graph))[0] == "resize"


def test_dense_on_the_last_axis_and_a_function_past_nearest() -> None:
    sketch = Sketch()
    sketch.dense(sketch.resize(sketch.input(4), 2), 3, activation="relu")
    assert ops(rewritten(EXCHANGE_RESIZE, sketch.graph())) == ["dense", "resize"]


def test_refusals_of_resizing() -> None:
    def refused(method: str = "bilinear", size: tuple[int, ...] = (4, 4), **settings: Any) -> list[str]:
        sketch = Sketch()
        sketch.conv(sketch.resize(sketch.input(4, size), 2, method, name="up"), 3, 1, name="map", **settings)
        return reasons(EXCHANGE_RESIZE, sketch.graph())

    assert refused(activation="relu") == ["'map' ends in relu, which does not pass a bilinear resize"]
    assert refused("nearest", activation="softmax") == ["'map' ends in softmax, which does not pass a nearest resize"]
    assert refused("lanczos3") == [
        "'up' resizes by 'lanczos3', which is not known to be linear with weights of sum one"
    ]
    assert refused(strides=(2, 2)) == []
    assert refused(padding=((1, 1), (1, 1))) == []
    sketch = Sketch()
    up = sketch.resize(sketch.input(4), name="up")
    graph = sketch.graph(sketch.conv(up, 3, 1), sketch.relu(up, name="act"))
    assert reasons(EXCHANGE_RESIZE, graph) == ["'up' is also read by 'act'"]
    sketch = Sketch(first=True)
    sketch.dense(sketch.resize(sketch.input(4), name="up"), 3, name="map")
    assert reasons(EXCHANGE_RESIZE, sketch.graph()) == ["'up' keeps axis 1, but 'map' contracts axis 3"]


@pytest.mark.parametrize("linear", POINTWISE)
@given(
    seed=st.integers(0, 99),
    first=st.booleans(),
    known=st.booleans(),
    padding=st.sampled_from(["valid", "same"]),
    size=st.sampled_from([2, 3]),
)
def test_after_a_pool_that_leaves_fewer_positions(
    linear: str, seed: int, first: bool, known: bool, padding: str, size: int
) -> None:
    sketch = Sketch(seed, first=first, known=known)
    sketch.relu(sketch.pool(POINTWISE[linear](sketch, sketch.input(4)), size, 2, padding=padding))
    assert ops(rewritten(EXCHANGE_POOL, sketch.graph()))[0] == "pool"


@given(seed=st.integers(0, 99), first=st.booleans(), outputs=st.sampled_from([2, 7]), before=st.booleans())
def test_a_pool_of_stride_one_goes_where_there_are_fewer_channels(
    seed: int, first: bool, outputs: int, before: bool
) -> None:
    sketch = Sketch(seed, first=first)
    edge = sketch.input(4)
    edge = sketch.pool(edge, 3, 1, padding="same") if before else sketch.conv(edge, outputs, 1)
    edge = sketch.conv(edge, outputs, 1) if before else sketch.pool(edge, 3, 1, padding="same")
    if (outputs < 4) == before:
        assert ops(rewritten(EXCHANGE_POOL, sketch.graph())) == (["conv", "pool"] if before else ["pool", "conv"])
    else:
        assert EXCHANGE_POOL.find(sketch.graph()) == []


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_after_a_global_average(first: bool, keepdims: bool, bias: bool) -> None:
    sketch = Sketch(first=first)
    conv = sketch.conv(sketch.input(4), 7, 1, bias=bias, name="map")
    axis = sketch.axis(4) if keepdims else 1
    sketch.node("global_pool", conv, kind_of_pool="average", keepdims=keepdims, channels_first=first, channel_axis=axis)
    assert ops(rewritten(EXCHANGE_POOL, sketch.graph())) == ["global_pool", "conv" if keepdims else "dense"]


@pytest.mark.parametrize("bias", [False, True])
def test_zeros_that_count_do_not_pass_a_bias(bias: bool) -> None:
    sketch = Sketch()
    conv = sketch.conv(sketch.input(4), 3, 1, bias=bias, name="map")
    sketch.pool(conv, 3, 2, padding=((1, 1), (1, 1)), counts_padding=True, name="pool")
    graph = sketch.graph()
    if bias:
        assert reasons(EXCHANGE_POOL, graph) == [
            "'pool' counts zeros of its padding, which the bias of 'map' does not pass"
        ]
    else:
        assert proposals(EXCHANGE_POOL, graph)[0].words == "apply 'map' after 'pool', where it costs less"
        rewritten(EXCHANGE_POOL, graph)


def test_refusals_of_pooling() -> None:
    sketch = Sketch()
    sketch.pool(sketch.conv(sketch.input(4), 3, 1, activation="relu", name="map"))
    assert reasons(EXCHANGE_POOL, sketch.graph()) == ["'map' ends in relu, which is not linear"]
    sketch = Sketch()
    sketch.pool(sketch.conv(sketch.input(4), 3, 1), kind="max")
    assert EXCHANGE_POOL.find(sketch.graph()) == []
    sketch = Sketch()
    conv = sketch.conv(sketch.input(4), 4, 1, groups=2, name="map")
    sketch.node("global_pool", conv, kind_of_pool="average", keepdims=False, channel_axis=1)
    assert reasons(EXCHANGE_POOL, sketch.graph()) == ["'map' is a grouped convolution"]
    sketch = Sketch()
    conv = sketch.conv(sketch.input(4), 4, 1, name="map")
    assert reasons(EXCHANGE_POOL, sketch.graph(sketch.pool(conv), conv)) == [
        "'map' is an output of the model, so its value must stay"
    ]


ELEMENTS: dict[str, Apply] = {
    "relu": lambda s, e: s.relu(e, name="map"),
    "norm": lambda s, e: s.norm(e, name="map"),
    "shift": lambda s, e: s.value("shift", e, name="map"),
    "gain": lambda s, e: s.value("gain", e, name="map"),
}


@pytest.mark.parametrize("name", ELEMENTS)
@pytest.mark.parametrize("method", ["nearest", "bilinear"])
@pytest.mark.parametrize("first", [False, True])
def test_maps_of_elements_go_before_an_enlargement(name: str, method: str, first: bool) -> None:
    sketch = Sketch(first=first)
    ELEMENTS[name](sketch, sketch.resize(sketch.input(4), 2, method, name="up"))
    graph = sketch.graph()
    if name == "relu" and method == "bilinear":
        assert reasons(BEFORE_RESIZE, graph) == ["'map' does not pass 'up', a bilinear resize"]
    else:
        assert proposals(BEFORE_RESIZE, graph)[0].words == "apply 'map' before 'up', to fewer elements"
        assert ops(rewritten(BEFORE_RESIZE, graph))[-1] == "resize"


def test_refusals_before_an_enlargement() -> None:
    sketch = Sketch()
    sketch.node("activation", sketch.resize(sketch.input(4)), function="softmax", name="act")
    assert reasons(BEFORE_RESIZE, sketch.graph()) == ["'act' is softmax, which is not known to treat elements alone"]
    sketch = Sketch()
    up = sketch.resize(sketch.input(4), name="up")
    graph = sketch.graph(sketch.relu(up), sketch.pool(up, name="pool"))
    assert reasons(BEFORE_RESIZE, graph) == ["'up' is also read by 'pool'"]
    sketch = Sketch()
    sketch.relu(sketch.resize(sketch.input(4, (4, 4)), 0.5))
    assert BEFORE_RESIZE.find(sketch.graph()) == []


MAPS: dict[str, Apply] = {
    "nearest": lambda s, e: s.resize(e, 2),
    "bilinear": lambda s, e: s.resize(e, 2, "bilinear"),
    "average": lambda s, e: s.pool(e, 3, 2, padding="same"),
    "global": lambda s, e: s.node("global_pool", e, kind_of_pool="average", keepdims=True),
    "pad": lambda s, e: s.node("pad", e, padding=((1, 2), (0, 1))),
    "crop": lambda s, e: s.node("crop", e, cropping=((1, 2), (0, 1))),
}


@pytest.mark.parametrize("name", MAPS)
@given(seed=st.integers(0, 99), count=st.integers(2, 3), rest=st.booleans(), first=st.booleans())
def test_terms_are_added_before_a_map_of_positions(name: str, seed: int, count: int, rest: bool, first: bool) -> None:
    sketch = Sketch(seed, first=first)
    terms = [MAPS[name](sketch, sketch.input(3, name=f"x{number}")) for number in range(count)]
    size = sketch.values[terms[0]].shape[2:] if first else sketch.values[terms[0]].shape[1:-1]
    sketch.add(*terms, *([sketch.input(3, size, name="y")] if rest else []))
    result = rewritten(GATHER, sketch.graph())
    assert len(ops(result)) == 2 + rest


def test_gather_words_and_refusals() -> None:
    sketch = Sketch()
    a, b = (sketch.resize(sketch.input(3, name=name), name=f"up_{name}") for name in "ab")
    sketch.add(a, b, name="sum")
    graph = sketch.graph()
    assert proposals(GATHER, graph)[0].words == "add before 'up_a' what 'up_a', 'up_b' gave to 'sum'"
    assert reasons(GATHER, sketch.graph(Edge("sum"), a)) == ["'up_a' is an output of the model, so its value must stay"]
    sketch = Sketch()
    a = sketch.resize(sketch.input(3, name="a"), method="nearest", name="up_a")
    b = sketch.resize(sketch.input(3, name="b"), method="bilinear", name="up_b")
    sketch.add(a, b)
    assert reasons(GATHER, sketch.graph()) == ["'up_a' and 'up_b' have different settings"]
    sketch = Sketch(known=False)
    sketch.add(*(sketch.resize(sketch.input(3, name=name)) for name in "ab"))
    assert reasons(GATHER, sketch.graph()) == ["the sizes of 'a' are unknown, and Add might broadcast them"]
