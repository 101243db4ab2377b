"""What does a training step through addcat cost beside the same loop written by hand?

A perceptron, a ResNet and a U-Net with batch norm, in PyTorch, on batches of arrays. Both loops run the same steps in
turns, on one thread, judge a few held-out examples at the end as any run does, and the processor's time is counted, so
that others on the machine do not. The ratio is that of the medians over the rounds; it and its quartiles of the single
rounds are printed. The loop by hand has its tensors ready, and in order.
Run: python benchmarks/torch_training.py

Printed on two cores with one other program, torch 2.13.0:

    | network | by hand, ms a step | through addcat | ratio | of single rounds |
    | --- | --- | --- | --- | --- |
    | perceptron | 0.597 | 0.603 | 1.009 | 0.964 to 1.102 |
    | resnet | 6.185 | 6.359 | 1.028 | 0.948 to 1.060 |
    | unet | 8.960 | 9.053 | 1.010 | 0.982 to 1.115 |
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from addcat.data.examples import Examples
from addcat.doors.recipe import Plan
from addcat.doors.torch import Example, TorchDoor
from addcat.doors.torch.devices import wait
from addcat.doors.torch.training import Training

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
BATCH, CPU = 32, torch.device("cpu")


def perceptron():
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)), (64,)


def own(name, *sizes):
    import modules

    return modules.build(name)[0], sizes


def optimizer(parameters):
    return torch.optim.AdamW(parameters, 1e-3)


class Loss(nn.Module):
    """Mean square of the output: any network has it."""

    reduction = "mean"

    def forward(self, output, target):
        """A scalar, or one value an element."""
        squares = output.square() + 0 * target.reshape(-1, *(1,) * (output.ndim - 1))
        return squares.mean() if self.reduction == "mean" else squares


@dataclass(frozen=True, slots=True)
class Rounds:
    """How both loops are run in turns.

    Attributes:
        steps: Of a loop.
        count: Rounds that count.
        before: Rounds before them that do not.
        clock: What they are timed by.
        device: Where, which is waited for at the end of a loop.
    """

    steps: int = 80
    count: int = 21
    before: int = 0
    clock: Callable[[], float] = time.process_time
    device: torch.device = CPU

    def by_hand(self, model, x, y):
        """Seconds of the loop that a user would write."""
        made, loss, alone = optimizer(model.parameters()), Loss(), Loss()
        alone.reduction = "none"
        model.train()
        start = self.clock()
        for step in range(self.steps):
            rows = slice(step * BATCH, (step + 1) * BATCH)
            made.zero_grad()
            loss(model(x[rows]), y[rows]).backward()
            made.step()
        model.eval()
        with torch.no_grad():
            alone(model(x[:2]), y[:2]).reshape(2, -1).mean(1).cpu()
        wait(self.device)
        return self.clock() - start

    def by_addcat(self, trainer):
        """Seconds of the same through addcat."""
        start = self.clock()
        trainer.run(0)
        wait(self.device)
        return self.clock() - start

    def row(self, name, model, sizes):
        """A row of the table, of a network and the shape of one example."""
        rng = np.random.default_rng(0)
        x = rng.standard_normal((self.steps * BATCH, *sizes)).astype("float32")
        y = np.zeros(len(x), "float32")
        data, held = Examples((x,), (y,)), Examples((x[:2],), (y[:2],))
        model = model.to(self.device)
        door = TorchDoor(Example.of((torch.from_numpy(x[:2]),)), training=Training(optimizer=optimizer, epochs=1))
        losses, _ = door.resolve_loss(model, Loss(), (y[:2],))
        recipe = door.recipe_of(model, batch=BATCH, examples=len(x))
        trainer = door.trainer(door.write(door.read(model)), losses, recipe, Plan(self.steps, 1, BATCH), data, held)
        tensors = [torch.from_numpy(array).to(self.device) for array in (x, y)]
        plain, ours = [], []
        for _ in range(self.before + self.count):
            plain.append(self.by_hand(model, *tensors))
            ours.append(self.by_addcat(trainer))
        plain, ours = plain[self.before :], ours[self.before :]
        hand, through = (1000 * statistics.median(one) / self.steps for one in (plain, ours))
        low, _, high = statistics.quantiles([us / them for us, them in zip(ours, plain, strict=True)])
        return f"| {name} | {hand:.3f} | {through:.3f} | {through / hand:.3f} | {low:.3f} to {high:.3f} |"


def main():
    torch.set_num_threads(1)
    print("| network | by hand, ms a step | through addcat | ratio | of single rounds |")
    print("| --- | --- | --- | --- | --- |")
    for name, (model, sizes) in {
        "perceptron": perceptron(),
        "resnet": own("resnet", 3, 8, 8),
        "unet": own("unet", 3, 16, 16),
    }.items():
        print(Rounds().row(name, model, sizes), flush=True)


if __name__ == "__main__":
    main()
