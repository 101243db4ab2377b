"""Recurrent networks read forwards and backwards: `keras.layers.Bidirectional(merge_mode="sum" | "concat")`.

The two readings are written out, with kernels of their own as Keras has them, so that the merge between is a layer.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from addcat.frameworks import keras
from study.data import Data, Source, digits, series
from study.data.text import letters
from study.networks import RATE, at_the_mean, classified, compiled
from study.task import Task

HIDDEN_LETTER, STEPS = 27, 300
GENERATED = Source("normal numbers and a known function", "", "none needed")


def bidirectional(data: Data, *, cell: str, width: int = 12, steps: bool = False) -> Any:
    """A recurrent layer forwards and one backwards, a merge, a reader and a head.

    Args:
        data: Sequences of shape (examples, length, channels), or of letters.
        cell: "SimpleRNN", "GRU" or "LSTM".
        width: Of each direction.
        steps: Whether there is an answer at every step; then targets have the shape (examples, length, channels).
    """
    layers, (values,) = keras().layers, data.inputs
    x = keras().Input(values.shape[1:], dtype=str(values.dtype), name="sequence")
    z = x if values.ndim == 3 else layers.Embedding(HIDDEN_LETTER + 1, 8, name="letter")(x)
    layer = getattr(layers, cell)
    forward = layer(width, return_sequences=steps, name="forward")(z)
    backward = layer(width, return_sequences=steps, go_backwards=True, name="backward")(z)
    if steps:  # what is read backwards comes out backwards
        backward = keras().ops.flip(backward, axis=1)
    z = layers.Dense(width, activation="relu", name="reader")(layers.Add(name="merge")([forward, backward]))
    if not steps:
        return classified(x, z, data, name="bidirectional")
    answers = layers.Dense(data.targets.shape[-1], name="head", **at_the_mean(data))(z)
    return compiled(keras().Model(x, answers, name="bidirectional"), "mean_squared_error", RATE)


def rows_of_digits() -> Data:
    """A digit row by row."""
    data = digits()
    return Data((data.inputs[0].reshape(-1, 8, 8),), data.targets, 10, data.source)


def columns_of_digits() -> Data:
    """A digit column by column."""
    data = digits()
    return Data((data.inputs[0].reshape(-1, 8, 8).swapaxes(1, 2),), data.targets, 10, data.source)


def hidden_row() -> Data:
    """A digit of which one row is hidden; every row is to be given, the hidden one too."""
    data, rng = digits(), np.random.default_rng(1)
    rows = data.inputs[0].reshape(-1, 8, 8)
    seen = rows.copy()
    seen[np.arange(len(rows)), rng.integers(1, 7, len(rows))] = -1
    return Data((seen,), rows, 0, data.source)


def noisy_rows() -> Data:
    """A noisy digit, every row of which is to be cleaned."""
    data, rng = digits(), np.random.default_rng(2)
    rows = data.inputs[0].reshape(-1, 8, 8)
    return Data(((rows + rng.normal(0, 0.4, rows.shape)).astype("float32"),), rows, 0, data.source)


def hidden_letter(length: int = 9) -> Data:
    """English text of which the middle letter is hidden: is it a vowel, a consonant or a space?"""
    windows, kinds, source = letters(length)
    middle, seen = length // 2, windows.copy()
    seen[:, middle] = HIDDEN_LETTER
    return Data((seen,), kinds[:, middle], 3, source)


def ends(combine: Callable[..., Any]) -> Data:
    """Random numbers, and the sum or the product of the first and the last of them."""
    x = np.random.default_rng(3).normal(size=(1500, 8, 1)).astype("float32")
    return Data((x,), combine(x[:, 0, 0], x[:, -1, 0]), 0, GENERATED, scale=True)


def before_less_after() -> Data:
    """Random numbers, and at every step the sum of those before it less the sum of those behind it."""
    x = np.random.default_rng(4).normal(size=(1500, 8, 1)).astype("float32")
    until = np.cumsum(x, axis=1)
    y = (until - x) - (until[:, -1:] - until)
    return Data((x,), y.astype("float32"), 0, GENERATED, scale=True)


ROWS: tuple[tuple[str, Callable[[], Data], str, bool, str], ...] = (
    # name, examples, cell, whether every step has an answer, metric
    ("digit-rows", rows_of_digits, "GRU", False, "accuracy"),
    ("digit-columns", columns_of_digits, "SimpleRNN", False, "accuracy"),
    ("digit-hidden-row", hidden_row, "GRU", True, "mae"),
    ("digit-noisy-rows", noisy_rows, "SimpleRNN", True, "mae"),
    ("italy-power", partial(series, "ItalyPowerDemand", 12), "LSTM", False, "accuracy"),
    ("japanese-vowels", partial(series, "JapaneseVowels", 12), "GRU", False, "accuracy"),
    ("basic-motions", partial(series, "BasicMotions", 16), "SimpleRNN", False, "accuracy"),
    ("osu-leaf", partial(series, "OSULeaf", 16), "GRU", False, "accuracy"),
    ("hidden-letter", hidden_letter, "GRU", False, "accuracy"),
    ("generated-ends-sum", partial(ends, np.add), "SimpleRNN", False, "mae"),
    ("generated-ends-product", partial(ends, np.multiply), "SimpleRNN", False, "mae"),
    ("generated-before-after", before_less_after, "GRU", True, "mae"),
)
TASKS = tuple(
    Task(
        name=f"bidirectional/{name}",
        family="bidirectional",
        data=data,
        build=partial(bidirectional, cell=cell, steps=steps),
        metric=metric,
        steps=STEPS,
    )
    for name, data, cell, steps, metric in ROWS
)
