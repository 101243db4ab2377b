"""Networks over sequences and tokens, of fixed shapes, and over other numbers of axes, as people write them."""

import torch
from registry import image, network
from torch import nn
from torch.nn import functional as F  # noqa: N812


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.LSTM(5, 6, batch_first=True, bidirectional=True), nn.Linear(12, 3)

    def forward(self, x):
        _, (h, _) = self.rnn(x)
        return self.head(torch.cat([h[-2], h[-1]], dim=1))


@network
def recurrent():
    return Recurrent(), (torch.randn(2, 7, 5),)


class Encoder(nn.Module):
    def __init__(self, depth=2):
        super().__init__()
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), depth)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.encoder(x).mean(1))


@network
def transformer_encoder():
    return Encoder(), (torch.randn(2, 5, 8),)


class PatchTransformer(nn.Module):
    """Class token and positions are no merges; the residuals are."""

    def __init__(self, width=8, patches=4):
        super().__init__()
        self.patch = nn.Conv2d(3, width, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.position = nn.Parameter(torch.randn(1, patches + 1, width))
        self.norm, self.attention = nn.LayerNorm(width), nn.MultiheadAttention(width, 2, batch_first=True)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.head = nn.Linear(width, 3)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), dim=1) + self.position
        y = self.norm(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        x = x + self.mlp(x)
        return self.head(x[:, 0])


@network
def patch_transformer():
    return PatchTransformer(), (image(2, 3, 8, 8),)


class FixedShapes(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.linear, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(256, 8), nn.Linear(16, 2)

    def forward(self, x):
        examples, _, _, _ = x.shape
        y = self.linear(self.conv(x).view(examples, -1))
        z = torch.full((examples, 8), 0.5, device=x.device, dtype=x.dtype) * y
        return self.head(torch.cat([y, z], 1))


@network
def fixed_shapes():
    return FixedShapes(), (image(2, 3, 8, 8),)


class FixedShapesAdded(FixedShapes):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        y = self.linear(self.conv(x).view(x.shape[0], -1))
        return self.head(y + torch.full((x.shape[0], 8), 0.5, device=x.device, dtype=x.dtype) * y)


@network
def fixed_shapes_added():
    return FixedShapesAdded(), (image(2, 3, 8, 8),)


class Conditioned(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Linear(4, 8), nn.Linear(3, 8), nn.Linear(8, 2)

    def forward(self, x, condition=None, scale: float = 1.0):
        y = self.a(x)
        if condition is not None:
            y = y + scale * self.b(condition)
        return self.head(F.relu(y))


@network
def conditioned():
    return Conditioned(), (), {"x": torch.randn(2, 4), "condition": torch.randn(2, 3)}


class Mixer(nn.Module):
    """Adds of transposed tensors: memory is not in the order of axes."""

    def __init__(self):
        super().__init__()
        self.tokens, self.channels, self.drop, self.head = (
            nn.Linear(5, 5),
            nn.Linear(6, 6),
            nn.Dropout(0.4),
            nn.Linear(6, 2),
        )

    def forward(self, x):
        y = (x.transpose(1, 2) + self.tokens(x.transpose(1, 2))).transpose(1, 2)
        return self.head(self.drop(y + self.channels(y)).mean(1))


@network
def mixer():
    return Mixer(), (torch.randn(3, 5, 6),)


class Volumes(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Conv3d(1, 4, 3, padding=1), nn.Conv3d(1, 4, 1), nn.Conv3d(4, 2, 1)

    def forward(self, x):
        return self.head(self.a(x) + self.b(x))


@network
def volumes():
    return Volumes(), (torch.randn(2, 1, 4, 4, 4),)


class Signals(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Conv1d(2, 4, 3, padding=1), nn.Conv1d(2, 6, 1), nn.Conv1d(10, 2, 1)

    def forward(self, x):
        return self.head(torch.concat([self.a(x), self.b(x)], axis=1))


@network
def signals():
    return Signals(), (torch.randn(2, 2, 9),)
