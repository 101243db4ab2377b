"""Sparse tensors: read as the dense ones they stand for, or refused with one error."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from addcat.doors.onnx.read import read
from addcat.doors.onnx.reading import stored
from addcat.doors.onnx.write import to_proto, write
from addcat.errors import ModelError
from tests.doors.onnx.models import model, random
from tests.doors.onnx.test_round_trip import inputs_of, run


def sparse(array, name, *, linear=True, kind=np.int64):
    places = np.argwhere(array)
    index = np.flatnonzero(array) if linear else places
    values = numpy_helper.from_array(array[tuple(places.T)], name)
    return helper.make_sparse_tensor(values, numpy_helper.from_array(index.astype(kind), ""), list(array.shape))


def mostly_zero(*shape):
    array = random(*shape)
    array[np.abs(array) < 1] = 0
    return array


@pytest.mark.parametrize("linear", [True, False], ids=["linear", "by axis"])
def test_sparse_initializer(linear):
    array = mostly_zero(4, 3)
    proto = model("g (float[N,4] x) => (float[N,3] y) { y = MatMul(x, w) }")
    proto.graph.sparse_initializer.append(sparse(array, "w", linear=linear))
    before = proto.SerializeToString()
    graph = read(proto)
    np.testing.assert_array_equal(graph.nodes["MatMul_1"].weight("kernel"), array.T)
    data = inputs_of(proto)
    np.testing.assert_allclose(run(to_proto(write(graph)), data)[0], data["x"] @ array, rtol=1e-5, atol=1e-6)
    assert proto.SerializeToString() == before


def test_sparse_constant():
    array = mostly_zero(4, 3)
    proto = model("g (float[N,4] x) => (float[N,3] y) { y = MatMul(x, w) }")
    proto.graph.node.insert(0, helper.make_node("Constant", [], ["w"], sparse_value=sparse(array, "values")))
    graph = read(proto)
    np.testing.assert_array_equal(graph.nodes["MatMul_2"].weight("kernel"), array.T)
    data = inputs_of(proto)
    np.testing.assert_allclose(run(to_proto(write(graph)), data)[0], data["x"] @ array, rtol=1e-5, atol=1e-6)


def refused(change, text):
    one = sparse(mostly_zero(4, 3), "w")
    change(one)
    proto = model("g (float[N,4] x) => (float[N,3] y) { y = MatMul(x, w) }")
    proto.graph.sparse_initializer.append(one)
    with pytest.raises(ModelError) as caught:
        read(proto)
    count = one.values.dims[0]
    assert str(caught.value) == "sparse tensor 'w' of the ONNX model " + text.format(count=count, more=count + 1)


def test_indices_of_another_number():
    def change(one):
        indices = numpy_helper.to_array(one.indices)
        one.indices.CopyFrom(numpy_helper.from_array(np.append(indices, 0)))

    refused(
        change,
        "has the shape (4, 3), {count} values and indices of the shape ({more},), which do not belong together. "
        "Export it again with dense tensors.",
    )


@pytest.mark.parametrize("place", [12, -1])
def test_index_outside(place):
    def change(one):
        indices = np.array(numpy_helper.to_array(one.indices))
        indices[-1] = place
        one.indices.CopyFrom(numpy_helper.from_array(indices))

    refused(change, "has the shape (4, 3), and an index outside it. Export it again.")


def test_a_few_values_that_stand_for_a_huge_tensor():
    def change(one):
        one.dims[0] = 2**40

    refused(change, "takes more than 2 GiB when it is written out. Export it with dense tensors.")


def test_limit_is_what_the_tensor_takes(monkeypatch):
    array = mostly_zero(4, 3)
    proto = model("g (float[N,4] x) => (float[N,3] y) { y = MatMul(x, w) }")
    proto.graph.sparse_initializer.append(sparse(array, "w"))
    monkeypatch.setattr(stored, "MOST_DENSE_BYTES", 48)
    assert read(proto).nodes["MatMul_1"].weights["kernel"].shape == (3, 4)
    monkeypatch.setattr(stored, "MOST_DENSE_BYTES", 47)
    with pytest.raises(ModelError, match="takes more than 2 GiB"):
        read(proto)


def test_sparse_setting_of_another_operator():
    node = helper.make_node("Anything", ["x"], ["y"], domain="com.microsoft", table=sparse(mostly_zero(2, 2), "t"))
    proto = model("g (float[N,4] x) => (float[N,4] y) { y = Relu(x) }")
    proto.graph.node[0].CopyFrom(node)
    with pytest.raises(ModelError) as caught:
        read(proto)
    assert str(caught.value) == (
        "the ONNX model has an operator with a sparse tensor as its setting 'table', which addcat does not read. "
        "Export it again with dense tensors."
    )
    assert proto.graph.node[0].attribute[0].type == onnx.AttributeProto.SPARSE_TENSOR
