"""What spoils a picture, so that a network may mend it: noise, blur, few pixels, another exposure; always alike."""

from dataclasses import replace
from functools import partial

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from study.data.examples import Array, Data

NOISE = 0.15
BLUR = 1.0
LEVELS = {"noise": (0.05, 0.35), "blur": (0.3, 1.6), "exposure": (0.4, 2.5)}
"""Least and most of what is told to a network: deviation of noise, of a Gaussian in pixels, exponent of a gamma."""


def as_target(data: Data) -> Data:
    """Pictures that are their own target, whatever class they are of."""
    return replace(data, targets=data.inputs[0], classes=0)


def noisy(data: Data, deviation: float = NOISE) -> Data:
    """Gaussian noise on the pictures; the targets stay."""
    return _changed(data, _noise(data.inputs[0], np.float32(deviation)))


def blurred(data: Data, deviation: float = BLUR) -> Data:
    """Pictures behind a Gaussian of some pixels, and a little noise."""
    soft = gaussian_filter(data.inputs[0], (0, deviation, deviation, 0))
    return _changed(data, _noise(soft, np.float32(0.02)))


def coarse(data: Data) -> Data:
    """Every two by two pixels their mean, brought back to the old size by cubic splines."""
    x = data.inputs[0]
    rows, columns = x.shape[1] // 2, x.shape[2] // 2
    small = x.reshape(len(x), rows, 2, columns, 2, -1).mean(axis=(2, 4))
    return _changed(data, zoom(small, (1, 2, 2, 1), order=3, grid_mode=True, mode="nearest").astype("float32"))


def segmented(data: Data, threshold: float) -> Data:
    """Noisy pictures, and for each pixel whether the clean one is above a threshold."""
    bright = (data.inputs[0][..., 0] > threshold).astype("int32")
    return replace(_changed(data, noisy(data, 2 * NOISE).inputs[0]), targets=bright, classes=2)


def at_levels(data: Data, kind: str) -> Data:
    """Each picture spoilt by a level of its own, which is given beside it, from -1 to 1.

    Args:
        data: Pictures.
        kind: Of `LEVELS`.
    """
    x, (low, high) = data.inputs[0], LEVELS[kind]
    share = np.random.default_rng(1).random(len(x)).astype("float32")
    level = low * (high / low) ** share if kind == "exposure" else low + (high - low) * share
    each = level.reshape(-1, 1, 1, 1).astype("float32")
    if kind == "noise":
        spoilt = _noise(x, each)
    elif kind == "exposure":
        spoilt = _noise(np.clip(x, 0, 1) ** each, np.float32(0.05))
    else:
        soft = partial(_softened, x)
        spoilt = _noise(np.stack([soft(place, float(one)) for place, one in enumerate(level)]), np.float32(0.02))
    return replace(data, inputs=(spoilt, (2 * share - 1).reshape(-1, 1)))


def of_classes(data: Data, classes: int, deviation: float = 2 * NOISE) -> Data:
    """Noisy pictures and the class of each as an indicator; the clean ones are the target."""
    indicator = np.eye(classes, dtype="float32")[data.targets]
    spoilt = _noise(data.inputs[0], np.float32(deviation))
    return replace(data, inputs=(spoilt, indicator), targets=data.inputs[0], classes=0)


def coloured(data: Data) -> Data:
    """Grey pictures and the mean colour of each; the coloured ones are the target."""
    x = data.inputs[0].astype("float64")  # no matrix product in float32: its last digit depends on the processor
    grey = (0.299 * x[..., :1] + 0.587 * x[..., 1:2] + 0.114 * x[..., 2:]).astype("float32")
    return replace(data, inputs=(grey, x.mean(axis=(1, 2)).astype("float32")), targets=data.inputs[0])


def upper_half(data: Data) -> Data:
    """The upper half of each picture, and a table of the lower half's rows and columns."""
    x = data.inputs[0]
    lower = x[:, x.shape[1] // 2 :, :, 0]
    table = np.concatenate([lower.mean(axis=1), lower.mean(axis=2)], axis=1)
    return replace(data, inputs=(x[:, : x.shape[1] // 2], table))


def _softened(pictures: Array, place: int, deviation: float) -> Array:
    return gaussian_filter(pictures[place], (deviation, deviation, 0))


def _noise(pictures: Array, deviation: Array) -> Array:
    drawn = np.random.default_rng(2).normal(size=pictures.shape)
    return (pictures + deviation * drawn).astype("float32")


def _changed(data: Data, pictures: Array) -> Data:
    return replace(data, inputs=(pictures,))
