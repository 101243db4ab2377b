"""A bilinear resize as matrix products, and sums of such."""

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addcat.doors.onnx.read import read
from addcat.doors.onnx.write import to_proto, write
from addcat.graph import Graph, Refusal
from addcat.rules import Proposal
from addcat.rules.resize_product import RESIZE_PRODUCT, SUM_PRODUCT, matrix
from tests.doors.onnx.models import model
from tests.doors.onnx.test_round_trip import inputs_of, run


def apply_all(graph: Graph, *rules):
    for rule in rules:
        for proposal in rule.find(graph):
            if isinstance(proposal, Proposal):
                graph = rule.apply(graph, proposal)
    return graph


def resize(centres, shape, factors):
    n, c, h, w = shape
    return model(
        f"""g (float[{n},{c},{h},{w}] x) => (float[{n},{c},{h * factors[0]},{w * factors[1]}] y) {{
            y = Resize<mode="linear", coordinate_transformation_mode="{centres}">(x, , f)
        }}""",
        f=np.array([1, 1, *factors], np.float32),
    )


@given(
    centres=st.sampled_from(["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]),
    sizes=st.tuples(*[st.integers(1, 7)] * 2),
    factors=st.tuples(*[st.integers(1, 5)] * 2),
)
def test_same_as_resize(centres, sizes, factors):
    if factors == (1, 1):
        factors = (2, 1)
    proto = resize(centres, (2, 3, *sizes), factors)
    graph = apply_all(read(proto), RESIZE_PRODUCT)
    assert "interpolate" in [node.op for node in graph.nodes.values()]
    data = inputs_of(proto)
    np.testing.assert_allclose(run(to_proto(write(graph)), data)[0], run(proto, data)[0], rtol=1e-5, atol=1e-5)


@given(old=st.integers(1, 40), new=st.integers(1, 40))
def test_rows_sum_to_one(old, new):
    np.testing.assert_allclose(matrix(old, new).sum(axis=1), 1.0)


def summed(other="other"):
    return model(
        f"""g (float[N,4,4,6] x, float[N,4,2,3] z, float[N,4,8,12] other) => (float[N,4,8,12] y) {{
            a = Resize<mode="linear">(x, , two)
            b = Resize<mode="linear">(z, , four)
            y = Sum(a, {other}, b)
        }}""",
        two=np.array([1, 1, 2, 2], np.float32),
        four=np.array([1, 1, 4, 4], np.float32),
    )


def test_sum_is_one_product():
    proto = summed()
    graph = apply_all(read(proto), RESIZE_PRODUCT, SUM_PRODUCT)
    written = to_proto(write(graph))
    onnx.checker.check_model(written, full_check=True)
    kinds = [node.op_type for node in written.graph.node]
    assert kinds.count("MatMul") == 3
    assert "Resize" not in kinds
    data = inputs_of(proto)
    np.testing.assert_allclose(run(written, data)[0], run(proto, data)[0], rtol=1e-5, atol=1e-5)


def test_refusals():
    proto = summed("a")
    graph = apply_all(read(proto), RESIZE_PRODUCT)
    assert not any(isinstance(found, Proposal) for found in SUM_PRODUCT.find(graph))
    tall = resize("half_pixel", (1, 2, 3, 3), (2, 2))
    tall.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "H"
    tall.graph.output[0].type.tensor_type.shape.dim[2].dim_param = "K"
    (found,) = RESIZE_PRODUCT.find(read(tall))
    assert found == Refusal("AC323", "Resize_1", "the sizes of 'Resize_1' are unknown")


@pytest.mark.parametrize("mode", ["nearest", "cubic"])
def test_other_methods_are_not_its_business(mode):
    proto = resize("half_pixel", (1, 2, 3, 3), (2, 2))
    proto.graph.node[0].attribute[1 if proto.graph.node[0].attribute[1].name == "mode" else 0].s = mode.encode()
    assert RESIZE_PRODUCT.find(read(proto)) == []
