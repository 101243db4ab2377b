"""DATA on the command line: `digits`, an `.npz` file, or `package.module:function` that gives any data we know."""

import re
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from addcat.data.dataset import UNNAMED, Inputs, Outputs
from addcat.doors.lookup import is_lookup, look_up
from addcat.errors import DataError
from addcat.frameworks import load
from addcat.graph import Array, Shape

EXPECTED = "Expected 'digits', an .npz file with x and y, or package.module:function."
DIGITS = ((64,), (8, 8, 1), (8, 8), (1, 8, 8), (64, 1), (1, 64))
"""Shapes in which a model may take an image of a digit, the likeliest first."""


def load_data(reference: str, *, inputs: Inputs, outputs: Outputs = UNNAMED) -> Any:
    """Load the data that a reference names.

    Args:
        reference: "digits": scikit-learn's handwritten digits, 1797 images in the shape that the model takes, values
            from 0 to 1. A file `.npz` with `x`, or `x0`, `x1`, ..., or arrays named like the model's inputs, and `y`,
            or `y0`, `y1`, ..., or arrays named like the model's outputs. Or code, as in `package.module:function`.
        inputs: Name and shape of each input of the model.
        outputs: Names of its outputs.

    Returns:
        What `as_dataset` takes.

    Raises:
        DataError: if there is no such file or code, or it holds no data for the model.
        MissingExtraError: if scikit-learn is not installed, for "digits".
    """
    if reference == "digits":
        return _digits(inputs)
    if is_lookup(reference):
        found = look_up(reference, error=DataError)
        return partial(look_up, reference, error=DataError) if hasattr(found, "__next__") else found
    path = Path(reference)
    if path.suffix != ".npz":
        raise DataError(f"{reference!r} is not data. {EXPECTED}")
    if not path.is_file():
        raise DataError(f"There is no file {reference!r}. {EXPECTED}")
    return _from_npz(path, inputs, outputs)


def _digits(inputs: Inputs) -> tuple[Array, Array]:
    """Images of 8 by 8 pixels in whichever layout the model takes."""
    if len(inputs) != 1:
        names = ", ".join(repr(name) for name, _ in inputs)
        raise DataError(f"'digits' is one array of images; the model has inputs {names}. Pass other data.")
    name, expected = inputs[0]
    images, labels = digit_images()
    for shape in DIGITS:
        if _takes(expected, shape):
            return images.reshape(-1, *shape), labels
    raise DataError(
        f"'digits' are images of 8 by 8 pixels; {name!r} takes {tuple(expected)}. "
        "Pass a model that takes (None, 64) or (None, 8, 8, 1), or other data."
    )


def digit_images() -> tuple[Array, Array]:
    """Images of 8 by 8 pixels with values from 0 to 1, and the digit that each shows.

    Raises:
        MissingExtraError: if scikit-learn is not installed.
    """
    digits: Any = load("sklearn.datasets", extra="demo").load_digits()
    return np.asarray(digits.images, np.float32) / 16, np.asarray(digits.target)


def _takes(expected: Shape, shape: tuple[int, ...]) -> bool:
    fits = len(expected) == len(shape) + 1
    return fits and all(e in (None, s) for e, s in zip(expected[1:], shape, strict=True))


def load_arrays(path: Path) -> dict[str, Array]:
    """Read every array of an `.npz` file, without running code that it may hold.

    Args:
        path: The file.

    Returns:
        The arrays by name.

    Raises:
        DataError: if it is no such file, is broken, or holds something else than plain arrays.
    """
    if not path.is_file():
        raise DataError(f"There is no file {str(path)!r}. Pass an .npz file, as np.savez writes it.")
    try:
        with path.open("rb") as file, zipfile.ZipFile(file), np.load(file, allow_pickle=False) as archive:
            arrays: dict[str, Any] = {name: archive[name] for name in archive.files}
    except ValueError as error:
        objects = (
            "holds Python objects, and reading them would run code" if "allow_pickle" in str(error) else str(error)
        )
        raise DataError(f"{str(path)!r} {objects}. Save plain arrays with np.savez.") from None
    except MemoryError:
        raise DataError(f"{str(path)!r} holds more than fits into memory. Save smaller arrays.") from None
    except Exception:  # a broken archive fails in zipfile, zlib or numpy's parser of headers, each with its own errors
        raise DataError(
            f"{str(path)!r} is not an .npz file, or only a part of one. Save it again with np.savez."
        ) from None
    if others := [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]:
        raise DataError(f"{str(path)!r} holds {others[0]!r}, which is no array. Save plain arrays with np.savez.")
    return arrays


def _from_npz(path: Path, inputs: Inputs, outputs: Outputs) -> Any:
    arrays = load_arrays(path)
    x = named_arrays(arrays, "x", [name for name, _ in inputs])
    y = named_arrays(arrays, "y", list(outputs.names))
    used = len(x) + len(y)
    if not x or used != len(arrays):
        found = ", ".join(map(repr, arrays)) or "nothing"
        names = ", ".join(repr(name) for name, _ in inputs)
        targets = f", or {', '.join(map(repr, outputs.names))}" if len(outputs.names) > 1 else ""
        raise DataError(
            f"{str(path)!r} holds {found}. Expected x (for several inputs x0, x1, ..., or {names}) and y (for several "
            f"targets y0, y1, ...{targets}), and nothing else."
        )
    given = dict(zip((name for name, _ in inputs), x, strict=True)) if len(x) == len(inputs) else x
    if not y:
        return given
    by_name = len(y) == len(outputs.names) > 1 and all(name in arrays for name in outputs.names)
    return given, dict(zip(outputs.names, y, strict=True)) if by_name else y if len(y) > 1 else y[0]


def named_arrays(arrays: Mapping[str, Array], letter: str, names: list[str]) -> list[Array]:
    """The arrays called `x`; else `x0`, `x1`, ... in the order of their numbers; else those with the inputs' names.

    Args:
        arrays: Of a file.
        letter: "x", or "y" for targets.
        names: Of the inputs, or of the outputs.
    """
    if letter in arrays:
        return [arrays[letter]]
    numbered = {int(match[1]): name for name in arrays if (match := re.fullmatch(rf"{letter}(\d+)", name))}
    if numbered:
        return [arrays[numbered[number]] for number in sorted(numbered)]
    return [arrays[name] for name in names] if names and all(name in arrays for name in names) else []
