"""Losses, one value for each example: what `compile` was given, a name, or what the outputs and targets suggest."""

from typing import Any

import numpy as np

from addcat.errors import DataError, OptionError, nearest
from addcat.frameworks import keras
from addcat.graph import Array

Losses = tuple[Any, ...]


def resolve_loss(model: Any, loss: Any, targets: tuple[Array, ...]) -> tuple[Losses, str]:
    """The losses of a model's outputs.

    Args:
        model: A Keras model.
        loss: A Keras loss, its name, a function of (y_true, y_pred), a list of these, or None.
        targets: One array for each output.

    Returns:
        One Keras loss or function for each output, and words on where they come from.

    Raises:
        OptionError: if there is no such loss.
        DataError: if targets do not fit the outputs or the loss.
    """
    outputs = keras().tree.flatten(model.outputs)
    if len(targets) != len(outputs):
        raise DataError(
            f"{model.name!r} has {len(outputs)} outputs, the data have {len(targets)} targets. Give one each."
        )
    given, source = loss, "given"
    if given is None and getattr(model, "compiled", False) and model.loss is not None:
        given, source = model.loss, "of the compiled model"
    if given is None:
        given, source = [_inferred(o, t) for o, t in zip(outputs, targets, strict=True)], "inferred from the targets"
    listed = keras().tree.flatten(given) if isinstance(given, list | tuple | dict) else [given] * len(outputs)
    if len(listed) != len(outputs):
        raise OptionError(f"{len(listed)} losses were given for {len(outputs)} outputs. Give one, or one for each.")
    found = tuple(_get(one) for one in listed)
    for one, output, target in zip(found, outputs, targets, strict=True):
        _check(one, output, target)
    return found, f"{', '.join(map(loss_name, found))}, {source}"


def loss_name(loss: Any) -> str:
    """A loss as people write it."""
    name = getattr(loss, "name", None) or getattr(loss, "__name__", None)
    return str(name or type(loss).__name__)


def _get(loss: Any) -> Any:
    if not isinstance(loss, str):
        return loss
    try:
        return keras().losses.get(loss)
    except ValueError:
        known = [name for name in dir(keras().losses) if name.islower() and not name.startswith("_")]
        raise OptionError(f"{loss!r} is not a Keras loss. Nearest: {nearest(loss, known)}.") from None


def _inferred(output: Any, target: Array) -> str:
    """Classes for integers against more than one unit, two classes against one, squares for anything else."""
    units = output.shape[-1]
    whole = np.issubdtype(target.dtype, np.integer) or target.dtype == bool
    if whole and units is not None and units > 1 and target.ndim < len(output.shape):
        return "sparse_categorical_crossentropy"
    if whole and units == 1 and set(np.unique(target)) <= {0, 1}:
        return "binary_crossentropy"
    return "mean_squared_error"


def _check(loss: Any, output: Any, target: Array) -> None:
    """Labels that no class of the output has, or shapes that do not meet."""
    name, units = loss_name(loss), output.shape[-1]
    if "sparse_categorical" in name:
        low, high = (int(target.min()), int(target.max())) if target.size else (0, 0)
        if not np.issubdtype(target.dtype, np.integer) and not np.array_equal(target, np.round(target)):
            raise DataError(f"{name} needs class indices; the targets hold fractions such as {target.flat[0]}.")
        if low < 0 or (units is not None and high >= units):
            raise DataError(
                f"{name}: labels reach from {low} to {high}, the output has {units} classes (0 to {units - 1})."
            )
        return
    expected, got = tuple(output.shape[1:]), target.shape[1:]
    fits = len(expected) == len(got) and all(e in (None, g) for e, g in zip(expected, got, strict=True))
    if not fits and not (expected == (1,) and got == ()):
        raise DataError(f"{name}: targets have shape {got} an example, the output {expected}. They have to agree.")


def per_example(losses: Losses, targets: Any, outputs: Any) -> Any:
    """Loss of each example: each output's mean over positions, summed over outputs.

    Args:
        losses: One for each output.
        targets: One tensor for each output.
        outputs: What the model gave, flat.

    Returns:
        A tensor (examples,).
    """
    ops, total = keras().ops, 0.0
    for loss, target, output in zip(losses, targets, outputs, strict=True):
        if len(target.shape) == 1 and len(output.shape) == 2 and output.shape[-1] == 1:
            target = ops.expand_dims(target, -1)  # noqa: PLW2901
        call = loss.call if isinstance(loss, keras().losses.Loss) else loss
        values = call(target, output)
        total = total + ops.mean(ops.reshape(values, (ops.shape(values)[0], -1)), axis=1)
    return total
