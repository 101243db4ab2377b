"""A node and its neighbours in a graph layer: W1 self + W2 mean (GraphSAGE, Hamilton et al. 2017), or W (self + mean).

The mean over a node's neighbours does not depend on weights, so it is reckoned before training, and each node is an
example. In a network of two layers it brings its neighbours along.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from addcat.frameworks import keras
from study.data import Array, Data, Source, digits, photograph, table
from study.data.places import incomes
from study.networks import classified, inputs_like
from study.task import Task

RATE = 8e-3
"""Twice the usual one: small dense networks want it."""


def one_layer(data: Data, *, width: int = 16) -> Any:
    """A node and the mean of its neighbours, a merge, a kernel and a head."""
    layers, (node, mean) = keras().layers, inputs_like(data)
    merged = layers.Add(name="merge")([node, mean])
    return classified(
        [node, mean], layers.Dense(width, activation="relu", name="reader")(merged), data, name="graph", rate=RATE
    )


def two_layers(data: Data, *, width: int = 12) -> Any:
    """Two layers. The question is about the second: the node and the mean of its neighbours, as the first made them.

    Args:
        data: A node and its neighbours, of shape (examples, 1 + neighbours, features), and the mean around each.
        width: Of both layers.
    """
    layers, (nodes, means) = keras().layers, inputs_like(data)
    both = layers.Concatenate(name="first_merge")([nodes, means])
    first = layers.Dense(width, activation="relu", name="first")(both)
    here = layers.Flatten(name="here")(layers.Cropping1D((0, nodes.shape[1] - 1), name="node")(first))
    there = layers.GlobalAveragePooling1D(name="there")(layers.Cropping1D((1, 0), name="neighbours")(first))
    merged = layers.Add(name="merge")([here, there])
    read = layers.Dense(width, activation="relu", name="reader")(merged)
    return classified([nodes, means], read, data, name="graph", rate=RATE)


def alike(data: Data, neighbours: int = 6, noise: float = 0.0) -> Data:
    """The graph that links each example to the nearest others; features may be noisy, links are not."""
    x = _flat(data)
    near = _nearest(x, neighbours)
    seen = (x + np.random.default_rng(0).normal(0, noise, x.shape)).astype("float32")
    return Data((seen, seen[near].mean(axis=1)), data.targets, data.classes, data.source, data.scale)


def alike_twice(data: Data, neighbours: int = 4, noise: float = 0.0) -> Data:
    """As `alike`, with what two layers need: the neighbours too, and the means of theirs."""
    once = alike(data, neighbours, noise)
    group = np.concatenate([np.arange(len(data))[:, None], _nearest(_flat(data), neighbours)], axis=1)
    return replace(once, inputs=tuple(values[group] for values in once.inputs))


def pixels(name: str, blurred: bool) -> Data:
    """Pixels of a photograph linked to the four around it: it is blurred or noisy, and the clean one is wanted."""
    data, rng = photograph(name, 12), np.random.default_rng(0)
    patches = data.inputs[0][..., 0]
    seen = _around(patches, own=True) if blurred else patches + rng.normal(0, 0.15, patches.shape)
    # one pixel a patch, far enough from its border: patches do not overlap, so none is seen twice
    row, column = rng.integers(3, 9, (2, len(patches)))
    here = (np.arange(len(patches)), row, column)
    node, mean = (values[here][:, None].astype("float32") for values in (seen, _around(seen)))
    return Data((node, mean), patches[here].astype("float32"), 0, data.source, scale=True)


def communities(within: float, between: float) -> Data:
    """Nodes of three kinds with noisy features, linked at random, more within a kind or more between kinds."""
    rng = np.random.default_rng(1)
    kinds = rng.integers(0, 3, 1500)
    x = rng.normal(size=(3, 6))[kinds] + rng.normal(0, 1.5, (len(kinds), 6))
    linked = np.triu(rng.random((len(kinds),) * 2) < np.where(kinds[:, None] == kinds, within, between), 1)
    linked |= linked.T
    mean = linked @ x / np.maximum(linked.sum(axis=1, keepdims=True), 1)
    source = Source("a stochastic block model of three kinds", "", "none needed")
    return Data((x.astype("float32"), mean.astype("float32")), kinds.astype("int32"), 3, source)


def _flat(data: Data) -> Array:
    x = data.inputs[0].reshape(len(data), -1)
    return ((x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-6)) if data.scale else x


def _nearest(x: Array, neighbours: int) -> Array:
    apart = (x**2).sum(axis=1)[:, None] + (x**2).sum(axis=1) - 2 * x @ x.T
    np.fill_diagonal(apart, np.inf)
    return np.argsort(apart, axis=1, kind="stable")[:, :neighbours]


def _around(patches: Array, *, own: bool = False) -> Array:
    """Mean of the four pixels around each, or of the pixel and these four."""
    edged = np.pad(patches, [(0, 0), (1, 1), (1, 1)], mode="edge")
    four = edged[:, :-2, 1:-1] + edged[:, 2:, 1:-1] + edged[:, 1:-1, :-2] + edged[:, 1:-1, 2:]
    return (four + patches) / 5 if own else four / 4


ROWS: tuple[tuple[str, Callable[[], Data], Callable[[Data], Any], str], ...] = (
    # name, examples, network, metric
    ("digits", lambda: alike(digits(), noise=0.5), one_layer, "accuracy"),
    ("digits-two-layers", lambda: alike_twice(digits(), noise=0.8), two_layers, "accuracy"),
    ("breast-cancer", lambda: alike(table("breast_cancer")), one_layer, "accuracy"),
    ("wine", lambda: alike(table("wine")), one_layer, "accuracy"),
    ("diabetes", lambda: alike(table("diabetes")), one_layer, "mae"),
    ("states-income", incomes, one_layer, "mae"),
    ("photograph-sharpen", partial(pixels, "china", True), one_layer, "mae"),
    ("photograph-denoise", partial(pixels, "flower", False), one_layer, "mae"),
    ("generated-alike", partial(communities, 0.012, 0.002), one_layer, "accuracy"),
    ("generated-unlike", partial(communities, 0.001, 0.008), one_layer, "accuracy"),
)
TASKS = tuple(
    Task(name=f"graph/{name}", family="graph", data=data, build=build, metric=metric)
    for name, data, build, metric in ROWS
)
