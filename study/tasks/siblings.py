"""Siblings as in Inception (Szegedy et al. 2015): convolutions of several sizes over one tensor, merged and read.

Time series (InceptionTime, Ismail Fawaz et al. 2020) and small pictures.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from addcat.frameworks import keras
from study.data import Data, digits, series, textures
from study.networks import classified, inputs_like
from study.task import Task

TAPS = (1, 3, 5)


def inception(data: Data, *, width: int, modules: int) -> Any:
    """Modules of three convolutions side by side, each read by a convolution with one tap; a head behind the mean.

    Args:
        data: Series or pictures.
        width: Channels of each branch and of what reads them.
        modules: How many.
    """
    layers, (x,) = keras().layers, inputs_like(data)
    kind, pool = (
        (layers.Conv1D, layers.GlobalAveragePooling1D)
        if len(x.shape) == 3
        else (layers.Conv2D, layers.GlobalAveragePooling2D)
    )
    z = x
    for module in range(modules):
        branches = [
            kind(width, taps, padding="same", activation="relu", name=f"taps{taps}_{module}")(z) for taps in TAPS
        ]
        merged = layers.Add(name=f"merge{module}")(branches)
        z = kind(width, 1, activation="relu", name=f"reader{module}")(merged)
    return classified(x, pool(name="pool")(z), data, name="inception")


ROWS: tuple[tuple[str, Callable[[], Data], int, int], ...] = (
    # name, examples, width, modules
    ("italy-power", partial(series, "ItalyPowerDemand", 24), 8, 1),
    ("japanese-vowels", partial(series, "JapaneseVowels", 16), 8, 1),
    ("gun-point", partial(series, "GunPoint", 32), 8, 2),
    ("arrow-head", partial(series, "ArrowHead", 32), 8, 2),
    ("leaves", partial(series, "OSULeaf", 48), 8, 2),
    ("spectra", partial(series, "Tecator", 32), 8, 1),
    ("appliances", partial(series, "PLAID", 32), 8, 1),
    ("digits", digits, 6, 1),
    ("textures", textures, 6, 1),
)
TASKS = tuple(
    Task(
        name=f"siblings/{name}",
        family="siblings",
        data=data,
        build=partial(inception, width=width, modules=modules),
        site="siblings" if modules > 1 else "merge0",
        metric="mae" if name == "spectra" else "accuracy",
    )
    for name, data, width, modules in ROWS
)
