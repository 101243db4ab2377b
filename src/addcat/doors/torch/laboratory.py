"""What `advise` and `compare` need of a torch module: the door that trains it, and data to measure on."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from addcat.data.examples import Examples
from addcat.doors.torch.data import examples_of, first_call, is_loader, sampled
from addcat.doors.torch.devices import resolve
from addcat.doors.torch.door import TorchDoor
from addcat.doors.torch.examples import Example, is_dict, is_list
from addcat.doors.torch.training import Training
from addcat.errors import DataError, OptionError

if TYPE_CHECKING:
    import torch as typed


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
    unpack = options.get("unpack")
    example = Example.of(example_inputs) if example_inputs is not None else first_call(model, data, unpack)
    loader = data if is_loader(data) else None
    size = None
    if loader is not None:
        if validation is None:
            raise DataError(
                "A loader is iterated as it is, so nothing of it can be put aside to judge on. Pass validation=."
            )
        if options.get("batch_size") is not None:
            raise OptionError("batch_size= is for arrays; a loader has its own batches. Leave it out.")
        if not hasattr(loader, "__len__"):
            raise DataError("The loader has no length, so an epoch of it is not known. Give it a __len__.")
        first = sampled(loader, unpack, seed=0)
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
        autocast=options.get("autocast"),
        loader=loader,
        batch=size,
    )
    return TorchDoor(example, options.get("factory"), training), data, validation


def _named(data: Any) -> dict[str, bool] | None:
    """Structure of the targets of arrays: their names, where they are a dict."""
    return dict.fromkeys(data[1], True) if is_list(data) and len(data) == 2 and is_dict(data[1]) else None


def _pair(data: Any, example: Example, who: str) -> Examples:
    if not (isinstance(data, tuple) and len(data) == 2):  # pyright: ignore[reportUnknownArgumentType]
        raise DataError(f"{who} no labels, and a verdict needs a loss. Pass (x, y).")
    return examples_of(data, example)
