"""What each ONNX operator is in canonical words."""

import numpy as np
import pytest

from addcat.doors.onnx.read import read
from tests.doors.onnx.models import MODELS, model, random


def ops(graph):
    return {node.outputs and name: node.op for name, node in graph.nodes.items() if node.op != "input"}


def listed(name):
    graph = read(MODELS[name]())
    return [node.op for node in graph.nodes.values() if node.op != "input"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("residual", "conv batch_norm activation add"),
        ("constants", "shift gain shift opaque gain shift shift"),
        ("dense", "dense dense opaque dense opaque add opaque dense shift"),
        ("merges", "subtract multiply maximum minimum average concat opaque opaque reshape"),
        ("upsampling", "resize resize resize resize concat"),
        (
            "rearranging",
            "split pad pool pool pool opaque add depthwise_conv conv depth_to_space conv_transpose activation "
            "global_pool conv add global_pool global_pool flatten dense add",
        ),
        ("subgraphs", "add activation opaque opaque opaque opaque"),
        ("functions", "opaque opaque opaque"),
        ("names", "add opaque"),
        ("optional_input", "add"),
    ],
)
def test_canonical_ops(name, expected):
    assert listed(name) == expected.split()


def test_weights_are_canonical_and_lazy():
    proto = MODELS["dense"]()
    arrays = {t.name: np.frombuffer(t.raw_data, np.float32).reshape(t.dims) for t in proto.graph.initializer}
    gemm = read(proto).nodes["Gemm_2"]
    assert gemm.weights["kernel"].shape == (3, 6)
    np.testing.assert_array_equal(gemm.weight("kernel"), arrays["w"].T * 0.5)
    np.testing.assert_array_equal(gemm.weight("bias"), arrays["c"] * 2.0)


@pytest.mark.parametrize(
    ("shape", "op"), [((), "dense"), ((3,), "dense"), ((1, 3), "dense"), ((1, 1), "dense"), ((3, 1), "opaque")]
)
def test_gemm_adds_a_bias_only_where_it_is_the_same_for_every_example(shape, op):
    """C of shape (M, 1) with M = N has as many elements as a bias, and is none."""
    proto = model("g (float[3,6] x) => (float[3,3] y) { y = Gemm(x, w, c) }", w=random(6, 3), c=random(*shape))
    graph = read(proto)
    assert graph.nodes["Gemm_1"].op == op
    bias = None if op == "opaque" else graph.nodes["Gemm_1"].weight("bias").shape
    assert bias == (None if op == "opaque" else (3,))


@pytest.mark.parametrize(
    ("low", "high", "function"),
    [
        (np.array([0.0], "f"), np.array([6.0], "f"), "relu6"),
        (np.float32(0), np.float32(6), "relu6"),
        (np.array([-1.0], "f"), np.float32(6), "clip"),
        (np.zeros((1, 1), "f"), np.float32(6), None),
    ],
)
def test_clip_with_bounds_of_one_element(low, high, function):
    """Runtimes take bounds of shape (1,), which exporters write."""
    graph = read(model("g (float[N,4] x) => (float[N,4] y) { y = Clip(x, a, b) }", a=np.asarray(low), b=high))
    assert graph.nodes["Clip_1"].attrs.get("function") == function


def test_constant_of_a_higher_rank_is_no_shift():
    """Broadcasting makes the tensor larger."""
    proto = model("g (float[2,4] x) => (float[3,2,4] y) { y = Add(x, c) }", c=random(3, 1, 4))
    node = read(proto).nodes["Add_1"]
    assert (node.op, node.shape) == ("opaque", (3, 2, 4))


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
def test_padding_by_nothing_is_an_identity(mode):
    text = f'g (float[1,2,4,4] x) => (float[1,2,H,W] y) {{ y = Pad<mode="{mode}">(x, p) }}'
    none, some = (model(text, opset=19, p=np.array([0, 0, 0, 0, 0, 0, 0, one])) for one in (0, 1))
    assert read(none).nodes["Pad_1"].op == "identity"
    assert read(some).nodes["Pad_1"].op == ("pad" if mode == "constant" else "opaque")


@pytest.mark.parametrize(
    ("pads", "op"), [((0, 0, 1, 2, 0, 0, 0, 1), "pad"), ((0, 0, 1, 2, 0, 0, -1, 1), "opaque")], ids=["adds", "cuts"]
)
def test_pad_that_cuts_is_not_looked_into(pads, op):
    proto = model("g (float[1,2,4,4] x) => (float[1,2,H,W] y) { y = Pad(x, p) }", p=np.array(pads))
    assert read(proto).nodes["Pad_1"].op == op


@pytest.mark.parametrize(
    ("text", "op"),
    [
        ("Slice(x, zero, last, one)", "identity"),
        ("Slice(x, zero, eight)", "opaque"),
        ("Slice(x, zero, four, one)", "identity"),
        ("Slice(x, zero, nine, one)", "identity"),
        ("Slice(x, zero, last)", "identity"),
        ("Slice(x, zero, three, one)", "opaque"),
        ("Slice(x, one, last, one)", "opaque"),
        ("Slice(x, zero, last, one, two)", "opaque"),
        ("Slice(x, zero, back, one)", "opaque"),
        ("Slice(x, last, zero, one, back)", "opaque"),
        ("Tile(x, ones)", "identity"),
        ("Tile(x, twice)", "opaque"),
        ("Expand(x, ones)", "identity"),
        ("Expand(x, sizes)", "identity"),
        ("Expand(x, more)", "opaque"),
    ],
)
def test_what_gives_what_it_reads_is_an_identity(text, op):
    """Of the axis before the channels the size is open: only an end behind every size takes all of it."""
    numbers = {"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "eight": 8, "nine": 9, "back": -1, "last": 2**31}
    given = {name: np.array([number], np.int64) for name, number in numbers.items()}
    given |= {"ones": [1, 1, 1], "twice": [1, 2, 1], "sizes": [4, 1], "more": [5, 1, 1, 1]}
    wanted = {name: np.asarray(value, np.int64) for name, value in given.items() if name in text}
    axes, text = "A,B,C,D" if "more" in text else "A,B,C", text.replace("(x", "(r")
    proto = model(f"g (float[N,4,5] x) => (float[{axes}] y) {{ r = Relu(x) t = {text} y = Relu(t) }}", **wanted)
    found = [node.op for node in read(proto).nodes.values() if node.op not in ("input", "activation")]
    assert found == [op]


@pytest.mark.parametrize(("sizes", "axis"), [("5,6", 1), ("5,6,7", 2), ("1,2,3,4", 1), ("1,2,3,4,5", 1)])
def test_bare_tensors_of_four_axes_have_their_channels_first(sizes, axis):
    graph = read(model(f"g (float[{sizes}] x) => (float[{sizes}] y) {{ y = Add(x, x) }}"))
    assert [(node.op, node.channel_axis) for node in graph.nodes.values()] == [("input", axis), ("add", axis)]


def test_constants_of_each_sign():
    graph = read(MODELS["constants"]())
    plus, minus, over = (graph.nodes[name].weight("value") for name in ("Add_2", "Sub_4", "Div_6"))
    np.testing.assert_array_equal(minus, -plus)
    np.testing.assert_allclose(over, 1 / graph.nodes["Mul_3"].weight("value"), rtol=1e-6)
    assert graph.nodes["Add_7"].weight("value") == 3.0
    assert not graph.nodes["Add_8"].weights  # one value for each position is not one for each channel


def test_methods_of_resizing():
    nodes = [node for node in read(MODELS["upsampling"]()).nodes.values() if node.op == "resize"]
    assert [(node.attrs["method"], node.attrs["factor"]) for node in nodes] == [
        ("nearest", (2, 2)),
        ("bilinear", (2, 2)),
        ("bilinear, align_corners", (2, 2)),
        ("nearest, half_pixel, ceil", (2, 2)),
    ]


@pytest.mark.parametrize(
    ("centres", "rounding", "plain"),
    [
        ("asymmetric", "floor", True),
        ("half_pixel", "round_prefer_floor", True),
        ("half_pixel", "round_prefer_ceil", True),
        ("half_pixel", "floor", False),
        ("asymmetric", "round_prefer_ceil", False),
        ("align_corners", "floor", False),
    ],
)
def test_nearest_means_plain_repetition(centres, rounding, plain):
    proto = model(
        f"""g (float[1,1,1,5] x) => (float[1,1,1,10] y) {{
            y = Resize<mode="nearest", coordinate_transformation_mode="{centres}", nearest_mode="{rounding}">(x, , f)
        }}""",
        f=np.array([1, 1, 1, 2], np.float32),
    )
    assert (read(proto).nodes["Resize_1"].attrs["method"] == "nearest") is plain


def test_tensors_that_a_subgraph_captures_are_read():
    graph = read(MODELS["subgraphs"]())
    assert [edge.node for edge in graph.nodes["If_7"].inputs] == ["Greater_6", "Add_2", "Relu_3"]
    assert [edge.node for edge in graph.nodes["Loop_10"].inputs] == ["x", "Relu_3"]


def test_channels():
    graph = read(MODELS["rearranging"]())
    assert (graph.nodes["Split_1"].channel_axis, graph.nodes["MatMul_19"].channel_axis) == (1, 1)
    tokens = read(model("g (float[N,5,4] x) => (float[N,5,4] y) { a = Add(x, b) y = Relu(a) }", b=random(4)))
    assert tokens.nodes["Add_1"].weights["value"].shape == (4,)
    rows = read(model("g (float[N,4,5] x) => (float[N,4,5] y) { a = Relu(x) y = Add(a, b) }", b=random(4, 1)))
    assert rows.nodes["Add_2"].channel_axis == 1


def test_hidden_merge():
    assert read(MODELS["dense"]()).nodes["Gemm_8"].attrs["hidden"] == "adds its third input to a product"


def test_unknown_rank_is_not_looked_into():
    proto = model("g (float[N,4] x) => (float y) { a = com.microsoft.Anything(x) b = Relu(a) y = Add(b, b) }")
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    assert [node.op for node in read(proto).nodes.values()] == ["input", "opaque", "opaque", "opaque"]


def test_other_input_shapes():
    graph = read(MODELS["residual"](), shapes=((5, 8, 16, 16),))
    assert graph.nodes["Add_4"].shape == (5, 8, 16, 16)


@pytest.mark.parametrize("name", MODELS)
def test_weights_of_a_model_do_not_hang_on_what_was_drawn_before(name):
    one = MODELS[name]().SerializeToString()
    random(5)
    assert MODELS[name]().SerializeToString() == one
