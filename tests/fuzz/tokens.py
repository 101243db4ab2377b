"""Random pieces of graphs between images and tokens: what attentions and their feed-forward blocks are made of."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Rows:
    """Tokens of an image, channels last.

    Attributes:
        name: The tensor.
        channels: Their width.
        flat: Whether positions are one axis; else they are rows and columns.
    """

    name: str
    channels: int
    flat: bool


def tokens_of(g, x):
    """An image as tokens, by one of the spellings."""
    kind = g.pick("reshape", "reshape", "transpose", "rows")
    if kind == "reshape":
        flat = g.node("Reshape", [x.name, g.constant(np.array([0, x.channels, g.pick(-1, x.size[0] * x.size[1])]))])
        return Rows(g.node("Transpose", [flat], perm=[0, 2, 1]), x.channels, flat=True)
    turned = g.node("Transpose", [x.name], perm=[0, 2, 3, 1])
    if kind == "rows":
        return Rows(turned, x.channels, flat=False)
    flat = g.node("Reshape", [turned, g.constant(np.array([0, -1, x.channels]))])
    return Rows(flat, x.channels, flat=True)


def image_of(g, rows, size):
    """Tokens as an image; now and then one with its sides exchanged, which is another image."""
    size = size[::-1] if rows.flat and g.chance(0.1) else size
    if not rows.flat:
        return g.node("Transpose", [rows.name], perm=[0, 3, 1, 2]), size
    if g.chance(0.6):
        turned = g.node("Transpose", [rows.name], perm=[0, 2, 1])
        return g.node("Reshape", [turned, g.constant(np.array([0, rows.channels, *size]))]), size
    laid = g.node("Reshape", [rows.name, g.constant(np.array([0, *size, rows.channels]))])
    return g.node("Transpose", [laid], perm=[0, 3, 1, 2]), size


def step(g, rows):
    """One operation on tokens."""
    kind = g.pick("dense", "dense", "gelu", "function", "norm", "siblings", "constant")
    if kind == "dense":
        return dense(g, rows, g.pick(2, 4, 6))
    if kind == "gelu":
        return Rows(spelled(g, rows.name), rows.channels, rows.flat)
    if kind == "function":
        return Rows(g.node(g.pick("Relu", "Tanh"), [rows.name]), rows.channels, rows.flat)
    if kind == "norm":
        inputs = [rows.name, g.weight(rows.channels), *([g.weight(rows.channels)] if g.chance(0.7) else [])]
        return Rows(g.node("LayerNormalization", inputs, axis=-1, epsilon=1e-2), rows.channels, rows.flat)
    if kind == "constant":
        shape = g.pick((), (rows.channels,))
        name = g.node(g.pick("Add", "Mul"), [rows.name, g.constant(np.full(shape, 0.7, "f"))])
        return Rows(name, rows.channels, rows.flat)
    width = g.pick(2, 4)
    parts = [dense(g, rows, width).name for _ in range(g.pick(2, 3))]
    return Rows(g.node("Sum", parts), width, rows.flat)


def dense(g, rows, width):
    name = g.node("MatMul", [rows.name, g.weight(rows.channels, width, scale=0.4)])
    return Rows(g.node("Add", [name, g.weight(width)]) if g.chance(0.7) else name, width, rows.flat)


def spelled(g, name):
    """A GELU or a SiLU by its parts; now and then without its half, or with another number, so that it is none."""
    if g.chance(0.3):
        return g.node("Mul", [name, g.node("Sigmoid", [name])])
    root, half = (np.float32(value * (1.1 if g.chance(0.1) else 1.0)) for value in (np.sqrt(2.0), 0.5))
    gate = g.node("Erf", [g.node("Div", [name, g.constant(root)])]) if g.chance(0.6) else near(g, name)
    gate = g.node("Add", [gate, g.constant(np.float32(1.0))])
    place = g.pick("behind", "before", "gate", "nowhere")
    if place == "gate":
        gate = g.node("Mul", [gate, g.constant(half)])
    left = g.node("Mul", [name, g.constant(half)]) if place == "before" else name
    product = g.node("Mul", [left, gate] if g.chance(0.5) else [gate, left])
    return g.node("Mul", [product, g.constant(half)]) if place == "behind" else product


def near(g, name):
    """Tanh of √(2/π) (x + 0.044715 x³), which makes nearly a GELU."""
    square = g.node("Mul", [name, name])
    cube = g.node("Mul", [name, square] if g.chance(0.5) else [square, name])
    weighed = g.node("Mul", [cube, g.constant(np.float32(0.044715))])
    both = g.node("Add", [name, weighed] if g.chance(0.5) else [weighed, name])
    return g.node("Tanh", [g.node("Mul", [both, g.constant(np.float32(np.sqrt(2 / np.pi)))])])


def statistics(g, x):
    """An instance norm, or a group norm as torch writes it."""
    if g.chance(0.5):
        inputs = [x.name, g.weight(x.channels), g.weight(x.channels)]
        return g.node("InstanceNormalization", inputs, epsilon=1e-2)
    groups = g.pick(*[k for k in (1, 2, x.channels) if x.channels % k == 0])
    bare = [g.constant(np.full(groups, value, "f")) for value in (1.0, 0.0)]
    rows = g.node("Reshape", [x.name, g.constant(np.array([0, groups, -1]))])
    normed = g.node("InstanceNormalization", [rows, *bare], epsilon=1e-2)
    image = g.node("Reshape", [normed, g.constant(np.array([0, x.channels, *x.size]))])
    scaled = g.node("Mul", [image, g.weight(x.channels, 1, 1)])
    return g.node("Add", [scaled, g.weight(x.channels, 1, 1)])
