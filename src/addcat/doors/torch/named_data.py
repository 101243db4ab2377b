"""What data that the command line names call a module with: `digits`, an `.npz` file, or code."""

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from addcat.data.files import DIGITS, digit_images, load_arrays, named_arrays
from addcat.doors.lookup import is_lookup, look_up
from addcat.doors.torch.data import Unpack, first_call
from addcat.doors.torch.examples import Example, own_forward
from addcat.doors.torch.raised import first_line
from addcat.doors.torch.tensors import tensors_in
from addcat.doors.torch.watching import in_mode, untouched
from addcat.errors import DataError
from addcat.frameworks import torch

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()
ROWS = 5
"""Of the digits that are tried: no size that a network has for its channels, so a batch is not taken for them."""


def call_named(model: "typed.nn.Module", reference: str, unpack: Unpack = None) -> Example:
    """What named data call a module with.

    Args:
        model: A module.
        reference: As `addcat.data.files.load_data` takes it.
        unpack: What a batch of a loader holds.

    Raises:
        DataError: if there are no such data, or the module is not called with them.
    """
    if is_lookup(reference):
        return first_call(model, look_up(reference, error=DataError), unpack)
    if reference == "digits":
        return _call_of_digits(model)
    return _call_of_file(model, Path(reference))


def _call_of_digits(model: "typed.nn.Module") -> Example:
    """The first shape of the digits for which the module gives something for each of them, fewest axes first."""
    images, _ = digit_images()
    said = ""
    for shape in sorted(DIGITS, key=len):
        call = first_call(model, (images[:ROWS].reshape(ROWS, *shape), None), None, rows=ROWS)
        try:
            with untouched(model), in_mode(model, training=False), _torch.no_grad():
                found = next(tensors_in(model(*call.args)), None)
        except Exception as error:  # a user's forward may raise anything at a shape that it does not take
            said = said or first_line(error)
            continue
        if found is not None and found.ndim and found.shape[0] == ROWS:
            return call
    shapes = ", ".join(f"Nx{'x'.join(map(str, shape))}" for shape in sorted(DIGITS, key=len))
    raise DataError(
        f"'digits' are images of 8 by 8 pixels, and {type(model).__name__} takes them in none of the shapes {shapes}"
        f"{f' ({said})' if said else ''}. Pass other data, or a module that takes them."
    )


def _call_of_file(model: "typed.nn.Module", path: Path) -> Example:
    arrays = load_arrays(path)
    takes = [p.name for p in inspect.signature(own_forward(model)).parameters.values() if p.name in arrays]
    found = named_arrays(arrays, "x", takes)
    if not found:
        holds = ", ".join(map(repr, arrays)) or "nothing"
        raise DataError(
            f"{str(path)!r} holds {holds}. Expected x, or for several inputs x0, x1, ..., or arrays named like the "
            f"parameters of {type(model).__name__}.forward, and y."
        )
    if "x" in arrays or "x0" in arrays:
        return first_call(model, (found if len(found) > 1 else found[0], None), None)
    return first_call(model, (dict(zip(takes, found, strict=True)), None), None)
