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
