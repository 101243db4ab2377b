"""What rules make: nodes like others, with new weights, at new places."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from addcat.algebra import Linear
from addcat.graph import Array, Edge, Node, Shape, Tensor, Weight
from addcat.graph.windows import with_size
from addcat.rules.guards import activation


def linear_weights(map_: Linear, name: str = "kernel") -> dict[str, Array]:
    """A linear map as a node's weights."""
    return {name: map_.kernel} if map_.bias is None else {name: map_.kernel, "bias": map_.bias}


def taken_in(node: Node, map_: Linear, name: str = "kernel") -> Node:
    """A linear layer with another map; a kernel that stays as it was is not copied, since others may hold it."""
    weights = linear_weights(map_, name)
    if np.array_equal(weights[name], node.weight(name)):
        del weights[name]
    return node.edit(weights=weights)


def made(node: Node, name: str, *, weights: Mapping[str, Array] | None = None, **fields: Any) -> Node:
    """A new node with another's settings and new weights, for the framework to build anew."""
    kept = {key: weight.trainable for key, weight in node.weights.items()}
    arrays = {key: Weight.of(array, trainable=kept.get(key, True)) for key, array in (weights or {}).items()}
    return replace(node, **{"name": name, "weights": arrays, "layer": "", "native": None, "edited": False, **fields})


def moved(node: Node, name: str, **fields: Any) -> Node:
    """An operation at another place or width, its settings and weights as they were: `native` comes along."""
    return replace(node, name=name, **fields)


def merge(op: str, name: str, inputs: tuple[Edge, ...], like: Node, **attrs: Any) -> Node:
    """A new merge with the output of another node, and with the settings that its framework knows, where it has any."""
    settings = {"settings": like.attrs["settings"]} if "settings" in like.attrs else {}
    return Node(name, op, inputs, like.outputs[:1], {**settings, **attrs}, channel_axis=like.channel_axis)


def sized(tensor: Tensor, axis: int | None, size: int | None) -> Tensor:
    """A tensor with another size on one axis."""
    return Tensor(with_size(tensor.shape, axis, size), tensor.dtype)


def function_of(node: Node, name: str, edge: Edge) -> Node:
    """The function that was fused into a linear map, as a node of its own. Softmax is taken along the last axis."""
    function = activation(node)
    attrs: dict[str, Any] = {"function": function, **({"axis": -1} if function == "softmax" else {})}
    op = "softmax" if function == "softmax" else "activation"
    return Node(name, op, (edge,), node.outputs, attrs, channel_axis=node.channel_axis)


def shaped(tensor: Tensor, shape: Shape) -> Tensor:
    """A tensor of the same type with another shape."""
    return Tensor(shape, tensor.dtype)


def times(factor: float, edge: Edge, tensor: Tensor, name: str, channel_axis: int | None) -> Node:
    """A product with one number, in the tensor's own type."""
    value = Weight.of(np.asarray(factor, _numpy_type(tensor.dtype)), trainable=False)
    return Node(name, "gain", (edge,), (tensor,), {}, {"value": value}, channel_axis)


def _numpy_type(name: str) -> np.dtype[np.generic]:
    """The type of that name; bfloat16 and smaller ones, which numpy does not know by name, become float32."""
    try:
        return np.dtype(name)
    except TypeError:
        return np.dtype("float32")
