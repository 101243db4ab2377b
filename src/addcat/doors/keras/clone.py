"""A Keras layer made again from its config, with its weights, sharing nothing with the original."""

import warnings
from collections.abc import Mapping
from typing import Any

from addcat.doors.keras.classify import class_of, is_layer
from addcat.doors.keras.said import first_sentence
from addcat.errors import ModelError
from addcat.frameworks import keras

NO_CHANGE: Mapping[str, Any] = {}


def clone_operation(operation: Any, config: Mapping[str, Any] = NO_CHANGE) -> Any:
    """Make a layer or operation again from its config; weights come later, with `copy_state`.

    Args:
        operation: A Keras layer or an operation of `keras.ops`.
        config: Settings that replace those of the original's config.

    Returns:
        A new object of the same class, not called yet.

    Raises:
        ModelError: if the class cannot be made from its config; the message names it and says what to do.
    """
    if type(operation).__module__.startswith("keras.src.ops."):
        return _clone_function(operation)
    if type(operation).__name__ == "Lambda" and not config:
        return _clone_lambda(operation)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The object being serialized includes a `lambda`")
            settings = {**operation.get_config(), **config}
        activation = getattr(operation, "activation", None)
        own = callable(activation) and "activation" in settings and not _is_keras_function(activation)
        if own:  # a function of the user's own has no name in Keras' registry
            settings["activation"] = "linear"
        with keras().saving.custom_object_scope(_classes(operation)):
            new = class_of(operation).from_config(settings)
        if own:
            new.activation = activation
    except Exception as error:
        name = getattr(operation, "name", "?")
        raise ModelError(
            f"{type(operation).__name__} {name!r} cannot be made again from its config: {first_sentence(error)} "
            "Give the class get_config() with every argument of its __init__."
        ) from error
    return new


def _is_keras_function(function: Any) -> bool:
    return str(getattr(function, "__module__", "")).startswith("keras.")


def _clone_function(operation: Any) -> Any:
    """Functions of `keras.ops` hold settings, no weights; only the records of their calls must not be shared."""
    new: Any = object.__new__(class_of(operation))  # `copy` would save and load it, and lose functions that it holds
    new.__dict__.update(operation.__dict__)
    new._inbound_nodes = []
    new._outbound_nodes = []
    return new


def _clone_lambda(layer: Any) -> Any:
    """The function is at hand, so nothing is deserialised."""
    return keras().layers.Lambda(
        layer.function,
        output_shape=layer._output_shape,
        mask=layer.mask,
        arguments=dict(layer.arguments),
        name=layer.name,
        dtype=layer.dtype_policy,
        trainable=layer.trainable,
    )


def _classes(operation: Any) -> dict[str, Any]:
    """Classes inside a layer that Keras' registry may not know, by name."""
    if not hasattr(operation, "_flatten_layers"):
        return {}
    return {type(layer).__name__: type(layer) for layer in operation._flatten_layers()}


def copy_state(old: Any, new: Any, *, weights: bool = True) -> None:
    """Give a new layer the trainable flags of the old one and, if asked, the values of all its variables.

    What no training would bring back is copied in any case: weights of frozen layers, as of a pretrained backbone, and
    what a layer has adapted to the data.

    Args:
        old: The original layer.
        new: The same, made again and built.
        weights: Whether to copy all values, seed states included.
    """
    if not is_layer(old):
        return
    pairs = copy_flags(old, new)
    if weights:
        for source, target in zip(old.variables, new.variables, strict=True):
            target._name, target._path = source._name, source._path  # some are numbered anew at each construction
            target.assign(source.numpy())  # a copy: JAX may donate the buffer of either model
    for source, target in pairs:
        for value, variable in zip(source.weights, target.weights, strict=True):
            if not weights and (stays(source) or _frozen(value, source)):
                variable.assign(value.numpy())
        if _adapts(source):
            target.finalize_state()  # what it computes with is made of its variables


def copy_flags(old: Any, new: Any) -> list[tuple[Any, Any]]:
    """Give a new layer the trainable flags of the old one; all layers inside of both, in pairs."""
    pairs = list(zip(old._flatten_layers(), new._flatten_layers(), strict=True))
    for source, target in pairs:  # outer layers first: setting theirs sets all inside
        if target.trainable != source.trainable:
            target.trainable = source.trainable
    return pairs


def stays(layer: Any) -> bool:
    """Whether training leaves a layer as it is: a frozen one, or one that was adapted to the data."""
    return (bool(layer.weights) and not layer.trainable) or _adapts(layer)


def _frozen(variable: Any, layer: Any) -> bool:
    """Whether a variable that would be trained is frozen alone, as the kernel under a low-rank adapter."""
    return not variable.trainable and any(variable is one for one in layer._trainable_variables)


def _adapts(layer: Any) -> bool:
    """Whether a layer such as Normalization keeps what `adapt` has found apart from its variables."""
    return hasattr(layer, "adapt") and hasattr(layer, "finalize_state")
