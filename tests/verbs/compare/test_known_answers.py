"""Three networks on handwritten digits whose answers are known from many seeds: the verdicts are those answers."""

import pytest

import addcat
from addcat.cli.demonstration import left, towers, two_looks
from addcat.frameworks import keras

STEPS, BATCH = 1_000, 128


def digits(make, examples):
    import numpy as np
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype("float32")
    order = np.random.default_rng(0).permutation(len(images))
    random = np.random.default_rng(1)
    return (
        make(images[order[:900]], labels[order[:900]], random, examples),
        make(images[order[900:]], labels[order[900:]], random, 1_000),
    )


def noisy_and_clean(images, labels, random, count):
    """A clean look and a very noisy one: a sum cannot trust the clean one more."""
    pick = random.integers(len(images), size=count)

    def look(noise):
        return (images[pick] + noise * random.standard_normal((count, 64))).astype("float32")

    return [look(0.2), look(1.5)], labels[pick]


@pytest.mark.slow
@pytest.mark.parametrize(("make", "verdict"), [(left, "concat"), (noisy_and_clean, "concat"), (two_looks, "add")])
def test_the_verdict_is_the_known_answer(make, verdict):
    train, held = digits(make, 2_000)
    model = towers()
    schedule = keras().optimizers.schedules.CosineDecay(2e-3, STEPS)
    model.compile(keras().optimizers.AdamW(schedule, weight_decay=1e-3), "sparse_categorical_crossentropy")
    found = addcat.compare(model, train, validation=held, steps=STEPS, pairs=8)
    assert found.verdict == verdict
