"""Copies of a cheap tensor, one for each reader."""

from typing import Any

import numpy as np
import pytest
from graphs import Sketch
from hypothesis import given
from hypothesis import strategies as st
from rules.checks import proposals, reasons, rewritten, same

from addcat.graph import Edge, Graph
from addcat.rules import recompute
from addcat.rules.recompute import RECOMPUTE


def drawn(
    seed: int = 0, *, first: bool = False, before: str = "norm", function: str = "relu", readers: int = 2, **more: Any
) -> Graph:
    sketch = Sketch(seed, first=first, dtype=more.get("dtype", "float64"))
    edge = sketch.input(3)
    for step in before.split():
        edge = sketch.norm(edge) if step == "norm" else sketch.value(step, edge)
    act = sketch.node("activation", edge, function=function, name="act")
    outputs = [sketch.conv(act, 2, 3, name=f"reader{number}") for number in range(1, readers + 1)]
    if "output" in more:
        outputs.append(act)
    if "other" in more:
        outputs.append(sketch.norm(act, name="other"))
    return sketch.graph(*outputs)


@given(
    seed=st.integers(0, 99),
    first=st.booleans(),
    before=st.sampled_from(["", "norm", "gain", "shift", "gain shift", "shift gain", "norm shift"]),
    readers=st.integers(2, 6),
)
def test_each_reader_gets_its_own(seed: int, first: bool, before: str, readers: int) -> None:
    graph = drawn(seed, first=first, before=before, readers=readers)
    result = rewritten(RECOMPUTE, graph)
    sources = {result.nodes[f"reader{number}"].inputs[0] for number in range(1, readers + 1)}
    assert len(sources) == readers
    assert all(len(result.readers(edge)) == 1 for edge in sources)


def test_copies_differ_so_that_no_runtime_joins_them() -> None:
    result = rewritten(RECOMPUTE, drawn(before="gain", readers=4))
    values = [node.weight("value") for node in result.nodes.values() if node.op == "gain"]
    assert len({float(value[0]) for value in values}) == 4
    ratios = [float(value[0] / values[0][0]) for value in values]
    assert sorted(ratios) == [0.5, 1.0, 2.0, 4.0]


def test_powers_of_two_change_no_digit() -> None:
    graph = drawn(before="gain", readers=3)
    x = {"x": np.random.default_rng(0).normal(size=(2, 5, 6, 3))}
    result = RECOMPUTE.apply(graph, proposals(RECOMPUTE, graph)[0])
    assert same(graph, result, tolerance=0.0, inputs=x)


def test_refusals_and_words() -> None:
    assert reasons(RECOMPUTE, drawn(function="tanh")) == []
    assert reasons(RECOMPUTE, drawn(readers=1)) == []
    assert reasons(RECOMPUTE, drawn(other=True)) == []
    assert reasons(RECOMPUTE, drawn(output=True)) == ["'act' is an output of the model, so its value must stay"]
    assert reasons(RECOMPUTE, drawn(readers=17)) == ["'act' is read 17 times"]
    assert reasons(RECOMPUTE, drawn(dtype="float16")) == [
        "'act' is of type float16, in which scaled copies may overflow"
    ]
    (found,) = proposals(RECOMPUTE, drawn())
    assert found.words == "compute 'act' anew for each of 'reader1', 'reader2' instead of keeping it"
    assert found.site == "reader1"


def test_a_shared_affine_map_stays() -> None:
    sketch = Sketch()
    norm = sketch.norm(sketch.input(3), name="norm")
    act = sketch.relu(norm)
    graph = sketch.graph(sketch.conv(act, 2, 1), sketch.conv(act, 3, 1), sketch.conv(norm, 2, 1))
    result = rewritten(RECOMPUTE, graph)
    assert sum(node.op == "batch_norm" for node in result.nodes.values()) == 1
    assert sum(node.op == "gain" for node in result.nodes.values()) == 1


def test_a_factor_that_is_not_taken_back_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = drawn()
    (found,) = proposals(RECOMPUTE, graph)
    monkeypatch.setattr(recompute, "_times", lambda array, _: array)
    assert not same(graph, RECOMPUTE.apply(graph, found))


def test_the_first_reader_keeps_the_original() -> None:
    result = rewritten(RECOMPUTE, drawn())
    assert result.nodes["reader1"].inputs == (Edge("act"),)
    assert result.nodes["reader2"].inputs == (Edge("act_copy2"),)
