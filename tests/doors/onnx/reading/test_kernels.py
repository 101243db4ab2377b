"""Operators that are not looked into are counted all the same."""

import numpy as np
import pytest

from addcat.doors.onnx.read import read
from addcat.graph.cost import parameters, total_multiply_adds
from addcat.verbs.inspect import inspect
from tests.doors.onnx.models import Draws, model

random = Draws(2)

WHOLE = {"scale": np.float32(0.1), "zero": np.int8(0), "point": np.uint8(128)}


def whole(*shape, dtype="int8"):
    return np.random.default_rng(0).integers(-9, 9, shape).astype(dtype)


def counted(text, **weights):
    graph = read(model(text, **{n: np.asarray(w) for n, w in weights.items() if f"{n})" in text or f"{n}," in text}))
    assert not total_multiply_adds(graph)[1]
    return parameters(graph), total_multiply_adds(graph)[0]


CASES = {
    "SAME_LOWER": (
        'g (float[N,4,7,7] x) => (float[N,6,4,4] y) { y = Conv<auto_pad="SAME_LOWER", strides=[2,2]>(x, w) }',
        {"w": random(6, 4, 2, 2)},
        (96, 96 * 16),
    ),
    "grouped ConvTranspose": (
        "g (float[N,4,5,5] x) => (float[N,6,10,10] y) { y = ConvTranspose<group=2, strides=[2,2]>(x, w, b) }",
        {"w": random(4, 3, 2, 2), "b": random(6)},
        (54, 48 * 25),
    ),
    "Gemm with a C of its own for each example": (
        "g (float[3,6] x) => (float[3,3] y) { y = Gemm<transB=1>(x, w, c) }",
        {"w": random(3, 6), "c": random(3, 1)},
        (21, 18),
    ),
    "QLinearConv": (
        """g (uint8[N,4,7,7] x) => (uint8[N,6,7,7] y) {
            y = QLinearConv<pads=[1,1,1,1]>(x, scale, point, w, scale, zero, scale, point, b)
        }""",
        {**WHOLE, "w": whole(6, 4, 3, 3), "b": whole(6, dtype="int32")},
        (222, 216 * 49),
    ),
    "ConvInteger": (
        "g (uint8[N,4,7,7] x) => (int32[N,6,5,5] y) { y = ConvInteger(x, w) }",
        {"w": whole(6, 4, 3, 3)},
        (216, 216 * 25),
    ),
    "MatMulInteger": (
        "g (uint8[N,5,4] x) => (int32[N,5,3] y) { y = MatMulInteger(x, w) }",
        {"w": whole(4, 3)},
        (12, 60),
    ),
    "QLinearMatMul": (
        "g (uint8[N,4] x) => (uint8[N,3] y) { y = QLinearMatMul(x, scale, point, w, scale, zero, scale, point) }",
        {**WHOLE, "w": whole(4, 3)},
        (12, 12),
    ),
    "DequantizeLinear": (
        """g (float[N,4,7,7] x) => (float[N,6,7,7] y) {
            k = DequantizeLinear(w, scale, zero) b = DequantizeLinear(o, scale) y = Conv<pads=[1,1,1,1]>(x, k, b)
        }""",
        {**WHOLE, "w": whole(6, 4, 3, 3), "o": whole(6, dtype="int32")},
        (222, 216 * 49),
    ),
    "a product without a kernel": (
        "g (float[2,3,4] x, float[2,4,5] z) => (float[2,3,5] y) { y = MatMul(x, z) }",
        {},
        (0, 0),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_counts(name):
    text, weights, expected = CASES[name]
    assert counted(text, **weights) == expected


def test_unknown_sizes_are_not_counted_as_nothing():
    text = 'g (float[N,4,H,W] x) => (float[N,6,A,B] y) { y = Conv<auto_pad="SAME_LOWER", strides=[2,2]>(x, w) }'
    assert counted(text, w=random(6, 4, 2, 2)) == (96, None)


def test_quantised_model_says_so():
    text, weights, _ = CASES["DequantizeLinear"]
    found = inspect(model(text, **{name: np.asarray(array) for name, array in weights.items() if name != "point"}))
    assert [(finding.code, finding.site, finding.words) for finding in found.findings] == [
        (
            "AC213",
            "DequantizeLinear_1",
            "the model is quantised: 2 of its operations compute in whole numbers (DequantizeLinear). Their weights "
            "are counted; what they do is not looked into, so merges around them are not rewritten.",
        )
    ]


def test_weights_that_are_inputs():
    proto = model("g (float[N,4] x, float[4,3] w) => (float[N,3] y) { y = MatMul(x, w) }", w=random(4, 3))
    found = inspect(proto)
    assert found.totals.parameters == 0
    assert [(finding.code, finding.site, finding.words) for finding in found.findings] == [
        (
            "AC214",
            "w",
            "inputs of the model that have a value, as if they were weights: 1. A caller may give others, so they are "
            "not counted as parameters, and no layer that reads them is looked into. If nobody does, take them out of "
            "the inputs and keep them as initializers.",
        )
    ]
    proto.ir_version = 3  # there every initializer has to be an input, and nobody may give another
    found = inspect(proto)
    assert (found.totals.parameters, found.totals.multiply_adds, found.findings) == (12, 12, ())


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, 2.0)])
def test_a_gemm_holds_its_factors(alpha, beta):
    w, c = random(3, 2), random(2)
    text = f"g (float[N,3] x) => (float[N,2] y) {{ y = Gemm<alpha={alpha}, beta={beta}>(x, w, c) }}"
    (dense,) = (node for node in read(model(text, w=w, c=c)).nodes.values() if node.op == "dense")
    np.testing.assert_allclose(dense.weight("kernel"), alpha * w.T, rtol=1e-6)
    np.testing.assert_allclose(dense.weight("bias"), beta * c, rtol=1e-6)
