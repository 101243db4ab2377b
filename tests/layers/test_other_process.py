"""The layers under torch, and a saved model in a process, and on a backend, that did not make it."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from addcat.layers import ChannelScaledAdd, ProjectedAdd, ScaledAdd

TESTS = [Path(__file__).parent / name for name in ("test_rungs.py", "test_rungs_in_models.py")]
LOAD = """
import sys
import addcat.layers
import keras, numpy as np
model = keras.saving.load_model(sys.argv[1])
arrays = np.load(sys.argv[2])
print(keras.config.backend())
np.save(sys.argv[3], keras.ops.convert_to_numpy(model([arrays["x"], arrays["y"]])))
import pytest
raise SystemExit(pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:xdist", *sys.argv[4:]]))
"""
"""Loading comes first, when nothing but `addcat.layers` is imported; the tests of the layers are in the same process
because it takes long to start."""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What the other process said, what it loaded and computed, and what was computed here."""
    folder = tmp_path_factory.mktemp("other")
    x, y = keras.Input((4, 3)), keras.Input((4, 3))
    merged = [ScaledAdd()([x, y]), ChannelScaledAdd()([x, y]), ProjectedAdd(2, axis=1)([x, y])]
    model = keras.Model([x, y], keras.layers.Concatenate()(merged))
    rng = np.random.default_rng(0)
    model.set_weights([rng.standard_normal(w.shape) for w in model.weights])
    inputs = {name: rng.standard_normal((5, 4, 3)).astype("float32") for name in "xy"}
    model.save(folder / "model.keras")
    np.savez(folder / "inputs.npz", **inputs)
    files = [folder / "model.keras", folder / "inputs.npz", folder / "outputs.npy", *TESTS]
    command = [sys.executable, "-c", LOAD, *map(str, files)]
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)  # noqa: S603
    return done, folder / "outputs.npy", keras.ops.convert_to_numpy(model([inputs["x"], inputs["y"]]))


def test_under_torch(ran):
    done, _, _ = ran
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "failed" not in done.stdout


def test_a_saved_model_loads_after_importing_the_layers(ran):
    done, outputs, expected = ran
    assert done.stdout.startswith("torch\n"), done.stderr
    np.testing.assert_allclose(np.load(outputs), expected, rtol=1e-5, atol=1e-5)
