"""Where results go: asked for before the work, whole or not there at all, and never over what was read."""

import os
from pathlib import Path
from typing import Any

import networks
import numpy as np
import onnx
import onnx_ir
import pytest

from addcat.doors.onnx.external import external_files
from addcat.doors.open import load_model
from addcat.doors.save import (
    Target,
    files_read,
    report_target,
    require_targets,
    save_model,
    save_report,
    trials_target,
)
from addcat.errors import OptionError, SaveError

keras, layers = networks.keras, networks.layers
KERAS, EITHER = (".keras",), (".keras", ".onnx")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def small(layer: Any = None, name: str = "small") -> Any:
    inputs = keras.Input((4,), name="x")
    return keras.Model(inputs, (layer or layers.Dense(3, name="head"))(inputs), name=name)


def matmul(*, scale: float = 1.0) -> onnx.ModelProto:
    """y = x w + v, where v is held by a node."""
    make, info = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    w = onnx.numpy_helper.from_array(scale * np.arange(64 * 4, dtype="float32").reshape(64, 4), "w")
    v = onnx.numpy_helper.from_array(scale * np.ones((300, 4), "float32"), "v")
    nodes = [make("MatMul", ["x", "w"], ["p"]), make("Constant", [], ["v"], value=v), make("Add", ["p", "v"], ["y"])]
    x, y = info("x", 1, [300, 64]), info("y", 1, [300, 4])
    graph = onnx.helper.make_graph(nodes, "g", [x], [y], [w])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)


def apart(path: str, data: str, *, scale: float = 1.0) -> None:
    """Save a model that keeps all its tensors in another file."""
    onnx.save(
        matmul(scale=scale),
        path,
        save_as_external_data=True,
        location=data,
        size_threshold=0,
        convert_attribute=True,
    )


def computed(path: str) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": np.linspace(-1, 1, 300 * 64, dtype="float32").reshape(300, 64)})[0]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# before the work


@pytest.mark.parametrize(
    ("path", "endings", "said"),
    [
        ("model.h5", KERAS, "its file must end in '.keras'."),
        ("model", KERAS, "its file must end in '.keras'."),
        ("model.onnx", KERAS, "its file must end in '.keras'."),
        ("model.pt", EITHER, "its file must end in '.keras' or '.onnx'."),
        ("folder.keras", KERAS, "that is a folder. Give the name of a file."),
        ("pipe.keras", KERAS, "that is no ordinary file. Give the name of a file."),
        ("nowhere/model.keras", KERAS, "there is no folder 'nowhere'. Make it first."),
        ("whole.keras/model.keras", KERAS, "there is no folder 'whole.keras'. Make it first."),
        ("whole.keras", KERAS, "it was loaded from there, and the original is never replaced. Give another name."),
        ("./whole.keras", KERAS, "it was loaded from there, and the original is never replaced. Give another name."),
        ("link.keras", KERAS, "it was loaded from there, and the original is never replaced. Give another name."),
        ("hard.keras", KERAS, "it was loaded from there, and the original is never replaced. Give another name."),
        (
            "weights.onnx",
            EITHER,
            "the model keeps its weights there, and the original is never replaced. Give another name.",
        ),
    ],
)
def test_where_a_model_cannot_go(folder: Path, path: str, endings: tuple[str, ...], said: str) -> None:
    Path("whole.keras").write_text("a model")
    Path("weights.onnx").write_text("weights")
    Path("link.keras").symlink_to("whole.keras")
    Path("hard.keras").hardlink_to("whole.keras")
    Path("folder.keras").mkdir()
    os.mkfifo("pipe.keras")
    before = names(folder)
    with pytest.raises(OptionError) as caught:
        require_targets(Target(Path(path), endings), source="whole.keras", reads=[folder / "weights.onnx"])
    assert str(caught.value) == f"The model cannot be saved as {str(Path(path))!r}: {said}"
    assert names(folder) == before
    assert Path("whole.keras").read_text() == "a model"


@pytest.mark.parametrize(
    ("model", "report", "source", "said"),
    [
        ("x.onnx", "x.onnx", "", "the model goes there. Give another name."),
        ("x.onnx", "./x.onnx", "", "the model goes there. Give another name."),
        ("x.onnx", "x.txt", "", "its file must end in '.html' or '.htm'."),
        ("x.onnx", "no/r.html", "", "there is no folder 'no'. Make it first."),
        (
            "x.onnx",
            "page.html",
            "page.html",
            "the model was loaded from there, and the original is never replaced. Give another name.",
        ),
    ],
)
def test_where_a_report_cannot_go(folder: Path, model: str, report: str, source: str, said: str) -> None:
    Path("page.html").touch()
    with pytest.raises(OptionError) as caught:
        require_targets(Target(Path(model), EITHER), report_target(Path(report)), source=source)
    assert str(caught.value) == f"The report cannot be saved as {str(Path(report))!r}: {said}"
    assert names(folder) == ["page.html"]


@pytest.mark.parametrize("report", ["trials.html", "link.html", "hard.html"])
def test_files_of_other_options_are_never_replaced(folder: Path, report: str) -> None:
    """A store holds what may have taken days."""
    Path("trials.html").write_text("a store")
    Path("link.html").symlink_to("trials.html")
    Path("hard.html").hardlink_to("trials.html")
    options = {"--data": "digits", "--validation": None, "--store": Path("trials.html")}
    with pytest.raises(OptionError) as caught:
        require_targets(report_target(Path(report)), options=options)
    assert str(caught.value) == (
        f"The report cannot be saved as {report!r}: --store names that file, which is never replaced. "
        "Give another name."
    )
    require_targets(report_target(Path("other.html")), options=options)


def test_two_results_in_one_place() -> None:
    with pytest.raises(OptionError) as caught:
        require_targets(trials_target(Path("x.csv")), report_target(Path("x.csv")))
    assert str(caught.value) == "The report cannot be saved as 'x.csv': the trials go there. Give another name."


def test_a_place_that_takes_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(OptionError) as caught:
        require_targets(Target(Path("m.keras"), KERAS))
    assert str(caught.value) == (
        "The model cannot be saved as 'm.keras': nothing can be written in '.' (read-only file system). "
        "Choose another folder."
    )


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that takes no file")
def test_a_folder_that_really_takes_no_file() -> None:
    with pytest.raises(OptionError, match=r"nothing can be written in '/proc' \(.*\)\. Choose another folder\.$"):
        require_targets(report_target(Path("/proc/report.html")))


def test_a_file_that_is_read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("m.keras").touch()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OptionError) as caught:
        require_targets(Target(Path("m.keras"), KERAS))
    assert str(caught.value) == "The model cannot be saved as 'm.keras': that file is read-only. Give another name."


def test_what_may_be_written_leaves_no_trace(folder: Path) -> None:
    require_targets(Target(Path("new.KERAS"), KERAS), None, report_target(Path("r.HTML")), source="keras:Model")
    assert names(folder) == []


# whole, or not there


@pytest.mark.parametrize("name", ["model.keras", "model.KERAS"])
def test_saving_replaces_a_file_only_once_the_new_one_is_whole(folder: Path, name: str) -> None:
    first, second = small(name="first"), small(name="second")
    assert save_model(first, folder / name) == folder / name
    assert save_model(second, folder / name, source="other.keras") == folder / name
    assert load_model(name).name == "second"
    assert names(folder) == [name]


def test_code_as_a_source_is_no_file(folder: Path) -> None:
    save_model(small(), "model.keras", source="built:make")
    assert names(folder) == ["model.keras"]


class Unsaved(layers.Layer):
    def build(self, shape: Any) -> None:
        self.add_weight(shape=(), name="w")

    def call(self, inputs: Any) -> Any:
        return inputs

    def save_own_variables(self, store: Any) -> None:
        raise OSError("No space left on device")


def test_a_failure_leaves_the_old_file_and_nothing_else(folder: Path) -> None:
    save_model(small(name="old"), "model.keras")
    before = Path("model.keras").read_bytes()
    with pytest.raises(SaveError) as caught:
        save_model(small(Unsaved(name="unsaved")), "model.keras")
    assert str(caught.value) == (
        "The model cannot be saved as 'model.keras': No space left on device. "
        "Correct that, or save it somewhere else; nothing was written."
    )
    assert Path("model.keras").read_bytes() == before
    assert names(folder) == ["model.keras"]


def test_a_model_of_the_other_kind_is_refused(folder: Path) -> None:
    with pytest.raises(OptionError) as caught:
        save_model(onnx_ir.from_proto(matmul()), "model.keras")
    assert str(caught.value) == "The model cannot be saved as 'model.keras': its file must end in '.onnx'."
    assert names(folder) == []


def test_a_report(folder: Path) -> None:
    save_report("<!doctype html>old", "r.html")
    save_report("<!doctype html>é", "r.html")
    assert Path("r.html").read_text(encoding="utf-8") == "<!doctype html>é"
    assert names(folder) == ["r.html"]


def test_a_report_that_fails_leaves_the_old_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_report("old", "r.html")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SaveError) as caught:
        save_report("new", "r.html")
    assert str(caught.value) == (
        "The report cannot be saved as 'r.html': No space left on device. "
        "Correct that, or save it somewhere else; nothing was written."
    )
    assert Path("r.html").read_text() == "old"
    assert names(folder) == ["r.html"]


# ONNX models and the files beside them


@pytest.fixture
def low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights above 100 bytes do not fit into one file."""
    monkeypatch.setattr("addcat.doors.onnx.save.PROTO_LIMIT", 100)


def test_tensors_beside_a_model_are_found_wherever_they_are() -> None:
    apart("net.onnx", "net.bin")
    model = load_model("net.onnx")
    assert files_read(model) == {Path("net.bin").resolve()}
    assert files_read(small()) == ()


def test_a_model_whose_weights_fit_takes_them_in(folder: Path) -> None:
    apart("net.onnx", "net.bin")
    expected = computed("net.onnx")
    save_model(load_model("net.onnx"), "copy.onnx")
    Path("net.bin").unlink()
    np.testing.assert_array_equal(computed("copy.onnx"), expected)
    assert names(folder) == ["copy.onnx", "net.onnx"]


def test_a_model_whose_weights_do_not_fit_is_two_files(folder: Path, low_limit: None) -> None:
    apart("net.onnx", "net.bin")
    expected = computed("net.onnx")
    save_model(load_model("net.onnx"), "copy.onnx")
    for file in ("net.onnx", "net.bin"):
        Path(file).unlink()
    assert names(folder) == ["copy.onnx", "copy.onnx.data"]
    np.testing.assert_array_equal(computed("copy.onnx"), expected)
    assert external_files(load_model("copy.onnx")) == {Path("copy.onnx.data").resolve()}


def test_weights_that_the_original_reads_are_never_replaced(folder: Path, low_limit: None) -> None:
    apart("net.onnx", "fast.onnx.data")
    before, expected = Path("fast.onnx.data").read_bytes(), computed("net.onnx")
    model = load_model("net.onnx")
    save_model(model, "fast.onnx", source="net.onnx", reads=files_read(model))
    assert Path("fast.onnx.data").read_bytes() == before
    assert names(folder) == ["fast.onnx", "fast.onnx.1.data", "fast.onnx.data", "net.onnx"]
    for path in ("net.onnx", "fast.onnx"):
        np.testing.assert_array_equal(computed(path), expected)


def test_weights_of_the_model_that_is_replaced_are_replaced(folder: Path, low_limit: None) -> None:
    apart("net.onnx", "net.bin", scale=2.0)
    expected = computed("net.onnx")
    for scale in (1.0, 2.0):
        save_model(matmul(scale=scale), "fast.onnx")
    np.testing.assert_array_equal(computed("fast.onnx"), expected)
    assert names(folder) == ["fast.onnx", "fast.onnx.data", "net.bin", "net.onnx"]


def test_a_file_of_nobody_we_know_is_left_alone(folder: Path, low_limit: None) -> None:
    Path("fast.onnx.data").write_text("somebody's")
    Path("fast.onnx").write_text("no model")
    save_model(matmul(), "fast.onnx")
    assert Path("fast.onnx.data").read_text() == "somebody's"
    assert names(folder) == ["fast.onnx", "fast.onnx.1.data", "fast.onnx.data"]
    assert computed("fast.onnx").shape == (300, 4)


@pytest.mark.parametrize("fails", ["onnx_ir.save", "os.fsync"])
def test_a_failure_leaves_both_files(
    folder: Path, low_limit: None, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    save_model(matmul(), "fast.onnx")
    before = {name: Path(name).read_bytes() for name in names(folder)}

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fails, full)
    with pytest.raises(SaveError) as caught:
        save_model(matmul(scale=3.0), "fast.onnx")
    assert str(caught.value) == (
        "The model cannot be saved as 'fast.onnx': No space left on device. "
        "Correct that, or save it somewhere else; nothing was written."
    )
    assert {name: Path(name).read_bytes() for name in names(folder)} == before


def test_the_model_takes_its_place_after_its_weights(
    folder: Path, low_limit: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[str] = []
    replace = Path.replace

    def note(path: Path, target: Path) -> Path:
        moved.append(Path(target).name)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", note)
    save_model(matmul(), "fast.onnx")
    assert moved == ["fast.onnx.data", "fast.onnx"]
