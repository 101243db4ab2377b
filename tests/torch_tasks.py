"""Small tasks and networks of PyTorch that several tests train."""

import numpy as np
import torch
from torch import nn

from addcat.data.examples import Examples
from addcat.doors.recipe import Plan, Recipe
from addcat.doors.torch import Example
from addcat.doors.torch.losses import resolve
from addcat.doors.torch.training import TorchTrainer, Training

CROSS_ENTROPY = nn.CrossEntropyLoss()


def task(count=96, seed=0):
    """Which of the first two of six numbers is larger."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, 6)).astype("float32")
    return Examples((x,), ((x[:, 0] > x[:, 1]).astype("int64"),))


def network(dropout=0.0):
    """A perceptron for it."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 2))


def trainer(model, training=None, plan=Plan(6, 3, 16), loss=CROSS_ENTROPY, data=None, steps=18):  # noqa: B008
    """Trains it on the task, judged on 40 examples of another seed."""
    found, _ = resolve(loss, torch.zeros(2, 2), task(2).targets)
    recipe = Recipe(training or Training(), steps, 16, "given")
    example = Example.of((torch.zeros(2, 6),))
    return TorchTrainer(model, example, found, recipe, plan, data or task(), task(40, seed=1))


class Towers(nn.Module):
    """One tower for both inputs: their sum cannot tell left from right."""

    def __init__(self):
        super().__init__()
        self.tower = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 12))
        self.head = nn.Sequential(nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 2))

    def forward(self, left, right):
        return self.head(self.tower(left) + self.tower(right))


def pairs_of(count, seed=0):
    """Arrays for the towers: whose first number is larger."""
    rng = np.random.default_rng(seed)
    left, right = (rng.standard_normal((count, 6)).astype("float32") for _ in range(2))
    return [left, right], (left[:, 0] > right[:, 0]).astype("int64")


def adam(parameters):
    return torch.optim.AdamW(parameters, 5e-3)


HOW = {"loss": CROSS_ENTROPY, "optimizer": adam, "epochs": 12}
"""How the towers are trained."""


def towers(count):
    """Towers after 100 steps on so many pairs."""
    torch.manual_seed(0)
    model, (x, y) = Towers(), pairs_of(count)
    optimizer = adam(model.parameters())
    for _ in range(100):
        optimizer.zero_grad()
        CROSS_ENTROPY(model(*map(torch.from_numpy, x)), torch.from_numpy(y)).backward()
        optimizer.step()
    return model
