"""The command line on PyTorch modules."""

import json

import numpy as np
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

class Named(torch.utils.data.Dataset):
    def __len__(self):
        return 120
    def __getitem__(self, place):
        x = torch.randn(4, generator=torch.Generator().manual_seed(place))
        return {"x": x, "kind": (x[0] > 0).long()}

def named():
    return torch.utils.data.DataLoader(Named(), batch_size=40)

def unpack(batch):
    return (batch["x"],), batch["kind"]

class Pixels(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.block, self.head = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 10)
    def forward(self, x):
        x = self.stem(x)
        return self.head((x + self.block(x)).mean((2, 3)))

def rows():
    torch.manual_seed(0)
    return nn.Sequential(Residual(64), nn.ReLU(), nn.Linear(2, 10))

class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two, self.head = nn.Linear(4, 4), nn.Linear(3, 4), nn.Linear(4, 2)
    def forward(self, left, right):
        return self.head(self.one(left) + self.two(right))

def two():
    torch.manual_seed(0)
    return Pair()
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
            "checkpoint, the shape in current model is torch.Size([2, 4]). Give the weights of this model; those of a "
            "switched one fit what addcat.apply(Residual(...), record, example_inputs=(x,)) makes.",
        ),
    ],
)
def test_weights_that_do_not_fit(folder, capsys, words, text):
    import importlib

    tmp_path, name = folder
    torch.save(importlib.import_module(name).Residual(6).state_dict(), tmp_path / "other.pt")
    assert main(["inspect", f"{name}:pair", *words]) == 2
    assert " ".join(capsys.readouterr().err.split()) == f"Error: {text}"


def test_weights_of_a_switched_module_name_its_record(folder, capsys):
    _, name = folder
    assert main(["switch", f"{name}:pair", "--set", "add=concat", "-o", "switched.pt"]) == 0
    capsys.readouterr()
    assert main(["inspect", f"{name}:pair", "--weights", "switched.pt"]) == 2
    assert " ".join(capsys.readouterr().err.split()) == (
        "Error: 'switched.pt' holds the weights of a Residual that was switched, add=concat, as 'switched.json' beside "
        "it says. Give code that makes the switched module: let the function return addcat.apply(Residual(...), "
        "'switched.json', example_inputs=(x,)), and load the weights into that."
    )


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
    said = capsys.readouterr().err
    assert said.startswith("Error: 'broken.pt2' cannot be loaded: ")
    assert len(said.splitlines()) == 1  # torch would log a traceback beside it


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

    tmp_path, name = folder
    x = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
    np.savez(tmp_path / "data.npz", x=x, y=(x[:, 0] > 0).astype("int64"))
    words = ["compare", f"{name}:model", "--data", "data.npz", "--pairs", "2", "--steps", "4"]
    torch.save(importlib.import_module(name).Residual().state_dict(), tmp_path / "trained.pth")
    assert main([*words, "--input", "1x4", "--weights", "trained.pth"]) == 0
    assert "concat over add" in capsys.readouterr().out


@pytest.mark.parametrize(("model", "site"), [("Pixels()", "add"), ("rows()", "0.add")])
def test_the_digits_say_what_a_module_is_called_with(folder, capsys, model, site):
    _, name = folder
    assert main(["advise", f"{name}:{model}", "--data", "digits", "--effort", "structure", "--json"]) == 0
    (verdict,) = json.loads(capsys.readouterr().out)["verdicts"]
    assert verdict["site"] == site
    words = ["compare", f"{name}:{model}", "--data", "digits", "--pairs", "2", "--steps", "2", "--epochs", "1"]
    assert main([*words, "--site", site, "--plan", "--json"]) == 0
    notes = json.loads(capsys.readouterr().out)["settings"]["notes"]
    assert any("2 steps of 128 a trial" in note for note in notes), notes


def test_digits_that_do_not_fit(folder, capsys):
    _, name = folder
    assert main(["advise", f"{name}:model", "--data", "digits"]) == 2
    assert " ".join(capsys.readouterr().err.split()) == (
        "Error: 'digits' are images of 8 by 8 pixels, and Residual takes them in none of the shapes Nx64, Nx8x8, "
        "Nx64x1, Nx1x64, Nx8x8x1, Nx1x8x8 (mat1 and mat2 shapes cannot be multiplied (5x64 and 4x4)). Pass other data, "
        "or a module that takes them."
    )


def test_a_file_of_arrays_says_what_a_module_is_called_with(folder, capsys):
    _, name = folder
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((60, 4)), rng.standard_normal((60, 3))
    y = (left[:, 0] > 0).astype(int)
    np.savez("numbered.npz", x0=left, x1=right, y=y)
    np.savez("called.npz", left=left, right=right, y=y)
    np.savez("other.npz", up=left, down=right, y=y)
    found = []
    for data in ("numbered.npz", "called.npz"):
        words = ["advise", f"{name}:two", "--data", data, "--effort", "finetune", "--epochs", "1", "--json"]
        assert main(words) == 0
        (verdict,) = json.loads(capsys.readouterr().out)["verdicts"]
        found.append([(one["method"], one["estimate"]) for one in verdict["evidence"]])
    assert found[0] == found[1]
    assert main(["switch", f"{name}:two", "--data", "called.npz", "--set", "add=concat", "-o", "wide.pt"]) == 0
    capsys.readouterr()
    assert main(["advise", f"{name}:two", "--data", "other.npz"]) == 2
    assert " ".join(capsys.readouterr().err.split()) == (
        "Error: 'other.npz' holds 'up', 'down', 'y'. Expected x, or for several inputs x0, x1, ..., or arrays named "
        "like the parameters of Pair.forward, and y."
    )


def test_batches_that_are_dicts_are_taken_apart_by_code(folder, capsys):
    _, name = folder
    words = [f"{name}:Residual()", "--data", f"{name}:named", "--validation", f"{name}:named"]
    assert main(["advise", *words]) == 2
    assert "on the command line, --unpack package.module:function." in " ".join(capsys.readouterr().err.split())
    words += ["--unpack", f"{name}:unpack", "--json"]
    assert main(["advise", *words, "--effort", "finetune", "--epochs", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["verdicts"][0]["site"] == "add"
    apart = ["--data", f"{name}:named", "--unpack", f"{name}:unpack"]
    assert main(["switch", f"{name}:Residual()", *apart, "--set", "add=concat", "-o", "dicts.pt"]) == 0
    assert "On 40 examples of data" in capsys.readouterr().out
    loss = ["--loss", "torch.nn:CrossEntropyLoss"]
    assert main(["compare", *words, *loss, "--pairs", "2", "--steps", "3"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["notes"][0] == "Loss: CrossEntropyLoss, given."


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


def test_optimize_writes_weights_and_a_record_where_the_module_stays_one(folder, capsys):
    import importlib

    import addcat

    tmp_path, name = folder
    (tmp_path / "normed.py").write_text(
        "import torch\nfrom torch import nn\n\n\n"
        "class Normed(nn.Sequential):\n"
        "    def __init__(self):\n"
        "        super().__init__(nn.Linear(4, 3), nn.BatchNorm1d(3))\n"
        "        nn.init.constant_(self[1].running_mean, 2.0)\n\n\n"
        "def pair():\n    return Normed(), (torch.zeros(2, 4),)\n",
        encoding="utf-8",
    )
    words = ["optimize", "normed:pair", "-o", "fast.pt", "--goal", "parameters", "--no-measure"]
    assert main(words) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "Normed stays a module" in " ".join(said.out.split())
    model, args = importlib.import_module("normed").Normed().eval(), (torch.randn(5, 4),)
    made = addcat.apply(model, tmp_path / "fast.json", example_inputs=args)
    made.load_state_dict(torch.load(tmp_path / "fast.pt", weights_only=True), strict=True)
    assert list(made.state_dict()) == ["0.weight", "0.bias"]
    assert main([*words, "--runtime", "onnxruntime"]) == 2
    assert " ".join(capsys.readouterr().err.split()) == (
        "Error: --runtime onnxruntime does not go with 'fast.pt': that file holds a PyTorch module, whose runtimes are "
        "torch and torch.compile. Name another runtime."
    )
    assert main(["optimize", "normed:pair", "-o", "fast.onnx", "--runtime", "torch"]) == 2
    assert " ".join(capsys.readouterr().err.split()) == (
        "Error: --runtime torch does not go with 'fast.onnx': that file holds no PyTorch module. Name a .pt file."
    )
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {
        f"{name}.py",
        "normed.py",
        "fast.pt",
        "fast.json",
    }
