"""Rules that leave less to do in every case: flatten, passing, twice, cancel."""

from dataclasses import replace

import numpy as np
import pytest
from graphs import Sketch
from hypothesis import given
from hypothesis import strategies as st
from rules.checks import ops, proposals, reasons, rewritten

from addcat.graph import Array, Edge, Graph, Tensor
from addcat.rules.cancel import CANCEL
from addcat.rules.flatten import FLATTEN
from addcat.rules.passing import PASSING
from addcat.rules.twice import TWICE


def inputs(sketch: Sketch, count: int, channels: int = 3) -> list[Edge]:
    return [sketch.input(channels, name=f"x{number}") for number in range(count)]


@pytest.mark.parametrize("op", ["concat", "add", "multiply", "maximum", "minimum"])
@given(seed=st.integers(0, 99), before=st.integers(0, 2), after=st.integers(0, 2), first=st.booleans())
def test_flatten(op: str, seed: int, before: int, after: int, first: bool) -> None:
    sketch = Sketch(seed, first=first)
    edges = inputs(sketch, before + after + 2)
    attrs = {"axis": sketch.axis(4)} if op == "concat" else {}
    inner = sketch.node(op, *edges[:2], **attrs)
    sketch.node(op, *edges[2 : 2 + before], inner, *edges[2 + before :], **attrs)
    result = rewritten(FLATTEN, sketch.graph())
    assert ops(result) == [op]
    assert len(result.nodes[result.outputs[0].node].inputs) == before + after + 2


def test_flatten_keeps_a_concatenate_that_others_read() -> None:
    sketch = Sketch()
    a, b, c = inputs(sketch, 3)
    inner = sketch.concat(a, b, name="inner")
    graph = sketch.graph(sketch.concat(inner, c, inner, name="outer"), sketch.relu(inner))
    result = rewritten(FLATTEN, graph)
    assert result.nodes["outer_flat"].inputs == (a, b, c, a, b)
    assert "inner" in result.nodes
    assert proposals(FLATTEN, graph)[0].words == "'outer' reads the inputs of 'inner' itself"


def test_flatten_refusals() -> None:
    sketch = Sketch()
    a, b, c = inputs(sketch, 3)
    inner = sketch.add(a, b, name="inner")
    graph = sketch.graph(sketch.add(inner, c), sketch.relu(inner, name="act"))
    assert reasons(FLATTEN, graph) == ["'inner' is also read by 'act'"]
    sketch = Sketch()
    a, b = inputs(sketch, 2)
    gate = sketch.input(3, (1, 1), name="gate")
    sketch.add(sketch.add(a, gate, name="inner"), b, name="outer")
    assert reasons(FLATTEN, sketch.graph()) == ["'inner' broadcasts 'gate'"]
    sketch = Sketch()
    a, b = inputs(sketch, 2)
    sketch.concat(sketch.concat(a, b), a, name="outer", masks=(True,))
    assert reasons(FLATTEN, sketch.graph()) == ["'outer' reads a masked tensor, and the mask would be lost"]
    sketch = Sketch()
    a, b = inputs(sketch, 2)
    sketch.concat(sketch.concat(a, b, axis=1), sketch.concat(b, a, axis=1), axis=3)
    assert reasons(FLATTEN, sketch.graph()) == []


@pytest.mark.parametrize(
    ("op", "attrs"),
    [
        ("add", {}),
        ("concat", {"axis": -1}),
        ("average", {}),
        ("maximum", {}),
        ("identity", {}),
        ("dropout", {}),
        ("activation", {"function": "linear"}),
        ("pool", {"kind_of_pool": "max", "size": (1, 1), "strides": (1, 1), "padding": "same"}),
        ("resize", {"factor": (1, 1), "method": "bilinear"}),
        ("pad", {"padding": ((0, 0), (0, 0))}),
        ("crop", {"cropping": ((0, 0), (0, 0))}),
    ],
)
def test_passing(op: str, attrs: dict[str, object]) -> None:
    sketch = Sketch()
    sketch.relu(sketch.node(op, sketch.input(), name="it", **attrs))
    graph = sketch.graph()
    assert proposals(PASSING, graph)[0].words == "leave out 'it', which gives what it reads"
    assert ops(rewritten(PASSING, graph)) == ["activation"]


@pytest.mark.parametrize(("op", "nothing"), [("gain", 1.0), ("shift", 0.0)])
@pytest.mark.parametrize("size", [(), (3,)])
def test_a_product_with_ones_and_a_sum_with_zeros_pass(op: str, nothing: float, size: tuple[int, ...]) -> None:
    def graph(value: Array) -> Graph:
        sketch = Sketch()
        weights = {"value": value.astype(np.float32)}
        sketch.relu(sketch.node(op, sketch.relu(sketch.input(3)), name="it", weights=weights))
        return sketch.graph()

    assert ops(rewritten(PASSING, graph(np.full(size, nothing)))) == ["activation", "activation"]
    other = np.full(size, nothing)
    other.flat[-1] += 0.5
    assert reasons(PASSING, graph(other)) == []


def test_a_product_with_ones_that_repeats_what_it_reads_stays() -> None:
    sketch = Sketch()
    one = sketch.node("gain", sketch.relu(sketch.input(1)), name="it", weights={"value": np.ones(1, np.float32)})
    sketch.relu(one)
    graph = sketch.graph()
    assert proposals(PASSING, graph)
    it = graph.nodes["it"]
    wide = replace(it, outputs=(Tensor((*it.shape[:-1], 3), it.outputs[0].dtype),))
    assert reasons(PASSING, graph.edit(put=[wide])) == []


def test_passing_refusals() -> None:
    sketch = Sketch()
    sketch.add(sketch.input(), name="sum")
    assert reasons(PASSING, sketch.graph()) == [
        "'sum' is an output of the model of its own, which 'x' cannot stand for"
    ]
    sketch = Sketch()
    sketch.relu(sketch.node("dropout", sketch.input(), name="drop", masks=(True,)))
    assert reasons(PASSING, sketch.graph()) == ["'drop' reads a masked tensor, and the mask would be lost"]
    sketch = Sketch()
    x = sketch.input()
    sketch.relu(sketch.pool(x, 1, 2))
    sketch.resize(x, 2)
    assert reasons(PASSING, sketch.graph()) == []


@given(
    seed=st.integers(0, 99),
    order=st.lists(st.integers(0, 2), min_size=2, max_size=5).filter(lambda o: len(set(o)) < len(o)),
    op=st.sampled_from(["add", "maximum", "minimum"]),
)
def test_twice_in_a_merge(seed: int, order: list[int], op: str) -> None:
    sketch = Sketch(seed)
    edges = [sketch.relu(edge) for edge in inputs(sketch, 3)]
    sketch.relu(sketch.node(op, *(edges[i] for i in order)))
    result = rewritten(TWICE, sketch.graph())
    assert all(len(set(node.inputs)) == len(node.inputs) for node in result.nodes.values())


@given(
    seed=st.integers(0, 99),
    order=st.lists(st.integers(0, 2), min_size=2, max_size=5).filter(lambda o: len(set(o)) < len(o)),
    first=st.booleans(),
    bias=st.booleans(),
)
def test_twice_before_a_linear_map(seed: int, order: list[int], first: bool, bias: bool) -> None:
    sketch = Sketch(seed, first=first)
    edges = [sketch.input(channels, name=f"x{channels}") for channels in (1, 2, 3)]
    sketch.conv(sketch.concat(*(edges[i] for i in order)), 4, activation="relu", bias=bias, name="head")
    result = rewritten(TWICE, sketch.graph())
    assert result.nodes["head"].weights["kernel"].shape[1] == sum(i + 1 for i in set(order))
    assert result.nodes["head"].edited


def test_twice_words_and_refusals() -> None:
    sketch = Sketch()
    (x,) = inputs(sketch, 1)
    sketch.add(x, x, name="double")
    (found,) = proposals(TWICE, sketch.graph())
    assert found.words == "'double' reads 'x0' once, scaled"
    sketch = Sketch(dtype="int32")
    (x,) = inputs(sketch, 1)
    sketch.add(x, x, name="double")
    assert reasons(TWICE, sketch.graph()) == ["'double' computes in int32, where sums do not round but wrap"]
    sketch = Sketch()
    (x,) = inputs(sketch, 1)
    sketch.node("maximum", x, x, name="same")
    assert reasons(TWICE, sketch.graph()) == [
        "'same' is an output of the model of its own, which 'x0' cannot stand for"
    ]
    sketch = Sketch()
    (x,) = inputs(sketch, 1)
    sketch.conv(sketch.concat(x, x), 3, name="head")
    (found,) = proposals(TWICE, sketch.graph())
    assert found.words == "'head' reads 'x0' once, with the columns of its kernel for them added"


@given(
    seed=st.integers(0, 99),
    sizes=st.lists(st.integers(1, 3), min_size=2, max_size=4),
    keep=st.lists(st.booleans(), min_size=3, max_size=3),
    first=st.booleans(),
)
def test_a_split_of_a_concatenate_cancels(seed: int, sizes: list[int], keep: list[bool], first: bool) -> None:
    sketch = Sketch(seed, first=first)
    edges = [sketch.relu(sketch.input(c, name=f"x{i}")) for i, c in enumerate(sizes)]
    parts = [0]
    for size, cut in zip(sizes, [True, *keep], strict=False):
        parts = [*parts, size] if cut else [*parts[:-1], parts[-1] + size]
    parts = parts[1:]
    split = sketch.node("split", sketch.concat(*edges), axis=sketch.axis(4), sizes=tuple(parts), name="cut")
    outputs = [Edge(split.node, number) for number in range(len(parts))]
    result = rewritten(CANCEL, sketch.graph(*(sketch.relu(edge) for edge in outputs)))
    assert "split" not in ops(result)


@given(seed=st.integers(0, 99), sizes=st.lists(st.integers(1, 3), min_size=2, max_size=4), first=st.booleans())
def test_a_concatenate_of_a_split_cancels(seed: int, sizes: list[int], first: bool) -> None:
    sketch = Sketch(seed, first=first)
    x, y = sketch.input(sum(sizes), name="x"), sketch.input(1, name="y")
    axis = sketch.axis(4)
    split = sketch.node("split", sketch.relu(x), axis=axis - 4, sizes=tuple(sizes), name="cut")
    sketch.concat(y, *(Edge(split.node, number) for number in range(len(sizes))), name="cat")
    result = rewritten(CANCEL, sketch.graph())
    assert ops(result) == ["activation", "concat"]
    sketch.relu(Edge("cut", 0), name="also")
    kept = rewritten(CANCEL, sketch.graph(Edge("cat"), Edge("also")))
    assert "split" in ops(kept)


def test_cancel_words_and_refusals() -> None:
    sketch = Sketch()
    a, b = inputs(sketch, 2)
    cat = sketch.concat(a, b, name="cat")
    cut = sketch.node("split", cat, axis=3, sizes=(2, 4), name="cut")
    graph = sketch.graph(cut, Edge("cut", 1))
    assert reasons(CANCEL, graph) == ["'cut' cuts at 2, inside a branch of 'cat'"]
    other = sketch.node("split", cat, axis=1, sizes=(2, 3), name="rows")
    assert reasons(CANCEL, sketch.graph(other)) == [
        "'cut' cuts at 2, inside a branch of 'cat'",
        "'cat' joins axis 3, but 'rows' cuts axis 1",
    ]
    sketch = Sketch()
    (x,) = inputs(sketch, 1, 4)
    cut = sketch.node("split", x, axis=3, sizes=(2, 2), name="cut")
    back = sketch.concat(Edge("cut", 1), cut, name="swapped")
    assert reasons(CANCEL, sketch.graph(back)) == [
        "'swapped' does not join all parts of 'cut' in order along the axis that it cuts"
    ]
    whole = sketch.concat(cut, Edge("cut", 1), name="whole")
    (found,) = proposals(CANCEL, sketch.graph(whole))
    assert found.words == "'whole' undoes 'cut': read what was cut"
    sketch = Sketch()
    a, b = inputs(sketch, 2)
    cut = sketch.node("split", sketch.concat(a, b, name="cat"), axis=3, sizes=(3, 3), name="cut")
    assert reasons(CANCEL, sketch.graph(cut, Edge("cut", 1))) == [
        "'cut' is an output of the model of its own, which 'x0' cannot stand for"
    ]
    graph = sketch.graph(sketch.relu(cut))
    assert proposals(CANCEL, graph)[0].words == "'cut' undoes 'cat': read its branches"
