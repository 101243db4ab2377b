"""Functions that are spelled out get their name, and keep all their parts."""

from math import pi
from typing import Any

import numpy as np
import pytest
from graphs import Sketch
from hypothesis import given
from hypothesis import strategies as st
from rules.checks import ops, proposals, reasons, rewritten
from rules.examples import constant

from addcat.graph import Edge, Graph
from addcat.rules.affine_before import AFFINE_BEFORE
from addcat.rules.named import NAMED

SPELLINGS = ("behind", "at x", "at the gate", "silu")


def near(s: Sketch, x: Edge, *, cubic: float, turned: bool) -> Edge:
    """Tanh of √(2/π) (x + 0.044715 x³)."""
    square = s.node("multiply", x, x, name="square")
    cube = s.node("multiply", *((square, x) if turned else (x, square)), name="cube")
    terms = (x, constant(s, "gain", cube, cubic, name="cubic"))
    both = s.node("add", *(terms[::-1] if turned else terms), name="both")
    return s.node("activation", constant(s, "gain", both, (2 / pi) ** 0.5, name="slope"), function="tanh", name="tanh")


def spelled(spelling: str, seed: int = 0, *, turned: bool = False, root: float = 0.5**0.5, **more: Any) -> Graph:
    s = Sketch(seed, first=True)
    x = s.relu(s.input(4), name="x0")
    if spelling == "silu":
        factors = [x, s.node("activation", x, function="sigmoid", name="gate")]
    else:
        if "cubic" in more:
            inner = near(s, x, cubic=more["cubic"], turned=turned)
        else:
            inner = s.node("activation", constant(s, "gain", x, root, name="root"), function="erf", name="erf")
        gate = constant(s, "shift", inner, 1.0, name="one")
        half = "half" if spelling == "at x" else ""
        factors = [
            constant(s, "gain", x, 0.5, name=half) if half else x,
            constant(s, "gain", gate, 0.5, name="half") if spelling == "at the gate" else gate,
        ]
    end = s.node("multiply", *(factors[::-1] if turned else factors), name="product")
    if spelling == "behind":
        end = constant(s, "gain", end, 0.5, name="half")
    last = s.conv(end, 2, 1, name="conv")
    return s.graph(last, *(Edge(name) for name in more.get("outputs", ())))


@given(spelling=st.sampled_from(SPELLINGS), seed=st.integers(0, 99), turned=st.booleans())
def test_each_spelling_gets_its_name(spelling: str, seed: int, turned: bool) -> None:
    result = rewritten(NAMED, spelled(spelling, seed, turned=turned))
    assert ops(result) == ["activation", "activation", "conv"]
    name = "silu" if spelling == "silu" else "gelu"
    assert [node.attrs["function"] for node in result.nodes.values() if node.op == "activation"] == ["relu", name]


@given(spelling=st.sampled_from([*SPELLINGS[:3], "no half"]), seed=st.integers(0, 99), turned=st.booleans())
def test_so_does_the_function_that_is_nearly_gelu(spelling: str, seed: int, turned: bool) -> None:
    result = rewritten(NAMED, spelled(spelling, seed, turned=turned, cubic=0.044715))
    times = ["gain"] if spelling == "no half" else []
    assert ops(result) == ["activation", "activation", *times, "conv"]
    assert "gelu_tanh" in [node.attrs.get("function") for node in result.nodes.values()]


def test_another_cube_is_another_function() -> None:
    assert reasons(NAMED, spelled("behind", cubic=0.0447)) == []


@given(seed=st.integers(0, 99), turned=st.booleans())
def test_without_its_half_it_is_twice_the_function(seed: int, turned: bool) -> None:
    """As it is where another tool took the half into the layer behind, which then takes the two in."""
    result = rewritten(NAMED, spelled("no half", seed, turned=turned))
    assert ops(result) == ["activation", "activation", "gain", "conv"]
    assert [node.attrs.get("function") for node in result.nodes.values()][2] == "gelu"
    assert ops(rewritten(AFFINE_BEFORE, result)) == ["activation", "activation", "conv"]
    (found,) = proposals(NAMED, spelled("no half"))
    assert found.words == "name what ends in 'product' 2 gelu"


def test_its_half_is_no_factor_of_the_layer_behind() -> None:
    graph = spelled("behind")
    assert proposals(AFFINE_BEFORE, graph)
    assert not AFFINE_BEFORE.find(rewritten(NAMED, graph))


@pytest.mark.parametrize("root", [0.7, -(0.5**0.5), 0.5**0.5 * (1 + 1e-7)])
def test_another_number_is_another_function(root: float) -> None:
    assert reasons(NAMED, spelled("behind", root=root)) == []


def test_the_number_as_the_type_rounds_it() -> None:
    graph = spelled("behind")
    held = np.asarray(1 / np.float32(np.sqrt(2)), np.float32)
    assert proposals(NAMED, graph.edit(put=[graph.nodes["root"].edit(weights={"value": held})]))


@pytest.mark.parametrize("name", ["root", "erf", "one", "product"])
def test_a_part_that_is_an_output_stays(name: str) -> None:
    assert reasons(NAMED, spelled("behind", outputs=[name])) == [
        f"{name!r} is an output of the model, so its value must stay"
    ]


def test_another_tensor_at_the_gate_is_no_such_function() -> None:
    s = Sketch(first=True)
    x, y = s.relu(s.input(4), name="left"), s.relu(s.input(4, name="y"), name="right")
    s.node("multiply", x, s.node("activation", y, function="sigmoid"))
    assert reasons(NAMED, s.graph()) == []


def test_words() -> None:
    (found,) = proposals(NAMED, spelled("behind"))
    assert found.words == "name what ends in 'half' gelu"
    assert set(found.nodes) == {"half", "product", "one", "erf", "root"}
