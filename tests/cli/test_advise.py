"""`addcat advise`: what is asked before the work, and a report that cannot be written."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from networks import keras, layers

from addcat.cli import main

LINE = ("--data", "data.npz", "--effort", "structure")


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """The command line, in a folder with a trained model and its data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    x = keras.Input((4,), name="x")
    out = layers.Dense(1)(layers.Add(name="m")([x, layers.Dense(4)(x)]))
    model = keras.Model(x, out, name="net")
    model.compile("sgd", "mse")
    model.save("net.keras")
    rng = np.random.default_rng(0)
    np.savez("data.npz", x=rng.standard_normal((200, 4)).astype("f"), y=rng.standard_normal((200, 1)).astype("f"))

    def run(*words):
        code = main(["advise", *map(str, words)])
        return (code, *capsys.readouterr())

    return run


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ("nodir/r.html", "there is no folder 'nodir'. Make it first."),
        ("r.pdf", "its file must end in '.html' or '.htm'."),
        (".", "its file must end in '.html' or '.htm'."),
    ],
)
def test_a_report_is_refused_before_anything_is_read(run, tmp_path, monkeypatch, report, said):
    monkeypatch.setattr("addcat.doors.open.load_model", lambda *_, **__: pytest.fail("the model was read"))
    said = f"Error: The report cannot be saved as {report!r}: {said}\n"
    assert run("net.keras", *LINE, "--html", report) == (2, "", said)
    assert names(tmp_path) == ["data.npz", "net.keras"]


def test_a_report_that_cannot_be_written_does_not_cost_the_verdict(run, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    code, text, errors = run("net.keras", *LINE, "--json", "--html", "r.html")
    assert code == 2
    assert [verdict["site"] for verdict in json.loads(text)["verdicts"]] == ["m"]
    assert errors == (
        "Error: The report cannot be saved as 'r.html': No space left on device. Correct that, or save it somewhere "
        "else; nothing was written.\n"
    )
    assert names(tmp_path) == ["data.npz", "net.keras"]


def test_a_report(run):
    code, text, errors = run("net.keras", *LINE, "--html", "r.html")
    assert (code, errors) == (0, "")
    assert text
    assert Path("r.html").read_text(encoding="utf-8").startswith("<!doctype html>")


OWN = """
import keras
def weighted(y, p):
    return keras.ops.mean(keras.ops.square(y - p), axis=-1)
"""


def test_a_loss_that_only_the_user_knows(run):
    Path("own_losses_of_advise.py").write_text(OWN)
    code = (
        "import keras; from own_losses_of_advise import weighted; m = keras.saving.load_model('net.keras');"
        "m.compile('sgd', weighted); m.save('own.keras')"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)  # noqa: S603
    left_out = "was loaded without what it was compiled with: Could not locate function 'weighted'."
    assert run("own.keras", *LINE) == (
        2,
        "",
        "Error: 'own.keras' cannot be loaded: Could not locate function 'weighted'. Name the module that defines it: "
        "--custom package.module (custom=('package.module',) in Python).\n",
    )
    code, text, errors = run("own.keras", *LINE, "--loss", "mse")
    assert (code, errors) == (0, f"Note: 'own.keras' {left_out} Compile the new model before you train it.\n")
    code, text, errors = run("own.keras", *LINE, "--custom", "own_losses_of_advise", "--json")
    assert (code, errors) == (0, "")
    assert "weighted" in json.loads(text)["loss"]
    sys.modules.pop("own_losses_of_advise")


def test_what_the_file_does_not_say_of_its_training(run):
    code, text, _ = run("net.keras", *LINE, "--epochs", 3, "--batch-size", 50, "--json")
    assert code == 0
    assert json.loads(text)["notes"][0] == "Training recipe: SGD as compiled, learning rate 0.0100, 3 epochs, 6 steps."
    code, text, _ = run("net.keras", *LINE, "--epochs", 3, "--batch-size", 50, "--learning-rate", 0.2, "--json")
    assert json.loads(text)["notes"][0] == "Training recipe: SGD as compiled, learning rate 0.200, 3 epochs, 6 steps."
    code, text, _ = run("net.keras", *LINE, "--json")
    assert "say epochs= and batch_size= (--epochs, --batch-size)" in json.loads(text)["notes"][0]


def test_metrics_beside_the_loss_are_named_on_the_command_line(run, tmp_path):
    (tmp_path / "mine.py").write_text("def worst(y_true, y_pred):\n    return abs(y_true - y_pred).max()\n")
    said = ("--data", "data.npz", "--effort", "retrain", "--epochs", "2", "--metric", "mae", "--metric", "mine:worst")
    code, out, err = run("net.keras", *said, "--json")
    assert (code, err) == (0, "")
    assert [one["metric"] for one in json.loads(out)["verdicts"][0]["metrics"]] == ["mae", "worst"]
    code, out, err = run("net.keras", "--data", "data.npz", "--metric", "maee")
    assert (code, out) == (2, "")
    assert err.startswith("Error: 'maee' is not a metric that addcat knows. Nearest: ")
