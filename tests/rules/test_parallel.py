"""Parallel linear maps of one tensor: added, and concatenated."""

from collections.abc import Callable
from typing import Any

import pytest
from graphs import Sketch
from hypothesis import assume, given
from hypothesis import strategies as st
from rules.checks import ops, proposals, reasons, rewritten

from addcat.graph import Edge, Graph
from addcat.rules.affine_after import AFFINE_AFTER
from addcat.rules.fold import FOLD
from addcat.rules.stack import STACK

ODD = st.sampled_from([1, 3, (1, 3), (3, 1), 5])


@given(
    seed=st.integers(0, 99),
    first=st.booleans(),
    known=st.booleans(),
    taps=st.lists(ODD, min_size=1, max_size=3),
    dilation=st.sampled_from([(1, 1), (2, 2)]),
    groups=st.sampled_from([1, 2]),
    bias=st.booleans(),
    link=st.integers(0, 2),
    norm=st.booleans(),
    other=st.booleans(),
)
def test_fold_with_links(
    seed: int, first: bool, known: bool, taps: list[Any], dilation: Any, groups: int, bias: bool, link: int,
    norm: bool, other: bool,
) -> None:  # fmt: skip
    sketch = Sketch(seed, first=first, known=known)
    x = sketch.input(4)
    terms = [sketch.conv(x, 4, k, dilation=dilation, groups=groups, bias=bias) for k in taps]
    terms += [x] * link + ([sketch.norm(x)] if norm else []) + ([sketch.input(4, name="y")] if other else [])
    assume(len(terms) - other > 1)
    sketch.add(*(terms[place] for place in sketch.random.permutation(len(terms))))
    result = rewritten(FOLD, sketch.graph())
    assert ops(result) == ["conv", *(["add"] if other else [])]


@given(seed=st.integers(0, 99), first=st.booleans(), taps=st.tuples(ODD, ODD), size=st.sampled_from([(5, 6), (4, 8)]))
def test_fold_of_strided_branches_lays_taps_where_they_read(
    seed: int, first: bool, taps: tuple[Any, Any], size: tuple[int, int]
) -> None:
    sketch = Sketch(seed, first=first)
    x = sketch.input(3, size)
    sketch.add(*(sketch.conv(x, 4, k, strides=(2, 2)) for k in taps))
    assert ops(rewritten(FOLD, sketch.graph())) == ["conv"]


@pytest.mark.parametrize("first", [False, True])
def test_fold_of_depthwise_and_dense(first: bool) -> None:
    sketch = Sketch(first=first)
    x = sketch.input(4)
    sketch.add(sketch.depthwise(x, 3), sketch.depthwise(x, 1), x, sketch.norm(x))
    assert ops(rewritten(FOLD, sketch.graph())) == ["depthwise_conv"]
    sketch = Sketch(first=first)
    x = sketch.input(4, ())
    sketch.add(sketch.dense(x, 4), sketch.dense(x, 4, bias=False), x, sketch.norm(x))
    assert ops(rewritten(FOLD, sketch.graph())) == ["dense"]


def test_a_block_of_repvgg_becomes_one_convolution() -> None:
    sketch = Sketch(first=True)
    x = sketch.input(4)
    three = sketch.norm(sketch.conv(x, 4, 3, bias=False, padding=((1, 1), (1, 1))))
    one = sketch.norm(sketch.conv(x, 4, 1, bias=False, padding=((0, 0), (0, 0))))
    sketch.relu(sketch.add(three, one, sketch.norm(x), name="sum"))
    graph = sketch.graph()
    for site in ("batch_norm1", "batch_norm2"):
        graph = rewritten(AFFINE_AFTER, graph, site)
    result = rewritten(FOLD, graph)
    assert ops(result) == ["conv", "activation"]
    assert result.nodes["sum_folded"].attrs["padding"] == ((1, 1), (1, 1))


def test_fold_in_words_and_its_refusals() -> None:
    def sketched(build: Callable[[Sketch, Edge], Any], **settings: Any) -> Graph:
        sketch = Sketch(**settings)
        x = sketch.input(4, (6, 6))
        sketch.add(*build(sketch, x), name="sum")
        return sketch.graph()

    graph = sketched(lambda s, x: (s.conv(x, 4, 3, name="a"), s.norm(x, name="bn"), x))
    assert proposals(FOLD, graph)[0].words == "fold 'a', 'bn' and its link to 'x' into one map before 'sum'"
    assert rewritten(FOLD, graph).nodes["sum_folded"].attrs["padding"] == "same"
    for build, reason in {
        (lambda s, x: (s.conv(x, 4, 3, name="a", groups=2), s.conv(x, 4, 3, name="b"))): (
            "'a' and 'b' have different groups or are of different kinds"
        ),
        (lambda s, x: (s.conv(x, 4, 3, name="a", dilation=(2, 2)), s.conv(x, 4, 3, name="b"))): (
            "the dilations of 'a' and 'b' differ"
        ),
        (lambda s, x: (s.conv(x, 4, 3, name="a"), s.conv(x, 1, 3, name="b"))): "'sum' broadcasts 'b'",
        (lambda s, x: (s.conv(x, 1, 3, name="a"), x)): "'sum' broadcasts 'a'",
        (lambda s, x: (s.conv(x, 4, 3, name="a", padding=((3, 1), (1, 1)), dilation=(2, 1)), x)): (
            "the taps of 'a' and the identity link lie on different grids"
        ),
    }.items():
        assert reasons(FOLD, sketched(build)) == [reason]
    sketch = Sketch()
    x = sketch.input(4)
    a = sketch.conv(x, 4, name="a")
    sketch.add(a, sketch.conv(x, 4, name="b"))
    sketch.relu(a, name="act")
    assert reasons(FOLD, sketch.graph(Edge("add1"), Edge("act"))) == ["'a' is also read by 'act'"]
    unknown = sketched(
        lambda s, x: (s.conv(x, 4, 3, strides=(2, 2), name="a"), s.conv(x, 4, 1, strides=(2, 2))), known=False
    )
    assert reasons(FOLD, unknown) == ["the padding of 'a' depends on a size that is unknown"]
    uneven = sketched(
        lambda s, x: (
            s.conv(x, 4, 3, strides=(2, 2), padding=((1, 0), (1, 1)), name="a"),
            s.conv(x, 4, 1, strides=(2, 2), padding=((0, 0), (0, 0)), name="b"),
        ),
        known=False,
    )
    assert reasons(FOLD, uneven) == ["'a' and 'b' may differ in size, which is unknown"]


@given(
    seed=st.integers(0, 99),
    first=st.booleans(),
    known=st.booleans(),
    taps=st.lists(ODD, min_size=2, max_size=3),
    bias=st.lists(st.booleans(), min_size=3, max_size=3),
    before=st.booleans(),
    after=st.booleans(),
    activation=st.sampled_from(["linear", "relu"]),
)
def test_stack(
    seed: int, first: bool, known: bool, taps: list[Any], bias: list[bool], before: bool, after: bool, activation: str
) -> None:
    sketch = Sketch(seed, first=first, known=known)
    x = sketch.input(3)
    convs = [
        sketch.conv(x, 2 + i, k, bias=biased, activation=activation)
        for i, (k, biased) in enumerate(zip(taps, bias, strict=False))
    ]
    sketch.concat(*([x] if before else []), *convs, *([x] if after else []))
    result = rewritten(STACK, sketch.graph())
    assert ops(result) == ["conv", *(["concat"] if before or after else [])]


def test_stack_of_dense_layers_its_words_and_refusals() -> None:
    def sketched(build: Callable[[Sketch, Edge], Any], **attrs: Any) -> Graph:
        sketch = Sketch()
        sketch.concat(*build(sketch, sketch.input(4)), name="cat", **attrs)
        return sketch.graph()

    graph = sketched(lambda s, x: (s.dense(x, 2, name="a"), s.dense(x, 3, name="b")))
    assert proposals(STACK, graph)[0].words == "stack 'a', 'b', which read the same tensor and are joined by 'cat'"
    assert ops(rewritten(STACK, graph)) == ["dense"]
    for build, reason in {
        (lambda s, x: (s.conv(x, 4, 3, name="a", groups=2), s.conv(x, 4, 3))): "'a' is a grouped convolution",
        (lambda s, x: (s.conv(x, 4, name="a", activation="relu"), s.conv(x, 4, name="b"))): (
            "'a' ends in relu, 'b' in linear"
        ),
        (lambda s, x: (s.conv(x, 2, name="a", activation="softmax"), s.conv(x, 2, activation="softmax"))): (
            "'a' ends in softmax, which is not known to treat channels apart"
        ),
        (lambda s, x: [s.conv(x, 4, name="a"), s.relu(Edge("a"), name="act"), s.conv(x, 2)][::2]): (
            "'a' is also read by 'act'"
        ),
    }.items():
        assert reasons(STACK, sketched(build)) == [reason]
    rows = sketched(lambda s, x: (s.conv(x, 4, name="a"), s.conv(x, 4)), axis=1)
    assert reasons(STACK, rows) == ["'cat' joins axis 1, which is not the channels of 'a'"]
    apart = sketched(lambda s, x: (s.conv(x, 2), x, s.conv(x, 2)))
    assert STACK.find(apart) == []
