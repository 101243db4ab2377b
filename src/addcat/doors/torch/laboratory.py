"""What `advise` and `compare` need of a torch module: the door that trains it, and data to measure on."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from addcat.data.examples import Examples
from addcat.doors.torch.data import (
    MOST_EXAMPLES,
    examples_of,
    first_call,
    is_loader,
    require_data,
    sampled,
    unpacking,
)
from addcat.doors.torch.devices import resolve
from addcat.doors.torch.door import TorchDoor
from addcat.doors.torch.examples import Example, is_dict, is_list
from addcat.doors.torch.training import Training
from addcat.errors import DataError, OptionError
from addcat.frameworks import torch

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()


def laboratory(
    model: "typed.nn.Module", data: Any, validation: Any, example_inputs: object, options: dict[str, Any]
) -> tuple[TorchDoor, Examples, Examples | None]:
    """A door that trains as the user says, and the data as it takes them.

    Args:
        model: A module.
        data: (x, y), or a loader.
        validation: The same, or None.
        example_inputs: What the model is called with; taken from the data where left out.
        options: How to train; see `addcat.advise`.

    Returns:
        The door; data and validation as examples in memory (of a loader a part, see `addcat.doors.torch.data`).

    Raises:
        DataError: if the data hold no labels, or a loader comes without validation data.
        OptionError: if an option is out of its range.
    """
    require_data(data, "data")
    require_data(() if validation is None else validation, "validation")
    unpack, autocast = unpacking(model, options.get("unpack")), options.get("autocast")
    if autocast is not None and autocast not in (_torch.bfloat16, _torch.float16):
        raise OptionError(f"autocast={autocast!r} is no type to train in. Expected torch.bfloat16 or torch.float16.")
    example = Example.of(example_inputs) if example_inputs is not None else first_call(model, data, unpack)
    loader = data if is_loader(data) else None
    size = per_pass = None
    if loader is not None:
        if validation is None:
            raise DataError(
                "A loader is iterated as it is, so nothing of it can be put aside to judge on. Pass validation= "
                "(--validation)."
            )
        if options.get("batch_size") is not None:
            raise OptionError("batch_size= (--batch-size) is for arrays; a loader has its own batches. Leave it out.")
        first = sampled(loader, unpack, seed=0)
        per_pass = _per_pass(loader, first.batches)
        data, size, example = first.examples, first.batch, replace(example, target=first.target)
    elif not isinstance(data, Examples):
        example = replace(example, target=_named(data))
        data = _pair(data, example, "The data have")
    if validation is not None and not isinstance(validation, Examples):
        if is_loader(validation):
            validation = sampled(validation, unpack, seed=1).examples
        else:
            validation = _pair(validation, example, "The validation data have")
    training = Training(
        optimizer=options.get("optimizer"),
        scheduler=options.get("scheduler"),
        epochs=options.get("epochs"),
        unpack=unpack,
        device=resolve(options.get("device")),
        autocast=autocast,
        loader=loader,
        batch=size,
        per_pass=per_pass,
    )
    return TorchDoor(example, options.get("factory"), training), data, validation


def _named(data: Any) -> dict[str, bool] | None:
    """Structure of the targets of arrays: their names, where they are a dict."""
    return dict.fromkeys(data[1], True) if is_list(data) and len(data) == 2 and is_dict(data[1]) else None


def _per_pass(loader: Any, seen: int | None) -> int:
    """Batches of a pass over a loader: as many as it says, else as were seen of a pass to its end.

    Raises:
        DataError: if it does not say, and the pass went on.
    """
    try:
        return max(1, len(loader))
    except TypeError as error:  # a DataLoader of an IterableDataset has a __len__ that raises
        if seen is not None:
            return seen
        raise DataError(
            f"The loader has no length, and a pass over it has more than the {MOST_EXAMPLES:,} examples that were "
            "looked at, so an epoch of it is not known. Give it, or its data set, a __len__."
        ) from error


def _pair(data: Any, example: Example, who: str) -> Examples:
    parts = len(data) if is_list(data) else 0
    if not (isinstance(data, tuple) and parts == 2):
        if parts > 2:
            raise DataError(f"{who} {parts} parts. Pass (x, y), several inputs as ([x1, x2], y).")
        raise DataError(f"{who} no labels, and a verdict needs a loss. Pass (x, y).")
    return examples_of(data, example)
