"""Opsets 11 and 12: what did not change is read, the rest is refused; outputs are those of the old model."""

import numpy as np
import onnx
import onnx_ir
import pytest

from addcat.doors.onnx.read import read
from addcat.doors.onnx.write import to_proto, write
from addcat.errors import ModelError
from tests.doors.onnx.models import model, random
from tests.doors.onnx.test_round_trip import inputs_of, run

BODIES = {
    "unchanged": "y = Conv<pads=[1,1,1,1]>(x, w)",
    "axes": "s = ReduceSum<axes=[2,3], keepdims=0>(x) u = Unsqueeze<axes=[2,3]>(s) y = Add(u, x)",
    "squeeze": "p = GlobalAveragePool(x) q = Squeeze<axes=[2]>(p) u = Unsqueeze<axes=[-1]>(q) y = Add(u, x)",
    "all axes": "s = ReduceSum<keepdims=1>(x) y = Add(s, x)",
    "split": "a, b = Split<axis=1, split=[1,3]>(x) y = Concat<axis=1>(b, a)",
    "halves": "a, b = Split<axis=1>(x) y = Add(a, b)",
    "dropout": "d = Dropout<ratio=0.7>(x) y = Relu(d)",
    "softmax": "y = Softmax<axis=3>(x)",
    "negative axis": "l = LogSoftmax<axis=-1>(x) y = Relu(l)",
    "rows": "f = Flatten(x) y = Softmax(f)",
    "resize": """u = Resize<mode="linear", coordinate_transformation_mode="half_pixel">(x, empty, scales)
        y = AveragePool<kernel_shape=[2,2], strides=[2,2]>(u)""",
    "clip": "y = Clip(x, low, high)",
    "inside": """k = Constant<value=bool {1}>()
        y = If(k) <then_branch = t () => (float[N,C,H,W] a) { b = Unsqueeze<axes=[0]>(x) a = Squeeze<axes=[0]>(b) },
                   else_branch = e () => (float[N,C,H,W] c) { c = Relu(x) }>""",
}


def old(body, opset, **weights):
    every = {
        "w": random(4, 4, 3, 3),
        "empty": np.zeros(0, np.float32),
        "scales": np.array([1, 1, 2, 2], np.float32),
        "low": np.float32(-0.5),
        "high": np.float32(0.5),
        **weights,
    }
    used = {name: array for name, array in every.items() if f"{name})" in body or f"{name}," in body}
    rank = "N,M" if "Flatten" in body else "N,C,H,W"
    return model(f"g (float[N,4,6,6] x) => (float[{rank}] y) {{ {body} }}", opset=opset, **used)


@pytest.mark.parametrize("opset", [11, 12])
@pytest.mark.parametrize("name", BODIES)
def test_old_opsets_compute_the_same(name, opset):
    body = BODIES[name]
    if opset == 12:  # the ratio has become an input there
        body = body.replace("<ratio=0.7>(x)", "(x, high)")
    proto = old(body, opset)
    before = proto.SerializeToString()
    written = to_proto(write(read(proto)))
    assert proto.SerializeToString() == before
    assert {one.domain: one.version for one in written.opset_import}[""] == 13
    onnx.checker.check_model(written)
    data = inputs_of(proto)
    np.testing.assert_allclose(run(written, data)[0], run(proto, data)[0], rtol=1e-6, atol=1e-6)


def test_model_of_another_library():
    source = onnx_ir.from_proto(old(BODIES["axes"], 11))
    graph = read(source)
    assert [node.op for node in graph.nodes.values()] == ["input", "opaque", "opaque", "add"]
    assert source.graph.opset_imports[""] == 11


def refused(proto, text):
    with pytest.raises(ModelError) as caught:
        read(proto)
    assert str(caught.value) == text


AGAIN = "Export it again with opset 13 or later."


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("y = Softmax(x)", "Softmax 'y' is taken over several axes at once there"),
        ("y = Hardmax<axis=2>(x)", "Hardmax 'y' is taken over several axes at once there"),
        (
            'y = Resize<mode="linear", coordinate_transformation_mode="tf_half_pixel_for_nn">(x, empty, scales)',
            "Resize 'y' uses tf_half_pixel_for_nn",
        ),
    ],
)
def test_what_changed_is_refused(body, reason):
    refused(old(body, 11), f"the ONNX model uses opset 11, and {reason}. {AGAIN}")


def test_older_opsets():
    proto = model("g (float[N,4] x) => (float[N,4] y) { y = Relu(x) }", opset=9)
    refused(
        proto,
        f"the ONNX model uses opset 9; addcat reads opset 11 and later. {AGAIN} Where you cannot, convert it with "
        "onnx.version_converter.convert_version(model, 17), and compare the outputs of both models on random inputs "
        "before you use it.",
    )


@pytest.mark.parametrize(("operator", "opset"), [("Resize", 10), ("Upsample", 9)])
def test_older_opsets_that_the_converter_breaks(operator, opset):
    scales = np.array([1, 1, 2, 2], np.float32)
    text = f"g (float[1,4,4,4] x) => (float[1,4,8,8] y) {{ y = {operator}(x, scales) }}"
    refused(
        model(text, opset=opset, scales=scales),
        f"the ONNX model uses opset {opset}; addcat reads opset 11 and later. {AGAIN} Do not convert it: "
        f"onnx.version_converter changes what {operator} of opset {opset} computes, without a word.",
    )


def test_no_opset():
    proto = model("g (float[N,4] x) => (float[N,4] y) { y = Relu(x) }")
    del proto.opset_import[:]
    refused(proto, f"the ONNX model does not say which opset it uses. {AGAIN}")


def test_operators_of_other_domains_need_no_opset():
    proto = model("g (float[N,4] x) => (float[N,4] y) { y = com.microsoft.Gelu(x) }")
    del proto.opset_import[0]
    assert [one.domain for one in proto.opset_import] == ["com.microsoft", "local"]
    assert read(proto).nodes["Gelu_1"].op == "opaque"
