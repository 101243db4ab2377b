"""Run a module at inference: on arrays, up to tensors inside, on random inputs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from addcat.doors.torch.devices import drawn_alike, full_precision
from addcat.doors.torch.examples import Example, array_of, example_of
from addcat.doors.torch.measure import assign, remember
from addcat.doors.torch.raised import named
from addcat.doors.torch.read import graph_of, read
from addcat.doors.torch.record import Recording, values_at
from addcat.doors.torch.tensors import tensors_in
from addcat.doors.torch.unnested import recorded_edges
from addcat.doors.torch.watching import in_mode
from addcat.doors.torch.write import is_edited, write
from addcat.frameworks import torch
from addcat.graph import Array, Edge, Graph, Node

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()
Run = Callable[[list[Array]], list[Array]]


def predictor(model: "typed.nn.Module", example: Example, edges: Sequence[Edge] = ()) -> Run:
    """A function from a list of input arrays to a list of output arrays, in eval mode, without gradients.

    Args:
        model: A module.
        example: What it is called with; its tensors are replaced by the arrays.
        edges: Tensors inside it that are to follow the outputs; of nested models their results alone.
    """

    def run(inputs: list[Array]) -> list[Array]:
        call = example_of(example, inputs, model)
        if edges:
            out, values = values_at(model, call, list(edges))
            places = edges
            if any(edge not in values for edge in edges):  # some are results of nested models
                graph = read(model, example)
                places = recorded_edges(graph, graph_of(graph.native), edges)
                out, values = values_at(model, call, places)
            return [array_of(tensor) for tensor in (*tensors_in(out), *(values[edge] for edge in places))]
        with (
            named(model, *call.trouble),
            drawn_alike(),
            in_mode(model, training=False),
            full_precision(),
            _torch.no_grad(),
        ):
            return [array_of(tensor) for tensor in tensors_in(model(*call.args, **call.kwargs))]

    return run


@dataclass(frozen=True, slots=True)
class Probed:
    """See `addcat.doors.base.Probed`.

    Attributes:
        model: What runs; the user's own where its graph was not edited.
        edges: Of the tensors that it gives.
        example: What it is called with.
    """

    model: "typed.nn.Module"
    edges: list[Edge]
    example: Example

    def __call__(self, inputs: list[Array], /) -> list[Array]:
        """The tensors for some inputs."""
        _, values = values_at(self.model, example_of(self.example, inputs, self.model), self.edges)
        return [array_of(values[edge]) for edge in self.edges]

    def put(self, name: str, node: Node) -> None:
        """Put weights into the module of a node."""
        assign(self.model, name, node)


def probe(graph: Graph, edges: list[Edge], example: Example) -> Probed:
    """A function from a list of input arrays to the tensors on some edges of a graph."""
    recording: Recording = graph.native
    places = recorded_edges(graph, graph_of(recording), edges)
    if not is_edited(graph):
        return Probed(recording.model, places, example)
    model = write(graph)
    remember(model, graph)
    return Probed(model, places, example)


def random_inputs(graph: Graph, *, examples: int, seed: int) -> list[Array]:
    """Inputs that a module takes: standard normal numbers; whole numbers from those of the example.

    Where the example's tensors differ in their number of rows, as nodes and edges of graphs do, rows are no examples:
    sizes and whole numbers are then the example's own.

    Args:
        graph: What `read` gave.
        examples: Size of the batch.
        seed: Of the draw.
    """
    recording: Recording = graph.native
    rng = np.random.default_rng(seed)
    rows = {len(tensor) for tensor in recording.example.tensors if tensor.ndim}
    found: list[Array] = []
    for tensor in recording.example.tensors:
        array = array_of(tensor)
        shape = (examples, *array.shape[1:]) if array.ndim and len(rows) == 1 else array.shape
        if np.issubdtype(array.dtype, np.floating):
            found.append(rng.standard_normal(shape).astype(array.dtype))
        elif len(rows) > 1:
            found.append(array)
        else:
            found.append(rng.choice(array.reshape(-1), shape).astype(array.dtype))
    return found
