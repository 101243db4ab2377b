"""A feed-forward block of tokens with a convolution inside, as in SegFormer, through the rules and back."""

import numpy as np
import onnx
import pytest

from addcat.doors.onnx.read import read
from addcat.doors.onnx.write import to_proto, write
from addcat.rules import RULES, Proposal
from addcat.rules.exchange_layout import EXCHANGE_LAYOUT
from addcat.verbs.optimize.candidates import tidy
from tests.doors.onnx.models import model
from tests.doors.onnx.test_round_trip import run

KINDS = {"float16": 1e-2, "float32": 1e-5}


def block(kind="float32"):
    rng = np.random.default_rng(0)
    weights = {
        **{"w1": rng.standard_normal((6, 12)), "b1": rng.standard_normal(12), "w2": rng.standard_normal((12, 6))},
        **{"k": rng.standard_normal((12, 1, 3, 3)), "kb": rng.standard_normal(12), "b2": rng.standard_normal(6)},
        **{"root": np.sqrt(2.0), "one": np.ones(()), "half": np.full((), 0.5)},
    }
    sizes = {"image": [0, 12, 4, 5], "rows": [0, 12, 20]}
    name = {"float32": "float"}.get(kind, kind)
    return model(
        f"""g ({name}[N,20,6] x) => ({name}[N,20,6] y) {{
            p1 = MatMul(x, w1)
            a1 = Add(p1, b1)
            t1 = Transpose<perm=[0,2,1]>(a1)
            i1 = Reshape(t1, image)
            c = Conv<pads=[1,1,1,1], group=12>(i1, k, kb)
            f = Reshape(c, rows)
            t2 = Transpose<perm=[0,2,1]>(f)
            d = Div(t2, root)
            e = Erf(d)
            s = Add(e, one)
            m = Mul(t2, s)
            h = Mul(m, half)
            p2 = MatMul(h, w2)
            a2 = Add(p2, b2)
            y = Add(a2, x)
        }}""",
        **{name: np.asarray(array).astype(kind) for name, array in weights.items()},
        **{name: np.array(shape, np.int64) for name, shape in sizes.items()},
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_feed_forward_block_becomes_convolutions(kind):
    proto = block(kind)
    graph = tidy(read(proto), RULES)[-1].graph
    assert [node.attrs["function"] for node in graph.nodes.values() if node.op == "activation"] == ["gelu"]
    for _ in range(2):
        found = next(one for one in EXCHANGE_LAYOUT.find(graph) if isinstance(one, Proposal))
        graph = EXCHANGE_LAYOUT.apply(graph, found)
    made = to_proto(write(graph))
    onnx.checker.check_model(made, full_check=True)
    assert [node.op_type for node in made.graph.node if node.op_type in ("Conv", "MatMul")] == ["Conv"] * 3
    for batch in (1, 2):
        x = np.random.default_rng(batch).standard_normal((batch, 20, 6)).astype(kind)
        (old,), (new,) = run(proto, {"x": x}), run(made, {"x": x})
        assert np.max(np.abs(old - new)) <= KINDS[kind] * np.max(np.abs(old))


def test_the_spelling_is_that_which_runtimes_know():
    graph = tidy(read(block()), RULES)[-1].graph
    ops = [node.op_type for node in to_proto(write(graph)).graph.node]
    place = ops.index("Div")
    assert ops[place : place + 5] == ["Div", "Erf", "Add", "Mul", "Mul"]


def test_an_approximate_gelu_is_another_function():
    text = 'g (float[N,4] x) => (float[N,4] y) { y = Gelu<approximate="tanh">(x) }'
    (node,) = [one for one in read(model(text, opset=20)).nodes.values() if one.op != "input"]
    assert node.attrs["function"] == "gelu_tanh"
