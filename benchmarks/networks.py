"""Networks to optimise: random weights, batch norms calibrated on random images, exported to ONNX.

`build(name, folder)` exports one. Those of Keras are exported under its torch backend, in a process of its own.
"""

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional


def _conv(inputs: int, outputs: int, taps: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, taps, stride, taps // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class Head(nn.Module):
    """A segmentation head as in HRNet (Wang et al. 2020): maps at 1/4 to 1/32, resized, concatenated, 1x1, classes."""

    def __init__(self, widths: tuple[int, ...] = (18, 36, 72, 144), classes: int = 19) -> None:
        super().__init__()
        self.stems = nn.ModuleList(_conv(3, width, 3, 4 * 2**i) for i, width in enumerate(widths))
        total = sum(widths)
        self.mix, self.classes = _conv(total, total, 1), nn.Conv2d(total, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # noqa: D102
        first, *others = (stem(x) for stem in self.stems)
        size = first.shape[2:]
        enlarged = [functional.interpolate(m, size=size, mode="bilinear", align_corners=False) for m in others]
        return self.classes(self.mix(torch.cat([first, *enlarged], dim=1)))


class UNet(nn.Module):
    """A U-Net (Ronneberger et al. 2015) that enlarges by `mode` instead of transposed convolutions."""

    def __init__(self, mode: str, width: int = 32, levels: int = 4) -> None:
        super().__init__()
        widths = [width * 2**i for i in range(levels)]
        self.mode = mode
        self.down = nn.ModuleList(
            nn.Sequential(_conv(a, b), _conv(b, b)) for a, b in zip([3, *widths[:-1]], widths, strict=True)
        )
        self.up = nn.ModuleList(
            nn.Sequential(_conv(a + b, b), _conv(b, b)) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.classes = nn.Conv2d(width, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # noqa: D102
        skips: list[torch.Tensor] = []
        for level in self.down:
            x = level(functional.max_pool2d(x, 2) if skips else x)
            skips.append(x)
        for level, skip in zip(self.up, skips[-2::-1], strict=True):
            corners = {} if self.mode == "nearest" else {"align_corners": False}
            x = functional.interpolate(x, scale_factor=2.0, mode=self.mode, **corners)
            x = level(torch.cat([x, skip], dim=1))
        return self.classes(x)


class RepBlock(nn.Module):
    """3x3 + 1x1 + identity, each with batch norm (RepVGG, Ding et al. 2021), as it is trained."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.three, self.one = _conv(inputs, outputs, 3, stride)[:2], _conv(inputs, outputs, 1, stride)[:2]
        self.link = nn.BatchNorm2d(inputs) if inputs == outputs and stride == 1 else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # noqa: D102
        total = self.three(x) + self.one(x)
        return functional.relu(total if self.link is None else total + self.link(x))


def rep_vgg_a0() -> nn.Module:
    """RepVGG-A0: stages of 1, 2, 4, 14 and 1 blocks."""
    blocks: list[nn.Module] = []
    inputs = 3
    for count, outputs in ((1, 48), (2, 48), (4, 96), (14, 192), (1, 1280)):
        for position in range(count):
            blocks.append(RepBlock(inputs, outputs, 1 if position else 2))
            inputs = outputs
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000))


TORCH: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "HRNet-like head": (Head, 512),
    "U-Net nearest": (lambda: UNet("nearest"), 256),
    "U-Net bilinear": (lambda: UNet("bilinear"), 256),
    "RepVGG-A0": (rep_vgg_a0, 224),
}
KERAS = {"DenseNet-121": ("DenseNet121", 224), "ResNet-50": ("ResNet50", 224), "InceptionV3": ("InceptionV3", 299)}
NAMES = (*TORCH, *KERAS)

_EXPORT = """
import sys
import keras, numpy
keras.utils.set_random_seed(0)
size = int(sys.argv[2])
model = getattr(keras.applications, sys.argv[1])(weights=None, input_shape=(size, size, 3))
norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
kept = [norm.momentum for norm in norms]
for norm in norms:
    norm.momentum = 0.0
model(numpy.random.default_rng(0).standard_normal((2, size, size, 3)).astype("float32"), training=True)
for norm, momentum in zip(norms, kept):
    norm.momentum = momentum
model(numpy.zeros((1, size, size, 3), "float32"))
model.export(sys.argv[3], format="onnx", verbose=False)
"""


def build(name: str, folder: Path) -> Path:
    """Export a network.

    Args:
        name: One of `NAMES`.
        folder: Where to.

    Returns:
        The path of the .onnx file.
    """
    path = folder / f"{name.replace(' ', '-')}.onnx"
    if name in KERAS:
        application, size = KERAS[name]
        command = [sys.executable, "-W", "ignore", "-c", _EXPORT, application, str(size), str(path)]
        subprocess.run(command, check=True, env={**os.environ, "KERAS_BACKEND": "torch"}, stderr=subprocess.DEVNULL)  # noqa: S603
        return path
    maker, size = TORCH[name]
    torch.manual_seed(0)
    network, image = maker(), torch.randn(2, 3, size, size)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network(image)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network.eval(), (image[:1],), path, dynamo=False, opset_version=17, input_names=["x"])
    return path
