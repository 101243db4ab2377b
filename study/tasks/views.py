"""Two towers and views: two looks at one thing, or two things to be compared, each through a tower of its own or one.

With own towers a sum can give each view channels of its own. With one tower for both it cannot tell the views apart:
that is right where the target stays when the views change places, and fatal where it does not.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from addcat.frameworks import keras
from study.data import Array, Data, Source, digits, photograph, table
from study.networks import classified, inputs_like
from study.task import Task

RATE = 8e-3
"""Twice the usual one: small dense networks want it."""
GENERATED = Source("normal numbers and a known function", "", "none needed")


def towers(data: Data, *, width: int, shared: bool) -> Any:
    """A dense tower for each view, or one for all, a merge, a reader and a head.

    Args:
        data: Two views of shapes (examples, columns).
        width: Of every layer.
        shared: Whether one tower looks at both.
    """
    layers, views = keras().layers, inputs_like(data)
    one = partial(layers.Dense, width, activation="relu")
    made = [one(name="tower")] * len(views) if shared else [one(name=f"tower{place}") for place in range(len(views))]
    seen = [tower(view) for tower, view in zip(made, views, strict=True)]
    merged = layers.Add(name="merge")(seen)
    return classified(
        views, layers.Dense(width, activation="relu", name="reader")(merged), data, name="towers", rate=RATE
    )


def halves(axis: int) -> Data:
    """The two halves of a digit: the left and the right one along axis 2, the upper and the lower along axis 1."""
    data = digits()
    first, second = np.split(data.inputs[0], 2, axis=axis)
    return _with(data, (_flat(first), _flat(second)))


def looks() -> Data:
    """Two noisy pictures of one digit, equally good."""
    data, rng = digits(), np.random.default_rng(1)
    x = _flat(data.inputs[0])
    return _with(data, tuple(x + rng.normal(0, 0.6, x.shape) for _ in range(2)))


def unequal() -> Data:
    """A very noisy picture of a digit, and a clean one of 4 by 4 pixels."""
    data, rng = digits(), np.random.default_rng(2)
    x = data.inputs[0]
    small = x.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4))
    return _with(data, (_flat(x) + rng.normal(0, 1, (len(x), 64)), _flat(small)))


def two_digits(target: Callable[[Array, Array], Array], classes: int) -> Data:
    """Two digits of two pictures; every picture is in one pair only, so none that judges was trained on."""
    data = digits()
    order = np.random.default_rng(3).permutation(len(data))
    half = len(order) // 2
    first, second = (data.rows(rows) for rows in (order[:half], order[half : 2 * half]))
    y = target(first.targets, second.targets)
    views = (_flat(first.inputs[0]), _flat(second.inputs[0]))
    return Data(views, y.astype("int32" if classes else "float32"), classes, data.source, scale=not classes)


def one_digit(_: Any = None) -> Data:
    """Two pictures, half of the pairs of one digit: is it the same?"""
    data, rng = digits(), np.random.default_rng(4)
    left, right, same = [], [], []
    for digit in range(10):
        rows = rng.permutation(np.flatnonzero(data.targets == digit))
        alike, rest = rows[: len(rows) // 2 // 2 * 2], rows[len(rows) // 2 // 2 * 2 :]
        left.append(np.stack([alike[::2], alike[1::2]], axis=1))
        same.append(np.ones(len(alike) // 2))
        right.append(rest)
    others = np.concatenate(right)
    others = others[np.argsort(rng.random(len(others)))]
    pairs = others[: len(others) // 2 * 2].reshape(-1, 2)
    pairs = pairs[data.targets[pairs[:, 0]] != data.targets[pairs[:, 1]]]
    index = np.concatenate([*left, pairs])
    y = np.concatenate([*same, np.zeros(len(pairs))]).astype("int32")
    x = _flat(data.inputs[0])
    return Data((x[index[:, 0]], x[index[:, 1]]), y, 2, data.source)


def columns(name: str, first: slice, second: slice) -> Data:
    """Two groups of the columns of a table."""
    data = table(name)
    (x,) = data.inputs
    return _with(data, (x[:, first], x[:, second]))


def above(name: str, size: int = 8) -> Data:
    """The upper and the lower half of a patch of a photograph, in either order: is the first the upper one?"""
    data, rng = photograph(name, size), np.random.default_rng(5)
    upper, lower = (_flat(half) for half in np.split(data.inputs[0], 2, axis=1))
    turned = rng.random(len(upper)) < 0.5
    views = (np.where(turned[:, None], lower, upper), np.where(turned[:, None], upper, lower))
    return Data(views, turned.astype("int32"), 2, data.source, scale=True)


def teacher(kind: str) -> Data:
    """Two random vectors; the target is f(x) + f(z), f(x) - f(z) or f(x) + g(z), and a tenth of noise.

    Both f and g have one hidden layer.
    """
    rng = np.random.default_rng(6)
    x, z = rng.normal(size=(2, 1500, 8))
    kernels, head = rng.normal(size=(2, 8, 6)) / 8**0.5, rng.normal(size=6)
    f, g = (
        np.maximum(values @ kernel, 0) @ head for values, kernel in ((x, kernels[0]), (z, kernels[int(kind == "own")]))
    )
    y = f - g if kind == "difference" else f + g
    return _two(x, z, y + 0.1 * y.std() * rng.normal(size=len(y)), GENERATED)


def _two(x: Array, z: Array, y: Array, source: Source) -> Data:
    return Data((x.astype("float32"), z.astype("float32")), y.astype("float32"), 0, source, scale=True)


def _with(data: Data, views: tuple[Array, ...]) -> Data:
    return Data(tuple(v.astype("float32") for v in views), data.targets, data.classes, data.source, data.scale)


def _flat(values: Array) -> Array:
    return values.reshape(len(values), -1).astype("float32")


ROWS: tuple[tuple[str, Callable[[], Data], int, bool, str], ...] = (
    # name, examples, width, one tower for both, metric
    ("digit-left-right", partial(halves, 2), 24, False, "accuracy"),
    ("digit-top-bottom-narrow", partial(halves, 1), 8, False, "accuracy"),
    ("digit-two-looks", looks, 24, True, "accuracy"),
    ("digit-unequal", unequal, 24, False, "accuracy"),
    ("digits-larger", partial(two_digits, np.greater, 2), 24, True, "accuracy"),
    ("digits-total", partial(two_digits, np.add, 0), 24, True, "mae"),
    ("digits-difference-own", partial(two_digits, np.subtract, 0), 24, False, "mae"),
    ("digits-same", one_digit, 24, True, "accuracy"),
    ("cancer-mean-worst", partial(columns, "breast_cancer", slice(0, 10), slice(20, 30)), 12, True, "accuracy"),
    ("diabetes-body-blood", partial(columns, "diabetes", slice(0, 4), slice(4, 10)), 12, False, "mae"),
    ("wine-columns", partial(columns, "wine", slice(0, 5), slice(5, 13)), 8, False, "accuracy"),
    ("photograph-above", partial(above, "china"), 24, True, "accuracy"),
    ("generated-same-function", partial(teacher, "sum"), 16, True, "mae"),
    ("generated-difference", partial(teacher, "difference"), 16, True, "mae"),
    ("generated-own-functions", partial(teacher, "own"), 16, False, "mae"),
)
TASKS = tuple(
    Task(
        name=f"views/{name}",
        family="views",
        data=data,
        build=partial(towers, width=width, shared=shared),
        metric=metric,
    )
    for name, data, width, shared, metric in ROWS
)
