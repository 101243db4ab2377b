"""Inputs of a user's data in batches, for what runs a model and trains none."""

from collections.abc import Callable
from itertools import islice
from typing import Any

from addcat.data import as_dataset
from addcat.doors.base import framework_of
from addcat.errors import OptionError
from addcat.graph import Array, Graph


def input_batches(
    model: Any, graph: Graph, data: Any, *, most: int, unpack: Callable[[Any], Any] | None = None
) -> tuple[list[Array], ...]:
    """The inputs of the first batches of data, in the model's order.

    Args:
        model: A model.
        graph: Of it.
        data: What `as_dataset` takes; for a PyTorch module a loader, too.
        most: Batches at the most.
        unpack: Takes a batch of a PyTorch loader apart.

    Raises:
        DataError: if the data do not fit the model.
        OptionError: if there are no batches of a loader to take apart.
    """
    inputs = [(name, graph.nodes[name].shape) for name in graph.inputs]
    if framework_of(model) == "torch":
        from addcat.doors.torch.data import first_inputs  # noqa: PLC0415  (loads torch)

        return first_inputs(inputs, data, most, unpack)
    if unpack is not None:
        raise OptionError("unpack= is for a loader of a PyTorch module's data. Leave it out.")
    return tuple(list(batch.inputs) for batch in islice(as_dataset(data, inputs=inputs), most))
