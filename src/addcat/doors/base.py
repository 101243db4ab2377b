"""What a door is, and which one a model goes through."""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Protocol, cast

from addcat.errors import ModelError
from addcat.graph import Array, Edge, Graph, Shape

Run = Callable[[list[Array]], list[Array]]
"""Takes a list of arrays, one for each input; gives one for each output."""


class Door(Protocol):
    """Where a framework's model becomes a graph, and a graph a model."""

    def read(self, model: Any) -> Graph:
        """The graph of a model; the model is not touched."""
        ...

    def write(self, graph: Graph, *, weights: bool = True, seed: int | None = None) -> Any:
        """A new model that computes what the graph says and shares nothing with the one it was read from."""
        ...

    def predictor(self, model: Any, edges: Sequence[Edge] = ()) -> Run:
        """A compiled function that runs a model at inference; the tensors on `edges` follow its outputs."""
        ...

    def probe(self, graph: Graph, edges: list[Edge]) -> Run:
        """A compiled function from model inputs to the tensors on some edges of `flatten(graph)`."""
        ...

    def random_inputs(self, graph: Graph, *, examples: int, seed: int) -> list[Array]:
        """Inputs that a model takes, drawn at random."""
        ...

    def reshape_inputs(self, graph: Graph, shapes: tuple[Shape, ...]) -> Graph:
        """The graph with every shape inferred anew from these input shapes, batch first."""
        ...


def door_for(model: Any, verb: str = "") -> Door:
    """The door of the framework that a model comes from, told by its class alone; loads no other framework.

    Args:
        model: A Keras or ONNX model.
        verb: A verb that needs to train or to write Keras models; the ONNX door cannot serve it.

    Returns:
        The door.

    Raises:
        ModelError: if no door takes such an object, or its door cannot serve the verb.
    """
    homes = {cls.__module__.split(".")[0] for cls in type(model).__mro__}
    if "keras" in homes:
        return cast("Door", import_module("addcat.doors.keras"))
    if homes & {"onnx", "onnx_ir"} and verb:
        raise ModelError(f"{verb!r} takes Keras models, and this is an ONNX model. 'inspect' and 'optimize' take both.")
    if homes & {"onnx", "onnx_ir"}:
        return cast("Door", import_module("addcat.doors.onnx"))
    raise ModelError(
        f"No door takes a {type(model).__module__}.{type(model).__name__}. "
        "Pass a built Keras 3 model: keras.Sequential or keras.Model(inputs, outputs)."
    )
