"""A kernel that several layers hold stays one tensor of the file, whatever else of a layer changes."""

import numpy as np
import onnx
import pytest

from addcat import optimize
from addcat.doors.onnx.read import read
from addcat.doors.onnx.write import to_proto, write
from addcat.graph.cost import parameters
from addcat.rules import RULES
from addcat.verbs.optimize.candidates import tidy
from tests.doors.onnx.models import model, norms, random
from tests.doors.onnx.test_round_trip import run


def kernels(proto: onnx.ModelProto) -> list[str]:
    """Names of the kernels of the layers, in order."""
    return [node.input[1] for node in proto.graph.node if node.op_type in ("Conv", "ConvTranspose", "MatMul", "Gemm")]


def shifted(layer: str, kernel: np.ndarray) -> onnx.ModelProto:
    """Two layers with one kernel, and a constant added behind each."""
    shape = (1, 4) if layer == "MatMul" else (4, 1, 1)
    size = "N,5,4" if layer == "MatMul" else "N,4,8,8"
    settings = "" if layer == "MatMul" else "<pads=[1,1,1,1]>"
    return model(
        f"""g (float[{size}] x) => (float[{size}] y) {{
            a = {layer}{settings}(x, w)
            b = Add(a, s1)
            c = Relu(b)
            d = {layer}{settings}(c, w)
            y = Add(d, s2)
        }}""",
        w=kernel,
        s1=random(*shape),
        s2=random(*shape),
    )


@pytest.mark.parametrize(
    ("layer", "shape"), [("Conv", (4, 4, 3, 3)), ("ConvTranspose", (4, 4, 3, 3)), ("MatMul", (4, 4))]
)
def test_only_shifts_are_folded(layer: str, shape: tuple[int, ...]) -> None:
    proto = shifted(layer, random(*shape))
    graph = read(proto)
    steps = tidy(graph, RULES)
    assert [one.steps[0].rule for one in steps] == ["affine-after"] * 2
    written = to_proto(write(steps[-1].graph))
    onnx.checker.check_model(written, full_check=True)
    assert kernels(written) == ["w", "w"]
    assert parameters(read(written)) == parameters(graph)
    data = {"x": np.random.default_rng(0).standard_normal((2, 5, 4) if layer == "MatMul" else (2, 4, 8, 8))}
    data = {name: array.astype("float32") for name, array in data.items()}
    np.testing.assert_allclose(run(written, data)[0], run(proto, data)[0], rtol=1e-4, atol=1e-5)


def test_a_shift_before_a_layer() -> None:
    proto = model(
        """g (float[N,4] x) => (float[N,4] y) {
            a = Add(x, s)
            b = Gemm<transB=1>(a, w, c)
            d = Relu(b)
            y = Gemm<transB=1>(d, w, c)
        }""",
        **{"w": random(4, 4), "c": random(4), "s": random(4)},
    )
    written = to_proto(write(tidy(read(proto), RULES)[-1].graph))
    assert kernels(written) == ["w", "w"]
    assert [node.op_type for node in written.graph.node] == ["Gemm", "Relu", "Gemm"]


def test_a_changed_kernel_is_another_one() -> None:
    proto = model(
        """g (float[N,4,8,8] x) => (float[N,4,4,4] y) {
            a = Conv(x, w)
            b = BatchNormalization(a, s, o, m, v)
            c = Relu(b)
            y = Conv(c, w)
        }""",
        w=random(4, 4, 3, 3),
        **norms(4),
    )
    written = to_proto(write(tidy(read(proto), RULES)[-1].graph))
    first, second = kernels(written)
    assert second == "w"
    assert first != "w"


def test_what_is_saved_must_outweigh_the_copy_of_a_shared_kernel() -> None:
    """ONNX Runtime folds the norm into a copy of the kernel, which is more than the fold of the two products saves."""
    proto = model(
        """g (float[N,4,8,8] x) => (float[N,2,4,4] y) {
            a = Conv(x, w)
            b = BatchNormalization(a, s, o, m, v)
            c = Relu(b)
            d = Conv(c, w)
            e = Conv(d, p)
            f = Conv(d, q)
            y = Add(e, f)
        }""",
        w=random(4, 4, 3, 3),
        p=random(2, 4, 1, 1),
        q=random(2, 4, 1, 1),
        **norms(4),
    )
    record = optimize(proto, goal="parameters", cache=False, measure=False).record
    assert record.after.parameters == record.before.parameters
    assert record.notes == ("Nothing saves parameters in the whole, so the model is the original.",)
