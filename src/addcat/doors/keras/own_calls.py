"""Merges within the code of a layer that is not Keras' own: its `call` is run on symbolic tensors, and looked at.

Keras keeps one record for a layer, whatever the layer computes within. The layer is run as it was called in the model,
on tensors without values, and Keras records what it does then; the layer is as before afterwards.
"""

import random
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast
from weakref import WeakKeyDictionary

import numpy as np

from addcat.doors.keras.calls import constants_of, filled_in, flat, is_graph, records_of
from addcat.doors.keras.classify import class_of, describe, is_layer
from addcat.doors.keras.said import first_sentence
from addcat.frameworks import keras
from addcat.graph.operations import ADD_LIKE, OPS
from addcat.report.rows import counted

OPEN_SIZE = 32
"""Size that an unknown axis takes: code that computes with sizes needs numbers."""


@dataclass(frozen=True, slots=True)
class OwnCode:
    """What is known of the merges within a layer's own code.

    Attributes:
        merges: How many, in words; "" where none is seen.
        unseen: Whose code could not be followed, and why; "" where all was.
    """

    merges: str = ""
    unseen: str = ""


NOTHING = OwnCode()
_known: "WeakKeyDictionary[Any, OwnCode]" = WeakKeyDictionary()


def own_code(record: Any) -> OwnCode:
    """Look for Adds and Concatenates of tensors within a layer of the user's own.

    Args:
        record: Keras' record of a call of a layer or operation.

    Returns:
        What was found; nothing for what is Keras' own and holds no layer of the user's.
    """
    if record not in _known:
        _known[record] = _look(record)
    return _known[record]


def _look(record: Any) -> OwnCode:
    operation = record.operation
    if not is_layer(operation):
        return NOTHING
    if not _runs_own_code(operation):
        return OwnCode(unseen=_held(operation))
    merges: Counter[str] = Counter()
    try:
        # a thread has Keras' counters of names, scopes and generators for itself
        with _as_before(operation), ThreadPoolExecutor(1) as thread:
            thread.submit(_follow, record, merges).result()
    except Exception as error:  # code of the user's may raise anything
        return OwnCode(_listed(merges), f"{type(error).__name__}: {first_sentence(error).rstrip('.')}")
    return OwnCode(_listed(merges))


def _runs_own_code(operation: Any) -> bool:
    """Whether what a layer computes is code that is not Keras'."""
    if type(operation).__name__ == "Lambda":
        return True
    return not is_graph(operation) and not _of_keras(class_of(operation).call)


def _of_keras(thing: Any) -> bool:
    return str(getattr(thing, "__module__", "")).startswith(("keras.src.", "addcat.layers"))


def _held(operation: Any) -> str:
    """A layer of the user's own in one of Keras', such as a cell in an RNN: how it is called, Keras does not record."""
    held = [layer for layer in _layers(operation)[1:] if is_layer(layer) and _runs_own_code(layer)]
    return f"it holds {type(held[0]).__name__} {held[0].name!r}, whose code is not run alone" if held else ""


def _layers(operation: Any) -> list[Any]:
    return list(operation._flatten_layers()) if hasattr(operation, "_flatten_layers") else [operation]


def _listed(merges: Counter[str]) -> str:
    return " and ".join(counted(number, label) for label, number in sorted(merges.items()))


def _follow(record: Any, merges: Counter[str]) -> None:
    """Run a layer's own code on symbolic tensors, and count the merges in what Keras recorded."""
    fresh = {id(tensor): _symbolic(tensor) for tensor in record.arguments.keras_tensors}
    args, kwargs = filled_in(record.arguments, [fresh[id(tensor)] for tensor in record.arguments.keras_tensors])
    with keras().StatelessScope():
        outputs = record.operation.call(*args, **kwargs)
    made = [tensor for tensor in flat(outputs) if getattr(tensor, "_keras_history", None) is not None]
    _count(records_of(SimpleNamespace(inputs=list(fresh.values()), outputs=made)), merges)


def _symbolic(tensor: Any) -> Any:
    shape = tuple(OPEN_SIZE if size is None else size for size in tensor.shape)
    return keras().Input(batch_shape=shape, dtype=tensor.dtype)


def _count(records: Iterable[Any], merges: Counter[str]) -> None:
    for record in records:
        operation, arguments = record.operation, record.arguments
        if is_graph(operation):
            _count(records_of(operation), merges)
        elif is_layer(operation) and _runs_own_code(operation):
            _follow(record, merges)
        else:
            tensors = arguments.keras_tensors
            op, _ = describe(operation, len(tensors), constants_of(operation, arguments))
            result = record.output_tensors[0] if record.output_tensors else None
            whole = result is not None and tuple(result.shape) != () and str(result.dtype) != "bool"
            if whole and len(tensors) > 1 and op.removesuffix("_constant") in (*ADD_LIKE, "concat"):
                merges[OPS[op].label] += 1


@contextmanager
def _as_before(operation: Any) -> Generator[None]:
    """Within, a layer and those in it may change what they keep, in lists and dicts too; all is put back after."""
    kept = [(container, _plain(container)) for container in _containers(operation)]
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        for container, before in kept:
            _put_back(container, before)


def _containers(operation: Any) -> Iterator[Any]:
    """All attributes of a layer and of those in it, and what these hold in lists, dicts and sets of their own."""
    for layer in _layers(operation):
        holder: dict[str, Any] = layer.__dict__
        yield holder
        for value in holder.values():
            if isinstance(value, list | dict | set):
                yield cast("Any", value)
        if tracker := getattr(layer, "_tracker", None):
            yield from tracker.stored_ids.values()


def _plain(container: Any) -> Any:
    """A copy: Keras' own lists and dicts tell their layer of each change, plain ones do not."""
    kind: Any = next(kind for kind in (list, dict, set) if isinstance(container, kind))
    return kind(container)


def _put_back(container: Any, before: Any) -> None:
    if _things(container) == _things(before):
        return
    kind: Any = next(cls for cls in type(container).__mro__ if not cls.__module__.startswith("keras."))
    fill: Any = getattr(kind, "extend" if isinstance(container, list) else "update")
    kind.clear(container)
    fill(container, before)


def _things(container: Any) -> list[Any]:
    """What a container holds, by identity, and under which keys."""
    items = cast("Any", container.items() if isinstance(container, dict) else enumerate(container))
    return [(key, id(thing)) for key, thing in items]
