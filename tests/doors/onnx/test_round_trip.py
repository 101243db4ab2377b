"""`write(read(m))` is the same model to the runtime, and so is a model whose every node was built anew."""

import warnings
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from addcat.doors.onnx.read import read
from addcat.doors.onnx.write import to_proto, write
from addcat.graph import Edge, Graph, Node, Tensor
from tests.doors.onnx.models import MODELS, model

REBUILT = {
    *("conv", "depthwise_conv", "conv_transpose", "dense", "batch_norm", "shift", "gain", "add", "concat", "subtract"),
    *("multiply", "maximum", "minimum", "average", "pool", "global_pool", "resize", "pad", "split", "depth_to_space"),
    "activation",
}


def inputs_of(proto, batch=2):
    rng = np.random.default_rng(0)
    given = {tensor.name for tensor in proto.graph.initializer}
    found = {}
    for value in proto.graph.input:
        kind = value.type.tensor_type
        if value.name not in given:
            shape = [dim.dim_value or batch for dim in kind.shape.dim]
            found[value.name] = rng.standard_normal(shape).astype(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type))
    return found


def run(proto, data):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(proto.SerializeToString(), options).run(None, data)


def anew(graph):
    """The same graph without the ONNX nodes behind those that we can build."""
    nodes = [
        replace(node, native=None)
        if node.op in REBUILT and (node.weights or node.op not in ("shift", "gain"))
        else node
        for node in graph.nodes.values()
    ]
    return Graph.of(nodes, inputs=graph.inputs, outputs=graph.outputs, name=graph.name, native=graph.native)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("rebuild", [False, True], ids=["untouched", "anew"])
def test_same_outputs(name, rebuild):
    proto = MODELS[name]()
    before = proto.SerializeToString()
    graph = read(proto)
    written = to_proto(write(anew(graph) if rebuild else graph))
    onnx.checker.check_model(written, full_check=True)
    assert proto.SerializeToString() == before
    assert [(v.name, v.type) for v in written.graph.input] == [(v.name, v.type) for v in proto.graph.input]
    assert [(v.name, v.type) for v in written.graph.output] == [(v.name, v.type) for v in proto.graph.output]
    data = inputs_of(proto)
    for old, new in zip(run(proto, data), run(written, data), strict=True):
        if not rebuild:
            np.testing.assert_array_equal(new, old)
        else:
            tolerance = 1e-2 if old.dtype == np.float16 else 1e-5
            np.testing.assert_allclose(new, old, rtol=tolerance, atol=tolerance)


def test_test_can_fail():
    proto = MODELS["residual"]()
    graph = read(proto)
    node = graph.nodes["Conv_1"]
    wrong = graph.edit(put=[node.edit(weights={"kernel": node.weight("kernel") * 1.01})])
    data = inputs_of(proto)
    (old,), (new,) = run(proto, data), run(to_proto(write(wrong)), data)
    assert np.abs(new - old).max() > 1e-2


def test_default_of_an_optional_input_can_still_be_given():
    proto = MODELS["optional_input"]()
    written = to_proto(write(read(proto)))
    data = {"x": np.ones((2, 4), np.float32), "bias": np.full(4, 5.0, np.float32)}
    np.testing.assert_array_equal(run(written, data)[0], np.full((2, 4), 6.0, np.float32))


def test_metadata_functions_and_opsets_stay():
    proto = MODELS["functions"]()
    proto.producer_name, proto.doc_string = "somebody", "what it is for"
    proto.metadata_props.add(key="author", value="me")
    written = to_proto(write(read(proto)))
    assert written.producer_name, written.doc_string == ("somebody", "what it is for")
    assert [(p.key, p.value) for p in written.metadata_props] == [("author", "me")]
    assert [f.name for f in written.functions] == ["twice"]
    assert {o.domain: o.version for o in written.opset_import} == {"": 17, "com.microsoft": 1, "local": 1}


class Mixed(torch.nn.Module):
    """Upsampling to the size of a skip, attention and a residual: what exporters turn into arithmetic on shapes."""

    def __init__(self):
        super().__init__()
        self.a, self.b = torch.nn.Conv2d(3, 8, 3, padding=1, stride=2), torch.nn.Conv2d(11, 8, 3, padding=1)
        self.norm, self.attention = torch.nn.LayerNorm(8), torch.nn.MultiheadAttention(8, 2, batch_first=True)
        self.bn = torch.nn.BatchNorm2d(8)

    def forward(self, x):
        low = torch.nn.functional.silu(self.bn(self.a(x)))
        up = torch.nn.functional.interpolate(low, size=x.shape[2:], mode="bilinear")
        y = self.b(torch.cat([up, x], dim=1))
        tokens = self.norm(y.flatten(2).transpose(1, 2))
        return y, tokens + self.attention(tokens, tokens, tokens)[0]


def test_torch_export_with_a_dynamic_batch(tmp_path):
    torch.manual_seed(0)
    network, path = Mixed().eval(), tmp_path / "mixed.onnx"
    example = torch.randn(2, 3, 10, 12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own future
        torch.onnx.export(
            network, (example,), path, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "n"}}, opset_version=17
        )
    graph = read(path)
    assert [node.op for node in graph.nodes.values() if node.op in ("resize", "concat")] == ["resize", "concat"]
    written = to_proto(write(graph))
    data = np.random.default_rng(0).standard_normal((3, 3, 10, 12)).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(data))
    for wanted, got in zip(expected, run(written, {"x": data}), strict=True):
        np.testing.assert_allclose(got, wanted.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("block", [(2, 3), (2, 2, 2), (3,)])
def test_depth_to_space_of_any_block(block):
    sizes, channels = (2, 3, 4)[: len(block)], 5
    count = int(np.prod(block))
    after = [a * b for a, b in zip(sizes, block, strict=True)]
    proto = model(f"g (float[N,{count * channels},{','.join(map(str, sizes))}] x) => (float[N] y) {{ y = Relu(x) }}")
    del proto.graph.output[0].type.tensor_type.shape.dim[:]
    for size in (None, channels, *after):
        proto.graph.output[0].type.tensor_type.shape.dim.add(**({} if size is None else {"dim_value": size}))
    proto.graph.node[0].op_type = "Identity"
    graph = read(proto)
    tensor = Tensor((None, channels, *after))
    node = Node("y", "depth_to_space", (Edge("x"),), (tensor,), {"block": block}, channel_axis=1)
    made = Graph.of([*graph.nodes.values(), node], inputs=["x"], outputs=[Edge("y")], native=graph.native)
    data = np.random.default_rng(0).standard_normal((2, count * channels, *sizes)).astype(np.float32)
    (found,) = run(to_proto(write(made)), {"x": data})
    expected = np.zeros((2, channels, *after), np.float32)
    for number, phase in enumerate(np.ndindex(*block)):
        at = tuple(slice(p, None, b) for p, b in zip(phase, block, strict=True))
        expected[(slice(None), slice(None), *at)] = data[:, number * channels : (number + 1) * channels]
    np.testing.assert_array_equal(found, expected)
