"""Shape inference that would end the process: refused in one sentence, and the process goes on."""

import numpy as np
import onnx
import onnx_ir
import pytest

from addcat.doors.onnx.read import read
from addcat.doors.onnx.reading.inference import inferred
from addcat.errors import ModelError
from tests.doors.onnx.models import Draws, model

random = Draws(3)

SLICED = {"s": np.array([0]), "e": np.array([1]), "a": np.array([2]), "t": np.array([1])}
"""Of a Slice; onnx's inference ends the process where it meets one whose size is below zero."""
SHRINKING = {
    "Conv": ("z = Conv(x, w)", {"w": random(2, 2, 9, 9)}),
    "MaxPool": ("z = MaxPool<kernel_shape=[9,9]>(x)", {}),
    "ConvTranspose": ("z = ConvTranspose<pads=[9,9,9,9]>(x, w)", {"w": random(2, 2, 3, 3)}),
    "Pad": ("z = Pad(x, p)", {"p": np.array([0, 0, -9, 0, 0, 0, 0, 0])}),
    "Resize": ("z = Resize(x, , f)", {"f": np.array([1, 1, -1, 1], "f")}),
    "Split": ("z, u = Split<axis=2>(x, c)", {"c": np.array([-3, 7])}),
}


def sliced(body, sizes="1,2,4,4", **weights):
    text = f"g (float[{sizes}] x) => (float[A,B,C,D] y) {{ {body} y = Slice(z, s, e, a, t) }}"
    return model(text, **SLICED, **weights)


BREAKS_OFF = (
    "the ONNX model cannot be read: onnx breaks off while it infers shapes, as it does at a Slice of a size below "
    "zero, which a window leaves that is larger than its image. Give larger sizes for the inputs, or export it again."
)


def refused(proto, **more):
    with pytest.raises(ModelError) as caught:
        read(proto, **more)
    return str(caught.value)


@pytest.mark.parametrize("name", SHRINKING)
def test_a_slice_of_less_than_nothing_does_not_end_the_process(name):
    body, weights = SHRINKING[name]
    assert refused(sliced(body, **weights)) == BREAKS_OFF


def test_sizes_that_a_user_asks_for_may_be_too_small_for_a_slice():
    proto = sliced("z = Conv(x, w)", "1,2,H,W", w=random(2, 2, 3, 3))
    assert read(proto, shapes=((1, 2, 4, 4),)).nodes["Slice_2"].shape == (1, 2, 1, 2)
    assert refused(proto, shapes=((1, 2, 1, 1),)) == BREAKS_OFF


INNER = """z = Conv(x, w) o = Constant<value_ints=[0]>() e = Constant<value_ints=[1]>()
    a = Constant<value_ints=[2]>() u = Slice(z, o, e, a)"""


def test_a_slice_inside_a_function_or_a_branch():
    branches = f"""then_branch = t () => (float[A,B,C,D] u) {{ {INNER} }},
        else_branch = f () => (float[A,B,C,D] v) {{ v = Identity(x) }}"""
    text = f"g (float[1,2,4,4] x, bool k) => (float[A,B,C,D] y) {{ y = If(k)<{branches}> }}"
    assert refused(model(text, w=random(2, 2, 9, 9))) == BREAKS_OFF
    function = f"""<ir_version: 8, opset_import: ["" : 17, "local" : 1]>
        g (float[1,2,4,4] x, float[2,2,9,9] w) => (float[A,B,C,D] y) {{ y = local.cut(x, w) }}
        <opset_import: ["" : 17], domain: "local"> cut (x, w) => (u) {{ {INNER} }}"""
    assert refused(onnx.parser.parse_model(function)) == BREAKS_OFF


def test_an_open_size_written_as_minus_one_can_be_sliced():
    proto = sliced("u = Identity(x) z = Relu(u)", "7,2,4,4")
    proto.graph.value_info.append(onnx.helper.make_tensor_value_info("z", 1, [7, 2, 4, 4]))
    for value in (*proto.graph.input, *proto.graph.value_info):
        for axis in (0, 2):
            value.type.tensor_type.shape.dim[axis].dim_value = -1
    for source in (proto, onnx_ir.from_proto(proto)):
        assert read(source).nodes["Slice_3"].shape == (None, 2, None, 4)


def test_what_the_other_process_says_is_what_onnx_says():
    said = []
    for slices in ("", "u = Slice(x, a, a) "):
        proto = model(f"g (float[2,3] x, int64[1] a) => (float[2,3] y) {{ {slices}y = nobody.Relu(x) }}")
        with pytest.raises(ModelError) as caught:
            inferred(proto, "it")
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert said[0].startswith("it is not a valid ONNX model: [TypeInferenceError] ")
    assert "No opset import for domain nobody optype Relu. Export it again; " in said[0]
