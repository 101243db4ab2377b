"""The residuals of a small PyTorch ResNet: what they are, and what a switch of one costs.

Run: python examples/torch_resnet.py
"""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import addcat
from addcat.report.text import render

torch.set_num_threads(1)


class Block(nn.Module):
    """Two convolutions and a shortcut, the sum in place."""

    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.relu, self.downsample = nn.ReLU(inplace=True), None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class ResNet(nn.Module):
    """Three blocks and a classifier."""

    def __init__(self, classes=10):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True))
        self.layers = nn.Sequential(Block(16, 16), Block(16, 32, 2), Block(32, 32))
        self.fc = nn.Linear(32, classes)

    def forward(self, x):
        x = self.layers(self.stem(x))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


def main():
    torch.manual_seed(0)
    model, x = ResNet().eval(), torch.randn(4, 3, 32, 32)
    print(render(addcat.inspect(model, example_inputs=(x,)).page(), width=100))
    switched = addcat.switch(model, {"layers.2.add": "channel_scale"}, example_inputs=(x,))
    print(render(switched.record.page(), width=100))
    print(switched.model.layers[2])


if __name__ == "__main__":
    main()
