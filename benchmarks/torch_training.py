"""What does a training step through addcat cost beside the same loop written by hand?

A perceptron, a ResNet and a U-Net with batch norm, in PyTorch, on batches of arrays. Both loops run the same steps in
turns, on one thread, judge a few held-out examples at the end as any run does, and the processor's time is counted, so
that others on the machine do not. The ratio is that of the medians over the rounds; it and its quartiles of the single
rounds are printed. The loop by hand has its tensors ready, and in order.
Run: python benchmarks/torch_training.py

Printed on a very busy machine of two cores, torch 2.13.0:

    | network | by hand, ms a step | through addcat | ratio | of single rounds |
    | --- | --- | --- | --- | --- |
    | perceptron | 1.91 | 1.86 | 0.974 | 0.853 to 1.184 |
    | resnet | 14.84 | 14.26 | 0.960 | 0.853 to 1.068 |
    | unet | 18.88 | 18.52 | 0.981 | 0.911 to 1.046 |
"""

import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from addcat.data.examples import Examples
from addcat.doors.recipe import Plan
from addcat.doors.torch import Example, TorchDoor
from addcat.doors.torch.training import Training

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
STEPS, ROUNDS, BATCH = 80, 21, 32


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


def by_hand(model, x, y):
    made, loss, alone = optimizer(model.parameters()), Loss(), Loss()
    alone.reduction = "none"
    model.train()
    start = time.process_time()
    for step in range(STEPS):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        made.zero_grad()
        loss(model(x[rows]), y[rows]).backward()
        made.step()
    model.eval()
    with torch.no_grad():
        alone(model(x[:2]), y[:2]).reshape(2, -1).mean(1).numpy()
    return time.process_time() - start


def by_addcat(trainer):
    start = time.process_time()
    trainer.run(0)
    return time.process_time() - start


def row(name, model, sizes):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((STEPS * BATCH, *sizes)).astype("float32")
    y = np.zeros(len(x), "float32")
    data, held = Examples((x,), (y,)), Examples((x[:2],), (y[:2],))
    door = TorchDoor(Example.of((torch.from_numpy(x[:2]),)), training=Training(optimizer=optimizer, epochs=1))
    losses, _ = door.resolve_loss(model, Loss(), (y[:2],))
    recipe = door.recipe_of(model, batch=BATCH, examples=len(x))
    trainer = door.trainer(door.write(door.read(model)), losses, recipe, Plan(STEPS, 1, BATCH), data, held)
    tensors, plain, ours = (torch.from_numpy(x), torch.from_numpy(y)), [], []
    for _ in range(ROUNDS):
        plain.append(by_hand(model, *tensors))
        ours.append(by_addcat(trainer))
    hand, through = (1000 * statistics.median(one) / STEPS for one in (plain, ours))
    low, _, high = statistics.quantiles([us / them for us, them in zip(ours, plain, strict=True)])
    return f"| {name} | {hand:.2f} | {through:.2f} | {through / hand:.3f} | {low:.3f} to {high:.3f} |"


def main():
    torch.set_num_threads(1)
    print("| network | by hand, ms a step | through addcat | ratio | of single rounds |")
    print("| --- | --- | --- | --- | --- |")
    for name, (model, sizes) in {
        "perceptron": perceptron(),
        "resnet": own("resnet", 3, 8, 8),
        "unet": own("unet", 3, 16, 16),
    }.items():
        print(row(name, model, sizes), flush=True)


if __name__ == "__main__":
    main()
