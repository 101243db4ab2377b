"""The order of the terms of a sum."""

from graphs import Sketch
from hypothesis import given
from hypothesis import strategies as st
from rules.checks import proposals, reasons, rewritten

from addcat.graph import Edge, Graph
from addcat.rules.sum_order import LINEAR_LAST


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


def test_two_terms_stay() -> None:
    sketch = Sketch()
    x = sketch.input(2, (4, 4))
    sketch.add(sketch.conv(x, 2, 1), sketch.relu(x), name="sum")
    graph = sketch.graph(Edge("sum"))
    assert reasons(LINEAR_LAST, graph) == []
