"""Does `advise` say of PyTorch networks what it says of the same networks in Keras?

    python benchmarks/torch_bank.py BANK [--budget 1x] [--json FILE]

BANK is the folder that `benchmarks/advise.py` reads. Its networks are written here as people write them in PyTorch,
drawn as Keras draws them, trained by the recipe that the Keras files carry (AdamW with weight decay 0.001, 0.002
falling by a cosine, batches of 128) on the same examples, and `advise` is asked from both arms. The truth is that of
the Keras networks.
"""

import argparse
import functools
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import addcat

sys.path.insert(0, str(Path(__file__).parent))
from advise import label, load

BATCH, RATE, DECAY = 128, 2e-3, 1e-3
STEPS = {"unet-digits": 800, "residual-digits": 800}
CLASSES = {"halves": 10, "noisy2": 10, "noisyhet": 10, "distract": 10, "sum": 19, "diff": 19, "pairorder": 2, "same": 2}


def merged(op, branches, dim):
    return sum(branches[1:], branches[0]) if op == "add" else torch.cat(branches, dim)


class Fusion(nn.Module):
    """Two encoders, or one for both inputs, and a head behind their merge."""

    def __init__(self, op, classes, *, shared, relu, width=32):
        super().__init__()
        self.op = op
        self.encoders = nn.ModuleList(self.encoder(relu, width) for _ in range(1 if shared else 2))
        self.consumer = nn.Linear(width if op == "add" else 2 * width, width)
        self.head = nn.Linear(width, classes)

    @staticmethod
    def encoder(relu, width):
        """Two layers."""
        layers = [nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width)]
        return nn.Sequential(*layers, *([nn.ReLU()] if relu else []))

    def forward(self, left, right):
        """Logits."""
        codes = [self.encoders[0](left), self.encoders[-1](right)]
        return self.head(self.consumer(merged(self.op, codes, 1)).relu())


class UNet(nn.Module):
    """Two levels, one skip."""

    def __init__(self, op, width=16):
        super().__init__()
        self.op = op
        conv = functools.partial(nn.Conv2d, kernel_size=3, padding=1)
        self.down = nn.Sequential(conv(1, width), nn.ReLU(), conv(width, width), nn.ReLU())
        self.low = nn.Sequential(
            nn.MaxPool2d(2),
            conv(width, 2 * width),
            nn.ReLU(),
            conv(2 * width, width),
            nn.ReLU(),
            nn.Upsample(scale_factor=2),
        )
        self.consumer = conv(width if op == "add" else 2 * width, width)
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, x):
        """The picture without noise."""
        skip = self.down(x)
        return self.head(self.consumer(merged(self.op, [skip, self.low(skip)], 1)).relu())


class Residual(nn.Module):
    """A stem and one residual link that a strided convolution reads."""

    def __init__(self, op, width=16):
        super().__init__()
        self.op = op
        conv = functools.partial(nn.Conv2d, kernel_size=3, padding=1)
        self.stem = nn.Sequential(conv(1, width), nn.ReLU())
        self.block = nn.Sequential(conv(width, width), nn.ReLU(), conv(width, width), nn.ReLU())
        self.consumer = conv(width if op == "add" else 2 * width, width, stride=2)
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        """Logits."""
        stem = self.stem(x)
        return self.head(self.consumer(merged(self.op, [stem, self.block(stem)], 1)).relu().mean((2, 3)))


def network(name, op):
    if name == "unet-digits":
        return as_keras_draws(UNet(op))
    if name == "residual-digits":
        return as_keras_draws(Residual(op))
    kind, branches, end = name.split("-")
    return as_keras_draws(Fusion(op, CLASSES[kind], shared=branches == "shared", relu=end == "relu"))


def as_keras_draws(model):
    """Weights as Glorot and Bengio (2010) draw them, biases zero."""
    for parameter in model.parameters():
        (nn.init.zeros_ if parameter.ndim == 1 else nn.init.xavier_uniform_)(parameter)
    return model


def loader(pair, *, shuffle):
    x, y = pair
    inputs = [
        torch.from_numpy(one).movedim(-1, 1).contiguous() if one.ndim == 4 else torch.from_numpy(one)
        for one in (x if isinstance(x, list) else [x])
    ]
    target = torch.from_numpy(y).movedim(-1, 1).contiguous() if y.ndim == 4 else torch.from_numpy(y.astype(np.int64))
    return DataLoader(TensorDataset(*inputs, target), batch_size=BATCH, shuffle=shuffle)


def trained(model, data, loss, optimizer, scheduler, epochs):
    made = optimizer(model.parameters())
    rates = scheduler(made)
    for _ in range(epochs):
        for *inputs, target in data:
            made.zero_grad()
            loss(model(*inputs), target).backward()
            made.step()
            rates.step()
    return model


def asked(folder, name, op, row, budget):
    data, held = (
        loader(load(folder / "train.npz"), shuffle=True),
        loader(load(folder / "calibration.npz"), shuffle=False),
    )
    loss = nn.MSELoss() if name == "unet-digits" else nn.CrossEntropyLoss()
    epochs = STEPS.get(name, 1500) // len(data)
    optimizer = functools.partial(torch.optim.AdamW, lr=RATE, weight_decay=DECAY, eps=1e-7)
    scheduler = functools.partial(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=epochs * len(data))
    torch.manual_seed(0)
    model = trained(network(name, op), data, loss, optimizer, scheduler, epochs)
    start = time.perf_counter()
    advice = addcat.advise(
        model, data, validation=held, loss=loss, optimizer=optimizer, scheduler=scheduler, epochs=epochs,
        factory=functools.partial(network, name, op), budget=budget,
    )  # fmt: skip
    found, gain = advice.verdicts[0], row["gain"]["mean"] / row["reference"]
    return {
        "task": name, "arm": op, "truth": label(row), "gain": gain, "said": found.choice, "certain": found.certain,
        "probability": found.probability, "regret": max(0.0, gain if found.choice == "add" else -gain),
        "trainings": advice.trainings, "seconds": time.perf_counter() - start,
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bank", type=Path)
    parser.add_argument("--budget")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name, row in json.loads((options.bank / "truth.json").read_text()).items():
        for op in ("add", "concat"):
            rows.append(asked(options.bank / name, name, op, row, options.budget))
            one = rows[-1]
            print(
                f"{name:24s} from {op:6s} truth {one['truth']:6s} {one['gain']:+.3f}  said {one['said']:6s}"
                f"{'!' if one['certain'] else '?'} {one['probability']:.2f}"
                f"  {one['trainings']:5.2f}x {one['seconds']:5.1f} s",
                flush=True,
            )
    clear = [one for one in rows if one["truth"] != "open"]
    sure = [one for one in clear if one["certain"]]
    print(
        f"clear: {sum(one['said'] == one['truth'] for one in clear)} of {len(clear)} right; certain: "
        f"{sum(one['said'] == one['truth'] for one in sure)} of {len(sure)} right; regret "
        f"{np.mean([one['regret'] for one in rows]):.4f}; median {np.median([one['seconds'] for one in rows]):.1f} s, "
        f"{np.median([one['trainings'] for one in rows]):.2f} trainings"
    )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
