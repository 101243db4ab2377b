"""Odd things in files, each of which once ended in a traceback, a wrong model or a line of somebody else's."""

import numpy as np
import onnx
import onnx_ir
import pytest

from addcat.doors.onnx.bench import bench_of
from addcat.doors.onnx.read import read
from addcat.doors.onnx.running.reference import run_float64
from addcat.doors.onnx.write import to_proto, write
from addcat.errors import ModelError
from addcat.rules import Proposal
from addcat.rules.early_stride import EARLY_STRIDE
from addcat.verbs.inspect import inspect
from addcat.verbs.optimize import GOALS, optimize
from tests.doors.onnx.models import MODELS, model
from tests.doors.onnx.test_round_trip import inputs_of, run


def read_unless_invalid(proto):
    """The graph; None where onnx's own checks refuse the model, which differs between its versions."""
    try:
        return read(proto)
    except ModelError as error:
        if " is not a valid ONNX model: " not in str(error):
            raise
        return None


def test_product_of_three_is_written_as_two_products():
    proto = model("g (float[2,4] x, float[2,4] y, float[2,4] z) => (float[2,4] v) { p = Mul(x, y) v = Mul(p, z) }")
    result = optimize(proto, measure=False)
    assert [(step.rules, step.outcome) for step in result.record.steps] == [(("flatten",), "kept")]
    data = inputs_of(proto)
    np.testing.assert_allclose(run(result.model, data)[0], run(proto, data)[0], rtol=1e-6)


@pytest.mark.parametrize(("batch", "op"), [("1", "resize"), ("N", "opaque"), ("2", "opaque")])
def test_sizes_that_resize_the_batch_too(batch, op):
    proto = model(
        f"""g (float[{batch},4,5,5] x) => (float[1,4,10,10] y) {{
            y = Resize<mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor">(x, , , s)
        }}""",
        s=np.array([1, 4, 10, 10]),
    )
    assert read(proto).nodes["Resize_1"].op == op


def test_a_resize_by_scales_that_are_an_input_is_opaque():
    proto = model('g (float[1,4,5,5] x, float[4] f) => (float[1,4,10,10] y) { y = Resize<mode="nearest">(x, , f) }')
    assert {node.op for node in read(proto).nodes.values()} == {"input", "opaque"}


@pytest.mark.parametrize("factor", [np.inf, np.nan, 0.0, -2.0, 1e30])
def test_factors_that_are_none(factor):
    proto = model(
        'g (float[1,4,5,5] x) => (float[A,B,C,D] y) { y = Resize<mode="nearest">(x, , f) }',
        f=np.array([1, 1, factor, 2], np.float32),
    )
    graph = read_unless_invalid(proto)
    assert graph is None or graph.nodes["Resize_1"].op == "opaque"


def test_rounding_that_onnx_does_not_have():
    proto = model(
        'g (float[1,4,5,5] x) => (float[A,B,C,D] y) { y = Resize<mode="nearest", nearest_mode="sideways">(x, , f) }',
        f=np.array([1, 1, 2, 2], np.float32),
    )
    assert read(proto).nodes["Resize_1"].attrs["method"] == "nearest, half_pixel, sideways"


def test_huge_image_is_looked_into_at_once():
    proto = model(
        'g (float[1,4,5,4611686018427387904] x) => (float[A,B,C,D] y) { y = Resize<mode="nearest">(x, , f) }',
        f=np.array([1, 1, 2, 2], np.float32),
    )
    assert read(proto).nodes["Resize_1"].attrs["method"] == "nearest"


def test_input_that_is_an_output_which_says_less():
    proto = model("g (float[2,4] x) => (float[2,4] y, float[A,B] x) { y = Relu(x) }")
    found = bench_of(proto)
    assert found.shapes == {"x": (2, 4)}
    assert found.graph.nodes["x"].shape == (2, 4)


OF_FOUR_AXES = {
    "ConvTranspose": "y = ConvTranspose<strides=[2,2]>(x, w)",
    "Conv": "y = Conv(x, w)",
    "Conv, depthwise": "y = Conv<group=4>(x, d)",
    "AveragePool": "y = AveragePool<kernel_shape=[2,2]>(x)",
    "Relu": "y = Relu(x)",
    "Clip": "y = Clip(x)",
    "BatchNormalization": "y = BatchNormalization(x, c, c, c, c)",
    "InstanceNormalization": "y = InstanceNormalization(x, c, c)",
    "Resize": 'y = Resize<mode="linear">(x, , s)',
    "Pad": "y = Pad(x, p)",
    "Transpose": "y = Transpose<perm=[0,2,3,1]>(x)",
    "DepthToSpace": "y = DepthToSpace<blocksize=2>(x)",
    "Add": "y = Add(x, x)",
    "Add, a constant": "y = Add(x, c4)",
    "Mul, a constant": "y = Mul(x, c4)",
    "Concat": "y = Concat<axis=1>(x, x)",
    "MatMul": "y = MatMul(x, m)",
    "PRelu": "y = PRelu(x, c4)",
    "Split": "y, z = Split<axis=1>(x, h)",
}


@pytest.mark.parametrize("name", OF_FOUR_AXES)
@pytest.mark.parametrize("axes", [3, 4, 5])
def test_an_output_that_declares_another_rank(name, axes):
    """Runtimes warn and run it; nothing is made of what cannot be so."""
    declared = ",".join(f"A{axis}" for axis in range(axes))
    rng = np.random.default_rng(0)
    shapes = {"w": (4, 4, 3, 3), "d": (4, 1, 2, 2), "c": (4,), "c4": (4, 1, 1), "m": (6, 3)}
    weights = {key: np.abs(rng.standard_normal(shape)).astype("f") + 0.1 for key, shape in shapes.items()}
    weights |= {"s": np.array([1, 1, 2, 2], "f"), "p": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "h": np.array([2, 2])}
    proto = model(f"g (float[2,4,6,6] x) => (float[{declared}] y) {{ {OF_FOUR_AXES[name]} }}", **weights)
    (node,) = [node for node in read(proto).nodes.values() if node.op != "input"]
    assert (node.op == "opaque") == (axes != 4)
    for goal in GOALS:  # a ConvTranspose, once, ended in a traceback for latency
        assert not optimize(proto, goal=goal, measure=False).record.steps or axes == 4


def test_windows_that_do_not_touch_are_padded_in_numbers():
    """ONNX Runtime takes "same" for a padding below nothing there, so that the first position is another one."""
    rng = np.random.default_rng(0)
    weights = {"w": rng.standard_normal((6, 4, 2, 1)).astype("f"), "v": rng.standard_normal((12, 1, 1, 1)).astype("f")}
    proto = model(
        """g (float[2,4,8,8] x) => (float[2,12,8,2] y) {
            a = Conv<auto_pad="SAME_UPPER", strides=[1,2]>(x, w)
            y = Conv<auto_pad="SAME_UPPER", strides=[1,2], group=6>(a, v)
        }""",
        **weights,
    )
    (found,) = [one for one in EARLY_STRIDE.find(read(proto)) if isinstance(one, Proposal)]
    rewritten = to_proto(write(EARLY_STRIDE.apply(read(proto), found)))
    data = inputs_of(proto)
    np.testing.assert_allclose(run(rewritten, data)[0], run(proto, data)[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("stride", "op"), [(1, "conv"), (2, "conv"), (3, "opaque")])
def test_padding_below_nothing_is_not_looked_into(stride, op):
    proto = model(
        f"""g (float[1,1,6,6] x) => (float[1,1,A,B] y) {{
            y = Conv<auto_pad="SAME_UPPER", strides=[1,{stride}]>(x, w)
        }}""",
        w=np.ones((1, 1, 2, 1), "f"),
    )
    (node,) = [node for node in read(proto).nodes.values() if node.op != "input"]
    assert node.op == op


def test_minus_one_is_an_open_size():
    proto = model("g (float[N,4] x) => (float[N,4] y) { y = Relu(x) }")
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = -1
    assert read(proto).nodes["x"].shape == (None, 4)
    assert bench_of(proto).shapes == {"x": (1, 4)}


def test_branches_without_channels():
    proto = model("g (float[1,0,3,3] x, float[1,0,3,3] z) => (float[1,0,3,3] y) { y = Concat<axis=1>(x, z) }")
    assert inspect(proto).totals.merge_parameters == 0


def test_constant_without_a_value():
    proto = model("g (float[2] x) => (float[2] y) { y = Relu(x) }")
    proto.graph.node.insert(0, onnx.helper.make_node("Constant", [], ["c"]))
    graph = read_unless_invalid(proto)
    assert graph is None or [node.op for node in graph.nodes.values()] == ["input", "activation"]


def test_what_onnx_ir_logs_is_not_printed(capfd):
    proto = MODELS["residual"]()
    proto.graph.node[0].device_configurations.add()
    read_unless_invalid(proto)
    assert capfd.readouterr() == ("", "")


def test_model_that_onnx_ir_cannot_copy(monkeypatch):
    def clone(_):
        raise RuntimeError("In clone_graph with args\n many lines")

    source = onnx_ir.from_proto(MODELS["residual"]())
    monkeypatch.setattr(onnx_ir.Model, "clone", clone)
    for one in (source, MODELS["residual"]()):
        with pytest.raises(ModelError) as caught:
            read(one)
        assert str(caught.value) == (
            "the ONNX model is not a valid ONNX model: In clone_graph with args. Export it again; "
            "onnx.checker.check_model checks it."
        )


@pytest.mark.filterwarnings("error")
def test_overflow_in_float64_is_nobodys_warning():
    proto = model("g (float[1,4] x) => (float[1,4] y) { y = Exp(x) }")
    (found,) = run_float64(onnx_ir.from_proto(proto), {"x": np.full((1, 4), 1e4, np.float32)})
    assert np.isinf(found).all()


def test_pad_with_too_few_amounts():
    proto = model("g (float[1,2,4,4] x) => (float[A,B,H,W] y) { y = Pad(x, p) }", p=np.array([0, 0, 1, 1, 0, 0]))
    graph = read_unless_invalid(proto)
    assert graph is None or graph.nodes["Pad_1"].op == "opaque"


WINDOWS = {
    "Conv": ("Conv<pads={}>(x, w)", (2, 2, 3, 3)),
    "ConvTranspose": ("ConvTranspose<pads={}>(x, w)", (2, 2, 3, 3)),
    "MaxPool": ("MaxPool<kernel_shape=[3,3], pads={}>(x)", (1,)),
    "AveragePool": ("AveragePool<kernel_shape=[3,3], pads={}>(x)", (1,)),
}


@pytest.mark.parametrize("pads", ["[1]", "[1,1]", "[1,1,1]", "[0,0,0]", "[1,1,1,1,1]", "[1,1,1,1,1,1]"])
@pytest.mark.parametrize("op", WINDOWS)
def test_a_window_padded_by_too_few_or_too_many_numbers(op, pads):
    call, shape = WINDOWS[op]
    proto = model(f"g (float[1,2,4,4] x) => (float[1,2,4,4] y) {{ y = {call.format(pads)} }}", w=np.ones(shape, "f"))
    graph = read_unless_invalid(proto)
    assert graph is None or graph.nodes[f"{op}_1"].op == "opaque"


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("y = ConvTranspose(x, w)", (2,)),
        ("y = ConvTranspose(x, w)", (2, 2)),
        ("y = Conv(x, w)", (2,)),
        ("y = Gemm(x, w)", ()),
        ("y = Gemm(x, w)", (2,)),
        ("y = Gemm(x, w)", (2, 2, 2)),
        ("y = Pad(x, p)", (1,)),
    ],
)
def test_a_constant_of_another_rank_than_the_operation_has(text, shape):
    proto = model(
        f"g (float[1,2,4,4] x) => (float[1,2,4,4] y) {{ {text} }}", w=np.ones(shape, "f"), p=np.ones((2, 4), np.int64)
    )
    graph = read_unless_invalid(proto)
    assert graph is None or {node.op for node in graph.nodes.values()} == {"input", "opaque"}


@pytest.mark.parametrize("rank", ["", "[1]", "[1,2,4,4,1]"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Concat_1", "a = Concat<axis=1>(x, x)"),
        ("Split_1", "a, b = Split<axis=3>(x)"),
        ("LayerNormalization_1", "a = LayerNormalization(x, w)"),
    ],
)
def test_a_file_that_declares_another_rank_than_a_node_gives(name, text, rank):
    declared = f"float{rank} a, float{rank} b" if "b =" in text else f"float{rank} a"
    proto = model(
        f"g (float[1,2,4,4] x) => (float[1,2,4,4] y) <{declared}> {{ {text} y = Relu(a) }}", w=np.ones(4, "f")
    )
    graph = read_unless_invalid(proto)
    assert graph is None or graph.nodes[name].op == "opaque"
