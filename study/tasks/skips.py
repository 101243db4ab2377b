"""Skips of a U-Net (Ronneberger et al. 2015): features from before a pool, added to or beside those that come back.

Patches of photographs, denoised, deblurred, made finer or segmented.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from addcat.frameworks import keras
from study.data import Data, changes, digits, photograph
from study.networks import at_the_mean, compiled, inputs_like
from study.task import Task


def unet(data: Data, *, width: int, levels: int) -> Any:
    """Two convolutions a level on the way down and one on the way up, where the skip is read.

    Args:
        data: Pictures, and pictures or a class for every pixel as targets.
        width: Channels of the first level; twice as many at each further one.
        levels: Pools, and so skips.
    """
    layers, (x,) = keras().layers, inputs_like(data)
    z, kept = x, []
    for level in range(levels):
        z = _conv(width * 2**level, f"down{level}")(z)
        kept.append(z)
        z = layers.MaxPooling2D(name=f"pool{level}")(z)
    z = _conv(width * 2**levels, "bottom")(z)
    for level in reversed(range(levels)):
        wide = width * 2**level
        z = _conv(wide, f"up{level}")(layers.UpSampling2D(name=f"larger{level}")(z))
        z = _conv(wide, f"reader{level}")(layers.Add(name=f"merge{level}")([kept[level], z]))
    if data.classes:
        outputs = layers.Conv2D(data.classes, 1, activation="softmax", name="head")(z)
        return compiled(keras().Model(x, outputs, name="unet"), "sparse_categorical_crossentropy")
    outputs = layers.Conv2D(data.targets.shape[-1], 1, name="head", **at_the_mean(data))(z)
    return compiled(keras().Model(x, outputs, name="unet"), "mean_squared_error")


def _conv(width: int, name: str) -> Any:
    return keras().layers.Conv2D(width, 3, padding="same", activation="relu", name=name)


def _pictures_of_digits() -> Data:
    """Digits as pictures to mend: each is its own target."""
    return changes.as_target(digits())


ROWS: tuple[tuple[str, Callable[[], Data], Callable[[Data], Data], int, int], ...] = (
    # name, pictures, what is done to them, width, levels
    ("denoise-china", partial(photograph, "china"), changes.noisy, 6, 1),
    ("denoise-camera", partial(photograph, "camera"), changes.noisy, 6, 2),
    ("denoise-digits", _pictures_of_digits, partial(changes.noisy, deviation=0.3), 6, 1),
    ("deblur-flower", partial(photograph, "flower"), changes.blurred, 6, 1),
    ("deblur-coffee", partial(photograph, "coffee"), changes.blurred, 6, 2),
    ("upscale-astronaut", partial(photograph, "astronaut"), changes.coarse, 6, 1),
    ("upscale-chelsea", partial(photograph, "chelsea"), changes.coarse, 6, 2),
    ("segment-coins", partial(photograph, "coins"), partial(changes.segmented, threshold=0.42), 6, 2),
    ("segment-digits", _pictures_of_digits, partial(changes.segmented, threshold=0.5), 6, 1),
)


def _examples(load: Callable[[], Data], change: Callable[[Data], Data]) -> Data:
    return change(load())


TASKS = tuple(
    Task(
        name=f"skips/{name}",
        family="skips",
        data=partial(_examples, load, change),
        build=partial(unet, width=width, levels=levels),
        site="skip" if levels > 1 else "merge0",
        metric="accuracy" if name.startswith("segment") else "psnr",
    )
    for name, load, change, width, levels in ROWS
)
