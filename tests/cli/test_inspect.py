"""`addcat inspect`: a file, code, shapes of inputs, JSON, and one message for each mistake."""

import json
import zipfile

import networks
import pytest

from addcat.cli import main
from addcat.report.text import render
from addcat.verbs.inspect import inspect


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Some of the reference networks in a folder."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("unet", "unknown_sizes"):
        networks.network(name).save(folder / f"{name}.keras")
    return folder


@pytest.fixture
def run(capsys, monkeypatch):
    def run(*arguments, width=80):
        monkeypatch.setenv("COLUMNS", str(width))
        code = main(list(map(str, arguments)))
        return (code, *capsys.readouterr())

    return run


@pytest.mark.parametrize("width", [80, 120])
def test_the_page_is_that_of_the_library(run, saved, width):
    code, text, errors = run("inspect", saved / "unet.keras", width=width)
    assert (code, errors) == (0, "")
    assert text == render(inspect(networks.network("unet")).page(), width=width)


def test_the_json_is_that_of_the_library(run, saved):
    code, text, errors = run("inspect", saved / "unet.keras", "--json")
    assert (code, errors) == (0, "")
    assert json.loads(text) == json.loads(json.dumps(inspect(networks.network("unet")).to_dict()))


def test_a_model_from_code(run):
    code, text, _ = run("inspect", "networks:residual")
    assert code == 0
    assert text.startswith("Merges of residual\n\n2 Add.\n")
    code, text, _ = run("inspect", "networks:network(name='residual')", "--json")
    assert json.loads(text)["model"] == "residual"


def test_open_sizes_at_a_shape(run, saved):
    code, text, _ = run("inspect", saved / "unknown_sizes.keras", "--json")
    assert (code, json.loads(text)["totals"]["multiply_adds"]) == (0, None)
    code, text, _ = run("inspect", saved / "unknown_sizes.keras", "--input", "1x8x8x3", "--json")
    assert json.loads(text)["totals"]["multiply_adds"] == 64 * 9 * (3 * 4 + 4 * 4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--input", "224"], "--input 224 has no batch: expected the batch first"),
        (["--input", "1x8y8"], "'1x8y8' is not a shape"),
        (["--input", "1x8x8x3", "--input", "1x8"], "has 1 input, got 2 shapes"),
        (["--input", "1x8x8x5"], "does not take inputs of shape"),
    ],
)
def test_shapes_that_are_none_or_do_not_fit(run, saved, options, words):
    code, text, errors = run("inspect", saved / "unknown_sizes.keras", *options)
    assert (code, text) == (2, "")
    assert errors.startswith("Error: ")
    assert words in errors


def test_a_file_that_is_not_there_or_no_model(run, tmp_path):
    code, text, errors = run("inspect", tmp_path / "none.keras")
    assert (code, text) == (2, "")
    assert errors.startswith("Error: There is no file")
    (tmp_path / "text.keras").write_text("not a model")
    assert run("inspect", tmp_path / "text.keras")[0] == 2
    with zipfile.ZipFile(tmp_path / "zip.keras", "w") as archive:
        archive.writestr("other.txt", "no model either")
    code, _, errors = run("inspect", tmp_path / "zip.keras")
    assert (code, errors.count("\n")) == (2, 1)


def test_help_has_an_example(run):
    code, text, _ = run("inspect", "--help", width=100)
    assert code == 0
    assert 'Example: addcat inspect "keras.applications:ResNet50(weights=None)"' in text
