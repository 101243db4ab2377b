"""Random Keras models: shared layers, nested models, constants, training flags, odd merges; all of it by one seed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from networks import keras, layers, randomised

ops = keras.ops
FUNCTIONS = ("linear", "linear", "relu", "tanh", "sigmoid", "gelu", "leaky_relu", "softmax", "elu")
POSITIONS = {2: (), 3: (6,), 4: (6, 6)}
"""Sizes between batch and channels, by rank: vectors, sequences, images."""


@dataclass
class Author:
    """Writes one model, step by step, from tensors that it has made already.

    Attributes:
        rng: Decides everything.
        tensors: What there is to go on from.
        shared: Layers that were called before, by the shape that they take.
    """

    rng: np.random.Generator
    tensors: list[Any]
    depth: int = 0
    shared: dict[Any, list[Any]] = field(default_factory=dict)

    def pick(self, choices: Any) -> Any:
        """One of some things."""
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, share: float) -> bool:
        """Whether something happens."""
        return bool(self.rng.random() < share)

    def tensor(self) -> Any:
        """A tensor, rather a late one."""
        last = self.tensors[-4:]
        return self.pick(last if self.chance(0.8) else self.tensors)

    def like(self, tensor: Any) -> list[Any]:
        """Tensors of the same positions."""
        return [other for other in self.tensors if other.shape[1:-1] == tensor.shape[1:-1]]

    def array(self, *shape: int) -> Any:
        """A constant."""
        return self.rng.normal(size=shape).astype("float32")

    def called(self, make: Callable[[], Any], x: Any, **kwargs: Any) -> Any:
        """A new layer, or one that was called before on a tensor of this shape."""
        known = self.shared.setdefault(tuple(x.shape), [])
        if known and not kwargs and self.chance(0.15):
            return self.pick(known)(x)
        layer = make()
        y = layer(x, **kwargs)
        if not kwargs:
            known.append(layer)
        return y


def linear(a: Author, x: Any) -> Any:
    """A Dense, or any convolution that the rank has."""
    rank, out, use_bias = len(x.shape), int(a.rng.integers(1, 6)), a.chance(0.7)
    activation = a.pick(FUNCTIONS)
    common = {"activation": activation, "use_bias": use_bias}
    if rank == 2 or a.chance(0.2):
        return a.called(lambda: layers.Dense(out, **common), x)
    taps, dilation = int(a.rng.integers(1, 4)), int(a.pick((1, 1, 2)))
    stride = int(a.pick((1, 1, 2))) if dilation == 1 else 1
    padding = a.pick(("same", "same", "valid"))
    if min(x.shape[1:-1]) <= (taps - 1) * dilation:
        padding = "same"
    place = {"padding": padding, "strides": stride, "dilation_rate": dilation, **common}
    kind = int(a.rng.integers(6))
    if kind == 0:
        cls = layers.DepthwiseConv1D if rank == 3 else layers.DepthwiseConv2D
        plain = {**place}
        return a.called(lambda: cls(taps, depth_multiplier=a.pick((1, 1, 2)), **plain), x)
    if kind == 1:
        cls = layers.SeparableConv1D if rank == 3 else layers.SeparableConv2D
        return a.called(lambda: cls(out, taps, **place), x)
    if kind == 2 and dilation == 1:
        cls = layers.Conv1DTranspose if rank == 3 else layers.Conv2DTranspose
        settings = {**place, "padding": "same", "strides": int(a.pick((1, 2)))}
        if min(x.shape[1:-1]) > 8:
            settings["strides"] = 1
        return a.called(lambda: cls(out, taps, **settings), x)
    channels = x.shape[-1]
    groups = a.pick([g for g in (1, 1, 2, channels) if channels % g == 0])
    cls = layers.Conv1D if rank == 3 else layers.Conv2D
    return a.called(lambda: cls(out * groups, taps, groups=groups, **place), x)


def alone(a: Author, x: Any) -> Any:
    """What keeps channels apart, or does not."""
    rank = len(x.shape)
    flag = {"training": a.pick((True, False))} if a.chance(0.25) else {}
    choices: list[Callable[[], Any]] = [
        lambda: a.called(lambda: layers.Activation(a.pick(FUNCTIONS)), x),
        lambda: a.called(layers.ReLU, x),
        lambda: a.called(lambda: layers.LeakyReLU(0.3), x),
        lambda: a.called(layers.PReLU, x),
        lambda: a.called(lambda: layers.BatchNormalization(scale=a.chance(0.7), center=a.chance(0.7)), x, **flag),
        lambda: a.called(lambda: layers.BatchNormalization(axis=1), x, **flag),
        lambda: a.called(lambda: layers.Dropout(0.3, seed=1), x, **flag),
        lambda: a.called(lambda: layers.GaussianNoise(0.3, seed=1), x, **flag),
        lambda: a.called(layers.LayerNormalization, x),
        lambda: a.called(lambda: layers.GroupNormalization(a.pick((1, -1))), x),
        lambda: a.called(layers.Identity, x),
        lambda: a.called(layers.Softmax, x),
        lambda: x * 0.5 if a.chance(0.5) else 2.0 * x,
        lambda: x + 1.5 if a.chance(0.5) else 1.5 - x,
        lambda: x + a.array(1, *x.shape[1:]),
        lambda: x * a.array(*x.shape[-1:]),
        lambda: x / 2.0 if a.chance(0.5) else 1.0 / (ops.abs(x) + 1.0),
        lambda: ops.maximum(x, a.array(1)),
        lambda: ops.abs(x),
        lambda: x[:, :, ::-1] if rank > 2 else ops.flip(x, axis=-1),
        lambda: layers.Reshape(x.shape[1:])(x),
        lambda: layers.Permute((2, 1) if rank == 3 else (2, 1, 3))(x) if rank > 2 else x + x,
    ]
    return a.pick(choices)()


def resized(a: Author, x: Any) -> Any:
    """Another number of positions, or another rank."""
    rank = len(x.shape)
    if rank == 2:
        return a.pick(
            [lambda: layers.RepeatVector(6)(x), lambda: layers.Reshape((x.shape[-1], 1))(x), lambda: linear(a, x)]
        )()
    small = min(x.shape[1:-1]) < 2
    one, dims = a.chance(0.5), rank - 2
    name = f"{dims}D"
    pool = a.pick(("Average", "Max"))
    choices: list[Callable[[], Any]] = [
        lambda: getattr(layers, f"Global{pool}Pooling{name}")(keepdims=one)(x),
        lambda: getattr(layers, f"ZeroPadding{name}")(1)(x),
        lambda: layers.Flatten()(x),
    ]
    if not small:
        choices += [
            lambda: getattr(layers, f"{pool}Pooling{name}")(
                2, strides=a.pick((1, 2)), padding=a.pick(("same", "valid"))
            )(x),
            lambda: getattr(layers, f"Cropping{name}")((1, 0) if rank == 3 else ((1, 0), (0, 0)))(x),
        ]
    if max(x.shape[1:-1]) <= 8:
        choices.append(lambda: getattr(layers, f"UpSampling{name}")(2)(x))
        if rank == 4:
            choices.append(lambda: layers.UpSampling2D(2, interpolation="bilinear")(x))
    return a.pick(choices)()


def merged(a: Author, x: Any) -> Any:
    """A merge of two to four tensors, projected where that is needed, with a constant now and then."""
    others = a.like(x)
    parts = [x, *(a.pick(others) for _ in range(int(a.rng.integers(1, 4))))]
    if a.chance(0.5):
        return layers.Concatenate()(parts)
    width = int(a.rng.integers(1, 6)) if a.chance(0.5) else x.shape[-1]
    equal = [one if one.shape[-1] == width else layers.Dense(width, activation=a.pick(FUNCTIONS))(one) for one in parts]
    kind = a.pick(
        ("Add", "Add", "Add", "Average", "Multiply", "Maximum", "Minimum", "Subtract", "add", "concat", "stack")
    )
    if kind == "add":
        return sum(equal[1:], equal[0])
    if kind == "concat":
        return ops.concatenate(equal, axis=a.pick((-1, len(x.shape) - 1)))
    if kind == "stack":
        return ops.sum(ops.stack(equal, axis=0), axis=0)
    if kind == "Subtract":
        return layers.Subtract()(equal[:2])
    if a.chance(0.15):
        equal.append(a.array(1, *x.shape[1:-1], width))
    if a.chance(0.1) and len(x.shape) > 2:
        equal.append(layers.Dense(width)(layers.Flatten()(x))[:, None] if len(x.shape) == 3 else equal[0])
    known = a.shared.setdefault(kind, [])
    layer = a.pick(known) if known and a.chance(0.1) else getattr(layers, kind)()
    known.append(layer)
    return layer(equal)


def nested(a: Author, x: Any) -> Any:
    """A model called like a layer, once or twice, perhaps in training mode."""
    if a.depth:
        return linear(a, x)
    inside = keras.Input(x.shape[1:])
    inner = Author(a.rng, [inside], depth=1)
    for _ in range(int(a.rng.integers(2, 5))):
        step(inner)
    body = keras.Model(inside, inner.tensors[-1])
    flag = {"training": True} if a.chance(0.15) else {}
    y = body(x, **flag)
    twins = [other for other in a.tensors if other.shape == x.shape]
    if a.chance(0.5):
        return layers.Add()([y, body(a.pick(twins))])
    return y


STEPS = (linear, linear, linear, alone, alone, resized, merged, merged, merged, nested)


def step(a: Author) -> None:
    """One more tensor."""
    y = a.pick(STEPS)(a, a.tensor())
    if np.prod([size or 1 for size in y.shape]) <= 4096:
        a.tensors.append(y)


def random_model(seed: int) -> Any:
    """A model that depends on the seed alone.

    Args:
        seed: Any whole number.

    Returns:
        A Functional model of one to three inputs, and one or several outputs in a list or a dict.
    """
    rng = np.random.default_rng(seed)
    rank = int(rng.choice([2, 3, 4]))
    inputs = [
        keras.Input((*POSITIONS[rank], int(rng.integers(1, 5))), name=f"x{place}")
        for place in range(int(rng.integers(1, 4)))
    ]
    a = Author(rng, list(inputs))
    for _ in range(int(rng.integers(4, 12))):
        step(a)
    made = a.tensors[len(inputs) :] or [layers.Dense(2)(a.tensors[-1])]
    outputs = [made[-1], *(a.pick(made) for _ in range(int(rng.choice([0, 0, 1]))))]
    if a.chance(0.15):
        outputs = {f"out{place}": out for place, out in reversed(list(enumerate(outputs)))}
    net = keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs if len(outputs) > 1 else made[-1])
    return randomised(net, seed)
