"""The order of the terms of a sum."""

from graphs import Sketch
from hypothesis import given
from hypothesis import strategies as st
from rules.checks import proposals, reasons, rewritten

from addcat.graph import Edge, Graph
from addcat.rules.sum_order import DEEPEST_LAST, LINEAR_LAST


def terms(graph: Graph) -> list[str]:
    return [edge.node for edge in graph.nodes["sum"].inputs]


@given(seed=st.integers(0, 99), first=st.booleans(), order=st.permutations(["a", "b", "c", "d"]))
def test_linear_maps_go_last_and_stay_in_order(seed: int, first: bool, order: list[str]) -> None:
    sketch = Sketch(seed, first=first)
    x = sketch.input(3, (4, 4))
    made = {name: sketch.conv(x, 2, 1, name=name) for name in "ab"}
    made |= {name: sketch.relu(sketch.conv(x, 2, 3), name=name) for name in "cd"}
    sketch.add(*(made[name] for name in order), name="sum")
    graph = sketch.graph()
    expected = [*(name for name in order if name in "cd"), *(name for name in order if name in "ab")]
    if order == expected:
        assert reasons(LINEAR_LAST, graph) == []
        return
    assert terms(rewritten(LINEAR_LAST, graph)) == expected
    (found,) = proposals(LINEAR_LAST, graph)
    assert found.words == f"add {expected[0]!r} first and {expected[-1]!r} last in 'sum'"


@given(seed=st.integers(0, 99), first=st.booleans(), order=st.permutations([0, 1, 2, 3]))
def test_the_deepest_term_goes_last_and_the_next_first(seed: int, first: bool, order: list[int]) -> None:
    sketch = Sketch(seed, first=first)
    chain = [sketch.relu(sketch.input(2, (4, 4)), name="depth0")]
    for depth in range(1, 4):
        chain.append(sketch.conv(chain[-1], 2, 3, name=f"depth{depth}"))
    sketch.add(*(chain[depth] for depth in order), name="sum")
    graph = sketch.graph()
    if order == [2, 1, 0, 3]:
        assert reasons(DEEPEST_LAST, graph) == []
    else:
        assert terms(rewritten(DEEPEST_LAST, graph)) == ["depth2", "depth1", "depth0", "depth3"]


def test_two_terms_stay() -> None:
    sketch = Sketch()
    x = sketch.input(2, (4, 4))
    sketch.add(sketch.conv(x, 2, 1), sketch.relu(x), name="sum")
    graph = sketch.graph(Edge("sum"))
    assert reasons(LINEAR_LAST, graph) == reasons(DEEPEST_LAST, graph) == []
