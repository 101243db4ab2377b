"""Networks of a few lines around one merge, and the reference for the rungs of the ladder.

They are built in Keras, with every weight drawn at random; `Sketch` (in `graphs`) draws graphs that need no framework.
"""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import networks
import numpy as np
import reference
from networks import keras, layers, randomised

from addcat.graph import Array, Edge, Graph, Node
from addcat.switches.apply import Setting, switch_site
from addcat.switches.fresh import fresh_site
from addcat.switches.ladder import parse_rung

Input = networks.Input


def model(inputs: Any, outputs: Any, seed: int = 0, **kwargs: Any) -> Any:
    """A Keras model whose every weight, statistics included, is drawn at random."""
    return randomised(keras.Model(inputs, outputs, **kwargs), seed)


def dense_net(merge: str = "add", *, head: Any = None, seed: int = 0) -> Any:
    """x and a Dense of it, merged by a layer called "merge", then `head` (a Dense called "head" by default)."""
    x = Input((4,), name="x")
    y = layers.Dense(4, activation="tanh", name="block")(x)
    layer = layers.Add(name="merge") if merge == "add" else layers.Concatenate(name="merge")
    head = head or layers.Dense(3, name="head")
    return model(x, head(layer([x, y])), seed)


def mlp(*widths: int, merge: str = "concat", order: tuple[int, ...] = ()) -> Any:
    """Linear branches of an input each, of these widths, merged in this order, then a Dense: absorb applies."""
    inputs = [Input((5,), name=f"x{n}") for n in range(len(widths))]
    branches = [layers.Dense(w, name=f"branch{n}")(x) for n, (w, x) in enumerate(zip(widths, inputs, strict=True))]
    layer = layers.Add(name="merge") if merge == "add" else layers.Concatenate(name="merge")
    merged = layer([branches[n] for n in order or range(len(widths))])
    return model(inputs, layers.Dense(3, name="head")(merged))


def run(net: Any, *arrays: Array) -> list[Array]:
    """Outputs at inference, without compilation."""
    structure = net.inputs[0] if isinstance(net, keras.Sequential) else net.input
    packed = keras.tree.pack_sequence_as(structure, list(arrays))
    return [np.asarray(keras.ops.convert_to_numpy(out)) for out in keras.tree.flatten(net(packed, training=False))]


def relative(old: Any, new: Any) -> float:
    """Largest difference of any output, as a share of the largest value of that output."""
    return max(
        float(np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64)).max() / (np.abs(a).max() or 1.0))
        for a, b in zip(old, new, strict=True)
    )


def difference(old: Any, new: Any, seed: int = 7) -> float:
    """How far two models lie apart on random inputs of our own drawing."""
    data = networks.sample(old, 3, seed)
    return relative(networks.outputs(old, data), networks.outputs(new, data))


def state(net: Any) -> tuple[Any, list[Array], list[bool]]:
    """Everything that must not change about a model: config, weights, flags."""
    flags = [layer.trainable for layer in net._flatten_layers()]
    return net.get_config(), [variable.numpy().copy() for variable in net.weights], flags


def assert_untouched(net: Any, before: tuple[Any, list[Array], list[bool]]) -> None:
    """Whether a model is as it was when `before` was taken by `state`."""
    config, weights, flags = state(net)
    assert (config, flags) == (before[0], before[2])
    assert all(np.array_equal(a, b) for a, b in zip(before[1], weights, strict=True))


def _scaled(node: Node, inputs: list[Array]) -> Array:
    shape = [1] * inputs[0].ndim
    shape[node.channel_axis or 0] = -1
    scales = node.weight("scale")
    return sum(x * scale.reshape(shape if scale.ndim else ()) for x, scale in zip(inputs, scales, strict=True))


def _projected(node: Node, inputs: list[Array]) -> Array:
    axis, total = node.channel_axis or 0, 0
    for x, down, up in zip(inputs, node.weight("down"), node.weight("up"), strict=True):
        moved = np.moveaxis(x, axis, -1)
        total = total + x + np.moveaxis(moved @ down.T @ up.T, -1, axis)
    return np.asarray(total)


RUNGS = {"scaled_add": _scaled, "channel_scaled_add": _scaled, "projected_add": _projected}


def evaluate(graph: Graph, feed: dict[str, Array]) -> list[Array]:
    """Outputs of a graph in float64, the rungs of the ladder and padding of channels included."""
    values: dict[Edge, Array] = {}
    for node in graph.nodes.values():
        inputs = [values[edge] for edge in node.inputs]
        if node.op == "input":
            values[Edge(node.name)] = feed[node.name]
        elif node.op in RUNGS:
            values[Edge(node.name)] = RUNGS[node.op](node, inputs)
        elif node.op == "pad_channels":
            values[Edge(node.name)] = np.pad(inputs[0], node.attrs["pads"])
        else:
            found = reference.compute(node, inputs)
            values.update({Edge(node.name, number): array for number, array in enumerate(found)})
    return [values[edge] for edge in graph.outputs]


def taken(graph: Graph, site: str, rung: str, *, widen: str = "project", fresh: bool = False) -> Any:
    """What becomes of one site without data: an `Changed` or a `Refusal`. No framework is needed."""
    setting = Setting(None, (), widen, 0)  # pyright: ignore[reportArgumentType]
    return (fresh_site if fresh else switch_site)(graph, site, parse_rung(rung), setting)


def published(name: str, **settings: Any) -> Any:
    """A network of `keras.applications`, its weights drawn by numpy."""
    with drawn_by_numpy():
        return getattr(keras.applications, name)(weights=None, **settings)


@contextmanager
def drawn_by_numpy() -> Generator[None]:
    """Within, numpy draws the weights of new layers: JAX would compile a draw for each shape."""
    rng = np.random.default_rng(0)

    def drawn(_: Any, shape: Any, dtype: Any = None, **__: Any) -> Array:
        return rng.standard_normal(tuple(shape), dtype="float32") / np.sqrt(max(1, np.prod(shape[:-1])))

    with ExitStack() as stack:
        for kind in ("VarianceScaling", "RandomNormal", "TruncatedNormal"):
            stack.enter_context(patch.object(getattr(keras.initializers, kind), "__call__", drawn))
        yield
