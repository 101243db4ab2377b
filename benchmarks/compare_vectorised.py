"""How many trials a second, eight seeds as one program against one by one, for a dense and a convolutional network?

The default is what the trainer chooses: one program for small dense networks on JAX, one by one for convolutions, which
XLA runs slowly inside a loop on the CPU. Compiling is not counted; the two ways take turns.

    python benchmarks/compare_vectorised.py
"""

import statistics
import time

import numpy as np

from addcat.data.examples import Examples
from addcat.doors import keras as door
from addcat.doors.recipe import Plan, Recipe
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


def examples(shapes, count, seed):
    random = np.random.default_rng(seed)
    inputs = tuple(random.normal(size=(count, *shape)).astype("float32") for shape in shapes)
    return Examples(inputs, (random.integers(10, size=count),))


def main():
    print(
        f"{len(SEEDS)} seeds of {PLAN.steps} steps of {PLAN.batch}; trials a second, median of {ROUNDS} rounds in turn"
    )
    print(f"{'network':<16}{'at once':>9}{'one by one':>12}{'together':>10}{'largest difference':>20}")
    for build in (dense, convolutional):
        model, shapes = build()
        data, held = examples(shapes, 1_000, 0), examples(shapes, 500, 1)
        losses, _ = door.resolve_loss(model, "sparse_categorical_crossentropy", data.targets)
        recipe = Recipe(None, PLAN.steps, PLAN.batch, "given")
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
        print(f"{build.__name__:<16}{size:>9}{rates['one']:>12.2f}{rates['many']:>10.2f}{apart:>20.1e}")


if __name__ == "__main__":
    main()
