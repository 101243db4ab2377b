"""`addcat optimize`: files in and out, errors, exit codes, JSON and HTML."""

import json

import numpy as np
import onnx
import pytest
import typer
from typer.testing import CliRunner

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


def test_html(call):
    done, folder = call("--goal", "memory", "--no-measure")
    done, folder = call("--goal", "memory", "--no-measure", "--html", str(folder / "report.html"))
    assert done.exit_code == 0, done.output
    text = (folder / "report.html").read_text()
    assert text.startswith("<!doctype html>")
    assert "Optimised for memory" in text
    assert "http" not in text


@pytest.mark.parametrize(
    ("options", "files", "text"),
    [
        (
            (),
            {"target": "out.pt"},
            "The output must be a .onnx or .keras file. Got '{folder}/out.pt'.",
        ),
        ((), {"target": "out.keras"}, "An ONNX model cannot become a Keras model. Name a .onnx file as output."),
        ((), {"target": "no/out.onnx"}, "There is no folder '{folder}/no' for the output. Make it first."),
        (
            (),
            {"source": "no.onnx"},
            "There is no file '{folder}/no.onnx'. '{folder}' has 'in.onnx'.",
        ),
        (
            (),
            {"source": "no.keras"},
            "There is no file '{folder}/no.keras'. Pass the path of an existing .keras file.",
        ),
        (("--shape", "1x4"), {}, "--shape takes NAME=SHAPE, such as x=1x3x256x256. Got '1x4'."),
        (("--goal", "fun"), {}, "goal must be one of 'latency', 'memory', 'parameters', 'all'. Got 'fun'."),
    ],
)
def test_mistakes(call, options, files, text):
    done, folder = call(*options, **files)
    assert isinstance(done.exception, AddcatError)
    assert str(done.exception) == text.format(folder=folder)
    assert not [path for path in folder.iterdir() if path.name != "in.onnx"]


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
