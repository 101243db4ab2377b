"""Conditions: a class, a level of noise or a table, added to the features of a picture or set beside them.

A layer brings the condition to as many channels as the picture has and spreads it over the pixels, as diffusion models
do with a time step (Ho et al. 2020).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from addcat.frameworks import keras
from study.data import Data, changes, digits, photograph, textures
from study.networks import at_the_mean, classified, compiled, inputs_like
from study.task import Task


def conditioned(data: Data, *, width: int) -> Any:
    """Features of a picture and of its condition, merged, read by a convolution; then a picture, or a class.

    Args:
        data: Pictures and a table.
        width: Channels.
    """
    layers, (x, condition) = keras().layers, inputs_like(data)
    features = layers.Conv2D(width, 3, padding="same", activation="relu", name="stem")(x)
    told = layers.Dense(width, activation="relu", name="told")(condition)
    spread = layers.UpSampling2D(tuple(x.shape[1:3]), name="spread")(layers.Reshape((1, 1, width), name="pixel")(told))
    merged = layers.Add(name="merge")([features, spread])
    z = layers.Conv2D(width, 3, padding="same", activation="relu", name="reader")(merged)
    if data.classes:
        z = layers.GlobalAveragePooling2D(name="pool")(z)
        return classified([x, condition], z, data, name="conditioned")
    outputs = layers.Conv2D(data.targets.shape[-1], 3, padding="same", name="head", **at_the_mean(data))(z)
    return compiled(keras().Model([x, condition], outputs, name="conditioned"), "mean_squared_error")


Change = Callable[[Data], Data]
ROWS: tuple[tuple[str, Callable[[], Data], Change, int], ...] = (
    # name, pictures, what is done to them and told of them, width
    ("class-digits", digits, partial(changes.of_classes, classes=10), 8),
    ("class-textures", textures, partial(changes.of_classes, classes=3), 8),
    ("noise-camera", partial(photograph, "camera"), partial(changes.at_levels, kind="noise"), 8),
    ("noise-retina", partial(photograph, "retina"), partial(changes.at_levels, kind="noise"), 8),
    ("blur-flower", partial(photograph, "flower"), partial(changes.at_levels, kind="blur"), 8),
    ("exposure-china", partial(photograph, "china"), partial(changes.at_levels, kind="exposure"), 8),
    ("colour-coffee", partial(photograph, "coffee", colour=True), changes.coloured, 8),
    ("colour-astronaut", partial(photograph, "astronaut", colour=True), changes.coloured, 8),
    ("table-digits", digits, changes.upper_half, 8),
)


def _examples(load: Callable[[], Data], change: Change) -> Data:
    return change(load())


TASKS = tuple(
    Task(
        name=f"conditioning/{name}",
        family="conditioning",
        data=partial(_examples, load, change),
        build=partial(conditioned, width=width),
        metric="accuracy" if name == "table-digits" else "psnr",
    )
    for name, load, change, width in ROWS
)
