"""Sizes are asked of the model's inputs, not of tensors in the middle."""

import numpy as np
import onnx
import pytest

from addcat.doors.onnx.read import read
from addcat.doors.onnx.simplify.shape_sources import grounded
from addcat.doors.onnx.simplify.simplify import normalise
from addcat.graph import Edge
from tests.doors.onnx.models import model, random
from tests.doors.onnx.test_round_trip import run


def flattened(index: np.ndarray, *, gather: bool = True):
    """A convolution whose batch is asked for in order to flatten what comes after it."""
    asked = "n = Gather<axis=0>(s, index) u = Reshape(n, list)" if gather else "u = Slice(s, zero, list)"
    return model(
        f"""g (float[N,4,5,6] x) => (float[N,90] y) {{
            c = Conv(x, one)
            s = Shape(c)
            {asked}
            t = Concat<axis=0>(u, rest)
            r = Relu(c)
            y = Reshape(r, t)
        }}""",
        one=random(3, 4, 1, 1),
        index=index,
        list=np.array([1]),
        zero=np.array([0]),
        rest=np.array([90]),
    )


def readers_of_the_convolution(proto):
    return [node.op_type for node in proto.graph.node if "c" in node.input]


@pytest.mark.parametrize("index", [np.array(0), np.array([0]), np.array(-4)])
def test_the_batch_comes_from_the_input(index):
    proto = flattened(index)
    before = proto.SerializeToString()
    result = grounded(proto)
    assert proto.SerializeToString() == before
    assert readers_of_the_convolution(result) == ["Relu"]
    for batch in (1, 3):
        data = {"x": np.random.default_rng(0).standard_normal((batch, 4, 5, 6)).astype("float32")}
        assert np.array_equal(run(proto, data)[0], run(result, data)[0])


def test_a_whole_shape_is_put_together():
    proto = flattened(np.array(0), gather=False)
    result = grounded(proto)
    assert readers_of_the_convolution(result) == ["Relu"]
    for batch in (1, 3):
        data = {"x": np.random.default_rng(0).standard_normal((batch, 4, 5, 6)).astype("float32")}
        assert np.array_equal(run(proto, data)[0], run(result, data)[0])


def test_sizes_that_are_numbers_become_constants():
    result = grounded(flattened(np.array(1)))
    values = {tensor.name: list(tensor.dims) for tensor in result.graph.initializer}
    assert values["n"] == []


def test_nothing_is_asked_or_nothing_is_known():
    plain = model("g (float[N,4] x) => (float[N,4] y) { y = Relu(x) }")
    assert grounded(plain) is plain
    of_the_input = model("g (float[N,4] x) => (int64[2] y) { y = Shape(x) }")
    assert grounded(of_the_input) is of_the_input
    open_sizes = model("g (float[N,M] x) => (float[a,b] y) { r = Relu(x) s = Shape(r) y = Reshape(x, s) }")
    assert grounded(open_sizes) is open_sizes
    an_output = model("g (float[N,4] x) => (int64[2] y) { r = Relu(x) y = Shape(r) }")
    assert grounded(an_output) is an_output


def test_sizes_that_depend_on_values_stay():
    proto = model(
        """g (float[N,4] x) => (int64[a] y) {
            k = NonZero(x)
            s = Shape(k)
            n = Gather<axis=0>(s, last)
            y = Reshape(n, list)
        }""",
        last=np.array(1),
        list=np.array([1]),
    )
    assert [node.op_type for node in grounded(proto).graph.node].count("Shape") == 1


def test_reading_sees_no_reader_where_only_the_shape_is_read():
    from onnx_ir import from_proto

    graph = read(normalise(from_proto(flattened(np.array(0)))))
    (conv,) = [node for node in graph.nodes.values() if node.op == "conv"]
    assert [graph.nodes[name].op for name, _ in graph.readers(Edge(conv.name))] == ["activation"]


def test_a_constant_that_a_caller_may_replace_is_none():
    proto = flattened(np.array(1))
    proto.graph.input.append(onnx.helper.make_tensor_value_info("index", onnx.TensorProto.INT64, []))
    result = grounded(proto)
    assert any(node.op_type == "Gather" and node.input[1] == "index" for node in result.graph.node)
    data = {"x": np.random.default_rng(0).standard_normal((1, 4, 5, 6)).astype("float32"), "index": np.array(0)}
    assert np.array_equal(run(proto, data)[0], run(result, data)[0])


def test_names_that_are_taken():
    proto = flattened(np.array(0))
    proto.graph.node[0].name = "x_shape_0"
    result = grounded(proto)
    names = [node.name for node in result.graph.node if node.name]
    assert len(names) == len(set(names))
