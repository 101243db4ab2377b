"""`addcat optimize`: files in and out, errors, exit codes, JSON and HTML."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import typer
from typer.testing import CliRunner

from addcat.cli import main
from addcat.cli.optimize import optimize
from addcat.errors import AddcatError
from addcat.verbs.optimize.difference import difference
from tests.doors.onnx.models import model, random
from tests.doors.onnx.test_round_trip import inputs_of, run

app = typer.Typer()
app.command()(optimize)


def network():
    return model(
        """g (float[N,4,8,8] x) => (float[N,4,8,8] y) {
            a = Conv<pads=[1,1,1,1]>(x, three)
            b = Conv(x, one)
            y = Add(a, b)
        }""",
        three=random(4, 4, 3, 3),
        one=random(4, 4, 1, 1),
    )


@pytest.fixture
def call(tmp_path):
    onnx.save(network(), tmp_path / "in.onnx")

    def call(*options, source="in.onnx", target="out.onnx"):
        words = [str(tmp_path / source), "-o", str(tmp_path / target), *options]
        return CliRunner().invoke(app, words), tmp_path

    return call


def test_model_is_written_and_computes_the_same(call):
    done, folder = call("--goal", "parameters", "--json")
    assert done.exit_code == 0, done.output
    old, new = onnx.load(folder / "in.onnx"), onnx.load(folder / "out.onnx")
    assert [node.op_type for node in new.graph.node] == ["Conv"]
    data = inputs_of(old)
    assert difference(run(old, data), run(new, data)) < 1e-5
    assert json.loads(done.stdout)["goal"] == "parameters"


def test_page(call):
    done, _ = call("--goal", "memory", "--no-measure")
    assert done.stdout.startswith("Optimised for memory")
    assert "peak of live activations" in done.stdout


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_an_estimate_is_printed_and_no_model_written(run_line, tmp_path, words):
    before = contents(tmp_path)
    code, out, err = run_line("in.onnx", "--estimate", *words)
    assert (code, err) == (0, "")
    if words:
        assert {"foretold", "sources", "worthwhile", "level"} <= json.loads(out).keys()
    else:
        assert out.startswith("What to expect of optimize\n")
    assert contents(tmp_path) == before


def test_an_estimate_as_html(run_line, tmp_path):
    code, _, _ = run_line("in.onnx", "--estimate", "--html", "said.html")
    assert code == 0
    text = (tmp_path / "said.html").read_text()
    assert "<title>in.onnx: what to expect of optimize</title>" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("in.onnx", "optimize writes a model: name its file with --output, or ask for --estimate alone."),
        (
            "in.onnx --estimate -o out.onnx",
            "--estimate writes no model, so --output out.onnx is not for it. Leave one of them out.",
        ),
        (
            "in.onnx --estimate --goal memory",
            "--estimate foretells time alone; the goal 'memory' is counted. Leave --goal out, or --estimate.",
        ),
        (
            "in.keras --estimate",
            "A Keras model is not timed, so no gain of time can be expected. Export it to ONNX, or take the goal "
            "'memory' or 'parameters', which are counted.",
        ),
    ],
)
def test_mistakes_around_an_estimate(run_line, words, said):
    code, out, err = run_line(*words.split())
    assert (code, out) == (2, "")
    assert err == f"Error: {said}\n"


def test_html(call):
    done, folder = call("--goal", "memory", "--no-measure")
    done, folder = call("--goal", "memory", "--no-measure", "--html", str(folder / "report.html"))
    assert done.exit_code == 0, done.output
    text = (folder / "report.html").read_text()
    assert text.startswith("<!doctype html>")
    assert "Optimised for memory" in text
    assert "//" not in text
    assert "<title>out.onnx: optimised for memory</title>" in text


@pytest.mark.parametrize(
    ("options", "files", "text"),
    [
        (
            (),
            {"target": "out.pth"},
            "The model cannot be saved as '{folder}/out.pth': its file must end in '.keras' or '.onnx' or '.pt'.",
        ),
        ((), {"target": "out.keras"}, "An ONNX model cannot become a Keras model. Name a .onnx file as output."),
        (
            (),
            {"target": "out.pt"},
            "An ONNX model cannot become weights of a PyTorch module. Name a .onnx file as output.",
        ),
        (
            (),
            {"target": "no/out.onnx"},
            "The model cannot be saved as '{folder}/no/out.onnx': there is no folder '{folder}/no'. Make it first.",
        ),
        (
            (),
            {"source": "no.onnx"},
            "There is no file '{folder}/no.onnx'. '{folder}' has 'in.onnx'.",
        ),
        (
            (),
            {"source": "no.keras"},
            "There is no file '{folder}/no.keras'. '{folder}' has 'in.onnx'.",
        ),
        (("--shape", "1x4"), {}, "--shape takes NAME=SHAPE, such as x=1x3x256x256. Got '1x4'."),
        (
            ("--shape", "x=1x4x8x8", "--shape", "x=2x4x8x8"),
            {},
            "--shape names 'x' twice. Give each input one shape.",
        ),
        (("--goal", "fun"), {}, "goal must be one of 'latency', 'memory', 'parameters', 'all'. Got 'fun'."),
    ],
)
def test_mistakes(call, options, files, text):
    done, folder = call(*options, **files)
    assert isinstance(done.exception, AddcatError)
    assert str(done.exception) == text.format(folder=folder)
    assert not [path for path in folder.iterdir() if path.name != "in.onnx"]


@pytest.fixture
def run_line(capsys, tmp_path, monkeypatch):
    """The whole command line, in a folder with in.onnx and in.keras."""
    onnx.save(network(), tmp_path / "in.onnx")
    keras_network().save(tmp_path / "in.keras")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run_line(*words):
        code = main(["optimize", *map(str, words)])
        return (code, *capsys.readouterr())

    return run_line


def keras_network():
    import keras

    inputs = keras.Input((4,), name="x")
    both = keras.layers.Add(name="m")([inputs, keras.layers.Dense(4)(inputs)])
    model = keras.Model(inputs, keras.layers.Dense(2)(both), name="net")
    model.compile("sgd", "mse")
    return model


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "in.keras -o in.keras",
            "The model cannot be saved as 'in.keras': it was loaded from there, and the original is never replaced. "
            "Give another name.",
        ),
        (
            "in.onnx -o ./in.onnx",
            "The model cannot be saved as 'in.onnx': it was loaded from there, and the original is never replaced. "
            "Give another name.",
        ),
        (
            "in.onnx -o x.onnx --html x.onnx",
            "The report cannot be saved as 'x.onnx': the model goes there. Give another name.",
        ),
        (
            "in.onnx -o x.onnx --html nodir/r.html",
            "The report cannot be saved as 'nodir/r.html': there is no folder 'nodir'. Make it first.",
        ),
        (
            "in.onnx -o x.onnx --html r.json",
            "The report cannot be saved as 'r.json': its file must end in '.html' or '.htm'.",
        ),
        ("in.onnx -o .", "The model cannot be saved as '.': its file must end in '.keras' or '.onnx' or '.pt'."),
        ("in.onnx -o x.onnx --threads 0", "threads must be 1 or more. Got 0."),
    ],
)
def test_outputs_are_refused_before_anything_is_read(run_line, tmp_path, monkeypatch, words, said):
    monkeypatch.setattr("addcat.cli.optimize.load_subject", lambda *_, **__: pytest.fail("the model was read"))
    before = contents(tmp_path)
    assert run_line(*words.split()) == (2, "", f"Error: {said}\n")
    assert contents(tmp_path) == before


def test_weights_of_the_original_are_never_replaced(run_line, tmp_path, monkeypatch):
    monkeypatch.setattr("addcat.doors.onnx.save.PROTO_LIMIT", 100)
    onnx.save(network(), "net.onnx", save_as_external_data=True, location="fast.onnx.data", size_threshold=0)
    before = contents(tmp_path)
    code, _, errors = run_line("net.onnx", "-o", "fast.onnx", "--goal", "parameters", "--no-measure")
    assert (code, errors) == (0, "")
    assert {name: file for name, file in contents(tmp_path).items() if name in before} == before
    assert contents(tmp_path).keys() - before.keys() == {"fast.onnx", "fast.onnx.1.data"}
    old, new = onnx.load("net.onnx"), onnx.load("fast.onnx")
    data = inputs_of(old)
    assert difference(run(old, data), run(new, data)) < 1e-5


def test_a_file_of_weights_is_no_place_for_the_model(run_line, tmp_path):
    onnx.save(network(), "net.onnx", save_as_external_data=True, location="w.onnx", size_threshold=0)
    before = contents(tmp_path)
    assert run_line("net.onnx", "-o", "w.onnx") == (
        2,
        "",
        "Error: The model cannot be saved as 'w.onnx': the model keeps its weights there, and the original is never "
        "replaced. Give another name.\n",
    )
    assert contents(tmp_path) == before


def test_a_report_that_cannot_be_written_does_not_cost_the_result(run_line, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    code, text, errors = run_line("in.onnx", "-o", "x.onnx", "--goal", "parameters", "--html", "r.html")
    assert code == 2
    assert text.startswith("Optimised for parameters")
    assert errors == (
        "Error: The report cannot be saved as 'r.html': No space left on device. Correct that, or save it somewhere "
        "else; nothing was written.\n"
    )
    assert contents(tmp_path).keys() == {"in.onnx", "in.keras", "x.onnx"}


@pytest.mark.parametrize(("function", "ending"), [("from_onnx", "onnx"), ("from_keras", "keras")])
def test_a_model_from_code(run_line, tmp_path, function, ending):
    import keras

    Path("built_for_optimize.py").write_text(
        "import onnx, keras\n"
        "def from_onnx():\n    return onnx.load('in.onnx')\n"
        "def from_keras():\n    return keras.saving.load_model('in.keras')\n"
    )
    line = ("built_for_optimize:" + function, "-o", f"out.{ending}", "--goal", "parameters", "--no-measure")
    code, text, errors = run_line(*line)
    sys.modules.pop("built_for_optimize")
    assert (code, errors) == (0, "")
    assert text.startswith("Optimised for parameters")
    if ending == "keras":
        new = keras.saving.load_model("out.keras")
        assert (new.count_params(), new.compiled) == (4 * 2 + 2, True)
    else:
        assert [node.op_type for node in onnx.load("out.onnx").graph.node] == ["Conv"]


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
def test_code_in_a_file_runs_only_where_that_is_allowed(run_line):
    import keras

    inputs = keras.Input((4,))
    keras.Model(inputs, keras.layers.Lambda(lambda x: 2 * x, output_shape=(4,), name="two")(inputs)).save("code.keras")
    line = ("code.keras", "-o", "out.keras", "--goal", "parameters")
    assert run_line(*line) == (
        2,
        "",
        "Error: 'code.keras' holds code: Lambda 'two' would run Python that is stored in the file. If you trust "
        "whoever made it, allow that with --unsafe (unsafe=True in Python).\n",
    )
    code, text, errors = run_line(*line, "--unsafe")
    assert (code, errors) == (0, "")
    assert text.startswith("Optimised for parameters")


@pytest.mark.slow
def test_keras_that_does_not_export(run_line, tmp_path):
    import keras

    (tmp_path / "numpy_layers.py").write_text(
        "import keras, numpy\n"
        "class Cut(keras.layers.Layer):\n"
        "    def call(self, x):\n"
        "        if keras.backend.backend() == 'torch':\n"
        "            raise RuntimeError('only under JAX. Not here')\n"
        "        return 2 * x\n"
    )
    from_code = "import keras; from numpy_layers import Cut; x = keras.Input((4,)); keras.Model(x, Cut(name='cut')(x), "
    subprocess.run([sys.executable, "-W", "ignore", "-c", f"{from_code}name='net').save('cut.keras')"], check=True)  # noqa: S603
    code, text, errors = run_line("cut.keras", "-o", "cut.onnx", "--custom", "numpy_layers")
    assert (code, text) == (2, "")
    assert errors == (
        "Error: Keras does not export 'net' to ONNX under its torch backend: Cut 'cut' raised RuntimeError: only under "
        "JAX. Export it yourself with model.export(path, format='onnx'), and pass that file.\n"
    )
    assert not Path("cut.onnx").exists()
    assert keras.backend.backend() == "jax"


@pytest.mark.slow
def test_keras_in_onnx_out(call):
    import keras

    inputs = keras.Input((8, 8, 3))
    both = keras.layers.Concatenate()([keras.layers.Conv2D(8, 3, padding="same")(inputs), inputs])
    network = keras.Model(inputs, keras.layers.Conv2D(2, 1)(both))
    _, folder = call("--goal", "memory", "--no-measure")
    network.save(folder / "in.keras")
    done, _ = call("--goal", "parameters", source="in.keras", target="keras.onnx")
    assert done.exit_code == 0, done.output
    data = np.random.default_rng(0).standard_normal((2, 8, 8, 3)).astype("float32")
    proto = onnx.load(folder / "keras.onnx")
    (found,) = run(proto, {proto.graph.input[0].name: data})
    assert difference([np.asarray(network(data))], [found]) < 1e-5
