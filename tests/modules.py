"""PyTorch networks as people write them, in the table of `registry`: convolutional ones, towers, forms of merges."""

import token_modules
import torch
from registry import NETWORKS, build, given, image, network
from torch import nn
from torch.nn import functional as F  # noqa: N812

__all__ = ["NETWORKS", "build", "given", "token_modules"]


def conv_block(inputs: int, outputs: int, taps: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, taps, stride, taps // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self, classes=5):
        super().__init__()
        self.stem = conv_block(3, 8)
        self.layers = nn.Sequential(BasicBlock(8, 8), BasicBlock(8, 12, 2), BasicBlock(12, 12))
        self.fc = nn.Linear(12, classes)

    def forward(self, x):
        x = self.layers(self.stem(x))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


@network
def resnet():
    return ResNet(), (image(),)


class PreActBlock(nn.Module):
    """Linear to the end: its Adds can be tied."""

    def __init__(self, channels):
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(channels), nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return x + self.conv(F.relu(self.norm(x)))


@network
def preact_resnet():
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), PreActBlock(6), nn.AvgPool2d(2), nn.Conv2d(6, 8, 3, stride=2, padding=1)
    ), (image(),)


class SharedBlocks(nn.Module):
    """One residual module, called twice."""

    def __init__(self):
        super().__init__()
        self.block, self.head = PreActBlock(4), nn.Conv2d(4, 2, 1)
        self.stem = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        return self.head(self.block(self.block(self.stem(x))))


@network
def shared_blocks():
    return SharedBlocks(), (image(2, 3, 8, 8),)


class Step(nn.Module):
    """A pre-activation residual step: what follows the Add is another step, or a nonlinear layer."""

    def __init__(self, channels=4):
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(channels), nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return x + self.conv(F.relu(self.norm(x)))


class UNet(nn.Module):
    def __init__(self, width=4, depth=2):
        super().__init__()
        widths = [width << i for i in range(depth + 1)]
        self.downs = nn.ModuleList([conv_block(i, o) for i, o in zip([3, *widths], widths[:-1], strict=False)])
        self.middle = conv_block(widths[-2], widths[-1])
        self.ups = nn.ModuleList([nn.ConvTranspose2d(2 * w, w, 2, 2) for w in reversed(widths[:-1])])
        self.convs = nn.ModuleList([conv_block(2 * w, w) for w in reversed(widths[:-1])])
        self.head = nn.Conv2d(width, 2, 1)

    def forward(self, x):
        skips = []
        for down in self.downs:
            x = down(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self.middle(x)
        for up, conv, skip in zip(self.ups, self.convs, reversed(skips), strict=True):
            x = up(x)
            dy, dx = skip.size(2) - x.size(2), skip.size(3) - x.size(3)
            x = F.pad(x, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
            x = conv(torch.cat([skip, x], dim=1))
        return self.head(x)


@network
def unet():
    return UNet(), (image(),)


@network
def unet_odd_size():
    return UNet(), (image(2, 3, 18, 22),)


class AddUNet(UNet):
    def __init__(self, width=4, depth=2):
        super().__init__(width, depth)
        self.convs = nn.ModuleList([conv_block(width << i, width << i) for i in reversed(range(depth))])

    def forward(self, x):
        skips = []
        for down in self.downs:
            x = down(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self.middle(x)
        for up, conv, skip in zip(self.ups, self.convs, reversed(skips), strict=True):
            x = up(x)
            x += skip
            x = conv(x)
        return self.head(x)


@network
def unet_that_adds():
    return AddUNet(), (image(),)


class DenseLayer(nn.Module):
    def __init__(self, inputs, growth):
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, growth, 3, padding=1)

    def forward(self, features):
        y = self.conv(F.relu(self.norm(torch.cat(features, 1))))
        return F.dropout(y, p=0.2, training=self.training)


class DenseNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.layers = nn.ModuleList([DenseLayer(6 + 4 * i, 4) for i in range(3)])
        self.fc = nn.Linear(18, 5)

    def forward(self, x):
        features = [self.stem(x)]
        for layer in self.layers:
            features.append(layer(features))
        return self.fc(torch.cat(features, 1).mean((2, 3)))


@network
def densenet():
    return DenseNet(), (image(2, 3, 8, 8),)


class Inception(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.d = (
            conv_block(3, 4, 1),
            conv_block(3, 6, 3),
            conv_block(3, 8, 5),
            conv_block(3, 2, 1),
        )
        self.pool, self.head = nn.MaxPool2d(3, 1, 1), nn.Conv2d(20, 4, 1)

    def forward(self, x):
        return self.head(torch.cat([self.a(x), self.b(x), self.c(x), self.d(self.pool(x))], dim=-3))


@network
def inception():
    return Inception(), (image(2, 3, 8, 8),)


class TwoTower(nn.Module):
    """Takes a dict and gives a dict."""

    def __init__(self):
        super().__init__()
        self.user, self.item, self.embedding = nn.Linear(5, 8), nn.Linear(7, 8), nn.Embedding(20, 8)
        self.head = nn.Sequential(nn.Linear(24, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 1))

    def forward(self, batch):
        joined = torch.hstack((self.user(batch["user"]), self.item(batch["item"]), self.embedding(batch["id"])))
        return {"score": self.head(joined).squeeze(-1)}


@network
def two_tower_dict():
    return TwoTower(), ({"user": torch.randn(2, 5), "item": torch.randn(2, 7), "id": torch.tensor([3, 4])},)


class TowersAdded(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(5, 8), nn.Linear(7, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, left, right):
        return self.head(self.left(left) + self.right(right))


@network
def towers_added():
    return TowersAdded(), (torch.randn(4, 5), torch.randn(4, 7))


class TowersJoined(TowersAdded):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(16, 3)

    def forward(self, left, right):
        return self.head(torch.cat((self.left(left), self.right(right)), dim=-1))


@network
def towers_joined():
    return TowersJoined(), (torch.randn(4, 5), torch.randn(4, 7))


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8))
        self.head = nn.Linear(16, 1)

    def forward(self, a, b):
        x, y = self.encoder(a), self.encoder(b)
        return self.head(torch.cat((torch.abs(x - y), x * y), -1))


@network
def siamese():
    return Siamese(), (torch.randn(2, 6), torch.randn(2, 6))


class AddForms(nn.Module):
    """Every spelling of an Add: with a parameter, alpha, FloatFunctional, a method, a number."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 2)
        self.gain = nn.Parameter(torch.full((6,), 0.1))
        self.position = nn.Parameter(torch.randn(1, 6))
        self.functional = torch.ao.nn.quantized.FloatFunctional()

    def forward(self, x):
        x = x + self.position
        x = torch.add(x, self.a(x), alpha=0.5)
        x = torch.addcmul(x, self.gain, self.b(x))
        x = self.functional.add(x, self.a(x))
        x = x.add(self.b(x)) + 1.0
        x = x - (-self.a(x))
        return self.head(torch.lerp(x, self.b(x), 0.3))


@network
def add_forms():
    return AddForms(), (torch.randn(2, 6),)


class FunctionalWeights(nn.Module):
    def __init__(self):
        super().__init__()
        self.w, self.b = nn.Parameter(torch.randn(4, 3, 3, 3)), nn.Parameter(torch.randn(4))
        self.w2 = nn.Parameter(torch.randn(2, 8, 1, 1))
        self.register_buffer("scale", torch.tensor(0.5))

    def forward(self, x):
        y = F.relu(F.conv2d(x, self.w, self.b, padding=1))
        return F.conv2d(torch.cat([y, y * self.scale], 1), self.w2)


@network
def functional_weights():
    return FunctionalWeights(), (image(2, 3, 8, 8),)


class DropPath(nn.Module):
    def __init__(self, share):
        super().__init__()
        self.share = share

    def forward(self, x):
        if not self.training or self.share == 0:
            return x
        mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(1 - self.share)
        return x * (mask / (1 - self.share))


class StochasticDepth(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(6, 6) for _ in range(3))
        self.drop, self.head = DropPath(0.3), nn.Linear(6, 2)

    def forward(self, x):
        for block in self.blocks:
            x = x + self.drop(F.relu(block(x)))
        return self.head(x)


@network
def stochastic_depth():
    return StochasticDepth(), (torch.randn(8, 6),)


class Checkpointed(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Dropout(0.5)), nn.Linear(6, 2)

    def forward(self, x):
        y = torch.utils.checkpoint.checkpoint(self.body, x, use_reentrant=False) if self.training else self.body(x)
        return self.head(x + y)


@network
def checkpointed():
    return Checkpointed(), (torch.randn(4, 6),)
