"""Operators for large tensors give what the reference evaluator's own give."""

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from addcat.doors.onnx.running.float64_operators import _conv_transpose, operators
from tests.doors.onnx.models import Draws

random = Draws(3)

X = np.random.default_rng(0).standard_normal((2, 4, 7, 6)).astype("float32")
CASES = {
    "Conv": (
        [random(6, 4, 3, 2)],
        [
            {},
            {"pads": [1, 0, 2, 1], "strides": [2, 1]},
            {"dilations": [2, 1]},
            {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
            {"auto_pad": "VALID"},
        ],
    ),
    "Conv in groups": ([random(6, 2, 3, 3), random(6)], [{"group": 2}, {"group": 2, "strides": [2, 2]}]),
    "Conv depthwise": ([random(4, 1, 3, 3), random(4)], [{"group": 4, "pads": [1, 1, 1, 1]}]),
    "ConvTranspose": (
        [random(4, 3, 3, 2), random(3)],
        [
            {},
            {"strides": [2, 3], "pads": [1, 0, 1, 1], "output_padding": [1, 0]},
            {"dilations": [2, 1]},
        ],
    ),
    "MaxPool": (
        [],
        [
            {"kernel_shape": [3, 2]},
            {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [1, 0, 0, 1]},
            {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
        ],
    ),
    "Resize": (
        [np.zeros(0, np.float32), np.array([1, 1, 2, 1.5], np.float32)],
        [
            {"mode": mode, "coordinate_transformation_mode": centres, **more}
            for mode, more in (("nearest", {}), ("nearest", {"nearest_mode": "floor"}), ("linear", {}), ("cubic", {}))
            for centres in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel")
        ],
    ),
    "Resize to sizes": (
        [np.zeros(0, np.float32), np.zeros(0, np.float32), np.array([2, 4, 5, 9])],
        [{"mode": "linear"}, {"mode": "nearest", "nearest_mode": "ceil"}],
    ),
}


def evaluated(kind, operands, attributes, new_ops):
    names = [f"w{i}" if array.size else "" for i, array in enumerate(operands)]
    node = onnx.helper.make_node(kind, ["x", *names], ["y"], **attributes)
    info = onnx.helper.make_tensor_value_info
    weights = [onnx.numpy_helper.from_array(a, n) for a, n in zip(operands, names, strict=True) if n]
    graph = onnx.helper.make_graph([node], "g", [info("x", 1, None)], [info("y", 1, None)], weights)
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])
    return ReferenceEvaluator(proto, new_ops=new_ops).run(None, {"x": X})[0]


@pytest.mark.parametrize(("name", "attributes"), [(name, one) for name, (_, some) in CASES.items() for one in some])
def test_the_same_as_the_evaluators_own(name, attributes):
    operands = CASES[name][0]
    expected = evaluated(name.split()[0], operands, attributes, [])
    found = evaluated(name.split()[0], operands, attributes, operators())
    assert found.shape == expected.shape
    assert np.allclose(found, expected, atol=1e-5)


def test_a_transposed_convolution_is_computed_here_unless_it_has_groups():
    kernel = random(4, 3, 3, 2)
    assert _conv_transpose(None, X, kernel) is not None
    assert _conv_transpose(None, X, kernel, group=1) is not None
    assert _conv_transpose(None, X, kernel, group=2) is None
