"""Functions that are written by their parts: right, and in the order by which ONNX Runtime knows them."""

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest

from addcat.doors.onnx.read import read
from addcat.doors.onnx.write import to_proto, write
from addcat.rules.named import NAMED
from tests.doors.onnx.models import model
from tests.doors.onnx.test_round_trip import run
from tests.reference import FUNCTIONS

BY_TANH = """s = Mul(r, r) c = Mul(s, r) w = Mul(c, cubic) b = Add(r, w) i = Mul(b, slope) t = Tanh(i)
             g = Add(t, one) p = Mul(r, g) z = Mul(p, half)"""
BY_ERF = "d = Div(r, root) e = Erf(d) g = Add(e, one) p = Mul(r, g) z = Mul(p, half)"
NUMBERS = {"cubic": 0.044715, "slope": np.sqrt(2 / np.pi), "one": 1.0, "root": np.sqrt(2.0), "half": 0.5}


@pytest.mark.parametrize(("function", "text"), [("gelu", BY_ERF), ("gelu_tanh", BY_TANH)])
def test_a_named_function_is_one_operation_of_the_runtime(function, text, tmp_path):
    used = {name: np.asarray(value, np.float32) for name, value in NUMBERS.items() if name in text}
    proto = model(f"g (float[N,20,6] x) => (float[N,20,6] y) {{ r = Neg(x) {text} y = Neg(z) }}", **used)
    graph = read(proto)
    (proposal,) = [found for node in graph.nodes.values() if (found := NAMED.plan(graph, node))]
    written = to_proto(write(proposal.change()))
    values = np.random.default_rng(0).standard_normal((2, 20, 6)).astype(np.float32)
    expected = -FUNCTIONS[function](-values.astype(np.float64))
    np.testing.assert_allclose(run(written, {"x": values})[0], expected, rtol=1e-5, atol=1e-6)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(written.SerializeToString(), options)
    kinds = Counter(node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node)
    assert kinds.total() == 3
    assert set(kinds) <= {"Neg", "Gelu", "FastGelu"}, kinds
