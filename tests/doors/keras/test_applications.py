"""Real architectures survive the round trip: three small ones always, every one of `keras.applications` on demand."""

import gc
import inspect
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest

from addcat.doors.keras.read import read
from addcat.doors.keras.write import write

keras = networks.keras

SPREAD: dict[str, dict[str, Any]] = {
    "MobileNetV2": {"input_shape": (32, 32, 3), "alpha": 0.35},  # inverted residuals
    "ConvNeXtTiny": {"input_shape": (32, 32, 3)},  # merges that are operations, not layers
}
EVERY = sorted(name for name, value in vars(keras.applications).items() if inspect.isfunction(value))
SMALLEST = (32, 71, 75, 96, 224, 331)
"""Sides of images that one or another of the networks takes as its smallest."""


def build(name: str, **settings: Any) -> Any:
    return getattr(keras.applications, name)(weights=None, classes=10, classifier_activation=None, **settings)


def build_smallest(name: str) -> Any:
    for side in SMALLEST:
        try:
            return build(name, input_shape=(side, side, 3))
        except ValueError:
            continue
    raise AssertionError(f"{name} takes none of {SMALLEST}")


def check(model: Any, folder: Path) -> None:
    for variable in model.weights:  # statistics as drawn would be zeros and ones
        if variable.name.startswith("moving"):
            middle = 1.0 if variable.name == "moving_variance" else 0.0
            variable.assign(middle + np.random.default_rng(0).uniform(-0.5, 0.5, variable.shape))
    data = np.random.default_rng(1).normal(size=(1, *model.input_shape[1:])).astype("float32")
    copy = write(read(model))
    assert [(v.path, tuple(v.shape)) for v in copy.weights] == [(v.path, tuple(v.shape)) for v in model.weights]
    expected = networks.outputs(model, data)[0]
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(networks.outputs(copy, data)[0], expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())
    copy.save(folder / "copy.keras")
    del copy
    loaded = keras.saving.load_model(folder / "copy.keras")
    np.testing.assert_allclose(
        networks.outputs(loaded, data)[0], expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max()
    )


@pytest.fixture(autouse=True)
def drawn_by_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """XLA compiles a generator for every new shape, which takes longer than all the rest."""
    generator = np.random.default_rng(0)

    def draw(shape: Any, *_: Any, dtype: str = "float32", **__: Any) -> Any:
        scale = np.sqrt(2 / np.prod(shape[:-1]))
        return keras.ops.convert_to_tensor(generator.standard_normal(shape, np.float32) * scale, dtype=dtype)

    for name in ("uniform", "normal", "truncated_normal"):
        monkeypatch.setattr(keras.src.backend.random, name, draw)


@pytest.mark.parametrize("name", SPREAD)
def test_a_spread_of_two(name: str, tmp_path: Path) -> None:
    """Cut where the rest repeats what came before; the whole networks are among every one."""
    whole = build(name, **SPREAD[name])
    check(keras.Model(whole.input, whole.layers[len(whole.layers) // 2].output), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_every_application(name: str, tmp_path: Path) -> None:
    check(build_smallest(name), tmp_path)
    (tmp_path / "copy.keras").unlink()  # up to 1.4 GB each
    keras.utils.clear_session()
    gc.collect()
