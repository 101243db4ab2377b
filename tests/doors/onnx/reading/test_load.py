"""Malformed, truncated and hostile files: one clear error each, read whole."""

import re
import sys

import numpy as np
import onnx
import onnx_ir
import pytest

from addcat.doors.onnx.read import read
from addcat.doors.onnx.save import save_onnx
from addcat.doors.onnx.write import to_proto, write
from addcat.errors import ModelError
from tests.doors.onnx.models import MODELS, model, random
from tests.doors.onnx.test_round_trip import inputs_of, run


def refused(source, text):
    with pytest.raises(ModelError) as caught:
        read(source)
    assert str(caught.value) == text


def external(folder, location="weights.bin", *, data=None, offset=0, length=None):
    """A model whose kernel lies in another file."""
    proto = MODELS["residual"]()
    kernel = proto.graph.initializer[0]
    data = kernel.raw_data if data is None else data
    if not location.startswith(("/", "..")):
        (folder / location).write_bytes(data)
    onnx.external_data_helper.set_external_data(kernel, location, offset, length)
    kernel.ClearField("raw_data")
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def test_no_file(tmp_path):
    path = tmp_path / "no.onnx"
    refused(path, f"There is no file {str(path)!r}. Pass the path of an existing .onnx file.")
    refused(tmp_path, f"There is no file {str(tmp_path)!r}. Pass the path of an existing .onnx file.")


@pytest.mark.parametrize("part", [0.3, 0.5, 0.99])
def test_truncated(tmp_path, part):
    whole = MODELS["residual"]().SerializeToString()
    path = tmp_path / "model.onnx"
    path.write_bytes(whole[: int(part * len(whole))])
    text = f"{str(path)!r} is not an ONNX model: it does not parse, so it is truncated or of another format. "
    refused(path, text + "Export it again.")


def test_no_outputs():
    proto = MODELS["residual"]()
    del proto.graph.output[:]
    text = "the ONNX model has no outputs, so it computes nothing. Export it again."
    refused(proto, text)
    refused(onnx_ir.from_proto(proto), text)


def test_empty(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"")
    refused(path, f"{str(path)!r} is not an ONNX model: it holds no graph. Export it again.")


def test_other_things():
    refused(3, "builtins.int is not an ONNX model. Pass a path, an onnx.ModelProto or an onnx_ir.Model.")


def test_tensor_with_too_few_bytes():
    proto = MODELS["residual"]()
    proto.graph.initializer[0].dims[0] = 2**40
    size = 2**40 * 8 * 9 * 4
    refused(
        proto,
        f"tensor 'w' of the ONNX model has the shape ({2**40}, 8, 3, 3), which takes {size} bytes, but holds 2304. "
        "Export it again.",
    )


def test_tensor_with_too_few_values():
    proto = MODELS["residual"]()
    proto.graph.initializer[0].ClearField("raw_data")
    refused(proto, "tensor 'w' of the ONNX model has the shape (8, 8, 3, 3), but fewer values. Export it again.")


def test_tensor_with_negative_size():
    proto = MODELS["residual"]()
    proto.graph.initializer[0].dims[0] = -8
    refused(
        proto,
        "tensor 'w' of the ONNX model has the shape (-8, 8, 3, 3). Sizes cannot be negative; export it again.",
    )


def test_tensor_of_unknown_type():
    proto = MODELS["residual"]()
    proto.graph.initializer[0].data_type = 999
    refused(proto, "tensor 'w' of the ONNX model has the unknown element type 999. Export it again.")


def test_cycle():
    proto = model("g (float[N,4] x) => (float[N,4] y) { y = Add(x, x) }")
    proto.graph.node[0].input[1] = "y"
    with pytest.raises(ModelError) as caught:
        read(proto)
    shape = r"the ONNX model is not a valid ONNX model: .+\. Export it again; onnx\.checker\.check_model checks it\."
    assert re.fullmatch(shape, str(caught.value))


def test_external_data_is_read(tmp_path):
    path = external(tmp_path)
    graph = read(path)
    kernel = graph.nodes["Conv_1"].weight("kernel")
    assert kernel.shape == (8, 8, 3, 3)
    data = inputs_of(MODELS["residual"]())
    written = to_proto(write(graph))
    (got,) = run(written, data)
    assert np.isfinite(got).all()
    save_onnx(write(graph), tmp_path / "out.onnx")
    np.testing.assert_array_equal(run(onnx.load(tmp_path / "out.onnx"), data)[0], got)


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd"])
def test_external_data_outside_the_folder(tmp_path, location):
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(2304))
    path = external(inner, location)
    refused(
        path,
        f"tensor 'w' of {str(path)!r} keeps its data in {location!r}, outside the model's folder. "
        "Such a model may read any file of yours, so it is refused. Save it again with its data beside it.",
    )


def test_external_data_behind_a_link(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(2304))
    path = external(inner)
    (inner / "weights.bin").unlink()
    (inner / "weights.bin").symlink_to(tmp_path / "secret.bin")
    refused(
        path,
        f"tensor 'w' of {str(path)!r} keeps its data in 'weights.bin', outside the model's folder. "
        "Such a model may read any file of yours, so it is refused. Save it again with its data beside it.",
    )


def test_external_data_missing(tmp_path):
    path = external(tmp_path)
    (tmp_path / "weights.bin").unlink()
    refused(
        path,
        f"tensor 'w' of {str(path)!r} keeps its data in 'weights.bin', which is not in the model's folder. "
        "Copy it there.",
    )


@pytest.mark.parametrize("options", [{"data": b"short"}, {"offset": 99999}, {"length": 8}, {"offset": -4}])
def test_external_data_truncated(tmp_path, options):
    path = external(tmp_path, **options)
    size = (tmp_path / "weights.bin").stat().st_size
    refused(
        path,
        f"tensor 'w' of {str(path)!r} takes 2304 bytes at offset {options.get('offset', 0)} of 'weights.bin', "
        f"which has {size} bytes there or fewer. The file is truncated or of another model; copy it again.",
    )


def test_external_data_in_memory(tmp_path):
    proto = onnx.load(external(tmp_path), load_external_data=False)
    refused(
        proto,
        "tensor 'w' of the ONNX model keeps its data in the file 'weights.bin', and a model in memory has no folder. "
        "Pass the path of the model, or load its data first: onnx.load_external_data_for_model(model, folder).",
    )


def test_ir_model_is_read_and_not_touched():
    source = onnx_ir.from_proto(MODELS["residual"]())
    before = onnx_ir.to_proto(source).SerializeToString()
    graph = read(source)
    write(graph)
    assert graph.nodes["Conv_1"].weights["kernel"].shape == (8, 8, 3, 3)
    assert onnx_ir.to_proto(source).SerializeToString() == before


def test_wrong_shapes():
    text = "the ONNX model has 1 input, got 2 shapes. Give one for each."
    with pytest.raises(ModelError, match=re.escape(text)):
        read(MODELS["residual"](), shapes=((1, 8, 16, 16), (1,)))
    text = "input 'x' of the ONNX model has the shape (None, 8, 16, 16), which (1, 4, 16, 16) does not fit."
    with pytest.raises(ModelError) as caught:
        read(MODELS["residual"](), shapes=((1, 4, 16, 16),))
    assert str(caught.value) == text


def test_large_model_is_saved_with_its_weights_beside_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["addcat.doors.onnx.save"], "PROTO_LIMIT", 1000)
    proto = model("g (float[N,64] x) => (float[N,64] y) { y = MatMul(x, w) }", w=random(64, 64))
    path = tmp_path / "out.onnx"
    save_onnx(write(read(proto)), path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.onnx", "out.onnx.data"]
    data = inputs_of(proto)
    np.testing.assert_array_equal(run(onnx.load(path), data)[0], run(proto, data)[0])
    np.testing.assert_array_equal(run(to_proto(write(read(path))), data)[0], run(proto, data)[0])
