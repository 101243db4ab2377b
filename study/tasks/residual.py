"""Residual links: x + f(x) (He et al. 2016), or both kept side by side (Huang et al. 2017).

Blocks of two layers in perceptrons on tables, convolutions over time on series, and small image networks.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from addcat.frameworks import keras
from study.data import Data, digits, series, table, textures
from study.networks import classified, inputs_like
from study.task import Task


def _dense(width: int, name: str, activation: str | None = "relu") -> Any:
    return keras().layers.Dense(width, activation=activation, name=name)


def _conv(width: int, name: str, activation: str | None = "relu", *, rank: int) -> Any:
    kind = keras().layers.Conv1D if rank == 1 else keras().layers.Conv2D
    return kind(width, 3, padding="same", activation=activation, name=name)


def residual(data: Data, *, width: int, blocks: int) -> Any:
    """A stem, some blocks z -> z + f(z), each read by a layer of its own, and a head.

    Args:
        data: Tables, series or pictures.
        width: Channels.
        blocks: How many.
    """
    layers, (x,) = keras().layers, inputs_like(data)
    rank = len(x.shape) - 2
    layer = partial(_conv, rank=rank) if rank else _dense
    z = layer(width, "stem")(x)
    for block in range(blocks):
        inner = layer(width, f"inner{block}")(z)
        outer = layer(width, f"outer{block}", None)(inner)
        z = layer(width, f"reader{block}")(layers.Add(name=f"merge{block}")([z, outer]))
    if rank:
        z = (layers.GlobalAveragePooling1D if rank == 1 else layers.GlobalAveragePooling2D)(name="pool")(z)
    return classified(x, z, data, name="residual")


ROWS: tuple[tuple[str, Callable[[], Data], int, int], ...] = (
    # name, examples, width, blocks
    ("diabetes", partial(table, "diabetes"), 16, 1),
    ("breast-cancer", partial(table, "breast_cancer"), 16, 2),
    ("boston", partial(table, "Boston"), 16, 2),
    ("diamonds", partial(table, "diamonds"), 24, 3),
    ("italy-power", partial(series, "ItalyPowerDemand", 24), 8, 1),
    ("japanese-vowels", partial(series, "JapaneseVowels", 16), 12, 2),
    ("basic-motions", partial(series, "BasicMotions", 32), 8, 2),
    ("digits", digits, 8, 1),
    ("textures", partial(textures, 8), 6, 2),
)
TASKS = tuple(
    Task(
        name=f"residual/{name}",
        family="residual",
        data=data,
        build=partial(residual, width=width, blocks=blocks),
        site="residual" if blocks > 1 else "merge0",
        metric="mae" if name in {"diabetes", "boston", "diamonds"} else "accuracy",
    )
    for name, data, width, blocks in ROWS
)
