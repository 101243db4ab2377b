"""The command line on PyTorch modules."""

import json

import pytest
import torch

from addcat.cli import main

CODE = """
import torch
from torch import nn

class Residual(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.block, self.head = nn.Linear(width, width), nn.Linear(width, 2)
    def forward(self, x):
        return self.head(x + self.block(x))

def model():
    torch.manual_seed(0)
    return Residual()

def pair():
    return model(), (torch.zeros(2, 4),)

def loader():
    torch.manual_seed(1)
    x = torch.randn(120, 4)
    data = torch.utils.data.TensorDataset(x, (x[:, 0] > 0).long())
    return torch.utils.data.DataLoader(data, batch_size=40, shuffle=True)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    import sys

    name = f"own_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(CODE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path, name
    sys.modules.pop(name, None)


def test_inspect(folder, capsys):
    _, name = folder
    assert main(["inspect", f"{name}:pair", "--json"]) == 0
    one = json.loads(capsys.readouterr().out)
    assert main(["inspect", f"{name}:model", "--input", "1x4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == one
    assert [merge["site"] for merge in one["merges"]] == ["add"]


def test_a_module_without_inputs_says_what_to_do(folder, capsys):
    _, name = folder
    assert main(["inspect", f"{name}:model"]) == 2
    assert " ".join(capsys.readouterr().err.split()) == (
        f"Error: '{name}:model' gives a PyTorch module, which keeps no input shapes. Say them, as in "
        "--input 1x3x224x224, or let the function return (module, example_inputs)."
    )


def test_switch_writes_weights_and_a_record_that_rebuild_the_module(folder, capsys):
    import importlib

    import addcat

    tmp_path, name = folder
    own = importlib.import_module(name)
    trained = own.Residual()
    torch.save(trained.state_dict(), tmp_path / "trained.pth")
    words = ["switch", f"{name}:pair", "--weights", "trained.pth", "--set", "add=concat", "-o", "switched.pt"]
    assert main(words) == 0
    assert "The function is the same." in " ".join(capsys.readouterr().out.split())
    made = addcat.apply(own.model(), tmp_path / "switched.json", example_inputs=(torch.zeros(2, 4),))
    made.load_state_dict(torch.load(tmp_path / "switched.pt", weights_only=True))
    x = torch.randn(3, 4)
    torch.testing.assert_close(made(x), trained(x))
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {
        f"{name}.py",
        "switched.json",
        "switched.pt",
        "trained.pth",
    }


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            ["--weights", "none.pt"],
            "There is no file 'none.pt' to load weights from. Give the path of a .pt or .pth file.",
        ),
        (
            ["--weights", "other.pt"],
            "The weights of 'other.pt' are not those of Residual: size mismatch for block.weight: copying a param with "
            "shape torch.Size([6, 6]) from checkpoint, the shape in current model is torch.Size([4, 4]). size mismatch "
            "for block.bias: copying a param with shape torch.Size([6]) from checkpoint, the shape in current model is "
            "torch.Size([4]). size mismatch for head.weight: copying a param with shape torch.Size([2, 6]) from "
            "checkpoint, the shape in current model is torch.Size([2, 4]). Give the weights of this model.",
        ),
    ],
)
def test_weights_that_do_not_fit(folder, capsys, words, text):
    import importlib

    tmp_path, name = folder
    torch.save(importlib.import_module(name).Residual(6).state_dict(), tmp_path / "other.pt")
    assert main(["inspect", f"{name}:pair", *words]) == 2
    assert " ".join(capsys.readouterr().err.split()) == f"Error: {text}"


class Evil:
    def __reduce__(self):
        return (print, ("this ran",))


def test_pickles_are_not_opened(folder, capsys):
    tmp_path, name = folder
    torch.save(Evil(), tmp_path / "evil.pt")
    assert main(["inspect", f"{name}:pair", "--weights", "evil.pt"]) == 2
    said = capsys.readouterr()
    assert "this ran" not in said.out
    assert "Files are loaded with weights_only=True, never unpickled" in " ".join(said.err.split())
    assert main(["inspect", "evil.pt"]) == 2
    assert " ".join(capsys.readouterr().err.split()) == (
        "Error: 'evil.pt' cannot be read. It holds weights, no model. Give the model as package.module:function, and "
        "the file with --weights."
    )


def test_exported_programs_are_read(folder, capsys):
    import importlib

    tmp_path, name = folder
    model, args = importlib.import_module(name).pair()
    torch.export.save(torch.export.export(model, args), tmp_path / "model.pt2")
    capsys.readouterr()
    assert main(["inspect", "model.pt2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [merge["op"] for merge in found["merges"]] == ["add"]
    (tmp_path / "broken.pt2").write_bytes(b"no archive")
    assert main(["inspect", "broken.pt2"]) == 2
    assert "'broken.pt2' cannot be loaded" in " ".join(capsys.readouterr().err.split())


def test_advise_iterates_a_loader(folder, capsys):
    _, name = folder
    words = ["advise", f"{name}:pair", "--data", f"{name}:loader", "--validation", f"{name}:loader"]
    more = ["--loss", "torch.nn:CrossEntropyLoss", "--effort", "finetune", "--epochs", "2", "--json"]
    assert main([*words, *more]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["notes"][0] == "Training recipe: AdamW, cosine decay, 2 epochs, 6 steps."


def test_advise_takes_the_inputs_from_a_loader_and_names_a_file_that_switch_writes(folder, capsys):
    tmp_path, name = folder
    words = ["advise", f"{name}:model", "--data", f"{name}:loader", "--validation", f"{name}:loader"]
    assert main([*words, "--effort", "structure", "--json"]) == 0
    (verdict,) = json.loads(capsys.readouterr().out)["verdicts"]
    assert (verdict["choice"], verdict["command"]) == ("concat", "addcat switch MODEL --set add=concat -o switched.pt")
    assert main([*verdict["command"].replace("MODEL", f"{name}:pair").split()[1:]]) == 0
    assert (tmp_path / "switched.pt").exists()


def test_compare_trains_a_module_on_a_loader(folder, capsys):
    _, name = folder
    words = ["compare", f"{name}:model", "--data", f"{name}:loader", "--validation", f"{name}:loader", "--pairs", "2"]
    more = ["--loss", "torch.nn:CrossEntropyLoss", "--epochs", "2", "--metric", "accuracy", "--metric", "f1", "--json"]
    assert main([*words, *more]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["settings"]["notes"][1].startswith("Training recipe: AdamW, cosine decay, 2 epochs, 6 steps;")
    assert [one["metric"] for one in found["metrics"]] == ["accuracy", "f1"]


def test_compare_takes_arrays_weights_and_shapes(folder, capsys):
    import importlib

    import numpy as np

    tmp_path, name = folder
    x = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
    np.savez(tmp_path / "data.npz", x=x, y=(x[:, 0] > 0).astype("int64"))
    words = ["compare", f"{name}:model", "--data", "data.npz", "--pairs", "2", "--steps", "4"]
    assert main(words) == 2
    assert "Say them, as in --input 1x3x224x224" in " ".join(capsys.readouterr().err.split())
    torch.save(importlib.import_module(name).Residual().state_dict(), tmp_path / "trained.pth")
    assert main([*words, "--input", "1x4", "--weights", "trained.pth"]) == 0
    assert "concat over add" in capsys.readouterr().out


def test_optimize_writes_an_onnx_file(folder, capsys):
    import importlib

    import onnxruntime

    tmp_path, name = folder
    trained = importlib.import_module(name).Residual()
    torch.save(trained.state_dict(), tmp_path / "trained.pth")
    words = ["optimize", f"{name}:model", "--weights", "trained.pth", "--input", "1x4", "-o", "fast.onnx"]
    assert main([*words, "--goal", "parameters", "--no-measure"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "Residual was exported to ONNX by torch.onnx.export" in " ".join(said.out.split())
    x = torch.randn(3, 4)
    session = onnxruntime.InferenceSession(tmp_path / "fast.onnx", providers=["CPUExecutionProvider"])
    torch.testing.assert_close(torch.as_tensor(session.run(None, {"x": x.numpy()})[0]), trained(x).detach())
    both = ["--input", "1x4", "--shape", "x=1x4"]
    assert main(["optimize", f"{name}:pair", "-o", "both.onnx", *both]) == 2
    assert " ".join(capsys.readouterr().err.split()) == (
        "Error: --input gives the shape of every input in order, --shape of one by name. Give one of them."
    )
    assert main(["optimize", f"{name}:pair", "-o", "fast.keras", "--goal", "parameters"]) == 2
    assert " ".join(capsys.readouterr().err.split()) == (
        "Error: A PyTorch module cannot become a Keras model. Name a .onnx file as output."
    )
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {f"{name}.py", "fast.onnx", "trained.pth"}
