"""Split: exact for every consumer, refused with the node that stands in the way."""

from collections.abc import Callable
from typing import Any

import pytest
from graphs import Sketch
from hypothesis import given
from hypothesis import strategies as st
from rules.checks import ops, proposals, reasons, rewritten

from addcat.graph import Edge, Refusal
from addcat.rules import Proposal
from addcat.rules.split import SPLIT

SETTINGS = st.fixed_dictionaries(
    {
        "taps": st.sampled_from([1, 2, 3]),
        "padding": st.sampled_from(["same", "valid", ((1, 0), (0, 2))]),
        "strides": st.sampled_from([(1, 1), (2, 1), (2, 2)]),
        "dilation": st.sampled_from([(1, 1), (1, 2)]),
        "bias": st.booleans(),
        "activation": st.sampled_from(["linear", "relu"]),
    }
)


def joined(sketch: Sketch, sizes: list[int], size: tuple[int, ...] = (5, 6)) -> Edge:
    return sketch.concat(*(sketch.input(c, size, name=f"x{i}") for i, c in enumerate(sizes)), name="cat")


@given(
    seed=st.integers(0, 99),
    sizes=st.lists(st.integers(1, 4), min_size=2, max_size=4),
    first=st.booleans(),
    settings=SETTINGS,
)
def test_the_kernel_of_a_convolution_is_cut_at_the_branches(
    seed: int, sizes: list[int], first: bool, settings: dict[str, Any]
) -> None:
    sketch = Sketch(seed, first=first)
    sketch.conv(joined(sketch, sizes), 3, **settings, name="head")
    result = rewritten(SPLIT, sketch.graph())
    after = ["activation"] if settings["activation"] == "relu" else []
    assert ops(result) == [*["conv"] * len(sizes), "add", *after]
    assert sum("bias" in node.weights for node in result.nodes.values()) == settings["bias"], "the bias is added once"


@given(seed=st.integers(0, 99), sizes=st.lists(st.integers(1, 3), min_size=2, max_size=3), first=st.booleans())
def test_a_grouped_convolution_is_cut_between_its_groups_and_joined(seed: int, sizes: list[int], first: bool) -> None:
    sketch = Sketch(seed, first=first)
    cat = joined(sketch, [2 * size for size in sizes])
    sketch.conv(cat, 3 * sum(sizes), groups=sum(sizes), activation="relu", name="head")
    assert ops(rewritten(SPLIT, sketch.graph())) == [*["conv"] * len(sizes), "concat"]


@pytest.mark.parametrize("activation", ["linear", "relu", "softmax"])
@pytest.mark.parametrize("size", [(), (4,)])
def test_dense_is_cut_too(activation: str, size: tuple[int, ...]) -> None:
    sketch = Sketch()
    sketch.dense(joined(sketch, [2, 3], size), 5, activation=activation, name="head")
    result = rewritten(SPLIT, sketch.graph())
    assert ops(result)[:3] == ["dense", "dense", "add"]


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_transposed_and_separable_convolutions_are_cut_too(padding: str) -> None:
    sketch = Sketch()
    cat = joined(sketch, [2, 3])
    sketch.conv(cat, 4, op="conv_transpose", strides=(2, 2), padding=padding)
    weights = {"depthwise": sketch.draw(10, 1, 3, 3), "pointwise": sketch.draw(4, 10, 1, 1), "bias": sketch.draw(4)}
    settings = {"strides": (1, 1), "padding": padding, "dilation": (1, 1), "multiplier": 2}
    sketch.node("separable_conv", cat, weights=weights, **settings)
    graph = sketch.graph(Edge("conv_transpose1"), Edge("separable_conv1"))
    assert len(proposals(SPLIT, graph)) == 3
    assert "concat" in ops(rewritten(SPLIT, graph, "conv_transpose1"))
    assert "concat" in ops(rewritten(SPLIT, graph, "separable_conv1"))
    both = rewritten(SPLIT, graph, "cat")
    assert sorted(ops(both)) == ["add", "add", *["conv_transpose"] * 2, *["separable_conv"] * 2]


def test_all_readers_at_once_leave_no_concatenate() -> None:
    sketch = Sketch()
    cat = joined(sketch, [2, 3])
    sketch.conv(cat, 3, 1, name="left")
    sketch.conv(cat, 2, 3, name="right")
    graph = sketch.graph(Edge("left"), Edge("right"))
    found = proposals(SPLIT, graph)
    assert [one.words for one in found] == [
        "cut the kernels of 'left', 'right' at the 2 branches of 'cat', which is then not made",
        "cut the kernel of 'left' at the 2 branches of 'cat' and add the parts; 'cat' stays for 'right'",
        "cut the kernel of 'right' at the 2 branches of 'cat' and add the parts; 'cat' stays for 'left'",
    ]
    assert "concat" not in ops(rewritten(SPLIT, graph, "cat"))
    assert "concat" in ops(rewritten(SPLIT, graph, "left"))


def test_words() -> None:
    sketch = Sketch()
    sketch.conv(joined(sketch, [2, 3]), 3, name="head")
    (found,) = proposals(SPLIT, sketch.graph())
    assert (found.rule, found.site, found.nodes) == ("split", "head", ("head", "cat"))
    assert found.words == "cut the kernel of 'head' at the 2 branches of 'cat' and add the parts"
    assert {"head_part1", "head_part2"} < set(SPLIT.apply(sketch.graph(), found).nodes)


def refused(build: Callable[[Sketch, Edge], Any], sketch: Sketch | None = None) -> list[str]:
    sketch = sketch or Sketch()
    build(sketch, joined(sketch, [2, 3]))
    return reasons(SPLIT, sketch.graph())


def test_refusals() -> None:
    assert refused(lambda s, cat: s.conv(cat, 5, op="conv_transpose", activation="LeakyReLU", name="head")) == [
        "'head' ends in LeakyReLU, which cannot be set apart from it"
    ]
    assert refused(
        lambda s, cat: s.conv(s.concat(cat, s.input(1, name="z"), name="all"), 6, groups=2, name="head")
    ) == ["'cat' ends at channel 5, inside a group of 3 of 'head'"]
    assert refused(lambda s, cat: s.conv(cat, 10, groups=5, activation="softmax", name="head")) == [
        "'head' ends in softmax, which is not known to treat channels apart"
    ]
    assert refused(lambda s, cat: s.conv(cat, 5, name="head", masks=(True,))) == [
        "'head' reads a masked tensor, and the mask would be lost"
    ]
    assert refused(lambda s, cat: (s.conv(cat, 5, name="one", layer="w"), s.conv(cat, 5, name="two", layer="w"))) == [
        "'one' shares its weights between 'one', 'two', so they cannot change for one of them",
        "'one' shares its weights between 'one', 'two', so they cannot change for one of them",
        "'two' shares its weights between 'one', 'two', so they cannot change for one of them",
    ]
    assert refused(lambda s, cat: s.conv(cat, 4, name="head"), Sketch(dtype="int32")) == [
        "'head' computes in int32, where sums do not round but wrap"
    ]


def test_refused_on_another_axis() -> None:
    sketch = Sketch()
    sides = sketch.concat(sketch.input(3, name="a"), sketch.input(3, name="b"), axis=2, name="side")
    sketch.conv(sides, 2, name="head")
    assert reasons(SPLIT, sketch.graph()) == ["'side' joins axis 2, but 'head' contracts axis 3"]


def test_the_concatenate_stays_for_a_reader_that_is_no_linear_map() -> None:
    sketch = Sketch()
    cat = joined(sketch, [2, 3])
    head, pool = sketch.conv(cat, 2, name="head"), sketch.pool(cat, name="aux")
    graph = sketch.graph(head, pool)
    refusal, proposal = SPLIT.find(graph)
    assert refusal == Refusal("AC301", "cat", "'cat' is also read by 'aux', which is no linear map")
    assert isinstance(proposal, Proposal)
    assert proposal.words.endswith("and add the parts; 'cat' stays for 'aux'")


def test_an_output_of_the_model_stays() -> None:
    sketch = Sketch()
    cat = joined(sketch, [2, 3])
    sketch.conv(cat, 2, name="head")
    graph = sketch.graph(Edge("head"), cat)
    (found,) = proposals(SPLIT, graph)
    assert found.words.endswith("; 'cat' stays for the model's outputs")
    assert "concat" in ops(rewritten(SPLIT, graph))
    both = sketch.graph(sketch.conv(cat, 1, name="tail"), Edge("head"), cat)
    assert SPLIT.find(both)[0] == Refusal("AC301", "cat", "'cat' is an output of the model, so its value must stay")
