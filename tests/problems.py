"""Merges to be measured, without training: networks of a few units whose weights and data are set by hand.

`problem` makes what every method of `addcat.evidence` takes; the nets below are built once and never changed.
"""

import math
from functools import cache
from typing import Any

import numpy as np
from networks import Input, keras, layers

from addcat.data.examples import Examples
from addcat.doors import keras as door
from addcat.doors.recipe import Recipe
from addcat.evidence.problem import Problem
from addcat.graph import Array
from addcat.graph.nested import subgraph
from addcat.merges import find_merges


def examples(inputs: Any, targets: Any) -> Examples:
    """Arrays, or tuples of them, as float32; whole numbers stay what they are."""

    def arrays(given: Any) -> tuple[Array, ...]:
        listed = given if isinstance(given, tuple) else (given,)
        return tuple(np.asarray(a, None if np.asarray(a).dtype.kind in "iu" else np.float32) for a in listed)

    return Examples(arrays(inputs), arrays(targets))


def problem(
    model: Any,
    data: Examples,
    held: Examples,
    *,
    site: str | None = None,
    loss: Any = "mean_squared_error",
    optimizer: Any = None,
    steps: int = 40,
    batch: int = 32,
    seed: int = 0,
    deadline: float = math.inf,
    said: list[str] | None = None,
) -> Problem:
    """A merge of a model (the only one, where none is named), to be trained for `steps`."""
    graph = door.read(model)
    merges = {merge.site: merge for merge in find_merges(graph)}
    (merge,) = [merges[site]] if site else merges.values()
    losses, _ = door.resolve_loss(model, loss, data.targets)
    recipe = Recipe(optimizer and keras.optimizers.serialize(optimizer), steps, batch, "by hand")
    tell = (lambda _: None) if said is None else said.append
    inside, _ = subgraph(graph, merge.site)
    return Problem(door, graph, inside, merge, data, held, losses, recipe, seed, deadline, tell)


@cache
def linear_pair(merge: str, width: int, out: int = 1) -> Any:
    """x and y, merged as they are, then a Dense called "head": the smallest network with a merge."""
    x, y = Input((width,), name="x"), Input((width,), name="y")
    layer = layers.Add(name="merge") if merge == "add" else layers.Concatenate(name="merge")
    return keras.Model([x, y], layers.Dense(out, name="head")(layer([x, y])), name=f"linear_{merge}")


@cache
def encoded_pair(merge: str, width: int = 3, *, shared: bool = True) -> Any:
    """x and y behind a linear encoder, one for both or one each, merged, then a Dense called "head"."""
    x, y = Input((4,), name="x"), Input((4,), name="y")
    encoder = layers.Dense(width, name="encoder")
    other = encoder if shared else layers.Dense(width, name="other")
    layer = layers.Add(name="merge") if merge == "add" else layers.Concatenate(name="merge")
    merged = layer([encoder(x), other(y)])
    return keras.Model([x, y], layers.Dense(1, name="head")(merged), name=f"encoded_{merge}")


def set_weights(model: Any, **weights: tuple[Any, ...]) -> Any:
    """A copy of a model with the weights of some layers set, by their names."""
    copy = keras.models.clone_model(model)
    for name, arrays in weights.items():
        copy.get_layer(name).set_weights([np.asarray(array, np.float32) for array in arrays])
    return copy


def two_inputs(n: int, target: Any, *, width: int = 4, noise: float = 0.0, seed: int = 0) -> Examples:
    """Normal x and y, and a target of them, (n, 1)."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, n, width))
    return examples((x, y), target(x, y)[:, None] + noise * rng.normal(size=(n, 1)))
