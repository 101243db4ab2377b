"""MODEL on the command line, and where a model is saved: what works, and every text of what does not."""

import sys
import zipfile
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest

from addcat.doors.lookup import FORM
from addcat.doors.open import load_model, require_target, save_model
from addcat.errors import MissingExtraError, ModelError, OptionError

keras, layers = networks.keras, networks.layers


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


def small(layer: Any = None, name: str = "small") -> Any:
    inputs = keras.Input((4,), name="x")
    return keras.Model(inputs, (layer or layers.Dense(3, name="head"))(inputs), name=name)


def test_a_keras_file() -> None:
    model = small()
    model.compile("sgd", "mse")
    model.save("model.keras")
    loaded = load_model("model.keras")
    data = networks.sample(model)
    np.testing.assert_array_equal(networks.outputs(loaded, data)[0], networks.outputs(model, data)[0])
    assert loaded.compiled


@pytest.mark.parametrize(
    "text", ["built_here:make", "built_here:make(width=3)", "built_here:ready", "built_here:Own()"]
)
def test_code(text: str, folder: Path) -> None:
    (folder / "built_here.py").write_text(
        "import keras\n"
        "def make(width=3):\n"
        "    x = keras.Input((4,))\n"
        "    return keras.Model(x, keras.layers.Dense(width)(x))\n"
        "ready = make()\n"
        "class Own(keras.Model):\n"
        "    def call(self, x):\n"
        "        return x\n"
    )
    made = load_model(text)
    assert isinstance(made, keras.Model)
    sys.modules.pop("built_here")


def test_an_application() -> None:
    text = "keras.applications:MobileNet(weights=None, alpha=0.25, input_shape=(32, 32, 3), classes=3)"
    assert load_model(text).output_shape == (None, 3)


def test_an_onnx_file() -> None:
    onnx = pytest.importorskip("onnx")
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    value = onnx.helper.make_tensor_value_info
    x, y = (value(name, onnx.TensorProto.FLOAT, [1, 4]) for name in "xy")
    graph = onnx.helper.make_graph([node], "g", [x], [y])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9), "m.onnx")
    model = load_model("m.onnx")
    assert type(model).__module__.startswith("onnx_ir")
    assert save_model(model, "copy.onnx") == Path("copy.onnx")
    assert load_model("copy.onnx").graph.name == "g"
    assert sorted(path.name for path in Path().iterdir()) == ["copy.onnx", "m.onnx"]


def with_code(where: str) -> None:
    if where == "layer":
        model = small(layers.Lambda(lambda x: 2 * x, output_shape=(4,), name="double"))
    else:
        model = small()
        model.compile("sgd", lambda y, p: keras.ops.mean(keras.ops.abs(y - p)))
    model.save("code.keras")


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@pytest.mark.parametrize(("where", "holder"), [("layer", "Lambda 'double'"), ("loss", "Functional 'small'")])
def test_code_in_a_file_runs_only_where_that_is_allowed(where: str, holder: str) -> None:
    with_code(where)
    with pytest.raises(ModelError) as caught:
        load_model("code.keras")
    assert str(caught.value) == (
        f"'code.keras' holds code: {holder} would run Python that is stored in the file. "
        "If you trust whoever made it, allow that with --unsafe (unsafe=True in Python)."
    )
    assert load_model("code.keras", unsafe=True).name == "small"


class Own(layers.Layer):
    def call(self, inputs: Any) -> Any:
        return inputs


def damaged() -> None:
    small().save("whole.keras")
    content = Path("whole.keras").read_bytes()
    Path("part.keras").write_bytes(content[: len(content) // 2])
    Path("empty.keras").touch()
    Path("text.keras").write_text("hello")
    with zipfile.ZipFile("other.keras", "w") as archive:
        archive.writestr("word/document.xml", "<w/>")
    middle = len(content) // 2
    Path("damaged.keras").write_bytes(content[:middle] + b"x" * 100 + content[middle + 100 :])
    small(Own(name="own")).save("own.keras")
    Path("folder.keras").mkdir()


EXPECTED = f"Expected a .keras or .onnx file, or {FORM}."
NOT_WHOLE = (
    " is not a Keras file, or only a part of one: it cannot be opened as a zip archive. Save or copy the model again."
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("part.keras", f"'part.keras'{NOT_WHOLE}"),
        ("empty.keras", f"'empty.keras'{NOT_WHOLE}"),
        ("text.keras", f"'text.keras'{NOT_WHOLE}"),
        (
            "other.keras",
            "'other.keras' is not a Keras file: it is an archive without config.json and metadata.json. "
            "Save the model with model.save('model.keras').",
        ),
        (
            "damaged.keras",
            "'damaged.keras' cannot be loaded: Bad CRC-32 for file 'model.weights.h5'. Save or copy the model again.",
        ),
        (
            "own.keras",
            "'own.keras' cannot be loaded: Could not locate class 'Own'. "
            "Load it in a function that imports your own classes, and pass package.module:function.",
        ),
        ("folder.keras", f"'folder.keras' is a folder. {EXPECTED}"),
        (".", f"'.' is a folder. {EXPECTED}"),
        ("hole.keras", "There is no file 'hole.keras'. '.' has 'whole.keras', 'other.keras', 'own.keras'."),
        ("nowhere/model.keras", "There is no file 'nowhere/model.keras'. Give the path of a model file."),
        ("missing.onnx", "There is no file 'missing.onnx'. '.' has "),
        (
            "model.h5",
            "'model.h5' cannot be read. It is Keras' older format: load it with keras.saving.load_model, and save it "
            "as .keras with model.save.",
        ),
        (
            "model.hdf5",
            "'model.hdf5' cannot be read. It is Keras' older format: load it with keras.saving.load_model, and save it "
            "as .keras with model.save.",
        ),
        (
            "model.pth",
            "'model.pth' cannot be read. It is a PyTorch file: export the model with torch.onnx.export.",
        ),
        (
            "saved_model.pb",
            "'saved_model.pb' cannot be read. It is a TensorFlow graph: rebuild the model in Keras, or convert it to "
            "ONNX.",
        ),
        ("model.txt", f"'model.txt' ends in '.txt'. {EXPECTED}"),
        ("model", f"'model' has no ending. {EXPECTED}"),
        (
            "math:pi",
            "'math:pi' gives float, expected a model. Let it return a Keras or an ONNX model.",
        ),
        (
            "keras:layers.Dense(3)",
            "'keras:layers.Dense(3)' gives keras.src.layers.core.dense.Dense, expected a model. "
            "Let it return a Keras or an ONNX model.",
        ),
        (
            "keras.applications:ResNet5()",
            "'keras.applications:ResNet5()': 'keras.applications' has no 'ResNet5'. "
            "It has 'ResNet50', 'ResNet152', 'ResNet50V2'.",
        ),
    ],
)
def test_what_is_no_model(text: str, said: str) -> None:
    damaged()
    with pytest.raises(ModelError) as caught:
        load_model(text)
    if said.endswith(" has "):  # the nearest of several files
        assert str(caught.value).startswith(said)
    else:
        assert str(caught.value) == said


def test_a_framework_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from addcat import frameworks

    small().save("model.keras")
    frameworks.keras.cache_clear()
    monkeypatch.setitem(sys.modules, "keras", None)
    try:
        with pytest.raises(MissingExtraError) as caught:
            load_model("model.keras")
    finally:
        frameworks.keras.cache_clear()
    assert str(caught.value) == (
        "'keras' cannot be imported: import of keras halted; None in sys.modules. "
        "It comes with the extra 'keras': pip install 'addcat[keras]'."
    )


def test_saving_replaces_a_file_only_once_the_new_one_is_whole(folder: Path) -> None:
    first, second = small(name="first"), small(name="second")
    assert save_model(first, folder / "model.keras") == folder / "model.keras"
    assert save_model(second, folder / "model.keras", source="other.keras") == folder / "model.keras"
    assert load_model("model.keras").name == "second"
    assert [path.name for path in folder.iterdir()] == ["model.keras"]


class Unsaved(layers.Layer):
    def build(self, shape: Any) -> None:
        self.add_weight(shape=(), name="w")

    def call(self, inputs: Any) -> Any:
        return inputs

    def save_own_variables(self, store: Any) -> None:
        raise OSError("No space left on device")


def test_a_failure_leaves_the_old_file_and_nothing_else(folder: Path) -> None:
    save_model(small(name="old"), "model.keras")
    broken = small(Unsaved(name="unsaved"))
    with pytest.raises(ModelError) as caught:
        save_model(broken, "model.keras")
    assert str(caught.value) == (
        "The model cannot be saved as 'model.keras': No space left on device. "
        "Correct that, or save it somewhere else; nothing was written."
    )
    assert load_model("model.keras").name == "old"
    assert [path.name for path in folder.iterdir()] == ["model.keras"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("model.h5", "its file must end in '.keras'."),
        ("model", "its file must end in '.keras'."),
        ("model.onnx", "its file must end in '.keras'."),
        ("folder.keras", "that is a folder. Give the name of a file."),
        ("nowhere/model.keras", "there is no folder 'nowhere'. Make it first."),
        ("whole.keras", "it was loaded from there, and the original is never replaced. Give another name."),
        ("./whole.keras", "it was loaded from there, and the original is never replaced. Give another name."),
    ],
)
def test_where_a_model_cannot_go(path: str, said: str) -> None:
    damaged()
    before = Path("whole.keras").read_bytes()
    with pytest.raises(OptionError) as early:
        require_target(Path(path), ".keras", "whole.keras")
    with pytest.raises(OptionError) as caught:
        save_model(small(), path, source="whole.keras")
    assert str(early.value) == str(caught.value)
    assert str(caught.value) == f"The model cannot be saved as {str(Path(path))!r}: {said}"
    assert Path("whole.keras").read_bytes() == before
