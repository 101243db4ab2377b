"""Keras on JAX with a GPU: advice and comparisons are made there, by several processes that share it."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(jax.default_backend() != "gpu", reason="JAX sees no GPU here"),
]
HEAD = """
import json, os
import jax, keras, numpy as np
import addcat
assert jax.default_backend() == "gpu"
rng = np.random.default_rng(0)

def task(count, seed):
    left, right = np.random.default_rng(seed).standard_normal((2, count, 6)).astype("float32")
    return [left, right], (left[:, 0] > right[:, 0]).astype("int64")

def towers():
    keras.utils.set_random_seed(0)
    left, right = keras.Input((6,), name="left"), keras.Input((6,), name="right")
    tower = keras.Sequential([keras.layers.Dense(12, activation="relu"), keras.layers.Dense(12)], name="tower")
    merged = keras.layers.Add(name="merge")([tower(left), tower(right)])
    hidden = keras.layers.Dense(12, activation="relu")(merged)
    model = keras.Model([left, right], keras.layers.Dense(2)(hidden))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(5e-3), loss=loss)
    return model

def main():
    model = towers()
    model.fit(*task(600, 0), epochs=20, batch_size=64, verbose=0)
    held = task(200, 1)
"""
TAIL = """
if __name__ == "__main__":
    main()
"""
ADVICE = """
    found = addcat.advise(model, task(600, 0), validation=held, effort="retrain", budget="60s", epochs=12)
    assert found.verdicts[0].choice == "concat", found
    assert found.seconds <= 60, found.seconds
    switched = addcat.switch(model, {"merge": "concat"})
    assert switched.record.exact
"""
COMPARISON = """
    found = [
        addcat.compare(model, task(600, 0), validation=held, epochs=12, batch_size=64, pairs=2, **how)
        for how in ({}, {"workers": 2}, {"workers": 1, "gpus": 1})
    ]
    for one in found:
        assert [trial.status for trial in one.trials] == ["done"] * 4, [trial.detail for trial in one.trials]
        near = np.abs(np.subtract(one.findings[0].differences, found[0].findings[0].differences)).max()
        assert near < 1e-3, near
"""
BESIDE_OTHERS = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
"""These tests may run at once."""
CONVOLUTIONS = """
    x = keras.Input((16, 16, 3))
    y = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    z = keras.layers.Conv2D(8, 3, padding="same")(y)
    merged = keras.layers.Add(name="merge")([y, z])
    out = keras.layers.Conv2D(4, 3, padding="same", name="out")(merged)
    switched = addcat.switch(keras.Model(x, out), {"merge": "concat"})
    assert switched.record.exact, switched.record
    assert switched.record.difference.relative <= 1e-5, switched.record.difference
"""


def run(body, **environment):
    """A script of its own, as a user would run it."""
    root = Path(__file__).parents[3]
    path = os.pathsep.join([str(root / "src"), *filter(None, sys.path)])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XLA_PYTHON_CLIENT")}
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", HEAD + body + TAIL],
        env={**kept, "PYTHONPATH": path, "KERAS_BACKEND": "jax", **environment},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


def test_an_advice_and_a_switch():
    run(ADVICE, **BESIDE_OTHERS)


def test_an_exact_switch_of_convolutions():
    """JAX rounds what a GPU multiplies to TF32 unless it is told not to; a verification tells it."""
    run(CONVOLUTIONS, **BESIDE_OTHERS)


def test_processes_share_a_gpu():
    """JAX takes three quarters of a GPU in the first process that uses it; the workers make do with the rest."""
    run(COMPARISON)
