"""Losses and gradients of a Keras model, on whichever backend it runs."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from addcat.data.examples import Arrays, Examples
from addcat.doors.frozen import thawed
from addcat.doors.keras.build import set_weights
from addcat.doors.keras.layouts import linear_to_canonical
from addcat.doors.keras.losses import Losses, judge, per_example
from addcat.doors.keras.training.jax_trainer import packed_inputs
from addcat.errors import OptionError
from addcat.frameworks import keras, load
from addcat.graph import Array, Node

BATCH = 512


def state(model: Any) -> Arrays:
    """Copies of the values of all variables of a model, in its order."""
    return [np.array(keras().ops.convert_to_numpy(variable.value)) for variable in model.variables]


def losses_of(model: Any, losses: Losses, examples: Examples) -> NDArray[np.float64]:
    """Loss of every example at inference.

    Args:
        model: A Keras model.
        losses: One for each output.
        examples: Inputs and targets.

    Returns:
        Array (examples,).
    """
    parts: list[NDArray[np.float64]] = []
    for batch in examples.chunks(BATCH):
        outputs = keras().tree.flatten(model.predict_on_batch(packed_inputs(model, batch.inputs)))
        values = judge(losses)(batch.targets, outputs)
        parts.append(np.asarray(keras().ops.convert_to_numpy(values), np.float64))
    return np.concatenate(parts)


def predictions(model: Any, examples: Examples) -> Arrays:
    """What a model gives for all examples at inference: one array for each output."""
    parts = [
        keras().tree.flatten(model.predict_on_batch(packed_inputs(model, batch.inputs)))
        for batch in examples.chunks(BATCH)
    ]
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


def layer_at(model: Any, path: str) -> Any:
    """The layer that a node's path names, through nested models.

    Args:
        model: The outermost model.
        path: Such as "encoder/dense", as `addcat.merges.walk` gives it.
    """
    layer = model
    for name in path.split("/"):
        layer = layer.get_layer(name.split("#")[0])
    return layer


def assign(model: Any, path: str, node: Node) -> None:
    """Put the weights of a node into the layer at a path."""
    set_weights(node, layer_at(model, path))


def gradient(model: Any, losses: Losses, examples: Examples, paths: Sequence[str]) -> dict[tuple[str, str], Array]:
    """Gradient of the mean loss at inference, for the kernels and biases of some Dense layers and convolutions.

    Args:
        model: A Keras model.
        losses: One for each output.
        examples: Inputs and targets.
        paths: Of the layers, as `layer_at` takes them.

    Returns:
        Arrays by path and weight ("kernel" or "bias"), in canonical layout.
    """
    backend = keras().backend.backend()
    if backend not in ("jax", "torch"):
        raise OptionError(f"addcat takes gradients on Keras' JAX and torch backends, not on {backend!r}.")
    wanted: dict[tuple[str, str], Any] = {}
    for path in paths:
        layer = layer_at(model, path)
        wanted[path, "kernel"] = layer.kernel
        if layer.bias is not None:
            wanted[path, "bias"] = layer.bias
    total = {key: np.zeros(variable.shape) for key, variable in wanted.items()}
    one = (_jax_gradient if backend == "jax" else _torch_gradient)(model, losses, list(wanted.values()))
    for batch in examples.chunks(BATCH):
        for key, grad in zip(wanted, one(batch), strict=True):
            total[key] += batch.count / examples.count * np.asarray(grad, np.float64)
    return {key: linear_to_canonical(grad) if key[1] == "kernel" else grad for key, grad in total.items()}


Gradient = Callable[[Examples], Sequence[Any]]
"""Takes a batch; gives the gradient of its mean loss in each of the variables."""


def _jax_gradient(model: Any, losses: Losses, variables: list[Any]) -> Gradient:
    jax: Any = load("jax", extra="keras")
    trainable = {id(v): v.value for v in model.trainable_variables}
    other = {id(v): v.value for v in model.non_trainable_variables}
    at = [v.value for v in variables]

    def objective(values: Any, inputs: Any, targets: Any) -> Any:
        given = {id(v): value for v, value in zip(variables, values, strict=True)}
        state = [[given.get(key, value) for key, value in part.items()] for part in (trainable, other)]
        outputs, _ = model.stateless_call(*state, packed_inputs(model, inputs), training=False)
        return keras().ops.mean(per_example(losses, targets, keras().tree.flatten(outputs)))

    compiled = jax.jit(jax.grad(objective))
    return lambda batch: compiled(at, batch.inputs, batch.targets)


def _torch_gradient(model: Any, losses: Losses, variables: list[Any]) -> Gradient:
    torch: Any = load("torch", extra="torch")

    def one(batch: Examples) -> list[Any]:
        at = [variable.value for variable in variables]
        with thawed(at):
            outputs = keras().tree.flatten(model(packed_inputs(model, batch.inputs), training=False))
            mean = per_example(losses, batch.targets, outputs).mean()
            return [grad.cpu().numpy() for grad in torch.autograd.grad(mean, at)]

    return one
