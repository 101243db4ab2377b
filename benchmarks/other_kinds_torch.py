"""Tasks of `other_kinds.py` in PyTorch: data by part (0 to train on, 1 held out, 2 the truth's), and modules."""

import numpy as np
import torch
from other_kinds_keras import fixed, normal
from torch import nn
from torch.utils.data import Dataset

RARE = 0.05


def merged(arm, a, b, dim=1):
    return a + b if arm == "add" else torch.cat([a, b], dim)


def width(arm, size):
    """Of a merge of two."""
    return size if arm == "add" else 2 * size


# ---------------------------------------------------------------- a series, a dict a batch, jittered


class Series(Dataset):
    """Windows of a series as dicts; those to train on are jittered."""

    def __init__(self, arrays, training):
        self.window, self.ahead, self.training = *arrays, training

    def __len__(self):
        return len(self.window)

    def __getitem__(self, place):
        x = torch.from_numpy(self.window[place])
        if self.training:
            x = x + 0.1 * torch.randn_like(x)
        return {"window": x, "ahead": torch.from_numpy(self.ahead[place])}


def series(part, rng, count):
    """Two seasons, a trend and a second series that leads; what comes next."""
    t = np.arange(36) + rng.integers(0, 24, (count, 1))
    season = np.sin(t * 2 * np.pi / 12) * rng.uniform(0.5, 1.5, (count, 1)) + rng.standard_normal((count, 1)) * t / 40
    lead = np.cumsum(0.3 * rng.standard_normal((count, 40)), axis=1)
    x = season + lead[:, :36] * (rng.random((count, 1)) > 0.5)
    x = np.stack([x + 0.2 * rng.standard_normal(x.shape), lead[:, 4:]], 1).astype("float32")
    return x[:, :, :32], x[:, 0, 32:]


class Forecast(nn.Module):
    """Two convolutions with a link around them."""

    def __init__(self, arm, size=12):
        super().__init__()
        self.arm = arm
        self.stem = nn.Conv1d(2, size, 5, padding=2)
        self.block = nn.Sequential(
            nn.Conv1d(size, size, 5, padding=2), nn.ReLU(), nn.Conv1d(size, size, 5, padding=2), nn.ReLU()
        )
        self.down = nn.Conv1d(width(arm, size), 16, 4, stride=4)
        self.head = nn.Linear(16 * 8, 4)

    def forward(self, window):
        """The next four."""
        z = self.stem(window).relu()
        z = merged(self.arm, z, self.block(z))
        return self.head(self.down(z).relu().flatten(1))


# ---------------------------------------------------------------- three blocks with batch norm


def gratings(part, rng, count):
    """Stripes of six directions in noise."""
    kind = rng.integers(6, size=count)
    angle = (kind * np.pi / 6 + 0.15 * rng.standard_normal(count))[:, None, None]
    u, v = np.meshgrid(np.arange(12), np.arange(12))
    waves = np.sin((np.cos(angle) * u + np.sin(angle) * v) * 1.6 + rng.uniform(0, 6.28, (count, 1, 1)))
    return (waves + 1.2 * rng.standard_normal(waves.shape))[:, None].astype("float32"), kind


class Block(nn.Module):
    """A residual block, its merge before a convolution that brings it to its width."""

    def __init__(self, arm, size):
        super().__init__()
        self.arm = arm
        self.first, self.norm = nn.Conv2d(size, size, 3, padding=1, bias=False), nn.BatchNorm2d(size)
        self.second, self.norm2 = nn.Conv2d(size, size, 3, padding=1, bias=False), nn.BatchNorm2d(size)
        self.out = nn.Conv2d(width(arm, size), size, 1)

    def forward(self, x):
        """As wide as before."""
        z = self.norm2(self.second(self.norm(self.first(x)).relu()))
        return self.out(merged(self.arm, x, z).relu()).relu()


class ResNet(nn.Module):
    """Three blocks."""

    def __init__(self, arm, size=8):
        super().__init__()
        self.stem = nn.Conv2d(1, size, 3, stride=2, padding=1)
        self.blocks = nn.Sequential(*(Block(arm, size) for _ in range(3)))
        self.head = nn.Linear(size, 6)

    def forward(self, x):
        """Logits."""
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


# ---------------------------------------------------------------- shared towers, rare positives, weighted


def matches(part, rng, count):
    """Two views each of a thing; one pair in twenty is of the same thing."""
    z, other, same = normal(rng, count, 6), normal(rng, count, 6), rng.random((count, 1)) < RARE
    look = fixed(21).standard_normal((6, 24)).astype("float32") / 2
    views = [np.tanh(one @ look) + 0.15 * normal(rng, count, 24) for one in (z, np.where(same, z, other))]
    return *views, same.astype("float32")


class Towers(nn.Module):
    """One tower for both views."""

    def __init__(self, arm):
        super().__init__()
        self.arm = arm
        self.tower = nn.Sequential(nn.Linear(24, 32), nn.ReLU(), nn.Linear(32, 12))
        self.head = nn.Sequential(nn.Linear(width(arm, 12), 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, left, right):
        """One logit."""
        return self.head(merged(self.arm, self.tower(left), self.tower(right)))


# ---------------------------------------------------------------- a transformer on padded sequences


def padded(part, rng, count, length=14):
    """Whether the last word but one is larger than the first; 0 is padding."""
    sizes, x = rng.integers(6, length + 1, count), rng.integers(1, 10, (count, length))
    x[np.arange(length) >= sizes[:, None]] = 0
    return x, (x[np.arange(count), sizes - 2] > x[:, 0]).astype("int64")


class Attention(nn.Module):
    """A block of a transformer, as written by hand; a linear layer behind each of its two links."""

    def __init__(self, arm, size):
        super().__init__()
        self.arm = arm
        self.mix, self.mix2 = nn.Linear(width(arm, size), size), nn.Linear(width(arm, size), size)
        self.norm, self.norm2 = nn.LayerNorm(size), nn.LayerNorm(size)
        self.attention = nn.MultiheadAttention(size, 2, batch_first=True)
        self.feed = nn.Sequential(nn.Linear(size, 2 * size), nn.GELU(), nn.Dropout(0.1), nn.Linear(2 * size, size))

    def forward(self, z, mask):
        """As wide as before."""
        y = self.norm(z)
        y = self.attention(y, y, y, key_padding_mask=mask, need_weights=False)[0]
        z = self.mix(merged(self.arm, z, y, dim=2))
        return self.mix2(merged(self.arm, z, self.feed(self.norm2(z)), dim=2))


class Sentences(nn.Module):
    """Words and their places, two blocks, the mean of what is there."""

    def __init__(self, arm, size=16, length=14):
        super().__init__()
        self.words, self.places = nn.Embedding(10, size, padding_idx=0), nn.Embedding(length, size)
        self.blocks = nn.ModuleList(Attention(arm, size) for _ in range(2))
        self.head = nn.Linear(size, 2)

    def forward(self, words):
        """Logits."""
        mask = words == 0
        z = self.words(words) + self.places(torch.arange(words.shape[1], device=words.device))
        for block in self.blocks:
            z = block(z, mask)
        there = (~mask).unsqueeze(2)
        return self.head((z * there).sum(1) / there.sum(1))


# ---------------------------------------------------------------- messages on a graph


def graphs(part, rng, count, nodes=10):
    """Random graphs; how much their neighbours exceed the nodes."""
    x = normal(rng, count, nodes, 4)
    edges = np.triu(rng.random((count, nodes, nodes)) < 0.3, 1)
    edges = (edges | edges.swapaxes(1, 2)).astype("float32")
    mean = edges / np.maximum(edges.sum(2, keepdims=True), 1)
    u, v = fixed(23).standard_normal((2, 4, 5))
    y = (np.tanh(x @ u) * np.tanh(mean @ x @ v)).sum((1, 2), keepdims=True)[:, 0] / 3
    return x, mean, (y + 0.2 * rng.standard_normal(y.shape)).astype("float32")


class Messages(nn.Module):
    """Two rounds; each merges what a node knows with what its neighbours say."""

    def __init__(self, arm, size=16):
        super().__init__()
        self.arm = arm
        self.own = nn.ModuleList([nn.Linear(4, size), nn.Linear(size, size)])
        self.heard = nn.ModuleList([nn.Linear(4, size), nn.Linear(size, size)])
        self.update = nn.ModuleList(nn.Linear(width(arm, size), size) for _ in range(2))
        self.head = nn.Linear(size, 1)

    def forward(self, x, mean):
        """A number a graph."""
        for own, heard, update in zip(self.own, self.heard, self.update, strict=True):
            x = update(merged(self.arm, own(x).relu(), torch.bmm(mean, heard(x).relu()), dim=2)).relu()
        return self.head(x.sum(1))


# ---------------------------------------------------------------- a picture and what is known of it, gated


def known(part, rng, count):
    """A picture of a bump, and a few numbers that say where to look."""
    where, u = rng.integers(0, 3, (count, 2)), np.arange(10)
    size = 1 + rng.random((count, 1, 1))
    bumps = [np.exp(-((u - 1.5 - 3 * one[:, None]) ** 2) / 3) for one in where.T]
    x = size * bumps[0][:, :, None] * bumps[1][:, None, :] + 0.3 * rng.standard_normal((count, 10, 10))
    facts = np.concatenate([np.eye(3)[where[:, 0]], rng.standard_normal((count, 3))], 1)
    y = size[:, :, 0] * (1 + 0.5 * np.tanh(facts[:, 3:4])) + 0.3 * facts[:, 4:5] * (where[:, 1:] - 1)
    return x[:, None].astype("float32"), facts.astype("float32"), y.astype("float32")


class Gated(nn.Module):
    """Channels of the picture are gated by the facts (squeeze and excitation), then merged with them."""

    def __init__(self, arm):
        super().__init__()
        self.arm = arm
        self.look = nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(12, 16, 3), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
        )  # fmt: skip
        self.facts = nn.Sequential(nn.Linear(6, 16), nn.ReLU())
        self.gate = nn.Linear(32, 16)
        self.head = nn.Sequential(nn.Linear(width(arm, 16), 24), nn.ReLU(), nn.Dropout(0.05), nn.Linear(24, 1))

    def forward(self, picture, facts):
        """A number."""
        seen, facts = self.look(picture).flatten(1), self.facts(facts)
        gate = self.gate(torch.cat([seen, facts], dim=1)).sigmoid()
        return self.head(merged(self.arm, seen * gate, facts))


# ---------------------------------------------------------------- both ways through a sequence


def brackets(part, rng, count, length=12):
    """Steps up and down: how high they get, and where they end."""
    steps = rng.choice([-1, 1], (count, length)).astype("float32")
    height = steps.cumsum(1)
    y = (height.max(1) - 2 * steps[:, ::-1].cumsum(1).min(1)) / 4 + 0.2 * rng.standard_normal(count)
    return np.stack([steps, 0.3 * normal(rng, count, length)], 2), y[:, None].astype("float32")


class BothWays(nn.Module):
    """One LSTM forwards, one backwards; their last states merged."""

    def __init__(self, arm, size=12):
        super().__init__()
        self.arm = arm
        self.forwards, self.backwards = nn.LSTM(2, size, batch_first=True), nn.LSTM(2, size, batch_first=True)
        self.head = nn.Sequential(nn.Linear(width(arm, size), 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, x):
        """A number."""
        _, (one, _) = self.forwards(x)
        _, (two, _) = self.backwards(x.flip(1))
        return self.head(merged(self.arm, one[-1], two[-1]))


# ---------------------------------------------------------------- rare pixels


def spots(part, rng, count):
    """Small discs among rings of the same brightness, in noise; where the discs are."""
    u, v = np.meshgrid(np.arange(12), np.arange(12))
    centre = rng.uniform(2, 10, (2, 2, count, 1, 1))
    far = [np.hypot(u - one[0], v - one[1]) for one in centre]
    disc, ring = far[0] < 1.6, abs(far[1] - 2) < 0.7
    x = np.maximum(disc, ring) + 0.5 * rng.standard_normal((count, 12, 12))
    return x[:, None].astype("float32"), disc[:, None].astype("float32")


class Segment(nn.Module):
    """Three levels, two skips."""

    def __init__(self, arm, size=8):
        super().__init__()
        self.arm = arm
        self.one, self.two, self.low = self.conv(1, size), self.conv(size, size), self.conv(size, size)
        self.up_two, self.up_one = self.conv(width(arm, size), size), self.conv(width(arm, size), size)
        self.head = nn.Conv2d(size, 1, 1)
        self.pool, self.up, self.drop = nn.MaxPool2d(2), nn.Upsample(scale_factor=2), nn.Dropout2d(0.1)

    @staticmethod
    def conv(before, after):
        """With its ReLU."""
        return nn.Sequential(nn.Conv2d(before, after, 3, padding=1), nn.ReLU())

    def forward(self, x):
        """A logit a pixel."""
        one = self.one(x)
        two = self.two(self.pool(one))
        z = self.drop(self.low(self.pool(two)))
        z = self.up_two(merged(self.arm, two, self.up(z)))
        return self.head(self.up_one(merged(self.arm, one, self.up(z))))
