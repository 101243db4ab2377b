"""Random Keras models, drawn as recipes: small frozen data that hypothesis shrinks and that say what was built.

`networks()` draws any model: dense or convolutional, layers shared, tensors read twice, models in models, several
outputs, unknown sizes, merges as layers and as functions. `sites()` draws one merge with what may stand between it and
linear consumers, which is what a switch has to get through. Widths and kernels are few, so that each compiles once.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from addcat.frameworks import keras as load_keras

keras = load_keras()
layers, ops = keras.layers, keras.ops

WIDTH = 4
"""Channels of every tensor that an Add may meet."""
SIDE = 6
"""Height and width of images."""


@dataclass(frozen=True)
class Step:
    """One operation of a random model.

    Attributes:
        kind: What it is; a key of the functions below.
        reads: Which earlier tensors it reads, as numbers that are taken modulo how many there are.
        choice: A variant of its kind.
    """

    kind: str
    reads: tuple[int, ...]
    choice: int


@dataclass(frozen=True)
class Recipe:
    """A random model.

    Attributes:
        images: Whether tensors are images; else they are vectors.
        inputs: How many inputs.
        steps: The operations, in order.
        outputs: Which tensors the model gives, as numbers modulo how many there are.
        unknown: Whether height and width are left open.
    """

    images: bool
    inputs: int
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    unknown: bool


KINDS = ("linear", "shared", "norm", "activation", "add", "plus", "concat", "function", "nested", "constant")


@st.composite
def networks(draw: st.DrawFn, most: int = 7) -> Recipe:
    """Random recipes of up to `most` steps."""
    numbers = st.integers(0, 9)
    step = st.builds(Step, st.sampled_from(KINDS), st.lists(numbers, min_size=1, max_size=3).map(tuple), numbers)
    return Recipe(
        images=draw(st.booleans()),
        inputs=draw(st.integers(1, 2)),
        steps=tuple(draw(st.lists(step, min_size=1, max_size=most))),
        outputs=tuple(draw(st.lists(numbers, min_size=1, max_size=3))),
        unknown=draw(st.booleans()),
    )


def built(recipe: Recipe, seed: int = 0) -> Any:
    """The model of a recipe, with random weights.

    Every tensor has `WIDTH` channels: a Concatenate is followed by a linear layer that brings them back.
    """
    keras.utils.clear_session(free_memory=False)  # names begin anew; what is collected, among millions, takes a second
    side = None if recipe.unknown else SIDE
    shape = (side, side, WIDTH) if recipe.images else (WIDTH,)
    inputs = [keras.Input(shape, name=f"x{i}") for i in range(recipe.inputs)]
    tensors = list(inputs)
    shared: dict[int, Any] = {}
    for step in recipe.steps:
        tensors.append(_applied(step, [tensors[i % len(tensors)] for i in step.reads], shared, images=recipe.images))
    made = tensors[len(inputs) :]
    model = keras.Model(inputs, [made[-1], *(made[i % len(made)] for i in recipe.outputs)], name="drawn")
    generator = np.random.default_rng(seed)
    for variable in model.weights:
        drawn = generator.normal(scale=0.5, size=variable.shape)
        variable.assign(1 + np.abs(drawn) if "variance" in variable.name else drawn)
    return model


def linear(choice: int, *, images: bool, width: int = WIDTH, name: str | None = None) -> Any:
    """A linear layer that keeps height and width: Dense, or a convolution of one of four kinds."""
    settings: dict[str, Any] = {"kernel_initializer": "zeros", "name": name}
    if not images:
        return layers.Dense(width, activation=("linear", "relu", "tanh")[choice % 3], **settings)
    taps = (1, 3)[choice % 2]
    if choice % 5 == 4:
        return layers.Conv2DTranspose(width, taps, padding="same", **settings)
    return layers.Conv2D(width, taps, padding="same", groups=1 + (choice % 5 == 3), use_bias=choice % 3 > 0, **settings)


def _applied(step: Step, tensors: list[Any], shared: dict[int, Any], *, images: bool) -> Any:
    first, last = tensors[0], tensors[-1]
    match step.kind:
        case "linear":
            return linear(step.choice, images=images)(first)
        case "shared":
            key = step.choice % 2
            if key not in shared:
                shared[key] = linear(step.choice, images=images)
            return shared[key](first)
        case "norm":
            return layers.BatchNormalization()(first)
        case "activation":
            return layers.Activation(("relu", "tanh", "gelu", "linear")[step.choice % 4])(first)
        case "add":
            return layers.Add()(tensors)
        case "plus":
            return first + last
        case "concat":
            joined = layers.Concatenate()(tensors) if step.choice % 2 else ops.concatenate(tensors, axis=-1)
            return linear(step.choice, images=images)(joined)
        case "function":
            return (ops.multiply, ops.maximum, ops.subtract)[step.choice % 3](first, last)
        case "constant":
            return first * 0.5 + np.linspace(0, 1, WIDTH, dtype="float32")
        case _:
            return _nested(step, shared, images=images)(first)


def _nested(step: Step, shared: dict[int, Any], *, images: bool) -> Any:
    """A residual block as a model of its own; one of two, so that some are called again."""
    key = 2 + step.choice % 2
    if key not in shared:
        inside = keras.Input((None, None, WIDTH) if images else (WIDTH,))
        block = linear(step.choice, images=images)(inside)
        shared[key] = keras.Model(inside, layers.Add()([inside, block]), name=f"block{key}")
    return shared[key]


@dataclass(frozen=True)
class Site:
    """One merge and what follows it.

    Attributes:
        op: "add" or "concat".
        images: Whether tensors are images; else they are vectors.
        branches: How many.
        twice: Whether the last branch is the first again.
        after: What stands between the merge and its consumers, in order.
        consumers: How many linear layers read the result.
        bias: Whether they have a bias.
        strided: Whether they have stride two, where they are convolutions.
    """

    op: str
    images: bool
    branches: int
    twice: bool
    after: tuple[str, ...]
    consumers: int
    bias: bool
    strided: bool


VECTORS = ("norm", "relu", "tanh", "dropout")
IMAGES = (*VECTORS, "average", "max", "global", "nearest", "bilinear", "pad", "crop", "depthwise")


@st.composite
def sites(draw: st.DrawFn, op: str | None = None, after: tuple[str, ...] | None = None) -> Site:
    """Random merge sites.

    Args:
        draw: Given by hypothesis.
        op: "add" or "concat"; either where left out.
        after: What may stand between; anything channelwise where left out.
    """
    images = draw(st.booleans())
    known = IMAGES if images else VECTORS
    allowed = known if after is None else tuple(kind for kind in after if kind in known)
    chain = draw(st.lists(st.sampled_from(allowed), max_size=3)) if allowed else []
    if "global" in chain:  # nothing spatial can follow
        place = chain.index("global")
        chain = [*chain[: place + 1], *(kind for kind in chain[place + 1 :] if kind in VECTORS)]
    return Site(
        op=op or draw(st.sampled_from(("add", "concat"))),
        images=images,
        branches=draw(st.integers(2, 3)),
        twice=draw(st.booleans()),
        after=tuple(chain),
        consumers=draw(st.integers(1, 2)),
        bias=draw(st.booleans()),
        strided=draw(st.booleans()),
    )


def built_site(site: Site, seed: int = 0) -> Any:
    """The model of a site: branches from one input, the merge named "merge", consumers named "head0", "head1"."""
    keras.utils.clear_session(free_memory=False)
    x = keras.Input((8, 8, WIDTH) if site.images else (WIDTH,), name="x")
    branches = [linear(0, images=site.images, name=f"branch{i}")(x) for i in range(site.branches)]
    if site.twice:
        branches[-1] = branches[0]
    merged = (layers.Add if site.op == "add" else layers.Concatenate)(name="merge")(branches)
    for place, kind in enumerate(site.after):
        merged = _between(kind, f"after{place}")(merged)
    heads = [_consumer(site, merged, f"head{i}")(merged) for i in range(site.consumers)]
    model = keras.Model(x, heads, name="site")
    generator = np.random.default_rng(seed)
    for variable in model.weights:
        if "seed" in variable.path:
            continue
        drawn = generator.normal(scale=0.5, size=variable.shape)
        variable.assign(1 + np.abs(drawn) if "variance" in variable.name else drawn)
    return model


def _consumer(site: Site, merged: Any, name: str) -> Any:
    settings: dict[str, Any] = {"kernel_initializer": "zeros", "use_bias": site.bias, "name": name}
    if len(merged.shape) == 2:
        return layers.Dense(WIDTH, **settings)
    return layers.Conv2D(WIDTH, 3, padding="same", strides=1 + site.strided, **settings)


def _between(kind: str, name: str) -> Any:
    simple: dict[str, Any] = {
        "norm": layers.BatchNormalization,
        "dropout": lambda name: layers.Dropout(0.3, name=name),
        "average": lambda name: layers.AveragePooling2D(3, strides=1, padding="same", name=name),
        "max": lambda name: layers.MaxPooling2D(2, padding="same", name=name),
        "global": layers.GlobalAveragePooling2D,
        "nearest": lambda name: layers.UpSampling2D(2, name=name),
        "bilinear": lambda name: layers.UpSampling2D(2, interpolation="bilinear", name=name),
        "pad": lambda name: layers.ZeroPadding2D(1, name=name),
        "crop": lambda name: layers.Cropping2D(((0, 1), (0, 0)), name=name),
        "depthwise": lambda name: layers.DepthwiseConv2D(3, padding="same", depthwise_initializer="zeros", name=name),
    }
    return simple[kind](name=name) if kind in simple else layers.Activation(kind, name=name)
