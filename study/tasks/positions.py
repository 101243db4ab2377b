"""Positional encodings: added to the tokens (Vaswani et al. 2017), or set beside them and projected.

A small transformer reads tokens and their places. The projection behind the merge is what a network needs that
concatenates, and what sums the two kernels of an Add into one: W (token + place), or W1 token + W2 place.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from addcat.frameworks import keras
from study.data import Array, Data, Source, digits, series
from study.data.text import letters
from study.networks import classified
from study.task import Task

LETTERS, STEPS, RATE = 27, 300, 6e-3
GENERATED = Source("random words of eight letters", "", "none needed")


def transformer(data: Data, *, width: int, block: bool, words: int = 0) -> Any:
    """Tokens and places, a merge, a projection, attention, the mean over places and a head.

    Args:
        data: Tokens of shape (examples, length, channels), or whole numbers below `words`; and their places: whole
            numbers, which are embedded, or encodings as wide as `width`.
        width: Channels.
        block: Whether attention stands in a block with normalisation and residual links; else alone.
        words: How many there are, where tokens are words.
    """
    layers, (tokens, places) = keras().layers, data.inputs
    x = keras().Input(tokens.shape[1:], dtype=str(tokens.dtype), name="tokens")
    place = keras().Input(places.shape[1:], dtype=str(places.dtype), name="places")
    token = (layers.Embedding(words, width, name="token") if words else layers.Dense(width, name="token"))(x)
    where = place if places.dtype.kind == "f" else layers.Embedding(places.shape[1], width, name="place")(place)
    z = layers.Dense(width, name="reader")(layers.Add(name="merge")([token, where]))
    z = layers.Dense(width, activation="relu", name="project")(z)
    if block:
        normed = layers.LayerNormalization(name="norm")(z)
        z = layers.Add(name="residual")([z, _attention(normed, width)])
        inner = layers.Dense(2 * width, activation="relu", name="up")(layers.LayerNormalization(name="norm_up")(z))
        z = layers.Add(name="residual_up")([z, layers.Dense(width, name="down")(inner)])
    else:
        z = layers.Dense(width, activation="relu", name="behind")(_attention(z, width))
    z = layers.GlobalAveragePooling1D(name="mean")(z)
    return classified([x, place], z, data, name="transformer", rate=RATE)


def _attention(tokens: Any, width: int) -> Any:
    """Every place looks at all of them; one head, so that it is quick."""
    layers = keras().layers
    query, value, key = (layers.Dense(width, name=name)(tokens) for name in ("query", "value", "key"))
    return layers.Attention(name="attention")([query, value, key])


def numbered(data: Data) -> Data:
    """The same sequences with the number of every place."""
    (tokens,) = data.inputs
    return _placed(data, tokens, np.arange(tokens.shape[1], dtype="int32"))


def sinusoids(data: Data, width: int = 12) -> Data:
    """The same sequences with sines and cosines of every place, of wavelengths from 2 π to 200 π."""
    (tokens,) = data.inputs
    angles = np.arange(tokens.shape[1])[:, None] / 100 ** (2 * np.arange(width // 2) / width)
    return _placed(data, tokens, np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype("float32"))


def rows_of_digits() -> Data:
    """A digit as eight tokens, its rows."""
    data = digits()
    return _sequences(data, data.inputs[0].reshape(-1, 8, 8))


def columns_of_digits() -> Data:
    """Eight columns of a digit, and which column the middle of its ink is in."""
    data = digits()
    columns = data.inputs[0].reshape(-1, 8, 8).swapaxes(1, 2)
    ink = columns.sum(axis=2)
    middle = (ink * np.arange(8)).sum(axis=1) / ink.sum(axis=1)
    return Data((columns,), middle.astype("float32"), 0, data.source, scale=True)


def patches_of_digits() -> Data:
    """A digit as sixteen tokens, patches of 2 by 2 pixels."""
    data = digits()
    return _sequences(data, data.inputs[0].reshape(-1, 4, 2, 4, 2).swapaxes(2, 3).reshape(-1, 16, 4))


def patches_of_series(name: str, tokens: int, steps: int) -> Data:
    """A time series as tokens of several steps each."""
    data = series(name, tokens * steps)
    return _sequences(data, data.inputs[0].reshape(len(data), tokens, -1))


def next_letter(length: int = 8) -> Data:
    """Letters of English text: is the next one a vowel, a consonant or the end of a word?"""
    windows, kinds, source = letters(length + 1)
    return Data((windows[:, :length],), kinds[:, length], 3, source)


def before(length: int = 8, words: int = 8) -> Data:
    """Random words, two of which are marked: does the first of them come before the second?"""
    rng = np.random.default_rng(1)
    tokens = rng.integers(2, words, (1500, length)).astype("int32")
    marks = rng.permuted(np.tile(np.arange(length), (len(tokens), 1)), axis=1)[:, :2]
    for word in (0, 1):
        tokens[np.arange(len(tokens)), marks[:, word]] = word
    return Data((tokens,), (marks[:, 0] < marks[:, 1]).astype("int32"), 2, GENERATED)


def at_place(length: int = 8, words: int = 8) -> Data:
    """Random words: which one stands at the third place?"""
    tokens = np.random.default_rng(2).integers(0, words, (1500, length)).astype("int32")
    return Data((tokens,), tokens[:, 2].copy(), words, GENERATED)


def _sequences(data: Data, tokens: Array) -> Data:
    return Data((tokens,), data.targets, data.classes, data.source, data.scale)


def _placed(data: Data, tokens: Array, places: Array) -> Data:
    repeated = np.broadcast_to(places, (len(tokens), *places.shape))
    return Data((tokens, np.ascontiguousarray(repeated)), data.targets, data.classes, data.source, data.scale)


ROWS: tuple[tuple[str, Callable[[], Data], Callable[[Data], Data], bool, int, str], ...] = (
    # name, examples, how places are given, whether a whole block, number of words, metric
    ("digit-rows", rows_of_digits, numbered, False, 0, "accuracy"),
    ("digit-rows-block", rows_of_digits, numbered, True, 0, "accuracy"),
    ("digit-middle", columns_of_digits, numbered, False, 0, "mae"),
    ("digit-patches-sinusoids", patches_of_digits, sinusoids, True, 0, "accuracy"),
    ("italy-power", partial(patches_of_series, "ItalyPowerDemand", 8, 3), numbered, False, 0, "accuracy"),
    ("japanese-vowels", partial(patches_of_series, "JapaneseVowels", 8, 2), numbered, False, 0, "accuracy"),
    ("gun-point", partial(patches_of_series, "GunPoint", 10, 5), numbered, False, 0, "accuracy"),
    ("osu-leaf", partial(patches_of_series, "OSULeaf", 12, 6), numbered, False, 0, "accuracy"),
    ("next-letter", next_letter, numbered, False, LETTERS, "accuracy"),
    ("generated-before", before, numbered, False, 8, "accuracy"),
    ("generated-third", at_place, numbered, True, 8, "accuracy"),
)
TASKS = tuple(
    Task(
        name=f"positions/{name}",
        family="positions",
        data=lambda data=data, places=places: places(data()),
        build=partial(transformer, width=12, block=block, words=words),
        metric=metric,
        steps=STEPS,
    )
    for name, data, places, block, words, metric in ROWS
)
