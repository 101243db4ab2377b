"""The layers under torch, and a saved model in a process, and on a backend, that did not make it."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np

from addcat.layers import ChannelScaledAdd, ProjectedAdd, ScaledAdd

HERE = Path(__file__).parent
LOAD = """
import sys
import addcat.layers
import keras, numpy as np
model = keras.saving.load_model(sys.argv[1])
arrays = np.load(sys.argv[2])
print(keras.config.backend())
np.save(sys.argv[3], keras.ops.convert_to_numpy(model([arrays["x"], arrays["y"]])))
"""


def run(*arguments):
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_under_torch():
    files = [HERE / "test_rungs.py", HERE / "test_rungs_in_models.py"]
    said = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *files)
    assert " passed" in said
    assert "failed" not in said


def test_a_saved_model_loads_after_importing_the_layers(tmp_path):
    x, y = keras.Input((4, 3)), keras.Input((4, 3))
    merged = [ScaledAdd()([x, y]), ChannelScaledAdd()([x, y]), ProjectedAdd(2, axis=1)([x, y])]
    model = keras.Model([x, y], keras.layers.Concatenate()(merged))
    rng = np.random.default_rng(0)
    model.set_weights([rng.standard_normal(w.shape) for w in model.weights])
    inputs = {name: rng.standard_normal((5, 4, 3)).astype("float32") for name in "xy"}
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "inputs.npz", **inputs)
    said = run("-c", LOAD, tmp_path / "model.keras", tmp_path / "inputs.npz", tmp_path / "outputs.npy")
    assert said == "torch\n"
    expected = keras.ops.convert_to_numpy(model([inputs["x"], inputs["y"]]))
    np.testing.assert_allclose(np.load(tmp_path / "outputs.npy"), expected, rtol=1e-5, atol=1e-5)
