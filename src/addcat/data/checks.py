"""What data must hold before a model sees them: numbers, finite, as many examples everywhere, shapes that fit.

Each mistake is one error that lists every input, marks the guilty ones, and says what to do.
"""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from addcat.data.dataset import Batch, Inputs, Outputs
from addcat.errors import DataError
from addcat.graph import Array, Shape
from addcat.report.rows import counted

CHUNK = 1 << 22
"""Values looked at in one go: mapped files are not read whole."""

_NOT_NUMBERS = {
    "O": "Rows of unequal length make such an array: pad them to one length.",
    "U": "Encode text as integers first.",
    "S": "Encode text as integers first.",
    "c": "Pass real and imaginary parts as channels.",
}


def as_array(value: Any, name: str) -> Array:
    """Any framework's tensor, or nested lists of numbers, as an array of numbers.

    Args:
        value: An array, a tensor or nested lists.
        name: What it is called in messages, such as "input 'image'".

    Returns:
        The array; the same object where it is one already, but of numbers that every framework takes: in the bytes'
        order of this machine, and of eight bytes at the most.

    Raises:
        DataError: if it does not hold numbers.
    """
    if hasattr(value, "detach"):  # torch: off the graph and the device; numpy has no bfloat16
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
    try:
        array: Array = cast("Array", value) if isinstance(value, np.memmap) else np.asarray(value)
    except ValueError:
        array = np.empty(0, object)
    if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
        advice = _NOT_NUMBERS.get(array.dtype.kind, "Convert it to numbers first.")
        raise DataError(f"The {name} has dtype {array.dtype}, expected numbers. {advice}")
    return native(array)


def native(array: Array) -> Array:
    """An array of a type that every framework takes: files of other machines hold their bytes in another order.

    Examples:
        >>> native(np.ones(2, ">f4")).dtype, native(np.ones(2, np.longdouble)).dtype
        (dtype('float32'), dtype('float64'))
    """
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        return array.astype(np.float64)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def fitted(arrays: Sequence[Array], inputs: Inputs) -> tuple[Array, ...]:
    """Arrays as the model takes them; an axis of size 1 at the end is added or dropped, as Keras does.

    Args:
        arrays: One for each input, in order.
        inputs: The model's inputs.

    Returns:
        The arrays, with the rank of the inputs.

    Raises:
        DataError: if there are too many or too few, or a shape does not fit.
    """
    if len(arrays) != len(inputs):
        few = counted(len(inputs), "input")
        many = counted(len(arrays), "array")
        targets = " If the last one holds targets, pass (x, y) as a tuple." if len(arrays) == len(inputs) + 1 else ""
        raise DataError(
            f"The model has {few}, the data have {many} for them.\n{_table(inputs, arrays)}\n"
            f"Pass a list with one array for each input in this order, or a dict by name.{targets}"
        )
    ranked = tuple(_ranked(array, shape) for array, (_, shape) in zip(arrays, inputs, strict=True))
    if any(_misfit(array.shape, shape) for array, (_, shape) in zip(ranked, inputs, strict=True)):
        raise DataError(f"The data do not fit the model.\n{_table(inputs, ranked)}\n{_way_out(ranked, inputs)}")
    return ranked


def _ranked(array: Array, shape: Shape) -> Array:
    if array.ndim == len(shape) - 1 and shape[-1] == 1:
        return array[..., None]
    if array.ndim == len(shape) + 1 and array.shape[-1] == 1:
        return array[..., 0]
    return array


def _misfit(got: tuple[int, ...], expected: Shape) -> str:
    """What is wrong with a shape, the batch left out; "" where it fits."""
    if len(got) != len(expected):
        return f"{counted(len(got), 'axis', 'axes')}, expected {len(expected)}"
    pairs = enumerate(zip(got[1:], expected[1:], strict=True), 1)
    return "; ".join(f"axis {axis} is {g}, expected {e}" for axis, (g, e) in pairs if e not in (None, g))


def _table(inputs: Inputs, arrays: Sequence[Array]) -> str:
    rows: list[tuple[str, str, str]] = []
    for place in range(max(len(inputs), len(arrays))):
        name, shape = inputs[place] if place < len(inputs) else ("-", None)
        got = arrays[place].shape if place < len(arrays) else None
        wrong = _misfit(got, shape) if got is not None and shape is not None else "no partner"
        text = "got nothing" if got is None else f"got {got}"
        rows.append((name, "" if shape is None else str(tuple(shape)), f"{text}  <- {wrong}" if wrong else text))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"  {name:{widths[0]}}  {shape:{widths[1]}}  {text}".rstrip() for name, shape, text in rows)


def _way_out(arrays: Sequence[Array], inputs: Inputs) -> str:
    for array, (name, shape) in zip(arrays, inputs, strict=True):
        if not _misfit(array.shape, shape):
            continue
        if not _misfit((1, *array.shape), shape):
            return f"{name!r} lacks the axis of examples: batch the data, or pass x[None] for a single example."
        for source, target in ((1, -1), (-1, 1)):
            if array.ndim > 2 and not _misfit(np.moveaxis(array, source, target).shape, shape):
                return f"{name!r} would fit with its channels moved: np.moveaxis(x, {source}, {target})."
    return "Pass arrays with examples on axis 0 and the other sizes as the model has them."


def require_one_length(batch: Batch, names: Sequence[str], outputs: Outputs) -> None:
    """Check that inputs and targets have as many examples, and at least one.

    Raises:
        DataError: if not.
    """
    labels = outputs.labels(len(batch.targets))
    arrays = dict(zip([*map(repr, names), *labels], [*batch.inputs, *batch.targets], strict=True))
    if scalars := [name for name, array in arrays.items() if array.ndim == 0]:
        raise DataError(f"The {scalars[0]} is a single number. Pass arrays with examples on axis 0.")
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise DataError(f"Inputs and targets differ in their number of examples: {listed}. Pass one of each together.")
    if not batch.n:
        raise DataError("The data are empty: they have 0 examples. Pass at least one.")


def require_finite(batch: Batch, names: Sequence[str], outputs: Outputs, start: int = 0) -> None:
    """Check that no value is NaN or infinite.

    Args:
        batch: The arrays.
        names: The model's inputs.
        outputs: The model's outputs.
        start: Index of the first example in the data.

    Raises:
        DataError: if one is; names the input and the first index.
    """
    labels = [*(f"input {name!r}" for name in names), *outputs.labels(len(batch.targets))]
    for name, array in zip(labels, [*batch.inputs, *batch.targets], strict=True):
        if array.dtype.kind in "biu":
            continue
        rows = max(1, CHUNK // max(1, array[:1].size))
        for first in range(0, len(array), rows):
            wrong = ~np.isfinite(array[first : first + rows])
            if wrong.any():
                index = np.unravel_index(int(wrong.argmax()), wrong.shape)
                place = tuple(int(i) + (start + first if axis == 0 else 0) for axis, i in enumerate(index))
                value = array[(place[0] - start, *place[1:])]
                raise DataError(
                    f"The {name} is {value} at index {place}. Remove or replace values that are not finite."
                )
