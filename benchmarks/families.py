"""What does `advise` say of a ResNet's links and a U-Net's skips within one training, and what is true?

    python benchmarks/families.py FOLDER [--only NAME] [--truth]

Two ResNet-8 (He et al. 2016: three stages of one block, batch norm), on digits enlarged to 16 pixels with noise and on
patches of two photographs (which one, and which third of it), and a U-Net with four skips that takes noise off such
patches. `advise` is asked from both arms about the family within 1x, and about each merge alone within 4x. `--truth`
trains the arms: 16 pairs of the family, and a balanced design of 16 starts over the single merges, by
`addcat.compare`, kept in FOLDER, so that it goes on where it was. Gains are shares of Add's loss.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

import addcat
from addcat.frameworks import keras

BATCH, RATE, PAIRS, MARGIN = 64, 2e-3, 16, 0.02
COUNTS = {"fit": 1150, "held": 590}


def digits(rng, count, name):
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    half = np.arange(len(x)) % 3 == 0
    drawn = rng.choice(np.flatnonzero(half if name == "held" else ~half), count, replace=False)
    images = (x[drawn] / 16).reshape(-1, 8, 8, 1).repeat(2, 1).repeat(2, 2)
    return (images + 0.5 * rng.standard_normal(images.shape)).astype("float32"), y[drawn].astype("int32")


def patches(rng, count, name, size=16):
    """Of the left three quarters to fit, of the right quarter to judge: no pixel is in both."""
    from sklearn.datasets import load_sample_images

    grey = [picture.astype("float32").mean(-1) / 255 for picture in load_sample_images().images]
    x, y = np.empty((count, size, size, 1), "float32"), rng.integers(6, size=count).astype("int32")
    for place, which in enumerate(y):
        picture = grey[which % 2]
        height, width = picture.shape
        rows = (height - 3 * size) // 3
        top = (which // 2) * (rows + size) + rng.integers(rows)
        left = rng.integers(width // 4 - size) + (3 * width // 4 if name == "held" else 0)
        if name == "fit":
            left = rng.integers(3 * width // 4 - size)
        x[place, ..., 0] = picture[top : top + size, left : left + size]
    return x, y


def noisy(rng, count, name):
    clean, _ = patches(rng, count, name)
    return (clean + 0.15 * rng.standard_normal(clean.shape)).astype("float32"), clean


def conv(x, filters, taps=3, stride=1, *, active=True):
    layers = keras().layers
    x = layers.Conv2D(filters, taps, strides=stride, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return layers.ReLU()(x) if active else x


def merged(op, branches, name):
    layers = keras().layers
    return (layers.Add if op == "add" else layers.Concatenate)(name=name)(branches)


def resnet(op, classes):
    """Three stages of one block; a link whose width or size changes is a convolution of one tap."""
    layers, x = keras().layers, keras().Input((16, 16, 1))
    z = conv(x, 8)
    for stage, width in enumerate((8, 16, 32)):
        stride = 1 if stage == 0 else 2
        block = conv(conv(z, width, stride=stride), width, active=False)
        link = z if stage == 0 else conv(z, width, 1, stride, active=False)
        z = layers.ReLU()(merged(op, [link, block], f"link{stage}"))
    z = layers.Conv2D(32, 1, activation="relu")(z)
    return keras().Model(x, layers.Dense(classes, activation="softmax")(layers.GlobalAveragePooling2D()(z)))


def unet(op, _):
    """Four levels, a skip at each."""
    layers, x = keras().layers, keras().Input((16, 16, 1))
    widths, skips, z = (6, 8, 12, 16), [], x
    for width in widths:
        z = conv(z, width)
        skips.append(z)
        z = layers.MaxPooling2D()(z)
    z = conv(z, 16)
    for level in reversed(range(4)):
        z = conv(layers.UpSampling2D()(z), widths[level])
        z = conv(merged(op, [skips[level], z], f"skip{level}"), widths[level])
    return keras().Model(x, layers.Conv2D(1, 1)(z))


TASKS = {
    "resnet-digits": (resnet, digits, 10, 10, "sparse_categorical_crossentropy"),
    "resnet-patches": (resnet, patches, 6, 10, "sparse_categorical_crossentropy"),
    "unet-patches": (unet, noisy, 1, 12, "mse"),
}
"""Network, data, outputs, passes, loss."""


def compiled(name, op, fit):
    build, _, classes, epochs, loss = TASKS[name]
    keras().utils.set_random_seed(0)
    model = build(op, classes)
    steps = epochs * -(-len(fit[0]) // BATCH)
    rate = keras().optimizers.schedules.CosineDecay(RATE, steps)
    model.compile(keras().optimizers.Adam(rate), loss)
    return model


def data_of(name):
    return [
        TASKS[name][1](np.random.default_rng(place), count, split)
        for place, (split, count) in enumerate(COUNTS.items())
    ]


def truth(name, folder):
    fit, held = data_of(name)
    model, epochs = compiled(name, "add", fit), TASKS[name][3]
    single = [merge.site for merge in addcat.inspect(model).merges]
    found = {}
    for question, sites, pairs in (("family", None, PAIRS), ("single", single, PAIRS)):
        start = time.perf_counter()
        made = addcat.compare(
            model, fit, validation=held, sites=sites, pairs=pairs, epochs=epochs, batch_size=BATCH,
            margin=MARGIN, store=folder / f"{name}-{question}.sqlite",
        )  # fmt: skip
        for one in made.findings:
            whole = one.margin / MARGIN  # of Add
            found[f"{question} {one.name}"] = [end / whole for end in (one.gain.estimate, one.gain.low, one.gain.high)]
        print(name, question, f"{time.perf_counter() - start:.0f} s", found, flush=True)
    return found


def asked(name, op):
    fit, held = data_of(name)
    model, epochs = compiled(name, op, fit), TASKS[name][3]
    start = time.perf_counter()
    model.fit(*fit, batch_size=BATCH, epochs=epochs, verbose=0)
    training, rows = time.perf_counter() - start, []
    for sites, budget in ((None, "1x"), ("each", "4x")):
        advice = addcat.advise(model, fit, validation=held, sites=sites, budget=budget, epochs=epochs, batch_size=BATCH)
        for found in advice.verdicts:
            rows.append(
                [found.site, found.choice, found.probability, found.regret.share, advice.trainings, advice.seconds]
            )
            print(
                name,
                "from",
                op,
                budget,
                *rows[-1][:2],
                *(f"{number:.3g}" for number in rows[-1][2:]),
                f"training {training:.0f} s",
                flush=True,
            )
    return {"training_seconds": training, "rows": rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", choices=tuple(TASKS))
    parser.add_argument("--truth", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in [options.only] if options.only else TASKS:
        if options.truth:
            (options.folder / f"{name}-truth.json").write_text(json.dumps(truth(name, options.folder), indent=1))
        else:
            for op in ("add", "concat"):
                (options.folder / f"{name}-{op}.json").write_text(json.dumps(asked(name, op), indent=1))


if __name__ == "__main__":
    main()
