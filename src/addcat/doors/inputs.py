"""Inputs to run a model on: those that are given, held against the model, and sizes that fit into memory."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from addcat.errors import DataError, OptionError, nearest
from addcat.graph import Array, Shape
from addcat.merges.shapes import example_shape, format_shape
from addcat.report.rows import counted

DRAWN_BYTES = 8
"""Bytes of an element while it is drawn, whatever its type is then."""
Inputs = Mapping[str, Any] | None
Shapes = Mapping[str, Shape] | Sequence[Shape] | None
"""Arrays by the names of a model's inputs; those that are not named are drawn at random."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a model says of one of its inputs.

    Attributes:
        shape: Its sizes, None where open; None where even their number is.
        dtype: Name of its element type.
    """

    shape: Shape | None
    dtype: str


def given_inputs(inputs: Inputs, wanted: Mapping[str, Wanted]) -> dict[str, Array]:
    """Hold the inputs that were given against those of a model.

    Args:
        inputs: Arrays by name.
        wanted: What the model says of each of its inputs.

    Returns:
        The arrays in the types of the model.

    Raises:
        DataError: if the model has no such input, or it takes other sizes or another type.
    """
    passed: Any = inputs
    if passed is not None and not isinstance(passed, Mapping):
        kind = f"{type(passed).__module__}.{type(passed).__name__}".removeprefix("builtins.")
        raise DataError(f"inputs is a {kind}. Pass a dict of arrays by the names of the model's inputs.")
    found: dict[str, Array] = {}
    for name, value in (inputs or {}).items():
        if name not in wanted:
            raise DataError(f"The model has no input {name!r}; it has {nearest(str(name), list(wanted))}.")
        found[name] = _fitted(name, np.asarray(value), wanted[name])
    return found


def _fitted(name: str, array: Array, wanted: Wanted) -> Array:
    shape, dtype = wanted.shape, wanted.dtype
    if shape is not None and not _fits(array.shape, shape):
        raise DataError(f"Input {name!r} takes {shape}; the array given for it has the shape {array.shape}.")
    if dtype == str(array.dtype):
        return array
    if dtype == "object" and array.dtype.kind in "UO":
        return array.astype(object)
    kinds = {"float": "fiu", "bfloa": "fiu", "int": "iu", "uint": "iu", "bool": "b"}
    if array.dtype.kind not in next((kinds[start] for start in kinds if dtype.startswith(start)), ""):
        raise DataError(f"Input {name!r} takes {dtype}; the array given for it is {array.dtype}. Convert it first.")
    with np.errstate(over="ignore"):
        converted = array.astype(dtype)
    if not np.array_equal(np.isfinite(converted), np.isfinite(array)) or (
        converted.dtype.kind in "iu" and not np.array_equal(converted, array)
    ):
        raise DataError(f"Input {name!r} takes {dtype}, which does not hold all values of the array given for it.")
    return converted


def _fits(given: Shape, stated: Shape) -> bool:
    return len(given) == len(stated) and all(s is None or g in (None, s) for g, s in zip(given, stated, strict=True))


def sizes_of_run(
    wanted: Mapping[str, Wanted],
    shapes: Shapes,
    given: Mapping[str, Array],
    *,
    channels_first: bool,
) -> dict[str, tuple[int, ...]]:
    """Shapes at which a model is run.

    Args:
        wanted: What the model says of each of its inputs.
        shapes: Given shapes, by name or in the order of the inputs; None for those that the model states.
        given: The inputs that were given, whose shapes count.
        channels_first: Whether images are to have their channels first in an example of a shape.

    Returns:
        One shape for each input. An unknown batch is 1.

    Raises:
        OptionError: if a size is unknown and not given, a given shape does not fit, or all would not fit into memory.
    """
    names = list(wanted)
    named: dict[str, Shape] = {}
    if isinstance(shapes, Mapping):
        named.update(shapes)
    elif shapes is not None:
        if len(shapes) != len(names):
            few, many = counted(len(names), "input"), counted(len(shapes), "shape")
            raise OptionError(f"The model has {few}, got {many}. Give one for each.")
        named.update(zip(names, shapes, strict=True))
    unknown = [name for name in named if name not in wanted]
    if unknown:
        raise OptionError(f"The model has no input {unknown[0]!r}. Its inputs are {', '.join(map(repr, names))}.")
    for name, array in given.items():
        if name in named and not _fits(array.shape, tuple(named[name])):
            raise OptionError(
                f"Input {name!r} is to have the shape {tuple(named[name])}, and the array given for it has "
                f"{array.shape}. Leave out one of them."
            )
        named[name] = array.shape
    found = {name: _sizes(name, one.shape, named.get(name), channels_first) for name, one in wanted.items()}
    for name, shape in found.items():
        _require_memory(name, shape, wanted[name].dtype)
    return found


def _sizes(name: str, stated: Shape | None, given: Shape | None, channels_first: bool) -> tuple[int, ...]:
    if stated is None and given is None:
        shape = example_shape((None,) * 4, channels_first=channels_first)
        raise OptionError(f"Input {name!r} does not say how many axes it has. {_pass(name, shape)}")
    given = stated if given is None else tuple(given)
    stated = given if stated is None else stated
    if given is None or stated is None or not _fits(given, stated):
        raise OptionError(f"Input {name!r} has the shape {stated}, which {given} does not fit.")
    merged = tuple(s if g is None else g for g, s in zip(given, stated, strict=True))
    sizes = tuple(1 if size is None and axis == 0 else size for axis, size in enumerate(merged))
    if None in sizes:
        example = example_shape(merged, channels_first=channels_first)
        raise OptionError(f"Input {name!r} has the shape {merged}, so its size is not known. {_pass(name, example)}")
    return tuple(size for size in sizes if size is not None)


def _pass(name: str, example: tuple[int, ...]) -> str:
    return f"Pass one, such as shapes={{{name!r}: {example}}}, or --shape {name}={format_shape(example)}."


def _require_memory(name: str, shape: tuple[int, ...], dtype: str) -> None:
    most = memory_bytes()
    if most is not None and prod(shape) * max(item_bytes(dtype), DRAWN_BYTES) > most // 2:
        raise OptionError(
            f"Input {name!r} of the shape {shape} takes more than half of this machine's memory. Pass smaller sizes."
        )


def item_bytes(dtype: str) -> int:
    """Bytes of an element; 4 where that is not known."""
    try:
        return np.dtype(dtype).itemsize
    except TypeError:
        return 2 if dtype == "bfloat16" else 4


def memory_bytes() -> int | None:
    """Bytes of memory of this machine; None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
