"""`addcat switch`: the file it writes, what it prints, and that a mistake leaves no file."""

import json

import networks
import numpy as np
import pytest
from networks import keras
from small import difference

from addcat.cli import main
from addcat.report.text import render
from addcat.verbs.switch import switch


@pytest.fixture(scope="module")
def unet(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "unet.keras"
    networks.network("unet").save(path)
    return path


@pytest.fixture
def run(capsys, monkeypatch):
    def run(*arguments, width=80):
        monkeypatch.setenv("COLUMNS", str(width))
        code = main(["switch", *map(str, arguments)])
        return (code, *capsys.readouterr())

    return run


def test_a_switch_writes_a_model_and_prints_its_record(run, unet, tmp_path):
    out = tmp_path / "out.keras"
    code, text, errors = run(unet, "--set", "skip1=concat", "-o", out)
    assert (code, errors) == (0, "")
    assert text == render(switch(networks.network("unet"), {"skip1": "concat"}).record.page(), width=80)
    loaded = keras.saving.load_model(out)
    assert type(loaded.get_layer("skip1")).__name__ == "Concatenate"
    assert difference(networks.network("unet"), loaded) < 1e-5
    assert [file.name for file in tmp_path.iterdir()] == ["out.keras"]


def test_rungs_are_saved_and_loaded_in_a_later_command(run, unet, tmp_path):
    assert run(unet, "--set", "skip1=low_rank:2", "-o", tmp_path / "one.keras")[0] == 0
    code, text, _ = run(tmp_path / "one.keras", "--set", "skip1=concat", "-o", tmp_path / "two.keras", "--json")
    record = json.loads(text)
    assert (code, record["steps"][0]["was"], record["steps"][0]["rule"]) == (0, "low_rank:2", "project")
    assert difference(networks.network("unet"), keras.saving.load_model(tmp_path / "two.keras")) < 1e-5


def test_data_seed_widen_and_fresh(run, unet, tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", x=rng.normal(size=(20, 16, 16, 3)).astype("float32"))
    out = tmp_path / "out.keras"
    options = ["--set", "skip2=add", "--data", tmp_path / "data.npz", "--widen", "pad", "--seed", "4", "--json"]
    code, text, _ = run(unet, *options, "-o", out)
    record = json.loads(text)
    assert (code, record["widen"], record["seed"], record["difference"]["on"]) == (0, "pad", 4, "data")
    assert record["steps"][0]["rule"] == "fit"
    code, text, _ = run(unet, "--set", "skip2=add", "--fresh", "-o", out, "--json")
    record = json.loads(text)
    assert (code, record["fresh"], record["seed"], record["difference"]) == (0, True, 0, None)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ([], 2, "No change was asked for. Give --set SITE=RUNG, such as --set add_1=concat."),
        (["--set", "skip1"], 2, "--set takes SITE=RUNG, such as add_1=concat. Got 'skip1'."),
        (["--set", "=add"], 2, "--set takes SITE=RUNG, such as add_1=concat. Got '=add'."),
        (["--set", "skip1="], 2, "--set takes SITE=RUNG, such as add_1=concat. Got 'skip1='."),
        (
            ["--set", "skip1=concat", "--set", "skip1=add"],
            2,
            "--set names 'skip1' twice. Give each site one rung.",
        ),
        (
            ["--set", "skip3=add"],
            2,
            "'skip3' is not a merge of this model. Nearest: 'skip2', 'skip1'.\n`inspect` lists every merge.",
        ),
        (
            ["--set", "skip1=sum"],
            2,
            "'sum' is not a rung. Expected drop, add, scale, channel_scale, low_rank:R (R = 1, 2, ...) or concat.",
        ),
        (
            ["--set", "skip1=concat", "--widen", "crop"],
            2,
            "widen='crop' is not a way to widen a branch. Expected 'project' or 'pad'.",
        ),
        (
            ["--set", "skip1=drop"],
            1,
            "'skip1' cannot become drop: what the other branches of 'skip1' add is lost: "
            "give data, and the closest network is fitted [AC114]. `addcat explain AC114` says more.",
        ),
    ],
)
def test_a_mistake_is_one_message_and_leaves_no_file(run, unet, tmp_path, options, code, words):
    out = tmp_path / "out.keras"
    assert run(unet, *options, "-o", out) == (code, "", f"Error: {words}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("out.h5", "its file must end in '.keras'"),
        ("none/out.keras", "there is no folder"),
    ],
)
def test_a_target_that_cannot_be(run, unet, tmp_path, name, words):
    code, text, errors = run(unet, "--set", "skip1=concat", "-o", tmp_path / name)
    assert (code, text) == (2, "")
    assert words in errors
    assert list(tmp_path.iterdir()) == []


def test_the_original_is_never_replaced(run, unet):
    before = unet.read_bytes()
    code, _, errors = run(unet, "--set", "skip1=concat", "-o", unet)
    assert (code, "the original is never" in errors) == (2, True)
    assert unet.read_bytes() == before


def test_an_older_output_survives_a_save_that_fails(run, unet, tmp_path, monkeypatch):
    out = tmp_path / "out.keras"
    out.write_bytes(b"the older one")

    def halfway(self, path, **_):
        path.write_bytes(b"half a model")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keras.Model, "save", halfway)
    code, text, errors = run(unet, "--set", "skip1=concat", "-o", out)
    assert (code, text) == (2, "")
    assert "No space left on device" in errors
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("out.keras", b"the older one")]


def test_data_that_do_not_fit(run, unet, tmp_path):
    np.savez(tmp_path / "data.npz", x=np.zeros((20, 8, 8), "float32"))
    out = tmp_path / "out.keras"
    code, text, errors = run(unet, "--set", "skip2=add", "--data", tmp_path / "data.npz", "-o", out)
    assert (code, text, out.exists()) == (2, "", False)
    assert errors.startswith("Error: ")


def test_help_has_an_example(run):
    code, text, _ = run("--help", width=100)
    assert code == 0
    assert "Example: addcat switch model.keras --set add_1=concat -o switched.keras" in text
