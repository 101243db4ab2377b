"""A model, its data and its loss as a command line names them, for the verbs that train."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from addcat.cli.common import say_note
from addcat.doors.lookup import function_at, is_lookup, look_up, parse
from addcat.errors import DataError, OptionError
from addcat.graph import Graph


@dataclass(frozen=True, slots=True)
class Opened:
    """A model that is to be trained, or that was.

    Attributes:
        network: The model.
        example: What a PyTorch module is called with; None for others.
        graph: As its door reads it.
        read: Reads data that a command line names; of a PyTorch module a loader stays as it is.
        loss: As the verb takes it.
        unpack: Takes a batch of a PyTorch module's loader apart; None where it was not given.
    """

    network: Any
    example: Any
    graph: Graph
    read: Callable[[str], Any]
    loss: Any
    unpack: Any = None


def open_subject(
    model: str,
    *,
    data: str | None = None,
    loss: str | None = None,
    weights: Path | None = None,
    shapes: list[str] | None = None,
    unpack: str | None = None,
    unsafe: bool = False,
    custom: list[str] | None = None,
) -> Opened:
    """Load a model with what it was compiled with, unless the user says what it is to be judged by.

    Args:
        model: A file or code.
        data: As on the command line; a PyTorch module's first inputs are taken from them.
        loss: The same; of a PyTorch module it may be code.
        weights: Of a PyTorch module.
        shapes: Of a PyTorch module's inputs.
        unpack: What takes a batch of a PyTorch module's loader apart, as on the command line.
        unsafe: Whether a file may run code that is stored in it.
        custom: Modules that define classes of a file.

    Raises:
        AddcatError: if it cannot be loaded or read.
    """
    from addcat.doors.open import load_subject  # noqa: PLC0415  (loads what --help does not need)
    from addcat.verbs.inspect import parse_input_shapes  # noqa: PLC0415

    apart = None if unpack is None else function_at(unpack, error=OptionError)
    network, example = load_subject(
        model,
        weights=weights,
        shapes=parse_input_shapes(shapes or []),
        unsafe=unsafe,
        custom=custom or [],
        compiled=loss is None,
        say=say_note,
        example_of=partial(first_of, data, unpack=apart),
    )
    return replace(of_network(network, example, loss), unpack=apart)


def of_network(network: Any, example: Any, loss: str | None = None) -> Opened:
    """The same of a model that is there."""
    from addcat.data import load_data  # noqa: PLC0415
    from addcat.doors.base import door_for, framework_of  # noqa: PLC0415

    door = door_for(network, needs="train", example_inputs=example)
    graph = door.read(network)
    inputs = [(name, graph.nodes[name].shape) for name in graph.inputs]
    outputs = door.outputs_of(network)
    torch = framework_of(network) == "torch"

    def read(reference: str) -> Any:
        if torch and is_lookup(reference):  # a loader is iterated as it is
            return look_up(reference, error=DataError)
        return load_data(reference, inputs=inputs, outputs=outputs)

    is_code = torch and loss is not None and is_lookup(loss)
    return Opened(network, example, graph, read, look_up(str(loss), error=OptionError) if is_code else loss)


def first_of(data: str | None, network: Any, unpack: Any = None) -> Any:
    """What a PyTorch module is called with, of the data that were named; None where there are none."""
    if data is None:
        return None
    from addcat.doors.torch.named_data import call_named  # noqa: PLC0415  (loads torch)

    call = call_named(network, data, unpack)
    return call.args or call.kwargs


def metrics_named(given: list[str]) -> Any:
    """Metrics as a command line names them: known names, and code that makes or is one; None for none.

    Raises:
        OptionError: if code is not found.
    """

    def read(one: str) -> Any:
        if not is_lookup(one):
            return one
        called = parse(one, error=OptionError).called  # a metric that is made, or a function as it is
        return (look_up if called else function_at)(one, error=OptionError)

    found = [read(one) for one in given]
    return found[0] if len(found) == 1 else found or None
