"""Split where a branch was enlarged."""

from typing import Any

from graphs import Sketch
from hypothesis import given
from hypothesis import strategies as st
from rules.checks import ops, proposals, reasons, rewritten

from addcat.graph import Edge
from addcat.rules.split_resized import SPLIT_RESIZED, SPLIT_WIDE


@given(
    seed=st.integers(0, 99),
    first=st.booleans(),
    known=st.booleans(),
    methods=st.lists(st.sampled_from(["nearest", "bilinear"]), min_size=1, max_size=3),
    activation=st.sampled_from(["linear", "relu"]),
    bias=st.booleans(),
)
def test_a_head_over_maps_of_several_sizes(
    seed: int, first: bool, known: bool, methods: list[str], activation: str, bias: bool
) -> None:
    sketch = Sketch(seed, first=first, known=known)
    branches = [sketch.input(2, (8, 8), name="full")]
    for number, method in enumerate(methods, start=1):
        small = sketch.input(2 + number, (8 // 2**number,) * 2, name=f"x{number}")
        branches.append(sketch.resize(small, 2**number, method))
    sketch.conv(sketch.concat(*branches), 3, 1, bias=bias, activation=activation)
    result = rewritten(SPLIT_RESIZED, sketch.graph(), inputs=sketch.inputs())
    for node in result.nodes.values():
        if node.op == "resize":
            assert result.nodes[node.inputs[0].node].op == "conv"
            assert node.channels == 3


@given(seed=st.integers(0, 99), first=st.booleans(), padding=st.sampled_from(["same", "valid"]))
def test_a_decoder_with_nearest_enlargement(seed: int, first: bool, padding: str) -> None:
    sketch = Sketch(seed, first=first)
    up = sketch.resize(sketch.input(4, (3, 4), name="deep"), 2, name="up")
    sketch.conv(sketch.concat(up, sketch.input(2, (6, 8), name="skip")), 3, 3, padding=padding, activation="relu")
    assert sorted(ops(rewritten(SPLIT_RESIZED, sketch.graph()))) == ["activation", "add", "conv", "conv_transpose"]


def test_words_and_refusals() -> None:
    def decoder(method: str, taps: int, **settings: Any) -> Sketch:
        sketch = Sketch()
        up = sketch.resize(sketch.input(4, (3, 4), name="deep"), 2, method, name="up")
        skip = sketch.input(2, (6, 8), name="skip")
        sketch.conv(sketch.concat(up, skip, name="cat"), 6, taps, name="head", **settings)
        return sketch

    (found,) = proposals(SPLIT_RESIZED, decoder("bilinear", 1).graph())
    assert found.words == "cut the kernel of 'head' at the branches of 'cat' and apply its parts before 'up'"
    assert found.nodes == ("head", "cat", "up")
    assert reasons(SPLIT_RESIZED, decoder("bilinear", 3).graph()) == ["'up' resizes by 'bilinear', not by nearest"]
    assert reasons(SPLIT_RESIZED, decoder("nearest", 3, groups=3).graph()) == ["'head' is a grouped convolution"]
    sketch = decoder("nearest", 3)
    sketch.relu(Edge("up"), name="act")
    assert reasons(SPLIT_RESIZED, sketch.graph(Edge("head"), Edge("act"))) == ["'up' is also read by 'act'"]
    sketch = decoder("nearest", 3)
    assert reasons(SPLIT_RESIZED, sketch.graph(Edge("head"), Edge("cat"))) == [
        "'cat' is an output of the model, so its value must stay"
    ]


def test_a_branch_that_cannot_be_done_small_stays_large() -> None:
    sketch = Sketch()
    up = sketch.resize(sketch.input(4, (3, 4), name="a"), 2, name="near")
    smooth = sketch.resize(sketch.input(4, (3, 4), name="b"), 2, "bilinear", name="smooth")
    sketch.conv(sketch.concat(up, smooth), 3, 3, name="head")
    graph = sketch.graph()
    assert proposals(SPLIT_RESIZED, graph)[0].nodes == ("head", "concat1", "near")
    assert sorted(ops(rewritten(SPLIT_RESIZED, graph))) == ["add", "conv", "conv_transpose", "resize"]


def uneven(seed: int = 0, *, first: bool = True, small: int = 1, activation: str = "linear") -> Sketch:
    sketch = Sketch(seed, first=first)
    few = sketch.resize(sketch.input(small, (4, 4), name="a"), 2, "bilinear", name="few")
    many = sketch.resize(sketch.input(3, (2, 2), name="b"), 4, "bilinear", name="many")
    full = sketch.input(2, (8, 8), name="full")
    sketch.conv(sketch.concat(few, many, full, name="cat"), 8, 1, name="head", activation=activation)
    return sketch


@given(seed=st.integers(0, 99), first=st.booleans(), activation=st.sampled_from(["linear", "relu"]))
def test_branches_of_few_channels_stay_joined(seed: int, first: bool, activation: str) -> None:
    sketch = uneven(seed, first=first, activation=activation)
    result = rewritten(SPLIT_WIDE, sketch.graph(), inputs=sketch.inputs())
    resized = {node.name: node.channels for node in result.nodes.values() if node.op == "resize"}
    assert sorted(resized.values()) == [1, 8]
    assert resized["few"] == 1
    assert [node.channels for node in result.nodes.values() if node.op == "concat"] == [3]
    (found,) = proposals(SPLIT_WIDE, sketch.graph())
    assert found.nodes == ("head", "cat", "many")
    assert found.words == "cut the kernel of 'head', apply its parts before 'many', and one to the other branches"


def test_without_branches_of_both_kinds_there_is_nothing_to_leave() -> None:
    assert reasons(SPLIT_WIDE, uneven(small=2).graph()) == []
