"""The skips of a small PyTorch U-Net: from Concatenate to the closest Add, and back to training.

Run: python examples/torch_unet.py
"""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import addcat
from addcat.report.text import render

torch.set_num_threads(1)


def block(inputs, outputs):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class UNet(nn.Module):
    """Two levels; skips are padded to size and concatenated."""

    def __init__(self, width=8):
        super().__init__()
        self.down1, self.down2, self.middle = block(1, width), block(width, 2 * width), block(2 * width, 4 * width)
        self.up2, self.conv2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, 2), block(4 * width, 2 * width)
        self.up1, self.conv1 = nn.ConvTranspose2d(2 * width, width, 2, 2), block(2 * width, width)
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, x):
        one = self.down1(x)
        two = self.down2(F.max_pool2d(one, 2))
        x = self.middle(F.max_pool2d(two, 2))
        x = self.conv2(torch.cat([two, self.fit(self.up2(x), two)], dim=1))
        x = self.conv1(torch.cat([one, self.fit(self.up1(x), one)], dim=1))
        return self.head(x)

    @staticmethod
    def fit(x, skip):
        dy, dx = skip.size(2) - x.size(2), skip.size(3) - x.size(3)
        return F.pad(x, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])


def images(count):
    x = torch.randn(count, 1, 24, 24)
    return x, (F.avg_pool2d(x, 5, 1, 2) > 0).float()


def train(model, steps):
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    model.train()
    for _ in range(steps):
        x, y = images(16)
        value = F.binary_cross_entropy_with_logits(model(x), y)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    model.eval()


def loss(model, x, y):
    with torch.no_grad():
        return F.binary_cross_entropy_with_logits(model(x), y).item()


def main():
    torch.manual_seed(0)
    model, (x, y) = UNet(), images(64)
    train(model, 150)
    switched = addcat.switch(model, {"cat": "add"}, data=x.numpy(), example_inputs=(x[:2],))
    print(render(switched.record.page(), width=100))
    before = loss(switched.model, x, y)
    train(switched.model, 100)
    print(f"Loss {loss(model, x, y):.3f}; closest Add {before:.3f}; fine-tuned {loss(switched.model, x, y):.3f}")


if __name__ == "__main__":
    main()
