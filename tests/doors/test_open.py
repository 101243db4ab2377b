"""MODEL, as every verb takes it: what works, and every text of what does not."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest

import addcat
from addcat.doors.lookup import FORM
from addcat.doors.open import load_model
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


def onnx_file(path: str) -> None:
    onnx = pytest.importorskip("onnx")
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    value = onnx.helper.make_tensor_value_info
    x, y = (value(name, onnx.TensorProto.FLOAT, [1, 4]) for name in "xy")
    graph = onnx.helper.make_graph([node], "g", [x], [y])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9), path)


def test_an_onnx_file() -> None:
    onnx_file("m.onnx")
    model = load_model("m.onnx")
    assert type(model).__module__.startswith("onnx_ir")
    assert model.graph.name == "g"


@pytest.mark.parametrize("ending", [".KERAS", ".Keras", ".ONNX"])
def test_endings_in_letters_of_any_case(ending: str) -> None:
    if ending == ".ONNX":
        onnx_file("small.onnx")
        Path("small.onnx").rename("other.ONNX")
        assert load_model("other.ONNX").graph.name == "g"
    else:
        small().save("small.keras")
        Path("small.keras").rename(f"other{ending}")
        assert load_model(f"other{ending}").name == "small"


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
        load_model("code.keras", compiled=True)
    assert str(caught.value) == (
        f"'code.keras' holds code: {holder} would run Python that is stored in the file. "
        "If you trust whoever made it, allow that with --unsafe (unsafe=True in Python)."
    )
    loaded = load_model("code.keras", unsafe=True, compiled=True)
    assert (loaded.name, loaded.compiled) == ("small", where == "loss")


LOSS = """
import keras
def weighted(y, p):
    return keras.ops.mean(keras.ops.square(y - p))
class Own(keras.layers.Layer):
    def call(self, inputs):
        return 2 * inputs
"""


@pytest.fixture(scope="module")
def own_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file whose loss only the module own_losses defines, and one with a layer of its own; by another process."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_losses.py").write_text(LOSS)
    code = (
        "import keras; from own_losses import Own, weighted; x = keras.Input((4,)); d = keras.layers.Dense(3)\n"
        "plain, layered = keras.Model(x, d(x), name='plain'), keras.Model(x, Own(name='own')(x), name='layered')\n"
        "plain.compile('sgd', weighted); plain.save('loss.keras'); layered.save('layer.keras')"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, cwd=folder)  # noqa: S603
    return folder


@pytest.fixture
def own_loss(own_files: Path, folder: Path) -> Path:
    shutil.copytree(own_files, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    return folder / "loss.keras"


def test_a_loss_that_nobody_knows_is_left_out_where_none_is_needed(own_loss: Path) -> None:
    said: list[str] = []
    loaded = load_model(own_loss, say=said.append)
    assert (loaded.name, loaded.compiled) == ("plain", False)
    assert said == [
        f"{str(own_loss)!r} was loaded without what it was compiled with: Could not locate function 'weighted'. "
        "Compile the new model before you train it."
    ]


def test_a_loss_that_is_needed_and_a_layer_are_asked_for(own_loss: Path) -> None:
    way = "Name the module that defines it: --custom package.module (custom=('package.module',) in Python)."
    with pytest.raises(ModelError) as caught:
        load_model("loss.keras", compiled=True)
    assert str(caught.value) == f"'loss.keras' cannot be loaded: Could not locate function 'weighted'. {way}"
    with pytest.raises(ModelError) as caught:
        load_model("layer.keras")
    assert str(caught.value) == f"'layer.keras' cannot be loaded: Could not locate class 'Own'. {way}"
    with pytest.raises(ModelError) as caught:
        load_model("layer.keras", custom=["json"])
    assert str(caught.value) == (
        f"'layer.keras' cannot be loaded: Could not locate class 'Own'. json does not define it. {way}"
    )


def test_a_module_brings_what_the_file_lacks(own_loss: Path) -> None:
    said: list[str] = []
    assert load_model(own_loss, custom=["own_losses"], compiled=True, say=said.append).compiled
    layered = load_model("layer.keras", custom=["own_losses"])
    np.testing.assert_array_equal(layered(np.ones((1, 4), "float32")), 2 * np.ones((1, 4)))
    assert not said
    sys.modules.pop("own_losses")


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("a/b.py", "--custom takes the dotted name of a module, such as package.module. Got 'a/b.py'."),
        (
            "no_such",
            "--custom no_such: module 'no_such' cannot be imported: No module named 'no_such'. Install it, or run "
            "addcat in the folder that holds it: the current folder is searched first.",
        ),
        (
            "raises_here",
            "--custom raises_here: module 'raises_here' raised ValueError: not today. Correct the module so that it "
            "can be imported.",
        ),
    ],
)
def test_modules_that_cannot_be_had(folder: Path, module: str, said: str) -> None:
    (folder / "raises_here.py").write_text("raise ValueError('not today')")
    small().save("model.keras")
    with pytest.raises(OptionError) as caught:
        load_model("model.keras", custom=[module])
    assert str(caught.value) == said


def test_a_switched_model_is_known() -> None:
    """Its layers are addcat's own; whoever loads it through addcat need not import them."""
    x = keras.Input((4,))
    switched = addcat.switch(
        keras.Model(x, layers.Dense(2)(layers.Add(name="m")([x, layers.Dense(4)(x)]))), {"m": "channel_scale"}
    )
    switched.model.save("switched.keras")
    code = "from addcat.doors.open import load_model; print(load_model('switched.keras').layers[2].name)"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout == "m\n"
    assert switched.record.notes == (
        "ChannelScaledAdd is a layer of addcat's: in Python, `import addcat.layers` before keras.saving.load_model "
        "reads the saved model.",
    )


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
def test_a_lambda_that_raises_is_named() -> None:
    small(layers.Lambda(lambda x: networks.ops.abs(x) + 1, name="double")).save("code.keras")
    with pytest.raises(ModelError) as caught:
        load_model("code.keras", unsafe=True)
    assert str(caught.value) == (
        "'code.keras' cannot be loaded: Lambda 'double' raised NotImplementedError: We could not automatically infer "
        "the shape of the Lambda's output. Correct that layer, and save the model again."
    )


@pytest.mark.filterwarnings("ignore:Skipping nested container")
def test_a_layer_whose_weights_are_not_in_the_file_is_named() -> None:
    """Keras saves them once, and reads two layers: one of each model that holds the inner one."""
    x = keras.Input((4,))
    inner = keras.Model(x, layers.Dense(4, name="twice")(x), name="inner")
    middle = keras.Model(x, inner(x), name="middle")
    keras.Model(x, layers.Add()([middle(x), inner(x)])).save("two.keras")
    with pytest.raises(ModelError) as caught:
        load_model("two.keras")
    assert str(caught.value) == (
        "'two.keras' cannot be loaded: Layer 'twice' expected 2 variables, but received 0 variables during loading. "
        "The file does not hold its weights, as where Keras saved a model that is part of two others, one inside the "
        "other. Save the model again, or give the code that makes it, as package.module:function."
    )


def test_a_file_that_may_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    small().save("model.keras")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ModelError) as caught:
        load_model("model.keras")
    assert str(caught.value) == "'model.keras' cannot be read: you have no right to. Ask its owner for it."


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
    os.mkfifo("pipe.onnx")


EXPECTED = f"Expected a .keras, .onnx or .pt2 file, or {FORM}."
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
            "Name the module that defines it: --custom package.module (custom=('package.module',) in Python).",
        ),
        ("folder.keras", f"'folder.keras' is a folder. {EXPECTED}"),
        (".", f"'.' is a folder. {EXPECTED}"),
        ("", f"'' names no model. {EXPECTED}"),
        (" ", f"' ' names no model. {EXPECTED}"),
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
            "MODEL.H5",
            "'MODEL.H5' cannot be read. It is Keras' older format: load it with keras.saving.load_model, and save it "
            "as .keras with model.save.",
        ),
        ("pipe.onnx", f"'pipe.onnx' is no ordinary file. {EXPECTED}"),
        (
            "model.pth",
            "'model.pth' cannot be read. It holds weights, no model. Give the model as package.module:function, and "
            "the file with --weights.",
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
            "'math:pi' gives float, expected a model. Let it return a Keras or an ONNX model, or a PyTorch module.",
        ),
        (
            "keras:layers.Dense(3)",
            "'keras:layers.Dense(3)' gives keras.src.layers.core.dense.Dense, expected a model. "
            "Let it return a Keras or an ONNX model, or a PyTorch module.",
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


@pytest.mark.parametrize("trained", [False, True])
def test_slots_of_an_optimiser_that_did_not_train_are_nobodys_warning(trained: bool) -> None:
    """Keras warns of every model that was compiled and never fitted; warnings are errors here."""
    model = small()
    model.compile("adam", "mse")
    if trained:
        model.fit(np.zeros((4, 4)), np.zeros((4, 3)), verbose=0)
    model.save("model.keras")
    loaded = load_model("model.keras", compiled=True)
    assert loaded.compiled
    assert type(loaded.optimizer).__name__ == "Adam"


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
