"""One of `architecture_list.py` as .onnx, exported by its own library, its batch norms calibrated on random images."""

import contextlib
import json
from pathlib import Path

import torch
from architecture_list import ARCHITECTURES
from torch import nn


class OneTensor(nn.Module):
    """A module that gives the first tensor of what another gives, for inputs by name or in order."""

    def __init__(self, module: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.module, self.names = module, names

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:  # noqa: D102
        found = self.module(**dict(zip(self.names, tensors, strict=True))) if self.names else self.module(*tensors)
        while not isinstance(found, torch.Tensor):
            found = next(iter(found.values())) if isinstance(found, dict) else found[0]
        return found


def module_of(name: str, batch: int) -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    """A module at inference, and what it is called with."""
    torch.manual_seed(0)
    build = ARCHITECTURES[name].build
    assert build is not None, f"{name} is of Keras"
    model, inputs = build(batch)
    named = isinstance(inputs, dict)
    module = OneTensor(model, tuple(inputs) if named else ())
    tensors = tuple(inputs.values()) if named else tuple(inputs)
    norms = [one for one in module.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)]
    module.eval()
    for norm in norms:
        norm.momentum = 1.0
        norm.train()
    with torch.no_grad(), contextlib.suppress(ValueError):  # a norm of one value cannot be calibrated
        module(*(torch.cat([t, t.roll(1, -1)]) for t in tensors))
    return module.eval(), tensors


def export_torch(name: str, batch: int, path: Path) -> str:
    """Export a module; by tracing, or by torch.export where that fails."""
    module, tensors = module_of(name, batch)
    names = [f"x{i}" for i in range(len(tensors))]
    try:
        with torch.no_grad():
            torch.onnx.export(module, tensors, path, dynamo=False, opset_version=17, input_names=names)
    except Exception:
        torch.onnx.export(module, tensors, path, dynamo=True, input_names=names, external_data=False, verbose=False)
        return "torch.onnx.export(dynamo=True)"
    return "torch.onnx.export(dynamo=False)"


def export_keras(name: str, batch: int, path: Path) -> str:
    """Export a Keras application under its torch backend."""
    import keras
    import numpy

    application = ARCHITECTURES[name].application
    assert application is not None, f"{name} is of PyTorch"
    kind, size = application
    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, kind)(weights=None, input_shape=(size, size, 3))
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    model(numpy.random.default_rng(0).standard_normal((2, size, size, 3)).astype("float32"), training=True)
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum
    model.export(
        path,
        format="onnx",
        verbose=False,
        input_signature=[keras.InputSpec(shape=(batch, size, size, 3), dtype="float32")],
    )
    return "keras.Model.export"


def _files(name: str, batch: int, folder: Path) -> tuple[Path, Path]:
    stem = "".join(c if c.isalnum() else "-" for c in name)
    return folder / f"{stem}-{batch}.onnx", folder / f"{stem}-{batch}.json"


def is_exported(name: str, batch: int, folder: Path) -> bool:
    """Whether a folder has a network already."""
    return _files(name, batch, folder)[1].exists()


def exported(name: str, batch: int, folder: Path) -> tuple[Path, str]:
    """The .onnx file of a network and what exported it; kept in a folder."""
    path, said = _files(name, batch, folder)
    if not said.exists():
        export = export_keras if ARCHITECTURES[name].application else export_torch
        said.write_text(json.dumps(export(name, batch, path)))
    return path, json.loads(said.read_text())
