"""What Keras records of a model's calls: which there are, their constants, and whether they run in training mode."""

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from addcat.doors.keras.classify import Constants, class_of, is_layer
from addcat.frameworks import keras


def is_graph(model: Any) -> bool:
    """Whether a Keras object is a model whose graph Keras knows."""
    if not isinstance(model, keras().Model):
        return False
    if isinstance(model, keras().Sequential):
        return bool(model.built) and bool(getattr(model, "inputs", None))
    functional = next((cls for cls in type(model).__mro__ if cls.__name__ == "Functional"), None)
    return functional is not None and class_of(model).call is vars(functional)["call"]


def flat(tensors: Any) -> list[Any]:
    """The tensors of any nesting of lists and dicts, in Keras' order."""
    return list(keras().tree.flatten(tensors))


def records_of(model: Any) -> list[Any]:
    """Keras' call records that the outputs depend on, and all inputs, each after those it reads."""
    order: list[Any] = []
    seen: set[int] = set()
    for tensor in [*flat(model.inputs), *flat(model.outputs)]:
        stack: list[tuple[Any, bool]] = [(_record(tensor), False)]
        while stack:
            record, ready = stack.pop()
            if ready:
                order.append(record)
            elif id(record) not in seen:
                seen.add(id(record))
                stack.append((record, True))
                stack.extend((_record(t), False) for t in reversed(record.arguments.keras_tensors))
    return order


def _record(tensor: Any) -> Any:
    history = tensor._keras_history
    return history.operation._inbound_nodes[history.node_index]


def constants_of(operation: Any, arguments: Any) -> Constants:
    """Operands that are values. A layer's are in its first argument; the others are settings of the call."""
    operands = arguments.args[:1] if is_layer(operation) else (arguments.args, arguments.kwargs)
    values = [value for value in keras().tree.flatten(operands) if value is not None]
    # torch's tensors have a `size` that is a method, which np.size hands through
    sizes = [0 if keras().utils.is_keras_tensor(value) else prod(np.shape(value)) for value in values]
    return Constants(sum(size > 0 for size in sizes), sum(size > 1 for size in sizes), any(sizes[:1]))


def filled_in(arguments: Any, tensors: list[Any]) -> tuple[Any, Any]:
    """Arguments of a call with other tensors in the place of those recorded, in their order."""
    tree, is_tensor = keras().tree, keras().utils.is_keras_tensor
    structure = (arguments.args, arguments.kwargs)
    queue = iter(tensors)
    values = [next(queue) if is_tensor(value) else value for value in tree.flatten(structure)]
    return tree.pack_sequence_as(structure, values)


def in_training(model: Any) -> Iterator[int]:
    """Operations of a model, and of those nested in it, that run in training mode whatever the model is called with.

    Args:
        model: A model that `is_graph`.

    Yields:
        The identity of each operation that a call with an explicit training=True reaches.
    """
    yield from _in_training(model, set(), flag=False)


def _in_training(model: Any, seen: set[tuple[int, bool]], *, flag: bool) -> Iterator[int]:
    if (id(model), flag) in seen:
        return
    seen.add((id(model), flag))
    for record in records_of(model):
        asked = flag or bool(record.arguments.kwargs.get("training"))
        if asked:
            yield id(record.operation)
        if is_graph(record.operation):
            yield from _in_training(record.operation, seen, flag=asked)
