"""Norms of ONNX through the rules and back: bare ones share a scale of ones, and give the same."""

import numpy as np
import onnx
import pytest

from addcat.doors.onnx.read import read
from addcat.doors.onnx.write import to_proto, write
from addcat.rules import RULES, Proposal
from addcat.rules.norm_before import NORM_BEFORE
from addcat.rules.siblings import SIBLINGS
from addcat.verbs.optimize.candidates import tidy
from tests.doors.onnx.models import model, random
from tests.doors.onnx.test_round_trip import run


def attention():
    """Two layer norms, one without a shift, each before three products, and a sum of these."""
    weights = {"s1": random(6), "o1": random(6), "s2": random(6), **{f"w{i}": random(6, 6) for i in range(6)}}
    lines = [f"p{i} = MatMul({'a' if i < 3 else 'b'}, w{i})" for i in range(6)]
    proto = model(
        f"""g (float[N,5,6] x) => (float[N,5,6] y) {{
            a = LayerNormalization<axis=-1, epsilon=0.01>(x, s1, o1)
            {" ".join(lines[:3])}
            t = Sum(p0, p1, p2)
            b = LayerNormalization<axis=2>(t, s2)
            {" ".join(lines[3:])}
            y = Sum(p3, p4, p5)
        }}""",
        **weights,
    )
    return proto


def images():
    """A convolution before an instance norm, and a group norm as torch writes it."""
    weights = {"w": random(4, 3, 3, 3), "c": random(4), "s": random(4), "o": random(4), "v": random(4, 4, 1, 1)}
    more = {"g": random(4, 1, 1), "h": random(4, 1, 1), "one": np.ones(2, "float32"), "none": np.zeros(2, "float32")}
    return model(
        """g (float[N,3,8,8] x) => (float[N,4,6,6] y) {
            a = Conv(x, w, c)
            b = InstanceNormalization<epsilon=0.001>(a, s, o)
            d = Conv(b, v)
            e = Reshape(d, rows)
            f = InstanceNormalization(e, one, none)
            i = Reshape(f, image)
            j = Mul(i, g)
            k = Add(j, h)
            y = Conv(k, v)
        }""",
        rows=np.array([0, 2, -1], np.int64),
        image=np.array([0, 4, 6, 6], np.int64),
        **weights,
        **more,
    )


def everywhere(graph, *rules):
    for rule in rules:
        while found := [one for one in rule.find(graph) if isinstance(one, Proposal)]:
            graph = rule.apply(graph, found[0])
    return graph


@pytest.mark.parametrize(("proto", "shape"), [(attention(), (5, 6)), (images(), (3, 8, 8))])
def test_norms_give_the_same_when_they_are_bare(proto, shape):
    graph = tidy(read(proto), RULES)
    graph = everywhere(graph[-1].graph if graph else read(proto), NORM_BEFORE, SIBLINGS)
    made = to_proto(write(graph))
    onnx.checker.check_model(made, full_check=True)
    for batch in (1, 3):
        x = np.random.default_rng(batch).standard_normal((batch, *shape)).astype("float32")
        (old,), (new,) = run(proto, {"x": x}), run(made, {"x": x})
        assert np.max(np.abs(old - new)) <= 1e-5 * np.max(np.abs(old))


def test_what_becomes_of_them():
    made = to_proto(write(everywhere(read(attention()), NORM_BEFORE, SIBLINGS)))
    ones = [node.input[1] for node in made.graph.node if node.op_type == "LayerNormalization"]
    assert ones == ["ones", "ones"]
    assert [node.op_type for node in made.graph.node].count("Split") == 2
    graph = everywhere(tidy(read(images()), RULES)[-1].graph, NORM_BEFORE)
    kinds = [node.op_type for node in to_proto(write(graph)).graph.node]
    assert kinds == ["Conv", "InstanceNormalization", "Conv", "Reshape", "InstanceNormalization", "Reshape", "Conv"]
    assert set(next(node for node in graph.nodes.values() if node.op == "conv").weights) == {"kernel"}


def test_a_layer_norm_over_more_axes_is_left():
    text = """g (float[N,5,6] x) => (float[N,5,6] y) {
        a = LayerNormalization<axis=1>(x, s, o)
        y = MatMul(a, w)
    }"""
    graph = read(model(text, s=random(5, 6), o=random(5, 6), w=random(6, 6)))
    assert everywhere(graph, NORM_BEFORE) is graph
