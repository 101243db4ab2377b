"""Arrays, lists of batches, `tf.data`, Keras' `PyDataset` and torch's `DataLoader` become a `Dataset`.

No framework is imported: what a source is shows in the names of its classes and in what it can do.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dis import get_instructions
from itertools import cycle
from types import GeneratorType
from typing import Any, cast

from addcat.data.checks import as_array, fitted, require_finite, require_one_length
from addcat.data.dataset import UNNAMED, Batch, Dataset, Inputs, Outputs
from addcat.data.examples import Examples
from addcat.data.stored import END_IT
from addcat.errors import DataError
from addcat.graph import Array

KINDS = (
    "arrays x or (x, y), lists or dicts of arrays for several inputs, an iterable of batches (x, y), "
    "a tf.data.Dataset, a keras.utils.PyDataset or a torch DataLoader"
)
Parse = Callable[[Any], tuple[Any, Any]]


def as_dataset(data: Any, *, inputs: Inputs, outputs: Outputs = UNNAMED, batch_size: int = 64) -> Dataset:
    """Make one form of whatever data a user has.

    Args:
        data: Arrays `x` or `(x, y)`, with lists, tuples or dicts of arrays for several inputs or targets; an iterable
            that gives batches `x` or `(x, y)` each time it is iterated; a function that gives a new iterator each time
            it is called; a `tf.data.Dataset`, a `keras.utils.PyDataset` or a torch `DataLoader`. A tuple of two is
            always `(x, y)`.
        inputs: Name and shape of each input of the model, in its order, the batch first.
        outputs: Names of the model's outputs, by which targets in a dict are matched. Where they are not known, such
            targets are taken in the order of their sorted keys, as Keras flattens them.
        batch_size: Examples in a batch, where the data come as arrays.

    Returns:
        Batches that fit the model and can be read again and again. Arrays are checked whole, streams as they are read.

    Raises:
        DataError: if the data do not fit the model, are empty, can be read only once, or hold what is not a finite
            number.

    Examples:
        >>> import numpy as np
        >>> data = as_dataset((np.ones((5, 3)), np.arange(5)), inputs=[("x", (None, 3))], batch_size=2)
        >>> data.n, [targets[0].tolist() for _, targets in data]
        (5, [[0, 1], [2, 3], [4]])
    """
    if isinstance(data, Dataset):
        return data
    if isinstance(data, Examples):
        whole = list(data.targets)
        given = dict(zip(outputs.names, whole, strict=True)) if len(outputs.names) == len(whole) else whole
        return _from_arrays(list(data.inputs), given or None, inputs, outputs, batch_size)
    stream = _stream(data, inputs)
    if stream is not None:
        opened, parse, n = stream
        ends = n is not None or isinstance(data, list) or _is(data, "PyDataset", "keras.")
        return _from_stream(opened, parse, n, inputs, outputs, "" if ends else _name(data))
    return _from_arrays(*_pair(data), inputs, outputs, batch_size)


def batch_size_of(data: Any) -> int | None:
    """Examples in a batch of data that come in batches; None of arrays, and where that cannot be told.

    Args:
        data: What `as_dataset` takes.

    Examples:
        >>> import numpy as np
        >>> batch = {"a": np.ones((5, 3)), "b": np.ones((5, 2))}, np.ones(5)
        >>> batch_size_of([batch, batch]), batch_size_of(batch)
        (5, None)
    """
    said = getattr(data, "batch_size", None)
    if isinstance(said, int) and said > 0:
        return said
    stream = None if isinstance(data, Dataset | Examples) else _stream(data, ())
    part = None if stream is None else next(iter(stream[0]()), None)
    while isinstance(part, Mapping | list | tuple):
        parts = cast("Mapping[Any, Any] | Sequence[Any]", part)
        part = next(iter(parts.values() if isinstance(parts, Mapping) else parts), None)
    return int(part.shape[0]) if part is not None and len(getattr(part, "shape", ())) > 0 else None


def _is(data: Any, name: str, module: str) -> bool:
    return any(cls.__name__ == name and cls.__module__.startswith(module) for cls in type(data).__mro__)


def _stream(data: Any, inputs: Inputs) -> tuple[Callable[[], Iterable[Any]], Parse, int | None] | None:
    """How to start a pass over a source of batches, how to read a batch, and how many examples there are."""
    if _is(data, "PyDataset", "keras."):
        return _of_py_dataset(data), _pair, None
    if _is(data, "DataLoader", "torch."):
        whole = not data.drop_last and hasattr(data.dataset, "__len__")
        return (lambda: iter(data)), lambda batch: _collated(batch, len(inputs)), len(data.dataset) if whole else None
    if _is(data, "Dataset", "torch."):
        raise DataError(
            "A torch Dataset gives single examples. Wrap it: torch.utils.data.DataLoader(data, batch_size=64)."
        )
    if hasattr(data, "as_numpy_iterator"):
        if hasattr(data, "cardinality") and int(data.cardinality()) == -1:
            raise DataError("The tf.data.Dataset never ends. Leave out repeat(), or limit it with take().")
        return data.as_numpy_iterator, _pair, None
    if isinstance(data, tuple | Mapping) or hasattr(data, "shape"):
        return None
    if isinstance(data, list):
        batches = cast("list[Any]", data)
        return ((lambda: batches), _pair, None) if batches and isinstance(batches[0], tuple | Mapping) else None
    if hasattr(data.__class__, "__next__"):
        _require_end(data, f"{getattr(data, '__name__', type(data).__name__)}()")
        raise DataError(
            f"A {type(data).__name__} can be read only once, and the data are read several times. Pass a list of its "
            "batches, the function that makes it, or a class with __iter__."
        )
    if isinstance(data, Iterable) and not isinstance(data, str | bytes):
        return _of_iterable(cast("Iterable[Any]", data)), _pair, None
    if callable(data):
        return _of_function(data), _pair, None
    raise DataError(f"{type(data).__name__} is no data that addcat knows. Expected {KINDS}.")


def _of_py_dataset(data: Any) -> Callable[[], Iterator[Any]]:
    if data.num_batches is None:
        raise DataError(f"{type(data).__name__} never ends: its num_batches is None. Give it a number of batches.")
    return lambda: (data[index] for index in range(data.num_batches))


def _of_iterable(data: Iterable[Any]) -> Callable[[], Iterator[Any]]:
    first = iter(data)
    _require_end(first, _name(data))
    if first is iter(data):
        raise DataError(
            f"{type(data).__name__}.__iter__ gives the same iterator every time, and the data are read several times. "
            "Let it make a new one."
        )
    return lambda: iter(data)


def _of_function(function: Callable[[], Any]) -> Callable[[], Iterator[Any]]:
    def open_() -> Iterator[Any]:
        made = function()
        if not isinstance(made, Iterable):
            raise DataError(f"{_name(function)} gives {type(made).__name__}, expected an iterator of batches (x, y).")
        batches = iter(cast("Iterable[Any]", made))
        _require_end(batches, _name(function))
        return batches

    return open_


def _name(data: Any) -> str:
    """What gives the batches: a function, or the method of a class, as it is called."""
    kind = str(data.__class__.__name__)
    return f"{kind}.__iter__()" if hasattr(data.__class__, "__iter__") else f"{getattr(data, '__name__', kind)}()"


def _require_end(batches: Any, name: str) -> None:
    """Refuse what is known never to end: a generator whose code does not return, as of `while True`; a cycle."""
    steps = get_instructions(batches.gi_code) if isinstance(batches, GeneratorType) else None
    endless = steps is not None and not any(step.opname in ("RETURN_VALUE", "RETURN_CONST") for step in steps)
    if endless or isinstance(batches, cycle):
        raise DataError(f"{name} never ends, and data are read as a whole. {END_IT}")


def _pair(batch: Any) -> tuple[Any, Any]:
    """The x and y of what is `x`, `(x,)` or `(x, y)`."""
    if not isinstance(batch, tuple):
        return batch, None
    parts = cast("tuple[Any, ...]", batch)
    if len(parts) == 3:
        raise DataError(
            "The data have three parts, expected (x, y): sample weights are not used. Leave them out, or pass a loss= "
            "that weighs by the target, which may hold the weights as one more column."
        )
    if len(parts) not in (1, 2):
        raise DataError(f"The data are a tuple of {len(parts)} parts, expected (x, y). Pass several inputs as a list.")
    return parts[0], parts[1] if len(parts) == 2 else None


def _collated(batch: Any, inputs: int) -> tuple[Any, Any]:
    """A batch of a torch DataLoader: a list of what each example has, the target last."""
    if not isinstance(batch, list | tuple):
        return batch, None
    parts = list(cast("Sequence[Any]", batch))
    if inputs > 1 and len(parts) in (inputs, inputs + 1) and all(hasattr(part, "shape") for part in parts):
        return parts[:inputs], parts[inputs] if len(parts) > inputs else None
    return _pair(tuple(parts))


def _inputs_of(x: Any, inputs: Inputs) -> tuple[Array, ...]:
    names = [name for name, _ in inputs]
    if isinstance(x, Mapping):
        given = cast("Mapping[str, Any]", x)
        if sorted(map(str, given)) != sorted(names):
            raise DataError(
                f"The data have inputs {', '.join(map(repr, given))}; the model has {', '.join(map(repr, names))}. "
                "Pass a dict with these names."
            )
        parts = [given[name] for name in names]
    else:
        parts = _several(x)
    labels = [*(f"input {name!r}" for name in names), *(f"array {i}" for i in range(len(names), len(parts)))]
    arrays = [as_array(part, label) for part, label in zip(parts, labels, strict=False)]
    return fitted(arrays, inputs)


def _several(value: Any) -> list[Any]:
    """The arrays of a list or tuple of arrays; one array for anything else, lists of numbers too."""
    if isinstance(value, list | tuple):
        parts = cast("Sequence[Any]", value)
        if parts and all(len(getattr(part, "shape", ())) > 0 for part in parts):
            return list(parts)
    return [value]


def _targets_of(y: Any, outputs: Outputs) -> tuple[Array, ...]:
    if y is None:
        return ()
    parts = _named_targets(cast("Mapping[str, Any]", y), outputs) if isinstance(y, Mapping) else _several(y)
    if not isinstance(y, Mapping) and len(parts) == len(outputs.names) and outputs.names != outputs.written:
        written, names = (", ".join(map(repr, order)) for order in (outputs.written, outputs.names))
        raise DataError(
            f"The model's outputs are written {written} and counted {names}, so a list of targets could be meant in "
            "either order. Pass a dict of targets by these names."
        )
    labels = outputs.labels(len(parts))
    return tuple(as_array(part, label) for part, label in zip(parts, labels, strict=True))


def _named_targets(given: Mapping[str, Any], outputs: Outputs) -> list[Any]:
    if not outputs.names:
        return [given[key] for key in sorted(given)]
    if sorted(map(str, given)) != sorted(outputs.names):
        raise DataError(
            f"The data have targets {', '.join(map(repr, given))}; the model has outputs "
            f"{', '.join(map(repr, outputs.names))}. Pass a dict with these names."
        )
    return [given[name] for name in outputs.names]


def _batch(x: Any, y: Any, inputs: Inputs, outputs: Outputs) -> Batch:
    batch = Batch(_inputs_of(x, inputs), _targets_of(y, outputs))
    require_one_length(batch, [name for name, _ in inputs], outputs)
    return batch


def _from_arrays(x: Any, y: Any, inputs: Inputs, outputs: Outputs, batch_size: int) -> Dataset:
    names = tuple(name for name, _ in inputs)
    whole = _batch(x, y, inputs, outputs)
    require_finite(whole, names, outputs)

    def open_() -> Iterator[Batch]:
        for first in range(0, whole.n, batch_size):
            rows = slice(first, first + batch_size)
            yield Batch(tuple(a[rows] for a in whole.inputs), tuple(a[rows] for a in whole.targets))

    return Dataset(names, bool(whole.targets), whole.n, Examples(*whole), open_)


def _from_stream(
    opened: Callable[[], Iterable[Any]], parse: Parse, n: int | None, inputs: Inputs, outputs: Outputs, source: str
) -> Dataset:
    names = tuple(name for name, _ in inputs)

    def open_() -> Iterator[Batch]:
        seen = 0
        for element in opened():
            batch = _batch(*parse(element), inputs, outputs)
            require_finite(batch, names, outputs, seen)
            seen += batch.n
            yield batch

    first = next(open_(), None)
    if first is None:
        raise DataError("The data are empty: the source gave no batch. Pass at least one.")
    return Dataset(names, bool(first.targets), n, None, open_, source)
