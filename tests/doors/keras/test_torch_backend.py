"""The Keras door on the torch backend; a process of its own, since Keras takes one backend for good."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
CODE = """
import keras, networks, numpy as np
from addcat.doors.keras.read import read
from addcat.doors.keras.write import write
assert keras.backend.backend() == "torch"
for name in ("residual", "two_tower_own", "nested", "shared_layers", "functions", "attention"):
    model = networks.NETWORKS[name]()
    data = networks.sample(model)
    before = networks.outputs(model, data)
    copy = write(read(model))
    assert [v.path for v in copy.weights] == [v.path for v in model.weights]
    for a, b in zip(before, networks.outputs(copy, data), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-6, atol=1e-6 * np.abs(a).max())
    for variable in copy.weights:
        variable.assign(np.zeros(variable.shape))
    for a, b in zip(before, networks.outputs(model, data), strict=True):
        np.testing.assert_array_equal(a, b)
    print(name)
"""


def test_round_trip_under_torch() -> None:
    pytest.importorskip("torch")
    environment = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": str(TESTS)}
    command = [sys.executable, "-W", "error::UserWarning", "-c", CODE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["residual", "two_tower_own", "nested", "shared_layers", "functions", "attention"]


@pytest.mark.slow
def test_measures_are_the_same_under_torch() -> None:
    pytest.importorskip("torch")
    files = [str(TESTS / "doors" / "keras" / name) for name in ("test_measure.py", "test_constants.py")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", *files]
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout
