"""Merges that the graph does not show are named."""

import numpy as np
import onnx
import pytest

from addcat.doors.onnx.read import read
from addcat.verbs.inspect import inspect
from tests.doors.onnx.models import MODELS, model

FUNCTIONS = """<ir_version: 8, opset_import: ["" : 17, "local" : 1]>
    g (float[N,4] x) => (float[N,4] y) { y = local.outer(x) }
    <opset_import: ["" : 17, "local" : 1], domain: "local"> outer (v) => (w) { u = local.inner(v) w = Add(u, v) }
    <opset_import: ["" : 17], domain: "local"> inner (v) => (w) {
        one = Constant<value_float=1.0>() s = Add(v, one) t = Relu(s) w = Sum(s, t)
    }
"""


def hidden(proto):
    return {name: node.attrs["hidden"] for name, node in read(proto).nodes.items() if "hidden" in node.attrs}


def test_in_functions_of_the_model():
    """A constant that is added is no merge, at any depth."""
    proto = onnx.parser.parse_model(FUNCTIONS)
    assert hidden(proto) == {"outer_1": "is a function of the model that holds 1 Sum and 1 Add"}
    found = inspect(proto)
    assert found.page().blocks[1].text == "No merge. 1 more hidden inside other layers."


def test_in_graphs_inside_nodes():
    assert hidden(MODELS["subgraphs"]()) == {"If_7": "holds 1 Add", "Loop_10": "holds 1 Add"}


@pytest.mark.parametrize(
    ("setting", "words"),
    [("axis=1", "joins the tensors of a sequence"), ("axis=0, new_axis=1", "stacks the tensors of a sequence")],
)
def test_concat_from_sequence(setting, words):
    proto = model(
        f"""g (float[2,4] x, float[2,4] z) => (float[A,B] y) {{
            s = SequenceConstruct(x, z) y = ConcatFromSequence<{setting}>(s)
        }}"""
    )
    if "new" in setting:
        proto.graph.output[0].type.tensor_type.shape.dim.add()
    assert hidden(proto) == {"ConcatFromSequence_3": words}


def test_in_whole_numbers():
    proto = model(
        "g (uint8[2,4] x, uint8[2,4] z) => (uint8[2,4] y) { y = com.microsoft.QLinearAdd(x, s, p, z, s, p, s, p) }",
        s=np.array(0.1, "f"),
        p=np.array(0, np.uint8),
    )
    assert hidden(proto) == {"QLinearAdd_2": "adds its inputs in whole numbers"}
