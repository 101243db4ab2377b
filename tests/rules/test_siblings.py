"""Dense layers that read the same tokens as one product."""

from typing import Any

import pytest
from graphs import Sketch
from hypothesis import given
from hypothesis import strategies as st
from rules.checks import ops, proposals, reasons, rewritten

from addcat.graph import Graph
from addcat.rules.siblings import SIBLINGS


def attention(seed: int = 0, sizes: tuple[int, ...] = (4, 4, 4), **more: Any) -> Graph:
    s = Sketch(seed, first=True)
    tokens = s.node("permute", s.input(4, (6,)), order=(0, 2, 1), channel_axis=2, name="tokens")
    biased = more.get("biased", (True,) * len(sizes))
    names = [f"dense{number}" for number in range(1, len(sizes) + 1)]
    ends = {name: {"activation": more["end"]} if "end" in more and name == names[-1] else {} for name in names}
    edges = [
        s.dense(tokens, size, bias=bias, name=name, **ends[name])
        for size, bias, name in zip(sizes, biased, names, strict=True)
    ]
    return s.graph(*edges, *([s.relu(tokens, channel_axis=2)] if more.get("other") else []))


@given(
    seed=st.integers(0, 99),
    sizes=st.lists(st.integers(1, 5), min_size=2, max_size=4),
    data=st.data(),
    other=st.booleans(),
)
def test_siblings_are_the_parts_of_one_product(seed: int, sizes: list[int], data: st.DataObject, other: bool) -> None:
    biased = data.draw(st.lists(st.booleans(), min_size=len(sizes), max_size=len(sizes)))
    result = rewritten(SIBLINGS, attention(seed, tuple(sizes), biased=biased, other=other))
    assert sorted(ops(result)) == sorted(["permute", "dense", "split", *(["activation"] if other else [])])


@pytest.mark.parametrize("sizes", [(4,), ()])
def test_one_alone_has_no_siblings(sizes: tuple[int, ...]) -> None:
    assert reasons(SIBLINGS, attention(sizes=sizes, other=True)) == []


def test_rows_without_positions_are_left() -> None:
    s = Sketch(first=True)
    x = s.input(4, ())
    assert reasons(SIBLINGS, s.graph(s.dense(x, 2), s.dense(x, 3))) == []


def test_refusals_and_words() -> None:
    assert reasons(SIBLINGS, attention(end="relu")) == ["'dense3' ends in relu, which is not linear"]
    (found,) = proposals(SIBLINGS, attention())
    assert found.site == "dense1"
    assert found.words == "make one product of 'dense1', 'dense2', 'dense3', and cut what it gives"
