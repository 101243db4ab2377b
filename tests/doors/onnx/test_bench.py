"""Inputs that are sizes, indices or flags: given where random ones do not run, asked for where they are not."""

import json

import numpy as np
import onnx
import onnx_ir
import pytest

from addcat.cli import main
from addcat.doors.onnx import bench
from addcat.doors.onnx.bench import bench_of
from addcat.doors.onnx.running.runtime import said
from addcat.errors import DataError, ModelError
from addcat.verbs.optimize import optimize
from tests.doors.onnx.models import model, random
from tests.doors.onnx.test_round_trip import run


def resizing():
    """The size of the result is an input, as segment-anything has it; two 1x1 convolutions become one before it."""
    return model(
        """g (float[1,4,8,8] x, float[2] orig_im_size) => (float[1,A,H,W] y) {
            c = Conv(x, v)
            d = Conv(c, w)
            hw = Cast<to=7>(orig_im_size)
            sz = Concat<axis=0>(nc, hw)
            y = Resize<mode="linear">(d, , , sz)
        }""",
        v=random(6, 4, 1, 1),
        w=random(2, 6, 1, 1),
        nc=np.array([1, 2]),
    )


SIZES = np.array([12, 10], np.float32)


def test_random_sizes_are_refused_in_one_sentence(capfd):
    with pytest.raises(ModelError) as caught:
        optimize(resizing(), measure=False)
    head, tail = str(caught.value).split(" Sizes, indices and flags ")
    assert head.startswith("The model does not run on random inputs: onnxruntime stops while it runs the model: Resize")
    assert "/" not in head
    assert "\n" not in head
    assert tail == (
        "have to be given: --inputs file.npz, or inputs= in Python, with an array for each input by its name. "
        "Drawn at random were 'x' (1, 4, 8, 8), 'orig_im_size' (2,)."
    )
    assert capfd.readouterr() == ("", "")  # the runtime prints nothing of its own


def test_given_inputs_are_measured_and_verified():
    proto = resizing()
    result = optimize(proto, inputs={"orig_im_size": SIZES}, measure=False)
    assert [step.rules[0] for step in result.record.steps if step.outcome == "kept"] == ["compose"]
    found = result.record.verification
    assert (found.runs, found.given, found.passed) == (3, ("orig_im_size",), True)
    data = {"x": random(1, 4, 8, 8), "orig_im_size": SIZES}
    np.testing.assert_allclose(run(result.model, data)[0], run(proto, data)[0], rtol=1e-4, atol=1e-5)
    words = [block.text for block in result.page().blocks if hasattr(block, "text")]
    assert any(text.startswith("On 3 sets of inputs, orig_im_size as given, in float32") for text in words)


def test_where_all_inputs_are_given_one_run_is_all():
    given = {"x": random(1, 4, 8, 8), "orig_im_size": SIZES}
    assert optimize(resizing(), inputs=given, measure=False).record.verification.runs == 1


def test_given_inputs_on_which_the_model_stops():
    given = {"x": random(1, 4, 8, 8), "orig_im_size": np.array([-1, 3], np.float32)}
    with pytest.raises(ModelError) as caught:
        optimize(resizing(), inputs=given, measure=False)
    assert str(caught.value).startswith("The model does not run on the inputs that were given: onnxruntime stops ")


def test_shape_as_an_input():
    proto = model("g (float[2,6] x, int64[2] s) => (float[A,B] y) { r = Reshape(x, s) y = Relu(r) }")
    found = bench_of(proto, inputs={"s": np.array([3, 4])})
    assert found.feeds(0)["s"].tolist() == [3, 4]
    with pytest.raises(ModelError, match="Reshape fails"):
        bench_of(proto)


def test_open_sizes_are_those_of_the_array():
    proto = model("g (float[N,4,H,W] x) => (float[N,4,H,W] y) { y = Relu(x) }")
    found = bench_of(proto, inputs={"x": np.zeros((2, 4, 5, 6))})
    assert found.shapes == {"x": (2, 4, 5, 6)}
    assert found.feeds(1)["x"].dtype == np.float32


def test_input_that_does_not_say_its_axes():
    proto = model("g (float[N] x) => (float[N] y) { y = Relu(x) }")
    source = onnx_ir.from_proto(proto)
    for value in (*source.graph.inputs, *source.graph.outputs):
        value.shape = None
    assert bench_of(source, shapes={"x": (2, 3)}).feeds(0)["x"].shape == (2, 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "g (seq(float[2]) s) => (float[2] y) { z = Constant<value_int=0>() y = SequenceAt(s, z) }",
            "The input 's' is no plain tensor but of the kind sequence, so the model cannot be run here and a rewrite "
            "of it not be verified. Export the part of it that has tensors alone.",
        ),
        (
            "g (bfloat16[2] x) => (float[2] y) { y = Cast<to=1>(x) }",
            "The input 'x' is of the type BFLOAT16, which runtimes do not exchange with numpy, so a rewrite of the "
            "model cannot be verified. Put a Cast to another type there.",
        ),
        (
            "g (float[2] x) => (bfloat16[2] y) { y = Cast<to=16>(x) }",
            "The output 'y' is of the type BFLOAT16, which runtimes do not exchange with numpy, so a rewrite of the "
            "model cannot be verified. Put a Cast to another type there.",
        ),
    ],
)
def test_what_cannot_be_run(text, words):
    with pytest.raises(ModelError) as caught:
        bench_of(model(text))
    assert str(caught.value) == words


def test_tensor_that_does_not_fit_into_memory(monkeypatch):
    monkeypatch.setattr(bench, "memory_bytes", lambda: 2 * 4 * 36)
    proto = model("g (float[1,6] x, float[6,1] z) => (float[6,6] y) { y = Add(x, z) }")
    assert bench_of(proto).shapes == {"x": (1, 6), "z": (6, 1)}
    monkeypatch.setattr(bench, "memory_bytes", lambda: 2 * 4 * 36 - 1)
    with pytest.raises(ModelError) as caught:
        bench_of(proto)
    assert str(caught.value) == (
        "The tensor 'y' of the shape (6, 6) takes more than half of this machine's memory, so the model is not run "
        "here."
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Reshape node. Name:'r' Status "
            "Message: /onnxruntime_src/onnxruntime/core/reshape_helper.h:33 onnxruntime::Helper(const X&, bool) i < "
            "n() was false. The dimension is zero.\n",
            "Reshape 'r' fails: The dimension is zero",
        ),
        ("[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : No kernel for Foo(1).", "No kernel for Foo(1)"),
        ("", "RuntimeError"),
    ],
)
def test_words_of_the_runtime(text, words):
    assert said(RuntimeError(text)) == words


def test_command_line(tmp_path, capsys):
    onnx.save(resizing(), tmp_path / "m.onnx")
    np.savez(tmp_path / "in.npz", orig_im_size=SIZES)
    command = ["optimize", f"{tmp_path}/m.onnx", "-o", f"{tmp_path}/out.onnx", "--no-measure"]
    assert main([*command, "--inputs", f"{tmp_path}/in.npz", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verification"]["given"] == ["orig_im_size"]
    assert main([*command, "--inputs", f"{tmp_path}/no.npz"]) == 2
    assert capsys.readouterr().err == (
        f"Error: There is no file '{tmp_path}/no.npz'. Pass an .npz file, as np.savez writes it.\n"
    )
    np.savez(tmp_path / "in.npz", size=SIZES)
    assert main([*command, "--inputs", f"{tmp_path}/in.npz"]) == 2
    assert capsys.readouterr().err == "Error: The model has no input 'size'; it has 'orig_im_size'.\n"


def test_input_of_another_name():
    with pytest.raises(DataError, match=r"^The model has no input 'z'; it has 'x', 'orig_im_size'\.$"):
        bench_of(resizing(), inputs={"z": 1})


def test_notes_on_the_model_as_it_was_read(tmp_path, capsys):
    proto = model("g (float[N,4] x, float[4,3] w) => (float[N,3] y) { y = MatMul(x, w) }", opset=11, w=random(4, 3))
    onnx.save(proto, tmp_path / "m.onnx")
    assert main(["optimize", f"{tmp_path}/m.onnx", "-o", f"{tmp_path}/out.onnx", "--no-measure", "--json"]) == 0
    notes = optimize(proto, measure=False).record.notes
    assert json.loads(capsys.readouterr().out)["notes"] == list(notes)
    assert notes[-1] == "The model was stored with opset 11; what comes out is of opset 13."
    assert notes[-2].startswith("Inputs of the model that have a value, as if they were weights: 1. A caller may ")
