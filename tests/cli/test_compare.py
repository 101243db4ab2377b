"""`addcat compare` on the command line."""

import json
import sys

import pytest

from addcat.cli import main

SCRIPT = """
import json, sys, random
arm, seed = sys.argv[1], int(sys.argv[2])
print(json.dumps({"val_loss": 1 + random.Random(arm + str(seed)).random() / 20 - 0.3 * (arm == "concat"), "dice": 0.5}))
"""
MINE = """
def build(arm):
    return arm

def train(model, seed):
    return {"dice": 0.5 + 0.2 * (model == "concat") + 0.001 * seed * seed}
"""


@pytest.fixture
def command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [str(tmp_path), *sys.path])
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "mine_to_compare.py").write_text(MINE)
    return f"{sys.executable} script.py {{arm}} {{seed}}"


def test_a_command_its_store_and_what_it_shows(command, tmp_path, capsys):
    words = ["compare", "--command", command, "--metric", "val_loss", "--pairs", "4", "--store", "trials.db"]
    assert main([*words, "--csv", "trials.csv"]) == 0
    said = capsys.readouterr().out
    assert "- concat over add: take concat; concat is better with probability" in said
    assert "4 of 4 pairs, 8 trials" in said
    lines = (tmp_path / "trials.csv").read_text().splitlines()
    assert lines[0] == "arm,seed,status,loss,seconds,host,dice"
    assert len(lines) == 9
    assert main(["compare", "--show", "trials.db", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["findings"][0]["verdict"] == "concat"
    assert len(shown["trials"]) == 8
    assert sorted(path.name for path in tmp_path.glob("trials*")) == ["trials.csv", "trials.db"]


def test_functions_of_a_module(command, capsys):
    words = ["compare", "mine_to_compare:build", "--train", "mine_to_compare:train", "--metric", "dice"]
    assert main([*words, "--higher-is-better", "--pairs", "4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["findings"][0]["verdict"] == "concat"
    assert found["findings"][0]["gain"]["estimate"] == pytest.approx(0.2)
    assert found["settings"]["command"].startswith("addcat ")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--csv", "no/x.csv"], "The trials cannot be saved as 'no/x.csv': there is no folder 'no'. Make it first."),
        (["--csv", "x.txt"], "The trials cannot be saved as 'x.txt': its file must end in '.csv'."),
        (["--html", "no/x.html"], "The report cannot be saved as 'no/x.html': there is no folder 'no'. Make it first."),
        (
            ["--html", "m.html", "m.html", "--data", "digits"],
            "The report cannot be saved as 'm.html': the model was loaded from there, and the original is never "
            "replaced. Give another name.",
        ),
        (
            ["--store", "x.csv", "--csv", "./x.csv"],
            "The trials cannot be saved as 'x.csv': --store names that file, which is never replaced. Give another "
            "name.",
        ),
        (
            ["--show", "x.html", "--html", "x.html"],
            "The report cannot be saved as 'x.html': --show names that file, which is never replaced. Give another "
            "name.",
        ),
        (["--learning-rates", "fast"], "--learning-rates takes factors, such as 0.5,1,2. Got 'fast'."),
        (
            ["mine_to_compare:build", "--train", "mine_to_compare:train()"],
            "'mine_to_compare:train()' is a call. Expected a function: package.module:function, without parentheses.",
        ),
        (["--show", "x.db"], "There is no store 'x.db'. Give the file that a comparison writes with --store."),
        ([], "Nothing to train. Pass a model and data, a build function with train, or a command."),
    ],
)
def test_a_mistake_is_one_message(command, capsys, words, text):
    assert main(["compare", *words]) == 2
    assert capsys.readouterr().err.replace("\n", " ").strip() == f"Error: {text}"


class NoServer:
    """An MLflow that reaches nobody."""

    def set_tracking_uri(self, uri):
        raise RuntimeError(f"API request to {uri} failed.\nMax retries exceeded")


def test_what_cannot_be_written_does_not_cost_the_verdict(command, tmp_path, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    words = ["compare", "--command", command, "--metric", "val_loss", "--pairs", "4", "--json"]
    reasons = {"--html": "The report cannot be saved as 'r.html'", "--csv": "The trials cannot be saved as 'r.csv'"}
    for option, said in reasons.items():
        with monkeypatch.context() as patched:
            patched.setattr("pathlib.Path.write_text", full)
            assert main([*words, option, f"r.{option[2:]}"]) == 2
        printed = capsys.readouterr()
        assert json.loads(printed.out)["findings"][0]["verdict"] == "concat"
        assert printed.err == (
            f"Error: {said}: No space left on device. Correct that, or save it somewhere else; nothing was written.\n"
        )
    monkeypatch.setitem(sys.modules, "mlflow", NoServer())
    assert main([*words, "--mlflow", "http://nowhere"]) == 2
    printed = capsys.readouterr()
    assert json.loads(printed.out)["findings"][0]["verdict"] == "concat"
    assert printed.err == (
        "Error: The trials cannot be logged to MLflow at 'http://nowhere': API request to http://nowhere failed. "
        "Correct that, and show the store with --mlflow again; a comparison without --store has to be run again.\n"
    )


def test_an_mlflow_that_is_missing_is_said_before_anything_is_trained(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    words = ["compare", "--command", command, "--metric", "val_loss", "--pairs", "4", "--store", "trials.db"]
    assert main([*words, "--mlflow", "sqlite:///m.db"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.endswith("It comes with the extra 'mlflow': pip install 'addcat[mlflow]'.\n")
    assert not (tmp_path / "trials.db").exists()
