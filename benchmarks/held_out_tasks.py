"""Tasks that judge `advise`: drawn by seed, their truth from training both arms in pairs through `compare`.

    python benchmarks/held_out_tasks.py FOLDER [--seed 8] [--dense 60] [--convolutional 20] [--pairs 32] [--matched]

Each task is a folder with the networks of both arms (add.keras, concat.keras), the data that they were trained on and
held-out data (train.npz, calibration.npz); truth.json beside them has the gain of each on 3,000 further examples, with
`--matched` at equal parameters as well. What is there already is not made again. Dense tasks have targets made of
digits or of random teachers; convolutional ones are U-Nets, residual links, Inception modules and towers on digits of
8 pixels and patches of photographs of 16.
"""

import argparse
import gc
import json
import math
import os
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")
import jax
import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits, load_sample_image

import addcat
from addcat.statistics import t_interval

DIGITS, LABELS = load_digits(return_X_y=True)
DIGITS = (DIGITS / 16).astype("float32")
POOLS = np.split(np.random.default_rng(0).permutation(len(DIGITS)), [900, 1250])
TEST = 3000
TWO_DIGITS = {
    "halves": 10, "noisy2": 10, "noisyhet": 10, "distract": 10, "sum": 19, "diff": 19, "pairorder": 2, "same": 2,
    "parity": 2, "max": 10, "close": 2, "product": 2,
}  # fmt: skip
"""How many classes each target made of two digits has."""
TEACHERS = ("tsum", "tdiff", "tgen", "tprod", "tgate", "tadd", "tmix", "tweighted", "tview", "tlinear")
INPUTS = 20


@dataclass(frozen=True)
class Task:
    """One task: what is to be learnt, by which network, from how much, and for how long."""

    name: str
    seed: int
    target: str
    network: str
    examples: int
    steps: int
    batch: int
    rate: float
    noise: float
    end: str = "relu"
    width: int = 16
    code: int = 16

    @property
    def classes(self) -> int:
        """Of the target; 0 for numbers and pictures."""
        return TWO_DIGITS.get(self.target, 10 if self.target == "class" else 0)


# ---------------------------------------------------------------- data


def data_of(task, part, count):
    """Inputs and targets of "train" (0), "calibration" (1) or "test" (2)."""
    rng = np.random.default_rng([task.seed, part, zlib.crc32(task.name.encode())])
    if task.target in TWO_DIGITS or task.target == "class":
        xs, y = digits(task, POOLS[part], count, rng)
        flipped = rng.random(count) < task.noise * (task.target != "class")
        y = np.where(flipped, rng.integers(task.classes, size=count), y).astype("int32")
        if task.network.startswith("conv"):
            xs = [x.reshape(-1, 8, 8, 1) for x in xs]
        return xs, y
    if task.network.startswith("conv"):
        return pictures(task, part, count, rng)
    xs, y = teachers(task, count, rng, np.random.default_rng([task.seed, 99]))
    return xs, (y + task.noise * rng.standard_normal(y.shape)).astype("float32")


def digits(task, pool, count, rng):
    """Two digits, or two looks at one, and a label."""
    i, j = pool[rng.integers(len(pool), size=(2, count))]

    def looks(spread):
        return (DIGITS[i] + spread * rng.standard_normal((count, 64))).astype("float32")

    a, b, y, z = DIGITS[i].copy(), DIGITS[j].copy(), LABELS[i], LABELS[j]
    if task.target == "class":
        return [looks(0.2 + task.noise)], y
    if task.target == "halves":
        a[:, 32:], b = 0, DIGITS[i].copy()
        b[:, :32] = 0
    elif task.target == "noisy2":
        a, b = looks(0.6), looks(0.6)
    elif task.target == "noisyhet":
        a, b = looks(0.3), looks(0.9)
    elif task.target in ("same", "close"):
        alike = rng.random(count) < 0.5
        for label in range(10):
            rows = np.flatnonzero(alike & (y == label))
            j[rows] = rng.choice(pool[LABELS[pool] == label], len(rows))
        b, z = DIGITS[j].copy(), LABELS[j]
    made: dict[str, Callable] = {
        "sum": lambda: y + z, "diff": lambda: y - z + 9, "pairorder": lambda: y > z, "same": lambda: y == z,
        "parity": lambda: (y + z) % 2, "max": lambda: np.maximum(y, z), "close": lambda: abs(y - z) < 2,
        "product": lambda: y * z > 12,
    }  # fmt: skip
    return [a, b], made.get(task.target, lambda: y)().astype("int32")


def teacher(rng, inputs, outputs=1, width=12):
    """A random network of one hidden layer."""
    a, b = rng.standard_normal((inputs, width)) * 1.5 / inputs**0.5, rng.standard_normal((width, outputs)) * 0.46
    shift = rng.standard_normal(width) / 2
    return lambda x: np.tanh(x @ a + shift) @ b


def teachers(task, count, rng, fixed):
    """Gaussian inputs and what random teachers make of them."""
    x0, x1 = rng.standard_normal((2, count, INPUTS)).astype("float32")
    g, h, both = teacher(fixed, INPUTS), teacher(fixed, INPUTS), teacher(fixed, 2 * INPUTS)
    u, v = fixed.standard_normal((2, INPUTS)) / INPUTS**0.5
    joined = np.concatenate([x0, x1], axis=1)
    if task.target == "tview":
        x1 = x0 + 0.7 * x1
    made = {
        "tsum": lambda: g((x0 + x1) / 2**0.5), "tdiff": lambda: g((x0 - x1) / 2**0.5), "tgen": lambda: both(joined),
        "tprod": lambda: ((x0 * x1) @ u)[:, None] * 2, "tgate": lambda: g(x0) / (1 + np.exp(-4 * (x1 @ v)))[:, None],
        "tadd": lambda: (g(x0) + h(x1)) / 2**0.5, "tmix": lambda: (g(x0) + g(x1)) / 2**0.5 + 0.35 * both(joined),
        "tweighted": lambda: g(x0) + 0.6 * g(x1), "tview": lambda: g(x0),
        "tlinear": lambda: (x0 @ u + x1 @ v + 0.3 * (x0 @ v) * (x1 @ u))[:, None],
        "tresidual": lambda: g(x0),
    }  # fmt: skip
    return ([x0] if task.target == "tresidual" else [x0, x1]), made[task.target]()


def patches(part, count, rng, size):
    """Grey patches of two photographs, from thirds of their height: train, calibration, test."""
    photographs = [load_sample_image(name).mean(axis=2) / 255 for name in ("china.jpg", "flower.jpg")]
    found = np.empty((count, size, size, 1), "float32")
    for place in range(count):
        picture = photographs[rng.integers(2)]
        third = picture.shape[0] // 3
        top = part * third + rng.integers(third - size)
        left = rng.integers(picture.shape[1] - size)
        found[place, :, :, 0] = picture[top : top + size, left : left + size]
    return found


def pictures(task, part, count, rng):
    """Pictures to restore, or patches whose photograph's part is to be told by their brightness and texture."""
    clean = (
        patches(part, count, rng, 16)
        if "patches" in task.name
        else DIGITS[POOLS[part][rng.integers(len(POOLS[part]), size=count)]].reshape(-1, 8, 8, 1)
    )

    def noise(spread):
        return (spread * rng.standard_normal(clean.shape)).astype("float32")

    if task.target == "denoise":
        return [clean + noise(task.noise)], clean
    if task.target == "deblur":
        padded = np.pad(clean, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
        size = clean.shape[1]
        blurred = sum(padded[:, i : i + size, j : j + size] for i in range(3) for j in range(3)) / 9
        return [(blurred + noise(0.05)).astype("float32")], clean
    if task.target == "mask":
        return [clean + noise(task.noise)], (clean > 0.5).astype("float32")
    coarse = clean[:, ::2, ::2].repeat(2, axis=1).repeat(2, axis=2)  # upscale
    return [coarse + noise(0.02)], clean


# ---------------------------------------------------------------- networks


def merged(arm, branches):
    """The merge in question."""
    return (layers.Add if arm == "add" else layers.Concatenate)(name="merge")(branches)


def convolution(channels, name, **options):
    """Of 3 by 3, with a ReLU."""
    return layers.Conv2D(channels, 3, padding="same", activation="relu", name=name, **options)


def model_of(task, arm, shapes):
    """A network with its merge."""
    inputs = [keras.Input(shape, name=f"x{place}") for place, shape in enumerate(shapes)]
    build = {"unet": unet, "resnet": resnet, "inception": inception}.get(task.network.removeprefix("conv-"), fusion)
    return keras.Model(inputs, build(task, arm, inputs))


def encoder(task, tag):
    """From an input to a code."""
    if task.network.startswith("conv"):
        steps = [convolution(8, f"first_{tag}"), layers.MaxPooling2D(name=f"pool_{tag}"),
                 convolution(16, f"second_{tag}"), layers.Flatten(name=f"flat_{tag}")]  # fmt: skip
    else:
        steps = [layers.Dense(task.width, activation="relu", name=f"hidden_{tag}")]
    end = None if task.end == "linear" else task.end
    steps.append(layers.Dense(task.code, activation=end, name=f"code_{tag}"))

    def encode(x):
        for step in steps:
            x = step(x)
        return x

    return encode


def fusion(task, arm, inputs):
    """Towers, or a residual link, merged; then two layers."""
    if task.network == "residual":
        stem = layers.Dense(task.code, activation="relu", name="stem")(inputs[0])
        codes = [stem, encoder(task, "block")(stem)]
    elif task.network.endswith("shared"):
        one = encoder(task, "shared")
        codes = [one(x) for x in inputs]
    else:
        codes = [encoder(task, place)(x) for place, x in enumerate(inputs)]
    z = layers.Dense(task.width, activation="relu", name="consumer")(merged(arm, codes))
    return layers.Dense(task.classes or 1, activation="softmax" if task.classes else None, name="head")(z)


def unet(task, arm, inputs):
    """Two levels; the merge is the skip connection."""
    skip = convolution(task.code, "down_b")(convolution(task.code, "down_a")(inputs[0]))
    low = convolution(task.code, "low_b")(convolution(2 * task.code, "low_a")(layers.MaxPooling2D(name="pool")(skip)))
    z = merged(arm, [skip, layers.UpSampling2D(name="up")(low)])
    return layers.Conv2D(1, 1, name="head")(convolution(task.code, "consumer")(z))


def resnet(task, arm, inputs):
    """A stem and a residual block, its batches normalised; the sum feeds a convolution."""
    stem = convolution(task.code, "stem")(inputs[0])
    block = stem
    for name in ("block_a", "block_b"):
        block = layers.Conv2D(task.code, 3, padding="same", use_bias=False, name=name)(block)
        block = layers.BatchNormalization(name=f"{name}_norm")(block)
        block = layers.Activation("relu", name=f"{name}_relu")(block)
    z = convolution(task.code, "consumer", strides=2)(merged(arm, [stem, block]))
    return headed(task, z)


def inception(task, arm, inputs):
    """Kernels of 1, 3 and 5 side by side."""
    stem = convolution(task.code, "stem")(inputs[0])
    siblings = [layers.Conv2D(task.code, size, padding="same", activation="relu", name=f"sibling_{size}")(stem)
                for size in (1, 3, 5)]  # fmt: skip
    return headed(task, convolution(task.code, "consumer", strides=2)(merged(arm, siblings)))


def headed(task, z):
    """Classes from positions averaged."""
    z = layers.GlobalAveragePooling2D(name="mean")(z)
    return layers.Dense(task.classes, activation="softmax", name="head")(z)


# ---------------------------------------------------------------- tasks


def picker(rng):
    """Draws one of some values."""
    return lambda *values: values[rng.integers(len(values))]


def dense_tasks(seed, count):
    """Drawn, not picked: each target in turn, the rest at random."""
    pick = picker(np.random.default_rng([seed, 1]))
    targets = [*TWO_DIGITS, *TEACHERS, "class", "tresidual"]
    made = []
    for place in range(count):
        target = targets[place % len(targets)]
        network = "residual" if target in ("class", "tresidual") else pick("own", "shared")
        examples = int(pick(300, 600, 1200, 2500, 4000))
        noise = float(pick(0, 0, 0.1, 0.25) if target in TWO_DIGITS or target == "class" else pick(0.1, 0.3, 0.6))
        end, width, code = pick("linear", "relu"), int(pick(16, 24, 32)), int(pick(8, 16, 24))
        made.append(Task(f"{place:03d}-{target}-{network}-{end}-n{examples}", 1000 * seed + place, target, network,
                         examples, int(pick(300, 500, 800)), 32 if examples <= 600 else 64, float(pick(2e-3, 4e-3)),
                         noise, end, width, code))  # fmt: skip
    return made


def convolutional_tasks(seed, count):
    """The same of convolutions."""
    pick = picker(np.random.default_rng([seed, 2]))
    kinds = [("unet", "denoise"), ("shared", "same"), ("resnet", "class"), ("shared", "sum"), ("inception", "class"),
             ("unet", "deblur"), ("shared", "noisy2"), ("own", "noisyhet"), ("unet", "mask"), ("shared", "pairorder"),
             ("resnet", "class"), ("shared", "max"), ("unet", "upscale"), ("own", "sum"), ("shared", "parity"),
             ("inception", "class"), ("shared", "distract"), ("own", "halves"), ("unet", "denoise"),
             ("shared", "close")]  # fmt: skip
    made = []
    for place in range(count):
        network, target = kinds[place % len(kinds)]
        picture = pick("digits", "patches") if network == "unet" else "digits"
        examples = int(pick(500, 1000, 2000))
        made.append(Task(f"conv{place:02d}-{network}-{target}-{picture}-n{examples}", 1000 * seed + 500 + place, target,
                         f"conv-{network}", examples, int(pick(300, 500, 700)), 64, float(pick(2e-3, 4e-3)),
                         float(pick(0.2, 0.4)) if network in ("unet", "resnet", "inception") else float(pick(0, 0.1)),
                         pick("linear", "relu"), 32, int(pick(8, 12))))  # fmt: skip
    return made


# ---------------------------------------------------------------- networks trained, and their truth


def compiled(task, arm, xs):
    """As it is to be trained: AdamW, its rate falling to nothing as a cosine."""
    model = model_of(task, arm, [x.shape[1:] for x in xs])
    rate = keras.optimizers.schedules.CosineDecay(task.rate, task.steps)
    loss = "sparse_categorical_crossentropy" if task.classes else "mean_squared_error"
    model.compile(keras.optimizers.AdamW(rate, weight_decay=1e-3), loss)
    return model


def made(task, folder, pairs, budgets):
    """Train the networks that `advise` is to judge, and the pairs that judge it; returns the task's truth."""
    (xs, y), (cal, cal_y), (test, test_y) = (
        data_of(task, part, count) for part, count in enumerate((task.examples, 1000, TEST))
    )
    place = folder / task.name
    place.mkdir(parents=True, exist_ok=True)
    for name, inputs, targets in (("train", xs, y), ("calibration", cal, cal_y)):
        np.savez_compressed(place / f"{name}.npz", **{f"x{i}": x for i, x in enumerate(inputs)}, y=targets)
    epochs = max(1, round(task.steps * task.batch / task.examples))
    for arm in ("add", "concat"):
        keras.utils.set_random_seed(task.seed)
        model = compiled(task, arm, xs)
        kept = trained(model, xs, y, cal, cal_y, epochs, task)
        kept.save(place / f"{arm}.keras")
    found = addcat.compare(
        compiled(task, "add", xs), (xs, y), validation=(test, test_y), sites="merge", pairs=pairs, seed=task.seed,
        epochs=epochs, batch_size=task.batch, budgets=budgets,
    )  # fmt: skip
    losses = {arm: [one.loss for one in found.trials if one.arm == arm] for arm in {one.arm for one in found.trials}}
    gains = {arm: t_interval(np.subtract(losses["add"], losses[arm])) for arm in losses if arm != "add"}
    keys = {"concat": "gain", "concat, same parameters": "gain_matched"}
    return {
        "loss": losses,
        **{keys[arm]: {"mean": one.estimate, "low": one.low, "high": one.high} for arm, one in gains.items()},
        "reference": float(np.mean(losses["add"])),
    }


def trained(model, xs, y, cal, cal_y, epochs, task):
    """Trained, with the weights that were best on held-out examples, as people keep them."""
    best = keras.callbacks.EarlyStopping("val_loss", patience=epochs, restore_best_weights=True)
    model.fit(xs, y, batch_size=task.batch, epochs=epochs, validation_data=(cal, cal_y), verbose=0, callbacks=[best])
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--dense", type=int, default=60)
    parser.add_argument("--convolutional", type=int, default=20)
    parser.add_argument("--only", default="", help="what a task's name must contain")
    parser.add_argument("--pairs", type=int, default=32, help="of dense tasks; of convolutional ones a third")
    parser.add_argument("--matched", action="store_true", help="train Concatenates of as many parameters, too")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    path = args.folder / "truth.json"
    table = json.loads(path.read_text()) if path.exists() else {}
    tasks = [*dense_tasks(args.seed, args.dense), *convolutional_tasks(args.seed, args.convolutional)]
    budgets = ("widths", "parameters")
    for task in tasks:
        if task.name in table or args.only not in task.name:
            continue
        pairs = math.ceil(args.pairs / 3) if task.network.startswith("conv") else args.pairs
        start = time.perf_counter()
        table[task.name] = row = made(task, args.folder, pairs, budgets[: 1 + args.matched])
        gain, share = row["gain"], row["reference"]
        low, mean, high = (f"{gain[end] / share:+.4f}" for end in ("low", "mean", "high"))
        print(f"{task.name:48s} {mean} [{low}, {high}]  {time.perf_counter() - start:.0f} s", flush=True)
        path.write_text(json.dumps(table, indent=1))
        keras.utils.clear_session()
        jax.clear_caches()
        gc.collect()


if __name__ == "__main__":
    main()
