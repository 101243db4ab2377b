"""How many trials a second, eight seeds side by side against one by one, for a dense and a convolutional network?

The default is what the trainer chooses: side by side for small dense networks, one by one for convolutions, which XLA
runs slowly inside a loop on the CPU, and torch where they are mapped. Compiling is not counted; the two ways take
turns.

    python benchmarks/compare_vectorised.py
"""

import statistics
import time

import numpy as np
import torch
from torch import nn

from addcat.data.examples import Examples
from addcat.doors import keras as keras_door
from addcat.doors.recipe import Plan, Recipe
from addcat.doors.torch import Example, TorchDoor
from addcat.doors.torch.training import Training
from addcat.frameworks import keras
from addcat.trials.race import race

SEEDS, ROUNDS = list(range(1, 9)), 3
PLAN = Plan(per_evaluation=40, evaluations=5, batch=64)


def dense():
    layers = keras().layers
    x, y = keras().Input((64,), name="x"), keras().Input((64,), name="y")
    codes = [layers.Dense(32, activation="relu", name=f"code{n}")(t) for n, t in enumerate((x, y))]
    hidden = layers.Dense(32, activation="relu", name="hidden")(layers.Concatenate(name="merge")(codes))
    return keras().Model([x, y], layers.Dense(10, activation="softmax", name="head")(hidden)), [(64,), (64,)]


def convolutional():
    layers = keras().layers
    x = keras().Input((8, 8, 1), name="x")
    stem = layers.Conv2D(8, 3, padding="same", activation="relu", name="stem")(x)
    branch = layers.Conv2D(8, 3, padding="same", activation="relu", name="branch")(stem)
    z = layers.Conv2D(8, 3, padding="same", name="reader")(layers.Concatenate(name="merge")([stem, branch]))
    z = layers.GlobalAveragePooling2D(name="gap")(z)
    return keras().Model(x, layers.Dense(10, activation="softmax", name="head")(z)), [(8, 8, 1)]


class TorchDense(nn.Module):
    """The dense network in torch."""

    def __init__(self):
        super().__init__()
        self.codes = nn.ModuleList(nn.Sequential(nn.Linear(64, 32), nn.ReLU()) for _ in range(2))
        self.hidden, self.head = nn.Linear(64, 32), nn.Linear(32, 10)

    def forward(self, x, y):
        """Logits."""
        return self.head(self.hidden(torch.cat([self.codes[0](x), self.codes[1](y)], 1)).relu())


class TorchConvolutional(nn.Module):
    """The convolutional network in torch."""

    def __init__(self):
        super().__init__()
        self.stem, self.branch = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.reader, self.head = nn.Conv2d(16, 8, 3, padding=1), nn.Linear(8, 10)

    def forward(self, x):
        """Logits."""
        stem = self.stem(x).relu()
        return self.head(self.reader(torch.cat([stem, self.branch(stem).relu()], 1)).mean((2, 3)))


def examples(shapes, count, seed):
    random = np.random.default_rng(seed)
    inputs = tuple(random.normal(size=(count, *shape)).astype("float32") for shape in shapes)
    return Examples(inputs, (random.integers(10, size=count),))


def in_keras(build):
    model, shapes = build()
    recipe = Recipe(None, PLAN.steps, PLAN.batch, "given")
    return keras_door, model, shapes, "sparse_categorical_crossentropy", recipe


def in_torch(module, shapes):
    door = TorchDoor(Example.of(tuple(torch.zeros(2, *shape) for shape in shapes)))
    return door, module, shapes, nn.CrossEntropyLoss(), Recipe(Training(), PLAN.steps, PLAN.batch, "given")


NETWORKS = {
    "Keras on JAX, dense": lambda: in_keras(dense),
    "Keras on JAX, convolutional": lambda: in_keras(convolutional),
    "torch, dense": lambda: in_torch(TorchDense(), [(64,), (64,)]),
    "torch, convolutional": lambda: in_torch(TorchConvolutional(), [(1, 8, 8)]),
}


def main():
    torch.set_num_threads(1)
    print(
        f"{len(SEEDS)} seeds of {PLAN.steps} steps of {PLAN.batch}; trials a second, median of {ROUNDS} rounds in turn"
    )
    print(f"{'network':<29}{'at once':>9}{'one by one':>12}{'together':>10}{'largest difference':>20}")
    for name, made in NETWORKS.items():
        door, model, shapes, loss, recipe = made()
        data, held = examples(shapes, 1_000, 0), examples(shapes, 500, 1)
        losses, _ = door.resolve_loss(model, loss, data.targets)
        ready = race(door, {"net": door.read(model)}, recipe, PLAN, data, held, losses)
        starts = {"net": [ready.start("net", seed) for seed in SEEDS]}
        took = {"one": [], "many": []}
        for _ in range(ROUNDS + 1):
            begin = time.perf_counter()
            one = [
                ready.run_many([s], {"net": [start]})["net"][0] for s, start in zip(SEEDS, starts["net"], strict=True)
            ]
            middle = time.perf_counter()
            many = ready.run_many(SEEDS, starts)["net"]
            took["one"].append(middle - begin)
            took["many"].append(time.perf_counter() - middle)
        rates = {way: len(SEEDS) / statistics.median(seconds[1:]) for way, seconds in took.items()}
        apart = max(float(np.abs(a - b).max()) for a, b in zip(one, many, strict=True))
        size = ready.trainers["net"].at_once
        print(f"{name:<29}{size:>9}{rates['one']:>12.2f}{rates['many']:>10.2f}{apart:>20.1e}")


if __name__ == "__main__":
    main()
